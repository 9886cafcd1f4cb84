"""A card for files of motion, with what they tell, and ``?`` for what they do not.

Files outside of the folder are copied into ``poses/<subject>/``; the subject is what their names have before the first ``_``. The protocol
beside the card scores the test split with all common metrics (``pair-17j``).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import write_text
from posebench.base.readers.points import PointFile
from posebench.base.skeletons import skeleton
from posebench.data.detections.files import read_detections
from posebench.data.own.cameras import FILES
from posebench.data.own.card import CAPTURES, CARD, FORMAT, UNITS, UPS
from posebench.data.own.dataset import ANKLE, PROTOCOL, SHARE_OF_HEIGHT, STATURE
from posebench.data.own.names import guessed
from posebench.data.own.takes import SUFFIXES, read_file, suffix_of

Array = npt.NDArray[np.float64]

SKELETON = "h36m17"


class NewCard(NamedTuple):
    """What was written: the card, how many takes there are, and which fields are left to the user."""

    path: Path
    takes: int
    questions: tuple[str, ...]


def new_card(folder: str | PathLike[str], files: Sequence[str | PathLike[str]] = ()) -> NewCard:
    """Write ``dataset.toml`` and ``protocol.toml`` for files of motion.

    Args:
        folder: new, or with ``poses/<subject>/<take>`` already in it.
        files: of motion, or folders of them, to copy into it.

    Raises:
        PosebenchError: there is a card already, there are no files of motion, two of one name, or the first cannot be read.
    """
    folder = Path(folder)
    card = folder / CARD
    if card.exists():
        raise PosebenchError(f"{card} is there", "a folder without a card", "edit that card, or name another folder")
    given = _listed(files)
    copies = _destinations(folder, given)
    there = sorted(path for path in (folder / "poses").glob("*/*") if suffix_of(path)) if folder.is_dir() else []
    present = {**{path: path for path in there}, **copies}
    if not present:
        raise PosebenchError(
            f"no file of motion in {folder / 'poses'} or --from",
            f"files of {' '.join(SUFFIXES)}",
            f"posebench data new {folder} --from FILES",
        )
    first = next(iter(present))
    content, _ = read_file(first)
    for source, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    subjects = sorted({path.parent.name for path in present.values()})
    lines = _card(folder, content, first, subjects)
    text = "\n".join(lines) + "\n"
    write_text(card, text)
    write_text(folder / PROTOCOL, _protocol(_id(folder)))
    questions = tuple(line.partition(" =")[0] for line in lines if re.match(r'[\w."]+ = "\?"', line))
    return NewCard(card, len(present), questions)


def _listed(files: Sequence[str | PathLike[str]]) -> list[Path]:
    found: list[Path] = []
    for name in files:
        path = Path(name)
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and suffix_of(one))
            if not inside:
                raise PosebenchError(f"{path}: no file of motion", f"files of {' '.join(SUFFIXES)}", "correct --from")
            found += inside
        elif not path.is_file() or not suffix_of(path):
            what = "no such file" if not path.exists() else f"suffix {path.suffix!r}"
            raise PosebenchError(f"{path}: {what}", f"a file of motion: {' '.join(SUFFIXES)}", "correct --from")
        else:
            found.append(path)
    return found


def _destinations(folder: Path, files: Sequence[Path]) -> dict[Path, Path]:
    """Where each file goes; the subject is a name's part before the first ``_`` where all have one."""
    outside = [path for path in files if folder.resolve() not in path.resolve().parents]
    stems = [path.name[: -len(suffix_of(path))] for path in outside]
    named = all("_" in stem and stem.partition("_")[0] for stem in stems)
    out = {
        path: folder / "poses" / (stem.partition("_")[0] if named else "S1") / path.name for path, stem in zip(outside, stems, strict=True)
    }
    targets = list(out.values())
    twice = sorted({str(path) for path in targets if targets.count(path) > 1 or path.exists()})
    if twice:
        raise PosebenchError(
            f"{first_ten(twice)} twice", "files of different names", f"copy them into {folder / 'poses'}/<subject>/ yourself"
        )
    return out


def _id(folder: Path) -> str:
    return re.sub(r"[^\w.+-]", "-", folder.resolve().name).strip("-.+_") or "mine"


