"""The method at a small size, and training data with a second source of keypoints."""

from dataclasses import replace

import pytest

SMALL = ["width=16", "discriminator_width=16", "epochs=2", "samples=64", "batch=16"]


@pytest.fixture(scope="session")
def make():
    """Makes the untrained method of a recipe, with settings changed by hand."""
    torch = pytest.importorskip("torch", reason="the baselines need the extra [baselines]")
    from posebench.baselines.chen2019 import Settings, build
    from posebench.networks.recipe import read_method, resolve

    content, where = read_method("chen2019")

    def method(recipe="default", *changes):
        torch.manual_seed(0)
        return build(resolve(content, Settings, where=where, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")

    return method


@pytest.fixture(scope="session")
def data(walks):
    """Keypoints at 30 Hz, and extra ones at 50 Hz."""
    own = walks()
    return replace(own, extra=replace(own, fps=50.0))
