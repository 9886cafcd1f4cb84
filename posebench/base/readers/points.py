"""Files of labelled points over time, of motion capture: BVH, C3D, TRC and CSV.

**Convention.** Points are in the file's unit and axes; NaN where a point was not seen.

Sources: OpenSim's description of TRC files; the user guide of C3D (:mod:`posebench.base.readers.c3d`).
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.readers.text import read_text

MAX_BYTES = 2**27
MAX_NUMBERS = 2**25
_ADVICE = "export the file again"
_AXIS = re.compile(r"(.+?)[\s._:\-\[(]*([xyz])[\])]?", re.IGNORECASE)


class PointFile(NamedTuple):
    """The points of a file.

    Attributes:
        labels: name of each point, all different.
        points: (T, N, 3) in the file's unit; NaN where a point was not seen.
        fps: frames per second; 0 where the file does not state them.
        unit: as the file states it, such as ``mm``; empty where it does not.
    """

    labels: tuple[str, ...]
    points: npt.NDArray[np.float64]
    fps: float
    unit: str


def read_points(path: Path) -> PointFile:
    """The points of a file by its suffix: ``.c3d``, ``.bvh`` (also ``.bvh.gz``), ``.trc`` or ``.csv``.

    Raises:
        PosebenchError: it has another suffix, or cannot be read as what its suffix says.
    """
    name = path.name.lower()
    if name.endswith((".bvh", ".bvh.gz")):
        from posebench.base.readers.bvh import read_bvh

        return read_bvh(path)
    if name.endswith(".c3d"):
        return _of_c3d(path)
    if name.endswith(".trc"):
        return _judged(path, "a TRC file of OpenSim: two lines of heads, labels, X1 Y1 Z1, then numbers", _parse_trc)
    if name.endswith(".csv"):
        return _judged(path, "a line of heads such as LKNE_x, LKNE_y, LKNE_z, then a line of numbers a frame", _parse_csv)
    raise PosebenchError(f"{path}: suffix {path.suffix!r}", "a file of motion: .npz, .h5, .c3d, .bvh, .bvh.gz, .trc or .csv", _ADVICE)


def _of_c3d(path: Path) -> PointFile:
    from posebench.base.readers.c3d import read_c3d

    content = read_c3d(path)
    stated = [_words(content.parameters.get(f"TRIAL:ACTUAL_{end}_FIELD")) for end in ("START", "END")]
    if all(stated) and stated[1] - stated[0] + 1 != len(content.points):
        # The head counts up to 65,535 frames; what lies behind would be left out without a word.
        found = f"{path}: {len(content.points):,} frames in its head, frames {stated[0]:,} to {stated[1]:,} in TRIAL"
        raise PosebenchError(found, "one number of frames", "cut the take into parts of at most 65,535 frames")
    labels: list[str] = []
    for name in ("POINT:LABELS", "POINT:LABELS2", "POINT:LABELS3"):
        value = content.parameters.get(name, [])
        labels += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    count = content.points.shape[1]
    # Programs write `subject:LKNE`, and leave labels out or write one twice for markers that they do not know.
    plain = [label.strip().rpartition(":")[2] or f"point{number}" for number, label in enumerate([*labels, *[""] * count][:count])]
    seen: dict[str, int] = {}
    unique = []
    for label in plain:
        seen[label] = seen.get(label, 0) + 1
        unique.append(label if seen[label] == 1 else f"{label}#{seen[label]}")
    return PointFile(tuple(unique), content.points, content.rate, content.text("POINT:UNITS"))


def _words(value: object) -> int:
    """A number of two words of 16 bits, the low one first; 0 where there is none."""
    if not isinstance(value, np.ndarray) or value.size != 2 or not np.isfinite(value).all():
        return 0
    low, high = (int(word) % 65536 for word in value.ravel())
    return low + 65536 * high


def _judged(path: Path, wanted: str, parse: object) -> PointFile:
    try:
        text = read_text(path, MAX_BYTES)
        found: PointFile = parse(text)  # type: ignore[operator]
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", wanted, "check the path") from error
    except (ValueError, IndexError, csv.Error) as error:
        raise PosebenchError(f"{path}: {error}", wanted, _ADVICE) from error
    twice = sorted({label for label in found.labels if found.labels.count(label) > 1})
    if twice or not len(found.points):
        raise PosebenchError(
            f"{path}: {f'{first_ten(twice)} twice' if twice else 'no frame'}", "each point once, and at least a frame", _ADVICE
        )
    return found


def _numbers(rows: list[list[str]], width: int) -> npt.NDArray[np.float64]:
    """Rows of ``width`` numbers; an empty cell is NaN."""
    if len(rows) * width > MAX_NUMBERS:
        raise ValueError(f"more than {MAX_NUMBERS:,} numbers")
    if wrong := next((number for number, row in enumerate(rows) if len(row) != width), None):
        raise ValueError(f"{len(rows[wrong])} values in line {wrong + 1} of the numbers, where {width} are wanted")
    values = np.array([[float(word) if word.strip() else np.nan for word in row] for row in rows], dtype=np.float64)
    values[np.isinf(values)] = np.nan
    return values.reshape(len(rows), width)


def _seen(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points, NaN where a coordinate is missing or all are exactly 0."""
    missing = np.isnan(points).any(axis=-1) | (points == 0.0).all(axis=-1)
    return np.where(missing[..., None], np.nan, points)


