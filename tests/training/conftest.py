"""A small dataset of walking people, with and without its 3D."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def dataset(walkers):
    return walkers()


@pytest.fixture(scope="session")
def blind(walkers):
    return walkers(blind=True)


@pytest.fixture(scope="module")
def tiny_teachers():
    """Within a module: a teacher that is trained for a student is small, and trained for one epoch."""
    from posebench.networks.recipe import read_method
    from posebench.training import run

    def read(method):
        content, where = read_method(method)
        if method in ("ites_teacher", "chen2019"):
            smoke = content["presets"]["smoke"] | {"width": 16, "epochs": 1, "samples": 256}
            content["presets"] = content["presets"] | {"smoke": smoke}
        return content, where

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "read_method", read)
        yield
