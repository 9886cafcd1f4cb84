"""The two ends of a network: from pixels to the numbers that it takes, and from the numbers that it gives to poses."""

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
    """Signed axes: ``index[i]`` and ``sign[i]`` make axis i out of the given ones."""

    index: list[int]
    sign: Array

    def turn(self, points: Array) -> Array:
        """Points (..., n) with their axes put in place."""
        out: Array = points[..., self.index] * self.sign
        return out


@dataclass(frozen=True, eq=False)
class Input:
    """The ``[input]`` table: from pixels to what the network takes, in the order of these fields.

    Attributes:
        coordinates: ``pixels``; ``screen``: VideoPose3D's, by the image's width; ``camera``: (px - centre) / focal.
        centre: ``none``; ``root``; ``mean`` of the network's joints; taken away frame by frame.
        axes: signs and order of x and y.
        scale: ``none``; ``std`` of the pose's 2J numbers (RepNet); ``norm``: root of their summed squares; divided by, frame by frame.
        mean: subtracted from what is left, broadcast to (J, 2).
        std: what that is divided by, broadcast to (J, 2).
        joints: (J,) joints that the network takes, as indices into the skeleton.
        confidence: a third coordinate, 1 for every joint, is added.
        layout: of the array.
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

    def points(self, keypoints: Array, camera: Camera | None, kind: Skeleton) -> Array:
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
            points = root_relative(points, kind.root_indices)
        elif self.centre == "mean":
            points = root_relative(points, tuple(self.joints))
        points = self.axes.turn(points)
        if self.scale != "none":
            own = points[:, self.joints].reshape(len(points), -1)
            size = own.std(axis=1) if self.scale == "std" else np.sqrt((own**2).sum(axis=1))
            points = points / size[:, None, None]
        return points

    def values(self, points: Array) -> Array:
        """Points (T, J', 2) of :meth:`points` to the network's numbers (T, J, 2), or (T, J, 3) with confidence."""
        values = (points[:, self.joints] - self.mean) / self.std
        return np.concatenate([values, np.ones_like(values[..., :1])], axis=-1) if self.confidence else values


@dataclass(frozen=True, eq=False)
class Output:
    """The ``[output]`` table: from what the network gives to poses, in the order of these fields.

    Attributes:
        name: of the output, where the network has several.
        layout: of the array.
        frames: ``centre``: the middle frame of each window; ``window``: all its frames; ``slide``: a convolution over any length.
        joints: (J,) joints that the network gives, as indices into the skeleton; the root may be left out, it is the origin then.
        std: factor, broadcast to (J, C).
        mean: added after it, broadcast to (J, C).
        kind: ``pose``: x y z; ``depth``: d, with z = max(1, distance + d) and x, y = the network's own points times z (Chen 2019, ITES).
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
        """Numbers that the network gives for a joint."""
        return 1 if self.kind == "depth" else 3

    def poses(self, values: Array, points: Array, kind: Skeleton) -> Array:
        """The network's numbers (T, J, C), and the points (T, J', 2) it was given, to poses (T, J', 3) mm, root at the origin."""
        values = values * self.std + self.mean
        if self.kind == "depth":
            z = np.maximum(1.0, self.distance + values)
            values = np.concatenate([points[:, self.joints] * z, z], axis=-1)
        whole = np.zeros((len(values), len(kind), 3))
        whole[:, self.joints] = self.axes.turn(values) * self.to_mm
        return root_relative(whole, kind.root_indices)
