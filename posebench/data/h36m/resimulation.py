"""Motion of another dataset before the cameras of a studio like Human3.6M's: what the exporters of its layouts write.

**Convention.** ``synthetic`` and ``cmu`` give each take cameras of its own; Human3.6M has four that stand still for a subject, with lenses
shared by all subjects, and its files have no room for more. So each subject's takes are seen anew by four cameras that see all of
them: clip ids get Human3.6M's camera ids, the world has z up, the lenses distort. Every number here is made up.
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

#: World with y up to world with z up, both right-handed.
_UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def resimulate(dataset: Dataset) -> Dataset:
    """``dataset`` as four fixed cameras a subject see it; one with Human3.6M's camera ids is returned as it is.

    Shapes and units as in :class:`posebench.data.clip.Dataset`; the keypoint sources are ``gt`` and the simulated noise of
    :data:`posebench.data.simulation.NOISE_PX`.

    Raises:
        PosebenchError: another skeleton than h36m17, or subjects that Human3.6M does not have.
    """
    strange = sorted({info.subject for info in dataset.infos.values()} - set(SUBJECTS))
    if dataset.skeleton != "h36m17" or strange:
        raise PosebenchError(
            f"dataset {dataset.name} with skeleton {dataset.skeleton} and subjects {first_ten(strange) or 'of Human3.6M'}",
            f"skeleton h36m17 and subjects {', '.join(SUBJECTS)}, for which the layouts of Human3.6M have room",
            "export synthetic",
        )
    if all(info.camera in CAMERAS for info in dataset.infos.values()):
        return dataset
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
    def studio(subject: str) -> dict[str, Camera]:
        pelvis = np.concatenate([world(take)[:, 0] for take, info in first.items() if info.subject == subject])
        return {name: _camera(pelvis, index) for index, name in enumerate(CAMERAS)}

    def load(id: str) -> Clip:
        if id not in infos:
            raise PosebenchError(f"clip {id!r}", f"a clip of {first_ten(list(infos))}")
        info = infos[id]
        camera = studio(info.subject)[info.camera]
        pose = camera.to_camera(world(info.take) @ _UPRIGHT.T)
        sources = {source: partial(simulated_keypoints, camera, pose, id, source) for source in NOISE_PX}
        return Clip(info, pose, dataset.skeleton, dataset.fps, camera, sources)

    return replace(dataset, infos=infos, load=load, keypoint_sources=tuple(NOISE_PX), valid={}, labels={})


def _camera(pelvis: Array, index: int) -> Camera:
    """A corner of the cmu rig around all takes, in the world with z up, with a lens of our own."""
    corner = static_camera(pelvis, CORNERS[index])
    return Camera(
        corner.rotation @ _UPRIGHT.T,
        _UPRIGHT @ corner.position,
        np.array([1100.0 + 10.0 * index, 1102.0 + 10.0 * index]),
        np.array([505.0 + index, 495.0 - index]),
        SIZES[CAMERAS[index]],
        np.array([-0.1 - 0.01 * index, 0.05, -0.01]),
        np.array([0.001 + 0.001 * index, -0.002]),
    )
