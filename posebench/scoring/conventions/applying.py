"""Apply a convention to a reading, or say why it cannot be applied to this input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from posebench.base.skeletons import EQUATED, Skeleton
from posebench.scoring.conventions import row_choice
from posebench.scoring.conventions.reading import Reading
from posebench.scoring.conventions.switches import JOINT_SETS
from posebench.scoring.conventions.whole_set import CannotError
from posebench.scoring.protocol import Metric, Protocol
from posebench.scoring.sums import Row

#: Alignments whose errors do not depend on which joints are aligned together.
_BY_JOINT = ("absolute", "root")


@dataclass(frozen=True)
class Facts:
    """What is known of the input before any pose is read.

    Attributes:
        protocol: the protocol that states the readings.
        rows: labels of the rows.
        fps: frames a second of the dataset's definition; 0 where unknown.
        metric_scale: the file states millimetres or metres.
        hypotheses: poses a frame.
    """

    protocol: Protocol
    rows: Sequence[Row]
    fps: float
    metric_scale: bool
    hypotheses: int

    @property
    def skeleton(self) -> Skeleton:
        """The protocol's."""
        return self.protocol.skeleton


def kind_of(metric: Metric) -> tuple[str, ...]:
    """The kinds of a metric that conventions name: ``root mean``, ``pck``, ...

    Mean errors of each alignment are a kind; other statistics are one kind under any alignment.
    """
    return (f"{metric.alignment} mean",) if metric.statistic == "mean" else (metric.statistic,)


def applied(reading: Reading, change: Mapping[str, str], facts: Facts) -> Reading:
    """The reading with the fields of ``change``; the same reading where the protocol does so already.

    Raises:
        CannotError: this input does not allow it; the text says why.
    """
    for field, value in change.items():
        reading = _FIELDS[field](reading, value, facts)
    return normalised(reading, facts)


def normalised(reading: Reading, facts: Facts) -> Reading:
    """The same reading, with fields that do not matter set alike, so that equal readings are evaluated once."""
    place = reading.placement
    if place.alignment in _BY_JOINT:
        reading = reading.placed(fitted=facts.skeleton.joints)
    if place.alignment not in ("root", "absolute", "scale") and place.alignment in _FREE_OF_ROOT and not place.oracle:
        reading = reading.placed(root=facts.protocol.root)
    return reading


#: Alignments that move the prediction's mean joint to the truth's, wherever the root was.
_FREE_OF_ROOT = ("rigid", "similarity", "similarity+reflection", "aspset", "elepose")


def _joint_set(name: str, reading: Reading, facts: Facts) -> tuple[str, ...]:
    skeleton = facts.skeleton
    if name == "all":
        return skeleton.joints
    if name == "no root":
        if not set(facts.protocol.root) & set(reading.quantity.scored):
            return reading.quantity.scored
        return tuple(joint for joint in reading.quantity.scored if joint not in facts.protocol.root)
    equated = {theirs: ours for ours, theirs in EQUATED.get((skeleton.id, "h36m17"), {}).items()}
    wanted = {equated.get(joint, joint) for joint in JOINT_SETS[name]}
    if missing := sorted(wanted - set(skeleton.joints)):
        raise CannotError(f"the skeleton {skeleton.id} has no {', '.join(missing)}")
    return tuple(joint for joint in skeleton.joints if joint in wanted)


def _joints(reading: Reading, name: str, facts: Facts) -> Reading:
    joints = _joint_set(name, reading, facts)
    return reading.placed(fitted=joints).with_quantity(scored=joints)


def _scored(reading: Reading, name: str, facts: Facts) -> Reading:
    return reading.with_quantity(scored=_joint_set(name, reading, facts))


def _root(reading: Reading, name: str, facts: Facts) -> Reading:
    joints = ("l_hip", "r_hip") if name == "hips" else ("pelvis",)
    if missing := sorted(set(joints) - set(facts.skeleton.joints)):
        raise CannotError(f"the skeleton {facts.skeleton.id} has no {', '.join(missing)}")
    same = set(joints) == set(facts.protocol.root)
    return reading if same else reading.placed(root=joints)


