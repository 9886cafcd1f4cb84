"""Mirror images of keypoints and poses."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.skeletons import skeleton
from posebench.networks.mirror import draw_half, mirror_where, mirrored

SWAP = skeleton("h36m17").mirror


@pytest.fixture
def poses():
    return torch.randn(6, 17, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 0.0, 9.0])


def test_a_mirror_image_has_left_and_right_exchanged_and_x_negated(poses):
    joint = skeleton("h36m17").index
    image = mirrored(poses, SWAP)
    assert torch.equal(image[:, joint("l_wrist")], poses[:, joint("r_wrist")] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(image[:, joint("head_top")], poses[:, joint("head_top")] * torch.tensor([-1.0, 1.0, 1.0]))


def test_the_mirror_image_of_a_mirror_image_is_the_original(poses):
    assert torch.equal(mirrored(mirrored(poses, SWAP), SWAP), poses)


def test_a_mirrored_pose_projects_to_the_mirrored_keypoints(poses):
    seen = mirrored(poses, SWAP)
    assert torch.equal(mirrored(poses[..., :2] / poses[..., 2:], SWAP), seen[..., :2] / seen[..., 2:])


@pytest.mark.parametrize("shape", [(6, 17, 2), (6, 17, 3), (6, 5, 17, 3)])
def test_only_the_chosen_samples_are_mirrored(shape):
    points = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    chosen = torch.tensor([True, False, True, False, False, True])
    found = mirror_where(chosen, points, SWAP)
    assert torch.equal(found[chosen], mirrored(points[chosen], SWAP))
    assert torch.equal(found[~chosen], points[~chosen])


def test_about_half_of_the_samples_are_chosen_by_one_draw_a_sample():
    torch.manual_seed(0)
    chosen = draw_half(1000, torch.device("cpu"))
    torch.manual_seed(0)
    assert torch.equal(chosen, torch.rand(1000) < 0.5)
    assert 0.45 < chosen.float().mean() < 0.55