def _card(folder: Path, content: PointFile, first: Path, subjects: Sequence[str]) -> list[str]:
    order = skeleton(SKELETON)
    joints = guessed(content.labels)
    in_order = not content.labels and content.points.shape[1] == len(order)
    pose = content.points if in_order else _pose(content, joints)
    up, unit, about = _axes(pose, content.unit)
    rate = round(content.fps) if abs(content.fps - round(content.fps)) < 0.01 * content.fps else content.fps
    test, train = (subjects[-1:], subjects[:-1]) if len(subjects) > 2 else (subjects, [])
    arrays = first.suffix.lower() in (".npz", ".h5")
    cameras = any((folder / name).is_file() for name in FILES)
    lines = [
        f'# Written by `posebench data new` from {first.name}. Answer every "?"; docs/own.md explains each field.',
        f"posebench_data = {FORMAT}",
        f"id = {_quoted(_id(folder))}",
        'version = "1"',
        f"title = {_quoted('Own motion: ' + _id(folder))}",
        'licence = "?" # whose the data is, and what may be done with it',
        'redistribution = "?" # may it be passed on: yes, no, or on which terms',
        f'capture = "?" # one of: {", ".join(CAPTURES)}',
        f"unit = {unit}{about}",
        'frame = "?" # world, or camera where each file holds the poses in the frame of one camera' if arrays else 'frame = "world"',
        f'up = "{up}"' + (f" # one of {' '.join(UPS)}" if up == "?" else ""),
        f"fps = {rate:g} # a whole fraction reduces the frames, such as {rate / 4:g}" if rate else 'fps = "?"',
        "first_frame = 0 # frames to leave out at the start of each file, such as 1 for a T-pose",
        "",
        "[skeleton]",
        f'id = "{SKELETON}"',
        "",
        "# Each joint, and the points whose mean it is. A point that is another joint belongs into [equated], which results then say.",
        "[joints]",
    ]
    if in_order:
        lines += [f"# None: the files hold the {len(order)} joints in the order of {SKELETON}."]
    else:
        lines += [f"{joint} = {_list(joints.get(joint))}" for joint in order.joints]
        lines += [f"# The first file has: {' '.join(content.labels[start : start + 12])}" for start in range(0, len(content.labels), 12)]
    lines += ["", "[splits] # subjects, or takes as subject/take", f"train = {json.dumps(list(train), ensure_ascii=False)}"]
    lines += [f"test = {json.dumps(list(test), ensure_ascii=False)}", "", "[rig]"]
    lines += (
        [f"# {FILES[0]} holds the cameras."] if cameras else ['simulated = "cmu" # four cameras around each take; or write cameras.toml']
    )
    lines += [] if cameras else [f'floor = "measured" # {ANKLE:.0f} mm below the lowest joint; or its height in the unit of the poses']
    base = folder / "keypoints"
    for source in sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else []:
        file = next((path for path in sorted(source.glob("*/*")) if not path.name.startswith(".")), None)
        stated = read_detections(file, largest=True).skeleton if file else ""
        lines += ["", f"[keypoints.{_quoted(source.name)}]", 'what = "?" # which detector, trained on what']
        lines += [f'skeleton = "{stated}"'] if stated else []
    return lines


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(points: Sequence[str] | None) -> str:
    if not points:
        return '"?"'
    return _quoted(points[0]) if len(points) == 1 else json.dumps(list(points), ensure_ascii=False)


def _pose(content: PointFile, joints: dict[str, list[str]]) -> Array | None:
    """Shoulders, hips, knees and ankles (T, 8, 3) of a file, in the order of :data:`_BODY`; None if names do not tell them."""
    if any(name not in joints for name in _BODY):
        return None
    index = {label: number for number, label in enumerate(content.labels)}
    return np.stack([content.points[:, [index[label] for label in joints[name]]].mean(axis=1) for name in _BODY], axis=1)


_BODY = tuple(f"{side}_{joint}" for joint in ("shoulder", "hip", "knee", "ankle") for side in "lr")


def _axes(pose: Array | None, stated: str) -> tuple[str, str, str]:
    """The axis that points up, the unit as TOML, and a comment on it."""
    known = stated.strip().lower()
    unit = f'"{known}"' if known in UNITS else '"?"'
    if pose is None:
        return "?", unit, "" if known in UNITS else f" # one of {' '.join(UNITS)}, or the millimetres of one unit"
    if pose.shape[1] == len(skeleton(SKELETON)):
        order = skeleton(SKELETON)
        pose = pose[:, [order.index(name) for name in _BODY]]
    pose = pose[np.isfinite(pose).all(axis=(1, 2))]
    if not len(pose):
        return "?", unit, ""
    shoulders, hips, _, ankles = (pose[:, 2 * part : 2 * part + 2].mean(axis=1) for part in range(4))
    along = np.median(shoulders - ankles, axis=0)
    axis = int(np.abs(along).argmax())
    clear = abs(along[axis]) > 0.8 * np.linalg.norm(along)
    up = ("" if along[axis] > 0 else "-") + "xyz"[axis] if clear else "?"
    legs = [np.linalg.norm(pose[:, a] - pose[:, b], axis=1) for a, b in ((2, 4), (4, 6), (3, 5), (5, 7))]
    height = (0.5 * float(np.median(np.sum(legs, axis=0))) + float(np.median(np.linalg.norm(shoulders - hips, axis=1)))) / SHARE_OF_HEIGHT
    if known in UNITS:
        return up, unit, f" # as the file states: a person {height * UNITS[known] / 1000:.2f} m tall by its bones"
    fits = [name for name, mm in UNITS.items() if STATURE[0] <= height * mm <= STATURE[1]]
    if len(fits) == 1:
        return up, f'"{fits[0]}"', f" # by its bones the person is then {height * UNITS[fits[0]] / 1000:.2f} m tall"
    return up, '"?"', f" # the millimetres of one unit: {1700.0 / height:.4g} would make the person 1.7 m tall by its bones"


def _protocol(id: str) -> str:
    return "\n".join(
        [
            "# All common metrics on the test split of the card beside it. protocols/README.md explains each field.",
            'extends = "pair-17j"',
            f'id = "own/{id}"',
            "version = 1",
            f"title = {_quoted(f'Own motion: {id}, test split')}",
            f'dataset = "own-{id}"',
            'dataset_version = "1"',
            "aliases = []",
            'sources = ["dataset.toml beside this file"]',
            "",
            "[takes]",
            'split = "test"',
            "",
            "[average]",
            'headline = "take"',
            'also = ["frame", "action"]',
            "",
        ]
    )
