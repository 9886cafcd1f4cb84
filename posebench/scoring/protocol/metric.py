"""A metric as a protocol states it: an alignment, a joint set and a statistic. Its name follows from these."""

from __future__ import annotations

from dataclasses import dataclass

ALIGNMENTS = ("absolute", "root", "scale", "rigid", "similarity", "similarity+reflection")
#: Alignments in which the truth chooses between the pose and its depth flip, as in ITES' evaluation: of diagnostics only.
ORACLE_ALIGNMENTS = ("best-of-flip", "best-of-flip+similarity")
#: Statistics that have an oracle alignment.
OF_ORACLES = ("mean", "pck", "auc")
STATISTICS = ("mean", "pck", "auc", "cps", "velocity", "acceleration", "bone-length", "bone-symmetry", "flip-rate")
#: Statistics of root-relative poses, aligned or not: they have no absolute form.
OF_RELATIVE_POSES = ("velocity", "acceleration", "bone-length", "bone-symmetry")
#: Earlier name of ``absolute``: still read, and what digests are made of.
EARLIER_ABSOLUTE = "none"

_BASE = {
    "mean": "MPJPE",
    "pck": "PCK",
    "auc": "AUC",
    "cps": "CPS",
    "velocity": "MPJVE",
    "acceleration": "ACCEL",
    "bone-length": "BONE-LENGTH",
    "bone-symmetry": "BONE-SYMMETRY",
    "flip-rate": "flip-rate",
}
_UNIT = {"pck": "%", "auc": "%", "flip-rate": "%", "velocity": "mm/frame", "acceleration": "mm/frame^2"}
_PREFIX = {
    "absolute": "ABS-",
    "root": "",
    "scale": "N-",
    "rigid": "PA-",
    "similarity": "PA-",
    "similarity+reflection": "PA-",
    "best-of-flip": "ITES-",
    "best-of-flip+similarity": "ITES-PA-",
}
_SUFFIX = {"rigid": "-rigid", "similarity+reflection": "-reflection"} | dict.fromkeys(ORACLE_ALIGNMENTS, "-best-of-flip")


@dataclass(frozen=True)
class Metric:
    """An alignment, a joint set and a statistic with its numbers.

    Attributes:
        alignment: one of :data:`ALIGNMENTS`, or of a diagnostic one of :data:`ORACLE_ALIGNMENTS`.
        statistic: one of :data:`STATISTICS`.
        joint_set: name of the joint set in the protocol's file.
        joints: names of the scored joints.
        threshold: mm; of ``pck`` only.
        thresholds: first, last and step in mm; of ``auc`` and ``cps`` only.
        inclusive: a joint at the threshold counts (``<=``); of ``pck`` only.
        named: the joint set is part of the name.
        roots: ``((joints, root joints), ...)``: which joints are seen from the mean of which, in place of the protocol's root; or empty.
    """

    alignment: str
    statistic: str
    joint_set: str
    joints: tuple[str, ...]
    threshold: float | None = None
    thresholds: tuple[float, float, float] | None = None
    inclusive: bool = False
    named: bool = False
    roots: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    @property
    def name(self) -> str:
        """Derived from the other fields, so that no file can misname a metric: ``MPJPE PA-MPJPE N-MPJPE PCK@150 PA-PCK@150 CPS ...``.

        A joint set that is part of the name follows the statistic, and so does a root of its own: ``MPJPE-face MPJPE-face-own-root``.
        CPS is defined after Procrustes, and so has no prefix there; PA with reflection or without scale has a suffix, and so has an oracle:
        ``ITES-PCK@150-best-of-flip``.
        """
        base = _BASE[self.statistic] + (f"-{self.joint_set}" if self.named else "") + ("-own-root" if self.roots else "")
        if self.threshold is not None:
            base += f"@{self.threshold:g}" + ("-inclusive" if self.inclusive else "")
        if self.statistic == "flip-rate":
            return base
        prefix = _PREFIX[self.alignment]
        if self.statistic == "cps":
            prefix = {"PA-": "", "": "ROOT-"}.get(prefix, prefix)
        return prefix + base + _SUFFIX.get(self.alignment, "")

    @property
    def unit(self) -> str:
        """``mm``, ``%``, ``mm/frame``, ``mm/frame^2``; CPS is an area in mm of threshold."""
        return _UNIT.get(self.statistic, "mm")

    @property
    def absolute(self) -> bool:
        """The metric needs metric scale, and is empty for a file whose scale is unknown."""
        return self.alignment in ("absolute", "root", "rigid") and self.statistic != "flip-rate"


def higher_is_better(metric: str) -> bool:
    """Whether more is better under a metric's name: PCK, AUC and CPS, under any alignment.

    Example:
        >>> higher_is_better("PA-PCK@150"), higher_is_better("MPJPE")
        (True, False)
    """
    return any(word in metric for word in ("PCK", "AUC", "CPS"))
