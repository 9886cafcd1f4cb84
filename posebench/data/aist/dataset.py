"""The ``aist`` dataset: AIST++'s annotations, ``keypoints3d/*.pkl`` with ``cameras/``, ``keypoints2d/`` and ``splits/``.

**Convention.** 17 joints of COCO, 60 fps, world in cm with y up, nine cameras ``c01`` to ``c09`` of 1920 x 1080 px, of which those of
:data:`CAMERAS` are read. Clip ``d04/gBR_sBM_cAll_d04_mBR0_ch01/c01``: the subject is the dancer, the action the genre (``gBR``), the take
the sequence. Poses are ``keypoints3d_optim``; a frame in which ``keypoints3d`` lacks a joint is not valid.

Keypoints: ``gt`` is the projection, ``det`` the detections (their scores are not kept). **The truth is triangulated from the same
detections**: its errors correlate with those of ``det``, and its floor is unknown. Never compare with numbers of marker data.

A lens with tangential distortion is read without it, and the note says so.

Source: google/aistplusplus_api ``loader.py``, posepile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera, rotation_from_vector
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.readers.pickles import numbers, read_pickle
from posebench.base.readers.text import read_json, read_text
from posebench.data.bodies import require_projection
from posebench.data.clip import Dataset
from posebench.data.people import require_size
from posebench.data.recordings import Layout, Recording, mapping, open_recordings, subjects_by_split

#: All nine cameras of a rig, in the order of ``keypoints2d``, and those that are read: every other one, around the dancer.
RIG = tuple(f"c{number:02d}" for number in range(1, 10))
CAMERAS = RIG[::2]
#: Views with known faults: not synchronised; 640 x 480 px.
BAD_VIEWS = {("gBR_sBM_cAll_d04_mBR0_ch01", "c05"), ("gJB_sBM_cAll_d07_mJB3_ch05", "c07")}
SPLIT_FILES = {split: f"splits/pose_{split}.txt" for split in ("train", "val", "test")}
_MAX_TEXT, _MAX_PICKLE = 2**22, 2**28
_ADVICE = "get the annotations again from the site of AIST++; --root holds keypoints3d, keypoints2d, cameras and splits (docs/datasets.md)"
LAYOUT = Layout("aist", "1", "coco17", 60.0, "centimetres", _ADVICE, up=(0.0, 1.0, 0.0))

Array = npt.NDArray[np.float64]


def open_aist(root: str | PathLike[str], progress: Callable[[int, int], None] | None = None) -> Dataset:
    """Open the annotations below ``root``.

    Raises:
        PosebenchError: a list of sequences, a camera file or all poses are missing, or a file holds something else.
    """
    folder = Path(root)
    ignored = set(_lines(folder / "ignore_list.txt")) if (folder / "ignore_list.txt").is_file() else set()
    listed: list[tuple[str, str]] = []
    for split, name in SPLIT_FILES.items():
        if (folder / name).is_file():
            listed += [(sequence, split) for sequence in _lines(folder / name) if sequence not in ignored]
    present = [(sequence, split) for sequence, split in dict.fromkeys(listed) if _poses(folder, sequence).is_file()]
    if not present:
        raise LAYOUT.wrong(f"{folder} without sequences", f"{', '.join(SPLIT_FILES.values())} and keypoints3d/<sequence>.pkl")
    labels, splits = subjects_by_split((_parts(sequence)[1], split) for sequence, split in present)
    settings = _settings(folder / "cameras" / "mapping.txt")
    unset = [sequence for sequence, _ in present if sequence not in settings]
    if unset:
        raise LAYOUT.wrong(f"{folder / 'cameras' / 'mapping.txt'} without {first_ten(unset)}", "a setting for every sequence")
    rig_of = {setting: folder / "cameras" / f"{setting}.json" for setting in sorted({settings[sequence] for sequence, _ in present})}
    rigs = {setting: read_rig(path) for setting, path in rig_of.items()}

    def read() -> Iterator[Recording]:
        for number, (sequence, split) in enumerate(present, 1):
            genre, dancer = _parts(sequence)
            yield _recording(_poses(folder, sequence), sequence, labels[dancer, split], genre, rigs[settings[sequence]][0])
            if progress:
                progress(number, len(present))

    missing, bent = len(dict.fromkeys(listed)) - len(present), [setting for setting, (_, tangential) in rigs.items() if tangential]
    notes = [f"{missing} of {len(dict.fromkeys(listed))} sequences have no poses here"] if missing else []
    notes += [f"tangential distortion left out of {first_ten(bent)}"] if bent else []
    files = [_poses(folder, sequence) for sequence, _ in present] + list(rig_of.values())
    later = {"det": partial(_detections, folder)} if (folder / "keypoints2d").is_dir() else {}
    variant = repr([(sequence, split, settings[sequence]) for sequence, split in present])
    return open_recordings(LAYOUT, files, read, splits, variant=variant, note="; ".join(notes), later=later)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in read_text(path, _MAX_TEXT).splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise LAYOUT.wrong(f"{path}: {error}", "a text file, a sequence a line") from error


def _parts(sequence: str) -> tuple[str, str]:
    """Genre and dancer of a sequence's name."""
    found = re.fullmatch(r"(g[A-Z]{2})_s\w{2}_c\w+_(d\d\d)_m\w+_ch\d\d", sequence)
    if found is None:
        raise LAYOUT.wrong(f"sequence {sequence!r}", "a name such as gBR_sBM_cAll_d04_mBR0_ch01")
    return found[1], found[2]


def _poses(folder: Path, sequence: str) -> Path:
    _parts(sequence)  # a name with folders in it is refused
    return folder / "keypoints3d" / f"{sequence}.pkl"


