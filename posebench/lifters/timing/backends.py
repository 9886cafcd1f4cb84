"""Backends: the ways to run one lifter that are timed and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.onnx.session import one_line
from posebench.lifters.run import Trained, without_flip_averaging
from posebench.lifters.timing.clock import Timer, wall
from posebench.lifters.timing.multiply_adds import count
from posebench.lifters.timing.receptive_field import clip_length
from posebench.lifters.timing.resident import ResidentLift, graph, resident


@dataclass(frozen=True)
class Backend:
    """A way to run a lifter.

    Attributes:
        name: as in :class:`posebench.lifters.timing.record.Case`.
        timer: makes a timer that lifts keypoints (T, J, 2) px of a camera and stops when the poses have been computed.
        lift: as of a lifter, to compare its poses; None if they are those of another backend, or of other work.
        batches: whether it is timed at a batch size.
    """

    name: str
    timer: Callable[[Array, Camera | None], Timer]
    lift: Callable[[Array, Camera | None], Array] | None
    batches: Callable[[int], bool] = lambda _: True


def backends(path: str, lifter: Lifter, scratch: Path, *, device: str, threads: int) -> tuple[list[Backend], list[str]]:
    """The ways to run ``lifter``.

    **Convention.** As in prediction, calls take pixels and return float64 poses in main memory. Only ``resident`` and ``graph``, on a
    CUDA device, take and return tensors there; they are timed by CUDA events, ``graph`` as the replay of a captured graph. All of them
    normalise, and average flips if the lifter does.

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
        return [plain_backend("own", own)], []
    modes: dict[str, Callable[[], AbstractContextManager[object]]]
    modes = {"eager": torch.enable_grad, "inference": torch.inference_mode, "bf16": partial(_bfloat16, device)}
    notes = []
    try:
        with modes["bf16"]():
            trained.method.lift(torch.zeros(clip_length(trained.method.context), len(skeleton(trained.skeleton)), 2, device=device))
    except RuntimeError as error:  # an operation that does not accept two precisions at once
        del modes["bf16"]
        notes.append(f"bf16: {one_line(error)}")
    found = [plain_backend(name, _with(lifter, replace(trained, mode=mode))) for name, mode in modes.items()]
    if device == "cpu":
        try:
            found.append(plain_backend("onnx", _exported(path, scratch, threads)))
        except PosebenchError as error:
            notes.append(f"onnx: {error.found}")
        except ModuleNotFoundError as error:
            notes.append(f"onnx: no module {error.name}")
    else:
        on_device = partial(_on_device, lifter)
        found.append(
            Backend(
                "resident",
                lambda keypoints, camera: resident(on_device(camera), keypoints),
                lambda keypoints, camera: on_device(camera).poses(keypoints),
            )
        )
        if trained.method.context == 1:
            found.append(Backend("graph", lambda keypoints, camera: graph(on_device(camera), keypoints), None, lambda batch: batch == 1))
        else:
            notes.append("graph: only lifters of one frame are captured")
    return found, notes


def parameters(lifter: Lifter) -> int | None:
    """Number of weights of a trained lifter; None for any other."""
    trained = without_flip_averaging(lifter)
    return None if trained is None else sum(weight.numel() for weight in trained.method.lifter.parameters())


def multiply_adds(lifter: Lifter, keypoints: Array, camera: Camera | None) -> int | None:
    """Multiply-adds per pose of a trained lifter, measured over one call; None for any other lifter.

    Those of matrix products and convolutions; recurrent layers by :func:`posebench.lifters.timing.multiply_adds.per_step`.
    """
    trained = without_flip_averaging(lifter)
    if trained is None:
        return None
    lift = _with(lifter, replace(trained, mode=torch.enable_grad)).lift
    return count(trained.method.lifter, lambda: lift(keypoints, camera)) // len(keypoints)


def plain_backend(name: str, lifter: Lifter) -> Backend:
    """A lifter as it is, in main memory."""

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


def _on_device(lifter: Lifter, camera: Camera | None) -> ResidentLift:
    if camera is None:
        raise RuntimeError("the clip has no camera")
    return ResidentLift(lifter, camera)
