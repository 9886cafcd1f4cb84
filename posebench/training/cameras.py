"""Camera facts of the training split: the numbers of a tuned recipe that belong to the cameras of the data it was tuned on.

**Convention.** A recipe's ``tilt``, ``flip_tilt`` and ``distance`` that equal :data:`TUNED_ON`, and what follows from the distance
(``reprojection``, ``view_limit``), are those of `cmu`. On a dataset whose record in :data:`posebench.data.DATASETS` has ``camera_facts``
they stay. On all others they are measured on the training split at hand, as they were on `cmu`:

* the tilt from the calibration: the angle by which the optical axes look below the horizon, mean over frames; 0 where the dataset has no
  cameras or no upright direction, since nothing is known then;
* the distance, in mean lengths from root to head, from keypoints and intrinsics: at 1 / (mean distance from root to head in the image of
  unit focal length, in a camera that looks at the root) the perspective of the scaled images is the true one.

Neither reads a 3D pose. Values that a published form or ``--set`` states are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np
import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data import DATASETS
from posebench.data.clip import Dataset
from posebench.data.registry import CameraFacts, registered
from posebench.networks.root_camera import HEADS
from posebench.networks.samples import image_coordinates, nominal_camera
from posebench.networks.settings import Settings
from posebench.networks.views import look_at_root

S = TypeVar("S", bound=Settings)

#: What the tuned recipes state: the facts of `cmu`.
TUNED_ON = CameraFacts(tilt=6.2, distance=8.4)
#: Every so many frames of a clip are looked at.
STEP = 10


def fitted(settings: S, dataset: Dataset, keypoints: str, changed: Sequence[str] = ()) -> tuple[S, tuple[str, ...]]:
    """Settings with the camera facts of a dataset's training split, and in words what was measured and from what.

    Args:
        settings: as the recipe resolves them.
        dataset: with its training split.
        keypoints: 2D source of the training.
        changed: single settings that the caller states, ``name=value``; they are kept.

    Returns:
        The same settings and no words where no setting belongs to the cameras of `cmu`, or where the dataset has them or has no record
        (:func:`posebench.train` opens none of that kind).

    Raises:
        PosebenchError: no training clips, or no such keypoints.
    """
    values = asdict(settings)
    kept = {change.partition("=")[0].strip() for change in changed}
    tilts = [name for name in ("tilt", "flip_tilt") if values.get(name) == TUNED_ON.tilt and name not in kept]
    scaled = values.get("distance") == TUNED_ON.distance and "distance" not in kept
    record = DATASETS.get(registered(dataset.name))
    if not (tilts or scaled) or record is None or record.camera_facts is not None:
        return settings, ()
    facts, words = measure_cameras(dataset, keypoints, 0.0 if tilts or "tilt" not in values else float(values["tilt"]))
    new: dict[str, Any] = {}
    if "flip_tilt" in tilts and not facts.tilt:
        raise PosebenchError(
            f"a recipe that tells a pose from its depth flip by the tilt of the cameras, on {dataset.name}: {words[0]}",
            "a tilt in degrees",
            "state it with --set flip_tilt=DEGREES, or choose a recipe with another rule",
        )
    if tilts:
        new |= dict.fromkeys(tilts, facts.tilt)
    if scaled:
        new["distance"] = facts.distance
        new |= {name: value for name, value in _of_distance(values, facts.distance).items() if name not in kept}
    stated = (*words[: 1 if tilts else 0], *(words[1:] if scaled else ()))
    try:
        return replace(settings, **new), stated
    except ValueError as error:
        found = f"camera facts of {dataset.name} ({'; '.join(stated)}): {error}"
        raise PosebenchError(found, "settings that fit together", "state the value yourself with --set") from error


def _of_distance(values: Mapping[str, Any], distance: float) -> dict[str, Any]:
    """Settings that follow from the distance: ITES' balance of the reprojection, and the limit of random views, which is seen from it."""
    new: dict[str, Any] = {}
    if values.get("reprojection") == TUNED_ON.distance:
        new["reprojection"] = distance
    if values.get("view_limit"):
        new["view_limit"] = round(float(values["view_limit"]) * TUNED_ON.distance / distance, 3)
    return new


def measure_cameras(dataset: Dataset, keypoints: str, known_tilt: float = 0.0) -> tuple[CameraFacts, tuple[str, str]]:
    """The camera facts of a dataset's training split, rounded to 0.1, and a line on each: what, and from what.

    Args:
        dataset: an open dataset.
        keypoints: 2D source.
        known_tilt: degrees, where the tilt cannot be measured.

    Raises:
        PosebenchError: no training clips, or no such keypoints.
    """
    clips = dataset.clip_ids("train")
    if not clips:
        raise PosebenchError(f"no training clips in this copy of {dataset.name}", "clips of its training subjects", "add them to the copy")
    tilts, frames, views, cameras = [], [], [], []
    for id in clips:
        clip = dataset.load(id)
        pixels = clip.keypoints_as(keypoints, dataset.skeleton)
        rows = dataset.valid[id] if id in dataset.valid else np.arange(len(pixels))
        views.append(pixels[rows[::STEP]])
        cameras.append(clip.camera)
        if clip.camera is not None and dataset.up is not None:
            # The optical axis is the camera's third axis, of which `rotation` has the world coordinates in its third row.
            tilts.append(np.degrees(np.arcsin(-(clip.camera.rotation @ np.array(dataset.up))[2])))
            frames.append(len(pixels))
    tilt = round(float(np.average(tilts, weights=frames)), 1) if tilts else known_tilt
    nominal = nominal_camera([camera for camera in cameras if camera], max(float(view.max()) for view in views if len(view)))
    joints = skeleton(dataset.skeleton)
    head = next(joints.index(name) for name in HEADS if name in joints.joints)
    image = np.concatenate([image_coordinates(view, camera or nominal) for view, camera in zip(views, cameras, strict=True)])
    seen = look_at_root(torch.from_numpy(image), joints.root_indices[0], tilt).image
    distance = round(float(1.0 / seen[:, head].norm(dim=-1).mean()), 1)
    return CameraFacts(tilt, distance), (_tilt_words(dataset, tilt, len(tilts)), _distance_words(dataset, distance, keypoints, len(clips)))


def _tilt_words(dataset: Dataset, tilt: float, clips: int) -> str:
    if not clips:
        return f"no camera tilt: the training split of {dataset.name} has no cameras with an upright direction"
    return f"camera tilt of {tilt:g} degrees measured on the calibration of {clips} training clips of {dataset.name}"


def _distance_words(dataset: Dataset, distance: float, keypoints: str, clips: int) -> str:
    source = f"keypoints {keypoints} and focal lengths of {clips} training clips of {dataset.name}"
    return f"camera distance of {distance:g} root-to-head lengths measured on {source}"
