"""Pairs made from unpaired poses: placed as the boxes say, never from the pairs of the dataset, and learnt from."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.heap_pairs import Settings, build
from posebench.baselines.heap_pairs.placement import boxes, placed
from posebench.networks.samples import PosePool
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = {"epochs": 1, "batch": 32, "learning_rate": 1e-3, "width": 64, "dropout": 0.0, "inputs": "root-and-offsets", "loss": "distance"}


def make(**changes):
    torch.manual_seed(0)
    return build(Settings(**{**SMALL, **changes}), "h36m17")


@pytest.fixture(scope="module")
def truth(walker_samples):
    return walker_samples(poses=True)


@pytest.fixture(scope="module")
def data(truth, walker_samples):
    """2D of some walks, and the poses of others as a pool without order."""
    other = walker_samples(clips=((4, 0), (5, 2), (6, 1)), poses=True).poses
    order = torch.randperm(len(other), generator=torch.Generator().manual_seed(0))
    pool = (other - other[:, :1])[order]
    return replace(truth, poses=None, pool=PosePool(pool, torch.tensor([0.0, -1.0, 0.0]).expand(len(pool), 3)))


def test_a_placed_pose_has_the_root_of_the_box_and_about_its_size(data):
    where = boxes(data.keypoints, 0)
    stood = placed(data.pool.poses[: len(where.size)], where._replace(root=where.root[:180], size=where.size[:180]))
    seen = boxes(stood[..., :2] / stood[..., 2:], 0)
    torch.testing.assert_close(seen.root, where.root[:180], rtol=1e-4, atol=1e-5)
    # Not exact: parts of the body are nearer than the root, others farther.
    ratio = seen.size / where.size[:180]
    assert float((ratio - 1.0).abs().max()) < 0.15
    assert float((ratio - 1.0).abs().mean()) < 0.05


def test_a_pose_before_a_tiny_or_huge_box_stays_in_front_of_the_camera(data):
    where = boxes(data.keypoints, 0)
    for size in (0.0, 1e6):
        stood = placed(data.pool.poses[:4], where._replace(root=where.root[:4], size=torch.full((4,), size)))
        assert bool(stood.isfinite().all())
        assert float(stood[..., 2].min()) > 0.0


@pytest.mark.parametrize("tilt", [0.0, 10.0])
def test_made_pairs_are_projections_of_bodies_of_the_pool_with_the_cameras_tilt(data, tilt):
    method = make(tilt=tilt)
    method.prepare(data)
    keypoints, poses = method.mirrored_pairs(data, torch.arange(64))
    torch.testing.assert_close(keypoints, poses[..., :2] / poses[..., 2:])
    parents, children = zip(*H36M.bones, strict=True)

    def lengths(p):
        return (p[:, children] - p[:, parents]).norm(dim=-1)

    known = lengths(data.pool.poses)
    nearest = torch.cdist(lengths(poses), known).min(dim=1).values
    assert float(nearest.max()) < 1.0, "mm"
    # A camera that looks down sees an upright body lean: its head away, its feet near.
    body = poses[:, H36M.index("head_top")] - poses[:, [H36M.index("l_ankle"), H36M.index("r_ankle")]].mean(dim=1)
    lean = float(torch.rad2deg(torch.atan2(body[:, 2].mean(), -body[:, 1].mean())))
    assert lean == pytest.approx(-tilt, abs=3.0)


def test_its_poses_need_an_up_direction(data):
    unknown = replace(data, pool=PosePool(data.pool.poses, torch.full((len(data.pool.poses), 3), np.nan)))
    with pytest.raises(PosebenchError, match="up direction is unknown"):
        make().prepare(unknown)


def test_it_learns_poses_that_it_never_saw_with_their_keypoints(data, truth, tmp_path):
    method = make(epochs=15, batch=64, samples=4096, width=256, learning_rate=2e-3, decay="cosine")
    method.prepare(data)
    fit(method, data, method.settings, tmp_path)
    with torch.inference_mode():
        lifted = method.eval().lift(truth.keypoints)
    relative = truth.poses - truth.poses[:, :1]
    mean_pose = relative.mean(dim=0)
    assert float((lifted - relative).norm(dim=-1).mean()) < 0.7 * float((mean_pose - relative).norm(dim=-1).mean())


@pytest.mark.parametrize("change", [{"tilt": 90.0}, {"bone_scale": 1.0}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        make(**change)
