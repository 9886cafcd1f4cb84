"""Sums over the frames of one clip, of every metric."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
V = TypeVar("V")


@dataclass
class ClipSums:
    """Sums of one clip, each by metric name, and the pose counts that the checks need.

    Attributes:
        total: (K,) sums over frames, for K joints, bones or pairs of bones; K = 1 for a statistic of the whole pose.
        count: number of frames in each sum.
        poses: number of poses.
        nonfinite, invalid: poses that are not finite; poses that are invalid, these included.
        nonpositive_scale: valid poses that N-MPJPE scales by zero or less.
        frames: chunks of values, one a frame, NaN where a difference has no predecessor; only if they were asked for.
        curve: (thresholds,) for an AUC: the PCK curve in % of the joints, summed over frames.
    """

    total: dict[str, Array] = field(default_factory=dict)
    count: dict[str, float] = field(default_factory=dict)
    poses: int = 0
    nonfinite: int = 0
    invalid: int = 0
    nonpositive_scale: int = 0
    frames: dict[str, list[Array]] = field(default_factory=dict)
    curve: dict[str, Array] = field(default_factory=dict)

    def joined(self, others: Iterable[ClipSums]) -> ClipSums:
        """With the sums of other metrics over the same poses."""
        for other in others:
            for table in ("total", "count", "frames", "curve"):
                getattr(self, table).update(getattr(other, table))
        return self

    def renamed(self, old: str, new: str) -> ClipSums:
        """The same sums, where the name of a metric, and so of its oracles, begins with another one."""

        def table(values: dict[str, V]) -> dict[str, V]:
            return {new + name.removeprefix(old): value for name, value in values.items()}

        return replace(self, total=table(self.total), count=table(self.count), frames=table(self.frames), curve=table(self.curve))

    def add(self, name: str, values: Array) -> None:
        """Add values (n, K) of n frames."""
        total = values.sum(axis=0)
        self.total[name] = self.total[name] + total if name in self.total else total
        self.count[name] = self.count.get(name, 0.0) + len(values)


def pose_counts(parts: list[ClipSums]) -> ClipSums:
    """The pose counts of a clip from those of its parts; sums are left out."""
    names = ("poses", "nonfinite", "invalid", "nonpositive_scale")
    return ClipSums(**{name: sum(getattr(part, name) for part in parts) for name in names})
