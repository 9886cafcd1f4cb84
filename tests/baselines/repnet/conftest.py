"""The method at a small size, its training data, and a generator with known output."""

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def make(untrained):
    """Makes the untrained method of a recipe, with settings changed by hand."""
    return untrained("repnet", ["width=16", "critic_width=16", "critic_pose_width=8", "epochs=2", "samples=64", "batch=16"])


@pytest.fixture(scope="session")
def data(walker_samples):
    """Keypoints of four takes, and the poses of four other takes."""
    import torch

    from posebench.networks.samples import PosePool

    poses = walker_samples(((10, 0), (11, 1), (12, 2), (13, 3)), poses=True).poses
    poses = poses - poses[:, :1]
    return replace(walker_samples(), pool=PosePool(poses, torch.tensor([[0.0, -1.0, 0.0]]).repeat(len(poses), 1)))


@pytest.fixture(scope="session")
def known_generator():
    """Makes a generator that predicts the given poses and cameras, whatever its input."""
    from torch import nn

    class Known(nn.Module):
        def __init__(self, pose, camera):
            super().__init__()
            self.output = pose, camera

        def forward(self, image):
            pose, camera = self.output
            return pose.expand(len(image), -1, -1), camera.expand(len(image), -1, -1)

    return Known
