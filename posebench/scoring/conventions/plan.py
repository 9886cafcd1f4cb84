"""How quantities are computed: as metrics of the scorer where it can, which is fastest, otherwise from joint errors in numpy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from posebench.scoring.conventions.reading import Placement, Quantity
from posebench.scoring.conventions.whole_set import of_whole_set
from posebench.scoring.protocol import Metric, Protocol

_ALIGNMENTS = ("root", "scale", "rigid", "similarity", "similarity+reflection")
#: Statistics that are means over joints: sums by joint give them on some joints.
_BY_JOINT = ("mean", "pck", "auc")


@dataclass(frozen=True)
class KeyedMetric(Metric):
    """A metric under a name of its own: conventions ask for several that a protocol would name alike."""

    key: str = ""

    @property
    def name(self) -> str:
        """The key."""
        return self.key


class Measured(NamedTuple):
    """A quantity as a metric of the scorer: the poses' view, the metric's key, and the columns of its sums."""

    view: Placement
    key: str
    columns: tuple[int, ...]


class Plan:
    """What is measured in which view of the poses, and what is computed from joint errors.

    Args:
        rules: the quantities, and the rules by which their frames are weighted.
        protocol: states skeleton, root and stride.

    Attributes:
        rules: as given.
        stated: the view in which the protocol itself reads poses.
        metrics: by view, the metrics that the scorer measures.
        measured: quantities that are metrics.
        others: quantities that are not.
    """

    def __init__(self, rules: Mapping[Quantity, set[str]], protocol: Protocol) -> None:
        self.rules = dict(rules)
        self.stated = Placement("", protocol.skeleton.joints, protocol.root)
        self.metrics: dict[Placement, list[KeyedMetric]] = defaultdict(list)
        self.measured: dict[Quantity, Measured] = {}
        self.others: list[Quantity] = []
        self._skeleton = protocol.skeleton
        self._keys: dict[tuple[Placement, Metric], str] = {}
        for quantity, of in self.rules.items():
            if (found := self._metric(quantity, whole_frames=of == {"all"})) is not None:
                self.measured[quantity] = found
            else:
                self.others.append(quantity)

    def views(self, *, whole: bool) -> list[Placement]:
        """Views other than the protocol's in which the scorer measures metrics: those that need the whole set first, or the others."""
        return [view for view in self.metrics if view != self.stated and of_whole_set(view.prepared) == whole]

    def unmeasured(self, *, whole: bool) -> list[Quantity]:
        """Quantities that are no metrics: those that need the whole set first, or the others."""
        return [quantity for quantity in self.others if of_whole_set(quantity.placement.prepared) == whole]

    def keeps_frames(self, quantity: Quantity) -> bool:
        """Whether the values of single frames are weighted."""
        return self.rules[quantity] != {"all"}

    def _metric(self, quantity: Quantity, *, whole_frames: bool) -> Measured | None:
        place = quantity.placement
        metric = metric_of(quantity)
        if metric is None:
            return None
        joints = metric.joints
        if place.fitted != quantity.scored and quantity.statistic.split()[0] in _BY_JOINT:
            if whole_frames:
                joints = place.fitted
            elif place.alignment != "root":
                return None
        view = place.view._replace(fitted=self._skeleton.joints)
        columns = tuple(joints.index(joint) for joint in metric.joints)
        metric = replace(metric, joints=joints)
        if (view, metric) not in self._keys:
            key = self._keys[view, metric] = str(len(self._keys))
            self.metrics[view].append(replace(metric, key=key))
        return Measured(view, self._keys[view, metric], columns)


def metric_of(quantity: Quantity) -> KeyedMetric | None:
    """The metric of the scorer that is this quantity; None where there is none."""
    place = quantity.placement
    word, *numbers = quantity.statistic.split()
    if place.oracle or place.alignment not in _ALIGNMENTS:
        return None
    # Differences over time are measured root-relative, of every frame of the protocol.
    if word not in (*_BY_JOINT, "cps") and (word not in ("velocity", "acceleration") or place.alignment != "root" or numbers):
        return None
    grid = (float(numbers[0]), float(numbers[1]), float(numbers[2])) if word in ("auc", "cps") else None
    return KeyedMetric(
        alignment=place.alignment,
        statistic=word,
        joint_set="",
        joints=quantity.scored,
        threshold=float(numbers[1]) if word == "pck" else None,
        thresholds=grid,
        inclusive=word == "pck" and numbers[0] == "<=",
    )
