"""Write a dataset in the layouts of Human3.6M: for tests, and for users who want to try a layout before they have a licence.

**Convention.** The clips are those of :func:`posebench.data.h36m.resimulation.resimulate`. In layouts of 32 joints, the 15 joints that
``h36m17`` lacks are copies of their parents. Every layout includes a camera file. Values are stored as in the original: float32 metres
(``videopose3d``), float32 mm (``h36m-cdf``), else float64. ``mmpose`` keeps every fifth frame; ``h36m-fetch`` keeps every 64th frame of
the test subjects, and of the training subjects the frames in which some joint has moved by more than 40 mm.

Of a dataset with a detector's keypoints (:mod:`posebench.data.h36m.distribution`) they are written as the original has them:
``videopose3d`` is without S11 ``Directions``, and ``martinez`` without the detections of its unreadable video.

A file ``SYNTHETIC.txt`` in each folder says that the data are not Human3.6M.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.errors import PosebenchError, needs
from posebench.base.files import write_text
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.clip import Array, Clip, Dataset
from posebench.data.h36m import export_cameras
from posebench.data.h36m.cameras import Cameras
from posebench.data.h36m.distribution import HOURGLASS, file_name, is_distributed
from posebench.data.h36m.names import CAMERAS, SPLITS, UNREADABLE, in_order, take_of_subaction
from posebench.data.h36m.resimulation import resimulate

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

#: Frame step of mmpose, and of h36m-fetch for the test subjects.
MMPOSE_STEP = 5
FETCH_STEP = 64
#: h36m-fetch keeps a frame of a training subject if some joint has moved by more than this since the last kept frame, mm.
FETCH_MOVED = 40.0
#: Left and right joints of a source of 16 joints, as its archive states them.
_SYMMETRY_OF_16 = [[left for left, _ in skeleton("h36m16").pairs], [right for _, right in skeleton("h36m16").pairs]]


def _prepare(dataset: Dataset, destination: Path) -> Dataset:
    """The dataset under Human3.6M's cameras; ``destination`` exists, and holds only ``SYNTHETIC.txt``."""
    resimulated = resimulate(dataset)
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if any(destination.iterdir()):
            raise PosebenchError(f"{destination} holds files", "an empty or new folder", "choose another folder with -o")
    except OSError as error:
        raise PosebenchError(f"{destination}: {error.strerror or error}", "a folder that can be written", "choose another one") from error
    what = f"Written by posebench from its dataset {dataset.name} ({dataset.note or 'no note'}).\nNot the Human3.6M dataset.\n"
    write_text(destination / "SYNTHETIC.txt", what)
    return resimulated


def _takes(dataset: Dataset, progress: Progress | None, passes: tuple[int, int] = (0, 1)) -> Iterator[tuple[str, str, list[Clip]]]:
    """Subject, take name and the clips of the four cameras; ``progress`` counts takes over all passes, of which this is one."""
    ordered = in_order({(info.subject, info.take.split("/", 1)[1]) for info in dataset.infos.values()})
    before, total = passes[0] * len(ordered), passes[1] * len(ordered)
    for done, (subject, name) in enumerate(ordered):
        if progress is not None:
            progress(before + done, total)
        clips = [dataset.load(id) for camera in CAMERAS if (id := f"{subject}/{name}/{camera}") in dataset.infos]
        if len(clips) != len(CAMERAS) or any(clip.camera is None for clip in clips):
            raise PosebenchError(f"take {subject}/{name} of {dataset.name}", "four cameras with their calibration", "export synthetic")
        yield subject, name, clips


def _cameras(dataset: Dataset) -> Cameras:
    cameras: Cameras = {}
    for id, info in dataset.infos.items():
        if (info.subject, info.camera) not in cameras:
            camera = dataset.load(id).camera
            if camera is None:
                raise PosebenchError(f"clip {id} of {dataset.name}", "its camera's calibration", "open the dataset with --cameras")
            cameras[info.subject, info.camera] = camera
    return cameras


def _world(clip: Clip) -> Array:
    assert clip.camera is not None
    return clip.camera.to_world(clip.pose)


def to_h36m32(values: Array) -> Array:
    """Poses or keypoints (T, 17, D) as (T, 32, D) in ``h36m32`` order; joints that ``h36m17`` lacks are copies of their parents."""
    tree, have = skeleton("h36m32"), skeleton("h36m17").joints
    places: list[int] = []
    for joint, parent in zip(tree.joints, tree.parents, strict=True):
        places.append(have.index(joint) if joint in have else places[parent])
    return values[:, places]


def _mapping(dataset: Dataset) -> dict[tuple[str, str, int], str]:
    """(subject, action, sub-action number) of every take: the official number if the name is official, else the next free one."""
    numbered: dict[tuple[str, str, int], str] = {}
    for subject, name in in_order({(info.subject, info.take.split("/", 1)[1]) for info in dataset.infos.values()}):
        action = name.partition(" ")[0]
        free = [n for n in (1, 2, *range(3, 100)) if (subject, action, n) not in numbered]
        number = next((n for n in free if take_of_subaction(subject, action, n) == name), free[0])
        numbered[subject, action, number] = name
    return numbered


