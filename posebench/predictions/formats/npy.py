"""Bare ``.npy`` arrays (n, 17, 3): VideoPose3D's export, a folder of one file a clip, MotionBERT's ``X3D.npy``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.readers.npy import npy_header, read_npy
from posebench.predictions.archive import Meta
from posebench.predictions.formats.foreign import (
    UNIT_WORDS,
    ForeignFile,
    KnownClips,
    LazyArray,
    Reading,
    clips_from_names,
    find_unit,
    reading_note,
    sampled,
    stated_clip,
)

MAX_FILES = 100_000
_ORDER = "h36m17"


def read_videopose3d(path: Path, reading: Reading, known: KnownClips | None) -> ForeignFile:
    """``run.py --viz-export``: metres, camera frame, h36m17, one clip a file, no id.

    Source: facebookresearch/VideoPose3D, ``run.py``. The root is near the origin, or carries the trajectory; it is subtracted either way.

    Raises:
        PosebenchError: no (n, 17, 3) floats, or no clip id given.
    """
    stored = _one(path)
    clip = stated_clip(path, "videopose3d-npy", reading, known)
    unit = reading.unit or "m"
    text = f"{UNIT_WORDS[unit]}, {_ORDER}, camera frame; the clip is {clip}, as stated"
    return ForeignFile(Meta(_ORDER, unit), {clip: stored}, reading_note("videopose3d-npy", text), used=("unit", "clip"))


def read_motionbert(path: Path, reading: Reading, known: KnownClips | None) -> ForeignFile:
    """``X3D.npy`` of MotionBERT's ``infer_wild.py``: image units or pixels, so the scale is unknown; one clip, no id.

    Source: Walter0807/MotionBERT. Poses are in the 2.5D frame of the image: an orthographic view, with depth in the unit of the image.
    True poses in the camera frame differ from it by about 35 mm for people off the optical axis.

    Raises:
        PosebenchError: no (n, 17, 3) floats, no clip id given, or a unit stated.
    """
    stored = _one(path)
    clip = stated_clip(path, "motionbert-npy", reading, known)
    text = (
        f"scale unknown (image units or pixels, not mm), {_ORDER}, the 2.5D frame of the image; the clip is {clip}, as stated. Poses in"
        " this frame differ from camera-frame truth by some 35 mm even where the method is right, since perspective is not undone"
    )
    return ForeignFile(
        Meta(_ORDER, None, "unknown"), {clip: stored}, reading_note("motionbert-npy", text, severity="warning"), used=("clip",)
    )


def read_folder(path: Path, reading: Reading, known: KnownClips | None) -> ForeignFile:
    """A folder of one (n, 17, 3) file a clip: camera frame, h36m17, clip ids from the paths, unit stated or inferred.

    Raises:
        PosebenchError: a name holds no clip id, two hold the same, a file has another shape, or the unit is not clear.
    """
    files = npy_files(path)
    clips: dict[str, LazyArray] = {}
    names: dict[str, str] = {}
    meant = clips_from_names((file.relative_to(path).as_posix().removesuffix(".npy") for file in files), known)
    for file in files:
        name = file.relative_to(path).as_posix()
        clip = meant[name.removesuffix(".npy")]
        if clip is None:
            raise PosebenchError(
                f"{path}: {name}, which holds no clip id",
                "names such as 'S9/Greeting 1/54138969.npy', 'S9_Greeting_1.54138969.npy' or 's_09_act_05_subact_01_ca_01.npy'",
                "rename the file, or write posebench's own format",
            )
        if clip in clips:
            raise PosebenchError(f"{path}: {names[clip]} and {name}, both {clip}", "one file a clip", "take one of them away")
        clips[clip], names[clip] = _one(file), name
    if not clips:
        raise PosebenchError(f"{path}: no npy file in it", "a folder with one npy file a clip", "check the path")
    unit, how = find_unit(path, sampled(clips), _ORDER, reading)
    examples = first_ten(list(clips)[:2])
    text = f"{UNIT_WORDS[unit]} ({how}), {_ORDER}, camera frame; {len(clips)} clips by the names of the files ({examples} ...)"
    return ForeignFile(Meta(_ORDER, unit), clips, reading_note("npy-folder", text))


def npy_files(folder: Path) -> list[Path]:
    """All ``.npy`` files under a folder, sorted."""
    files = sorted(path for path in folder.rglob("*.npy") if path.is_file())
    if len(files) > MAX_FILES:
        raise PosebenchError(f"{folder}: {len(files):,} npy files", f"at most {MAX_FILES:,}", "name the folder that holds one file a clip")
    return files


def root_at_origin(path: Path) -> bool:
    """Whether joint 0 lies at the origin in a sample of the frames, to a thousandth of the poses' extent."""
    poses = read_npy(path)
    poses = np.asarray(poses[:: max(1, len(poses) // 4096)], dtype=np.float64)
    return bool(np.nan_to_num(np.abs(poses[:, 0])).max(initial=0.0) <= 1e-3 * np.nan_to_num(np.abs(poses)).max(initial=0.0))


def fits(path: Path) -> bool:
    """Whether the file holds (n, 17, 3) floats; raises for a damaged npy file."""
    shape, dtype = npy_header(path)
    return dtype.kind == "f" and len(shape) == 3 and shape[1:] == (17, 3)


def _one(path: Path) -> LazyArray:
    shape, dtype = npy_header(path)
    if not fits(path):
        raise PosebenchError(
            f"{path}: {dtype} {shape}", "(n, 17, 3) floats in the order of h36m17", "write other joint orders in posebench's own format"
        )
    return LazyArray(shape, dtype, partial(read_npy, path))
