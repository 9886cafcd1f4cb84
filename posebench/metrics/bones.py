"""Bone lengths: their error against the truth, and their difference between left and right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import Skeleton
from posebench.metrics.buffers import Buffers
from posebench.metrics.position import norms

Array = npt.NDArray[np.float64]


def bone_lengths(pose: npt.ArrayLike, skeleton: Skeleton, *, buffers: Buffers | None = None, name: str = "bones") -> Array:
    """Lengths (T, B), in the unit of ``pose`` (T, J, 3), in the order of ``skeleton.bones``.

    With ``buffers`` the lengths are valid until their array ``name`` is requested again.
    """
    component_first = np.asarray(pose, dtype=np.float64).transpose(2, 1, 0)
    buffers = buffers or Buffers()
    vectors = buffers.array("bone vectors", 3, len(skeleton.bones), component_first.shape[2])
    # A loop over bones takes half the time of indexing with all parents and all children, which copies both.
    for bone, (parent, child) in enumerate(skeleton.bones):
        np.subtract(component_first[:, child], component_first[:, parent], out=vectors[:, bone])
    return norms(vectors, buffers.array(name, *vectors.shape[1:]))


def bone_length_error(pred: npt.ArrayLike, truth: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|predicted - true length| (T, B), mm (MotionBERT ``loss_limb_gt``)."""
    return np.abs(bone_lengths(pred, skeleton) - bone_lengths(truth, skeleton))


def bone_symmetry_error(pred: npt.ArrayLike, skeleton: Skeleton) -> Array:
    """|left - right length| (T, pairs), mm, of the prediction alone, in the order of ``skeleton.bone_pairs`` (ManiPose MPSSE).

    **Convention.** No truth is used. Real bodies are not symmetric: on CMU a perfect prediction scores several mm.
    """
    return left_right_difference(bone_lengths(pred, skeleton), skeleton)


def left_right_difference(lengths: Array, skeleton: Skeleton) -> Array:
    """|left - right| (T, pairs) of bone lengths (T, B)."""
    left, right = (list(side) for side in zip(*skeleton.bone_pairs, strict=True))
    return np.abs(lengths[:, left] - lengths[:, right])
