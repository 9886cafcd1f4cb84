"""Protocols: what is scored, on which frames, with which metrics and averages. One versioned, digested TOML file each.

Every field is explained in ``protocols/README.md``. A file may extend another; unknown keys, joints or values are errors that
name the file, the field and the choices.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, Skeleton, skeleton

ALIGNMENTS = ("absolute", "root", "scale", "rigid", "similarity", "similarity+reflection")
AVERAGES = ("frame", "take", "action")
#: Differences over time and bones are those of root-relative poses, aligned or not.
_OF_POSES = ("velocity", "acceleration", "bone-length", "bone-symmetry")
_POSED = ALIGNMENTS[1:]
#: Earlier name of ``absolute``: still read, and what digests are made of.
_EARLIER_ABSOLUTE = "none"
_OWN_GROUPS = ("action", "subject", "camera", "take", "joint")
STATISTICS = ("mean", "pck", "auc", "cps", "velocity", "acceleration", "bone-length", "bone-symmetry", "flip-rate")

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
_PREFIX = {"absolute": "ABS-", "root": "", "scale": "N-", "rigid": "PA-", "similarity": "PA-", "similarity+reflection": "PA-"}
_SUFFIX = {"rigid": "-rigid", "similarity+reflection": "-reflection"}


@dataclass(frozen=True)
class Metric:
    """An alignment, a joint set and a statistic with its numbers.

    ``joints`` are the scored joints' names, ``joint_set`` the name of that set in the file. ``threshold`` (mm) belongs to ``pck``,
    ``thresholds`` (first, last, step in mm) to ``auc`` and ``cps``; ``inclusive`` means ``<=``.
    """

    alignment: str
    statistic: str
    joint_set: str
    joints: tuple[str, ...]
    threshold: float | None = None
    thresholds: tuple[float, float, float] | None = None
    inclusive: bool = False

    @property
    def name(self) -> str:
        """Derived, so that a file cannot call a thing what it is not: ``MPJPE PA-MPJPE N-MPJPE PCK@150 PA-PCK@150 CPS ...``.

        CPS is defined after Procrustes, and so has no prefix there; PA with reflection or without scale has a suffix.
        """
        base = _BASE[self.statistic]
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
        """Needs metric scale: empty for a file whose scale is unknown."""
        return self.alignment in ("absolute", "root", "rigid") and self.statistic != "flip-rate"

    def describe(self) -> str:
        """One line: name, unit, alignment, joints, statistic with its numbers."""
        sign = "<=" if self.inclusive else "<"
        numbers = f" {sign} {self.threshold:g} mm" if self.threshold is not None else ""
        if self.thresholds is not None:
            numbers = " at {:g}, ..., {:g} mm, every {:g}".format(*self.thresholds)
        align = "" if self.statistic == "flip-rate" else f"; alignment {self.alignment}"
        return f"{self.name} [{self.unit}]: {self.statistic}{numbers}{align}; joints {self.joint_set} ({len(self.joints)})"


def _every(stride: int) -> str:
    return "every one" if stride == 1 else f"every {stride}th"


def higher_is_better(metric: str) -> bool:
    """Whether more is better under a metric's name: PCK, AUC and CPS, under any alignment.

    Example:
        >>> higher_is_better("PA-PCK@150"), higher_is_better("MPJPE")
        (True, False)
    """
    return any(word in metric for word in ("PCK", "AUC", "CPS"))


@dataclass(frozen=True)
class Protocol:
    """A resolved protocol; ``protocols/README.md`` explains each field. ``excluded`` maps a take to the reason."""

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
            "metrics": [self._content(metric) for metric in self.metrics],
            "diagnostics": [self._content(metric) for metric in self.diagnostics],
        }
        if self.groups:
            content["groups"] = self.groups
        if self.fps:
            content["fps"] = self.fps
        if self.annotation:
            content["annotation"] = self.annotation
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Everything the protocol states, as text."""
        counted = "counts in the mean" if self.root_counted else "does not count"
        lines = [
            f"{self.id}, version {self.version}, digest {self.digest}",
            self.title,
            "",
            f"dataset    {self.dataset} {self.dataset_version}" + (f", annotation {self.annotation}" if self.annotation else ""),
            f"subjects   {', '.join(self.subjects) or 'all'}",
            f"actions    {', '.join(self.actions) or 'all'}",
            f"cameras    {', '.join(self.cameras) or 'all'}",
            *(f"excluded   {take}: {reason}" for take, reason in self.excluded.items()),
            f"frames     {_every(self.stride)}" + (f" at {self.fps:g} Hz" if self.fps else ""),
            f"skeleton   {self.skeleton.id}, {len(self.skeleton)} joints",
            f"root       {', '.join(self.root)}, {counted}",
            *(f"group      {name}: {label}: {', '.join(who)}" for name, labels in self.groups.items() for label, who in labels.items()),
            f"averages   {self.headline} (headline), {', '.join(self.also)}",
            "",
            *(f"metric     {metric.describe()}" for metric in self.metrics),
            *(f"diagnostic {metric.describe()}" for metric in self.diagnostics),
            "",
            *(f"cited as   {alias}" for alias in self.aliases),
            *(f"source     {source}" for source in self.sources),
        ]
        return "\n".join([*lines, "", self.notes.strip()]).rstrip()

    @staticmethod
    def _content(metric: Metric) -> list[Any]:
        alignment = _EARLIER_ABSOLUTE if metric.alignment == "absolute" else metric.alignment
        return [alignment, metric.statistic, metric.joints, metric.threshold, metric.thresholds, metric.inclusive]


