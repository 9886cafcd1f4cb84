"""The training loop of every method, with one network or several."""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.networks.method import Losses, Method
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.training import checkpoint
from posebench.training.checkpoint import TrainingState

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; a checkpoint has been saved, and the training can be resumed."""


@dataclass(frozen=True)
class Hooks:
    """What a training reports, and to whom.

    Attributes:
        diagnose: called after each epoch with the method, whose lifter is then the one that would be kept; its numbers are logged.
        progress: called with (steps done, steps in all).
        log: called with a line of text after each epoch.
    """

    diagnose: Callable[[Method], dict[str, float]] | None = None
    progress: Callable[[int, int], None] | None = None
    log: Callable[[str], None] = lambda _: None


_SILENT = Hooks()


def fit(
    method: Method,
    data: TrainingData,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    save_every_s: float = 60.0,
    hooks: Hooks = _SILENT,
) -> TrainingState:
    """Train a method; afterwards its ``lifter`` is the one to keep.

    **Convention.** On the CPU the same weights, data, settings, thread count and state of torch's global generator give the same lifter to
    the bit, however often the training was interrupted and resumed.

    Args:
        method: on its device, with the statistics of the training data in its buffers.
        data: on the same device.
        settings: the method's resolved recipe.
        folder: of ``checkpoint.safetensors`` and ``log.jsonl``.
        resume: continue from the checkpoint.
        save_every_s: seconds between checkpoints; 0 saves after every step.
        hooks: diagnostics, progress and log.

    Raises:
        PosebenchError: a loss term became NaN or infinite.
        Interrupted: Ctrl-C; a checkpoint has been saved.
    """
    device = data.keypoints.device
    optimisers = method.optimisers()
    ema = copy.deepcopy(method.lifter).eval() if settings.ema else None
    samples = method.samples(data)
    samples_per_epoch = min(settings.samples or len(samples), len(samples))
    steps_per_epoch = steps_in(samples_per_epoch, settings.batch)
    if not steps_per_epoch:
        raise PosebenchError(f"{len(samples)} training samples", "at least two", "add clips of training subjects to the copy")

    state, order = TrainingState(), torch.empty(0, dtype=torch.long, device=device)
    if resume:
        state, order = checkpoint.load(folder / CHECKPOINT, method, ema, optimisers, str(device))
        if not state.threads:  # a checkpoint of an earlier version
            state.count_threads(0)
        _cut_log(folder / LOG, state.step)
    clock = _Clock(state)
    last_save = time.monotonic()

    with _ctrl_c() as interrupted:
        while state.epoch < settings.epochs:
            if state.cursor == 0:  # a new epoch; a resumed one has its order from the checkpoint
                order = samples[torch.randperm(len(samples), device=device)[:samples_per_epoch]]
                state.sums, state.steps = {}, 0
            method.train()  # the diagnostics of the previous epoch put it into evaluation mode
            while state.steps < steps_per_epoch:
                frames = order[state.cursor : state.cursor + settings.batch]
                _set_learning_rates(optimisers, settings.rate(state.epoch + state.steps / steps_per_epoch))
                _add(state.sums, take_step(method, data, frames, settings, optimisers, state, folder))
                if ema is not None:
                    update_ema(ema, method.lifter, settings.ema, state.step)
                state.cursor += len(frames)
                state.step += 1
                state.steps += 1
                if hooks.progress:
                    hooks.progress(state.step, steps_per_epoch * settings.epochs)
                if state.steps == steps_per_epoch:
                    state.epoch, state.cursor = state.epoch + 1, 0
                    clock.update(state)
                    _log_epoch(method, ema, settings, state, folder / LOG, hooks)
                if interrupted.is_set() or time.monotonic() - last_save >= save_every_s:
                    clock.update(state)
                    checkpoint.save(folder / CHECKPOINT, state, method, ema, optimisers, order)
                    last_save = time.monotonic()
                if interrupted.is_set():
                    raise Interrupted(f"interrupted after step {state.step}; everything is saved in {folder}")
        clock.update(state)
        checkpoint.save(folder / CHECKPOINT, state, method, ema, optimisers, order)

    if ema is not None:
        method.lifter.load_state_dict(ema.state_dict())
    method.eval()
    return state


class _Clock:
    """Wall and CPU seconds and threads of a training, added to those of the state that it resumes from."""

    def __init__(self, state: TrainingState) -> None:
        self._wall_start = time.monotonic() - state.seconds
        self._cpu_start = time.process_time() - state.cpu_seconds

    def update(self, state: TrainingState) -> None:
        state.seconds = time.monotonic() - self._wall_start
        state.cpu_seconds = time.process_time() - self._cpu_start
        state.count_threads(torch.get_num_threads())


def steps_in(samples: int, batch: int) -> int:
    """Steps of an epoch. A last batch of one sample is left out: batch norm needs a variance."""
    return samples // batch + (samples % batch > 1)


def _set_learning_rates(optimisers: Mapping[str, Optimizer], factor: float) -> None:
    """Set every parameter group's learning rate to its first one times ``factor``."""
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("first_lr", group["lr"]) * factor


