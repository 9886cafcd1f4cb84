"""Records of `posebench speed`: what was timed, on which machine, and how far to trust it; their files, and the comparison of two."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.schema import Fields

FORMAT = 1
#: Spread of the calibration kernel (quartiles apart, as a share of the median) beyond which timings are not trusted.
SPREAD = 0.10
#: Share of its wall time that the kernel may wait for a processor.
WAITING = 0.05
#: The backends whose poses a prediction file holds: a trained lifter's own way, and the only way of any other.
USUAL = ("inference", "own")
_RESAMPLES = 1000
_MAX_BYTES = 2**24
_ADVICE = "write it again: posebench speed LIFTER ... -o speed.json"


@dataclass(frozen=True)
class Noise:
    """What a small fixed piece of work, timed between all others, says about the machine.

    Attributes:
        spread: its quartiles' distance as a share of its median.
        waiting: share of its wall time in which it did not run, in the median.
    """

    spread: float
    waiting: float

    @property
    def trusted(self) -> bool:
        """The machine was quiet enough for the timings to be believed."""
        return self.spread <= SPREAD and self.waiting <= WAITING


@dataclass(frozen=True)
class Case:
    """Timings of one backend at one batch.

    Attributes:
        backend: ``eager``, ``inference``, ``bf16``, ``onnx``, ``resident``, ``graph``; ``own`` of a lifter that has one way only.
        batch: frames handed over in one call, as one clip.
        calls: how often it was called.
        p50: median seconds of a call.
        p99: 99th percentile; None where too few calls were made to tell.
        rounds: median seconds of a call in each round.
    """

    backend: str
    batch: int
    calls: int
    p50: float
    p99: float | None
    rounds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Poses a second."""
        return self.batch / self.p50


@dataclass(frozen=True)
class Shift:
    """How far a backend's poses lie from those of eager float32, on the probe.

    Attributes:
        backend: its name.
        mean: distance of a joint, mm; of a lifter of unknown scale once its poses are as large as the true ones.
        largest: the largest such distance.
        pa_mpjpe: change of the probe's PA-MPJPE, mm.
    """

    backend: str
    mean: float
    largest: float
    pa_mpjpe: float


@dataclass(frozen=True)
class Timed:
    """One lifter.

    Attributes:
        name: its id, with recipe and preset where it was trained: the row's name on a board.
        context: frames that one pose is told from, as the lifter states.
        back: earlier frames that a pose was seen to depend on.
        ahead: later frames that it was seen to depend on: what it has to wait for.
        flip_averaging: every call lifts twice.
        parameters: numbers in its weights; None where it does not tell.
        multiply_adds: of one pose, in matrix products and convolutions, at the largest batch; None where they cannot be counted.
        opened: most memory in MiB once the lifter is open (of the process, or of the CUDA device); None where the system does not tell.
        lifted: most memory once it has lifted the largest batch.
        notes: what could not be timed, and why.
    """

    name: str
    context: int
    back: int
    ahead: int
    flip_averaging: bool
    parameters: int | None
    multiply_adds: int | None
    opened: float | None
    lifted: float | None
    cases: tuple[Case, ...]
    shifts: tuple[Shift, ...]
    notes: tuple[str, ...]

    def usual(self, batch: int) -> Case | None:
        """The timing of what prediction does, at one batch."""
        return next((case for case in self.cases if case.backend in USUAL and case.batch == batch), None)


