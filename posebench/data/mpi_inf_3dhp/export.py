"""Write a dataset in the layouts of MPI-INF-3DHP: for tests, and for users who want to try a layout before they have a licence.

**Convention.** The source is a dataset in ``h36m17`` order, such as ``synthetic``. The first two takes of each training subject become
``Seq1`` and ``Seq2`` of ``S1``, ``S2`` ... (at most eight), with the camera numbers of
:data:`posebench.data.mpi_inf_3dhp.official.CAMERAS`. Six evenly spaced test takes become ``TS1`` ... ``TS6``, under a different camera
each time. Both 3D annotations hold the same poses, since the source has one body size. Every tenth frame of a test sequence is valid.
Values are stored as float64.

Joints that ``h36m17`` lacks are copies of the nearest joint (:data:`NEAREST`). ``thorax`` and ``neck_nose`` are written as ``neck`` and
``head``, as everywhere in posebench (:data:`posebench.base.skeletons.EQUATED`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.base.skeletons import joint_map, skeleton
from posebench.data.clip import Clip, Dataset
from posebench.data.mpi_inf_3dhp.official import ACTIVITIES, CAMERAS, TEST

if TYPE_CHECKING:
    from posebench.data.registry import Progress, Writer

Array = npt.NDArray[np.float64]

#: Joint of ``mpi28`` that ``h36m17`` lacks, to the joint that is copied.
NEAREST = {
    "neck": "thorax",
    "head": "neck_nose",
    "spine2": "spine",
    "spine3": "thorax",
    "spine4": "thorax",
    "l_clavicle": "thorax",
    "r_clavicle": "thorax",
    **{f"{side}_{joint}": f"{side}_{near}" for side in "lr" for joint, near in (("hand", "wrist"), ("foot", "ankle"), ("toe", "ankle"))},
}
VALID_EVERY = 10
_CELLS = 14
#: Training subjects, and takes of each.
_SUBJECTS, _TAKES = 8, 2
_ACTIVITY = {"Walk": 1, "Exercis": 2, "Sit": 3, "Reach": 4, "Crouch": 4, "Floor": 5, "Sport": 6}


def export_official(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``S1/Seq1/annot.mat`` with ``camera.calibration``, and ``TS1/annot_data.mat``, below ``folder``.

    Raises:
        PosebenchError: the source has another skeleton, too few test takes, or cameras with distortion.
    """
    for take, fps, clips in _training(dataset, progress):
        del fps  # the release does not state it
        _write_annotations(folder / take / "annot.mat", clips)
        with replacing(folder / take / "camera.calibration") as temporary:
            temporary.write_text(_calibration({camera: clip.camera for camera, clip in clips.items()}), encoding="utf-8")
    for sequence, clip in _test(dataset, progress):
        _write_test(folder / sequence / "annot_data.mat", clip)


