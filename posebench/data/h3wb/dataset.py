"""The ``h3wb`` dataset: Human3.6M 3D WholeBody, its archive (``h3wb_train.npz``) and the files of its official tests.

**Convention.** 133 joints of COCO-WholeBody, mm; single frames, unevenly spaced, so that the frame rate of 1 Hz is nominal. Two kinds of
clips:

* ``S1/Greeting/54138969``: all frames of an action from one camera, from the archive (S1 S5 S6 S7). Poses are ``camera_3d``.
* ``S8/task1/0`` and ``S8/task2/0``: the official tests of lifting (whole keypoints; keypoints with gaps). A file has samples without
  action or camera; the clip holds them by ascending sample id. No camera is known, and whether poses are relative to their root neither.

Training is S1, S5 and S6 (``train``), and two tests are in use and never comparable: S7 (``test-s7``, mmpose and PAFUSE) and S8 (``test``,
official; there is no S8 in the archive). A copy without the official tests has S7 as its split ``test``.

Keypoints: ``gt`` as the files hold them; a joint of task 2 that is missing is at (0, 0).

Source: wholebody3d (the official repository), mmpose ``h3wb_dataset.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import first_ten
from posebench.base.readers.pickles import numbers, read_object
from posebench.base.readers.text import read_json
from posebench.data.clip import Dataset
from posebench.data.recordings import Layout, Recording, mapping, open_recordings, still

ARCHIVE = "h3wb_train.npz"
#: Task to its files of keypoints and of poses; the official names.
TASKS = {
    "task1": ("2Dto3D_test_2d.json", "2Dto3D_test_3d.json"),
    "task2": ("I2Dto3D_test_2d.json", "I2Dto3D_test_3d.json"),
}
SUBJECTS = ("S1", "S5", "S6", "S7")
SPLITS = {"train": ("S1", "S5", "S6"), "test-s7": ("S7",), "test": ("S8",)}
JOINTS = 133
#: A focal length below this is in thousands of pixels, as mmpose reads the archive.
_LEAST_FOCAL = 20.0
_MAX_JSON = 2**30
_ADVICE = "get the files again from the H3WB repository; --root is the folder that holds them (docs/datasets.md)"
LAYOUT = Layout("h3wb", "1", "coco133", 1.0, "millimetres", _ADVICE)

Array = npt.NDArray[np.float64]


def open_h3wb(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the files in a folder: the archive, the files of the tests, or both.

    Raises:
        PosebenchError: neither is there, one of two files is missing, or a file is damaged or holds something else.
    """
    folder = Path(root)
    archive = folder / ARCHIVE
    tasks = {task: [folder / name for name in names] for task, names in TASKS.items()}
    given = {task: files for task, files in tasks.items() if any(path.is_file() for path in files)}
    for files in given.values():
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise LAYOUT.wrong(f"{folder} without {', '.join(missing)}", "keypoints and poses of a test, both files")
    if not archive.is_file() and not given:
        raise LAYOUT.wrong(f"{folder} without H3WB's files", f"{ARCHIVE}, or {' and '.join(TASKS['task1'])}")
    files = [*([archive] if archive.is_file() else []), *(path for pair in given.values() for path in pair)]

    def read() -> Iterator[Recording]:
        if archive.is_file():
            yield from _archived(archive, progress)
        for task, (points, poses) in given.items():
            yield _task(task, points, poses)

    notes = [] if archive.is_file() else [f"no {ARCHIVE}, and so no training poses"]
    notes += [f"no {task}" for task in TASKS if task not in given]
    # Without the official tests S7 is the test of what is trained on this copy.
    splits = SPLITS if given else {"train": SPLITS["train"], "test": SPLITS["test-s7"]}
    return open_recordings(LAYOUT, files, read, splits, note="; ".join(notes))


