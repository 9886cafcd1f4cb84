"""Simulated cameras and 2D noise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from posebench.data.simulation import CAMERAS, simulated_keypoints, static_camera


def test_the_four_cameras_stand_on_a_circle_and_look_at_its_middle():
    rng = np.random.default_rng(0)
    pelvis = rng.normal([700.0, 900.0, -300.0], 400.0, (50, 3))
    middle = pelvis[:, [0, 2]].mean(axis=0)
    radius = 5000 + np.linalg.norm(pelvis[:, [0, 2]] - middle, axis=1).max()
    for name, (x, z) in zip(CAMERAS, [(1, 1), (1, -1), (-1, -1), (-1, 1)], strict=True):
        camera = static_camera(pelvis, name)
        np.testing.assert_allclose(camera.position[[0, 2]], middle + radius * np.sqrt(0.5) * np.array([x, z]), atol=1e-9)
        assert camera.position[1] == 1550
        target = camera.to_camera([middle[0], 900.0, middle[1]])
        np.testing.assert_allclose(target, [0, 0, np.hypot(radius, 650)], atol=1e-9)
        np.testing.assert_allclose(camera.project(target), [500, 500], atol=1e-9)
        above = camera.project(camera.to_camera([middle[0], 1900.0, middle[1]]))
        assert above[1] < 400
        assert above[0] == pytest.approx(500)
        np.testing.assert_allclose(camera.rotation @ camera.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_noise_follows_its_written_recipe_and_is_unbiased():
    pose = np.tile([0.0, 0.0, 5000.0], (500, 17, 1))
    camera = static_camera(np.zeros((2, 3)), "c0")
    words = [int.from_bytes(hashlib.sha256(b"S1/t/c0\0gauss5").digest()[k : k + 4], "little") for k in range(0, 32, 4)]
    expected = 500 + 5 * np.random.RandomState(words).standard_normal(500 * 17 * 2).reshape(500, 17, 2)
    np.testing.assert_allclose(simulated_keypoints(camera, pose, "S1/t/c0", "gauss5"), expected, rtol=0, atol=1e-9)
    # A value that must never move: the stream is part of the benchmark.
    assert expected[0, 0, 0] == pytest.approx(498.70006568343706, abs=1e-9)
    for source, sigma in (("gt", 0.0), ("gauss5", 5.0), ("gauss10", 10.0), ("gauss20", 20.0)):
        noise = simulated_keypoints(camera, pose, "S1/t/c0", source) - 500
        assert noise.std() == pytest.approx(sigma, rel=0.02, abs=1e-9)
        assert np.abs(noise.mean(axis=(0, 1))).max() <= 4 * sigma / np.sqrt(500 * 17) + 1e-9
        assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.05 if sigma else True
