"""Results: a JSON file for people and programs, and an npz of sums beside it from which every number can be computed again."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing, sha256_of, write_text
from posebench.base.readers.npz import Npz, open_zip, write_npz
from posebench.scoring.sums import Row, Sums

SCHEMA = 1
_MAX_JSON_BYTES = 64 * 2**20
_MAX_SUMS_BYTES = 2**30
#: Fields that a result holds only where there is something to say.
_OPTIONAL = ("behaviour", "training")
_NEXT = "score the predictions again: posebench score PREDS --protocol ID -o R.json"


@dataclass(frozen=True, eq=False)
class Result:
    """What scoring a file gave. ``metrics`` and ``diagnostics`` map a name to value, unit, low, high, by and groups.

    ``by`` holds the averages ``frame``, ``take`` and ``action``; ``groups`` frame-weighted means by action, subject, camera and take,
    and the headline average by joint. ``behaviour`` holds what the lifter does beside its errors (:mod:`posebench.metrics.behaviour`),
    predicted
    and true; ``training`` time, steps and machine of the training, where posebench ran it. ``rows``, ``sums`` and ``frames`` (values of
    single frames, if asked for) live in the npz.
    """

    protocol: dict[str, Any]
    data: dict[str, Any]
    predictions: dict[str, Any]
    coverage: dict[str, Any]
    invalid: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    diagnostics: dict[str, dict[str, Any]]
    findings: list[dict[str, Any]]
    environment: dict[str, str]
    wall_time_s: float
    rows: list[Row] = field(default_factory=list)
    sums: dict[str, Sums] = field(default_factory=dict)
    frames: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    behaviour: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def value(self, metric: str, average: str | None = None) -> float | None:
        """The headline value of a metric or diagnostic, or another average of it; None where the file's scale leaves it empty.

        Raises:
            PosebenchError: the result has no such metric or average.
        """
        table = {**self.metrics, **self.diagnostics}.get(metric)
        if table is None:
            raise PosebenchError(f"metric {metric!r}", "one of " + ", ".join([*self.metrics, *self.diagnostics]), "correct the name")
        if average is None:
            return None if table["value"] is None else float(table["value"])
        if average not in table["by"]:
            raise PosebenchError(f"average {average!r}", "one of " + ", ".join(table["by"]), "correct the name")
        value = table["by"][average]
        return None if value is None else float(value)

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return {
            "posebench_result": SCHEMA,
            "protocol": self.protocol,
            "data": self.data,
            "predictions": self.predictions,
            "coverage": self.coverage,
            "invalid": self.invalid,
            "metrics": self.metrics,
            "diagnostics": self.diagnostics,
            "findings": self.findings,
            "environment": self.environment,
            "wall_time_s": self.wall_time_s,
            **{name: getattr(self, name) for name in _OPTIONAL if getattr(self, name)},
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``path`` (JSON) and the sums beside it (see :func:`sums_path`), each whole or not at all.

        Raises:
            PosebenchError: the name does not end with .json, or the folder cannot be written.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise PosebenchError(f"{path.name}", "a name that ends with .json", "rename the output file")
        layout = {"rows": self.rows, "parts": {name: sums.parts for name, sums in self.sums.items()}}
        arrays = [("__layout__", np.array(json.dumps(layout)))]
        for name, sums in self.sums.items():
            arrays += [(f"{name}/total", sums.total), (f"{name}/count", sums.count)]
        arrays += [(f"frames/{key}", values) for key, values in self.frames.items()]
        with replacing(sums_path(path)) as temporary:
            write_npz(temporary, arrays)
        content = {**self.as_dict(), "sums_sha256": sha256_of(sums_path(path))}
        write_text(path, json.dumps(content, indent=1) + "\n")
        return path


def sums_path(path: Path) -> Path:
    """Where the sums of a result live: ``R.sums.npz`` beside ``R.json``, since ``R.npz`` may well be the predictions.

    Example:
        >>> sums_path(Path("flat.json")).name
        'flat.sums.npz'
    """
    return path.with_suffix(".sums.npz")


def load_result(path: str | os.PathLike[str], *, sums: bool = True) -> Result:
    """Read a result; ``sums=False`` leaves the npz beside it alone.

    Raises:
        PosebenchError: a file is missing, no result, of a newer schema, or the sums do not fit.
    """
    path = Path(path)
    wanted = "a result written by posebench score -o"
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"at most {_MAX_JSON_BYTES:,}", _NEXT)
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, _NEXT) from error
    except (ValueError, RecursionError) as error:
        raise PosebenchError(f"{path} is not JSON ({error})", wanted, _NEXT) from error
    schema = content.pop("posebench_result", None) if isinstance(content, dict) else None
    expected = content.pop("sums_sha256", None) if isinstance(content, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise PosebenchError(f"{path}: posebench_result = {schema!r}", f"{wanted}, of schema 1 to {SCHEMA}", _NEXT)
    names = set(Result.__dataclass_fields__) - {"rows", "sums", "frames"} - (set(_OPTIONAL) - set(content))
    if set(content) != names:
        odd = ", ".join(sorted(names ^ set(content)))
        raise PosebenchError(f"{path}: {odd} missing or unknown", "the fields " + ", ".join(sorted(names)), _NEXT)
    odd = ", ".join(sorted(name for name in names if not _sound(name, content[name])))
    if odd:
        raise PosebenchError(f"{path}: {odd} is not what a result holds there", wanted, _NEXT)
    if not sums:
        return Result(**content)
    beside = sums_path(path)
    rows, loaded = _load_sums(beside)
    if sha256_of(beside) != expected:
        raise PosebenchError(f"{beside} is not the file that was written with {path.name}", "the two files of one scoring", _NEXT)
    return Result(**content, rows=rows, sums=loaded)


#: What readers of a result look up in its fields, and of which kind it is.
_READ: dict[str, dict[str, type]] = {
    "protocol": {"id": str, "version": int, "digest": str, "headline": str},
    "data": {"name": str, "version": str, "fingerprint": str, "official": bool, "note": str},
    "predictions": {"file": str, "sha256": str, "method": str, "keypoints": str, "supervision": str, "scale": str, "hypotheses": int},
    "coverage": {"poses": int, "poses wanted": int, "clips": int, "clips wanted": int, "partial": bool},
    "invalid": {"poses": int},
    "environment": {"posebench": str, "python": str, "numpy": str, "platform": str},
}


def _sound(field: str, value: Any) -> bool:
    """The field holds the kind of value that :class:`Result` says, so that its readers need not ask."""
    if field == "wall_time_s":
        return _number(value)
    if field == "findings":
        return isinstance(value, list) and all(isinstance(finding, dict) for finding in value)
    if not isinstance(value, dict) or any(not isinstance(value.get(key), kind) for key, kind in _READ.get(field, {}).items()):
        return False
    return field not in ("metrics", "diagnostics") or all(map(_sound_table, value.values()))


def _sound_table(table: Any) -> bool:
    return (
        isinstance(table, dict)
        and set(table) - {"curve"} == {"value", "unit", "low", "high", "by", "groups"}
        and isinstance(table["unit"], str)
        and all(table[key] is None or _number(table[key]) for key in ("value", "low", "high"))
        and isinstance(table["by"], dict)
        and all(value is None or _number(value) for value in table["by"].values())
        and isinstance(table["groups"], dict)
        and all(isinstance(group, dict) and all(map(_number, group.values())) for group in table["groups"].values())
        and ("curve" not in table or _sound_curve(table["curve"]))
    )


def _sound_curve(curve: Any) -> bool:
    return (
        isinstance(curve, dict)
        and set(curve) == {"thresholds", "percent"}
        and all(isinstance(values, list) and all(map(_number, values)) for values in curve.values())
        and len(curve["thresholds"]) == len(curve["percent"])
    )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # neither nan nor infinity


def _load_sums(path: Path) -> tuple[list[Row], dict[str, Sums]]:
    wanted = "the sums that posebench score wrote beside the result"
    try:
        with path.open("rb") as file, open_zip(path, file) as archive:
            npz = Npz(path, archive)
            size = sum(int(np.prod(shape, dtype=np.float64)) * dtype.itemsize for shape, dtype in npz.shapes.values())
            if size > _MAX_SUMS_BYTES:
                raise PosebenchError(f"{path}: {size:,} bytes of arrays", f"at most {_MAX_SUMS_BYTES:,}", _NEXT)
            layout = json.loads(npz.text("__layout__", _MAX_JSON_BYTES))
            rows = [Row(*map(str, row)) for row in layout["rows"]]
            sums = {}
            for name, parts in layout["parts"].items():
                total, count = npz.read(f"{name}/total"), npz.read(f"{name}/count")
                if total.shape != (len(rows), max(1, len(parts))) or count.shape != (len(rows),):
                    raise ValueError(f"{name} has {total.shape} and {count.shape}")
                if {total.dtype.kind, count.dtype.kind} != {"f"} or not (
                    np.isfinite(total).all() and np.isfinite(count).all() and (count >= 0).all()
                ):
                    raise ValueError(f"{name} holds something else than finite sums and counts")
                sums[name] = Sums(total.astype(np.float64), count.astype(np.float64), tuple(map(str, parts)))
            return rows, sums
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, "keep the .sums.npz beside its .json, or " + _NEXT) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PosebenchError(f"{path}: {error}", wanted, _NEXT) from error


def environment() -> dict[str, str]:
    """Versions and machine, as far as a number can depend on them."""
    try:
        own = version("posebench-lifting")
    except PackageNotFoundError:
        own = "not installed"
    return {
        "posebench": own,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
    }


def distinct_names(results: Sequence[Result], paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """What to call each result: its method, or where that is missing or shared, its file's name; the whole path if need be."""
    for names in (
        [result.predictions["method"] for result in results],
        [Path(path).stem for path in paths],
        [str(path) for path in paths],
    ):
        if all(names) and len(set(names)) == len(names):
            break
    return names
