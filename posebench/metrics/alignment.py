"""Alignment of predicted to true poses, in closed form and in blocks: no singular value decomposition on the main path.

**Convention.** Poses are (N, J, 3) in one unit and one frame, joints in the same order. Nothing here subtracts a root:
pass root-relative poses for ``root`` and ``scale`` (see :func:`posebench.metrics.position.root_relative`); the other alignments centre on
the mean of the joints. An aligned prediction is ``s R y + t``:

==========================  ======================================================================================
``root``                    nothing: the poses are root-relative
``scale``                   s = <x, y> / <y, y>, about the origin, may be negative (Rhodin; VideoPose3D's N-MPJPE)
``rigid``                   R, t; s = 1
``similarity``              s, R, t; det R = +1 (Procrustes)
``similarity+reflection``   s, R, t; det R = +1 or -1, whichever fits better
==========================  ======================================================================================

A predicted pose that is not finite, or has no extent, takes part as a pose with all joints at the origin: ``rigid`` and the
similarities then put it at the truth's centroid.

The rotation is the orthogonal factor of the 3 x 3 correlation ``K``, from the largest root of the quartic of Horn (1987) /
Theobald (2005, QCP): for K of unit norm, with C = cof K, q = |C|^2, d = det K, it is (l^2 - 1)^2 = 4 (q + 2 d l). Newton starts
from sqrt(1 + 2 sqrt q), where d = 0 has its root, and runs until it stands still (mirrored poses need far more than six steps). By
Cayley-Hamilton R = [l C + K (e + 1 - K^T K)] / D with e = (l^2 - 1)/2, D = l e - d, which has det R = +1 whatever the sign
of d. Where D is too small for that the block's few such poses go through ``numpy.linalg.svd``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers, block_size

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ALIGNMENTS = ("root", "scale", "rigid", "similarity", "similarity+reflection")
#: Poses handled at a time: so many that numpy's calls cost little beside their arithmetic, and few enough for the processor's outer cache.
BLOCK = 3072
#: Below this share of l^3 the closed form loses digits and the pose goes through the decomposition.
UNSTABLE = 1e-4
#: |det| below this share of |P|^3 |G|^3 is a planar pose, which has no handedness.
PLANAR = 1e-9
_EXTENT = 1e-20
#: Sums of squares above this overflow further on; such a prediction has no sensible size.
_LARGEST = 1e150


class Residuals(NamedTuple):
    """What is left after each alignment asked for: ``errors[alignment]`` (N, J), and ``flipped`` (N,)."""

    errors: dict[str, Array]
    flipped: Mask


class Transform(NamedTuple):
    """``aligned = scale * pred @ rotation^T + translation``: (N,), (N, 3, 3), (N, 3)."""

    scale: Array
    rotation: Array
    translation: Array


@dataclass(frozen=True)
class _Block:
    """One block, component first: ``x`` truth and ``y`` prediction (3, J, B) less their means (3, B)."""

    x: Array
    y: Array
    x_mean: Array
    y_mean: Array
    y_size: Array  # (B,) sum of squares of y
    norm: Array  # (B,) |K|
    unit: Array  # (3, 3, B) K / |K|
    cof: Array  # (3, 3, B) cofactors of unit
    det: Array  # (B,) det of unit

    def scale(self, trace: Array, of: slice | npt.NDArray[np.intp] = slice(None)) -> Array:
        """Least-squares scale of the poses ``of`` this block, zero for one without extent (whose K is zero)."""
        size = self.y_size[of]
        return trace * self.norm[of] / np.where(size > 0.0, size, 1.0)

    def flipped(self) -> Mask:
        """det(P0^T G0) < 0 by more than rounding: the prediction has the other handedness."""
        mask = self.det < 0.0
        suspects = np.flatnonzero(mask)
        if len(suspects):
            x = self.x[..., suspects]
            least = PLANAR * (np.einsum("ijb,ijb->b", x, x) * self.y_size[suspects]) ** 1.5
            mask[suspects] = -self.det[suspects] * self.norm[suspects] ** 3 > least
        return mask


class _Room:
    """Memory of one block, used again for the next.

    ``x`` is the truth and ``y`` the prediction, component first (3, J, B); ``x_sum`` and ``y_sum`` (3, B) their sums over the joints.
    ``x`` and ``y`` may be the caller's own and are not written to; what is centred lies in ``own_x`` and ``own_y``.
    """

    x: Array
    y: Array

    def __init__(self, buffers: Buffers, joints: int, size: int) -> None:
        names = ("x", "y", "spare", "turned")
        self.own_x, self.own_y, self.spare, self.turned = (buffers.array(name, 3, joints, size) for name in names)
        self.square = buffers.array("square", joints, size)
        self.x_sum, self.y_sum = buffers.array("sums", 2, 3, size)

    def fill(self, pred: npt.NDArray[np.floating], truth: npt.NDArray[np.floating]) -> None:
        """Take in poses (B, J, 3); a prediction that is not finite becomes zero."""
        self.x, self.y = _side_by_side(truth, self.own_x), _side_by_side(pred, self.own_y)
        with np.errstate(invalid="ignore", over="ignore"):
            self.x.sum(axis=1, out=self.x_sum)
            self.y.sum(axis=1, out=self.y_sum)
        # A sum is finite only if every term is, so that the coordinates themselves need a look only where it is not.
        if not np.isfinite(self.x_sum).all():
            raise ValueError("a true pose is not finite")
        if not np.isfinite(self.y_sum).all():
            lost = ~np.isfinite(self.y).all(axis=(0, 1))
            self.own_y[...] = self.y
            self.y = self.own_y
            self.y[:, :, lost] = 0.0
            self.y_sum[:, lost] = 0.0

    def length(self, vectors: Array, out: Array) -> None:
        """|vectors| over the components into ``out`` (B, J)."""
        np.einsum("ijb,ijb->jb", vectors, vectors, out=self.square)
        np.sqrt(self.square.T, out=out)

    def turn(self, matrix: Array, out: Array) -> Array:
        """``matrix`` (3, 3, B) times the centred prediction, in ``out``."""
        return _product(matrix, self.own_y, out)


def _side_by_side(poses: npt.NDArray[np.floating], own: Array) -> Array:
    """Poses (B, J, 3) as float64 (3, J, B), frames side by side in memory: as they lie, or else copied into ``own``."""
    turned = poses.transpose(2, 1, 0)
    if turned.dtype == own.dtype and turned.strides[2] == own.itemsize:
        return cast(Array, turned)
    own[...] = turned
    return own


def _product(matrix: Array, columns: Array, out: Array) -> Array:
    """``matrix`` (3, 3, B) times ``columns`` (3, n, B), pose by pose."""
    for i in range(3):  # three calls take two thirds of the time of one over all indices
        np.einsum("kb,kjb->jb", matrix[i], columns, out=out[i])
    return out


def _blocks(pred: npt.ArrayLike, truth: npt.ArrayLike, buffers: Buffers | None = None) -> Iterator[tuple[slice, _Room]]:
    """Slices of the poses, and a room that holds truth ``x`` and prediction ``y``, component first."""
    pred, truth = np.asarray(pred), np.asarray(truth)
    if pred.shape != truth.shape or pred.ndim != 3 or pred.shape[-1] != 3 or pred.shape[1] == 0:
        raise ValueError(f"predicted poses {pred.shape} and true poses {truth.shape} must both be (N, J, 3)")
    count, joints = pred.shape[:2]
    buffers = buffers or Buffers()
    size = block_size(count, BLOCK)
    room = _Room(buffers, joints, size)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        if part.stop - start < size:
            room = _Room(buffers, joints, part.stop - start)
        room.fill(pred[part], truth[part])
        yield part, room


def _centre(room: _Room) -> _Block:
    """The block in ``room``, centred in the room's own memory: if ``x`` and ``y`` were copied there, they are not there any longer."""
    x_mean, y_mean = room.x_sum / room.x.shape[1], room.y_sum / room.y.shape[1]
    x, y = np.subtract(room.x, x_mean[:, None], out=room.own_x), np.subtract(room.y, y_mean[:, None], out=room.own_y)
    y_size = np.einsum("ijb,ijb->b", y, y)
    collapsed = ~(y_size > _EXTENT * y.shape[1] * np.einsum("ib,ib->b", y_mean, y_mean)) | ~(y_size < _LARGEST)
    if collapsed.any():
        y[:, :, collapsed] = 0.0
        y_size[collapsed] = 0.0
    k = np.einsum("ijb,kjb->ikb", x, y)
    norm = np.sqrt(np.einsum("ikb,ikb->b", k, k))
    if not np.isfinite(norm).all():  # the prediction's size is bounded above
        raise ValueError("a true pose is not finite when squared")
    k /= np.where(norm > 0.0, norm, 1.0)
    cof = _cofactors(k)
    return _Block(x, y, x_mean, y_mean, y_size, norm, k, cof, np.einsum("kb,kb->b", k[0], cof[0]))


