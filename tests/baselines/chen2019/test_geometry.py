"""The cycle's geometry, on poses whose truth is known."""

import numpy as np
import pytest
import torch

from posebench.baselines.chen2019.geometry import on_rays
from posebench.baselines.chen2019.losses import consistency
from posebench.networks.views import NEAREST, about_x, about_y, level_turn, look_at_root, project_at_distance, root_relative_view, rotate

DISTANCE = 8.0


@pytest.fixture
def bodies():
    """Poses (N, 17, 3) around the root, in units of about the length from root to head."""
    random = torch.Generator().manual_seed(0)
    body = 0.5 * torch.randn(64, 17, 3, generator=random, dtype=torch.float64)
    return body - body[:, :1]


def seen_from(body, azimuth, down):
    """Bodies of the level frame as a camera sees them that looks at the root and down by ``down``: points and image."""
    points = rotate(about_x(down) @ about_y(azimuth), body)
    return points, project_at_distance(points, DISTANCE)


def behind_of(points, down):
    """The horizontal distance behind the root: what a perfect lifter tells."""
    return rotate(about_x(-down), points)[..., 2]


def cycle(lift, image, down, rotation, new_down):
    """Both self-consistency terms of a lifter ``lift(image, down) -> points``."""
    points = lift(image, down)
    turned = rotate(rotation, points)
    again = lift(project_at_distance(turned, DISTANCE), new_down)
    return consistency(turned, again), consistency(image, project_at_distance(rotate(rotation.transpose(-1, -2), again), DISTANCE))


def oracle(bodies, *, flip=False):
    """A lifter that knows which body it sees: it looks the true one up by its image, from any side, and may flip its depth."""
    count = len(bodies)
    azimuths = torch.linspace(0, 2 * torch.pi, 5, dtype=torch.float64)[:4]

    def lift(image, down):
        best, points = torch.full((count,), torch.inf, dtype=torch.float64), torch.zeros_like(bodies)
        for azimuth in azimuths:
            true, flat = seen_from(bodies, azimuth.expand(count), down)
            error = (flat - image).abs().amax(dim=(1, 2))
            points = torch.where((error < best)[:, None, None], true, points)
            best = torch.minimum(best, error)
        sign = -1.0 if flip else 1.0
        return on_rays(image, sign * behind_of(points, down), down, DISTANCE)

    return lift


def setting(bodies, down=0.1):
    count = len(bodies)
    downs = torch.full((count,), down, dtype=torch.float64)
    _, image = seen_from(bodies, torch.zeros(count, dtype=torch.float64), downs)
    quarter = torch.full((count,), torch.pi / 2, dtype=torch.float64)
    return image, downs, level_turn(downs, quarter, downs), downs


def test_a_lifter_that_knows_the_truth_has_no_cycle_loss(bodies):
    in_3d, in_2d = cycle(oracle(bodies), *setting(bodies))
    assert float(in_3d) < 1e-20
    assert float(in_2d) < 1e-20


def test_a_true_pose_is_put_back_on_its_rays_exactly(bodies):
    down = torch.full((len(bodies),), 0.2, dtype=torch.float64)
    points, image = seen_from(bodies, torch.zeros_like(down), down)
    torch.testing.assert_close(on_rays(image, behind_of(points, down), down, DISTANCE), points)


@pytest.mark.parametrize("distance", [4.0, 8.0, 40.0])
def test_a_depth_flip_is_caught_by_perspective_alone_and_less_so_from_afar(bodies, distance):
    """Level cameras: the flipped truth, turned the other way, is seen alike up to the perspective of its depth."""
    azimuth = torch.full((len(bodies),), 0.7, dtype=torch.float64)
    flipped = bodies * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    true_view = project_at_distance(rotate(about_y(azimuth), bodies), distance)
    flip_view = project_at_distance(rotate(about_y(-azimuth), flipped), distance)
    gap = float((true_view - flip_view).abs().max()) * distance
    depth = float(bodies.norm(dim=-1).max())
    assert 0 < gap < 2.5 * depth**2 / (distance - depth)


def test_without_perspective_a_level_camera_cannot_tell_a_flip_and_one_that_looks_down_can(bodies):
    azimuth = torch.full((len(bodies),), 0.7, dtype=torch.float64)
    flipped = bodies * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)

    def outline(body, angle, down):
        return rotate(about_x(torch.full_like(angle, down)) @ about_y(angle), body)[..., :2]

    level = (outline(bodies, azimuth, 0.0) - outline(flipped, -azimuth, 0.0)).abs().max()
    tilted = (outline(bodies, azimuth, 0.1) - outline(flipped, -azimuth, 0.1)).abs().max()
    assert float(level) < 1e-12
    assert float(tilted) > 0.05


def test_the_flipped_truth_pays_in_the_cycle_of_cameras_that_look_down(bodies):
    true, flipped = (cycle(oracle(bodies, flip=flip), *setting(bodies, down=0.1))[0] for flip in (False, True))
    assert float(flipped) > 1e4 * max(float(true), 1e-12)


def test_turns_are_about_the_vertical_of_a_camera_that_looks_down():
    down, azimuth = torch.tensor([0.15], dtype=torch.float64), torch.tensor([1.1], dtype=torch.float64)
    vertical = about_x(down) @ torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    turned = level_turn(down, azimuth, down) @ vertical[..., None]
    torch.testing.assert_close(turned[..., 0], vertical)


def test_nothing_comes_nearer_than_the_clamp():
    image = torch.zeros(1, 3, 2, dtype=torch.float64)
    behind = torch.tensor([[-100.0, 0.0, 5.0]], dtype=torch.float64)
    points = on_rays(image, behind, torch.zeros(1, dtype=torch.float64), DISTANCE)
    assert (points[0, :, 2] + DISTANCE).tolist() == [NEAREST, DISTANCE, DISTANCE + 5.0]
    assert torch.isfinite(project_at_distance(torch.tensor([[[1.0, 1.0, -DISTANCE]]]), DISTANCE)).all()


def test_the_camera_that_looks_at_the_root_has_it_in_the_middle_and_sees_the_same_body(bodies):
    """A body off the axis of a tilted camera: the turned camera's image is what a camera in the same place would take."""
    tilt = np.deg2rad(6.0)
    at = torch.tensor([1.5, 0.4, 9.0], dtype=torch.float64)
    camera_points = rotate(about_x(torch.tensor([tilt], dtype=torch.float64)), bodies + at)
    keypoints = camera_points[..., :2] / camera_points[..., 2:]
    seen = look_at_root(keypoints, 0, 6.0)
    torch.testing.assert_close(seen.image[:, 0], torch.zeros_like(seen.image[:, 0]), atol=1e-12, rtol=0)
    turned = rotate(seen.rotation, camera_points)
    torch.testing.assert_close(turned[..., :2] / turned[..., 2:], seen.image)
    # No roll: the vertical stays in the plane of the image's middle column; and it looks down at a root that is lower than the camera.
    up = seen.rotation @ about_x(torch.tensor(tilt, dtype=torch.float64)) @ torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(up[..., 0], torch.zeros_like(up[..., 0]), atol=1e-12, rtol=0)
    assert float(seen.down[0]) == pytest.approx(float(np.arctan2(0.4, np.hypot(1.5, 9.0))))


def test_the_papers_way_only_moves_the_image(bodies):
    keypoints = bodies[..., :2] + 3.0
    seen = root_relative_view(keypoints, 0)
    torch.testing.assert_close(seen.image, bodies[..., :2])
    assert float(seen.down.abs().max()) == 0.0
    torch.testing.assert_close(seen.rotation[3], torch.eye(3, dtype=torch.float64))
