"""The two pools of unpaired supervision: which takes are in which, and that no pair of 2D and 3D can be restored."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.training.gather import gather_poses, split_takes


def takes(dataset, clips):
    return {dataset.infos[id].take for id in clips}


def test_disjoint_pools_share_no_take_and_lose_none(dataset):
    clips = dataset.clip_ids("train")
    seen, posed = split_takes(dataset, clips, "disjoint")
    assert takes(dataset, seen) == {"A/walk 0", "B/walk 0"}
    assert takes(dataset, posed) == {"A/walk 1", "B/walk 1"}
    assert len(seen) == 8, "keypoints of every camera"
    assert len(posed) == 2, "poses of one camera a take"


def test_shuffled_pools_hold_every_take_twice(dataset):
    clips = dataset.clip_ids("train")
    seen, posed = split_takes(dataset, clips, "shuffled")
    assert seen == clips
    assert takes(dataset, posed) == takes(dataset, clips)
    assert len(posed) == 4


def test_one_take_cannot_be_split(dataset):
    clips = [id for id in dataset.clip_ids("train") if id.startswith("A/walk 0")]
    with pytest.raises(PosebenchError, match=r"1 training take in this copy of walkers.*two at least"):
        split_takes(dataset, clips, "disjoint")
    assert split_takes(dataset, clips, "shuffled") == (clips, clips[:1])


def test_the_pool_holds_the_same_poses_root_relative_in_another_order(dataset):
    _, posed = split_takes(dataset, dataset.clip_ids("train"), "disjoint")
    pool = gather_poses(dataset, posed).poses.numpy()
    poses = np.concatenate([dataset.load(id).pose for id in posed])
    own = (poses - poses[:, :1]).astype(np.float32)
    assert sorted(map(bytes, pool)) == sorted(map(bytes, own))
    still = np.mean([np.array_equal(one, other) for one, other in zip(pool, own, strict=True)])
    assert still < 0.1, "frames of a clip do not follow each other"
    np.testing.assert_array_equal(pool, gather_poses(dataset, posed).poses.numpy())


def test_up_is_in_the_axes_of_each_pose(dataset):
    _, posed = split_takes(dataset, dataset.clip_ids("train"), "shuffled")
    assert np.isnan(gather_poses(dataset, posed).up.numpy()).all(), "the dataset has no up direction"
    standing = replace(dataset, up=(0.0, 0.0, 2.0))
    pool = gather_poses(standing, posed[:1])
    np.testing.assert_allclose(pool.up.numpy(), np.tile(dataset.load(posed[0]).camera.rotation[:, 2] * 2.0, (60, 1)), atol=1e-6)


def test_only_valid_frames_are_taken(dataset):
    _, posed = split_takes(dataset, dataset.clip_ids("train"), "shuffled")
    few = replace(dataset, valid={posed[0]: np.array([3, 5])})
    assert len(gather_poses(few, posed).poses) == 2 + 3 * 60


def test_a_pose_that_is_not_finite_is_refused(blind):
    with pytest.raises(PosebenchError, match="a pose that is not finite"):
        gather_poses(blind, blind.clip_ids("train"))
