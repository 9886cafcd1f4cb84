"""``inference_data.mat`` of the P-STMO family: the input of the official 3DHP test script."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.matlab import read_numbers, variables
from posebench.predictions.archive import Meta
from posebench.predictions.formats.foreign import UNIT_WORDS, ForeignFile, LazyArray, Reading, reading_note

MAGIC = b"MATLAB 5.0 MAT-file"
SEQUENCES = tuple(f"TS{n}" for n in range(1, 7))
MAX_FRAMES = 100_000


def read_pstmo(path: Path, reading: Reading) -> ForeignFile:
    """TS1 to TS6, each 3 x 17 x 1 x n: millimetres, pelvis-relative, camera frame, mpi17, the valid frames of the sequence in order.

    Source: paTRICK-swk/P-STMO, ``3dhp_test/``. The sequence ``TS1`` is the clip ``TS1/TS1/0``. A sequence of one frame may lack
    its last dimensions, which MATLAB drops.

    Raises:
        PosebenchError: no sequence, or a matrix of another shape or kind.
    """
    clips = {}
    for name, variable in variables(path).items():
        if name not in SEQUENCES:
            continue
        shape = variable.shape
        frames = shape[3] if len(shape) == 4 else 1
        if variable.cells or shape[:2] != (3, 17) or shape[2:] not in ((), (1,), (1, frames)) or frames > MAX_FRAMES:
            kind = "a cell array" if variable.cells else "x".join(map(str, shape))
            raise PosebenchError(f"{path}: {name} is {kind}", "3x17x1xn numbers", "write it as the official 3DHP script takes it")
        clips[f"{name}/{name}/0"] = LazyArray((frames, 17, 3), np.dtype(np.float64), partial(_read, path, name, shape))
    if not clips:
        raise PosebenchError(f"{path}: none of {', '.join(SEQUENCES)}", "the six test sequences of 3DHP", "write one matrix a sequence")
    unit = reading.unit or "mm"
    text = f"{UNIT_WORDS[unit]}, mpi17, camera frame, pelvis-relative, the valid frames in order; {len(clips)} sequences"
    return ForeignFile(Meta("mpi17", unit), clips, reading_note("p-stmo-mat", text))


def _read(path: Path, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    numbers = read_numbers(path, name)
    if numbers.shape != shape:
        raise PosebenchError(f"{path}: {name} announces {shape} and holds {numbers.shape}", "an undamaged file", "write it again")
    return np.ascontiguousarray(numbers.reshape(3, 17, -1, order="F").transpose(2, 1, 0))