def protocol_ids() -> list[str]:
    """Ids of the protocols that come with posebench, sorted."""
    return sorted(_walk(resources.files("posebench.protocols"), ""))


def _walk(folder: Traversable, prefix: str) -> list[str]:
    ids: list[str] = []
    for item in folder.iterdir():
        if item.is_dir():
            ids += _walk(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".toml"):
            ids.append(prefix + item.name.removesuffix(".toml"))
    return ids


def load_protocol(id: str) -> Protocol:
    """The protocol with this id, or the one in this file if ``id`` ends with ``.toml``.

    Raises:
        PosebenchError: no such protocol, or a field is wrong; the message names file, field and choices.

    Example:
        >>> load_protocol("pair-17j").headline
        'frame'
    """
    return _build(_resolve(id, ()), id)


def find_protocols(label: str) -> list[tuple[Protocol, str]]:
    """Protocols that papers have cited under a label such as ``Protocol #2``, each with the alias that matched.

    Case, ``#`` and spaces do not matter; a part of an alias, title or id matches.
    """

    def plain(text: str) -> str:
        return "".join(c for c in text.casefold() if c.isalnum())

    found = []
    for protocol in map(load_protocol, protocol_ids()):
        for text in (*protocol.aliases, protocol.title, protocol.id):
            if plain(label) and plain(label) in plain(text):
                found.append((protocol, text))
    return found


def _resolve(id: str, seen: tuple[str, ...]) -> dict[str, Any]:
    """The file's content merged over what it extends: tables merge key by key, everything else replaces."""
    if id in seen:
        raise PosebenchError(f"protocol {id} extends itself through {' -> '.join(seen)}", "a chain that ends", "correct `extends`")
    content = _read(id)
    parent = content.pop("extends", None)
    if parent is None:
        return content
    if not isinstance(parent, str):
        raise PosebenchError(f"{id}: extends = {parent!r}", "the id of a protocol", "correct `extends`")
    if parent.endswith(".toml") and id.endswith(".toml"):
        # Beside the file that names it, wherever the command runs.
        parent = str((Path(id).parent / parent).resolve())
    base = _resolve(parent, (*seen, id))
    # These speak of one protocol only; a child that took over id and version would pass for its parent.
    for own in ("id", "version", "title", "notes", "aliases", "sources"):
        base.pop(own, None)
    return _merged(base, content)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        out[key] = _merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def _read(id: str) -> dict[str, Any]:
    try:
        if id.endswith(".toml"):
            text = Path(id).read_text(encoding="utf-8")
        elif id in protocol_ids():
            text = resources.files("posebench.protocols").joinpath(f"{id}.toml").read_text(encoding="utf-8")
        else:
            raise PosebenchError(
                f"no protocol {id!r}", "one of " + ", ".join(protocol_ids()) + ", or the path of a .toml file", "posebench protocol list"
            )
        return tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # ValueError: bad UTF-8, bad TOML, a number of 5000 digits
        raise PosebenchError(f"{id}: {error}", "a readable TOML file", "see protocols/README.md for every field") from error


