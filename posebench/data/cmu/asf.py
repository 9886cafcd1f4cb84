"""Reader of ASF files: the skeleton of an Acclaim motion, in the form that CMU writes.

Conventions and limits: :mod:`posebench.data.cmu.acclaim`.
"""

from __future__ import annotations

import math
from pathlib import Path

from posebench.data.cmu.acclaim import ROOT_ORDER, Body, Bone, broken_file, finite_number, numbered_lines, read_bounded

#: Key of a line in a ``begin`` ... ``end`` block to the words behind it.
Fields = dict[str, list[str]]


def read_asf(path: Path) -> Body:
    """Read an ASF skeleton.

    Raises:
        PosebenchError: not the form that CMU writes (degrees, ``XYZ`` axes, the root at the origin, rotational dof); the message
            names file and line.
    """
    parser = _Parser(path)
    for number, words in numbered_lines(read_bounded(path)):
        parser.read_line(number, words[0], words[1:])
    return parser.body()


class _Parser:
    """What has been read of a file so far; :attr:`place` is the current line, for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.section = ""
        self.mm_per_unit = 0.0
        self.blocks: dict[str, Fields] = {}
        self.place_of: dict[str, str] = {}
        self.open_block: Fields | None = None
        self.children: dict[str, list[str]] = {}
        self.parent_of: dict[str, str] = {}

    def read_line(self, number: int, key: str, values: list[str]) -> None:
        self.place = f"{self.path}, line {number}"
        if key.startswith(":"):
            self.section, self.open_block = key, None
        elif self.section == ":units":
            self._read_unit(key, values)
        elif self.section == ":root":
            _check_root(key, values, self.place)
        elif self.section == ":bonedata":
            self._read_bone_line(key, values)
        elif self.section == ":hierarchy" and key not in ("begin", "end"):
            self._read_children(key, values)

    def _read_unit(self, key: str, values: list[str]) -> None:
        if key == "length":
            unit = finite_number("".join(values[:1]), self.place)
            if unit <= 0:
                raise broken_file(self.place, f"length {unit}", "a positive length unit")
            self.mm_per_unit = 25.4 / unit
        elif key == "angle" and values != ["deg"]:
            raise broken_file(self.place, " ".join([key, *values]), "angle deg")

    def _read_bone_line(self, key: str, values: list[str]) -> None:
        if key == "begin":
            self.open_block = {}
        elif key == "end":
            block = self.open_block or {}
            name = " ".join(block.get("name", []))
            if not name or name in self.blocks or name == "root":
                raise broken_file(self.place, f"a bone named {name!r}", "a block begin ... end with a name of its own")
            self.blocks[name], self.place_of[name], self.open_block = block, self.place, None
        elif self.open_block is None:
            raise broken_file(self.place, " ".join([key, *values]), "begin")
        elif not key.startswith("("):  # further lines of `limits`, which are not used
            self.open_block[key] = values

    def _read_children(self, parent: str, names: list[str]) -> None:
        for child in names:
            known = (parent == "root" or parent in self.blocks) and child in self.blocks
            if not known or child in self.parent_of:
                raise broken_file(self.place, f"{child} below {parent}", "bones of :bonedata, each below one parent")
            self.parent_of[child] = parent
        self.children.setdefault(parent, []).extend(names)

    def body(self) -> Body:
        """The skeleton, depth first, once every line has been read."""
        if not self.mm_per_unit:
            raise broken_file(self.place, "the end of the file, and no length in :units", "a length unit")
        bones = [Bone("root", -1, (0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), ROOT_ORDER)]
        waiting = [(name, 0) for name in reversed(self.children.get("root", []))]
        while waiting:
            name, parent = waiting.pop()
            waiting += [(child, len(bones)) for child in reversed(self.children.get(name, []))]
            bones.append(_bone(name, parent, self.blocks[name], self.place_of[name]))
        unreached = sorted(set(self.blocks) - {bone.name for bone in bones})
        if unreached or len(bones) == 1:
            found = f"bones that no chain joins to the root: {', '.join(unreached) or 'none at all'}"
            raise broken_file(self.place, found, "a :hierarchy of every bone")
        return Body(tuple(bones), self.mm_per_unit)


def _check_root(key: str, values: list[str], place: str) -> None:
    """Refuse a root that :func:`posebench.data.cmu.acclaim.forward_kinematics` would get wrong: CMU writes one form only."""
    want = {"order": [c.upper() for c in ROOT_ORDER], "axis": ["XYZ"]}
    if key in want and [v.upper() for v in values] != want[key]:
        raise broken_file(place, f"{key} {' '.join(values)}", f"{key} {' '.join(want[key])}")
    if key in ("position", "orientation") and any(_triple(values, place)):
        raise broken_file(place, f"{key} {' '.join(values)}", f"{key} 0 0 0")


def _bone(name: str, parent: int, fields: dict[str, list[str]], place: str) -> Bone:
    place = f"{place} (bone {name})"
    missing = [key for key in ("direction", "length", "axis") if key not in fields]
    if missing:
        raise broken_file(place, f"no {', '.join(missing)}", "direction, length and axis")
    direction = _triple(fields["direction"], place)
    norm = math.hypot(*direction)
    if abs(norm - 1.0) > 1e-3:
        raise broken_file(place, f"a direction of length {norm:.6g}", "a unit vector")
    dof = tuple(word.lower() for word in fields.get("dof", []))
    if len(set(dof)) != len(dof) or not set(dof) <= {"rx", "ry", "rz"}:
        raise broken_file(place, f"dof {' '.join(dof)}", "each of rx ry rz at most once")
    if fields["axis"][3:] != ["XYZ"]:
        raise broken_file(place, f"axis {' '.join(fields['axis'])}", "three angles and XYZ")
    length = finite_number("".join(fields["length"][:1]), place)
    return Bone(name, parent, direction, length, _triple(fields["axis"], place), dof)


def _triple(words: list[str], place: str) -> tuple[float, ...]:
    if len(words) < 3:
        raise broken_file(place, " ".join(words) or "nothing", "three numbers")
    return tuple(finite_number(word, place) for word in words[:3])
