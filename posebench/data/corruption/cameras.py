"""Shifts: exact keypoints from other cameras, of smaller bodies, or of fewer frames a second; the true poses move along.

**Convention.** A shift is applied to a clip: its world poses (T, J, 3) mm and its camera, as :mod:`posebench.base.cameras` has them; the
world is y up with the floor at 0. The camera looks at the target (cx, 900, cz) mm, with (cx, cz) the mean of the root over the clip, as
those of :mod:`posebench.data.simulation` do. Nothing is cropped: keypoints may lie outside of the image. No random numbers.

Sources: the ranges of elevation, distance, focal length and body size of Ray3D's synthetic cameras (Zhan et al. 2022), widened at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array, Camera, look_at, rotation_from_vector

UP = (0.0, 1.0, 0.0)
#: Height of the point that cameras look at, mm.
TARGET_HEIGHT = 900.0


class View(NamedTuple):
    """A clip in the world: poses (T, J, 3) mm, y up; the camera; and (cx, cz) mm, the mean of the root on the floor."""

    world: Array
    camera: Camera
    ground: Array

    @property
    def target(self) -> Array:
        """(3,) mm: the point that cameras look at."""
        return np.array([self.ground[0], TARGET_HEIGHT, self.ground[1]])


class Shift(NamedTuple):
    """A kind of shift.

    Attributes:
        amounts: of severities 1 to 5.
        unit: of the amounts, in words.
        apply: view and amount to the shifted view; None where the frames themselves are chosen (``slow``).
        summary: what happens, in words.
    """

    amounts: tuple[float, ...]
    unit: str
    apply: Callable[[View, float], View] | None
    summary: str


def view_of(pose: npt.ArrayLike, camera: Camera, root: tuple[int, ...]) -> View:
    """The view of a clip: pose (T, J, 3) mm in the camera frame, its camera, and the joints whose mean is the root."""
    world = camera.to_world(pose)
    return View(world, camera, world[:, list(root)].mean(axis=1)[:, [0, 2]].mean(axis=0))


def _elevated(view: View, degrees: float) -> View:
    """The camera at an elevation of ``degrees`` above the target (below it if negative), at the same distance and in the same direction."""
    away = view.camera.position - view.target
    distance = np.linalg.norm(away)
    level = away * (1.0, 0.0, 1.0)
    level /= np.linalg.norm(level)
    angle = np.deg2rad(degrees)
    position = view.target + distance * (np.cos(angle) * level + np.sin(angle) * np.array(UP))
    return view._replace(camera=replace(view.camera, position=position, rotation=look_at(position, view.target, UP)))


def above(view: View, degrees: float) -> View:
    """The camera looks down by ``degrees``."""
    return _elevated(view, degrees)


def below(view: View, degrees: float) -> View:
    """The camera looks up by ``degrees``; it may be under the floor, which hides nothing."""
    return _elevated(view, -degrees)


def _turned(view: View, axis: tuple[float, float, float], degrees: float) -> View:
    """The camera turned by ``degrees`` about an axis of its own frame, the right hand's way."""
    turn = rotation_from_vector(np.deg2rad(degrees) * np.array(axis))
    # The frame turns one way, and so coordinates in it the other way.
    return view._replace(camera=replace(view.camera, rotation=turn.T @ view.camera.rotation))


def roll(view: View, degrees: float) -> View:
    """The camera turned about its optical axis, clockwise as seen from behind it: the person leans to the left in the image."""
    return _turned(view, (0.0, 0.0, 1.0), degrees)


def aside(view: View, degrees: float) -> View:
    """The camera turned to its right: the person is ``degrees`` to the left of the image's centre."""
    return _turned(view, (0.0, 1.0, 0.0), degrees)


def near(view: View, factor: float) -> View:
    """Distance to the target and focal length times ``factor``: the size in the image stays, perspective grows."""
    position = view.target + factor * (view.camera.position - view.target)
    return view._replace(camera=replace(view.camera, position=position, focal=factor * view.camera.focal))


def zoom(view: View, factor: float) -> View:
    """Focal length times ``factor``: the size in the image shrinks, perspective stays."""
    return view._replace(camera=replace(view.camera, focal=factor * view.camera.focal))


def small(view: View, factor: float) -> View:
    """Bodies and their paths times ``factor`` about the floor point (cx, 0, cz)."""
    floor = np.array([view.ground[0], 0.0, view.ground[1]])
    return view._replace(world=floor + factor * (view.world - floor))


#: Every shift by name, in the order of tables.
SHIFTS: Mapping[str, Shift] = {
    "above": Shift((15.0, 25.0, 35.0, 50.0, 65.0), "degrees down", above, "cameras look down on the person"),
    "below": Shift((5.0, 10.0, 15.0, 20.0, 30.0), "degrees up", below, "cameras look up at the person"),
    "roll": Shift((5.0, 10.0, 20.0, 30.0, 45.0), "degrees", roll, "cameras turned about their optical axis"),
    "aside": Shift((5.0, 10.0, 15.0, 20.0, 25.0), "degrees", aside, "cameras turned away, the person off centre"),
    "near": Shift((0.9, 0.8, 0.7, 0.6, 0.5), "times the distance", near, "near cameras of short focal length: perspective alone"),
    "zoom": Shift((0.9, 0.8, 0.67, 0.5, 0.33), "times the focal length", zoom, "short focal length: size in the image alone"),
    "small": Shift((0.95, 0.9, 0.8, 0.7, 0.6), "times the body", small, "small people"),
    "slow": Shift((2.0, 3.0, 4.0, 5.0, 6.0), "frames a step", None, "every nth frame only"),
}
