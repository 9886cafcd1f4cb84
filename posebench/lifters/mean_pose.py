"""The lifter that ignores its keypoints: it always predicts the mean of the training poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.lifters import LifterInfo
from posebench.metrics.alignment import procrustes
from posebench.metrics.position import root_relative

#: With more training poses than this, every n-th one is used: the mean shape of a million poses is the same.
MAX_POSES = 200_000


@dataclass(frozen=True, eq=False, repr=False)
class MeanPose:
    """One pose (J, 3) mm, camera frame, root at the origin, for every frame."""

    pose: Array
    info: LifterInfo

    def __repr__(self) -> str:
        return self.info.shown("MeanPose")

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:  # noqa: ARG002 - the interface of all lifters
        """The mean pose once for each of the (T, J, 2) keypoints: (T, J, 3) mm."""
        return np.repeat(self.pose[None], len(keypoints), axis=0)


def fit_mean_pose(dataset: Dataset) -> MeanPose:
    """The generalised Procrustes mean of the training poses, in their mean orientation to the cameras.

    **Convention.** Size and shape: poses are aligned to the mean by translation and rotation (det R = +1) but not scaled (Gower 1975,
    without the scaling step), so that the mean keeps a body's size in mm. The orientation is the one of least squared distance to the
    training poses in their camera frames.
    """
    clips = dataset.clip_ids("train")
    step = -(-sum(dataset.infos[clip].frames for clip in clips) // MAX_POSES)
    root = skeleton(dataset.skeleton).root_indices
    poses = np.concatenate([root_relative(dataset.load(clip).pose[::step], root) for clip in clips])
    shape = procrustes_mean(poses)
    turn = procrustes(shape[None], poses.mean(axis=0)[None], scale=False).rotation[0]
    info = LifterInfo("mean-pose", dataset.skeleton, supervision="unpaired 3D", scale="metric")
    return MeanPose(root_relative((shape @ turn.T)[None], root)[0], info)


def procrustes_mean(poses: Array, *, tolerance: float = 1e-6, rounds: int = 100) -> Array:
    """Mean shape (J, 3) of poses (N, J, 3) up to rigid motion: align all poses to the mean, average them, and repeat until it converges.

    Args:
        poses: (N, J, 3), any unit.
        tolerance: converged when no joint moves further than this between rounds, in the poses' unit.
        rounds: most rounds.
    """
    mean = poses[0] - poses[0].mean(axis=0)
    for _ in range(rounds):
        fit = procrustes(poses, np.broadcast_to(mean, poses.shape), scale=False)
        moved = np.einsum("nij,nkj->nki", fit.rotation, poses) + fit.translation[:, None]
        new = moved.mean(axis=0)
        if np.abs(new - mean).max() < tolerance:
            return np.asarray(new)
        mean = new
    return np.asarray(mean)