def to_videopose3d(dataset: Dataset, destination: Path, progress: Progress | None = None) -> None:
    """``data_3d_h36m.npz``, ``data_2d_h36m_<source>.npz`` and ``common/h36m_dataset.py``."""
    dataset = _prepare(dataset, destination)
    if is_distributed(dataset):
        dataset = replace(dataset, infos={id: info for id, info in dataset.infos.items() if info.take != UNREADABLE})
    positions: dict[str, dict[str, Any]] = {}
    passes = 1 + len(dataset.keypoint_sources)
    for subject, name, clips in _takes(dataset, progress, (0, passes)):
        positions.setdefault(subject, {})[name] = (to_h36m32(_world(clips[0])) / 1000.0).astype(np.float32)
    # The layout stores a pickled dict; posebench.base.readers.pickles reads it back without executing anything.
    np.savez_compressed(destination / "data_3d_h36m.npz", positions_3d=np.array(positions, dtype=object))
    pairs = skeleton("h36m17").pairs
    symmetry = [[left for left, _ in pairs], [right for _, right in pairs]]
    for number, source in enumerate(dataset.keypoint_sources, 1):
        flat: dict[str, dict[str, Any]] = {}
        for subject, name, clips in _takes(dataset, progress, (number, passes)):
            flat.setdefault(subject, {})[name] = [clip.keypoints(source).astype(np.float32) for clip in clips]
        joints = next(iter(flat[next(iter(flat))].values()))[0].shape[1]
        metadata = {"layout_name": "h36m", "num_joints": joints, "keypoints_symmetry": symmetry if joints == 17 else _SYMMETRY_OF_16}
        arrays: dict[str, Any] = {"positions_2d": np.array(flat, dtype=object), "metadata": np.array(metadata, dtype=object)}
        np.savez_compressed(destination / f"data_2d_h36m_{source}.npz", **arrays)
    export_cameras.write_videopose3d(destination / "common" / "h36m_dataset.py", _cameras(dataset))


def to_cdf(dataset: Dataset, destination: Path, progress: Progress | None = None) -> None:
    """``S9/MyPoseFeatures/{D3_Positions,D3_Positions_mono,D2_Positions}/*.cdf`` and ``metadata.xml``."""
    dataset = _prepare(dataset, destination)
    for subject, name, clips in _takes(dataset, progress):
        folder = destination / subject / "MyPoseFeatures"
        stem = file_name(subject, name)
        _write_cdf(folder / "D3_Positions" / f"{stem}.cdf", to_h36m32(_world(clips[0])))
        for clip in clips:
            _write_cdf(folder / "D3_Positions_mono" / f"{stem}.{clip.info.camera}.cdf", to_h36m32(clip.pose))
            _write_cdf(folder / "D2_Positions" / f"{stem}.{clip.info.camera}.cdf", to_h36m32(clip.keypoints("gt")))
    export_cameras.write_metadata(destination / "metadata.xml", _cameras(dataset), _mapping(dataset))


def _write_cdf(path: Path, values: Array) -> None:
    with needs("writing the official format"):
        cdfwrite = importlib.import_module("cdflib.cdfwrite")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)
    variable = {
        "Variable": "Pose",
        "Data_Type": 21,  # CDF_FLOAT
        "Num_Elements": 1,
        "Rec_Vary": True,
        "Var_Type": "zVariable",
        "Dim_Sizes": list(rows.shape),
        "Compress": 0,
    }
    file = cdfwrite.CDF(str(path), cdf_spec={"Compressed": 0})
    file.write_var(variable, var_data=rows[None])
    file.close()


def to_martinez(dataset: Dataset, destination: Path, progress: Progress | None = None) -> None:
    """``S9/MyPoses/3D_positions/*.h5``, ``S9/StackedHourglassFineTuned240/*.h5`` (``sh_ft_h36m`` or ``gauss5``) and ``cameras.h5``."""
    from posebench.base.readers.hdf5_writer import new_hdf5

    dataset = _prepare(dataset, destination)
    for subject, name, clips in _takes(dataset, progress):
        poses = destination / subject / "MyPoses" / "3D_positions"
        poses.mkdir(parents=True, exist_ok=True)
        stem = file_name(subject, name)
        with new_hdf5(poses / f"{stem}.h5") as file:
            file["3D_positions"] = to_h36m32(_world(clips[0])).reshape(-1, 96).T
        source = next((source for source in (HOURGLASS, "gauss5") if source in dataset.keypoint_sources), None)
        if source is None:
            continue
        joints = list(joint_map("h36m16" if source == HOURGLASS else "h36m17", "sh16"))
        detections = destination / subject / "StackedHourglassFineTuned240"
        detections.mkdir(parents=True, exist_ok=True)
        for clip in clips:
            if source not in clip.sources:
                continue
            with new_hdf5(detections / f"{stem.replace(' ', '_')}.{clip.info.camera}.h5") as file:
                file["poses"] = clip.keypoints(source)[:, joints]
    export_cameras.write_martinez(destination / "cameras.h5", _cameras(dataset))