def export_pstmo(dataset: Dataset, folder: Path, progress: Progress | None = None) -> None:
    """``data_train_3dhp.npz`` and ``data_test_3dhp.npz`` in ``folder``: one pickled dictionary each, as P-STMO distributes them.

    Raises:
        PosebenchError: the source has another skeleton, or too few test takes.
    """
    train: dict[str, Any] = {}
    for take, fps, clips in _training(dataset, progress):
        cameras = {str(camera): {"data_2d": _keypoints(clip, "mpi17"), "data_3d": _pose(clip, "mpi17")} for camera, clip in clips.items()}
        train[take.replace("/", " ")] = [cameras, fps]
    test = {
        sequence: {"data_2d": _keypoints(clip, "mpi17"), "data_3d": _pose(clip, "mpi17"), "valid": _valid(len(clip.pose))}
        for sequence, clip in _test(dataset, progress)
    }
    for name, content in (("train", train), ("test", test)):
        with replacing(folder / f"data_{name}_3dhp.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, data=np.array(content, dtype=object))


#: Layout to its writer, which takes a dataset, a folder, and a function to call with (recordings done, recordings in all).
LAYOUTS: dict[str, Writer] = {"3dhp": export_official, "p-stmo": export_pstmo}


def _training(dataset: Dataset, progress: Progress | None) -> Iterator[tuple[str, float, dict[int, Clip]]]:
    """Yields (``S1/Seq1``, frames per second, camera number of 3DHP to clip) of every training recording."""
    if dataset.skeleton != "h36m17":
        raise PosebenchError(f"dataset {dataset.name} in skeleton {dataset.skeleton}", "one in h36m17", "export synthetic")
    infos = [dataset.infos[id] for id in dataset.clip_ids("train")]
    for number, subject in enumerate(list(dict.fromkeys(info.subject for info in infos))[:_SUBJECTS], 1):
        takes = dict.fromkeys(info.take for info in infos if info.subject == subject)
        for sequence, take in enumerate(list(takes)[:_TAKES], 1):
            if progress is not None:
                progress(_TAKES * (number - 1) + sequence - 1, _TAKES * _SUBJECTS + len(TEST))
            clips = [dataset.load(info.id) for info in infos if info.take == take][: len(CAMERAS)]
            yield f"S{number}/Seq{sequence}", clips[0].fps, dict(zip(CAMERAS, clips, strict=False))


def _test(dataset: Dataset, progress: Progress | None) -> Iterator[tuple[str, Clip]]:
    """Yields (``TS1``, clip) of every test sequence."""
    infos = [dataset.infos[id] for id in dataset.clip_ids("test")]
    takes = list(dict.fromkeys(info.take for info in infos))
    if len(takes) < len(TEST):
        raise PosebenchError(f"dataset {dataset.name} with {len(takes)} test takes", f"at least {len(TEST)}", "export synthetic")
    for number, sequence in enumerate(TEST):
        if progress is not None:
            progress(_TAKES * _SUBJECTS + number, _TAKES * _SUBJECTS + len(TEST))
        clips = [info.id for info in infos if info.take == takes[number * len(takes) // len(TEST)]]
        yield sequence, dataset.load(clips[number % len(clips)])


def _joints(target: str) -> list[int]:
    if target == "mpi17":
        return list(joint_map("h36m17", "mpi17"))
    source = skeleton("h36m17")
    return [source.index(NEAREST.get(joint, joint)) for joint in skeleton(target).joints]


def _pose(clip: Clip, target: str) -> Array:
    return np.ascontiguousarray(clip.pose[:, _joints(target)])


def _keypoints(clip: Clip, target: str) -> Array:
    return np.ascontiguousarray(clip.keypoints("gt")[:, _joints(target)])


def _valid(frames: int) -> Array:
    return np.where(np.arange(frames) % VALID_EVERY == 0, 1.0, 0.0)


def _write_annotations(path: Path, clips: dict[int, Clip]) -> None:
    from scipy.io import savemat

    def cells(values: Callable[[Clip], Array]) -> npt.NDArray[np.object_]:
        out = np.empty((_CELLS, 1), dtype=object)
        for camera in range(_CELLS):
            out[camera, 0] = values(clips[camera]) if camera in clips else np.zeros((0, 0))
        return out

    frames = len(next(iter(clips.values())).pose)
    pose = cells(lambda clip: _pose(clip, "mpi28").reshape(len(clip.pose), -1))
    content = {
        "annot2": cells(lambda clip: _keypoints(clip, "mpi28").reshape(len(clip.pose), -1)),
        "annot3": pose,
        "univ_annot3": pose,
        "cameras": np.array([list(clips)], dtype=np.float64),
        "frames": np.arange(frames, dtype=np.float64)[:, None],
    }
    with replacing(path) as temporary:
        savemat(str(temporary), content, appendmat=False, do_compression=True)


def _calibration(cameras: dict[int, Camera | None]) -> str:
    lines = ["Skeletool Camera Calibration File V1.0"]
    for number in range(_CELLS):
        intrinsic, extrinsic, size = np.eye(4), np.eye(4), (0, 0)
        camera = cameras.get(number)
        if camera is not None:
            if np.any(camera.radial) or np.any(camera.tangential):
                raise PosebenchError("a camera with distortion", "none: the calibration file of 3DHP cannot state it", "export synthetic")
            intrinsic[[0, 1], [0, 1]], intrinsic[:2, 2] = camera.focal, camera.centre
            extrinsic[:3, :3], extrinsic[:3, 3], size = camera.rotation, -camera.rotation @ camera.position, camera.size
        intrinsic_text, extrinsic_text = (" ".join(repr(float(value)) for value in matrix.ravel()) for matrix in (intrinsic, extrinsic))
        lines += [f"name          {number}", "  sensor      10 10", f"  size        {size[0]} {size[1]}", "  animated    0"]
        lines += [f"  intrinsic   {intrinsic_text}", f"  extrinsic   {extrinsic_text}", "  radial      0"]
    return "\n".join(lines) + "\n"


def _write_test(path: Path, clip: Clip) -> None:
    from posebench.base.readers.hdf5_writer import new_hdf5

    frames = len(clip.pose)
    number = next((n for part, n in _ACTIVITY.items() if part in clip.info.action), len(ACTIVITIES))
    pose = _pose(clip, "mpi17")[:, None]
    content = {
        "annot2": _keypoints(clip, "mpi17")[:, None],
        "annot3": pose,
        "univ_annot3": pose,
        "valid_frame": _valid(frames)[:, None],
        "activity_annotation": np.full((frames, 1), float(number)),
    }
    with replacing(path) as temporary:
        with new_hdf5(temporary, userblock_size=512) as file:
            for name, values in content.items():
                file.create_dataset(name, data=values, track_times=False).attrs["MATLAB_class"] = np.bytes_("double")
        with temporary.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
