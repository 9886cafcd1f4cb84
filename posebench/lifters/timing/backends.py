"""The ways to run one lifter that are timed beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.onnx.session import one_line
from posebench.lifters.run import Trained
from posebench.lifters.timing.clock import Timer, wall
from posebench.lifters.timing.reach import clip_length


@dataclass(frozen=True)
class Backend:
    """A way to run a lifter.

    Attributes:
        name: as in :class:`posebench.lifters.timing.record.Case`.
        timer: of lifting keypoints (T, J, 2) px seen by a camera, ended only when the poses are there.
        lift: the same as a lifter, to compare its poses; None where it gives no others than ``inference``.
        batches: predicate of the batches that it is timed at.
    """

    name: str
    timer: Callable[[Array, Camera | None], Timer]
    lift: Callable[[Array, Camera | None], Array] | None
    batches: Callable[[int], bool] = lambda _: True


def backends(path: str, lifter: Lifter, scratch: Path, *, device: str, threads: int) -> tuple[list[Backend], list[str]]:
    """The ways to run ``lifter``, opened from ``path``, and notes on those that there are not.

    **Convention.** All but two begin with pixels and end with float64 in main memory, as a prediction does. ``resident`` and ``graph``, on
    a CUDA device, begin and end with tensors there; they are timed by the device's own events, ``graph`` as the replay of a captured graph.
    """
    trained = inner(lifter)
    if trained is None:
        return [_plain("own", lifter)], []
    modes: dict[str, Callable[[], AbstractContextManager[object]]]
    modes = {"eager": torch.enable_grad, "inference": torch.inference_mode, "bf16": partial(_bfloat16, device)}
    notes = []
    try:
        with modes["bf16"]():
            trained.method.lift(torch.zeros(clip_length(trained.context), len(skeleton(trained.skeleton)), 2, device=device))
    except RuntimeError as error:  # operations that do not take two precisions at once
        del modes["bf16"]
        notes.append(f"bf16: {one_line(error)}")
    found = [_plain(name, _with(lifter, replace(trained, mode=mode))) for name, mode in modes.items()]
    if device == "cpu":
        try:
            found.append(_plain("onnx", _exported(path, scratch, threads)))
        except PosebenchError as error:
            notes.append(f"onnx: {error.found}")
        except ModuleNotFoundError as error:
            notes.append(f"onnx: no module {error.name}")
    else:
        found.append(Backend("resident", partial(_resident, trained), None))
        if trained.context == 1:
            found.append(Backend("graph", partial(_graph, trained), None, lambda batch: batch == 1))
    return found, notes


def inner(lifter: Lifter) -> Trained | None:
    """The trained network in a lifter, out of the flip averaging; None where there is none."""
    one = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    return one if isinstance(one, Trained) else None


def parameters(lifter: Lifter) -> int | None:
    """Numbers in the weights of a trained lifter; None for any other."""
    trained = inner(lifter)
    return None if trained is None else sum(weight.numel() for weight in trained.method.lifter.parameters())


def multiply_adds(lifter: Lifter, keypoints: Array, camera: Camera | None) -> int | None:
    """Multiply-adds a pose of a trained lifter, in matrix products and convolutions, over one call.

    None for any other lifter, and for networks with recurrent layers, which the counter does not see.
    """
    trained = inner(lifter)
    if trained is None or any(isinstance(part, nn.RNNBase) for part in trained.method.lifter.modules()):
        return None
    counter = FlopCounterMode(display=False)
    # In inference mode a linear layer reaches the counter whole, and it does not know it.
    with counter:
        _with(lifter, replace(trained, mode=torch.enable_grad)).lift(keypoints, camera)
    return int(counter.get_total_flops()) // 2 // len(keypoints)


def _plain(name: str, lifter: Lifter) -> Backend:
    def timer(keypoints: Array, camera: Camera | None) -> Timer:
        return wall(lambda: lifter.lift(keypoints, camera))

    return Backend(name, timer, lifter.lift)


def _with(lifter: Lifter, trained: Trained) -> Lifter:
    return FlipAveraged(trained) if isinstance(lifter, FlipAveraged) else trained


@contextmanager
def _bfloat16(device: str) -> Iterator[None]:
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16):
        yield


def _exported(path: str, scratch: Path, threads: int) -> Lifter:
    from posebench.lifters.onnx.export import export_run

    return open_onnx(export_run(path, scratch / "model.onnx").network, threads=threads)


def _resident(trained: Trained, keypoints: Array, camera: Camera | None) -> Timer:
    points = trained.points(keypoints, camera)

    def lift() -> None:
        with torch.inference_mode():
            trained.method.lift(points)

    return events(lift)


def _graph(trained: Trained, keypoints: Array, camera: Camera | None) -> Timer:
    points, graph, aside = trained.points(keypoints, camera), torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        # A few runs on a stream of its own, as PyTorch's manual asks for, so that nothing is set up while the graph is taken.
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                trained.method.lift(points)
        torch.cuda.current_stream().wait_stream(aside)
        with torch.cuda.graph(graph):
            trained.method.lift(points)
    return events(graph.replay)


def events(call: Callable[[], object]) -> Timer:
    """A timer of ``call`` by events of the CUDA device, which stand between its kernels."""

    def timed() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return timed