def _parse_trc(text: str) -> PointFile:
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if not lines[0].startswith("PathFileType"):
        raise ValueError("no PathFileType at the start")
    facts = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    if "DataRate" not in facts or "NumMarkers" not in facts:
        raise ValueError("no DataRate or NumMarkers in the second line")
    rate, count = float(facts["DataRate"]), int(facts["NumMarkers"])
    labels = [label.strip() for label in lines[3].split("\t")[2:] if label.strip()]
    if not 0.0 < rate < 1e5 or count != len(labels) or not count:
        raise ValueError(f"{count} markers and {len(labels)} labels, at {rate:g} Hz")
    width = 2 + 3 * count
    rows = [line.split("\t") for line in lines[5:] if line.strip()]
    # A marker that is missing at the end leaves no tabs behind, and some programs end each line with one.
    rows = [(row + [""] * width)[:width] if not any(word.strip() for word in row[width:]) else row for row in rows]
    if "NumFrames" in facts and int(facts["NumFrames"]) != len(rows):
        raise ValueError(f"{len(rows)} lines of numbers, and NumFrames is {facts['NumFrames']}: it may be cut off")
    values = _numbers(rows, width)
    return PointFile(tuple(labels), _seen(values[:, 2:].reshape(len(values), count, 3)), rate, facts.get("Units", ""))


def _parse_csv(text: str) -> PointFile:
    rows = [row for row in csv.reader(io.StringIO(text)) if any(word.strip() for word in row)]
    if not rows:
        raise ValueError("no line")
    heads = [word.strip() for word in rows[0]]
    columns: dict[str, dict[str, int]] = {}
    for index, head in enumerate(heads):
        if found := _AXIS.fullmatch(head):
            axes = columns.setdefault(found[1], {})
            if found[2].lower() in axes:
                raise ValueError(f"column {head!r:.40} twice")
            axes[found[2].lower()] = index
    labels = [label for label, axes in columns.items() if len(axes) == 3]
    if not labels:
        raise ValueError(f"no three columns NAME_x, NAME_y, NAME_z among {first_ten(heads)}")
    chosen = [columns[label][axis] for label in labels for axis in "xyz"]
    width = max(chosen) + 1
    picked = [[row[index] for index in chosen] if len(row) >= width else row for row in rows[1:]]
    values = _numbers(picked, len(chosen))
    return PointFile(tuple(labels), _seen(values.reshape(len(values), len(labels), 3)), 0.0, "")
