"""Kinematic chain space, reprojection, the camera loss, and the way from a weak-perspective camera to the camera frame."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posebench.base.skeletons import skeleton
from posebench.baselines.repnet.geometry import aim, camera_defect, fitted_camera, kinematic_chain, normalise, reproject

H36M = skeleton("h36m17")
STARTS, ENDS = (torch.tensor(side) for side in zip(*H36M.bones, strict=True))
seeds = st.integers(0, 2**32 - 1)


def rotations(seed, count):
    return torch.from_numpy(Rotation.random(count, random_state=seed).as_matrix())


def poses(seed, count=5):
    points = torch.randn(count, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return points - points.mean(dim=1, keepdim=True)


def test_bones_of_a_hand_made_skeleton_point_from_parent_to_child():
    """A person who stands upright, arms hanging: every product is known by hand, its sign with it."""
    place = dict.fromkeys(H36M.joints, (0.0, 0.0, 0.0))
    place |= {"l_hip": (1.0, 0, 0), "l_knee": (1.0, 4, 0), "l_ankle": (1.0, 4, 3), "r_hip": (-1.0, 0, 0), "r_knee": (-1.0, 4, 0)}
    place |= {"r_ankle": (-1.0, 4, 3), "spine": (0.0, -2, 0), "thorax": (0.0, -4, 0), "neck_nose": (0.0, -5, -1), "head_top": (0.0, -6, 0)}
    place |= {"l_shoulder": (2.0, -4, 0), "l_elbow": (2.0, -1, 0), "l_wrist": (2.0, 1, 0)}
    place |= {"r_shoulder": (-2.0, -4, 0), "r_elbow": (-2.0, -1, 0), "r_wrist": (-2.0, 1, 0)}
    pose = torch.tensor([place[joint] for joint in H36M.joints])[None]
    chain = kinematic_chain(pose, STARTS, ENDS)[0]
    bone = {H36M.joints[child]: number for number, (_, child) in enumerate(H36M.bones)}

    def product(one, other):
        return float(chain[bone[one], bone[other]])

    lengths = {"l_hip": 1, "r_hip": 1, "l_knee": 4, "r_knee": 4, "l_ankle": 3, "spine": 2, "thorax": 2, "l_shoulder": 2, "l_elbow": 3}
    assert {name: product(name, name) for name in lengths} == {name: length**2 for name, length in lengths.items()}
    assert product("l_hip", "r_hip") == -1.0, "hips point away from each other"
    assert product("l_knee", "r_knee") == 16.0, "thighs point the same way"
    assert product("l_knee", "spine") == -8.0, "one goes down, the other up"
    assert product("l_knee", "l_ankle") == 0.0, "a knee bent at a right angle"
    assert product("spine", "neck_nose") == 2.0
    assert product("l_elbow", "l_shoulder") == 0.0
    assert product("l_elbow", "r_elbow") == 9.0


@settings(deadline=None)
@given(seeds)
def test_the_chain_space_is_symmetric_positive_and_blind_to_rotation_and_place(seed):
    pose = poses(seed)
    chain = kinematic_chain(pose, STARTS, ENDS)
    torch.testing.assert_close(chain, chain.transpose(1, 2))
    assert float(torch.linalg.eigvalsh(chain).min()) > -1e-9
    moved = pose @ rotations(seed, len(pose)).transpose(1, 2) + 3.0
    torch.testing.assert_close(kinematic_chain(moved, STARTS, ENDS), chain, rtol=1e-9, atol=1e-9)
    lengths = (pose[:, ENDS] - pose[:, STARTS]).norm(dim=-1)
    torch.testing.assert_close(chain.diagonal(dim1=1, dim2=2), lengths.square())


@settings(deadline=None)
@given(seeds, st.floats(0.01, 100.0))
def test_a_scaled_rotation_has_no_defect_and_is_found_again(seed, scale):
    rotation = rotations(seed, 4)
    camera = scale * rotation[:, :2]
    for norm in ("frobenius", "entries"):
        torch.testing.assert_close(camera_defect(camera, norm), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-7)
    told = aim(camera)
    torch.testing.assert_close(told.rotation, rotation, rtol=0, atol=1e-6)
    torch.testing.assert_close(told.scale, torch.full((4, 1, 1), scale, dtype=torch.float64), rtol=1e-6, atol=0)


@settings(deadline=None)
@given(seeds)
def test_any_camera_is_brought_to_the_nearest_rotation(seed):
    camera = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    left, values, right = torch.linalg.svd(camera, full_matrices=False)
    told = aim(camera)
    sound = values[:, 1] > 1e-3  # below, the nearest rotation is hardly unique
    torch.testing.assert_close(told.rotation[sound, :2], (left @ right)[sound], rtol=0, atol=1e-6)
    torch.testing.assert_close(told.scale[sound, 0, 0], values.mean(dim=1)[sound], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(torch.linalg.det(told.rotation[sound]), torch.ones(int(sound.sum()), dtype=torch.float64), rtol=0, atol=1e-6)


def test_the_defect_of_a_sheared_camera_is_as_computed_by_hand():
    camera = torch.tensor([[[2.0, 0, 0], [0, 1, 0]]])  # 2 / 5 * diag(4, 1) - I = diag(0.6, -0.6)
    assert float(camera_defect(camera, "frobenius")) == pytest.approx(0.6 * 2**0.5)
    assert float(camera_defect(camera, "entries")) == pytest.approx(1.2)


@pytest.mark.parametrize("camera", [torch.zeros(1, 2, 3), torch.tensor([[[1.0, 0, 0], [2.0, 0, 0]]])])
def test_a_camera_without_a_rotation_gives_finite_numbers_and_gradients(camera):
    camera = camera.requires_grad_()
    told = aim(camera)
    assert torch.isfinite(told.rotation).all()
    (camera_defect(camera, "frobenius") + camera_defect(camera, "entries")).sum().backward()
    assert torch.isfinite(camera.grad).all()


@settings(deadline=None)
@given(seeds, st.floats(0.1, 10.0))
def test_on_weak_perspective_data_the_camera_frame_is_exact(seed, scale):
    """Seen by weak-perspective cameras, a canonical pose and the least-squares camera give the pose in the camera frame back."""
    canonical, rotation = poses(seed), rotations(seed, 5)
    truth = canonical @ rotation.transpose(1, 2)
    image, spread = normalise(scale * truth[..., :2] + 7.0)
    camera = fitted_camera(canonical, image)
    torch.testing.assert_close(reproject(camera, canonical), image, rtol=0, atol=1e-9)
    told = aim(camera)
    torch.testing.assert_close(canonical @ told.rotation.transpose(1, 2), truth, rtol=0, atol=1e-7)
    torch.testing.assert_close((told.scale * spread)[:, 0, 0], torch.full((5,), scale, dtype=torch.float64), rtol=1e-7, atol=0)


@settings(deadline=None)
@given(seeds)
def test_normalised_images_have_neither_place_nor_size(seed):
    image = poses(seed)[..., :2]
    flat, spread = normalise(image)
    torch.testing.assert_close(flat.mean(dim=1), torch.zeros(5, 2, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(flat.square().mean(dim=(1, 2)), torch.ones(5, dtype=torch.float64))
    moved = normalise(3.0 * image + 5.0)
    torch.testing.assert_close(moved.image, flat)
    torch.testing.assert_close(moved.spread, 3.0 * spread)


def test_on_perspective_data_the_fitted_camera_leaves_the_affine_residual(walker):
    """On a real lens no weak-perspective camera is exact: what the layer leaves is the least-squares affine residual, no more."""
    pose = walker(40, seed=3, camera=1)
    centred = pose - pose.mean(axis=1, keepdims=True)
    flat, _ = normalise(torch.from_numpy(pose[..., :2] / pose[..., 2:]))
    camera = fitted_camera(torch.from_numpy(centred), flat)
    left = (reproject(camera, torch.from_numpy(centred)) - flat).numpy()
    for frame in range(0, 40, 7):
        design = centred[frame]
        expected = design @ np.linalg.lstsq(design, flat[frame].numpy(), rcond=None)[0] - flat[frame].numpy()
        np.testing.assert_allclose(left[frame], expected, atol=1e-9)
    assert 1e-3 < np.sqrt((left**2).sum(axis=-1)).mean() < 0.1