def _cofactors(k: Array) -> Array:
    # Rows and columns continued cyclically: a cofactor is then the same expression everywhere.
    wide = np.empty((5, 5, k.shape[-1]))
    wide[:3, :3], wide[3:, :3] = k, k[:2]
    wide[:, 3:] = wide[:, :2]
    out = wide[1:4, 1:4] * wide[2:, 2:]
    out -= wide[1:4, 2:] * wide[2:, 1:4]
    return out


def _rotation(k: Array, cof: Array, det: Array) -> tuple[Array, Array]:
    """Proper rotations R (3, 3, B) that maximise tr(R^T K), and that trace (B,), for K of unit norm (or zero)."""
    q = np.einsum("ikb,ikb->b", cof, cof)
    twice = 2.0 * det
    root = np.sqrt(1.0 + 2.0 * np.sqrt(q))
    # One turn of l^2 = 1 + 2 sqrt(q + 2 d l) saves two steps where d > 0; where d < 0 it would leave the largest root's side.
    root = np.sqrt(1.0 + 2.0 * np.sqrt(q + np.maximum(twice, 0.0) * root))
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(24):
            for _ in range(2):
                e = 0.5 * (root * root - 1.0)
                step = (e * e - q - twice * root) / (2.0 * (root * e - det))
                root -= step
            # Newton squares the error, times at most 2 / UNSTABLE: after such a step only rounding is left.
            still = np.abs(step) <= 1e-10
            if still.all():
                break
        e = 0.5 * (root * root - 1.0)
        d = root * e - det
        rest = _product(-k.transpose(1, 0, 2), k, np.empty_like(k))
        for i in range(3):
            rest[i, i] += e + 1.0
        rotation = _product(k, rest, np.empty_like(k))
        rotation += root * cof
        rotation /= d
        lost = np.flatnonzero(~(still & (d > UNSTABLE * root**3)))
    if len(lost):
        u, s, vt = np.linalg.svd(np.moveaxis(k[:, :, lost], -1, 0))
        sign = np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)
        u[:, :, 2] *= sign[:, None]
        rotation[:, :, lost] = np.moveaxis(u @ vt, 0, -1)
        root[lost] = s[:, 0] + s[:, 1] + sign * s[:, 2]
    return rotation, root


