"""A small dataset of made-up walkers, and a method that learns in no time."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.cameras import Camera, rotation_xyz
from posebench.data.clip import Clip, ClipInfo, Dataset


def walkers(walker, *, blind: bool = False, frames: int = 60) -> Dataset:
    """Two training subjects and one test subject, two takes each, under four cameras; ``blind`` makes every 3D number NaN.

    The 2D joints are there in both cases, and the same.
    """
    lens = (np.array([1100.0, 1100.0]), np.array([500.0, 500.0]), (1000, 1000))
    infos, clips = {}, {}
    for subject, name in enumerate(("A", "B", "T")):
        for take in range(2):
            for camera in range(4):
                info = ClipInfo(f"{name}/walk {take}/c{camera}", name, f"{name}/walk {take}", f"c{camera}", "walk", frames)
                pose = walker(frames, seed=10 * subject + take, camera=camera)
                seen = Camera(rotation_xyz([0.0, 90.0 * camera, 0.0]), np.zeros(3), *lens)
                points = seen.project(pose)
                sources = {"gt": lambda points=points: points}
                clips[info.id] = Clip(info, pose * np.nan if blind else pose, "h36m17", 30.0, seen, sources)
                infos[info.id] = info
    return Dataset("walkers", "1", "h36m17", 30.0, infos, "0" * 64, True, {"train": ("A", "B"), "test": ("T",)}, ("gt",), clips.__getitem__)


@pytest.fixture(scope="session")
def dataset(walker):
    return walkers(walker)


@pytest.fixture(scope="session")
def blind(walker):
    return walkers(walker, blind=True)


@pytest.fixture(scope="module")
def tiny_teachers():
    """Within a module: a teacher that is trained for a student is small, and trained for one epoch."""
    from posebench.networks.recipe import read_method
    from posebench.training import run

    def read(method):
        content, where = read_method(method)
        if method == "ites_teacher":
            smoke = content["presets"]["smoke"] | {"width": 16, "epochs": 1, "samples": 256}
            content["presets"] = content["presets"] | {"smoke": smoke}
        return content, where

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "read_method", read)
        yield
