"""The parts of a result, as its JSON file has them: what was scored against what, counts of poses, metrics, and the environment."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import posebench


@dataclass(frozen=True, kw_only=True)
class ScoredProtocol:
    """The protocol; ``headline`` is the average by which methods are ranked."""

    id: str
    version: int
    digest: str
    headline: str


@dataclass(frozen=True, kw_only=True)
class ScoredData:
    """The data that was scored against; ``note`` says in words how it differs from the official copy."""

    name: str
    version: str
    fingerprint: str
    official: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class ScoredFile:
    """The prediction file and what it states; ``provenance`` as the file holds it, None where it states none.

    ``joints`` are the equations and rules by which the lifter was given keypoints of other joints than its own.
    """

    file: str
    sha256: str
    method: str
    keypoints: str
    supervision: str
    skeleton: str
    scale: str
    hypotheses: int
    provenance: dict[str, Any] | None = field(default=None, metadata={"optional": True})
    scored_as: str = field(metadata={"key": "scored as"})
    joints: list[str] = field(default_factory=list, metadata={"optional": True})


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what the protocol asks for the file holds, and how much of the truth can be scored.

    Attributes:
        poses, clips: that the file holds; ``poses_wanted``, ``clips_wanted``: that are scored.
        partial: the file holds fewer poses.
        left_out: frames of the protocol's clips that are not scored, since the data lack a joint there or mark them as not valid.
        joints_missing: joint to the number of these frames that lack it; empty where the data do not say.
    """

    poses: int
    poses_wanted: int = field(metadata={"key": "poses wanted"})
    clips: int
    clips_wanted: int = field(metadata={"key": "clips wanted"})
    partial: bool
    left_out: int = field(default=0, metadata={"key": "frames left out", "optional": True})
    joints_missing: dict[str, int] = field(default_factory=dict, metadata={"key": "joints missing", "optional": True})


@dataclass(frozen=True, kw_only=True)
class InvalidPoses:
    """Numbers of invalid poses, of those that are not finite, and of poses that N-MPJPE scales by zero or less."""

    poses: int
    nonfinite: int = field(metadata={"key": "non-finite"})
    nonpositive_scale: int = field(metadata={"key": "non-positive N-scale"})


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The PCK curve under an AUC: ``percent`` of the joints that are nearer than each of ``thresholds``, mm."""

    thresholds: list[float]
    percent: list[float]

    def __post_init__(self) -> None:
        if len(self.thresholds) != len(self.percent):
            raise ValueError(f"{len(self.thresholds)} thresholds and {len(self.percent)} percentages")


@dataclass(frozen=True, kw_only=True)
class MetricValue:
    """One metric.

    Attributes:
        value: the headline average; None where the file's scale leaves the metric empty.
        unit: ``mm``, ``%``, ...
        low, high: the 95 % interval of the headline average; None where none can be given.
        by: value of each average that the protocol shows: ``frame``, ``take``, ``action``.
        groups: group to label to value. Frame-weighted means by ``action``, ``subject``, ``camera``, ``take`` and the protocol's own
            groups; the headline average by ``joint``.
        curve: the PCK curve, for an AUC only.
    """

    value: float | None
    unit: str
    low: float | None
    high: float | None
    by: dict[str, float | None]
    groups: dict[str, dict[str, float]]
    curve: Curve | None = field(default=None, metadata={"optional": True})


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The versions and the machine that numbers can depend on.

    ``kernel`` is what computed the alignments: ``numpy``, or ``c`` with the processor's instructions; empty in results that do not say.
    """

    posebench: str
    python: str
    numpy: str
    platform: str
    kernel: str = field(default="", metadata={"optional": True})

    @classmethod
    def current(cls) -> Environment:
        """Of this process."""
        from posebench.metrics.alignment import KERNEL  # here: results that are only read need no kernel

        return cls(
            posebench=posebench.__version__,
            python=platform.python_version(),
            numpy=np.__version__,
            platform=f"{sys.platform} {platform.machine()}",
            kernel=KERNEL,
        )
