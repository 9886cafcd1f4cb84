"""The examples in the modules that write pages."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["case", "charts", "elements", "page", "tables", "windows"])
def test_the_examples_run(module):
    found = doctest.testmod(importlib.import_module(f"posebench.display.html.{module}"))
    assert found.failed == 0
    assert found.attempted > 0
