"""A small teacher, and keypoints to train it on."""

import pytest

SMALL = ["width=16", "epochs=2", "samples=64", "batch=16"]


@pytest.fixture
def make_method():
    """Builds the untrained method, small, of a recipe and of settings changed by hand."""
    import torch

    from posebench.baselines.ites_teacher import Settings, build
    from posebench.networks.recipe import read_method, resolve

    content, where = read_method("ites_teacher")

    def make(recipe="default", *changes):
        torch.manual_seed(0)
        return build(resolve(content, Settings, where=where, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")

    return make


@pytest.fixture(scope="module")
def data(walker_samples):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    return walker_samples()
