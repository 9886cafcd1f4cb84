"""The work of `posebench speed`: open lifters, look at each, time all of them in turn."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.lifters import Lifter
from posebench.lifters.choose import open_lifter
from posebench.lifters.timing.backends import Backend, backends, inner, multiply_adds, parameters
from posebench.lifters.timing.clock import Timer, alternate
from posebench.lifters.timing.memory import Peak, peak_memory
from posebench.lifters.timing.probe import Probe, probe_for, shift_of
from posebench.lifters.timing.reach import clip_length, reach_of
from posebench.lifters.timing.record import Case, Record, Shift, Timed
from posebench.networks.machine import machine
from posebench.predictions.provenance import Provenance

#: Frames on which the poses of backends are compared.
COMPARED = 1024
_LIBRARIES = ("numpy", "onnxruntime")


@dataclass(frozen=True)
class _Opened:
    """A lifter with the clip that it is timed on, the ways to run it, and what is known of it so far."""

    path: str
    lifter: Lifter
    probe: Probe
    backends: list[Backend]
    notes: list[str]


def speed(
    lifters: Sequence[str],
    *,
    device: str = "cpu",
    threads: int = 1,
    batches: Sequence[int] = (1, 64, 1024),
    rounds: int = 15,
    seconds: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Time lifters beside each other.

    **Convention.** A call hands over a clip of ``batch`` frames in pixels and ends when the poses are there as float64. All cases take
    turns, round by round, each warmed up before its turn. The clip is one of the embedded dataset, so that nobody needs data.

    Args:
        lifters: as :func:`posebench.open_lifter` takes them.
        device: ``cpu`` or ``cuda``; lifters that are no training runs stay on the CPU.
        threads: that PyTorch and ONNX Runtime may use; they are set back afterwards.
        batches: frames a call.
        rounds: turns of each case: what intervals are drawn from.
        seconds: of timed calls a case, as far as one call a round allows.
        progress: called with (turns done, turns in all).

    Raises:
        PosebenchError: a lifter cannot be opened or fails, two have one name, no CUDA device, or a number out of range.
    """
    if not lifters or not batches or min([threads, rounds, *batches]) < 1 or not seconds > 0.0:
        numbers = f"{threads} threads, {rounds} rounds, {seconds:g} seconds"
        found = f"{len(lifters)} lifters, batches {', '.join(map(str, batches)) or 'none'}, {numbers}"
        raise PosebenchError(found, "lifters, numbers from 1, and seconds above 0", "correct the option")
    if device == "cuda" and not torch.cuda.is_available():
        raise PosebenchError("no CUDA device that PyTorch can use", "a device", "leave --device out, or use --device cpu")
    batches = sorted(set(batches))
    with _threads(threads), tempfile.TemporaryDirectory() as scratch:
        dataset = open_dataset("synthetic")
        lifted = {path: open_lifter(path, dataset, threads=threads, device=device) for path in lifters}
        names = [name_of(lifter) for lifter in lifted.values()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PosebenchError(f"two lifters called {twice[0]}", "lifters of different names", "time them apart")
        opened = []
        for number, (path, lifter) in enumerate(lifted.items()):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            ways, notes = backends(path, lifter, folder, device=device if inner(lifter) else "cpu", threads=threads)
            opened.append(_Opened(path, lifter, probe_for(lifter, dataset), ways, notes))
        keys, timers = [], []
        for number, one in enumerate(opened):
            for backend, batch, timer in _cases(one, batches):
                keys.append((number, backend, batch))
                timers.append(timer)
        about = [_about(one, max(batches), device, threads) for one in opened]
        timings, noise = alternate(timers, rounds=rounds, seconds=seconds, progress=progress)
        told = machine(device) | _versions()
    cases: list[list[Case]] = [[] for _ in opened]
    for (number, backend, batch), timing in zip(keys, timings, strict=True):
        cases[number].append(Case(backend, batch, len(timing.calls), timing.p50, timing.p99, timing.medians))
    return Record(
        machine=told,
        fps=opened[0].probe.fps,
        rounds=rounds,
        noise=noise,
        lifters=tuple(facts(tuple(timed)) for facts, timed in zip(about, cases, strict=True)),
    )


def _versions() -> dict[str, str]:
    """Of Python, and of the libraries that are there."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def name_of(lifter: Lifter) -> str:
    """What a record calls a lifter: its id, and recipe and preset of a trained one, as a board does."""
    made: Provenance | None = getattr(lifter, "provenance", None)
    return made.named(lifter.id) if made else lifter.id


def _cases(one: _Opened, batches: Sequence[int]) -> Iterator[tuple[str, int, Timer]]:
    for backend in one.backends:
        for batch in batches:
            if backend.batches(batch):
                yield backend.name, batch, backend.timer(one.probe.frames(batch), one.probe.camera)


def _about(one: _Opened, largest: int, device: str, threads: int) -> Callable[[tuple[Case, ...]], Timed]:
    """All that is known of a lifter but its timings, and waits for these."""
    lifter, probe = one.lifter, one.probe
    reach = reach_of(lambda points: lifter.lift(points, probe.camera), probe.frames(clip_length(lifter.context)))
    keypoints = probe.frames(largest)
    peak = _on_device(one, keypoints) if device == "cuda" and inner(lifter) else peak_memory(one.path, keypoints, probe.camera, threads)
    adds = multiply_adds(lifter, keypoints, probe.camera)
    shifts = tuple(_shifts(one))

    def timed(cases: tuple[Case, ...]) -> Timed:
        return Timed(
            name=name_of(lifter),
            context=lifter.context,
            back=reach.back,
            ahead=reach.ahead,
            flip_averaging=lifter.flip_averaging,
            parameters=parameters(lifter),
            multiply_adds=adds,
            opened=peak.opened if peak else None,
            lifted=peak.lifted if peak else None,
            cases=cases,
            shifts=shifts,
            notes=tuple(one.notes),
        )

    return timed


def _on_device(one: _Opened, keypoints: Array) -> Peak:
    """Memory that PyTorch took on the CUDA device: before, and at most while the clip was lifted."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() / 2**20
    one.lifter.lift(keypoints, one.probe.camera)
    return Peak(round(before, 1), round(torch.cuda.max_memory_allocated() / 2**20, 1))


def _shifts(one: _Opened) -> Iterator[Shift]:
    """Every backend but the first, against it: it is eager float32."""
    first, *others = [backend for backend in one.backends if backend.lift]
    count = min(COMPARED, len(one.probe.keypoints))
    keypoints, truth = one.probe.keypoints[:count], one.probe.truth[:count]
    assert first.lift
    eager = first.lift(keypoints, one.probe.camera) if others else None
    for backend in others:
        assert backend.lift
        assert eager is not None
        poses = backend.lift(keypoints, one.probe.camera)
        yield shift_of(backend.name, poses, eager, truth, metric=one.lifter.scale == "metric")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
