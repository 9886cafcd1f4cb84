"""Simulated cameras around a take, and simulated noise of its 2D joints.

**Convention.** World y up, mm; camera frame x right, y down, z forward; pixels from the top-left corner. Numbers obtained with these
cameras must be published as simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera, look_at
from posebench.data.corruption.cameras import TARGET_HEIGHT, UP
from posebench.data.corruption.keypoints import DETECTOR_SOURCE_SEVERITY, corrupted, seed_of

Array = npt.NDArray[np.float64]

#: Part of every fingerprint. Raise it when cameras, frame choice, joint mapping or noise change.
PROJECTION_VERSION = "1"

CAMERAS = ("c0", "c1", "c2", "c3")

#: Keypoint source to the standard deviation of its noise in px.
NOISE_PX = {"gt": 0.0, "gauss5": 5.0, "gauss10": 10.0, "gauss20": 20.0}
#: Every simulated keypoint source: those of :data:`NOISE_PX`, and ``detector``, whose errors are those of a detector.
SOURCES = (*NOISE_PX, "detector")


def static_camera(pelvis: npt.ArrayLike, name: str) -> Camera:
    """One of the four simulated cameras around a take.

    **Convention.** (cx, cz) is the mean pelvis position and r = 5000 mm + the pelvis' largest horizontal distance from it. Camera i is
    at (cx + r sin a, 1550, cz + r cos a), a = 45 + 90 i degrees, and looks at (cx, 900, cz). 1000 x 1000 px, f = 1145 px, principal
    point (500, 500), no distortion.

    Args:
        pelvis: (T, 3) mm, world, the take at the frame rate of the dataset.
        name: one of :data:`CAMERAS`.
    """
    ground = np.asarray(pelvis, dtype=np.float64)[:, [0, 2]]
    cx, cz = ground.mean(axis=0)
    radius = 5000.0 + np.linalg.norm(ground - (cx, cz), axis=1).max()
    angle = np.deg2rad(45.0 + 90.0 * CAMERAS.index(name))
    position = np.array([cx + radius * np.sin(angle), 1550.0, cz + radius * np.cos(angle)])
    rotation = look_at(position, (cx, TARGET_HEIGHT, cz), UP)
    return Camera(rotation, position, np.array([1145.0, 1145.0]), np.array([500.0, 500.0]), (1000, 1000))


def simulated_keypoints(camera: Camera, pose: npt.ArrayLike, clip_id: str, source: str) -> Array:
    """Keypoints (T, J, 2) px of a pose (T, J, 3) mm in the camera frame: its projection plus the noise of ``source``.

    **Convention.** ``gt + sigma * z`` with sigma from :data:`NOISE_PX` and
    ``z = numpy.random.RandomState(words).standard_normal((T, J, 2))``, filled in C order. ``words`` are the eight little-endian
    uint32 of the sha256 of the clip id, one zero byte and the source's name, both in UTF-8. numpy guarantees that the stream of
    ``RandomState`` never changes.
    """
    exact = camera.project(pose)
    sigma = NOISE_PX[source]
    if sigma == 0.0:
        return exact
    # The legacy generator, since the streams of newer generators may change with the version of numpy.
    noise: Array = np.random.RandomState(seed_of(clip_id, source)).standard_normal(exact.shape)
    return exact + sigma * noise


def detector_keypoints(camera: Camera, pose: npt.ArrayLike, clip_id: str, skeleton: str, fps: float) -> Array:
    """Keypoints (T, J, 2) px of a pose (T, J, 3) mm in the camera frame with a detector's errors.

    They are those of the corruption ``detector`` at its published size: :mod:`posebench.data.corruption.keypoints`. On a body of 390 px
    they are 4 px off on average, and they are proportional to the body's height in the image.

    Raises:
        PosebenchError: the skeleton has a joint that the model of the detector lacks.
    """
    return corrupted(camera.project(pose), clip_id, skeleton, fps, "detector", DETECTOR_SOURCE_SEVERITY)


def simulated_sources(camera: Camera, pose: npt.ArrayLike, clip_id: str, skeleton: str, fps: float) -> dict[str, Callable[[], Array]]:
    """Each of :data:`SOURCES` with the function that computes its keypoints."""
    sources: dict[str, Callable[[], Array]] = {name: partial(simulated_keypoints, camera, pose, clip_id, name) for name in NOISE_PX}
    return sources | {"detector": partial(detector_keypoints, camera, pose, clip_id, skeleton, fps)}
