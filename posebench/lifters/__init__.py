"""Lifters: keypoints in, poses out.

Imports everything above it: ``base`` to ``networks``.
Start with ``__init__.py`` (:class:`Lifter`); ``choose.py`` finds a lifter by name, ``run.py`` opens a trained one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.predictions.provenance import Provenance

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LifterInfo:
    """What a lifter is: the facts that prediction files and tables need.

    Attributes:
        id: its name in files and tables.
        skeleton: joint order of its keypoints and poses.
        supervision: the 3D that its training saw, one of :data:`posebench.predictions.archive.SUPERVISIONS`.
        scale: ``metric`` (poses in mm) or ``unknown``.
        context: number of frames that the pose of one frame depends on; 1 for a single-frame lifter.
        flip_averaging: each pose is the mean of the lift of the keypoints and that of their mirror image (:mod:`posebench.lifters.flip`).
        provenance: how it was trained; None for a lifter that no training run made.
    """

    id: str
    skeleton: str
    supervision: str
    scale: str
    context: int = 1
    flip_averaging: bool = False
    provenance: Provenance | None = None

    @property
    def unit(self) -> str | None:
        """Unit of the poses in a prediction file: ``mm``, or None where the scale is unknown."""
        return "mm" if self.scale == "metric" else None

    def shown(self, kind: str) -> str:
        """A lifter of this ``kind`` in one line."""
        return f"<{kind} {self.id!r}: {self.skeleton}, scale {self.scale}, supervision {self.supervision}>"


class Lifter(Protocol):
    """Keypoints to poses. Prediction, timing and export need no more of a lifter than this."""

    @property
    def info(self) -> LifterInfo:
        """What the lifter is."""
        ...

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3), camera frame, root at the origin."""
        ...


def simple_lifters() -> dict[str, Callable[[Dataset], Lifter]]:
    """The lifters that need no training run: id to a function that makes one, given the dataset whose training split it may use."""
    from posebench.lifters.flat import Flat
    from posebench.lifters.mean_pose import fit_mean_pose

    return {"flat": lambda _: Flat(), "mean-pose": fit_mean_pose}


def predict(
    lifter: Lifter, dataset: Dataset, *, keypoints: str = "gt", split: str = "test", progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Lift every clip of a split, one clip at a time.

    Args:
        lifter: a lifter for the dataset's skeleton.
        dataset: an open dataset.
        keypoints: 2D source.
        split: ``train`` or ``test``.
        progress: called with (clips done, clips in all).

    Yields:
        Clip id and poses (T, J, 3) float32, camera frame, root at the origin; mm where the scale is metric.

    Raises:
        PosebenchError: the dataset has no such split or keypoint source, or another skeleton than the lifter; or the lifter failed on
            a clip, which is named.
    """
    info = lifter.info
    if dataset.skeleton != info.skeleton:
        raise PosebenchError(
            f"lifter {info.id} for {info.skeleton}", f"a lifter for {dataset.skeleton}", "choose another dataset or lifter"
        )
    clips = dataset.clip_ids(split)
    for done, id in enumerate(clips):
        clip = dataset.load(id)
        points = clip.keypoints(keypoints)
        if points.shape[1] != len(skeleton(info.skeleton)):
            raise PosebenchError(
                f"{points.shape[1]} joints in keypoint source {keypoints} of {dataset.name}",
                f"the joints of {info.skeleton}, which lifter {info.id} takes",
                "choose another source with --keypoints",
            )
        try:
            poses = lifter.lift(points, clip.camera)
        except PosebenchError as error:
            raise PosebenchError(f"clip {id}: {error.found}", error.wanted, error.next_step) from error
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; the pose counts as invalid
            yield id, poses.astype(np.float32)
        if progress:
            progress(done + 1, len(clips))
