"""Acclaim motion capture: ASF skeletons, AMC motions, and forward kinematics.

**Convention.** World right-handed, y up; a person who faces +z has the left side at +x. Angles in degrees about the fixed x, then y,
then z axis (``Rz Ry Rx``); lengths in the file's unit (``:units length``) until :func:`forward_kinematics` gives millimetres.

Files are untrusted: they are read as text, at most :data:`MAX_BYTES` after decompression, and any deviation is an error that names
the file, the frame and the line.

Source: the Acclaim format as the CMU Graphics Lab documents it; R_b = R_parent C M C^T, p_b = p_parent + R_b direction length.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import rotation_xyz
from posebench.base.errors import PosebenchError

Array = npt.NDArray[np.float64]

#: More than three times the longest AMC of the CMU database; bounds what a hostile .gz can unpack to.
MAX_BYTES = 64 * 2**20

ROOT_ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclass(frozen=True)
class Bone:
    """One ASF bone; the root is a bone of length 0 with the dof ``tx ty tz rx ry rz``.

    Attributes:
        name: as in the file.
        parent: index in :attr:`Body.bones`, -1 at the root.
        direction: unit vector in the world frame of the zero pose.
        length: in the file's unit.
        axis: degrees, the joint's own frame against the world's.
        dof: channels in file order, a subset of ``rx ry rz``; a channel that is absent is 0.
    """

    name: str
    parent: int
    direction: tuple[float, ...]
    length: float
    axis: tuple[float, ...]
    dof: tuple[str, ...]


@dataclass(frozen=True)
class Body:
    """An ASF skeleton: bones with parents before children, and the millimetres of one length unit."""

    bones: tuple[Bone, ...]
    mm_per_unit: float

    def index(self, name: str) -> int:
        """Position of a bone in :attr:`bones`.

        Raises:
            PosebenchError: no such bone.
        """
        names = [bone.name for bone in self.bones]
        if name not in names:
            raise PosebenchError(f"no bone {name!r} in the skeleton", f"one of {', '.join(names)}")
        return names.index(name)

    @property
    def columns(self) -> dict[str, slice]:
        """Bone name to its columns in :attr:`Motion.values`: all channels, bone after bone."""
        ends = np.cumsum([len(bone.dof) for bone in self.bones]).tolist()
        return {b.name: slice(end - len(b.dof), end) for b, end in zip(self.bones, ends, strict=True) if b.dof}


@dataclass(frozen=True, eq=False)
class Motion:
    """AMC values (F, channels) in the order of :attr:`Body.columns`, and where the frame numbers leave 1, 2, 3, ... (or empty)."""

    values: Array
    renumbered: str = ""


def _broken(place: str, found: str, wanted: str) -> PosebenchError:
    return PosebenchError(f"{place}: {found}", wanted, "replace the file with an unchanged copy from its source")


def read_bounded(path: Path) -> bytes:
    """Bytes of a plain or gzip file (told by its first bytes), every line end as a single line feed.

    Raises:
        PosebenchError: unreadable, damaged, or more than :data:`MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(str(path), f"cannot be read ({error})", "a plain or gzip file") from None
    if len(data) > MAX_BYTES:
        raise _broken(str(path), f"more than {MAX_BYTES} bytes after decompression", "a motion capture file of a normal size")
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _lines(data: bytes) -> list[tuple[int, list[str]]]:
    """(line number, words) of every line that is not blank or a comment."""
    split = ((number, line.partition("#")[0].split()) for number, line in enumerate(data.decode("latin-1").split("\n"), 1))
    return [(number, words) for number, words in split if words]


def _number(word: str, place: str) -> float:
    """A finite number; Python's own extras (``1_0``, ``nan``, ``inf``) are not numbers here."""
    try:
        value = float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _broken(place, repr(word), "a finite number")
    return value


def _triple(words: list[str], place: str) -> tuple[float, ...]:
    if len(words) < 3:
        raise _broken(place, " ".join(words) or "nothing", "three numbers")
    return tuple(_number(word, place) for word in words[:3])


def read_asf(path: Path) -> Body:
    """Read an ASF skeleton.

    Raises:
        PosebenchError: not the form that CMU writes (degrees, ``XYZ`` axes, the root at the origin, rotational dof); the message
            names file and line.
    """
    section = ""
    mm_per_unit = 0.0
    raw: dict[str, dict[str, list[str]]] = {}
    places: dict[str, str] = {}
    fields: dict[str, list[str]] | None = None
    children: dict[str, list[str]] = {}
    parent_of: dict[str, str] = {}
    place = str(path)
    for line, words in _lines(read_bounded(path)):
        place = f"{path}, line {line}"
        key, values = words[0], words[1:]
        if key.startswith(":"):
            section, fields = key, None
        elif section == ":units" and key == "length":
            unit = _number("".join(values[:1]), place)
            if unit <= 0:
                raise _broken(place, f"length {unit}", "a positive length unit")
            mm_per_unit = 25.4 / unit
        elif section == ":units" and key == "angle" and values != ["deg"]:
            raise _broken(place, " ".join(words), "angle deg")
        elif section == ":root":
            _check_root(key, values, place)
        elif section == ":bonedata" and key == "begin":
            fields = {}
        elif section == ":bonedata" and key == "end":
            name = " ".join((fields or {}).get("name", []))
            if not name or name in raw or name == "root":
                raise _broken(place, f"a bone named {name!r}", "a block begin ... end with a name of its own")
            raw[name], places[name], fields = fields or {}, place, None
        elif section == ":bonedata":
            if fields is None:
                raise _broken(place, " ".join(words), "begin")
            if not key.startswith("("):
                fields[key] = values
        elif section == ":hierarchy" and key not in ("begin", "end"):
            for child in values:
                if key not in raw.keys() | {"root"} or child not in raw or child in parent_of:
                    raise _broken(place, f"{child} below {key}", "bones of :bonedata, each below one parent")
                parent_of[child] = key
            children.setdefault(key, []).extend(values)
    if not mm_per_unit:
        raise _broken(place, "the end of the file, and no length in :units", "a length unit")

    bones = [Bone("root", -1, (0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), ROOT_ORDER)]
    waiting = [(name, 0) for name in reversed(children.get("root", []))]
    while waiting:
        name, parent = waiting.pop()
        waiting += [(child, len(bones)) for child in reversed(children.get(name, []))]
        bones.append(_bone(name, parent, raw[name], places[name]))
    lost = sorted(set(raw) - {bone.name for bone in bones})
    if lost or len(bones) == 1:
        raise _broken(place, f"bones that no chain joins to the root: {', '.join(lost) or 'none at all'}", "a :hierarchy of every bone")
    return Body(tuple(bones), mm_per_unit)


def _check_root(key: str, values: list[str], place: str) -> None:
    """The kinematics below assume the one form that CMU writes."""
    want = {"order": [c.upper() for c in ROOT_ORDER], "axis": ["XYZ"]}
    if key in want and [v.upper() for v in values] != want[key]:
        raise _broken(place, f"{key} {' '.join(values)}", f"{key} {' '.join(want[key])}")
    if key in ("position", "orientation") and any(_triple(values, place)):
        raise _broken(place, f"{key} {' '.join(values)}", f"{key} 0 0 0")


def _bone(name: str, parent: int, fields: dict[str, list[str]], place: str) -> Bone:
    place = f"{place} (bone {name})"
    missing = [key for key in ("direction", "length", "axis") if key not in fields]
    if missing:
        raise _broken(place, f"no {', '.join(missing)}", "direction, length and axis")
    direction = _triple(fields["direction"], place)
    norm = math.hypot(*direction)
    if abs(norm - 1.0) > 1e-3:
        raise _broken(place, f"a direction of length {norm:.6g}", "a unit vector")
    dof = tuple(word.lower() for word in fields.get("dof", []))
    if len(set(dof)) != len(dof) or not set(dof) <= {"rx", "ry", "rz"}:
        raise _broken(place, f"dof {' '.join(dof)}", "each of rx ry rz at most once")
    if fields["axis"][3:] != ["XYZ"]:
        raise _broken(place, f"axis {' '.join(fields['axis'])}", "three angles and XYZ")
    length = _number("".join(fields["length"][:1]), place)
    return Bone(name, parent, direction, length, _triple(fields["axis"], place), dof)


def read_amc(path: Path, body: Body, *, any_numbers: bool = False) -> Motion:
    """Read the motion of ``body``.

    **Convention.** Every frame states every bone that has a dof, in any order. Frames are numbered 1, 2, 3, ...; with ``any_numbers``
    other numbers are kept apart in :attr:`Motion.renumbered` and the frames taken in file order.

    Raises:
        PosebenchError: anything missing, repeated, unknown or not a number; the message names file, frame and line.
    """
    data = read_bounded(path)
    values = _read_in_bulk(data, body)
    return _read_by_line(path, data, body, any_numbers) if values is None else Motion(values)


def _read_in_bulk(data: bytes, body: Body) -> Array | None:
    """Values of a file that is regular throughout, at the speed of ``str.split``; None where anything needs a closer look."""
    start = re.search(rb"^1\s*$", data, re.MULTILINE)
    if start is None:
        return None
    head, block = data[: start.start()], data[start.start() :].strip()
    directives = {line.strip() for line in head.split(b"\n") if line.strip() and not line.startswith(b"#")}
    if b":DEGREES" not in directives or directives - {b":DEGREES", b":FULLY-SPECIFIED"}:
        return None
    if not block.isascii() or b"#" in block or b"_" in block:
        return None
    columns = body.columns
    order = [line.split()[0] for line in block.decode().split("\n", len(columns) + 1)[1 : len(columns) + 1] if line.strip()]
    if sorted(order) != sorted(columns):
        return None
    words = block.decode().split()
    period = 1 + sum(1 + columns[name].stop - columns[name].start for name in order)
    frames, rest = divmod(len(words), period)
    if rest or block.count(b"\n") + 1 != frames * (1 + len(order)):
        return None
    values = np.empty((frames, sum(s.stop - s.start for s in columns.values())))
    place = 1
    try:
        if list(map(int, words[::period])) != list(range(1, frames + 1)):
            return None
        for name in order:
            if words[place::period].count(name) != frames:
                return None
            for offset, column in enumerate(range(columns[name].start, columns[name].stop), 1):
                values[:, column] = list(map(float, words[place + offset :: period]))
            place += 1 + offset
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _read_by_line(path: Path, data: bytes, body: Body, any_numbers: bool) -> Motion:
    """The same, a line at a time: slower, and able to say where a file is broken."""
    columns = body.columns
    width = sum(s.stop - s.start for s in columns.values())
    rows: list[list[float]] = []
    seen: set[str] = set()
    directives: set[str] = set()
    label, renumbered = "", ""

    def close_frame(line: int) -> None:
        missing = [name for name in columns if name not in seen]
        if missing:
            raise _broken(f"{path}, {label}, line {line}", f"the frame ends without {', '.join(missing)}", "every bone that has a dof")

    line = 1
    for line, words in _lines(data):
        name, place = words[0], f"{path}, {label or 'before the first frame'}, line {line}"
        if not rows and name.startswith(":"):
            if name not in (":DEGREES", ":FULLY-SPECIFIED"):
                raise _broken(place, name, ":FULLY-SPECIFIED and :DEGREES")
            directives.add(name)
        elif len(words) == 1 and name.isascii() and name.isdigit():
            if rows:
                close_frame(line)
            elif ":DEGREES" not in directives:
                raise _broken(place, "no :DEGREES above the first frame", "angles in degrees")
            number = int(name[:18])  # a longer one is wrong anyway, and int() refuses to read thousands of digits
            if number != len(rows) + 1 and not renumbered:
                renumbered = f"frame {len(rows) + 1} is numbered {number} (line {line})"
                if not any_numbers:
                    raise _broken(place, renumbered, "frames numbered 1, 2, 3, ...")
            rows.append([math.nan] * width)
            seen, label = set(), f"frame {number}"
        elif not rows:
            raise _broken(place, name, "a frame number")
        else:
            if name not in columns or name in seen:
                raise _broken(place, f"bone {name!r}", "each bone of the skeleton that has a dof, once a frame")
            where = columns[name]
            if len(words) - 1 != where.stop - where.start:
                raise _broken(place, f"{len(words) - 1} values for {name}", f"{where.stop - where.start}")
            rows[-1][where] = [_number(word, place) for word in words[1:]]
            seen.add(name)
    if not rows:
        raise _broken(f"{path}, line {line}", "the end of the file, and no frame", "numbered frames")
    close_frame(line)
    return Motion(np.array(rows), renumbered)


def forward_kinematics(body: Body, values: npt.ArrayLike) -> Array:
    """World positions of the root and of the END of every bone: (F, B, 3) mm in the order of ``body.bones``.

    **Convention.** y up, see the module. Channels that a bone lacks are 0; ``values`` is :attr:`Motion.values`.
    """
    values = np.asarray(values, dtype=np.float64)
    columns = body.columns
    rotations: list[Array] = []
    ends = np.empty((len(values), len(body.bones), 3))
    for k, bone in enumerate(body.bones):
        angles = np.zeros((len(values), 3))
        if bone.dof:
            channels = values[:, columns[bone.name]]
            for axis, name in enumerate(("rx", "ry", "rz")):
                if name in bone.dof:
                    angles[:, axis] = channels[:, bone.dof.index(name)]
        if bone.parent < 0:
            rotations.append(rotation_xyz(angles))
            ends[:, k] = channels[:, :3] * body.mm_per_unit
            continue
        frame = rotation_xyz(bone.axis)
        turn = rotations[bone.parent] @ (frame @ rotation_xyz(angles) @ frame.T) if bone.dof else rotations[bone.parent]
        rotations.append(turn)
        ends[:, k] = ends[:, bone.parent] + turn @ (np.array(bone.direction) * bone.length * body.mm_per_unit)
    return ends
