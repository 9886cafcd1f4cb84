"""Small data for the tests of metrics."""

import numpy as np
import pytest

from posebench.metrics import root_relative


@pytest.fixture(scope="session")
def pair():
    """Makes root-relative predicted and true poses (n, 17, 3), mm, and the generator that they came from."""

    def make(seed=0, n=6, noise=60.0):
        rng = np.random.default_rng(seed)
        truth = root_relative(rng.normal(size=(n, 17, 3)) * 300.0)
        return root_relative(truth + noise * rng.normal(size=truth.shape)), truth, rng

    return make
