"""The first pass over the clips of a submission: what single factors and offsets follow from.

**Convention.** Poses are as in :mod:`posebench.scoring.decomposition.chunks`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.scoring.decomposition import shares
from posebench.scoring.decomposition.chunks import Setting, Unit, chance_frames, chance_poses, chunks_of, products, scored
from posebench.scoring.decomposition.fixes import Fixer, apply_discrete, choose_discrete

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
Given = npt.NDArray[np.floating]


@dataclass(eq=False)
class Survey:
    """What the first pass finds in a unit.

    Attributes:
        start: (n,) error of each pose as it is, mm.
        codes: (n,) the discrete fix of each pose.
        pose: (n, 5) squared error by part of the pose, summed over joints, mm^2; ``pose_sum`` is its sum over frames.
        alone, fixed: products for a factor: of the poses as they are, and of those with their discrete fixes.
        chance_alone, chance_fixed: the same of the chance line.
        body: (3, J) sum of the errors in the body frame.
        body_square: (J,) sum of their squares.
        body_count: frames in these sums.
        lengths: (bones,) sum of the true lengths.
        nearest: mm, least distance of a true root from the camera; 0 where true poses have no place.
    """

    start: Array
    codes: npt.NDArray[np.int8]
    pose: npt.NDArray[np.float32]
    pose_sum: Array
    alone: Array
    fixed: Array
    chance_alone: Array
    chance_fixed: Array
    body: Array
    body_square: Array
    body_count: int
    lengths: Array
    nearest: float = np.inf


def survey(unit: Unit, setting: Setting, fixer: Fixer) -> Survey:
    """The first pass over a unit."""
    body, count = setting.body, len(unit.truth)
    joints = len(body.skeleton)
    found = Survey(
        start=np.empty(count),
        codes=np.empty(count, dtype=np.int8),
        pose=np.empty((count, 5), dtype=np.float32),
        pose_sum=np.zeros(5),
        alone=np.zeros(2),
        fixed=np.zeros(2),
        chance_alone=np.zeros(2),
        chance_fixed=np.zeros(2),
        body=np.zeros((3, joints)),
        body_square=np.zeros(joints),
        body_count=0,
        lengths=np.zeros(len(body.children)),
    )
    for chunk in chunks_of(unit, setting):
        pred, truth = chunk.pred, chunk.truth
        error = pred - truth
        found.nearest = min(found.nearest, float(np.sqrt(np.einsum("cn,cn->n", chunk.root, chunk.root)).min()))
        found.start[chunk.part] = fixer.errors_of(error)
        p, g = scored(pred, truth, body)
        codes, correlation = choose_discrete(p, g, body)
        found.codes[chunk.part] = codes
        parts = shares.pose_parts(correlation)
        found.pose[chunk.part] = parts.T
        found.pose_sum += parts.sum(axis=1)
        found.alone += products(p, g)
        found.fixed += products(*scored(apply_discrete(pred, codes, body), truth, body)) if codes.any() else products(p, g)
        bones = truth[:, body.children] - truth[:, body.parents]
        found.lengths += np.sqrt(np.einsum("cbn,cbn->bn", bones, bones)).sum(axis=1)
        if body.has_frame:
            in_frame = shares.in_body_frame(error, body.axes(truth))
            found.body += in_frame.sum(axis=2)
            found.body_square += np.einsum("cjn,cjn->j", error, error)
            found.body_count += error.shape[2]
        if setting.metric_scale:
            chosen = chance_frames(chunk, setting)
            poses = chance_poses(unit, chunk, chosen, found.start[chunk.part], setting)
            q, h = scored(poses, truth[:, :, chosen], body)
            found.chance_alone += products(q, h)
            chance_codes, _ = choose_discrete(q, h, body)
            found.chance_fixed += products(*scored(apply_discrete(poses, chance_codes, body), truth[:, :, chosen], body))
    return found
