"""The card of a folder of the user's own motion, ``dataset.toml``: what no file of motion states.

**Convention.** A ``?`` as a value is a question that ``posebench data new`` could not answer; a card that has one is refused. Joints are
made of source points by name: a list is averaged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.readers.text import read_toml
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, Skeleton, skeleton

CARD = "dataset.toml"
FORMAT = 1
UNKNOWN = "?"
#: How the truth was made, and what that means for a number.
CAPTURES = {
    "markers": "markers on the skin, tracked optically",
    "triangulated": "triangulated from detections in several views: its errors are those of a detector",
    "imu": "inertial sensors: positions drift, and bones have stated lengths",
    "body-model fit": "a body model fitted to images or scans",
    "generated": "generated motion",
}
#: Millimetres in a unit that a card may state by name.
UNITS = {"mm": 1.0, "cm": 10.0, "in": 25.4, "ft": 304.8, "m": 1000.0}
#: Rotations, rows of a matrix, that turn the axis which points up to y.
UPS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
ADVICE = "correct dataset.toml; docs/own.md explains each field"
_PLAIN = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")


@dataclass(frozen=True)
class Source:
    """A source of keypoints beside the projections: what it is, and its joint order where its files do not state it."""

    what: str
    skeleton: str


@dataclass(frozen=True)
class Card:
    """What a card states. Lengths are in millimetres per unit of the files.

    Attributes:
        id, version, title, licence, redistribution, citation, url: of the data; the fingerprint does not depend on the last five.
        capture: one of :data:`CAPTURES`.
        mm: millimetres in the unit of the poses.
        camera_mm: millimetres in the unit of the cameras' translations.
        frame: ``world``, or ``camera`` where each file holds the poses in the frame of one camera.
        up: key of :data:`UPS`; empty in the camera's frame.
        mirrored: axis whose sign is changed on reading, for left-handed files; or empty.
        fps: of the dataset; files of a whole multiple of it are reduced by that.
        first: frames at the start of each file that are left out, such as a T-pose.
        skeleton: joint order of the poses.
        joints: joint to the source points whose mean it is; empty where files hold the joints in the skeleton's order.
        equated: those of ``joints`` that the card says are other joints, taken for these.
        splits: split to subjects, and to takes ``subject/take``.
        actions: take to label.
        simulated: there are no cameras, and the four of ``cmu`` stand around each take.
        floor: height of the floor, mm after ``mm``; None where the lowest joint of each take tells it.
        sources: of keypoints, by name.
    """

    id: str
    version: str
    title: str
    licence: str
    redistribution: str
    citation: str
    url: str
    capture: str
    mm: float
    camera_mm: float
    frame: str
    up: str
    mirrored: str
    fps: float
    first: int
    skeleton: str
    joints: Mapping[str, tuple[str, ...]]
    equated: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, tuple[str, ...]]
    actions: Mapping[str, str]
    simulated: bool
    floor: float | None
    sources: Mapping[str, Source]

    @property
    def name(self) -> str:
        """What the dataset is called in results: ``own-`` and its id."""
        return f"own-{self.id}"


def read_card(folder: Path) -> Card:
    """The card of a folder.

    Raises:
        PosebenchError: there is none, a question is left open, or a field is missing, unknown or wrong.
    """
    path = folder / CARD
    try:
        content = read_toml(path)
    except FileNotFoundError as error:
        found = f"{folder} without {CARD}" if folder.is_dir() else f"{folder}, which is not a folder"
        advice = f"posebench data new {folder} --from FILES"
        raise PosebenchError(found, "a folder of your own motion, with a card", advice) from error
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a TOML file", ADVICE) from error
    open_questions = _questions(content, "")
    if open_questions:
        raise PosebenchError(
            f'{path}: {first_ten(open_questions)} = "?"', "an answer to each: nothing is scored on a guess", f"write them into {path}"
        )
    return _card(content, str(path))


def _questions(content: Mapping[str, Any], prefix: str) -> list[str]:
    found = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found += _questions(value, f"{name}.")
        elif value == UNKNOWN or (isinstance(value, list) and UNKNOWN in value):
            found.append(name)
    return found


def _card(content: dict[str, Any], where: str) -> Card:
    fields = Fields(content, where, ADVICE)
    if fields.whole("posebench_data") > FORMAT:
        raise fields.wrong("posebench_data", content["posebench_data"], f"format {FORMAT}; upgrade posebench")
    order, rig = fields.table("skeleton"), fields.table("rig")
    joints = skeleton(order.choice("id", SKELETONS))
    order.finish()
    frame = fields.choice("frame", ("world", "camera"))
    up = fields.choice("up", UPS) if frame == "world" else ""
    mm = _unit(fields, "unit")
    simulated = rig.maybe_choice("simulated", ("cmu",)) is not None
    if simulated and frame == "camera":
        raise rig.wrong("simulated", "cmu", 'no simulated cameras where frame = "camera"')
    measured = rig.value("floor", (int, float, str), "a height in the unit of the poses, or measured", "measured")
    if isinstance(measured, str) and measured != "measured":
        raise rig.wrong("floor", measured, "a height in the unit of the poses, or measured")
    camera_mm = _unit(rig, "unit") if rig.present("unit") else mm
    rig.finish()
    own, equated = _joints(fields.table("joints"), joints), _joints(fields.table("equated"), joints)
    _complete({**own, **equated}, own, equated, joints, where)
    actions = fields.table("actions")
    splits = _splits(fields.table("splits"))
    first = fields.count("first_frame") if fields.present("first_frame") else 0
    card = Card(
        id=_plain(fields, "id"),
        version=_plain(fields, "version"),
        title=fields.text("title"),
        licence=fields.text("licence"),
        redistribution=fields.text("redistribution"),
        citation=fields.text("citation", ""),
        url=fields.text("url", ""),
        capture=fields.choice("capture", CAPTURES),
        mm=mm,
        camera_mm=camera_mm,
        frame=frame,
        up=up,
        mirrored=fields.choice("mirrored", ("", "x", "y", "z"), default=""),
        fps=fields.positive("fps"),
        first=first,
        skeleton=joints.id,
        joints={**own, **equated},
        equated=equated,
        splits=splits,
        actions={take: actions.text(take) for take in actions.names()},
        simulated=simulated,
        floor=None if isinstance(measured, str) else float(measured) * mm,
        sources=_sources(fields.table("keypoints")),
    )
    fields.finish()
    return card


def _plain(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not _PLAIN.fullmatch(text):
        raise fields.wrong(key, text, "letters, digits, and . + - _ ")
    return text


def _unit(fields: Fields, key: str) -> float:
    wanted = f"one of {', '.join(UNITS)}, or the number of millimetres in the unit"
    value = fields.value(key, (str, int, float), wanted)
    length = UNITS.get(value) if isinstance(value, str) else float(value)
    if length is None or not 0.0 < length < 1e6:
        raise fields.wrong(key, value, wanted)
    return length


def _joints(table: Fields, joints: Skeleton) -> dict[str, tuple[str, ...]]:
    found = {}
    for name in table.names():
        if name not in joints.joints:
            raise table.wrong(name, "a joint", f"joints of {joints.id}: {', '.join(joints.joints)}")
        value = table.value(name, (str, list), "the name of a point, or a list of names")
        found[name] = (value,) if isinstance(value, str) else table.texts(name)
        if not found[name]:
            raise table.wrong(name, [], "at least one point")
    return found


def _complete(both: Mapping[str, object], own: Mapping[str, object], equated: Mapping[str, object], joints: Skeleton, where: str) -> None:
    twice = [name for name in own if name in equated]
    missing = [joint for joint in joints.joints if joint not in both] if both else []
    if twice or missing:
        found = f"{first_ten(twice)} in [joints] and in [equated]" if twice else f"no {', '.join(missing)} in [joints]"
        wanted = f"every joint of {joints.id} once, or no [joints] where files hold them in this order"
        raise PosebenchError(f"{where}: {found}", wanted, ADVICE)


def _splits(table: Fields) -> dict[str, tuple[str, ...]]:
    found = {name: table.texts(name) for name in table.names()}
    if not found or not any(found.values()):
        raise table.wrong("test", found.get("test", []), "the subjects, or takes subject/take, of the splits train and test")
    members = [member for listed in found.values() for member in listed]
    twice = sorted({member for member in members if members.count(member) > 1})
    within = sorted(member for member in members if "/" in member and member.partition("/")[0] in members)
    if twice or within:
        raise table.wrong((twice or within)[0], "in two splits", "each subject, or each of its takes, in one split")
    return found


def _sources(table: Fields) -> dict[str, Source]:
    found = {}
    for name in table.names():
        if name == "gt" or not _PLAIN.fullmatch(name):
            raise table.wrong(name, "a source", "a name of letters, digits, and . + - _ that is not gt, which is the projection")
        facts = table.table(name)
        found[name] = Source(facts.text("what"), facts.maybe_choice("skeleton", SKELETONS) or "")
        facts.finish()
    return found
