"""The lifter that looks at no keypoints: the mean of the training poses, always."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.metrics.alignment import procrustes
from posebench.metrics.position import root_relative

#: More training poses than this are thinned evenly: the mean of a million is not another shape.
MAX_POSES = 200_000


@dataclass(frozen=True, eq=False)
class MeanPose:
    """One pose (J, 3) mm, camera frame, root at the origin, for every frame."""

    pose: Array
    skeleton: str
    id: str = "mean-pose"
    supervision: str = "unpaired 3D"
    scale: str = "metric"
    context: int = 1
    flip_averaging: bool = False

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:  # noqa: ARG002 - the interface of all lifters
        """The mean pose once for each of the (T, J, 2) keypoints: (T, J, 3) mm."""
        return np.repeat(self.pose[None], len(keypoints), axis=0)


def fit_mean_pose(dataset: Dataset) -> MeanPose:
    """The generalised Procrustes mean of the training poses, turned as they stand before the cameras on average.

    **Convention.** Size and shape: poses are moved and turned onto the mean (det R = +1) but not scaled (Gower 1975, without the
    scaling step), so that the mean keeps a body's size in mm. Of all orientations of that shape it takes the one of least squared
    distance to the training poses in their camera frames.
    """
    clips = dataset.clip_ids("train")
    step = -(-sum(dataset.infos[clip].frames for clip in clips) // MAX_POSES)
    root = skeleton(dataset.skeleton).root_indices
    poses = np.concatenate([root_relative(dataset.load(clip).pose[::step], root) for clip in clips])
    shape = procrustes_mean(poses)
    turn = procrustes(shape[None], poses.mean(axis=0)[None], scale=False).rotation[0]
    return MeanPose(root_relative((shape @ turn.T)[None], root)[0], dataset.skeleton)


def procrustes_mean(poses: Array, *, tolerance: float = 1e-6, rounds: int = 100) -> Array:
    """Mean shape (J, 3) of poses (N, J, 3) under rigid motions: align all to the mean, take the mean, until it moves no more.

    Args:
        poses: (N, J, 3), any unit.
        tolerance: largest movement of a joint between rounds that counts as none, in the poses' unit.
        rounds: give up refining after so many.
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
