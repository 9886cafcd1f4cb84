"""The one training loop. Every method is trained by it, with one network or several."""

from __future__ import annotations

import copy
import json
import math
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.networks.method import Method
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.training import checkpoint
from posebench.training.checkpoint import TrainingState

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; the training is saved and can be resumed."""


def fit(
    method: Method,
    data: TrainingData,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    save_every_s: float = 60.0,
    look: Callable[[Method], dict[str, float]] | None = None,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> TrainingState:
    """Train a method; its ``lifter`` is afterwards the one to keep.

    **Convention.** On the CPU the same weights, data, settings, thread count and state of torch's global generator give the same lifter to
    the bit, however often the training was interrupted and resumed.

    Args:
        method: on its device, with the statistics of the training data in its buffers.
        data: on the same device.
        settings: what the method's recipe says.
        folder: where ``checkpoint.safetensors`` and ``log.jsonl`` are kept.
        resume: go on from the checkpoint.
        save_every_s: seconds between checkpoints; 0 saves after every step.
        look: called after each epoch with the lifter to keep in its place; its numbers go into the log.
        progress: called with (steps done, steps in all).
        log: called with a line after each epoch.

    Raises:
        PosebenchError: a loss term became NaN or infinite.
        Interrupted: Ctrl-C; everything is saved.
    """
    device = data.keypoints.device
    optimisers = method.optimisers()
    average = copy.deepcopy(method.lifter).eval() if settings.ema else None
    samples = method.samples(data)
    chosen = min(settings.samples or len(samples), len(samples))
    # A last batch of one sample would have no variance to normalise with.
    steps_per_epoch = chosen // settings.batch + (chosen % settings.batch > 1)
    if not steps_per_epoch:
        raise PosebenchError(f"{len(samples)} training samples", "at least two", "add clips of training subjects to the copy")
    state, order = TrainingState(), torch.empty(0, dtype=torch.long, device=device)
    if resume:
        state, order = checkpoint.load(folder / CHECKPOINT, method, average, optimisers, str(device))
        _cut_log(folder / LOG, state.step)
    started, saved = time.monotonic() - state.seconds, time.monotonic()
    cpu_started = time.process_time() - state.cpu_seconds

    def clock() -> None:
        state.seconds = time.monotonic() - started
        state.cpu_seconds = time.process_time() - cpu_started

    def save() -> None:
        clock()
        checkpoint.save(folder / CHECKPOINT, state, method, average, optimisers, order)

    with _ctrl_c() as pressed:
        while state.epoch < settings.epochs:
            if state.cursor == 0:
                order = samples[torch.randperm(len(samples), device=device)[:chosen]]
                state.sums, state.steps = {}, 0
            method.train()
            while state.steps < steps_per_epoch:
                frames = order[state.cursor : state.cursor + settings.batch]
                epochs_done = state.epoch + state.steps / steps_per_epoch
                for optimiser in optimisers.values():
                    for group in optimiser.param_groups:
                        # Each group keeps the rate that it was made with; the recipe's decay multiplies it.
                        group["lr"] = group.setdefault("first_lr", group["lr"]) * settings.rate(epochs_done)
                _step(method, data, frames, settings, optimisers, state, folder)
                if average is not None:
                    _follow(average, method.lifter, settings.ema, state.step)
                state.cursor += len(frames)
                state.step += 1
                state.steps += 1
                if progress:
                    progress(state.step, steps_per_epoch * settings.epochs)
                if state.steps == steps_per_epoch:
                    state.epoch, state.cursor = state.epoch + 1, 0
                    clock()
                    _log_epoch(method, average, settings, state, folder / LOG, look, log)
                if pressed.is_set() or time.monotonic() - saved >= save_every_s:
                    save()
                    saved = time.monotonic()
                if pressed.is_set():
                    raise Interrupted(f"interrupted after step {state.step}; everything is saved in {folder}")
        save()
    if average is not None:
        method.lifter.load_state_dict(average.state_dict())
    method.eval()
    return state


def _step(
    method: Method,
    data: TrainingData,
    frames: Tensor,
    settings: Settings,
    optimisers: dict[str, torch.optim.Optimizer],
    state: TrainingState,
    folder: Path,
) -> None:
    """One step of every network, in the method's order; a network with several turns is logged by the mean of them."""
    networks, told = method.losses(data, frames, state.epoch), defaultdict[str, list[float]](list)
    while True:
        with torch.autocast(frames.device.type, dtype=torch.bfloat16, enabled=settings.bf16):
            turn = next(networks, None)
        if turn is None:
            for name, values in told.items():
                state.sums[name] = state.sums.get(name, 0.0) + sum(values) / len(values)
            return
        network, terms = turn
        for name, term in terms.items():
            value = float(term.detach())
            if not math.isfinite(value):
                raise PosebenchError(_broken(value, network, name, state, folder), "finite losses", _REMEDY, exit_code=1)
            told[f"{network}/{name}"].append(value)
        optimisers[network].zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimisers[network].step()


_REMEDY = "lower the learning rate (--set learning_rate=...), or look at the keypoints: posebench data info"


def _broken(value: float, network: str, name: str, state: TrainingState, folder: Path) -> str:
    kept = folder / CHECKPOINT
    last = f"the last good checkpoint is {kept}" if kept.is_file() else "no checkpoint had been written yet"
    return f"loss term {name!r} of {network} is {value} in step {state.step} (epoch {state.epoch}); {last}"


def _follow(average: nn.Module, lifter: nn.Module, weight: float, step: int) -> None:
    """Move the running mean towards the lifter; at first faster, so that it forgets the weights it began with."""
    share = 1.0 - min(weight, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        for mean, new in zip(average.state_dict().values(), lifter.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(new, share)
            else:
                mean.copy_(new)


def _log_epoch(
    method: Method,
    average: nn.Module | None,
    settings: Settings,
    state: TrainingState,
    path: Path,
    look: Callable[[Method], dict[str, float]] | None,
    log: Callable[[str], None],
) -> None:
    terms = {name: total / state.steps for name, total in sorted(state.sums.items())}
    seen: dict[str, float] = {}
    if look:
        kept, method.lifter = method.lifter, average if average is not None else method.lifter
        method.eval()
        with torch.inference_mode():
            seen = look(method)
        method.lifter = kept
    line: dict[str, Any] = {
        "epoch": state.epoch,
        "step": state.step,
        "seconds": round(state.seconds, 2),
        "rate": settings.rate(state.epoch),
        "losses": terms,
        "behaviour": seen,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    shown = ", ".join(f"{name} {value:.4g}" for name, value in {**terms, **seen}.items())
    log(f"epoch {state.epoch} of {settings.epochs}, {state.seconds:.0f} s: {shown}")


def _cut_log(path: Path, step: int) -> None:
    """Drop what was logged after the checkpoint: it is about to happen again."""
    if path.is_file():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
        with replacing(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # the line that a killed process did not finish


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a step is never left half-done; the second one stops at once."""
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
