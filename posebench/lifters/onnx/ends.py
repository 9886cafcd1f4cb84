"""Pre- and postprocessing of a network: from pixels to its input array, and from its output array to poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera, screen_coordinates
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import Skeleton
from posebench.lifters.onnx.layout import Layout
from posebench.metrics.position import root_relative


@dataclass(frozen=True, eq=False)
class Axes:
    """A signed permutation of axes: axis i is axis ``index[i]`` of the given points, times ``sign[i]``."""

    index: list[int]
    sign: Array

    def permute(self, points: Array) -> Array:
        """Points (..., n) with their axes permuted and signed."""
        out: Array = points[..., self.index] * self.sign
        return out


@dataclass(frozen=True, eq=False)
class Input:
    """The ``[input]`` table: from pixels to the network's input, in the order of these fields.

    Attributes:
        coordinates: ``pixels``; ``screen``: VideoPose3D's, by the image's width; ``camera``: (px - centre) / focal.
        centre: subtracted frame by frame: ``none``; ``root``; ``mean`` of the network's joints.
        axes: signs and order of x and y.
        scale: divisor, frame by frame: ``none``; ``std`` of the pose's 2J numbers (RepNet); ``norm``: root of their summed squares.
        mean: subtracted after that, broadcast to (J, 2).
        std: last divisor, broadcast to (J, 2).
        joints: (J,) joints of the network's input, as indices into the skeleton.
        confidence: a third coordinate, 1 for every joint, is added.
        layout: axes of the array.
    """

    coordinates: str
    centre: str
    axes: Axes
    scale: str
    mean: Array
    std: Array
    joints: list[int]
    confidence: bool
    layout: Layout

    def normalised(self, keypoints: Array, camera: Camera | None, skeleton: Skeleton) -> Array:
        """Keypoints (T, J', 2) px of the whole skeleton to the network's coordinates, before mean and std.

        Raises:
            PosebenchError: the clip has no camera, and the coordinates need one.
        """
        points = np.asarray(keypoints, dtype=np.float64)
        if self.coordinates != "pixels":
            if camera is None:
                raise PosebenchError(
                    "no camera", f"the camera that coordinates = {self.coordinates!r} needs", "predict on a dataset that has cameras"
                )
            points = screen_coordinates(points, camera.size) if self.coordinates == "screen" else (points - camera.centre) / camera.focal
        if self.centre == "root":
            points = root_relative(points, skeleton.root_indices)
        elif self.centre == "mean":
            points = root_relative(points, tuple(self.joints))
        points = self.axes.permute(points)
        if self.scale != "none":
            taken = points[:, self.joints].reshape(len(points), -1)
            size = taken.std(axis=1) if self.scale == "std" else np.sqrt((taken**2).sum(axis=1))
            points = points / size[:, None, None]
        return points

    def array(self, points: Array) -> Array:
        """Points (T, J', 2) of :meth:`normalised` to the network's numbers (T, J, 2), or (T, J, 3) with confidence."""
        values = (points[:, self.joints] - self.mean) / self.std
        return np.concatenate([values, np.ones_like(values[..., :1])], axis=-1) if self.confidence else values


@dataclass(frozen=True, eq=False)
class Output:
    """The ``[output]`` table: from the network's output to poses, in the order of these fields.

    Attributes:
        name: of the output, where the network has several.
        layout: axes of the array.
        frames: which frames of a window it predicts, a key of :data:`posebench.networks.windows.BATCHES`.
        joints: (J,) joints of the network's output, as indices into the skeleton; without the root, the root is the origin.
        std: factor, broadcast to (J, C).
        mean: added after it, broadcast to (J, C).
        kind: ``pose``: x y z; ``depth``: d, z = max(1, distance + d), x, y = the normalised input points times z (Chen 2019, ITES).
        distance: of the root from the camera, for ``depth``.
        axes: signs and order that make x right, y down, z forward.
        to_mm: factor to millimetres; 1 where the scale is unknown.
        scale: ``metric`` or ``unknown``.
    """

    name: str | None
    layout: Layout
    frames: str
    joints: list[int]
    std: Array
    mean: Array
    kind: str
    distance: float
    axes: Axes
    to_mm: float
    scale: str

    @property
    def coordinates(self) -> int:
        """How many numbers a joint has in the output."""
        return 1 if self.kind == "depth" else 3

    def poses(self, values: Array, points: Array, skeleton: Skeleton) -> Array:
        """Poses (T, J', 3) mm, root at the origin.

        Args:
            values: (T, J, C) the network's output.
            points: (T, J', 2) of :meth:`Input.normalised`.
            skeleton: with J' joints.
        """
        values = values * self.std + self.mean
        if self.kind == "depth":
            z = np.maximum(1.0, self.distance + values)
            values = np.concatenate([points[:, self.joints] * z, z], axis=-1)
        poses = np.zeros((len(values), len(skeleton), 3))
        poses[:, self.joints] = self.axes.permute(values) * self.to_mm
        return root_relative(poses, skeleton.root_indices)