def _settings(path: Path) -> dict[str, str]:
    """Sequence to the name of its camera setting."""
    words = [line.split() for line in _lines(path)]
    if not all(len(pair) == 2 and re.fullmatch(r"\w+", pair[1]) for pair in words):
        raise LAYOUT.wrong(f"{path}: other words than two in a line", "sequence and setting in each line")
    return {pair[0]: pair[1] for pair in words}


def read_rig(path: Path) -> tuple[dict[str, Camera], bool]:
    """The cameras of a setting by name, and whether tangential distortion was left out.

    Raises:
        PosebenchError: the file is missing or holds something else.
    """
    try:
        content = read_json(path, _MAX_TEXT)
    except (OSError, ValueError) as error:
        raise LAYOUT.wrong(f"{path}: {error}", "a list of cameras in JSON") from error
    if not isinstance(content, list) or not content:
        raise LAYOUT.wrong(f"{path}: a {type(content).__name__}", "a list of cameras")
    rig, bent = {}, False
    for item in content:
        facts = mapping(item, LAYOUT, str(path), ("name", "size", "matrix", "distortions", "rotation", "translation"))
        try:
            matrix = np.array(facts["matrix"], dtype=np.float64).reshape(3, 3)
            rotation = rotation_from_vector(np.array(facts["rotation"], dtype=np.float64).reshape(3))
            translation = np.array(facts["translation"], dtype=np.float64).reshape(3) * 10.0
            lens = np.zeros(5)
            given = np.array(facts["distortions"], dtype=np.float64).ravel()[:5]
            lens[: len(given)] = given
            width, height = (int(side) for side in facts["size"])
        except (ValueError, TypeError) as error:
            raise LAYOUT.wrong(
                f"{path}: camera {facts['name']!s:.20}: {error}", "numbers in size, matrix, rotation, translation"
            ) from error
        if not (np.isfinite(matrix).all() and np.isfinite(translation).all() and (matrix[[0, 1], [0, 1]] > 0).all()):
            raise LAYOUT.wrong(f"{path}: camera {facts['name']!s:.20} with a focal length not above 0", "a calibrated camera")
        bent |= bool(np.abs(lens[2:4]).max() > 0.0)
        position = (-rotation.T @ translation).astype(np.float64)
        focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
        rig[str(facts["name"])] = Camera(rotation, position, focal, centre, (width, height), lens[[0, 1, 4]])
    absent = [name for name in CAMERAS if name not in rig]
    if absent:
        raise LAYOUT.wrong(f"{path} without {', '.join(absent)}", f"the cameras {', '.join(RIG)}")
    return rig, bent


def _recording(path: Path, sequence: str, subject: str, genre: str, rig: Mapping[str, Camera]) -> Recording:
    content = mapping(read_pickle(path, max_bytes=_MAX_PICKLE), LAYOUT, str(path), ("keypoints3d", "keypoints3d_optim"))
    raw, smooth = (
        numbers(content[key], (None, 17, 3), f"{path}: {key}").astype(np.float64) for key in ("keypoints3d", "keypoints3d_optim")
    )
    if len(raw) != len(smooth):
        raise LAYOUT.wrong(f"{path}: keypoints3d of {len(raw)} frames, keypoints3d_optim of {len(smooth)}", "as many in both")
    seen = np.asarray(np.isfinite(raw).all(axis=2) & np.isfinite(smooth).all(axis=2))
    valid = np.asarray(seen.all(axis=1))
    if not valid.any():
        raise LAYOUT.wrong(f"{path}: no frame with all joints", "numbers in keypoints3d and keypoints3d_optim")
    cameras: dict[str, Camera | None] = {name: rig[name] for name in CAMERAS if (sequence, name) not in BAD_VIEWS}
    detections = path.parents[1] / "keypoints2d" / path.name
    require_size(smooth[valid] * 10.0, str(path), _ADVICE, stated=LAYOUT.unit)
    if detections.is_file():
        _judge_detections(detections, smooth[valid] * 10.0, valid, {name: camera for name, camera in rig.items() if name in cameras})
    return Recording(subject, sequence, genre, sequence, smooth * 10.0, cameras, seen=seen)


def _judge_detections(path: Path, pose: Array, valid: npt.NDArray[np.bool_], cameras: Mapping[str, Camera]) -> None:
    """Refuse detections that are not where the cameras see the poses (n, 17, 3) mm of the valid frames."""
    points = _detected(path, path.stat().st_mtime_ns)
    if points.shape[1] != len(valid):
        raise LAYOUT.wrong(f"{path}: detections of {points.shape[1]} frames for {len(valid)} poses", "as many")
    for name, camera in cameras.items():
        require_projection(camera.to_camera(pose), "coco17", points[RIG.index(name)][valid], "coco17", f"{path}, {name}", _ADVICE)


def _detections(folder: Path, id: str) -> Array:
    """Detections (T, 17, 2) px of a clip; (0, 0) where none was made."""
    _, sequence, camera = id.split("/")
    path = folder / "keypoints2d" / f"{sequence}.pkl"
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", f"the detections of {id}", "choose --keypoints gt, or add the file") from error
    return np.array(_detected(path, changed)[RIG.index(camera)])


@lru_cache(maxsize=2)
def _detected(path: Path, changed: int) -> Array:
    # The cameras of a sequence read the same file in turn. `changed`, its time of modification, is only a key of the cache.
    del changed
    content = mapping(read_pickle(path, max_bytes=_MAX_PICKLE), LAYOUT, str(path), ("keypoints2d",))
    points = numbers(content["keypoints2d"], (len(RIG), None, 17, 3), f"{path}: keypoints2d")
    return np.nan_to_num(np.asarray(points[..., :2], dtype=np.float64))