@dataclass(frozen=True)
class Record:
    """One run of `posebench speed`.

    Attributes:
        machine: processor, cores, threads, device and versions.
        fps: frame rate of the probe, which turns frames of delay into seconds.
        rounds: turns that each case had.
    """

    machine: dict[str, str]
    fps: float
    rounds: int
    noise: Noise
    lifters: tuple[Timed, ...]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON, whole or not at all."""
        write_text(path, self.dump())

    def dump(self) -> str:
        """The JSON text."""
        return json.dumps({"posebench_speed": FORMAT, **asdict(self)}, indent=1) + "\n"


def load_record(path: str | os.PathLike[str]) -> Record:
    """Read a record.

    Raises:
        PosebenchError: no such file, no JSON, or a field that is missing, unknown or of another kind.
    """
    try:
        if Path(path).stat().st_size > _MAX_BYTES:
            raise PosebenchError(f"{path}: more than {_MAX_BYTES:,} bytes", "a record of timings", _ADVICE)
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PosebenchError(f"{path}: {error}", "a record that posebench speed wrote", _ADVICE) from error
    if not isinstance(content, dict) or content.get("posebench_speed") != FORMAT:
        raise PosebenchError(f"{path}: no record of timings of format {FORMAT}", "a file that posebench speed wrote", _ADVICE)
    fields = Fields(content, str(path), _ADVICE)
    fields.whole("posebench_speed")
    machine, noise = fields.table("machine"), fields.table("noise")
    record = Record(
        machine={key: machine.text(key) for key in machine.names()},
        fps=fields.number("fps"),
        rounds=fields.whole("rounds"),
        noise=Noise(noise.number("spread"), noise.number("waiting")),
        lifters=tuple(_timed(one) for one in fields.tables("lifters")),
    )
    for one in (noise, fields):
        one.finish()
    return record


def _timed(fields: Fields) -> Timed:
    timed = Timed(
        name=fields.text("name"),
        context=fields.whole("context"),
        back=fields.count("back"),
        ahead=fields.count("ahead"),
        flip_averaging=fields.flag("flip_averaging"),
        parameters=fields.count("parameters") if fields.present("parameters") else None,
        multiply_adds=fields.count("multiply_adds") if fields.present("multiply_adds") else None,
        opened=fields.number("opened") if fields.present("opened") else None,
        lifted=fields.number("lifted") if fields.present("lifted") else None,
        cases=tuple(_case(one) for one in fields.tables("cases")),
        shifts=tuple(_shift(one) for one in fields.tables("shifts")),
        notes=fields.texts("notes"),
    )
    fields.finish()
    return timed


def _case(fields: Fields) -> Case:
    case = Case(
        backend=fields.text("backend"),
        batch=fields.whole("batch"),
        calls=fields.whole("calls"),
        p50=fields.positive("p50"),
        p99=fields.positive("p99") if fields.present("p99") else None,
        rounds=fields.positives("rounds"),
    )
    fields.finish()
    return case


def _shift(fields: Fields) -> Shift:
    shift = Shift(fields.text("backend"), fields.number("mean"), fields.number("largest"), fields.number("pa_mpjpe"))
    fields.finish()
    return shift


class Change(NamedTuple):
    """One case in two records: the time of the second over that of the first, and its 95 % interval."""

    lifter: str
    backend: str
    batch: int
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval says."""
        return "slower" if self.low > 1.0 else "faster" if self.high < 1.0 else "no difference seen"


def changes(first: Record, second: Record) -> list[Change]:
    """Every case that both records hold, in the order of the first.

    Raises:
        PosebenchError: they have none in common.
    """
    held = {(one.name, case.backend, case.batch): case for one in second.lifters for case in one.cases}
    found = [
        Change(one.name, case.backend, case.batch, *ratio_interval(held[one.name, case.backend, case.batch].rounds, case.rounds))
        for one in first.lifters
        for case in one.cases
        if (one.name, case.backend, case.batch) in held
    ]
    if not found:
        names = [", ".join(one.name for one in record.lifters) or "nothing" for record in (first, second)]
        raise PosebenchError(f"timings of {names[0]} and of {names[1]}", "two records of the same lifters", _ADVICE)
    return found


def differing(first: Record, second: Record) -> list[str]:
    """What is said of the machine in two records where they differ, apart from the code: such records are not comparable."""
    keys = dict.fromkeys([*first.machine, *second.machine])
    told = [(key, first.machine.get(key, "unknown"), second.machine.get(key, "unknown")) for key in keys if key != "code"]
    return [f"{key} {one} and {other}" for key, one, other in told if one != other]


def ratio_interval(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Median of ``one`` over that of ``other``, and its 95 % bootstrap interval; the rounds of the two are drawn apart.

    Example:
        >>> ratio_interval([2.0, 2.0, 2.0], [1.0, 1.0, 1.0])
        (2.0, 2.0, 2.0)
    """
    low, high = np.quantile(_medians(one, 0) / _medians(other, 1), [0.025, 0.975])
    return float(np.median(one) / np.median(other)), float(low), float(high)


def _medians(values: Sequence[float], stream: int) -> npt.NDArray[np.float64]:
    random = np.random.RandomState(20190412 + stream)
    drawn = random.randint(0, len(values), (_RESAMPLES, len(values)))
    out: npt.NDArray[np.float64] = np.median(np.asarray(values)[drawn], axis=1)
    return out
