"""The compiled kernel: poses to ``pose_kernel.c`` and back. Functions and conventions are those of ``blocked.py``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers
from posebench.metrics.kernel import pose_kernel  # type: ignore[attr-defined, unused-ignore]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Poses = npt.NDArray[np.floating]

#: The order in which ``pose_kernel.align`` takes its outputs.
_ORDER = ("root", "scale", "rigid", "similarity", "similarity+reflection")
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def use(instructions: str = "") -> str:
    """Use the code for ``avx512``, ``avx2`` or ``plain``, or the best that this processor has; returns its name.

    Raises:
        ValueError: this processor or this build lacks it.
    """
    name: str = pose_kernel.choose(instructions)
    return name


def residuals(pred: Poses, truth: Poses, alignments: Iterable[str], buffers: Buffers) -> tuple[dict[str, Array], Mask]:
    """Errors (N, J) by alignment and flips (N,), as :func:`posebench.metrics.kernel.blocked.residuals`."""
    pred, truth = _readable(pred), _readable(truth)
    count, joints = pred.shape[:2]
    errors = {name: buffers.array(f"kernel error {name}", joints, count) for name in alignments}
    flipped = np.empty(count, dtype=np.uint8)
    pose_kernel.align(pred, truth, tuple(errors.get(name) for name in _ORDER), flipped, None, 0, None, True)
    return {name: error.T for name, error in errors.items()}, flipped.view(np.bool_)


def aligned(pred: Poses, truth: Poses, alignment: str) -> Array:
    """The predictions (N, J, 3) after one alignment, as :func:`posebench.metrics.kernel.blocked.aligned`."""
    pred, truth = _readable(pred), _readable(truth)
    out = np.empty((3, pred.shape[1], pred.shape[0]))
    pose_kernel.align(pred, truth, (None,) * len(_ORDER), None, out, _ORDER.index(alignment), None, True)
    return out.transpose(2, 1, 0)


def transforms(pred: Poses, truth: Poses, *, scale: bool) -> tuple[Array, Array, Array]:
    """Scale (N,), rotation (N, 3, 3) and translation (N, 3), as :func:`posebench.metrics.kernel.blocked.transforms`."""
    pred, truth = _readable(pred), _readable(truth)
    count = len(pred)
    out = np.empty((13, count))
    pose_kernel.align(pred, truth, (None,) * len(_ORDER), None, None, 0, out, scale)
    return out[0].copy(), np.ascontiguousarray(out[1:10].T).reshape(count, 3, 3), np.ascontiguousarray(out[10:].T)


def measure(pred: Poses, truth: Poses, *rest: object) -> tuple[int, ...]:
    """Sums of metrics over a clip, written to arrays among ``rest``: see ``measure`` of ``pose_kernel.c``.

    Args:
        pred: (N, J, 3), or (H, N, J, 3) hypotheses.
        truth: (N, J, 3).
        rest: the other arguments of the C function.

    Returns:
        How many frames are in the sum of each metric.

    Raises:
        ValueError: a true pose is not finite, or an argument does not fit.
    """
    frames: tuple[int, ...] = pose_kernel.measure(_readable(pred), _readable(truth), *rest)
    return frames


def _readable(poses: Poses) -> Poses:
    """The array itself where the kernel reads its type, or else a float64 copy."""
    return poses if poses.dtype in _FLOATS and poses.dtype.isnative else poses.astype(np.float64)
