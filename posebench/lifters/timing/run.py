"""`posebench speed`: open lifters, measure each, and time all of them in turn."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.lifters import Lifter
from posebench.lifters.choose import lifter_maker, open_lifter
from posebench.lifters.onnx.session import one_line
from posebench.lifters.run import without_flip_averaging
from posebench.lifters.timing.additions import with_tracking, without_correction
from posebench.lifters.timing.backends import Backend, backends, multiply_adds, parameters
from posebench.lifters.timing.clip import TimingClip, backend_difference, timing_clip
from posebench.lifters.timing.clock import Timer, alternate
from posebench.lifters.timing.memory import Peak, peak_memory
from posebench.lifters.timing.receptive_field import CHANGED, clip_length, receptive_field
from posebench.lifters.timing.record import BackendDifference, Case, Record, Timed
from posebench.lifters.timing.untrained import judge_finite, network_of, write_untrained
from posebench.networks.machine import machine, torch_threads

#: Frames on which the poses of backends are compared.
COMPARED = 1024
_LIBRARIES = ("numpy", "onnxruntime")


@dataclass(frozen=True)
class _Candidate:
    """A lifter to time, with its timing clip, its backends, and notes on backends that it lacks."""

    path: str
    changes: tuple[str, ...]
    untrained: bool
    name: str
    lifter: Lifter
    clip: TimingClip
    backends: list[Backend]
    notes: list[str]


@dataclass(frozen=True)
class _TimedCase:
    """One backend of one lifter (by number) at one batch."""

    lifter: int
    backend: str
    batch: int
    given: int | None
    timer: Timer


def speed(
    lifters: Sequence[str],
    *,
    device: str = "cpu",
    threads: int = 1,
    batches: Sequence[int] = (1, 64, 1024),
    rounds: int = 15,
    seconds: float = 2.0,
    untrained: Sequence[str] = (),
    changes: Sequence[str] = (),
    track: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Time lifters in turn, so that their times can be compared.

    **Convention.** A call takes a clip of ``batch`` frames in pixels and ends when the poses are there as float64. At batch 1 a lifter that
    sees several frames is handed a clip of as many, as in a stream of which one frame is new. All cases (backend and
    batch of a lifter) are timed in turn, round by round, each warmed up before its turn. The clip is one of the embedded dataset, so that
    no dataset is needed.

    Args:
        lifters: as :func:`posebench.open_lifter` takes them.
        device: ``cpu`` or ``cuda``; lifters other than training runs always run on the CPU.
        threads: for PyTorch and ONNX Runtime; PyTorch's setting is restored afterwards.
        batches: frames in a call.
        rounds: turns of each case; intervals are resampled from them.
        seconds: budget of a case in all rounds together; it is called at least once a round.
        untrained: networks to time with drawn weights, each ``METHOD[+RECIPE][/PRESET]``, at the size that they have with this preset,
            by default ``full``. The time of a lift does not depend on its weights.
        changes: test-time settings, ``name=value``, of all ``lifters``, which must be runs.
        track: time every lifter with tracking too (:mod:`posebench.lifters.rigid_track`), for batches of more than one frame.
        progress: called with (turns done, turns in all).

    Raises:
        PosebenchError: a lifter cannot be opened or fails, no CUDA device, or a number out of range.
    """
    if not (lifters or untrained) or not batches or min([threads, rounds, *batches]) < 1 or not seconds > 0.0:
        numbers = f"{threads} threads, {rounds} rounds, {seconds:g} seconds"
        found = f"{len(lifters) + len(untrained)} lifters, batches {', '.join(map(str, batches)) or 'none'}, {numbers}"
        raise PosebenchError(found, "lifters, numbers from 1, and seconds above 0", "correct the option")
    if device == "cuda" and not torch.cuda.is_available():
        raise PosebenchError("no CUDA device that PyTorch can use", "a device", "leave --device out, or use --device cpu")
    batches = sorted(set(batches))
    with torch_threads(threads), tempfile.TemporaryDirectory() as scratch:
        candidates = _open(lifters, untrained, Path(scratch), device=device, threads=threads, changes=tuple(changes), track=track)
        for candidate in candidates:
            if candidate.path.endswith(".onnx"):  # its network runs in a child process before it is timed in this one
                for batch in batches:
                    candidate.lifter.lift(candidate.clip.frames(batch), candidate.clip.camera)
        # Facts first: they warm the lifters up, before a timer may have to capture one in a graph.
        facts = [_facts(candidate, max(batches), device, threads) for candidate in candidates]
        cases = [case for number, candidate in enumerate(candidates) for case in _cases(number, candidate, batches)]
        timings, noise = alternate([case.timer for case in cases], rounds=rounds, seconds=seconds, progress=progress)
        machine_facts = machine(device) | _versions()
    results: list[list[Case]] = [[] for _ in candidates]
    for case, timing in zip(cases, timings, strict=True):
        results[case.lifter].append(Case(case.backend, case.batch, len(timing.calls), timing.p50, timing.p99, timing.medians, case.given))
    return Record(
        machine=machine_facts,
        fps=candidates[0].clip.fps,
        rounds=rounds,
        noise=noise,
        lifters=tuple(
            replace(one, cases=tuple(measured), notes=tuple(candidate.notes))
            for one, measured, candidate in zip(facts, results, candidates, strict=True)
        ),
    )