def _build(content: dict[str, Any], source: str) -> Protocol:
    fields = Fields(content, source, "see protocols/README.md for every field")
    id = fields.text("id")
    if not source.endswith(".toml") and id != source:
        raise fields.wrong("id", id, f"the file's own path, {source}")
    bones = skeleton(fields.choice("skeleton", SKELETONS))
    takes, frames, root, average = (fields.table(name) for name in ("takes", "frames", "root", "average"))
    excluded = {}
    for item in takes.tables("excluded"):
        excluded[item.text("take")] = item.text("reason")
        item.finish()
    headline = average.choice("headline", AVERAGES)
    root_joints = root.texts("joints", bones.joints)
    if not root_joints:
        raise root.wrong("joints", [], "at least one joint")
    counted = root.flag("counted")
    sets = _joint_sets(fields.table("joints"), bones, () if counted else root_joints)
    protocol = Protocol(
        id=id,
        version=fields.whole("version"),
        title=fields.text("title"),
        dataset=fields.text("dataset"),
        dataset_version=fields.text("dataset_version"),
        annotation=fields.text("annotation", default=""),
        subjects=takes.texts("subjects"),
        actions=takes.texts("actions"),
        cameras=takes.texts("cameras"),
        excluded=excluded,
        stride=frames.whole("stride"),
        fps=frames.number("fps", default=0.0),
        skeleton=bones,
        root=root_joints,
        root_counted=counted,
        headline=headline,
        also=average.texts("also", [name for name in AVERAGES if name != headline]),
        metrics=tuple(_metric(item, sets, bones) for item in fields.tables("metrics")),
        diagnostics=tuple(_metric(item, sets, bones) for item in fields.tables("diagnostics")),
        groups=_groups(fields.table("groups")),
        aliases=fields.texts("aliases"),
        sources=fields.texts("sources"),
        notes=fields.text("notes", default=""),
    )
    for part in (takes, frames, root, average, fields):
        part.finish()
    names = [metric.name for metric in (*protocol.metrics, *protocol.diagnostics)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not protocol.metrics:
        raise fields.wrong("metrics", twice or "none", "at least one metric, and each name once")
    return protocol


def _groups(fields: Fields) -> dict[str, dict[str, tuple[str, ...]]]:
    groups = {}
    for name in fields.names():
        if name in _OWN_GROUPS:
            raise fields.wrong(name, "a group", "another name: every result has " + ", ".join(_OWN_GROUPS))
        labels = fields.table(name)
        groups[name] = {label: labels.texts(label) for label in labels.names()}
    fields.finish()
    return groups


def _joint_sets(fields: Fields, bones: Skeleton, uncounted: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    sets = {"all": tuple(joint for joint in bones.joints if joint not in uncounted)}
    for name in fields.names():
        sets[name] = fields.texts(name, bones.joints)
        if not sets[name]:
            raise fields.wrong(name, "no joint", "at least one joint")
    fields.finish()
    return sets


def _metric(fields: Fields, sets: dict[str, tuple[str, ...]], bones: Skeleton) -> Metric:
    statistic = fields.choice("statistic", STATISTICS)
    if statistic.startswith("bone"):
        joint_set, joints = "all", bones.joints  # bones are taken over the whole skeleton, whatever joints are scored
    else:
        joint_set = fields.choice("joints", sets, default="all")
        joints = sets[joint_set]
    metric = Metric(
        alignment="absolute" if statistic == "flip-rate" else _alignment(fields, statistic),
        statistic=statistic,
        joint_set=joint_set,
        joints=joints,
        threshold=fields.number("threshold") if statistic == "pck" else None,
        thresholds=fields.grid("thresholds") if statistic in ("auc", "cps") else None,
        inclusive=statistic == "pck" and fields.choice("compare", ("<", "<=")) == "<=",
    )
    fields.finish()
    return metric


def _alignment(fields: Fields, statistic: str) -> str:
    choices = _POSED if statistic in _OF_POSES else ALIGNMENTS
    if "absolute" in choices and fields.text("alignment", default="") == _EARLIER_ABSOLUTE:
        return "absolute"
    return fields.choice("alignment", choices)
