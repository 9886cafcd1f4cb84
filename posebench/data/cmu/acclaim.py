"""Acclaim motion capture: skeletons, motions, forward kinematics, and what the readers of both files share.

**Convention.** World right-handed, y up; a person who faces +z has the left side at +x. Angles in degrees about the fixed x, then y,
then z axis (``Rz Ry Rx``); lengths in the file's unit (``:units length``) until :func:`forward_kinematics` gives millimetres.

Skeletons are read by :mod:`posebench.data.cmu.asf`, motions by :mod:`posebench.data.cmu.amc`. Both files are untrusted: they are read as
text of at most :data:`MAX_BYTES` after decompression, and any deviation is an error that names the file and the line.

Source: the Acclaim format as the CMU Graphics Lab documents it; R_b = R_parent C M C^T, p_b = p_parent + R_b direction length.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import rotation_xyz
from posebench.base.errors import PosebenchError

Array = npt.NDArray[np.float64]

#: More than three times the longest AMC of the CMU database. A hostile .gz cannot fill the memory with more.
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
        axis: degrees, rotation of the joint's frame relative to the world.
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
    """An ASF skeleton: bones, parents before children, and the millimetres per length unit."""

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
    """The frames of an AMC file.

    Attributes:
        values: (F, channels) in the order of :attr:`Body.columns`.
        renumbered: the first frame whose number is not that of 1, 2, 3, ..., in words; empty if there is none.
    """

    values: Array
    renumbered: str = ""


def broken_file(place: str, found: str, wanted: str) -> PosebenchError:
    """The error for a file that deviates from the format at ``place``."""
    return PosebenchError(f"{place}: {found}", wanted, "replace the file with an unchanged copy from its source")


def read_bounded(path: Path) -> bytes:
    """Bytes of a plain or gzip file (recognised by its first two bytes), with every line end as a single line feed.

    Raises:
        PosebenchError: unreadable, damaged, or more than :data:`MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise broken_file(str(path), f"cannot be read ({error})", "a plain or gzip file") from None
    if len(data) > MAX_BYTES:
        raise broken_file(str(path), f"more than {MAX_BYTES} bytes after decompression", "a motion capture file of a normal size")
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def numbered_lines(data: bytes) -> list[tuple[int, list[str]]]:
    """(line number, words) of every line that is not blank or a comment."""
    split = ((number, line.partition("#")[0].split()) for number, line in enumerate(data.decode("latin-1").split("\n"), 1))
    return [(number, words) for number, words in split if words]


def finite_number(word: str, place: str) -> float:
    """The number that a word spells.

    Raises:
        PosebenchError: no finite number. Python's extensions (``1_0``, ``nan``, ``inf``, other digits than ASCII) are refused.
    """
    try:
        value = float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise broken_file(place, repr(word), "a finite number")
    return value


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
