"""The ``synthetic`` dataset: motion generated from a seed and a table of statistics, for tests, demonstrations and tutorials.

**Convention.** 50 Hz, skeleton ``h36m17``; seven subjects named and split as in Human3.6M, fifteen actions, two takes of each
(``S9/Walking 1``), four static cameras (``c0`` ... ``c3``). Keypoint sources are those of :mod:`posebench.data.simulation`. The content of
the table and how it is measured: :mod:`posebench.data.synthetic.study.table`. How real the motion is: ``docs/synthetic.md``.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial

import numpy as np

from posebench.base.cameras import Camera, look_at
from posebench.base.errors import PosebenchError, first_ten
from posebench.data.clip import Clip, ClipInfo, Dataset
from posebench.data.simulation import CAMERAS, SOURCES, simulated_sources
from posebench.data.synthetic.body import Array
from posebench.data.synthetic.motion import FPS, SEED, SUBJECTS, load_table, random_numbers, table_bytes, world_pose

#: Part of the fingerprint. Raise it when the same seed and table give other clips.
GENERATOR_VERSION = "1"

SKELETON = "h36m17"
SPLITS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
TAKES = (1, 2)
#: Length of a take, frames: from the first number, below the second.
FRAMES = (200, 300)


def open_synthetic() -> Dataset:
    """Open the embedded dataset; a clip is generated when it is loaded.

    Example:
        >>> data = open_synthetic()
        >>> len(data.clip_ids("test")), data.infos["S9/Walking 1/c0"].action
        (240, 'Walking')
    """
    infos: dict[str, ClipInfo] = {}
    for subject in SUBJECTS:
        for action in load_table().actions:
            for number in TAKES:
                take = f"{subject}/{action} {number}"
                frames = int(random_numbers("frames", take).randint(*FRAMES))
                for camera in CAMERAS:
                    infos[f"{take}/{camera}"] = ClipInfo(f"{take}/{camera}", subject, take, camera, action, frames)
    fingerprint = hashlib.sha256(f"generator {GENERATOR_VERSION}, seed {SEED}\n".encode() + table_bytes())
    return Dataset(
        name="synthetic",
        version="1",
        skeleton=SKELETON,
        fps=FPS,
        infos=infos,
        fingerprint=fingerprint.hexdigest(),
        official=True,
        splits=dict(SPLITS),
        keypoint_sources=SOURCES,
        load=partial(_load_clip, infos),
        note="generated, not captured",
        up=(0.0, 1.0, 0.0),
    )


@lru_cache(maxsize=8)
def _world(action: str, subject: str, take: str, frames: int) -> Array:
    # Cached, since the four cameras of a take are usually loaded in turn.
    pose = world_pose(action, subject, take, frames)
    pose.setflags(write=False)
    return pose


def camera_of(subject: str, name: str, pelvis: Array) -> Camera:
    """Camera ``c0`` ... ``c3`` around a take; its parameters are drawn once for each subject and camera.

    **Convention.** As :func:`posebench.data.simulation.static_camera` (corners of a square around the mean pelvis, looking at hip height,
    no distortion), with these differences: distance 4.7 to 5.3 m plus the pelvis' largest distance from its mean, height 1.4 to 1.7 m, up
    to 8 degrees off the corner, f 1140 to 1150 px, principal point up to 12 px off the middle of 1000 x 1000 px.

    Args:
        subject: one of :data:`posebench.data.synthetic.motion.SUBJECTS`.
        name: one of :data:`posebench.data.simulation.CAMERAS`.
        pelvis: (T, 3) mm, world.
    """
    stream = random_numbers("camera", subject, name)
    distance, height, off = stream.uniform(4700.0, 5300.0), stream.uniform(1400.0, 1700.0), stream.uniform(-8.0, 8.0)
    focal, centre = stream.uniform(1140.0, 1150.0), 500.0 + stream.uniform(-12.0, 12.0, 2)
    ground = pelvis[:, [0, 2]]
    cx, cz = ground.mean(axis=0)
    radius = distance + np.linalg.norm(ground - (cx, cz), axis=1).max()
    angle = np.deg2rad(45.0 + 90.0 * CAMERAS.index(name) + off)
    position = np.array([cx + radius * np.sin(angle), height, cz + radius * np.cos(angle)])
    rotation = look_at(position, (cx, 900.0, cz), (0.0, 1.0, 0.0))
    return Camera(rotation, position, np.array([focal, focal]), centre, (1000, 1000))


def _load_clip(infos: dict[str, ClipInfo], id: str) -> Clip:
    if id not in infos:
        raise PosebenchError(f"clip {id!r}", f"a clip of synthetic: {first_ten(list(infos))}")
    info = infos[id]
    world = _world(info.action, info.subject, info.take, info.frames)
    camera = camera_of(info.subject, info.camera, world[:, 0])
    pose = camera.to_camera(world)
    return Clip(info, pose, SKELETON, FPS, camera, simulated_sources(camera, pose, id, SKELETON, FPS))
