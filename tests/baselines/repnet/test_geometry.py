"""The KCS matrix, reprojection, the camera loss, and the rotation of a weak-perspective camera."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posebench.base.skeletons import skeleton
from posebench.baselines.repnet.geometry import kcs_matrix, normalise, reproject, weak_perspective_to_rotation
from posebench.baselines.repnet.losses import camera_orthogonality_loss

H36M = skeleton("h36m17")
STARTS, ENDS = (torch.tensor(side) for side in zip(*H36M.bones, strict=True))
seeds = st.integers(0, 2**32 - 1)


def rotations(seed, count):
    return torch.from_numpy(Rotation.random(count, random_state=seed).as_matrix())


def fitted_camera(points, image):
    """The camera (B, 2, 3) whose reprojection of poses (B, J, 3) is nearest to images (B, J, 2), least squares; both centred."""
    return torch.linalg.lstsq(points, image).solution.transpose(1, 2)


def poses(seed, count=5):
    points = torch.randn(count, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return points - points.mean(dim=1, keepdim=True)


def test_the_kcs_matrix_of_a_simple_skeleton_has_the_products_computed_by_hand():
    """A person who stands upright, arms hanging: inner products of bones are easy to compute by hand, signs included."""
    place = dict.fromkeys(H36M.joints, (0.0, 0.0, 0.0))
    place |= {"l_hip": (1.0, 0, 0), "l_knee": (1.0, 4, 0), "l_ankle": (1.0, 4, 3), "r_hip": (-1.0, 0, 0), "r_knee": (-1.0, 4, 0)}
    place |= {"r_ankle": (-1.0, 4, 3), "spine": (0.0, -2, 0), "thorax": (0.0, -4, 0), "neck_nose": (0.0, -5, -1), "head_top": (0.0, -6, 0)}
    place |= {"l_shoulder": (2.0, -4, 0), "l_elbow": (2.0, -1, 0), "l_wrist": (2.0, 1, 0)}
    place |= {"r_shoulder": (-2.0, -4, 0), "r_elbow": (-2.0, -1, 0), "r_wrist": (-2.0, 1, 0)}
    pose = torch.tensor([place[joint] for joint in H36M.joints])[None]
    matrix = kcs_matrix(pose, STARTS, ENDS)[0]
    bone = {H36M.joints[child]: number for number, (_, child) in enumerate(H36M.bones)}

    def product(one, other):
        return float(matrix[bone[one], bone[other]])

    lengths = {"l_hip": 1, "r_hip": 1, "l_knee": 4, "r_knee": 4, "l_ankle": 3, "spine": 2, "thorax": 2, "l_shoulder": 2, "l_elbow": 3}
    assert {name: product(name, name) for name in lengths} == {name: length**2 for name, length in lengths.items()}
    assert product("l_hip", "r_hip") == -1.0, "hips point away from each other"
    assert product("l_knee", "r_knee") == 16.0, "thighs point the same way"
    assert product("l_knee", "spine") == -8.0, "one goes down, the other up"
    assert product("l_knee", "l_ankle") == 0.0, "a knee bent at a right angle"
    assert product("spine", "neck_nose") == 2.0
    assert product("l_elbow", "l_shoulder") == 0.0
    assert product("l_elbow", "r_elbow") == 9.0


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_kcs_matrix_is_symmetric_positive_and_independent_of_rotation_and_position(seed):
    pose = poses(seed)
    matrix = kcs_matrix(pose, STARTS, ENDS)
    torch.testing.assert_close(matrix, matrix.transpose(1, 2))
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-9
    moved = pose @ rotations(seed, len(pose)).transpose(1, 2) + 3.0
    torch.testing.assert_close(kcs_matrix(moved, STARTS, ENDS), matrix, rtol=1e-9, atol=1e-9)
    lengths = (pose[:, ENDS] - pose[:, STARTS]).norm(dim=-1)
    torch.testing.assert_close(matrix.diagonal(dim1=1, dim2=2), lengths.square())


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0.01, 100.0))
def test_a_scaled_rotation_has_no_camera_loss_and_is_recovered(seed, scale):
    rotation = rotations(seed, 4)
    camera = scale * rotation[:, :2]
    for norm in ("frobenius", "entries"):
        torch.testing.assert_close(camera_orthogonality_loss(camera, norm), torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-7)
    found = weak_perspective_to_rotation(camera)
    torch.testing.assert_close(found.rotation, rotation, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.scale, torch.full((4, 1, 1), scale, dtype=torch.float64), rtol=1e-6, atol=0)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_any_camera_gives_its_nearest_rotation(seed):
    camera = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    left, values, right = torch.linalg.svd(camera, full_matrices=False)
    found = weak_perspective_to_rotation(camera)
    unique = values[:, 1] > 1e-3  # below, the nearest rotation is nearly ambiguous
    torch.testing.assert_close(found.rotation[unique, :2], (left @ right)[unique], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.scale[unique, 0, 0], values.mean(dim=1)[unique], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        torch.linalg.det(found.rotation[unique]), torch.ones(int(unique.sum()), dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_the_camera_loss_of_a_sheared_camera_is_as_computed_by_hand():
    camera = torch.tensor([[[2.0, 0, 0], [0, 1, 0]]])  # 2 / 5 * diag(4, 1) - I = diag(0.6, -0.6)
    assert float(camera_orthogonality_loss(camera, "frobenius")) == pytest.approx(0.6 * 2**0.5)
    assert float(camera_orthogonality_loss(camera, "entries")) == pytest.approx(1.2)


@pytest.mark.parametrize("camera", [torch.zeros(1, 2, 3), torch.tensor([[[1.0, 0, 0], [2.0, 0, 0]]])])
def test_a_camera_without_a_rotation_gives_finite_numbers_and_gradients(camera):
    camera = camera.requires_grad_()
    found = weak_perspective_to_rotation(camera)
    assert torch.isfinite(found.rotation).all()
    (camera_orthogonality_loss(camera, "frobenius") + camera_orthogonality_loss(camera, "entries")).sum().backward()
    assert torch.isfinite(camera.grad).all()


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0.1, 10.0))
def test_under_a_weak_perspective_camera_the_pose_in_the_camera_frame_is_recovered_exactly(seed, scale):
    """From a canonical pose and the camera that fits its image best."""
    canonical, rotation = poses(seed), rotations(seed, 5)
    truth = canonical @ rotation.transpose(1, 2)
    image, spread = normalise(scale * truth[..., :2] + 7.0)
    camera = fitted_camera(canonical, image)
    torch.testing.assert_close(reproject(camera, canonical), image, rtol=0, atol=1e-9)
    found = weak_perspective_to_rotation(camera)
    torch.testing.assert_close(canonical @ found.rotation.transpose(1, 2), truth, rtol=0, atol=1e-7)
    torch.testing.assert_close((found.scale * spread)[:, 0, 0], torch.full((5,), scale, dtype=torch.float64), rtol=1e-7, atol=0)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_normalised_images_do_not_depend_on_position_and_size(seed):
    image = poses(seed)[..., :2]
    normalised, spread = normalise(image)
    torch.testing.assert_close(normalised.mean(dim=1), torch.zeros(5, 2, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(normalised.square().mean(dim=(1, 2)), torch.ones(5, dtype=torch.float64))
    moved = normalise(3.0 * image + 5.0)
    torch.testing.assert_close(moved.image, normalised)
    torch.testing.assert_close(moved.spread, 3.0 * spread)
