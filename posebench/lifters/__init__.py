"""Lifters: keypoints in, poses out.

Imports everything above it: ``base`` to ``networks``.
Start with ``__init__.py`` (:class:`Lifter`); ``choose.py`` finds a lifter by name, ``run.py`` opens a trained one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.data.clip import Dataset
from posebench.predictions.provenance import Provenance

Array = npt.NDArray[np.float64]
#: How a trained lifter is told the camera of its keypoints: the camera; the image's size (width, height) px, from which a camera is
#: estimated; or ``nominal``, the camera that stands for those of the training. None is refused.
StatedCamera = Camera | tuple[int, int] | Literal["nominal"] | None


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
        nominal_camera: focal lengths and principal point, px, of the camera that a trained lifter assumes where it is told ``nominal``.
    """

    id: str
    skeleton: str
    supervision: str
    scale: str
    context: int = 1
    flip_averaging: bool = False
    provenance: Provenance | None = None
    nominal_camera: tuple[float, float, float, float] | None = None

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
    from posebench.lifters.flat import flat_for
    from posebench.lifters.mean_pose import fit_mean_pose

    return {"flat": flat_for, "mean-pose": fit_mean_pose}


def predict(
    lifter: Lifter,
    dataset: Dataset,
    *,
    keypoints: str = "gt",
    split: str = "test",
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Lift every clip of a split, one clip at a time.

    **Convention.** For a clip without a camera the nominal camera of a trained lifter's training stands in, and that is said once. Other
    lifters get None. Keypoints of other joints than the lifter's are matched by name, by the field's equations and by rule
    (:mod:`posebench.base.joint_matching`), and that is said once; :func:`joint_notes` has the same for a prediction file. Poses are in the
    lifter's own skeleton, their root at its root joint, in the size of the people that it was trained on. A clip of a take in
    ``dataset.unreadable`` that has no such keypoints is left out, and that is said.

    Args:
        lifter: a lifter.
        dataset: an open dataset.
        keypoints: 2D source.
        split: ``train`` or ``test``.
        progress: called with (clips done, clips in all).
        log: called with a line that says which camera stands in, or how joints are matched; None for a Python warning.

    Yields:
        Clip id and poses (T, J, 3) float32, camera frame, root at the origin; mm where the scale is metric.

    Raises:
        PosebenchError: the dataset has no such split or keypoint source; the source lacks joints of the lifter that no rule completes; or
            the lifter failed on a clip, which is named.
    """
    info = lifter.info
    clips, said = dataset.clip_ids(split), False
    for note in joint_notes(info, dataset, keypoints, split=split):
        _tell(note, log)
    for done, id in enumerate(clips):
        clip = dataset.load(id)
        if clip.info.take in dataset.unreadable and keypoints not in clip.sources and keypoints in dataset.keypoint_sources:
            _tell(f"{id} has no keypoints {keypoints}, as its video cannot be read: it is left out", log)
            continue
        points = clip.keypoints_as(keypoints, info.skeleton)
        camera: Any = clip.camera
        if camera is None and info.nominal_camera:
            camera = "nominal"
            if not said:
                _tell(f"{id} of {dataset.name} has no camera: {nominal_words(info)} stands in, here and for every clip without one", log)
                said = True
        try:
            poses = lifter.lift(points, camera)
        except PosebenchError as error:
            raise PosebenchError(f"clip {id}: {error.found}", error.wanted, error.next_step) from error
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; the pose counts as invalid
            yield id, poses.astype(np.float32)
        if progress:
            progress(done + 1, len(clips))


def joint_notes(info: LifterInfo, dataset: Dataset, keypoints: str, *, split: str = "test") -> tuple[str, ...]:
    """What a prediction file states of joints that are not the lifter's own: each equation and rule; nothing if all have their names.

    Raises:
        PosebenchError: the dataset has no such split or source, or the source lacks joints that no rule completes.
    """
    clips = dataset.clip_ids(split)
    if not clips:
        return ()
    match = dataset.load(clips[0]).matched(keypoints, info.skeleton)
    return match_notes(match.words, f"keypoints {keypoints} of {dataset.name}", match.source, info.skeleton)


def match_notes(words: tuple[str, ...], what: str, source: str, target: str) -> tuple[str, ...]:
    """One note on how ``what`` of skeleton ``source`` was matched with ``target``; none without words.

    Example:
        >>> match_notes(("thorax = neck",), "keypoints gt of 3dhp", "mpi17", "h36m17")
        ('keypoints gt of 3dhp (mpi17) as h36m17: thorax = neck',)
    """
    return (f"{what} ({source}) as {target}: {', '.join(words)}",) if words else ()


def nominal_words(info: LifterInfo) -> str:
    """The nominal camera of a trained lifter in words."""
    assert info.nominal_camera is not None
    focal_x, focal_y, x, y = (f"{value:.0f}" for value in info.nominal_camera)
    return f"the nominal camera of the training of {info.id} (focal length {focal_x}, {focal_y} px, principal point {x}, {y} px)"


def _tell(line: str, log: Callable[[str], None] | None) -> None:
    if log:
        log(line)
    else:
        warnings.warn(line, stacklevel=3)
