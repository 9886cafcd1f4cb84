"""A protocol in memory, and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from posebench.base.skeletons import Skeleton
from posebench.data.corruption.conditions import amounts
from posebench.scoring.protocol.metric import EARLIER_ABSOLUTE, Metric

AVERAGES = ("frame", "take", "action", "subject x action")
#: What the axes of the scored poses are: those of the camera, or MotionBERT's (:mod:`posebench.scoring.image_space`).
SPACES = ("camera", "image-2.5d")


@dataclass(frozen=True)
class Protocol:
    """A resolved protocol; ``protocols/README.md`` explains each field.

    ``excluded`` maps a take to the reason, ``excluded_clips`` a clip, where only some cameras of a take are left out. ``conditions`` are
    the kinds of corruptions and shifts that methods are scored under (:mod:`posebench.scoring.robustness`), and ``reference`` errors of
    a method that other errors are divided by: its name, and for each kind the errors at severities 1 to 5.
    """

    id: str
    version: int
    title: str
    dataset: str
    dataset_version: str
    annotation: str
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    cameras: tuple[str, ...]
    excluded: dict[str, str]
    excluded_clips: dict[str, str]
    required: tuple[str, ...]
    split: str
    space: str
    stride: int
    fps: float
    skeleton: Skeleton
    root: tuple[str, ...]
    root_counted: bool
    headline: str
    also: tuple[str, ...]
    metrics: tuple[Metric, ...]
    diagnostics: tuple[Metric, ...]
    groups: dict[str, dict[str, tuple[str, ...]]]
    aliases: tuple[str, ...] = field(compare=False)
    sources: tuple[str, ...] = field(compare=False)
    notes: str = field(compare=False)
    conditions: tuple[str, ...] = ()
    reference: tuple[str, dict[str, tuple[float, ...]]] | None = None

    def excludes(self, clip: str) -> str:
        """Why a clip is left out, by its take or by itself; empty where it is not."""
        return self.excluded.get(clip.rpartition("/")[0], "") or self.excluded_clips.get(clip, "")

    @property
    def averages(self) -> tuple[str, ...]:
        """The headline average first, then the others shown."""
        return (self.headline, *self.also)

    @property
    def root_indices(self) -> tuple[int, ...]:
        """Joints whose mean is the root."""
        return tuple(self.skeleton.index(joint) for joint in self.root)

    @property
    def digest(self) -> str:
        """First 16 hex digits of the sha256 of everything that can change a number; prose is left out."""
        content: dict[str, Any] = {
            "id": self.id,
            "version": self.version,
            "dataset": [self.dataset, self.dataset_version],
            "takes": [self.subjects, self.actions, self.cameras, sorted(self.excluded)],
            "stride": self.stride,
            "skeleton": [self.skeleton.joints, self.skeleton.parents],
            "root": [self.root, self.root_counted],
            "averages": self.averages,
            "metrics": [_digested(metric) for metric in self.metrics],
            "diagnostics": [_digested(metric) for metric in self.diagnostics],
        }
        if self.groups:
            content["groups"] = self.groups
        if self.fps:
            content["fps"] = self.fps
        if self.annotation:
            content["annotation"] = self.annotation
        if self.excluded_clips:
            content["excluded clips"] = sorted(self.excluded_clips)
        if self.required:
            content["required"] = sorted(self.required)
        if self.split:
            content["split"] = self.split
        if self.space != "camera":
            content["space"] = self.space
        if self.conditions:
            content["conditions"] = [(kind, amounts(kind)) for kind in self.conditions]
        if self.reference:
            content["reference"] = self.reference
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _digested(metric: Metric) -> list[Any]:
    """What a digest holds of a metric."""
    alignment = EARLIER_ABSOLUTE if metric.alignment == "absolute" else metric.alignment
    content: list[Any] = [alignment, metric.statistic, metric.joints, metric.threshold, metric.thresholds, metric.inclusive]
    if metric.named:
        content.append({"named": metric.joint_set})
    if metric.roots:
        content.append({"roots": metric.roots})
    return content
