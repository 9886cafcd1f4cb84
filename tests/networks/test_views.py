"""Cameras that can be differentiated, against the library's own geometry."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from posebench.base.cameras import Camera, rotation_xyz
from posebench.networks.views import ViewRange, about_x, about_y, about_z, project, rotate, unproject

UNIT = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
numbers = st.floats(-5.0, 5.0)


def points(*shape, seed=0):
    """Double precision, in front of the camera."""
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal([0.0, 0.0, 6.0], 1.0, size=(*shape, 3)))


def angles(rotation):
    """Azimuth, elevation and roll in degrees of rotations (..., 3, 3) that :class:`ViewRange` made, elevation within 90 degrees."""
    r = rotation.numpy()
    azimuth = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    return np.degrees([azimuth, np.arcsin(r[..., 2, 1]), np.arctan2(-r[..., 0, 1], r[..., 1, 1])])


def test_a_projection_is_that_of_a_camera_of_unit_focal_length():
    pose = points(4, 17)
    np.testing.assert_allclose(project(pose).numpy(), UNIT.project(pose.numpy()), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(x=numbers, y=numbers, z=st.floats(0.1, 10.0))
def test_what_is_unprojected_at_its_own_depth_is_where_it_was(x, y, z):
    point = torch.tensor([x, y, z], dtype=torch.float64)
    torch.testing.assert_close(unproject(project(point), point[..., 2]), point)
    torch.testing.assert_close(unproject(project(point), point[..., 2]), torch.from_numpy(UNIT.back_project([x / z, y / z], z)))


def test_depths_below_the_nearest_count_as_it_and_others_as_they_are():
    pose = torch.tensor([[2.0, 4.0, 0.5], [2.0, 4.0, -3.0], [2.0, 4.0, 0.0], [2.0, 4.0, 2.0]])
    assert project(pose, nearest=1.0).tolist() == [[2.0, 4.0], [2.0, 4.0], [2.0, 4.0], [1.0, 2.0]]
    assert project(pose).tolist()[1] == pytest.approx([2.0 / -3.0, 4.0 / -3.0])


def test_a_clamped_depth_gets_no_gradient_and_breaks_no_other():
    pose = torch.tensor([[2.0, 4.0, 0.0], [2.0, 4.0, 2.0]], requires_grad=True)
    project(pose, nearest=1.0).sum().backward()
    assert pose.grad.tolist() == [[1.0, 1.0, 0.0], [0.5, 0.5, -1.5]]


@pytest.mark.parametrize(("axis", "about"), [(0, about_x), (1, about_y), (2, about_z)])
def test_a_rotation_is_the_one_of_the_librarys_geometry(axis, about):
    degrees = np.linspace(-200.0, 200.0, 12).reshape(3, 4)
    wanted = rotation_xyz(degrees[..., None] * np.eye(3)[axis])
    np.testing.assert_allclose(about(torch.from_numpy(np.deg2rad(degrees))).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("about", "from_", "to"), [(about_x, 1, 2), (about_y, 2, 0), (about_z, 0, 1)])
def test_a_quarter_turn_goes_the_way_that_is_documented(about, from_, to):
    axes = torch.eye(3, dtype=torch.float64)
    turned = rotate(about(torch.tensor(np.pi / 2, dtype=torch.float64)), axes[from_ : from_ + 1])
    torch.testing.assert_close(turned, axes[to : to + 1])


def test_each_set_of_points_is_turned_by_its_own_rotation():
    pose, rotation = points(5, 17), ViewRange(roll=30.0).draw(5, points(1))
    one_by_one = torch.stack([torch.stack([r @ p for p in joints]) for r, joints in zip(rotation, pose, strict=True)])
    torch.testing.assert_close(rotate(rotation, pose), one_by_one)


def test_gradients_flow_through_turning_and_projecting_again():
    pose, angle = points(2, 3).requires_grad_(), torch.tensor([0.3, -0.7], dtype=torch.float64, requires_grad=True)

    def seen(pose, angle):
        lifted = unproject(project(pose), pose[..., 2] + 0.1)
        centre = torch.tensor([0.0, 0.0, 6.0], dtype=torch.float64)
        return project(rotate(about_x(angle) @ about_y(angle) @ about_z(angle), lifted - centre) + 2.0 * centre, nearest=0.1)

    assert torch.autograd.gradcheck(seen, (pose, angle))


@pytest.mark.parametrize(
    "view",
    [ViewRange(azimuth=150.0, elevation=(-20.0, 20.0)), ViewRange(azimuth=60.0, elevation=(5.0, 35.0), roll=15.0)],
)
def test_views_are_drawn_evenly_from_the_stated_ranges_and_from_nowhere_else(view):
    torch.manual_seed(0)
    rotation = view.draw(4000, points(1))
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand(4000, 3, 3))
    assert (torch.linalg.det(rotation) > 0).all()
    azimuth, elevation, roll = angles(rotation)
    for drawn, low, high in (
        (azimuth, -view.azimuth, view.azimuth),
        (elevation, *view.elevation),
        (roll, -view.roll, view.roll),
    ):
        assert low - 1e-9 <= drawn.min()
        assert drawn.max() <= high + 1e-9
        if high > low:
            assert kstest(drawn, "uniform", (low, high - low)).pvalue > 0.001
    # The three are drawn independently.
    assert abs(np.corrcoef(azimuth, elevation)[0, 1]) < 0.05


def test_a_range_of_nothing_leaves_the_pose_as_it_is():
    rotation = ViewRange(azimuth=0.0, elevation=(0.0, 0.0)).draw(3, points(1))
    torch.testing.assert_close(rotation, torch.eye(3, dtype=torch.float64).expand(3, 3, 3))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_views_come_from_the_global_generator_in_the_type_that_is_asked_for(kind):
    torch.manual_seed(1)
    one = ViewRange().draw(3, torch.zeros(1, dtype=kind))
    torch.manual_seed(1)
    again, other = (ViewRange().draw(3, torch.zeros(1, dtype=kind)) for _ in range(2))
    assert one.dtype == kind
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