def to_mmpose(dataset: Dataset, destination: Path, progress: Progress | None = None) -> None:
    """``annotation_body3d/fps10/h36m_{train,test}.npz`` and ``annotation_body3d/cameras.pkl``."""
    dataset = _prepare(dataset, destination)
    folder = destination / "annotation_body3d" / "fps10"
    folder.mkdir(parents=True)
    for number, (split, subjects) in enumerate(SPLITS.items()):
        rows: dict[str, list[Any]] = {"imgname": [], "center": [], "scale": [], "part": [], "S": []}
        for subject, name, clips in _takes(dataset, progress, (number, len(SPLITS))):
            if subject in subjects:
                for clip in clips:
                    _annotate(rows, clip, f"{subject}_{name.replace(' ', '_')}.{clip.info.camera}")
        if rows["imgname"]:
            arrays: dict[str, Any] = {key: np.concatenate(parts) for key, parts in rows.items()}
            np.savez(folder / f"h36m_{split}.npz", **arrays)
    export_cameras.write_mmpose(folder.parent / "cameras.pkl", _cameras(dataset))


def _annotate(rows: dict[str, list[Any]], clip: Clip, stem: str) -> None:
    frames = np.arange(0, clip.info.frames, MMPOSE_STEP)
    keypoints, pose = clip.keypoints("gt")[frames], clip.pose[frames] / 1000.0
    low, high = keypoints.min(axis=1), keypoints.max(axis=1)
    rows["imgname"].append(np.array([f"{stem}_{frame + 1:06d}.jpg" for frame in frames]))
    rows["center"].append((low + high) / 2)
    rows["scale"].append(1.25 * (high - low).max(axis=1) / 200.0)  # height or width of the box, with a margin of 25 %, in units of 200 px
    visible = np.ones((*keypoints.shape[:2], 1))
    rows["part"].append(np.concatenate([keypoints, visible], axis=2))
    rows["S"].append(np.concatenate([pose, visible], axis=2))


def to_fetch(dataset: Dataset, destination: Path, progress: Progress | None = None) -> None:
    """``processed/S9/Walking-1/annot.h5`` and ``metadata.xml``, which maps numbers to names."""
    from posebench.base.readers.hdf5_writer import new_hdf5

    dataset = _prepare(dataset, destination)
    mapping = _mapping(dataset)
    numbers = {f"{subject}/{name}": f"{action}-{number}" for (subject, action, number), name in mapping.items()}
    for subject, name, clips in _takes(dataset, progress):
        take_folder = numbers[f"{subject}/{name}"]
        folder = destination / "processed" / subject / take_folder
        folder.mkdir(parents=True)
        frames = _kept(clips[0].pose, subject)
        action, _, number = take_folder.rpartition("-")
        count = len(frames) * len(clips)
        with new_hdf5(folder / "annot.h5") as file:
            file["pose/2d"] = np.concatenate([to_h36m32(clip.keypoints("gt"))[frames] for clip in clips])
            file["pose/3d"] = np.concatenate([to_h36m32(clip.pose)[frames] for clip in clips])
            file["frame"] = np.tile(frames + 1, len(clips))
            file["camera"] = np.repeat([int(clip.info.camera) for clip in clips], len(frames))
            file["subject"] = np.full(count, int(subject[1:]))
            file["subaction"] = np.full(count, int(number))
            file["action"] = np.full(count, sorted({a for _, a, _ in mapping}).index(action))
            for clip in clips:
                assert clip.camera is not None
                fx, fy, cx, cy = (*clip.camera.focal, *clip.camera.centre)
                file[f"intrinsics/{clip.info.camera}"] = [fx, cx, fy, cy]
    export_cameras.write_metadata(destination / "metadata.xml", _cameras(dataset), mapping)


def _kept(pose: Array, subject: str) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    if subject in SPLITS["test"]:
        return np.arange(0, len(pose), FETCH_STEP)
    kept = [0]
    for frame in range(1, len(pose)):
        if np.linalg.norm(pose[frame] - pose[kept[-1]], axis=1).max() > FETCH_MOVED:
            kept.append(frame)
    return np.array(kept)


#: Layout to its writer, which takes a dataset, a new or empty folder, and a function to call with (takes done, takes in all).
LAYOUTS: dict[str, Writer] = {
    "videopose3d": to_videopose3d,
    "h36m-cdf": to_cdf,
    "mmpose": to_mmpose,
    "martinez": to_martinez,
    "h36m-fetch": to_fetch,
}
