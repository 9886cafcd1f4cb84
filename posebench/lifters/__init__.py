"""Lifters: keypoints in, poses out.

Imports everything above it: ``base`` to ``networks``.
Start with ``__init__.py`` (:class:`Lifter`); ``choose.py`` finds a lifter by name, ``run.py`` opens a trained one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset

Array = npt.NDArray[np.float64]


class Lifter(Protocol):
    """What every lifter is to the rest of posebench.

    Attributes:
        id: its name in files and tables.
        skeleton: joint order of its keypoints and poses.
        supervision: what its training saw: ``none``, ``unpaired 3D`` or ``paired 3D``.
        scale: ``metric`` (poses in mm) or ``unknown``.
        context: frames that one pose is made from: 1 for a single frame, T for a window of T frames about it.
        flip_averaging: each pose is the mean of the lifts of the keypoints and of their mirror image (:mod:`posebench.lifters.flip`).
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def skeleton(self) -> str: ...  # noqa: D102
    @property
    def supervision(self) -> str: ...  # noqa: D102
    @property
    def scale(self) -> str: ...  # noqa: D102
    @property
    def context(self) -> int: ...  # noqa: D102
    @property
    def flip_averaging(self) -> bool: ...  # noqa: D102

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3), camera frame, root at the origin."""
        ...


def simple_lifters() -> dict[str, Callable[[Dataset], Lifter]]:
    """Makers of the lifters that need no training run, by id; each takes the dataset whose training split it may look at."""
    from posebench.lifters.flat import Flat
    from posebench.lifters.mean_pose import fit_mean_pose

    return {"flat": lambda _: Flat(), "mean-pose": fit_mean_pose}


def predict(
    lifter: Lifter, dataset: Dataset, *, keypoints: str = "gt", split: str = "test", progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Clip id and poses (T, J, 3) float32 of every clip of a split, one clip at a time.

    Raises:
        PosebenchError: the dataset has no such split or keypoint source, or another skeleton than the lifter; or the lifter failed on
            a clip, which is named.
    """
    if dataset.skeleton != lifter.skeleton:
        raise PosebenchError(
            f"lifter {lifter.id} for {lifter.skeleton}", f"a lifter for {dataset.skeleton}", "choose another dataset or lifter"
        )
    clips = dataset.clip_ids(split)
    for done, id in enumerate(clips):
        clip = dataset.load(id)
        points = clip.keypoints(keypoints)
        if points.shape[1] != len(skeleton(lifter.skeleton)):
            raise PosebenchError(
                f"{points.shape[1]} joints in keypoint source {keypoints} of {dataset.name}",
                f"the joints of {lifter.skeleton}, which lifter {lifter.id} takes",
                "choose another source with --keypoints",
            )
        try:
            poses = lifter.lift(points, clip.camera)
        except PosebenchError as error:
            raise PosebenchError(f"clip {id}: {error.found}", error.wanted, error.next_step) from error
        with np.errstate(over="ignore"):  # too large for float32: infinite, and counted as an invalid pose
            yield id, poses.astype(np.float32)
        if progress:
            progress(done + 1, len(clips))
