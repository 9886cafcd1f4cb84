"""Protocol files: found by id or alias, merged with what they extend, and read strictly.

Every field is explained in ``protocols/README.md``. Unknown keys, joints or values are errors that name the file, the field and the
choices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.files import write_text
from posebench.base.readers.text import MAX_TOML_BYTES, parse_toml, read_text
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, Skeleton, skeleton
from posebench.data.corruption.conditions import KINDS, SEVERITIES
from posebench.scoring.protocol.definition import AVERAGES, SPACES, Protocol
from posebench.scoring.protocol.metric import (
    ALIGNMENTS,
    EARLIER_ABSOLUTE,
    OF_ORACLES,
    OF_RELATIVE_POSES,
    ORACLE_ALIGNMENTS,
    STATISTICS,
    Metric,
)

#: Groups that every result has; a protocol may state others.
_OWN_GROUPS = ("action", "subject", "camera", "take", "joint")


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


#: Folders in which protocols are looked for that do not come with posebench.
_BESIDE: ContextVar[tuple[Path, ...]] = ContextVar("_BESIDE", default=())
_ID = re.compile(r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*")


@contextmanager
def protocols_in(folder: Path) -> Iterator[None]:
    """A block in which :func:`load_protocol` finds ``<id>.toml`` of a folder too, as a board of one's own keeps them."""
    token = _BESIDE.set((*_BESIDE.get(), folder))
    try:
        yield
    finally:
        _BESIDE.reset(token)


def keep_protocol(source: Path, folder: Path) -> Protocol:
    """Copy a protocol file to where :func:`protocols_in` finds it.

    Raises:
        PosebenchError: it is no protocol, extends a file of one's own, has the id of one that comes with posebench, or its place is taken
            by another.
    """
    protocol = load_protocol(str(source))
    parent = _read(str(source)).get("extends", "")
    if protocol.id in protocol_ids() or not _ID.fullmatch(protocol.id):
        raise PosebenchError(f"{source}: id {protocol.id!r}", "an id of its own, of letters, digits, and . + - _ /", "choose another id")
    if str(parent).endswith(".toml"):
        raise PosebenchError(f"{source}: extends {parent}", "a protocol that comes with posebench", "write out what it extends")
    target = folder / f"{protocol.id}.toml"
    if target.is_file() and load_protocol(str(target)).digest != protocol.digest:
        wanted = "the protocol that this board's entries were scored under"
        raise PosebenchError(f"{source}: another content than {target}", wanted, "raise its version and give it another id")
    write_text(target, read_text(source, MAX_TOML_BYTES))
    return protocol


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
        # A path is relative to the file that states it, not to the current folder.
        parent = str((Path(id).parent / parent).resolve())
    base = _resolve(parent, (*seen, id))
    # These belong to one protocol only: a child that inherited id and version could be mistaken for its parent, and errors of the
    # reference were measured under the parent.
    for own in ("id", "version", "title", "notes", "aliases", "sources", "reference"):
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
            text = read_text(Path(id), MAX_TOML_BYTES)
        elif id in protocol_ids():
            text = resources.files("posebench.protocols").joinpath(f"{id}.toml").read_text(encoding="utf-8")
        elif beside := [path for folder in _BESIDE.get() if _ID.fullmatch(id) and (path := folder / f"{id}.toml").is_file()]:
            text = read_text(beside[0], MAX_TOML_BYTES)
        else:
            known = protocol_ids()
            wanted, advice = f"one of {', '.join(known)}, or the path of a .toml file", did_you_mean(id, known, "posebench protocol list")
            raise PosebenchError(f"no protocol {id!r}", wanted, advice)
        return parse_toml(text)
    except (OSError, ValueError) as error:  # ValueError: bad UTF-8, bad TOML, a number of 5000 digits
        raise PosebenchError(f"{id}: {error}", "a readable TOML file", "see protocols/README.md for every field") from error


