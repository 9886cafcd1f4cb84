import pytest


@pytest.fixture(scope="module")
def no_process_for_memory():
    """Memory is measured in test_run.py; a process for every lifter is most of the other tests' time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("posebench.lifters.timing.run.peak_memory", lambda *_: None)
        yield
