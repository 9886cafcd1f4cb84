"""Another dataset's motion under four simulated cameras like Human3.6M's, for export to its layouts.

**Convention.** ``synthetic`` and ``cmu`` place four cameras around each take. The files of Human3.6M have room for four cameras per
subject, with intrinsics shared by all subjects. So new cameras are placed around all takes of a subject: they have Human3.6M's camera
ids, a world with z up, and lenses with distortion. Positions and intrinsics are invented, not those of Human3.6M.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache, partial

import numpy as np

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError, first_ten
from posebench.data.clip import Array, Clip, ClipInfo, Dataset
from posebench.data.h36m.names import CAMERAS, SIZES, SUBJECTS, take_name
from posebench.data.simulation import CAMERAS as CORNERS
from posebench.data.simulation import NOISE_PX, simulated_keypoints, static_camera

#: Rotation from a world with y up to a world with z up, both right-handed.
_Y_UP_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def resimulate(dataset: Dataset) -> Dataset:
    """``dataset`` under four fixed cameras per subject; a dataset that has Human3.6M's camera ids is returned unchanged.

    The keypoint sources are those of :data:`posebench.data.simulation.NOISE_PX`. Poses stay (T, 17, 3) mm in the camera frame.

    Raises:
        PosebenchError: another skeleton than h36m17, or subjects that Human3.6M does not have.
    """
    unknown = sorted({info.subject for info in dataset.infos.values()} - set(SUBJECTS))
    if dataset.skeleton != "h36m17" or unknown:
        raise PosebenchError(
            f"dataset {dataset.name} with skeleton {dataset.skeleton} and subjects {first_ten(unknown) or 'of Human3.6M'}",
            f"skeleton h36m17 and subjects {', '.join(SUBJECTS)}, for which the layouts of Human3.6M have room",
            "export synthetic",
        )
    if all(info.camera in CAMERAS for info in dataset.infos.values()):
        return dataset
    # Any clip of a take will do: it is only used for the pose in the world.
    first: dict[str, ClipInfo] = {}
    for info in dataset.infos.values():
        first.setdefault(f"{info.subject}/{take_name(info.take.split('/')[-1])}", info)
    infos = {
        f"{take}/{camera}": ClipInfo(f"{take}/{camera}", info.subject, take, camera, info.action, info.frames)
        for take, info in first.items()
        for camera in CAMERAS
    }

    @lru_cache(maxsize=1)
    def world(take: str) -> Array:
        clip = dataset.load(first[take].id)
        if clip.camera is None:
            raise PosebenchError(f"clip {clip.id} without a camera", "a camera, to place its pose in the world", "export another dataset")
        return clip.camera.to_world(clip.pose)

    @cache
    def cameras_of(subject: str) -> dict[str, Camera]:
        pelvis = np.concatenate([world(take)[:, 0] for take, info in first.items() if info.subject == subject])
        return {name: _camera(pelvis, index) for index, name in enumerate(CAMERAS)}

    def load(id: str) -> Clip:
        if id not in infos:
            raise PosebenchError(f"clip {id!r}", f"a clip of {first_ten(list(infos))}")
        info = infos[id]
        camera = cameras_of(info.subject)[info.camera]
        pose = camera.to_camera(world(info.take) @ _Y_UP_TO_Z_UP.T)
        sources = {source: partial(simulated_keypoints, camera, pose, id, source) for source in NOISE_PX}
        return Clip(info, pose, dataset.skeleton, dataset.fps, camera, sources)

    return replace(dataset, infos=infos, load=load, keypoint_sources=tuple(NOISE_PX), valid={}, labels={})


def _camera(pelvis: Array, index: int) -> Camera:
    """The simulated camera at corner ``index`` around all takes of a subject, in a world with z up, with a distorting lens."""
    corner = static_camera(pelvis, CORNERS[index])
    return Camera(
        corner.rotation @ _Y_UP_TO_Z_UP.T,
        _Y_UP_TO_Z_UP @ corner.position,
        np.array([1100.0 + 10.0 * index, 1102.0 + 10.0 * index]),
        np.array([505.0 + index, 495.0 - index]),
        SIZES[CAMERAS[index]],
        np.array([-0.1 - 0.01 * index, 0.05, -0.01]),
        np.array([0.001 + 0.001 * index, -0.002]),
    )
