"""Predictions in the formats of other projects: recognised, read with unit, joint order and frame stated, and converted to our format.

:data:`FORMATS` lists them, ``docs/formats.md`` explains them. A finding of the check and of the result states how a file was read, and
what was undone. Sources: the producers' code, as named at each reader.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posebench.base.errors import PosebenchError, did_you_mean
from posebench.base.readers.npy import NPY_MAGIC, first_bytes
from posebench.predictions.archive import META_KEY, Predictions, open_predictions, save_predictions
from posebench.predictions.finding import Finding
from posebench.predictions.formats import display_npz, martinez, mmpose, npy, posebench3d, pstmo
from posebench.predictions.formats.foreign import ForeignFile, ForeignPredictions, KnownClips, Reading

__all__ = ["FORMATS", "Format", "Reading", "convert", "foreign_format", "read_foreign", "recognise"]

_PEEK = 2**16


@dataclass(frozen=True)
class Format:
    """A format of another project.

    Attributes:
        looks: what a file looks like, for messages.
        read: reads a file, given its path, how to read it, and the clips that it may be about (None where they are not known).
    """

    looks: str
    read: Callable[[Path, Reading, KnownClips | None], ForeignFile]


def _by_itself(read: Callable[[Path, Reading], ForeignFile]) -> Callable[[Path, Reading, KnownClips | None], ForeignFile]:
    """A reader whose files identify their clips by themselves."""
    return lambda path, reading, _known: read(path, reading)


FORMATS = {
    "videopose3d-npy": Format("one .npy (n, 17, 3), root at the origin, from VideoPose3D --viz-export", npy.read_videopose3d),
    "npy-folder": Format("a folder with one .npy (n, 17, 3) a clip", npy.read_folder),
    "p-stmo-mat": Format("a MATLAB v5 file with TS1 ... TS6, 3x17x1xn", _by_itself(pstmo.read_pstmo)),
    "mmpose-result-json": Format("a JSON list of {keypoints, target_id}", _by_itself(mmpose.read_result)),
    "mmpose-demo-json": Format("a JSON object {meta_info, instance_info}, or a JSON list of {frame_id, instances}", mmpose.read_demo),
    "motionbert-npy": Format("one .npy (n, 17, 3) called X3D.npy, or with a moving root", npy.read_motionbert),
    "martinez-h5": Format("HDF5 with 3D_positions (96, n), a file a clip or all in one", _by_itself(martinez.read_martinez)),
    "posebench3d-npz": Format("an .npz with inputs2D, targets3D, outputs3D", posebench3d.read_posebench3d),
}


def recognise(path: str | os.PathLike[str]) -> list[str]:
    """Ids of the formats that a file or folder may be in, from names, first bytes and headers; none for a file in posebench's own.

    Raises:
        PosebenchError: the file cannot be read, or is an ``.npy`` that is damaged or holds objects.
    """
    path = Path(path)
    if path.is_dir():
        files = {"npy-folder": npy.npy_files(path), "martinez-h5": martinez.h5_files(path)}
        return [format for format, found in files.items() if found]
    start = first_bytes(path, _PEEK)
    if start.startswith(NPY_MAGIC):
        return _npy_formats(path)
    if start.startswith(pstmo.MAGIC):
        return ["p-stmo-mat"]
    if start.startswith(b"PK\x03\x04"):
        return ["posebench3d-npz"] if _has_targets(path) else []
    if start.startswith(martinez.MAGIC):
        return ["martinez-h5"] if _has_positions(path) else []
    text = start.lstrip()
    if text.startswith(b"[") and b'"keypoints"' in text and b'"target_id"' in text:
        return ["mmpose-result-json"]
    if text.startswith(b"[") and b'"frame_id"' in text and b'"instances"' in text:
        return ["mmpose-demo-json"]
    if text.startswith(b"{") and (b'"meta_info"' in text or b'"instance_info"' in text):
        return ["mmpose-demo-json"]
    return []


def foreign_format(path: str | os.PathLike[str], reading: Reading) -> str | None:
    """The format to read a file in: the one stated, or the only one that fits; None for posebench's own.

    A missing file counts as our own format, and so does an archive that no other format fits: opening it shows what is wrong with it.

    Raises:
        PosebenchError: the stated format is none of :data:`FORMATS`, several fit, none does, the file is one that is made for display, or
            options for other formats are given with a file in our own.
    """
    path = Path(path)
    if reading.format is not None:
        if reading.format not in FORMATS:
            advice = did_you_mean(reading.format, FORMATS, "see docs/formats.md for what each looks like")
            raise PosebenchError(f"format {reading.format!r}", f"one of {', '.join(FORMATS)}", advice)
        return reading.format
    fitting = recognise(path) if path.exists() else []
    if not fitting and path.is_file() and first_bytes(path, 4) == b"PK\x03\x04":
        display_npz.explain(path)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise PosebenchError(
            f"{path}, which may be " + " or ".join(f"{id} ({FORMATS[id].looks})" for id in fitting),
            "one format",
            f"add --from {fitting[0]}",
        )
    if path.exists() and (path.is_dir() or not first_bytes(path, 4).startswith((b"PK\x03\x04", b"PK\x05\x06", martinez.MAGIC[:4]))):
        kind = "a directory" if path.is_dir() else f"a file that begins with {first_bytes(path, 16)!r}"
        known = "; ".join(f"{id}: {format.looks}" for id, format in FORMATS.items())
        raise PosebenchError(
            f"{path}, {kind}, in no known format",
            f"posebench's own .npz or .h5, or {known}",
            "state the format with --from, or see docs/formats.md",
        )
    given = [name for name in ("clip", "ids", "unit") if getattr(reading, name) is not None]
    if given and path.exists():
        with open_predictions(path):  # which says what is wrong with a file that is in no format at all
            pass
        raise PosebenchError(
            f"--{given[0]} with {path}, which is in posebench's own format and states this itself",
            "no such option",
            f"drop --{given[0]}",
        )
    return None


def read_foreign(
    path: str | os.PathLike[str], format: str, reading: Reading, known: KnownClips | None = None
) -> tuple[Predictions, Finding]:
    """A foreign file as predictions, and the finding that states how it was read; poses are read a clip at a time where the format allows.

    Args:
        path: the file, or the folder.
        format: an id of :data:`FORMATS`, as :func:`foreign_format` found it.
        reading: what the user stated about the file.
        known: the clips it may be about, to look up clip ids and to find frames by their truth.

    Raises:
        PosebenchError: the file does not fit the format, the user must state something that it lacks, or an option does not apply.
    """
    path = Path(path)
    try:
        foreign = FORMATS[format].read(path, reading, known)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", f"a file in {format}", "check the path") from error
    unused = [name for name in ("clip", "ids", "unit") if getattr(reading, name) is not None and name not in foreign.used]
    if unused:
        raise PosebenchError(f"--{unused[0]} with {path}, read as {format}", "only options that this format needs", f"drop --{unused[0]}")
    return ForeignPredictions(path, foreign.store()), foreign.finding


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    reading: Reading | str | None = None,
    *,
    method: str = "",
    keypoints: str = "",
    supervision: str = "unstated",
) -> Finding:
    """Write a foreign file or folder in posebench's own format. Returns the finding that states how it was read.

    Args:
        source: a file or folder in one of :data:`FORMATS`.
        target: ``.npz`` or ``.h5``; replaced only when the new file is complete.
        reading: the format's id, or a :class:`Reading`; None to recognise the format from the file.
        method: the method's name; foreign files do not hold it, and the leaderboard needs it.
        keypoints: keypoint source that it was given.
        supervision: the 3D that its training saw: ``none``, ``unpaired 3D``, ``paired 3D``.

    Raises:
        PosebenchError: as :func:`foreign_format` and :func:`read_foreign`; or the file is in our own format already.
    """
    reading = Reading(reading) if isinstance(reading, str) else reading or Reading()
    format = foreign_format(source, reading)
    if format is None:
        if not Path(source).exists():
            raise PosebenchError(f"{source}: no such file", "a file or folder in a foreign format", "check the path")
        with open_predictions(source):
            pass
        raise PosebenchError(f"{source}: no foreign format fits it", "one of " + ", ".join(FORMATS), "score it as it is, or state --from")
    file, finding = read_foreign(source, format, reading)
    numbers = {clip: frames for clip in file.shapes if (frames := file.frames(clip)) is not None}
    save_predictions(
        target,
        ((clip, file.poses(clip)) for clip in file.shapes),
        skeleton=file.meta.skeleton,
        unit=file.meta.unit,
        scale=file.meta.scale,
        frames=numbers,
        method=method,
        keypoints=keypoints,
        supervision=supervision,
    )
    return finding


def _npy_formats(path: Path) -> list[str]:
    if not npy.fits(path):
        return []
    if path.name == "X3D.npy":
        return ["motionbert-npy"]
    return ["videopose3d-npy"] if npy.root_at_origin(path) else ["videopose3d-npy", "motionbert-npy"]


def _has_targets(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # zipfile on damaged bytes; opening it as our own format reports the damage
        return False
    return META_KEY + ".npy" not in names and {"targets3D.npy", "outputs3D.npy"} <= set(names)


def _has_positions(path: Path) -> bool:
    from posebench.base.readers.hdf5 import open_hdf5

    try:
        with open_hdf5(path, "") as stored:
            if stored.has_attribute(META_KEY):
                return False
            return any(key.endswith("3D_positions") or (len(shape) == 2 and shape[0] == 96) for key, (shape, _) in stored.shapes.items())
    except PosebenchError:  # as above
        return False
