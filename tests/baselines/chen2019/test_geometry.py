"""Points on rays and views of the root, on bodies whose truth is known."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.baselines.chen2019.geometry import on_rays
from posebench.networks.views import NEAREST, about_x, about_y, level_turn, look_at_root, project_at_distance, root_relative_view, rotate

DISTANCE = 8.0


@pytest.fixture
def bodies():
    """Poses (N, 17, 3) around the root, in units of about the length from root to head."""
    random = torch.Generator().manual_seed(0)
    body = 0.5 * torch.randn(64, 17, 3, generator=random, dtype=torch.float64)
    return body - body[:, :1]


def test_a_true_pose_is_put_back_on_its_rays_exactly(bodies):
    down = torch.full((len(bodies),), 0.2, dtype=torch.float64)
    points = rotate(about_x(down), bodies)
    torch.testing.assert_close(on_rays(project_at_distance(points, DISTANCE), bodies[..., 2], down, DISTANCE), points)


@pytest.mark.parametrize("distance", [4.0, 8.0, 40.0])
def test_under_level_cameras_only_perspective_separates_a_pose_from_its_depth_flip(bodies, distance):
    """The depth flip, rotated the other way, has the same view up to the perspective of its depth."""
    azimuth = torch.full((len(bodies),), 0.7, dtype=torch.float64)
    flipped = bodies * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    true_view = project_at_distance(rotate(about_y(azimuth), bodies), distance)
    flip_view = project_at_distance(rotate(about_y(-azimuth), flipped), distance)
    difference = float((true_view - flip_view).abs().max()) * distance
    depth = float(bodies.norm(dim=-1).max())
    assert 0 < difference < 2.5 * depth**2 / (distance - depth)


def test_without_perspective_only_cameras_that_look_down_separate_a_pose_from_its_depth_flip(bodies):
    azimuth = torch.full((len(bodies),), 0.7, dtype=torch.float64)
    flipped = bodies * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)

    def orthographic(body, angle, down):
        return rotate(about_x(torch.full_like(angle, down)) @ about_y(angle), body)[..., :2]

    level = (orthographic(bodies, azimuth, 0.0) - orthographic(flipped, -azimuth, 0.0)).abs().max()
    tilted = (orthographic(bodies, azimuth, 0.1) - orthographic(flipped, -azimuth, 0.1)).abs().max()
    assert float(level) < 1e-12
    assert float(tilted) > 0.05


def test_rotations_are_about_the_vertical_of_a_camera_that_looks_down():
    down, azimuth = torch.tensor([0.15], dtype=torch.float64), torch.tensor([1.1], dtype=torch.float64)
    vertical = about_x(down) @ torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    turned = level_turn(down, azimuth, down) @ vertical[..., None]
    torch.testing.assert_close(turned[..., 0], vertical)


def test_no_point_is_nearer_to_the_camera_than_the_smallest_depth():
    image = torch.zeros(1, 3, 2, dtype=torch.float64)
    behind = torch.tensor([[-100.0, 0.0, 5.0]], dtype=torch.float64)
    points = on_rays(image, behind, torch.zeros(1, dtype=torch.float64), DISTANCE)
    assert (points[0, :, 2] + DISTANCE).tolist() == [NEAREST, DISTANCE, DISTANCE + 5.0]
    assert torch.isfinite(project_at_distance(torch.tensor([[[1.0, 1.0, -DISTANCE]]]), DISTANCE)).all()


def test_the_camera_that_looks_at_the_root_is_in_the_same_place_and_has_no_roll(bodies):
    """A body off the axis of a tilted camera."""
    tilt = np.deg2rad(6.0)
    at = torch.tensor([1.5, 0.4, 9.0], dtype=torch.float64)
    camera_points = rotate(about_x(torch.tensor([tilt], dtype=torch.float64)), bodies + at)
    keypoints = camera_points[..., :2] / camera_points[..., 2:]
    seen = look_at_root(keypoints, 0, 6.0)
    torch.testing.assert_close(seen.image[:, 0], torch.zeros_like(seen.image[:, 0]), atol=1e-12, rtol=0)
    turned = rotate(seen.rotation, camera_points)
    torch.testing.assert_close(turned[..., :2] / turned[..., 2:], seen.image)
    # No roll: the vertical is in the plane of the image's middle column. The root is lower than the camera, so it looks down.
    up = seen.rotation @ about_x(torch.tensor(tilt, dtype=torch.float64)) @ torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(up[..., 0], torch.zeros_like(up[..., 0]), atol=1e-12, rtol=0)
    assert float(seen.down[0]) == pytest.approx(float(np.arctan2(0.4, np.hypot(1.5, 9.0))))


def test_the_view_of_the_paper_is_the_image_relative_to_the_root(bodies):
    keypoints = bodies[..., :2] + 3.0
    seen = root_relative_view(keypoints, 0)
    torch.testing.assert_close(seen.image, bodies[..., :2])
    assert float(seen.down.abs().max()) == 0.0
    torch.testing.assert_close(seen.rotation[3], torch.eye(3, dtype=torch.float64))