def _build(content: dict[str, Any], source: str) -> Protocol:
    """The protocol that a file's resolved content states; ``source`` is its id or path."""
    fields = Fields(content, source, "see protocols/README.md for every field")
    id = fields.text("id")
    if not source.endswith(".toml") and id != source:
        raise fields.wrong("id", id, f"the file's own path, {source}")
    joints = skeleton(fields.choice("skeleton", SKELETONS))
    takes, frames, root, average = (fields.table(name) for name in ("takes", "frames", "root", "average"))
    headline = average.choice("headline", AVERAGES)
    root_joints = root.texts("joints", joints.joints)
    if not root_joints:
        raise root.wrong("joints", [], "at least one joint")
    root_counted = root.flag("counted")
    sets = _joint_sets(fields.table("joints"), joints, () if root_counted else root_joints)
    excluded, excluded_clips = _excluded(takes)
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
        excluded_clips=excluded_clips,
        required=takes.texts("required"),
        split=takes.text("split", default=""),
        space=fields.choice("space", SPACES, default=SPACES[0]),
        stride=frames.whole("stride"),
        fps=frames.number("fps", default=0.0),
        skeleton=joints,
        root=root_joints,
        root_counted=root_counted,
        headline=headline,
        also=average.texts("also", [name for name in AVERAGES if name != headline]),
        metrics=tuple(_metric(item, sets, joints) for item in fields.tables("metrics")),
        diagnostics=tuple(_metric(item, sets, joints, oracles=True) for item in fields.tables("diagnostics")),
        groups=_groups(fields.table("groups")),
        aliases=fields.texts("aliases"),
        sources=fields.texts("sources"),
        notes=fields.text("notes", default=""),
        conditions=fields.texts("conditions", KINDS),
        reference=_reference(fields),
    )
    for part in (takes, frames, root, average, fields):
        part.finish()
    names = [metric.name for metric in (*protocol.metrics, *protocol.diagnostics)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not protocol.metrics:
        raise fields.wrong("metrics", twice or "none", "at least one metric, and each name once")
    if protocol.conditions and (headline != "take" or protocol.metrics[0].statistic != "mean"):
        raise fields.wrong("conditions", list(protocol.conditions), "the headline average take, and a mean error as the first metric")
    return protocol


def _reference(fields: Fields) -> tuple[str, dict[str, tuple[float, ...]]] | None:
    """The frozen errors of a method for each condition; None where the protocol states none."""
    if not fields.present("reference"):
        return None
    table, kinds = fields.table("reference"), fields.texts("conditions", KINDS)
    errors = {kind: table.positives(kind) for kind in kinds}
    for kind, values in errors.items():
        if len(values) != len(SEVERITIES):
            raise table.wrong(kind, list(values), f"an error for each of severities 1 to {len(SEVERITIES)}")
    found = table.text("method"), errors
    table.finish()
    return found


def _excluded(takes: Fields) -> tuple[dict[str, str], dict[str, str]]:
    """Take to the reason why it is left out; and clip to the reason, for takes of which only some cameras are."""
    excluded: dict[str, str] = {}
    clips: dict[str, str] = {}
    for item in takes.tables("excluded"):
        take, reason, cameras = item.text("take"), item.text("reason"), item.texts("cameras")
        if item.present("cameras") and not cameras:
            raise item.wrong("cameras", [], "at least one camera, or no such field for all of them")
        if cameras:
            clips |= {f"{take}/{camera}": reason for camera in cameras}
        else:
            excluded[take] = reason
        item.finish()
    return excluded, clips


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


def _metric(fields: Fields, sets: dict[str, tuple[str, ...]], bones: Skeleton, *, oracles: bool = False) -> Metric:
    statistic = fields.choice("statistic", STATISTICS)
    if statistic.startswith("bone"):
        joint_set, joints = "all", bones.joints  # bones are taken over the whole skeleton, whatever joints are scored
    else:
        joint_set = fields.choice("joints", sets, default="all")
        joints = sets[joint_set]
    roots = _roots(fields, sets, bones, joints)
    metric = Metric(
        alignment="absolute" if statistic == "flip-rate" else _alignment(fields, statistic, oracles=oracles),
        statistic=statistic,
        joint_set=joint_set,
        joints=joints,
        threshold=fields.number("threshold") if statistic == "pck" else None,
        thresholds=fields.grid("thresholds") if statistic in ("auc", "cps") else None,
        inclusive=statistic == "pck" and fields.choice("compare", ("<", "<=")) == "<=",
        named=fields.flag("named", default=False) or bool(roots),
        roots=roots,
    )
    if metric.roots and (metric.alignment != "root" or statistic not in OF_ORACLES):
        raise fields.wrong(
            "root", "a root of its own", f"one of {', '.join(OF_ORACLES)} with alignment root, for which alone it is defined"
        )
    fields.finish()
    return metric


def _roots(
    fields: Fields, sets: dict[str, tuple[str, ...]], bones: Skeleton, joints: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """The roots of a metric in place of the protocol's: joint set to the joints whose mean is its root."""
    table = fields.table("root")
    roots = {name: (sets[name], table.texts(name, bones.joints)) for name in table.names() if name in sets}
    table.finish()
    covered = [joint for moved, _ in roots.values() for joint in moved]
    if roots and (sorted(covered) != sorted(joints) or not all(root for _, root in roots.values())):
        wanted = f"joint sets that together are the joints of the metric ({len(joints)}), none of them twice, each with its root joints"
        raise fields.wrong("root", ", ".join(roots), wanted)
    return tuple(roots.values())


def _alignment(fields: Fields, statistic: str, *, oracles: bool) -> str:
    """The alignment of a metric; one that consults the truth is for diagnostics (``oracles``) only."""
    choices = ALIGNMENTS[1:] if statistic in OF_RELATIVE_POSES else ALIGNMENTS
    if oracles and statistic in OF_ORACLES:
        choices = (*choices, *ORACLE_ALIGNMENTS)
    if "absolute" in choices and fields.text("alignment", default="") == EARLIER_ABSOLUTE:
        return "absolute"
    return fields.choice("alignment", choices)
