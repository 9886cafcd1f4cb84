"""A rigid body that moves before a camera."""

import numpy as np
import pytest

from posebench.base.skeletons import skeleton

H36M = skeleton("h36m17")


@pytest.fixture(scope="module")
def body():
    """A rigid body that moves smoothly before a camera, 120 frames: absolute poses (T, J, 3) mm, and their keypoints."""
    rng = np.random.default_rng(5)
    lengths = {n: 120.0 + 25.0 * (n % 7) for n in range(len(H36M.bones))}
    for left, right in H36M.bone_pairs:
        lengths[left] = lengths[right] = 0.5 * (lengths[left] + lengths[right])
    time = np.linspace(0.0, 4.0, 120)
    poses = np.zeros((len(time), 17, 3))
    for n, (parent, child) in enumerate(H36M.bones):
        trunk = H36M.joints[child] in ("spine", "thorax", "neck_nose", "head_top")
        swing = 0.15 if trunk else 1.2
        phase, speed = rng.uniform(0, 6, 2), rng.uniform(0.6, 1.4, 2)
        lean, turn = swing * np.sin(speed[0] * time + phase[0]), swing * np.sin(speed[1] * time + phase[1])
        up = -1.0 if trunk else 1.0
        way = np.stack([np.sin(turn) * np.cos(lean), up * np.cos(turn) * np.cos(lean), np.sin(lean)], axis=-1)
        poses[:, child] = poses[:, parent] + lengths[n] * way
    poses += np.stack([300.0 * np.sin(time), 100.0 + 0 * time, 4500.0 + 200.0 * np.cos(time)], axis=-1)[:, None]
    return poses, poses[..., :2] / poses[..., 2:]
