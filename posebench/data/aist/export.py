"""Write a dataset in the layout of AIST++'s annotations, to try the layout before one has the data.

**Convention.** Each take becomes a sequence; subjects are numbered as dancers, actions as genres. Nine cameras stand around the first
take of all. The last training subject is the split ``val``, where there are several. Detections are projections with noise of 3 px; in
every 60th frame one joint is not triangulated.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.cameras import Camera, look_at, vector_from_rotation
from posebench.base.files import replacing, write_text
from posebench.data.aist.dataset import RIG
from posebench.data.clip import Dataset
from posebench.data.rehearsal import start, takes, world

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

GENRES = ("gBR", "gPO", "gLO", "gMH", "gLH", "gHO", "gWA", "gKR", "gJS", "gJB")
MISSING = 60
_NOISE = 3.0


def export_aist(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``keypoints3d``, ``keypoints2d``, ``cameras`` and ``splits`` in ``folder``."""
    start(dataset, folder)
    random = np.random.RandomState(0)
    for name in ("keypoints3d", "keypoints2d", "cameras", "splits"):
        (folder / name).mkdir()
    subjects = list(dict.fromkeys(info.subject for info in dataset.infos.values()))
    actions = list(dict.fromkeys(info.action for info in dataset.infos.values()))
    listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    training = list(dict.fromkeys(dataset.infos[id].subject for id in dataset.clip_ids("train")))
    rig: dict[str, Camera] = {}
    for number, (split, take, clips) in enumerate(takes(dataset, progress)):
        subject, genre = take.split("/")[0], GENRES[actions.index(clips[0].info.action) % len(GENRES)]
        sequence = f"{genre}_sBM_cAll_d{subjects.index(subject) + 1:02d}_m{genre[1:]}0_ch{number % 100:02d}"
        pose = world(clips[0], "coco17")
        rig = rig or _rig(pose)
        held_out = len(training) > 1 and subject == training[-1]
        listed["val" if held_out else split].append(sequence)
        raw = pose / 10.0
        raw[MISSING - 1 :: MISSING, 9] = np.nan
        seen = np.stack([camera.project(camera.to_camera(pose)) for camera in rig.values()])
        seen += random.normal(0.0, _NOISE, seen.shape)
        points = np.concatenate([seen, np.full((*seen.shape[:-1], 1), 0.9)], axis=-1)
        _write(folder / "keypoints3d" / f"{sequence}.pkl", {"keypoints3d": raw, "keypoints3d_optim": pose / 10.0})
        _write(folder / "keypoints2d" / f"{sequence}.pkl", {"keypoints2d": points, "det_scores": np.ones(points.shape[:2])})
    write_text(folder / "cameras" / "setting1.json", json.dumps([_facts(name, camera) for name, camera in rig.items()]))
    every = [sequence for sequences in listed.values() for sequence in sequences]
    write_text(folder / "cameras" / "mapping.txt", "".join(f"{sequence} setting1\n" for sequence in every))
    for split, sequences in listed.items():
        write_text(folder / "splits" / f"pose_{split}.txt", "".join(f"{sequence}\n" for sequence in sequences))


def _rig(pose: Any) -> dict[str, Camera]:
    centre = pose.reshape(-1, 3).mean(axis=0)
    cameras = {}
    for number, name in enumerate(RIG):
        angle = 2.0 * np.pi * number / len(RIG)
        place = centre + np.array([6000.0 * np.sin(angle), 300.0, 6000.0 * np.cos(angle)])
        rotation = look_at(place, centre, (0.0, 1.0, 0.0))
        cameras[name] = Camera(rotation, place, np.array([1500.0, 1500.0]), np.array([960.0, 540.0]), (1920, 1080))
    return cameras


def _facts(name: str, camera: Camera) -> dict[str, Any]:
    matrix = np.eye(3)
    matrix[[0, 1], [0, 1]], matrix[:2, 2] = camera.focal, camera.centre
    return {
        "name": name,
        "size": list(camera.size),
        "matrix": matrix.tolist(),
        "distortions": [0.0] * 5,
        "rotation": vector_from_rotation(camera.rotation).tolist(),
        "translation": (-camera.rotation @ camera.position / 10.0).tolist(),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        pickle.dump(content, file, protocol=2)


#: Layout to its writer.
LAYOUTS: dict[str, Writer] = {"aist": export_aist}