def _open(
    paths: Sequence[str],
    untrained: Sequence[str],
    scratch: Path,
    *,
    device: str,
    threads: int,
    changes: tuple[str, ...],
    track: bool,
) -> list[_Candidate]:
    """Open lifters and their backends; ``scratch`` is an empty folder.

    Raises:
        PosebenchError: a lifter cannot be opened.
    """
    dataset = open_dataset("synthetic")
    lifters = {path: lifter_maker(path, threads=threads, device=device, changes=changes)(dataset) for path in paths}
    networks = dict.fromkeys(map(network_of, untrained))
    drawn = [str(write_untrained(network, scratch / f"untrained {number}")) for number, network in enumerate(networks)]
    lifters |= {path: open_lifter(path, dataset, threads=threads, device=device) for path in drawn}
    names = names_of(lifters)
    candidates = []
    for number, (path, lifter) in enumerate(lifters.items()):
        folder = scratch / str(number)
        folder.mkdir()
        own_device = device if without_flip_averaging(lifter) else "cpu"
        clip, is_drawn = timing_clip(lifter, dataset), path in drawn
        own_changes = () if is_drawn else changes
        if is_drawn:
            judge_finite(names[path], lifter.lift(clip.frames(clip_length(lifter.info.context)), clip.camera))
        parts = [
            backends(path, lifter, folder, device=own_device, threads=threads),
            without_correction(path, lifter, device=own_device, threads=threads, changes=own_changes),
            with_tracking(lifter, clip, untrained=is_drawn) if track else ([], []),
        ]
        found = [backend for part, _ in parts for backend in part]
        notes = [note.replace(f"{path}: ", "") if is_drawn else note for _, told in parts for note in told]
        candidates.append(_Candidate(path, own_changes, is_drawn, names[path], lifter, clip, found, notes))
    return candidates


def _versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def names_of(lifters: Mapping[str, Lifter]) -> dict[str, str]:
    """Each lifter's name in a record, by its path.

    The id, with recipe and preset for a trained one, as on the leaderboard; with the file's name for an ONNX file, so that a run and its
    export are two rows. Lifters that would still share a name have their paths behind it.
    """
    names = {path: _name(path, lifter) for path, lifter in lifters.items()}
    shared = {name for name, count in Counter(names.values()).items() if count > 1}
    return {path: f"{name}, {path}" if name in shared else name for path, name in names.items()}


def _name(path: str, lifter: Lifter) -> str:
    info = lifter.info
    if info.provenance:
        return info.provenance.named(info.id)
    return f"{info.id} ({Path(path).name})" if path.endswith(".onnx") else info.id


def _cases(number: int, candidate: _Candidate, batches: Sequence[int]) -> Iterator[_TimedCase]:
    """The cases of one lifter; a backend that cannot be set up becomes one of its notes."""
    context = candidate.lifter.info.context
    for backend in candidate.backends:
        for batch in filter(backend.batches, batches):
            given = context if batch == 1 < context else None
            try:
                timer = backend.timer(candidate.clip.frames(given or batch), candidate.clip.camera)
            except RuntimeError as error:  # a graph that PyTorch cannot capture, or too little memory on the device
                candidate.notes.append(f"{backend.name} at batch {batch}: {one_line(error)}")
                continue
            yield _TimedCase(number, backend.name, batch, given, timer)


def _facts(candidate: _Candidate, largest_batch: int, device: str, threads: int) -> Timed:
    """All that a record holds of a lifter but its timings: ``cases`` and ``notes`` are empty."""
    lifter, clip = candidate.lifter, candidate.clip
    changed = 0.0 if candidate.untrained else CHANGED
    field = receptive_field(lambda points: lifter.lift(points, clip.camera), clip.frames(clip_length(lifter.info.context)), changed)
    keypoints = clip.frames(largest_batch)
    if device == "cuda" and without_flip_averaging(lifter):
        peak: Peak | None = _peak_on_device(candidate, keypoints)
    else:
        peak = peak_memory(candidate.path, keypoints, clip.camera, threads, candidate.changes)
    return Timed(
        name=candidate.name,
        context=lifter.info.context,
        back=field.back,
        ahead=field.ahead,
        flip_averaging=lifter.info.flip_averaging,
        parameters=parameters(lifter),
        multiply_adds=multiply_adds(lifter, keypoints, clip.camera),
        opened=peak.opened if peak else None,
        lifted=peak.lifted if peak else None,
        cases=(),
        shifts=tuple(_differences(candidate)),
        notes=(),
        untrained=candidate.untrained,
    )


def _peak_on_device(candidate: _Candidate, keypoints: Array) -> Peak:
    """Memory of PyTorch on the CUDA device: before, and at most while the clip was lifted."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() / 2**20
    candidate.lifter.lift(keypoints, candidate.clip.camera)
    return Peak(round(before, 1), round(torch.cuda.max_memory_allocated() / 2**20, 1))


def _differences(candidate: _Candidate) -> Iterator[BackendDifference]:
    """The poses of every other backend against those of the first, which is eager float32."""
    clip = candidate.clip
    lifts = {backend.name: backend.lift for backend in candidate.backends if backend.lift}
    if len(lifts) < 2:
        return
    count = min(COMPARED, len(clip.keypoints))
    keypoints, truth = clip.keypoints[:count], clip.truth[:count]
    (_, lift_eager), *others = lifts.items()
    eager = lift_eager(keypoints, clip.camera)
    for name, lift in others:
        poses = lift(keypoints, clip.camera)
        yield backend_difference(name, poses, eager, truth, metric=candidate.lifter.info.scale == "metric")
