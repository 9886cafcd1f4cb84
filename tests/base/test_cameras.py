"""Cameras and rotations: conventions that the golden cameras do not reach."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base import cameras as geometry
from posebench.base.cameras import (
    Camera,
    look_at,
    rotation_from_quaternion,
    rotation_from_vector,
    rotation_xyz,
    screen_coordinates,
    vector_from_rotation,
)

LENS = {"radial": np.array([-0.2, 0.24, -0.002]), "tangential": np.array([-0.0009, -0.0014])}


def camera(**lens):
    rng = np.random.default_rng(0)
    rotation = rotation_from_quaternion(rng.normal(size=4))
    return Camera(rotation, rng.normal(size=3) * 3000.0, np.array([1145.0, 1143.0]), np.array([512.0, 515.0]), (1000, 1002), **lens)


def points(n=50):
    rng = np.random.default_rng(1)
    return rng.uniform([-1500.0, -1500.0, 3000.0], [1500.0, 1500.0, 6000.0], size=(n, 3))


def test_x_is_right_y_is_down_and_z_is_forward():
    one = Camera(np.eye(3), np.zeros(3), np.array([1000.0, 1000.0]), np.array([500.0, 500.0]), (1000, 1000))
    (centre, right, down) = one.project([[0.0, 0.0, 2000.0], [100.0, 0.0, 2000.0], [0.0, 100.0, 2000.0]])
    assert centre.tolist() == [500.0, 500.0]
    assert right.tolist() == [550.0, 500.0]
    assert down.tolist() == [500.0, 550.0]


def test_the_camera_lies_at_the_origin_of_its_own_frame():
    one = camera()
    np.testing.assert_allclose(one.to_camera(one.position), 0.0, atol=1e-9)


def test_to_world_undoes_to_camera():
    one = camera()
    world = one.to_world(points())
    assert np.abs(world - points()).max() > 100.0
    np.testing.assert_allclose(one.to_camera(world), points(), rtol=0, atol=1e-9)


def test_back_projection_undoes_projection_without_distortion():
    one = camera()
    np.testing.assert_allclose(one.back_project(one.project(points()), points()[:, 2]), points(), rtol=0, atol=1e-8)


def test_back_projection_through_a_distorted_lens_is_refused():
    for name, value in LENS.items():
        with pytest.raises(ValueError, match="distortion"):
            camera(**{name: value}).back_project(np.zeros((1, 2)), np.ones(1))


def test_tangential_distortion_follows_opencv_order():
    """p1 goes with y in the factor and with the second pixel coordinate: on the x axis p2 alone enters the factor."""
    one = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (2, 2), tangential=np.array([0.01, 0.1]))
    x = 0.5
    np.testing.assert_allclose(one.project([[x, 0.0, 1.0]]), [[x * (1 + 0.1 * x) + 0.1 * x**2, 0.01 * x**2]], rtol=1e-12)
    np.testing.assert_allclose(one.project([[0.0, x, 1.0]]), [[0.1 * x**2, x * (1 + 0.01 * x) + 0.01 * x**2]], rtol=1e-12)


def test_radial_distortion_is_a_polynomial_in_the_squared_radius():
    k = np.array([0.1, 0.01, 0.001])
    one = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (2, 2), radial=k)
    r2 = 0.3**2 + 0.4**2
    factor = 1 + k[0] * r2 + k[1] * r2**2 + k[2] * r2**3
    np.testing.assert_allclose(one.project([[0.6, 0.8, 2.0]]), [[0.3 * factor, 0.4 * factor]], rtol=1e-12)


def test_clamping_acts_beyond_45_degrees_only():
    one = camera(**LENS)
    inside, outside = points(), [[5000.0, 0.0, 1000.0]]
    np.testing.assert_array_equal(one.project(inside, clamp=True), one.project(inside))
    np.testing.assert_array_equal(one.project(outside, clamp=True), one.project([[1000.0, 0.0, 1000.0]]))
    assert not np.allclose(one.project(outside), one.project(outside, clamp=True))


@pytest.mark.parametrize("lens", [{}, LENS])
def test_a_point_in_the_plane_of_the_camera_has_no_finite_pixel_and_harms_no_other(lens):
    pixels = camera(**lens).project([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert not np.isfinite(pixels[:2]).any()
    assert pixels[2].tolist() == [512.0, 515.0]


def test_any_leading_shape_is_projected():
    one = camera(**LENS)
    stack = points(60).reshape(3, 20, 3)
    np.testing.assert_array_equal(one.project(stack).reshape(60, 2), one.project(points(60)))


@given(st.lists(st.floats(-10.0, 10.0), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 1e-3), st.floats(0.1, 10.0))
@settings(max_examples=50, deadline=None)
def test_a_quaternion_gives_a_proper_rotation_whatever_its_length_and_sign(q, factor):
    rotation = rotation_from_quaternion(q)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation_from_quaternion(-factor * np.array(q)), rotation, atol=1e-12)


def test_a_quaternion_turns_by_twice_its_half_angle():
    quarter_about_z = [np.cos(np.pi / 4), 0.0, 0.0, np.sin(np.pi / 4)]
    np.testing.assert_allclose(rotation_from_quaternion(quarter_about_z) @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)


def test_acclaim_angles_turn_about_x_then_y_then_z():
    a, b, c = 20.0, -50.0, 70.0
    x, y, z = rotation_xyz([a, 0, 0]), rotation_xyz([0, b, 0]), rotation_xyz([0, 0, c])
    np.testing.assert_allclose(rotation_xyz([a, b, c]), z @ y @ x, atol=1e-12)
    np.testing.assert_allclose(rotation_xyz([90.0, 0.0, 0.0]) @ [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(rotation_xyz([0.0, 90.0, 0.0]) @ [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], atol=1e-12)


def test_a_camera_sees_what_it_looks_at_in_the_middle_and_up_is_up():
    position, target, up = np.array([3000.0, 1200.0, 400.0]), np.array([0.0, 900.0, 0.0]), np.array([0.0, 1.0, 0.0])
    rotation = look_at(position, target, up)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    one = Camera(rotation, position, np.array([1000.0, 1000.0]), np.array([500.0, 500.0]), (1000, 1000))
    np.testing.assert_allclose(one.to_camera(target), [0.0, 0.0, np.linalg.norm(target - position)], atol=1e-9)
    ((x, y),) = one.project(one.to_camera([target + 100.0 * up]))
    assert x == pytest.approx(500.0)
    assert y < 500.0
    with pytest.raises(ValueError, match="parallel"):
        look_at(position, position + up, up)


def test_screen_coordinates_keep_the_aspect():
    corners = screen_coordinates([[0.0, 0.0], [1000.0, 1002.0], [500.0, 501.0]], (1000, 1002))
    np.testing.assert_allclose(corners, [[-1.0, -1.002], [1.0, 1.002], [0.0, 0.0]], atol=1e-12)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(geometry)
    assert result.failed == 0
    assert result.attempted > 0


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 3), st.floats(0.0, 3.1415))
def test_a_rotation_has_the_vector_that_gives_it(axis, angle):
    length = float(np.linalg.norm(axis))
    vector = np.array(axis) / length * angle if length > 1e-3 else np.zeros(3)
    rotation = rotation_from_vector(vector)
    assert np.abs(rotation_from_vector(vector_from_rotation(rotation)) - rotation).max() < 1e-7
