"""Tracked teachers: the training clips' poses are those of the tracker, and a flipped limb is put right or known to be unsure."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.cameras import Camera
from posebench.base.skeletons import skeleton
from posebench.lifters import LifterInfo
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.rigid_track.lifter import Tracked
from posebench.networks.settings import Settings
from posebench.training.teacher import taught
from posebench.training.tracked import tracked_frames

H36M = skeleton("h36m17")


class Knows:
    """A method that knows the pose of each clip by its first keypoint, with depths half as large."""

    def __init__(self, data, *, flips=()):
        self.data, self.flips = data, flips

    def lift(self, keypoints):
        for first in torch.unique(self.data.first).tolist():
            clip = slice(first, first + len(keypoints))
            for mirrored in (False, True):
                poses = self.data.poses[clip] - self.data.poses[clip, :1]
                seen = self.data.keypoints[clip]
                if mirrored:
                    poses, seen = (
                        points[:, list(H36M.mirror)] * torch.tensor([-1.0, 1.0, 1.0])[: points.shape[-1]] for points in (poses, seen)
                    )
                if torch.allclose(seen, keypoints, atol=1e-6):
                    poses = poses * torch.tensor([1.0, 1.0, 0.5])
                    if first in self.flips:
                        poses[30, :, 2] *= -1.0
                    return poses
        raise AssertionError("keypoints of no clip")


@pytest.fixture(scope="module")
def data(walker_samples):
    return walker_samples(poses=True)


def test_the_poses_are_those_of_the_tracker_behind_the_flip_averaged_lifter(data):
    method = Knows(data)
    poses, _ = tracked_frames(method, data)
    camera = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))

    class Lifter:
        info = LifterInfo("knows", "h36m17", "none", "unknown", 1)

        def lift(self, keypoints, camera):  # noqa: ARG002
            return method.lift(torch.from_numpy(keypoints).float()).double().numpy()

    for first in (0, 120):
        seen = data.keypoints[first : first + 60].double().numpy()
        expected = Tracked(FlipAveraged(Lifter())).lift(seen, camera)
        np.testing.assert_allclose(poses[first : first + 60], expected, rtol=1e-4, atol=0.05)


def test_margins_are_large_where_the_lifter_is_sure_and_infinite_where_there_is_no_choice(data):
    _, sure = tracked_frames(Knows(data), data)
    _, less = tracked_frames(Knows(data, flips=(60,)), data)
    assert sure.shape == (len(data.keypoints), 17)
    assert bool((sure >= 0.0).all())
    for name in ("pelvis", "spine", "thorax", "neck_nose"):
        assert bool(sure[:, H36M.index(name)].isinf().all())
    limbs = [H36M.index(name) for name in ("r_knee", "r_ankle", "l_knee", "l_ankle", "r_elbow", "r_wrist", "l_elbow", "l_wrist")]
    both = sure[90, limbs].isfinite() & less[90, limbs].isfinite()
    assert bool(both.any())
    assert bool((less[90, limbs] < sure[90, limbs])[both].all()), "a frame that is flipped in the middle of a clip is less sure"
    assert torch.equal(less[:60], sure[:60]), "clips are tracked on their own"


def test_students_that_ask_for_it_are_taught_tracked_poses_and_others_plain_ones(data):
    class Asking(Settings):
        teacher_tracked = True

    method, given = Knows(data), {"epochs": 1, "batch": 2, "learning_rate": 1.0}
    plain = taught(method, data, Settings(**given))
    assert plain.teacher_margins is None
    assert torch.equal(plain.teacher_poses[:60], method.lift(data.keypoints[:60]))
    tracked = taught(method, data, Asking(**given))
    assert torch.equal(tracked.teacher_poses, tracked_frames(method, data)[0])
    assert tracked.teacher_margins is not None
