"""Bone lengths and their symmetry."""

import numpy as np

from posebench.base.skeletons import SKELETONS
from posebench.metrics import bone_length_error, bone_symmetry_error, root_relative

H36M17 = SKELETONS["h36m17"]


def test_bones_are_measured_from_parent_to_child(pair):
    pred, truth, _ = pair(n=3)
    expected = [
        [abs(np.linalg.norm(p[child] - p[parent]) - np.linalg.norm(g[child] - g[parent])) for parent, child in H36M17.bones]
        for p, g in zip(pred, truth, strict=True)
    ]
    np.testing.assert_allclose(bone_length_error(pred, truth, H36M17), expected, rtol=1e-12)


def test_a_symmetric_body_has_no_symmetry_error_and_a_longer_left_forearm_has_its_difference(pair):
    _, truth, _ = pair(n=3)
    body = root_relative(truth)
    for left, right in H36M17.pairs:
        body[:, right] = body[:, left] * [-1.0, 1.0, 1.0]
    for middle in ("pelvis", "spine", "thorax", "neck_nose", "head_top"):
        body[:, H36M17.index(middle), 0] = 0.0
    assert bone_symmetry_error(body, H36M17).shape == (3, 6)
    np.testing.assert_allclose(bone_symmetry_error(body, H36M17), 0.0, atol=1e-9)
    elbow, wrist = H36M17.index("l_elbow"), H36M17.index("l_wrist")
    forearm = body[:, wrist] - body[:, elbow]
    body[:, wrist] += forearm * (25.0 / np.linalg.norm(forearm, axis=-1, keepdims=True))
    np.testing.assert_allclose(np.sort(bone_symmetry_error(body, H36M17), axis=1)[:, 4:], [[0.0, 25.0]] * 3, atol=1e-9)