def _archived(path: Path, progress: Callable[[int, int], None] | None) -> Iterator[Recording]:
    subjects = mapping(read_object(path, "train_data"), LAYOUT, f"{path}: train_data")
    about = mapping(read_object(path, "metadata"), LAYOUT, f"{path}: metadata")
    known = [subject for subject in SUBJECTS if subject in subjects]
    if not known:
        raise LAYOUT.wrong(f"{path} with subjects {first_ten([str(subject) for subject in subjects])}", f"{', '.join(SUBJECTS)}")
    for done, subject in enumerate(known):
        for action, views in mapping(subjects[subject], LAYOUT, f"{path}: {subject}").items():
            place = f"{path}: {subject}/{action}"
            table = mapping(views, LAYOUT, place)
            for name, view in table.items():
                if not isinstance(view, dict) or "camera_3d" not in view:
                    continue  # frame_id and global_3d lie beside the cameras
                pose = _joints(view["camera_3d"], 3, f"{place}/{name}, camera_3d")
                points = _joints(mapping(view, LAYOUT, f"{place}/{name}", ["pose_2d"])["pose_2d"], 2, f"{place}/{name}, pose_2d")
                if len(points) != len(pose):
                    raise LAYOUT.wrong(f"{place}/{name}: pose_2d of {len(points)} frames, camera_3d of {len(pose)}", "as many in both")
                camera = _camera(about, subject, str(name))
                yield Recording(subject, str(action), str(action), str(action), pose, {str(name): camera}, {"gt": {str(name): points}})
        if progress:
            progress(done + 1, len(known))


def _joints(value: Any, axes: int, place: str) -> Array:
    """(T, 133, axes) of an array that may have an axis of length one more."""
    array = np.asarray(value)
    if array.ndim == 4 and 1 in array.shape[:2]:
        array = array.reshape(-1, *array.shape[2:])
    return numbers(array, (None, JOINTS, axes), place).astype(np.float64)


def _camera(about: dict[str, Any], subject: str, name: str) -> Camera | None:
    """The camera's intrinsics, at the origin of its own frame; None where the archive does not state them."""
    of_subject = about.get(subject)
    facts = of_subject.get(name) if isinstance(of_subject, dict) else None
    if not isinstance(facts, dict) or "K" not in facts:
        return None
    given = np.asarray(facts["K"], dtype=np.float64)
    if given.size != 9 or not np.isfinite(given).all():
        return None
    matrix = given.reshape(3, 3)
    factor = 1000.0 if 0 < matrix[0, 0] < _LEAST_FOCAL else 1.0
    focal, centre = matrix[[0, 1], [0, 1]] * factor, matrix[:2, 2] * factor
    return still(focal, centre) if (focal > 0).all() and (centre > 0).all() else None


def _task(task: str, points: Path, poses: Path) -> Recording:
    two, three = _samples(points, "keypoints_2d", "xy"), _samples(poses, "keypoints_3d", "xyz")
    if two.keys() != three.keys():
        odd = sorted(two.keys() ^ three.keys())
        raise LAYOUT.wrong(
            f"{poses}: {len(odd)} samples that are not in both files ({first_ten([str(id) for id in odd])})", "the same samples"
        )
    order = sorted(three)
    pose = np.stack([three[id] for id in order])
    if not np.isfinite(pose).all():
        raise LAYOUT.wrong(
            f"{poses}: sample {order[int(np.flatnonzero(~np.isfinite(pose).all(axis=(1, 2)))[0])]} without a joint", "133 joints"
        )
    keypoints = {"gt": {"0": np.stack([two[id] for id in order])}}
    return Recording("S8", task, task, task, pose, {"0": None}, keypoints)


def _samples(path: Path, key: str, axes: str) -> dict[int, Array]:
    """Sample id to its joints (133, axes); NaN where one is missing."""
    try:
        content = read_json(path, _MAX_JSON)
    except (OSError, ValueError) as error:
        raise LAYOUT.wrong(f"{path}: {error}", "samples in JSON") from error
    found = {}
    for id, sample in mapping(content, LAYOUT, str(path)).items():
        table = mapping(sample, LAYOUT, f"{path}: sample {id:.20}", [key])[key]
        joints = np.full((JOINTS, len(axes)), np.nan)
        try:
            for joint, values in table.items():
                if not 0 <= int(joint) < JOINTS:
                    raise ValueError(f"joint {joint}")
                joints[int(joint)] = [np.nan if values[axis] is None else float(values[axis]) for axis in axes]
            number = int(id)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LAYOUT.wrong(f"{path}: sample {id:.20}: {error!r}", f"numbers {', '.join(axes)} of joints 0 to {JOINTS - 1}") from error
        found[number] = joints
    if not found:
        raise LAYOUT.wrong(f"{path} without a sample", "samples by their id")
    return found
