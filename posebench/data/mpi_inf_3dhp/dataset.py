"""The ``3dhp`` dataset: the user's own copy of MPI-INF-3DHP. No part of it is distributed with posebench.

**Convention.** Skeleton ``mpi17``, the joint order of the official test; poses in millimetres, camera frame; keypoints (source ``gt``:
the annotation) in pixels. Clip ids are ``TS1/TS1/0`` for the six test sequences and ``S1/Seq1/0`` (subject, recording, camera) for
training, with the eight cameras of :data:`posebench.data.mpi_inf_3dhp.official.CAMERAS`. ``univ_annot3``, the default annotation and the
one that the official script scores, is scaled to one body height; ``annot3`` has the true size. In a test sequence only the frames in
``Dataset.valid`` may be scored, and ``Dataset.labels`` names the activity of each frame. The test files contain no calibration and no
frame rate: their clips have no camera, and a nominal 25 Hz.

Layouts, how to obtain the files, and the effect of these choices: ``docs/3dhp.md``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np

from posebench.base.errors import PosebenchError, first_ten
from posebench.data.clip import Clip, Dataset
from posebench.data.mpi_inf_3dhp.official import TEST, TEST_FOLDER, TEST_FPS, TRAIN, Recording, open_test_sequence, open_training_folder
from posebench.data.mpi_inf_3dhp.pstmo import TEST_FILE, TRAIN_FILE, archive_recordings
from posebench.data.people import require_size

#: Called with (files looked at, files in all).
Progress = Callable[[int, int], None]

SKELETON = "mpi17"
ANNOTATIONS = ("univ_annot3", "annot3")
SEQUENCES = tuple(f"{sequence}/{sequence}" for sequence in TEST)
SPLITS = {"train": tuple(f"S{n}" for n in range(1, 9)), "test": tuple(TEST)}

_ADVICE = "docs/3dhp.md says how to obtain the files; --root is the folder that holds S1 ... S8 and TS1 ... TS6"


def open_3dhp(root: str | PathLike[str], *, annotation: str | None = None, progress: Progress | None = None) -> Dataset:
    """Open the MPI-INF-3DHP files below ``root``; poses are read when a clip is loaded.

    **Convention.** The layout is recognised by its files. All six test sequences or none must be present; training recordings may be
    missing, and the note then says so. ``official`` means that the test set is present with the official counts of frames and valid
    frames, and that every training recording present has its official length. The fingerprint covers clip ids, frame counts and valid
    frames of the test set (of the training set, if there is no test set), not positions.

    Args:
        root: the folder with ``S1/Seq1/annot.mat`` ... and ``TS1/annot_data.mat`` ... (also below ``mpi_inf_3dhp_test_set``), or with
            P-STMO's ``data_train_3dhp.npz`` and ``data_test_3dhp.npz``.
        annotation: ``univ_annot3`` (the default) or ``annot3``, which P-STMO's archives do not hold.
        progress: called with (files looked at, files in all).

    Raises:
        PosebenchError: no known layout, no such annotation, missing files, or files with another structure.
    """
    annotation = annotation or ANNOTATIONS[0]
    if annotation not in ANNOTATIONS:
        raise PosebenchError(f"annotation {annotation!r} for dataset 3dhp", f"one of {', '.join(ANNOTATIONS)}", "correct the protocol")
    recordings, notes = _recordings(Path(root), annotation, progress)
    infos = {recording.info.id: recording.info for recording in recordings}
    test = [recording for recording in recordings if recording.info.subject in TEST]
    unofficial = _unofficial(recordings)
    notes += [f"counts differ from the official ones in {first_ten(unofficial)}"] if unofficial else []
    by_id = {recording.info.id: recording for recording in recordings}
    return Dataset(
        name="3dhp",
        version="1",
        skeleton=SKELETON,
        fps=TEST_FPS,
        infos=infos,
        fingerprint=_fingerprint(test or recordings, annotation),
        official=bool(test) and not unofficial,
        splits=dict(SPLITS),
        keypoint_sources=("gt",),
        load=partial(_load_clip, by_id),
        note="; ".join(notes),
        valid={recording.info.id: recording.valid for recording in recordings if recording.valid is not None},
        labels={recording.info.id: recording.labels for recording in recordings if recording.labels is not None},
    )


def _recordings(root: Path, annotation: str, progress: Progress | None) -> tuple[list[Recording], list[str]]:
    """Every clip below ``root``, training first, and notes on what is missing."""
    train = [root / take for take in TRAIN if (root / take / "annot.mat").is_file()]
    test = next((base for base in (root, root / TEST_FOLDER) if any((base / sequence).is_dir() for sequence in TEST)), None)
    archives = [root / name for name in (TRAIN_FILE, TEST_FILE) if (root / name).is_file()]
    if not train and test is None and not archives:
        raise PosebenchError(
            f"{root}, which {'holds no MPI-INF-3DHP files' if root.is_dir() else 'is not a folder'}",
            f"S1/Seq1/annot.mat, TS1/annot_data.mat or {TEST_FOLDER}/TS1/annot_data.mat in it, or {TRAIN_FILE} or {TEST_FILE}",
            _ADVICE,
        )
    if archives and (train or test):
        raise PosebenchError(
            f"{root}, which holds the files of the release and {', '.join(path.name for path in archives)}",
            "one layout, so that it is clear which one to read",
            "move the other one to another folder",
        )
    if archives:
        found, notes = _archive_recordings(archives, annotation, progress)
    else:
        found, notes = _release_recordings(root, train, test, annotation, progress), []
    takes = {recording.info.take for recording in found}
    notes += [] if takes & set(SEQUENCES) else ["no test sequences"]
    absent = [take for take in TRAIN if take not in takes]
    notes += ["no training recordings" + ("" if len(absent) == len(TRAIN) else f" {first_ten(absent)}")] if absent else []
    return found, notes


def _release_recordings(root: Path, train: list[Path], test: Path | None, annotation: str, progress: Progress | None) -> list[Recording]:
    files = {sequence: test / sequence / "annot_data.mat" for sequence in TEST} if test else {}
    missing = [str(path.relative_to(root)) for path in files.values() if not path.is_file()]
    if missing:
        raise PosebenchError(f"{root} without {first_ten(missing)}", "all six test sequences, or none of them", _ADVICE)
    found: list[Recording] = []
    for done, folder in enumerate(train):
        found += open_training_folder(folder, annotation)
        if progress:
            progress(done + 1, len(train) + len(files))
    for done, (sequence, path) in enumerate(files.items(), len(train)):
        found.append(open_test_sequence(path, sequence, annotation))
        if progress:
            progress(done + 1, len(train) + len(files))
    return found


def _archive_recordings(archives: list[Path], annotation: str, progress: Progress | None) -> tuple[list[Recording], list[str]]:
    if annotation != "univ_annot3":
        raise PosebenchError(f"annotation {annotation} in {archives[0].name}", "univ_annot3: these archives hold no other", _ADVICE)
    found: list[Recording] = []
    notes = []
    for done, path in enumerate(archives):
        recordings, note = archive_recordings(path)
        found += recordings
        notes += [note] if note else []
        if progress:
            progress(done + 1, len(archives))
    sequences = [recording.info.subject for recording in found if recording.info.subject in TEST]
    missing = [sequence for sequence in TEST if sequence not in sequences]
    if sequences and missing:
        raise PosebenchError(f"{archives[-1]} without {', '.join(missing)}", "all six test sequences", _ADVICE)
    notes += ["this layout does not tell the activities of the test"] if sequences else []
    return found, notes


def _unofficial(recordings: list[Recording]) -> list[str]:
    """Takes whose counts of frames or valid frames differ from the official release."""
    odd = []
    for recording in recordings:
        info = recording.info
        if info.subject in TEST:
            valid = info.frames if recording.valid is None else len(recording.valid)
            same = (info.frames, valid) == TEST[info.subject]
        else:
            same = info.frames == TRAIN[info.take][0]
        if not same:
            odd.append(info.take)
    return list(dict.fromkeys(odd))


def _fingerprint(recordings: list[Recording], annotation: str) -> str:
    digest = hashlib.sha256(f"3dhp {annotation}\n".encode())
    for recording in recordings:
        digest.update(f"{recording.info.id} {recording.info.frames}\n".encode())
        if recording.valid is not None:
            digest.update(np.ascontiguousarray(recording.valid, dtype="<i8").tobytes())
    return digest.hexdigest()


def _load_clip(recordings: Mapping[str, Recording], id: str) -> Clip:
    if id not in recordings:
        raise PosebenchError(f"clip {id!r}", f"a clip of 3dhp: {first_ten(list(recordings))}")
    recording = recordings[id]
    pose, keypoints, camera = recording.read()
    scored = pose if recording.valid is None else pose[recording.valid]
    require_size(scored, f"{id} of 3dhp", "get the files again, or write their poses in millimetres")
    return Clip(recording.info, pose, SKELETON, recording.fps, camera, {"gt": lambda: keypoints})
