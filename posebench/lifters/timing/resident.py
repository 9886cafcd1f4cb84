"""A trained lifter from end to end in PyTorch: pixels on a device to poses on it, with all that ``lift`` does in main memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import without_flip_averaging
from posebench.lifters.timing.clock import Timer


class ResidentLift:
    """Normalisation, both lifts of flip averaging where the lifter averages, and their mean, as operations on one device.

    Constants are copied to the device once, so that a call copies nothing between host and device by itself.

    Args:
        lifter: a training run, with or without flip averaging.
        camera: of the keypoints. Lens distortion is not removed, as in prediction.
    """

    def __init__(self, lifter: Lifter, camera: Camera) -> None:
        trained = without_flip_averaging(lifter)
        if trained is None:
            raise TypeError("the lifter is no training run")
        self._lift: Callable[[Tensor], Tensor] = trained.method.lift
        self.device = torch.device(trained.device)
        self._flips = isinstance(lifter, FlipAveraged)
        self._centre, self._focal = (torch.tensor(np.asarray(one), device=self.device) for one in (camera.centre, camera.focal))
        self._swap = torch.tensor(skeleton(trained.skeleton).mirror, device=self.device)
        self._sign = torch.tensor([-1.0, 1.0, 1.0], device=self.device, dtype=torch.float64)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels (T, J, 2), float64, on the device, to poses (T, J, 3), float64, there; not synchronised."""
        points = ((pixels - self._centre) / self._focal).float()
        poses = self._lift(points).double()
        if not self._flips:
            return poses
        # Mirrored about the principal point: x of unit focal length changes its sign.
        mirrored = (points * self._sign[:2].float()).index_select(1, self._swap)
        return (poses + self._lift(mirrored).double().index_select(1, self._swap) * self._sign) / 2.0

    def poses(self, keypoints: Array) -> Array:
        """The poses (T, J, 3) of keypoints (T, J, 2) px in main memory, there too."""
        with torch.inference_mode():
            found: Array = self(self.pixels(keypoints)).cpu().numpy()
        return found

    def pixels(self, keypoints: Array) -> Tensor:
        """Keypoints (T, J, 2) px on the device."""
        return torch.from_numpy(np.ascontiguousarray(keypoints, dtype=np.float64)).to(self.device)


def resident(lift: ResidentLift, keypoints: Array) -> Timer:
    """A timer of a lift of keypoints that are on a CUDA device already."""
    pixels = lift.pixels(keypoints)

    def call() -> None:
        with torch.inference_mode():
            lift(pixels)

    return events(call)


def graph(lift: ResidentLift, keypoints: Array) -> Timer:
    """A timer of the replay of a captured CUDA graph of the same lift.

    Raises:
        RuntimeError: the lift cannot be captured, for example because it copies between host and device.
    """
    pixels = lift.pixels(keypoints)
    captured, side_stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        # A few runs on a side stream, as PyTorch's manual asks for, so that nothing is set up while the graph is captured.
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(3):
                lift(pixels)
        torch.cuda.current_stream().wait_stream(side_stream)
        with torch.cuda.graph(captured):
            lift(pixels)
    return events(captured.replay)


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