def take_step(
    method: Method,
    data: TrainingData,
    frames: Tensor,
    settings: Settings,
    optimisers: Mapping[str, Optimizer],
    state: TrainingState,
    folder: Path,
) -> dict[str, float]:
    """One batch: for each network that the method yields, its losses, backward, and a step of its optimiser.

    Returns:
        Each loss term, ``network/term``; of a network with several steps their mean.

    Raises:
        PosebenchError: a loss term is NaN or infinite.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for network, terms in _autocast(method.losses(data, frames, state.epoch), frames.device.type, enabled=settings.bf16):
        for name, term in terms.items():
            value = float(term.detach())
            if not math.isfinite(value):
                raise PosebenchError(_not_finite(value, network, name, state, folder), "finite losses", _REMEDY, exit_code=1)
            values[f"{network}/{name}"].append(value)
        optimisers[network].zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimisers[network].step()
    return {name: sum(terms) / len(terms) for name, terms in values.items()}


def _autocast(losses: Iterator[Losses], device: str, *, enabled: bool) -> Iterator[Losses]:
    """``losses``, computed in bfloat16 if ``enabled``. The optimiser steps between them are outside autocast."""
    while True:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=enabled):
            network_and_terms = next(losses, None)
        if network_and_terms is None:
            return
        yield network_and_terms


_REMEDY = "lower the learning rate (--set learning_rate=...), or look at the keypoints: posebench data info"


def _not_finite(value: float, network: str, name: str, state: TrainingState, folder: Path) -> str:
    kept = folder / CHECKPOINT
    last = f"the last good checkpoint is {kept}" if kept.is_file() else "no checkpoint had been written yet"
    return f"loss term {name!r} of {network} is {value} in step {state.step} (epoch {state.epoch}); {last}"


def _add(sums: dict[str, float], terms: Mapping[str, float]) -> None:
    for name, value in terms.items():
        sums[name] = sums.get(name, 0.0) + value


def update_ema(average: nn.Module, lifter: nn.Module, decay: float, step: int) -> None:
    """One step of the exponential moving average of the lifter's weights: average = decay average + (1 - decay) lifter.

    In the first steps the decay is smaller, (1 + step) / (10 + step), so that the random weights of the beginning are forgotten.
    """
    new_weight = 1.0 - min(decay, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        for mean, new in zip(average.state_dict().values(), lifter.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(new, new_weight)
            else:  # counters, as of batch norm
                mean.copy_(new)


def _log_epoch(method: Method, ema: nn.Module | None, settings: Settings, state: TrainingState, path: Path, hooks: Hooks) -> None:
    """Write an epoch's mean loss terms and diagnostics as a line of ``log.jsonl``, and report them."""
    terms = {name: total / state.steps for name, total in sorted(state.sums.items())}
    diagnostics: dict[str, float] = {}
    if hooks.diagnose:
        trained = method.lifter
        method.lifter = ema if ema is not None else trained
        method.eval()
        with torch.inference_mode():
            diagnostics = hooks.diagnose(method)
        method.lifter = trained
    line: dict[str, Any] = {
        "epoch": state.epoch,
        "step": state.step,
        "seconds": round(state.seconds, 2),
        "rate": settings.rate(state.epoch),
        "losses": terms,
        "behaviour": diagnostics,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    shown = ", ".join(f"{name} {value:.4g}" for name, value in {**terms, **diagnostics}.items())
    hooks.log(f"epoch {state.epoch} of {settings.epochs}, {state.seconds:.0f} s: {shown}")


def _cut_log(path: Path, step: int) -> None:
    """Remove the lines of epochs after ``step``: the resumed training will write them again."""
    if path.is_file():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        with replacing(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # a line that a killed process did not finish


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that the present step is completed; the second one stops at once."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def press(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
