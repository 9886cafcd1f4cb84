"""A small teacher, and keypoints to train it on."""

import numpy as np
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
def data(walker):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    import torch

    from posebench.base.cameras import Camera
    from posebench.base.skeletons import skeleton
    from posebench.networks.samples import TrainingData

    points = np.concatenate([(pose := walker(60, seed=take, camera=take))[..., :2] / pose[..., 2:] for take in range(4)])
    keypoints = torch.from_numpy(points).float()
    number = torch.arange(len(keypoints))
    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
    return TrainingData(skeleton("h36m17"), keypoints, None, number // 60 * 60, number // 60 * 60 + 59, number, 30.0, lens)
