"""A small dataset of walking people, with and without its 3D."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def dataset(walkers):
    return walkers()


@pytest.fixture(scope="session")
def blind(walkers):
    return walkers(blind=True)
