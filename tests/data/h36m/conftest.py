"""Small copies of Human3.6M in every layout, written from generated motion."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from posebench.data.h36m.export import LAYOUTS
from posebench.data.h36m.resimulation import resimulate


@pytest.fixture(scope="session")
def small(synthetic_part):
    """Two subjects, two actions, two takes of each, under four cameras like Human3.6M's."""
    return resimulate(synthetic_part(subjects=("S1", "S9"), actions=("Walking", "Sitting")))


@pytest.fixture(scope="session")
def written(small, tmp_path_factory):
    """Every layout in a folder of its own, not to be changed."""
    base = tmp_path_factory.mktemp("h36m")
    for layout, write in LAYOUTS.items():
        write(small, base / layout)
    return base


@pytest.fixture
def copy_of(written, tmp_path):
    """A copy of a layout's folder that a test may damage."""

    def copy_of(layout):
        return shutil.copytree(written / layout, tmp_path / layout)

    return copy_of


@pytest.fixture
def rewrite():
    """A function that applies ``change`` to the dict in an npz file of VideoPose3D's layout."""

    def rewrite(path, change, key="positions_3d"):
        with np.load(path, allow_pickle=True) as archive:
            arrays = {name: archive[name] for name in archive.files}
        table = arrays[key].item()
        change(table)
        np.savez(path, **(arrays | {key: np.array(table, dtype=object)}))

    return rewrite
