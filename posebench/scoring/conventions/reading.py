"""One way to read a number off predicted and true poses: everything that a convention can change, in one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from posebench.scoring.protocol import Metric, Protocol

#: Average to (what is averaged first, within which groups); the groups then have equal weights.
AVERAGES = {
    "frame": ("frame", ""),
    "take": ("take", ""),
    "action": ("frame", "action"),
    "clip": ("clip", ""),
    "clip in action": ("clip", "action"),
    "subject": ("frame", "subject"),
    "subject x action": ("frame", "subject x action"),
}


class Placement(NamedTuple):
    """How a prediction is placed on the truth before joints are compared.

    Attributes:
        alignment: of :data:`posebench.metrics.alignment.ALIGNMENTS`, or of :mod:`posebench.scoring.conventions.joint_errors`.
        fitted: joints that are aligned, by name.
        root: joints whose mean is the root.
        axes: ``camera``, or ``ray``: the prediction turned from the optical axis to the ray through the root.
        oracle: empty, or how the truth chooses: ``flip by pose``, ``flip by joint``, ``best pose``, ``best joint``, ``best clip``.
        prepared: what is done to the root-relative prediction before it is aligned: nothing, ``float32 m`` (of both), a factor such as
            ``frobenius``, or ``after rigid``: :mod:`posebench.scoring.conventions.joint_errors`.
        mirrored: z of the prediction is negated, before it is prepared.
    """

    alignment: str
    fitted: tuple[str, ...]
    root: tuple[str, ...]
    axes: str = "camera"
    oracle: str = ""
    prepared: str = ""
    mirrored: bool = False

    @property
    def view(self) -> Placement:
        """The same without alignment: what alignments of the same poses and joints share."""
        return self._replace(alignment="", oracle="")


class Quantity(NamedTuple):
    """A number for each frame: a placement, the joints that count, and a statistic of their errors.

    Attributes:
        placement: see :class:`Placement`.
        scored: joints that count, of the fitted ones.
        statistic: such as ``mean``, ``pck < 150``, ``auc 0 150 5``, ``velocity``: :mod:`posebench.scoring.conventions.statistics`.
    """

    placement: Placement
    scored: tuple[str, ...]
    statistic: str


@dataclass(frozen=True)
class Reading:
    """A quantity, the frames and rows that count, and how they are averaged.

    Attributes:
        quantity: the number of a frame.
        frames: weights of the frames: :mod:`posebench.scoring.conventions.frame_weights`.
        rows: which takes, subjects and cameras count; conditions joined by ``&``.
        average: a key of :data:`AVERAGES`.
        unit: of the number.
    """

    quantity: Quantity
    frames: str
    rows: str
    average: str
    unit: str

    @property
    def placement(self) -> Placement:
        """The quantity's placement."""
        return self.quantity.placement

    def placed(self, **changes: object) -> Reading:
        """With fields of the placement changed."""
        return replace(self, quantity=self.quantity._replace(placement=self.placement._replace(**changes)))  # type: ignore[arg-type]

    def with_quantity(self, **changes: object) -> Reading:
        """With fields of the quantity changed."""
        return replace(self, quantity=self.quantity._replace(**changes))  # type: ignore[arg-type]


def stated_reading(metric: Metric, protocol: Protocol, average: str = "") -> Reading:
    """How a protocol reads one of its metrics."""
    fitted = protocol.skeleton.joints if metric.statistic in ("cps", "velocity", "acceleration") else metric.joints
    quantity = Quantity(Placement(metric.alignment, fitted, protocol.root), metric.joints, _statistic(metric))
    return Reading(quantity, "all", "all", average or protocol.headline, metric.unit)


def _statistic(metric: Metric) -> str:
    if metric.statistic == "pck":
        return f"pck {'<=' if metric.inclusive else '<'} {metric.threshold:g}"
    if metric.thresholds is not None:
        return f"{metric.statistic} " + " ".join(f"{number:g}" for number in metric.thresholds)
    return metric.statistic
