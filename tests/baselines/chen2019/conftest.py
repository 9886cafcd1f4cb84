"""The method at a small size, and training data with a second source of keypoints."""

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def make(untrained):
    """Makes the untrained method of a recipe, with settings changed by hand."""
    return untrained("chen2019", ["width=16", "discriminator_width=16", "epochs=2", "samples=64", "batch=16"])


@pytest.fixture(scope="session")
def data(walker_samples):
    """Keypoints at 30 Hz, and extra ones at 50 Hz."""
    own = walker_samples()
    return replace(own, extra=replace(own, fps=50.0))