def _alignment(reading: Reading, name: str, facts: Facts) -> Reading:
    unscaled = name in ("rigid", "first 100") or (name == "root" and not reading.placement.prepared)
    if unscaled and not facts.metric_scale:
        raise CannotError("the file's scale is unknown, and nothing sets it here")
    return reading.placed(alignment=name)


def _prepared(reading: Reading, name: str, facts: Facts) -> Reading:
    if name == "after rigid" and not facts.metric_scale:
        raise CannotError("the file's scale is unknown, and nothing sets it here")
    if name.startswith("torso ") and not {"pelvis", "thorax"} <= set(facts.skeleton.joints):
        raise CannotError(f"the skeleton {facts.skeleton.id} has no pelvis or no thorax")
    if name.startswith("after ") and len(facts.protocol.root) != 1:
        raise CannotError("the root is no single joint")
    return reading.placed(prepared=name)


def _oracle(reading: Reading, name: str, facts: Facts) -> Reading:
    if name.startswith("best") and facts.hypotheses < 2:
        raise CannotError("the file has one pose a frame")
    return reading.placed(oracle=name)


def _frames(reading: Reading, rule: str, facts: Facts) -> Reading:
    stride = facts.protocol.stride
    if rule == "10 Hz":
        if not facts.fps:
            raise CannotError("the frame rate is unknown")
        every = facts.fps / 10.0
        if every != round(every) or every <= 1.0:
            raise CannotError(f"{facts.fps:g} Hz is no multiple of 10 Hz")
        rule = f"stride {round(every)}"
    if rule.startswith("stride "):
        every = int(rule.split()[1])
        if every == stride:
            return reading
        if every % stride:
            raise CannotError(f"the protocol scores every {stride}th frame, of which not every {every}th can be taken")
        if reading.quantity.statistic in ("velocity", "acceleration"):
            return reading.with_quantity(statistic=f"{reading.quantity.statistic} every {every}")
    if rule.startswith("credited ") and reading.frames != "all":
        raise CannotError("the frames are chosen otherwise already")
    return replace(reading, frames=rule)


def _rows(reading: Reading, condition: str, facts: Facts) -> Reading:
    if reason := row_choice.why_not(condition, facts.rows, facts.protocol):
        raise CannotError(reason)
    joined = condition if reading.rows == "all" else f"{reading.rows}&{condition}"
    if not row_choice.chosen(joined, facts.rows, facts.protocol.excluded).any():
        raise CannotError(f"no row is left with {joined.replace('&', ' and ')}")
    return replace(reading, rows=joined)


def _statistic(reading: Reading, text: str, _facts: Facts) -> Reading:
    words = text.split()
    if words[-1] == "same":  # the threshold of the reading
        text = " ".join([*words[:-1], reading.quantity.statistic.split()[-1]])
    return reading.with_quantity(statistic=text)


def _rate(reading: Reading, power: str, facts: Facts) -> Reading:
    if not facts.fps:
        raise CannotError("the frame rate is unknown")
    unit = "mm/s" if power == "1" else "mm/s^2"
    return replace(reading, unit=unit)


def factor(reading: Reading, facts: Facts) -> float:
    """What the number is multiplied by for its unit: the rate of the scored frames, or its square, where it is a second's."""
    rate = facts.fps / facts.protocol.stride
    return {"mm/s": rate, "mm/s^2": rate * rate}.get(reading.unit, 1.0)


_FIELDS = {
    "joints": _joints,
    "scored": _scored,
    "root": _root,
    "alignment": _alignment,
    "axes": lambda reading, axes, _: reading.placed(axes=axes),
    "prepared": _prepared,
    "oracle": _oracle,
    "frames": _frames,
    "rows": _rows,
    "average": lambda reading, kind, _: replace(reading, average=kind),
    "statistic": _statistic,
    "rate": _rate,
}
