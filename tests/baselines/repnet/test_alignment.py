"""Alignment of the 3D pool to its template."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

pytest.importorskip("torch", reason="the package of the baseline imports PyTorch")

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.repnet.alignment import TORSO, align, template, torso_joints

H36M = skeleton("h36m17")
DOWN = np.array([0.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def people(walker):
    """Poses of four takes, each by another camera."""
    return np.concatenate([walker(30, seed=take, camera=take) for take in range(4)])


def centred(poses):
    return poses - poses.mean(axis=1, keepdims=True)


def test_the_template_faces_the_camera_upright_and_is_its_own_mirror_image(people):
    torso = dict(zip(TORSO, template(people, H36M), strict=True))
    assert torso["l_shoulder"][0] > 50.0 > -50.0 > torso["r_shoulder"][0], (
        "a person who faces the viewer has the left side on the viewer's right"
    )
    assert torso["l_hip"][1] > 100.0 > -100.0 > torso["l_shoulder"][1], "y points down"
    for joint in ("hip", "shoulder"):
        np.testing.assert_allclose(torso[f"l_{joint}"] * [-1, 1, 1], torso[f"r_{joint}"], atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_alignment_undoes_any_rotation_and_keeps_every_length(people, seed):
    to = template(people, H36M)
    aligned = align(people, H36M, to)
    turned = np.einsum("nij,nkj->nki", Rotation.random(len(people), random_state=seed).as_matrix(), people) + 500.0
    np.testing.assert_allclose(align(turned, H36M, to), aligned, atol=1e-6)
    lengths = np.linalg.norm(people[:, :, None] - people[:, None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(aligned[:, :, None] - aligned[:, None], axis=-1), lengths, atol=1e-6)
    np.testing.assert_allclose(aligned.mean(axis=1), 0.0, atol=1e-9)


def test_no_further_rotation_brings_the_torso_nearer_to_its_template(people):
    to = template(people, H36M)
    torso = align(people, H36M, to)[:, torso_joints(H36M)]
    torso = torso - torso.mean(axis=1, keepdims=True)
    best = ((torso - to) ** 2).sum(axis=(1, 2))
    for axis in np.eye(3):
        for degrees in (-2.0, 2.0):
            turned = torso @ Rotation.from_rotvec(degrees * axis, degrees=True).as_matrix().T
            assert (((turned - to) ** 2).sum(axis=(1, 2)) >= best - 1e-6).all()


def test_the_mirror_image_of_an_aligned_pose_is_aligned(people):
    to = template(people, H36M)
    mirrored = people[:, list(H36M.mirror)] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(align(mirrored, H36M, to), align(people, H36M, to)[:, list(H36M.mirror)] * [-1.0, 1.0, 1.0], atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_yaw_alignment_keeps_the_lean_of_the_body(people, seed):
    """Rotating a pose together with its up direction changes nothing; heights are kept, and the body faces as the template does."""
    to = template(people, H36M)
    up = np.tile(-DOWN, (len(people), 1))
    aligned = align(people, H36M, to, how="yaw", up=up)
    np.testing.assert_allclose(aligned[..., 1], centred(people)[..., 1], atol=1e-6)
    turn = Rotation.random(len(people), random_state=seed).as_matrix()
    turned = np.einsum("nij,nkj->nki", turn, people)
    np.testing.assert_allclose(align(turned, H36M, to, how="yaw", up=np.einsum("nij,nj->ni", turn, up)), aligned, atol=1e-6)
    torso = aligned[:, torso_joints(H36M)]
    across = (torso[:, 0] - torso[:, 1]) + (torso[:, 2] - torso[:, 3])
    assert (across[:, 0] > np.abs(across[:, 2])).all()


def test_yaw_alignment_without_an_up_direction_is_refused(people):
    up = np.full((len(people), 3), np.nan)
    with pytest.raises(PosebenchError, match="whose upward direction is not known"):
        align(people, H36M, template(people, H36M), how="yaw", up=up)


def test_a_skeleton_without_shoulders_is_refused():
    bare = type(H36M)("legs", ("pelvis", "l_hip", "r_hip"), (-1, 0, 0), "pelvis")
    with pytest.raises(PosebenchError, match="l_shoulder"):
        torso_joints(bare)
