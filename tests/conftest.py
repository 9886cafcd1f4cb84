"""What every test may ask for: a cache of its own session, and the real data where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CMU = Path(__file__).parents[1].parent / "shared" / "data" / "cmu"


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """POSEBENCH_CACHE in the session's temporary folder, one for all xdist workers; nothing is written to the user's cache."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "posebench-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def cmu_root():
    """The folder of the CMU motion capture files."""
    if not CMU.is_dir():
        pytest.skip(f"the CMU motion capture files are not at {CMU}")
    return CMU


@pytest.fixture(scope="session")
def cmu(cmu_root):
    """The opened cmu dataset."""
    from posebench.data import open_dataset

    return open_dataset("cmu", cmu_root)
