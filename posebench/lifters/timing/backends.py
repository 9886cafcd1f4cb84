"""Backends: the ways to run one lifter that are timed and compared."""

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
from posebench.lifters.run import Trained, without_flip_averaging
from posebench.lifters.timing.clock import Timer, wall
from posebench.lifters.timing.receptive_field import clip_length


@dataclass(frozen=True)
class Backend:
    """A way to run a lifter.

    Attributes:
        name: as in :class:`posebench.lifters.timing.record.Case`.
        timer: makes a timer that lifts keypoints (T, J, 2) px of a camera and stops when the poses have been computed.
        lift: as of a lifter, to compare its poses; None if they are those of ``inference``.
        batches: whether it is timed at a batch size.
    """

    name: str
    timer: Callable[[Array, Camera | None], Timer]
    lift: Callable[[Array, Camera | None], Array] | None
    batches: Callable[[int], bool] = lambda _: True


def backends(path: str, lifter: Lifter, scratch: Path, *, device: str, threads: int) -> tuple[list[Backend], list[str]]:
    """The ways to run ``lifter``.

    **Convention.** As in prediction, calls take pixels and return float64 poses in main memory. Only ``resident`` and ``graph``, on a
    CUDA device, take and return tensors there; they are timed by CUDA events, ``graph`` as the replay of a captured graph.

    Args:
        path: what the lifter was opened from.
        lifter: the lifter.
        scratch: an empty folder, for an exported network.
        device: the PyTorch device that it is on.
        threads: for ONNX Runtime.

    Returns:
        The backends, and a note for each that cannot be used.
    """
    trained = without_flip_averaging(lifter)
    if trained is None:
        # Timed in this process, where nothing else takes part of the time. It has run in its child process before.
        own = open_onnx(Path(path), threads=threads, confined=False) if path.endswith(".onnx") else lifter
        return [_plain("own", own)], []
    modes: dict[str, Callable[[], AbstractContextManager[object]]]
    modes = {"eager": torch.enable_grad, "inference": torch.inference_mode, "bf16": partial(_bfloat16, device)}
    notes = []
    try:
        with modes["bf16"]():
            trained.method.lift(torch.zeros(clip_length(trained.method.context), len(skeleton(trained.skeleton)), 2, device=device))
    except RuntimeError as error:  # an operation that does not accept two precisions at once
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
        if trained.method.context == 1:
            found.append(Backend("graph", partial(_graph, trained), None, lambda batch: batch == 1))
    return found, notes


def parameters(lifter: Lifter) -> int | None:
    """Number of weights of a trained lifter; None for any other."""
    trained = without_flip_averaging(lifter)
    return None if trained is None else sum(weight.numel() for weight in trained.method.lifter.parameters())


def multiply_adds(lifter: Lifter, keypoints: Array, camera: Camera | None) -> int | None:
    """Multiply-adds per pose of a trained lifter, in matrix products and convolutions, measured over one call.

    None for any other lifter, and for networks with recurrent layers, which PyTorch's counter does not count.
    """
    trained = without_flip_averaging(lifter)
    if trained is None or any(isinstance(part, nn.RNNBase) for part in trained.method.lifter.modules()):
        return None
    counter = FlopCounterMode(display=False)
    # Not in inference mode: there a linear layer is one operation, which the counter does not know.
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

    return open_onnx(export_run(path, scratch / "model.onnx").network, threads=threads, confined=False)


def _resident(trained: Trained, keypoints: Array, camera: Camera | None) -> Timer:
    points = trained.points(keypoints, camera)

    def lift() -> None:
        with torch.inference_mode():
            trained.method.lift(points)

    return events(lift)


def _graph(trained: Trained, keypoints: Array, camera: Camera | None) -> Timer:
    points = trained.points(keypoints, camera)
    graph, side_stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        # A few runs on a side stream, as PyTorch's manual asks for, so that nothing is set up while the graph is captured.
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(3):
                trained.method.lift(points)
        torch.cuda.current_stream().wait_stream(side_stream)
        with torch.cuda.graph(graph):
            trained.method.lift(points)
    return events(graph.replay)


def events(call: Callable[[], object]) -> Timer:
    """A timer of ``call`` by CUDA events, which are recorded between its kernels."""

    def timed() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3

    return timed