def _mirrored(block: _Block) -> tuple[npt.NDArray[np.intp], Array]:
    """The poses of a block that a reflection fits better, and the matrices (3, 3, M) that bring these to the truth."""
    mirrored = np.flatnonzero(block.det < 0.0)
    if not len(mirrored):
        return mirrored, np.empty((3, 3, 0))
    # The best proper rotation of -y; cof(-K) = cof K.
    rotation, trace = _rotation(-block.unit[..., mirrored], block.cof[..., mirrored], -block.det[mirrored])
    return mirrored, -block.scale(trace, mirrored) * rotation


def _scale(x: Array, y: Array) -> Array:
    """Least-squares scale (B,) about the origin; 0 for a pose that is all zero."""
    y_size = np.einsum("ijb,ijb->b", y, y)
    out: Array = np.einsum("ijb,ijb->b", x, y) / np.where(y_size > 0.0, y_size, 1.0)
    return out


def residuals(
    pred: npt.ArrayLike, truth: npt.ArrayLike, alignments: Iterable[str] = ALIGNMENTS, *, buffers: Buffers | None = None
) -> Residuals:
    """Distance of each joint from the truth after each alignment, and which poses have the wrong handedness.

    **Convention.** See the module. Work is shared: centring, correlation and rotation are done once a block, for all alignments.

    Args:
        pred: (N, J, 3), any float type; read as float64.
        truth: (N, J, 3), finite.
        alignments: names from :data:`ALIGNMENTS`.
        buffers: memory for the work and for ``errors``, which then last until the next call with the same one.

    Raises:
        ValueError: shapes differ or are not (N, J, 3), a true pose is not finite, or an alignment is unknown.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(2, 17, 3))
        >>> float(residuals(2.0 * truth + 7.0, truth, ["similarity"]).errors["similarity"].max()) < 1e-12
        True
    """
    wanted = tuple(alignments)
    unknown = set(wanted) - set(ALIGNMENTS)
    if unknown:
        raise ValueError(f"unknown alignment {sorted(unknown)}; one of {ALIGNMENTS}")
    shape = np.shape(pred)[:2]
    buffers = buffers or Buffers()
    # Frames side by side in memory, as the blocks have them.
    errors = {name: buffers.array(f"error {name}", *shape[::-1]).T for name in wanted}
    flipped = np.zeros(shape[:1], dtype=bool)
    for part, room in _blocks(pred, truth, buffers):
        x, y, spare = room.x, room.y, room.spare
        if "root" in errors:
            room.length(np.subtract(y, x, out=spare), errors["root"][part])
        if "scale" in errors:
            np.multiply(_scale(x, y), y, out=spare)
            room.length(np.subtract(spare, x, out=spare), errors["scale"][part])
        block = _centre(room)
        x = block.x
        flipped[part] = block.flipped()
        if not {"rigid", "similarity", "similarity+reflection"} & errors.keys():
            continue
        matrix, trace = _rotation(block.unit, block.cof, block.det)
        if "rigid" in errors:
            turned = room.turn(matrix, room.turned)
            room.length(np.subtract(turned, x, out=spare), errors["rigid"][part])
            turned *= block.scale(trace)
        else:
            matrix *= block.scale(trace)
            turned = room.turn(matrix, spare)
        proper, either = errors.get("similarity"), errors.get("similarity+reflection")
        first = either if proper is None else proper
        if first is not None:
            room.length(np.subtract(turned, x, out=turned), first[part])
        if either is not None:
            # Only mirrored poses differ from the proper similarity, and they are few as a rule.
            if proper is not None:
                either[part] = proper[part]
            mirrored, matrix = _mirrored(block)
            if len(mirrored):
                away = np.einsum("ikb,kjb->ijb", matrix, block.y[..., mirrored]) - x[..., mirrored]
                either[part.start + mirrored] = np.sqrt(np.einsum("ijb,ijb->jb", away, away)).T
    return Residuals(errors, flipped)


