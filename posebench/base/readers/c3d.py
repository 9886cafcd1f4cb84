"""Points of C3D files with numbers in Intel order, and a writer of the same: no analog channels, no events.

**Convention.** A block of 512 bytes with counts, blocks of parameters in groups (``POINT:RATE``), then for each frame four numbers a point:
x, y, z and a residual. A point that was not seen has a negative residual, is not a number, or lies at exactly (0, 0, 0); it is read as NaN.

Source: the C3D file format's own user guide (c3d.org).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing

MAX_BYTES = 2**30
_BLOCK = 512
_INTEL = 84
_MAX_PARAMETER_BLOCKS = 255
_ADVICE = "copy the file again from its source"

#: A parameter: text, lines of text, or numbers.
Parameter = str | list[str] | npt.NDArray[np.floating]


class C3D(NamedTuple):
    """The points of a file.

    Attributes:
        points: (T, N, 3) in the file's unit; NaN where a point was not seen.
        rate: frames per second.
        parameters: ``GROUP:NAME`` to its value.
    """

    points: npt.NDArray[np.float64]
    rate: float
    parameters: dict[str, Parameter]

    def text(self, name: str) -> str:
        """A parameter of text, empty where the file has none of this name."""
        value = self.parameters.get(name, "")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]  # some writers store one text as a list of one
        return value.strip() if isinstance(value, str) else ""


def read_c3d(path: Path) -> C3D:
    """The points of a C3D file.

    Raises:
        PosebenchError: it is missing, cut off, no C3D file, or one of another processor than Intel's.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"a C3D file of at most {MAX_BYTES:,}", "name the right file")
        data = path.read_bytes()
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a C3D file that can be read", "check the path") from error
    try:
        return _parsed(data)
    except (ValueError, struct.error, IndexError) as error:
        raise PosebenchError(f"{path}: {error}", "a whole C3D file with numbers in Intel order", _ADVICE) from error


def _parsed(data: bytes) -> C3D:
    if len(data) < 2 * _BLOCK or data[1] != 0x50:
        raise ValueError(f"{len(data):,} bytes without the mark of a C3D file")
    count, analog, first, last = struct.unpack_from("<4H", data, 2)
    (scale,) = struct.unpack_from("<f", data, 12)
    (start,) = struct.unpack_from("<H", data, 16)
    (rate,) = struct.unpack_from("<f", data, 20)
    parameters = _parameters(data, (data[0] - 1) * _BLOCK)
    frames = last - first + 1
    if not count or frames < 1 or not start:
        raise ValueError(f"{count} points in {frames} frames")
    kind = np.dtype("<f4" if scale < 0 else "<i2")
    size = frames * (4 * count + analog) * kind.itemsize
    offset = (start - 1) * _BLOCK
    if len(data) < offset + size:
        raise ValueError(f"{len(data):,} bytes, cut off: {count} points in {frames} frames take {offset + size:,}")
    values = np.frombuffer(data, kind, frames * (4 * count + analog), offset).reshape(frames, -1)[:, : 4 * count].astype(np.float64)
    points, residual = values.reshape(frames, count, 4)[..., :3], values.reshape(frames, count, 4)[..., 3]
    points = points * (scale if scale > 0 else 1.0)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(points).all(axis=-1) & ~(residual < 0.0) & (points != 0.0).any(axis=-1)
    stated = parameters.get("POINT:RATE")
    rate = float(stated.ravel()[0]) if isinstance(stated, np.ndarray) and stated.size else rate
    if not 0.0 < rate < 1e5:
        raise ValueError(f"{rate:g} frames per second")
    return C3D(np.where(seen[..., None], points, np.nan), rate, parameters)


def _parameters(data: bytes, at: int) -> dict[str, Parameter]:
    blocks, processor = data[at + 2], data[at + 3]
    if processor != _INTEL:
        raise ValueError(f"numbers of processor {processor}")
    end = min(len(data), at + min(blocks, _MAX_PARAMETER_BLOCKS) * _BLOCK)
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Parameter]] = []
    at += 4
    while at + 2 < end and data[at]:
        length, group = abs(struct.unpack_from("<b", data, at)[0]), struct.unpack_from("<b", data, at + 1)[0]
        name = data[at + 2 : at + 2 + length].decode("ascii", "replace").upper()
        after = at + 2 + length
        (step,) = struct.unpack_from("<H", data, after)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _value(data[:end], after + 2)))
        if not step:
            break
        at = after + step
    return {f"{groups.get(group, group)}:{name}": value for group, name, value in found}


def _value(data: bytes, at: int) -> Parameter:
    kind, axes = struct.unpack_from("<bB", data, at)
    shape = tuple(data[at + 2 : at + 2 + axes])
    types = {-1: "S1", 1: "u1", 2: "<i2", 4: "<f4"}
    if kind not in types or axes > 7 or len(shape) != axes:
        raise ValueError(f"a parameter of type {kind} with {axes} axes")
    count = int(np.prod(shape, dtype=np.int64))
    dtype = np.dtype(types[kind])
    if at + 2 + axes + count * dtype.itemsize > len(data):
        raise ValueError("a parameter that is longer than the parameters")
    if kind != -1:
        return np.frombuffer(data, dtype, count, at + 2 + axes).reshape(shape, order="F").astype(np.float64)
    text = data[at + 2 + axes : at + 2 + axes + count].decode("utf-8", "replace")
    if axes < 2:
        return text
    width = max(1, shape[0])
    return [text[start : start + width].strip() for start in range(0, count, width)]


def write_c3d(path: Path, points: npt.NDArray[np.float64], rate: float, text: dict[str, str | list[str]]) -> None:
    """Write points (T, N, 3) as decimal numbers; ``text`` are parameters of the group POINT, such as UNITS and LABELS.

    Raises:
        ValueError: more frames or points than the format counts.
    """
    frames, count = points.shape[:2]
    if not 0 < frames < 2**16 or not 0 < count < 256:
        raise ValueError(f"{frames} frames of {count} points")
    section = bytearray(b"\x01\x50\x00" + bytes([_INTEL]))
    section += bytes([5]) + struct.pack("<b", -1) + b"POINT" + struct.pack("<HB", 3, 0)
    entries: list[tuple[str, int, tuple[int, ...], bytes]] = [
        ("USED", 2, (), struct.pack("<h", count)),
        ("FRAMES", 2, (), struct.pack("<H", frames)),
        ("SCALE", 4, (), struct.pack("<f", -1.0)),
        ("RATE", 4, (), struct.pack("<f", rate)),
    ]
    for name, value in text.items():
        lines = [value] if isinstance(value, str) else value
        width = max(len(line) for line in lines)
        shape: tuple[int, ...] = (width,) if isinstance(value, str) else (width, len(lines))
        entries.append((name, -1, shape, b"".join(line.ljust(width).encode("ascii") for line in lines)))
    for name, kind, shape, content in entries:
        body = struct.pack("<bB", kind, len(shape)) + bytes(shape) + content + b"\x00"
        section += bytes([len(name), 1]) + name.encode() + struct.pack("<H", len(body) + 2) + body
    section += bytes(-len(section) % _BLOCK or _BLOCK)
    section[2] = len(section) // _BLOCK
    header = struct.pack("<BB5HfHHf", 2, 0x50, count, 0, 1, frames, 0, -1.0, 2 + section[2], 0, rate)
    missing = ~np.isfinite(points).all(axis=-1)
    values = np.concatenate([np.nan_to_num(points), np.where(missing, -1.0, 0.0)[..., None]], axis=-1).astype("<f4")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(header.ljust(_BLOCK, b"\x00") + bytes(section) + values.tobytes())
