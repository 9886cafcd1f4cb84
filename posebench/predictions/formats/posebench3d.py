"""PoseBench3D's ``Predictions_<dataset>/<model>.npz``: poses without ids, identified by the true poses in the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.files import MAX_CLIP_BYTES
from posebench.base.readers.npz import Npz, open_zip
from posebench.base.skeletons import joint_map
from posebench.base.units import mm_per
from posebench.predictions.archive import Meta
from posebench.predictions.formats.foreign import UNIT_WORDS, ForeignFile, KnownClips, Reading, find_unit, in_memory, reading_note

Array = npt.NDArray[np.float64]

TRUTH, POSES = "targets3D", "outputs3D"
#: Two true poses are the same where no coordinate differs by more, mm.
SAME = 0.01
_ORDERS = {17: "h36m17", 16: "h36m16"}
_ADVICE = "write posebench's own format from PoseBench3D's loader, which knows the clips"


def read_posebench3d(path: Path, reading: Reading, known: KnownClips | None) -> ForeignFile:
    """``targets3D`` and ``outputs3D`` (N, J, 3), root-centred: h36m17, or h36m16 where J = 16; the unit is inferred from the targets.

    **Convention.** The file names no clip; its rows are in the order of PoseBench3D's loader, which leaves out the last ones. Each row is
    assigned to the frame of the known clips whose root-relative truth equals its target to 0.01 mm in every coordinate. If several do
    (a person who stands still), it is the frame that follows the previous row's. Source: bryanjvela/PoseBench3D.

    Raises:
        PosebenchError: there are no known clips to find the truth in, a target is found nowhere, or two rows are the same frame.
    """
    if known is None:
        raise PosebenchError(
            f"{path}: poses without clip ids, which are identified by their truth",
            "the true poses to find them in",
            "score it directly: posebench score FILE --from posebench3d-npz --protocol ID with --root or --truth",
        )
    arrays = _arrays(path)
    order = _ORDERS[arrays[POSES].shape[1]]
    unit, how = find_unit(path, [arrays[TRUTH]], order, reading)
    targets = arrays[TRUTH].astype(np.float64) * mm_per(unit)
    clips, frames, truth = _truth(known, order)
    row_of = _matched(path, targets - targets[:, :1], truth)
    stored, numbers = {}, {}
    names = list(known.clips)
    for at in np.unique(clips[row_of]):
        rows = np.flatnonzero(clips[row_of] == at)
        rows = rows[np.argsort(frames[row_of[rows]])]
        numbers[names[at]] = frames[row_of[rows]]
        stored[names[at]] = in_memory(np.ascontiguousarray(arrays[POSES][rows]))
        if (np.diff(numbers[names[at]]) == 0).any():
            raise PosebenchError(f"{path}: two rows are the same frame of {names[at]}", "each frame once", _ADVICE)
    text = (
        f"{UNIT_WORDS[unit]} ({how}), {order}, camera frame, root-relative; all {len(targets):,} rows were found in"
        f" {len(stored)} clips by their targets, to {SAME} mm"
    )
    return ForeignFile(Meta(order, unit), stored, reading_note("posebench3d-npz", text), numbers)


def _arrays(path: Path) -> dict[str, npt.NDArray[np.floating]]:
    with path.open("rb") as file, open_zip(path, file) as archive:
        npz = Npz(path, archive)
        for key in (TRUTH, POSES):
            shape, dtype = npz.shapes.get(key, ((), np.dtype(object)))
            size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
            if dtype.kind != "f" or len(shape) != 3 or shape[1] not in _ORDERS or shape[2] != 3 or not shape[0] or size > MAX_CLIP_BYTES:
                raise PosebenchError(f"{path}: {key} is {dtype} {shape}", "(N, 17, 3) or (N, 16, 3) floats", _ADVICE)
        if npz.shapes[TRUTH][0] != npz.shapes[POSES][0]:
            raise PosebenchError(f"{path}: {TRUTH} and {POSES} differ in shape", "a target for every pose", _ADVICE)
        return {key: npz.read(key) for key in (TRUTH, POSES)}


def _truth(known: KnownClips, order: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Clip (its place among the known clips), frame number and root-relative pose (n, J, 3) mm of every frame that the protocol scores."""
    joints = list(joint_map(known.skeleton, order))
    clips, frames, poses = [], [], []
    for at, clip in enumerate(known.clips):
        numbers = known.frames(clip)
        pose = np.asarray(known.truth(clip)[numbers // known.spacing][:, joints], dtype=np.float64)
        clips.append(np.full(len(numbers), at))
        frames.append(numbers)
        poses.append(pose - pose[:, :1])
    return np.concatenate(clips), np.concatenate(frames), np.concatenate(poses)


def _matched(path: Path, targets: Array, truth: Array) -> npt.NDArray[np.int64]:
    """For each target the row of the equal truth: candidates by one random projection, then by all coordinates."""
    flat, true = targets.reshape(len(targets), -1), truth.reshape(len(truth), -1)
    direction = np.random.default_rng(0).normal(size=flat.shape[1])
    direction /= np.linalg.norm(direction)
    reach = SAME * np.sqrt(flat.shape[1])  # no two poses that agree in every coordinate are further apart
    key = true @ direction
    order = np.argsort(key, kind="stable")
    low = np.searchsorted(key[order], flat @ direction - reach, side="left")
    high = np.searchsorted(key[order], flat @ direction + reach, side="right")
    found = np.empty(len(flat), dtype=np.int64)
    before = -1
    for row in range(len(flat)):
        if before + 1 < len(true) and before >= 0 and np.abs(true[before + 1] - flat[row]).max() <= SAME:
            before += 1
        else:
            candidates = np.sort(order[low[row] : high[row]])
            equal = candidates[np.abs(true[candidates] - flat[row]).max(axis=1, initial=0.0) <= SAME]
            if not len(equal):
                raise PosebenchError(
                    f"{path}: the target of row {row} is no true pose of the protocol's clips",
                    f"targets that equal the truth to {SAME} mm, root-relative",
                    "score against the data that the file was made from, or " + _ADVICE,
                )
            before = int(equal[0])
        found[row] = before
    return found