def aligned(pred: npt.ArrayLike, truth: npt.ArrayLike, alignment: str) -> Array:
    """The predictions after one alignment, (N, J, 3); conventions and errors as :func:`residuals`.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> bool(np.allclose(aligned(-truth, truth, "similarity+reflection"), truth))
        True
    """
    if alignment not in ALIGNMENTS:
        raise ValueError(f"unknown alignment {alignment!r}; one of {ALIGNMENTS}")
    out = np.empty(np.shape(pred))
    for part, room in _blocks(pred, truth):
        if alignment == "root":
            fitted = room.y
        elif alignment == "scale":
            fitted = _scale(room.x, room.y) * room.y
        else:
            block = _centre(room)
            matrix, trace = _rotation(block.unit, block.cof, block.det)
            if alignment != "rigid":
                matrix *= block.scale(trace)
            if alignment == "similarity+reflection":
                mirrored, best = _mirrored(block)
                matrix[..., mirrored] = best
            fitted = room.turn(matrix, room.spare) + block.x_mean[:, None]
        out[part] = fitted.transpose(2, 1, 0)
    return out


def procrustes(pred: npt.ArrayLike, truth: npt.ArrayLike, *, scale: bool = True) -> Transform:
    """The proper similarity (or, without ``scale``, rigid motion) that brings each prediction nearest to its truth.

    **Convention.** ``aligned = s * pred @ R^T + t``, least squares over joints (Umeyama 1991), det R = +1.

    Raises:
        ValueError: as :func:`residuals`.

    Example:
        >>> import numpy as np
        >>> truth = np.random.default_rng(0).normal(size=(1, 17, 3))
        >>> round(float(procrustes(truth / 2, truth).scale[0]), 12)
        2.0
    """
    n = np.shape(pred)[0]
    out = Transform(np.empty(n), np.empty((n, 3, 3)), np.empty((n, 3)))
    for part, room in _blocks(pred, truth):
        block = _centre(room)
        rotation, trace = _rotation(block.unit, block.cof, block.det)
        factor = block.scale(trace) if scale else np.ones_like(trace)
        out.scale[part] = factor
        out.rotation[part] = np.moveaxis(rotation, -1, 0)
        out.translation[part] = (block.x_mean - factor * np.einsum("ikb,kb->ib", rotation, block.y_mean)).T
    return out
