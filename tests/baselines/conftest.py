"""Untrained methods at a small size, and small training data: takes of a generated person who walks."""

import numpy as np
import pytest

FRAMES = 60


@pytest.fixture(scope="session")
def walks(walker):
    """Makes training data at 30 Hz: four takes of 60 frames, each seen by one of four cameras; keypoints, and poses if asked for.

    ``seed`` is that of the first take: other seeds are other takes.
    """
    torch = pytest.importorskip("torch", reason="the baselines need the extra [baselines]")
    from posebench.base.cameras import Camera
    from posebench.base.skeletons import skeleton
    from posebench.networks.samples import TrainingData

    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))

    def make(*, poses=False, seed=0):
        points = torch.from_numpy(np.concatenate([walker(FRAMES, seed=seed + take, camera=take) for take in range(4)]))
        keypoints = (points[..., :2] / points[..., 2:]).float()
        frame = torch.arange(len(points))
        first = frame // FRAMES * FRAMES
        return TrainingData(skeleton("h36m17"), keypoints, points.float() if poses else None, first, first + FRAMES - 1, frame, 30.0, lens)

    return make


@pytest.fixture(scope="session")
def untrained():
    """Takes a method's id and changes that make it small; gives a function from a recipe's name and further changes to the method."""
    torch = pytest.importorskip("torch", reason="the baselines need the extra [baselines]")
    from posebench.networks.recipe import load_baseline, read_method, resolve

    def of(name, small):
        (content, where), baseline = read_method(name), load_baseline(name)

        def make(recipe="default", *changes):
            torch.manual_seed(0)
            settings = resolve(content, baseline.Settings, where=where, recipe=recipe, preset="smoke", changes=[*small, *changes])
            return baseline.build(settings, "h36m17")

        return make

    return of
