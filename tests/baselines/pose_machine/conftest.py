"""A walker's takes, and small pose machines to train on them."""

from __future__ import annotations

import pytest

SMALL = ["width=16", "embedding_width=16", "copy_width=16", "projector_width=16", "epochs=3", "samples=0", "batch=8"]


@pytest.fixture(scope="session")
def data(walker_samples):
    """Four takes of a walker, each seen by two cameras one after the other: 8 clips of 60 frames."""
    return walker_samples([(take, camera) for take in range(4) for camera in (0, 1)], poses=True)


@pytest.fixture(scope="session")
def make_method():
    """Makes the untrained method of a recipe, small, with some settings changed."""
    import torch

    from posebench.baselines.pose_machine import Settings, build
    from posebench.networks.recipe import read_method, resolve

    def make(recipe="default", *changes, seed=0, skeleton_id="h36m17"):
        content, where = read_method("pose_machine")
        torch.manual_seed(seed)
        settings = resolve(content, Settings, where=where, recipe=recipe, preset="smoke", changes=[*SMALL, *changes])
        return build(settings, skeleton_id)

    return make
