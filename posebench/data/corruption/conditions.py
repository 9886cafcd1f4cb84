"""A condition: a corruption or a shift at a severity. It turns a dataset into the one that lifters see and are scored on under it.

**Convention.** A condition's name is ``<kind>/<severity>``, such as ``white/3``; ``clean`` is none. A corrupted dataset has one keypoint
source more, ``noise/<kind>/<severity>``; poses, cameras and frames are those of the dataset. A shifted dataset has other poses and cameras
(``slow``: fewer frames), and the single keypoint source ``gt``, the exact projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.skeletons import skeleton
from posebench.data.clip import Array, Clip, ClipInfo, Dataset
from posebench.data.corruption.cameras import SHIFTS, UP, view_of
from posebench.data.corruption.keypoints import CORRUPTIONS, corrupted

SEVERITIES = (1, 2, 3, 4, 5)
#: The name of the condition without error or shift.
CLEAN = "clean"
KINDS = (*CORRUPTIONS, *SHIFTS)


@dataclass(frozen=True)
class Condition:
    """A corruption of :data:`CORRUPTIONS` or a shift of :data:`SHIFTS` at a severity from 1 to 5; severity 0 is ``clean``.

    Example:
        >>> str(Condition("white", 3)), str(Condition.read("clean")), Condition("roll", 2).amount
        ('white/3', 'clean', 10.0)
    """

    kind: str
    severity: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS and (self.kind, self.severity) != (CLEAN, 0):
            raise PosebenchError(f"condition {self.kind!r}", f"one of {', '.join(KINDS)}", did_you_mean(self.kind, KINDS, "correct it"))
        if self.severity not in range(6):
            raise PosebenchError(f"severity {self.severity} of {self.kind}", "a whole number from 1 to 5, or 0 for none", "correct it")

    @classmethod
    def read(cls, text: str) -> Condition:
        """The condition of a name.

        Raises:
            PosebenchError: it is none.
        """
        kind, _, severity = text.partition("/")
        if text == CLEAN:
            return cls(CLEAN, 0)
        if len(severity) != 1 or severity not in "12345":
            raise PosebenchError(f"condition {text!r}", "a kind and a severity from 1 to 5, such as white/3, or clean", "correct it")
        return cls(kind, int(severity))

    def __str__(self) -> str:
        return CLEAN if self.severity == 0 else f"{self.kind}/{self.severity}"

    @property
    def amount(self) -> float:
        """The amount of this severity, in the kind's own unit; 0 for ``clean``."""
        return amounts(self.kind)[self.severity - 1] if self.severity else 0.0

    @property
    def keypoints(self) -> str:
        """The keypoint source that lifters are given."""
        return f"noise/{self}" if self.severity and self.kind in CORRUPTIONS else "gt"

    def of(self, dataset: Dataset) -> Dataset:
        """The dataset under this condition; the dataset itself where the condition is ``clean``.

        Raises:
            PosebenchError: the dataset has no exact keypoints to corrupt, or for a shift no world that is y up, or frames that differ in
                validity or label. A clip without a camera is refused when it is loaded.
        """
        if self.severity == 0:
            return dataset
        if self.kind in CORRUPTIONS:
            if "gt" not in dataset.keypoint_sources:
                raise PosebenchError(
                    f"dataset {dataset.name} without keypoints gt", "exact keypoints, to corrupt them", "use another dataset"
                )
            return replace(
                dataset,
                keypoint_sources=(*dataset.keypoint_sources, self.keypoints),
                load=partial(_corrupted_clip, dataset, self),
            )
        if self.kind != "slow" and dataset.up != UP:
            raise PosebenchError(f"{self} for dataset {dataset.name}, whose world is not y up", "cmu or synthetic", "use another dataset")
        if dataset.valid or dataset.labels:
            raise PosebenchError(
                f"{self} for dataset {dataset.name}, which scores or labels single frames", "cmu or synthetic", "use those"
            )
        infos, fps = dataset.infos, dataset.fps
        if self.kind == "slow":
            step = int(self.amount)
            infos, fps = {id: replace(info, frames=-(-info.frames // step)) for id, info in infos.items()}, fps / step
        return replace(
            dataset, infos=infos, fps=fps, keypoint_sources=("gt",), unreadable=(), load=partial(_shifted_clip, dataset, self, infos, fps)
        )


def amounts(kind: str) -> tuple[float, ...]:
    """The amounts of severities 1 to 5 of a corruption or shift, in its own unit."""
    return CORRUPTIONS[kind].amounts if kind in CORRUPTIONS else SHIFTS[kind].amounts


def conditions(kinds: Sequence[str]) -> list[Condition]:
    """``clean``, then every severity of each kind.

    Example:
        >>> [str(one) for one in conditions(["grid"])]
        ['clean', 'grid/1', 'grid/2', 'grid/3', 'grid/4', 'grid/5']
    """
    return [Condition(CLEAN, 0), *(Condition(kind, severity) for kind in kinds for severity in SEVERITIES)]


def _corrupted_clip(dataset: Dataset, condition: Condition, id: str) -> Clip:
    clip = dataset.load(id)

    def keypoints() -> Array:
        return corrupted(clip.keypoints("gt"), id, clip.skeleton, clip.fps, condition.kind, condition.severity)

    return replace(clip, sources={**clip.sources, condition.keypoints: keypoints})


def _shifted_clip(dataset: Dataset, condition: Condition, infos: dict[str, ClipInfo], fps: float, id: str) -> Clip:
    clip = dataset.load(id)
    shift = SHIFTS[condition.kind]
    if shift.apply is None:
        rows = slice(None, None, int(condition.amount))
        exact = clip.sources["gt"]
        return replace(clip, info=infos[id], pose=clip.pose[rows], fps=fps, sources={"gt": lambda: exact()[rows]})
    if clip.camera is None or not np.isfinite(clip.pose).all():
        raise PosebenchError(f"{condition} for {id} without a camera", "a calibrated camera, to move it", "use cmu or synthetic")
    view = shift.apply(view_of(clip.pose, clip.camera, skeleton(clip.skeleton).root_indices), condition.amount)
    pose, camera = view.camera.to_camera(view.world), view.camera
    return replace(clip, pose=pose, camera=camera, sources={"gt": partial(camera.project, pose)})
