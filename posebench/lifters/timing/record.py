"""Timing records of `posebench speed`: what was timed, on which machine, and how noisy that machine was; and their JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.readers.text import read_json
from posebench.base.schema import Fields

FORMAT = 1
#: Largest trusted spread of the calibration kernel: interquartile range over median.
SPREAD = 0.10
#: Largest trusted share of its wall time that the kernel waits for a processor.
WAITING = 0.05
#: The backends whose poses a prediction file holds: of a trained lifter, and of any other.
USUAL = ("inference", "own")
#: The usual backend with tracking, and without the correction that the lifter does at test time.
TRACKED, UNCORRECTED = "tracked", "uncorrected"
_MAX_BYTES = 2**24
ADVICE = "write it again: posebench speed LIFTER ... -o speed.json"


@dataclass(frozen=True)
class Noise:
    """How noisy the machine was: statistics of the calibration kernel, a small fixed piece of work that is timed between all others.

    Attributes:
        spread: its interquartile range over its median.
        waiting: share of its wall time in which it did not run, median.
    """

    spread: float
    waiting: float

    @property
    def trusted(self) -> bool:
        """Whether the machine was quiet enough for the timings to be trusted."""
        return self.spread <= SPREAD and self.waiting <= WAITING


@dataclass(frozen=True)
class Case:
    """Timings of one backend at one batch.

    Attributes:
        backend: ``eager``, ``inference``, ``bf16``, ``onnx``, ``resident``, ``graph``; ``own`` for a lifter with one backend only.
            ``tracked``: as prediction runs the lifter, and then tracked; ``uncorrected``: so run, without its correction at test time.
        batch: poses wanted of one call; with ``given`` None also the frames handed over, as one clip.
        calls: how often it was called.
        p50: median seconds of a call.
        p99: 99th percentile; None if there were too few calls for one.
        rounds: median seconds of a call in each round.
        given: frames handed over in one call where only the ``batch`` newest are new: a stream. None for whole clips.
    """

    backend: str
    batch: int
    calls: int
    p50: float
    p99: float | None
    rounds: tuple[float, ...]
    given: int | None = None

    @property
    def rate(self) -> float:
        """Poses a second; in a stream, new frames a second."""
        return self.batch / self.p50


@dataclass(frozen=True)
class BackendDifference:
    """How far a backend's poses lie from those of eager float32, on the timing clip.

    Attributes:
        backend: its name.
        mean: mean distance of a joint, mm; poses of unknown scale are scaled to the size of the true ones.
        largest: the largest such distance.
        pa_mpjpe: change of PA-MPJPE, mm.
    """

    backend: str
    mean: float
    largest: float
    pa_mpjpe: float


@dataclass(frozen=True)
class Timed:
    """One lifter.

    Attributes:
        name: its id, with recipe and preset where it was trained: the row's name on a board; with the file's name for an ONNX file.
        context: number of frames that the prediction of one frame depends on, as the lifter states.
        back: earlier frames that a pose was seen to depend on.
        ahead: later frames that it was seen to depend on: what it has to wait for.
        flip_averaging: every call lifts twice.
        parameters: numbers in its weights; None if unknown.
        multiply_adds: of one pose, in matrix products, convolutions and recurrent layers, at the largest batch; None if unknown.
        opened: most memory in MiB once the lifter is open (of the process, or of the CUDA device); None if the system does not report it.
        lifted: most memory once it has lifted the largest batch.
        notes: what could not be timed, and why.
        untrained: its weights were drawn, to time a network of its size.
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
    shifts: tuple[BackendDifference, ...]
    notes: tuple[str, ...]
    untrained: bool = False

    def usual(self, batch: int) -> Case | None:
        """The timing of the backend that prediction uses, at one batch; None if it was not timed."""
        return next((case for case in self.cases if case.backend in USUAL and case.batch == batch), None)

    @property
    def usual_is_corrected(self) -> bool:
        """Whether the lifter corrects its poses at test time, as seen from its cases."""
        return any(case.backend == UNCORRECTED for case in self.cases)

    @property
    def additions(self) -> Iterator[tuple[str, Case, Case]]:
        """What is done beyond lifting, without it, and with it: tracking and correction, for each batch that has both times."""
        for case in self.cases:
            usual = self.usual(case.batch)
            if usual is not None and case.backend == TRACKED:
                yield "tracking", usual, case
            elif usual is not None and case.backend == UNCORRECTED:
                yield "correction", case, usual


@dataclass(frozen=True)
class Record:
    """One run of `posebench speed`.

    Attributes:
        machine: processor, cores, threads, device and versions.
        fps: frame rate of the timing clip, to express delays in seconds.
        rounds: how often each case was timed in turn.
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
        """The JSON text; only cases of a stream have the field ``given``, only untrained lifters the field ``untrained``."""
        content = asdict(self)
        for lifter in (lifter for lifter in content["lifters"] if not lifter["untrained"]):
            del lifter["untrained"]
        for case in (case for one in content["lifters"] for case in one["cases"] if case["given"] is None):
            del case["given"]
        return json.dumps({"posebench_speed": FORMAT, **content}, indent=1) + "\n"


def load_record(path: str | os.PathLike[str]) -> Record:
    """Read a record.

    Raises:
        PosebenchError: no such file, no JSON, or a field that is missing, unknown or of another kind.
    """
    try:
        if Path(path).stat().st_size > _MAX_BYTES:
            raise PosebenchError(f"{path}: more than {_MAX_BYTES:,} bytes", "a record of timings", ADVICE)
        content = read_json(Path(path), _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "a record that posebench speed wrote", ADVICE) from error
    if not isinstance(content, dict) or content.get("posebench_speed") != FORMAT:
        raise PosebenchError(f"{path}: no record of timings of format {FORMAT}", "a file that posebench speed wrote", ADVICE)
    fields = Fields(content, str(path), ADVICE)
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
        shifts=tuple(_difference(one) for one in fields.tables("shifts")),
        notes=fields.texts("notes"),
        untrained=fields.flag("untrained") if fields.present("untrained") else False,
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
        given=fields.whole("given") if fields.present("given") else None,
    )
    if case.given is not None and case.given <= case.batch:
        raise fields.wrong("given", case.given, f"more than the batch of {case.batch}")
    fields.finish()
    return case


def _difference(fields: Fields) -> BackendDifference:
    difference = BackendDifference(fields.text("backend"), fields.number("mean"), fields.number("largest"), fields.number("pa_mpjpe"))
    fields.finish()
    return difference
