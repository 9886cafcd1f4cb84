"""What ``import posebench`` offers: every name, looked up when it is first used."""

from __future__ import annotations

from importlib.metadata import version

import pytest

import posebench


@pytest.mark.parametrize("name", posebench.__all__)
def test_every_public_name_is_found_and_listed(name):
    assert getattr(posebench, name).__name__ == name
    assert name in dir(posebench)
    assert f"``{name}``" in posebench.__doc__


def test_the_version_is_that_of_the_installed_distribution():
    assert posebench.__version__ == version("posebench-lifting")
    assert "__version__" in dir(posebench)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_this"):
        _ = posebench.nothing_like_this
