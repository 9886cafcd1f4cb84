"""Messages for input that cannot be accepted, and for packages that are not installed."""

import doctest
import os
import subprocess
import sys

import pytest

from posebench.base import errors
from posebench.base.errors import PosebenchError, needs


def test_a_missing_package_is_named_with_its_purpose_and_the_commands_that_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(PosebenchError) as caught, needs("training", extra="baselines"):
        import absent.inner  # noqa: F401
    assert caught.value.found == "no package absent, which training needs"
    assert caught.value.wanted == "the extra [baselines]"
    assert 'pip install "posebench-lifting[baselines]"' in caught.value.next_step
    assert 'pip install -c constraints.txt -e ".[baselines]"' in caught.value.next_step


def test_a_missing_package_without_an_extra_is_installed_by_its_own_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(PosebenchError, match=r"pip install absent$"), needs("reading the official files"):
        import absent  # noqa: F401


def test_a_missing_module_of_posebench_is_a_defect_and_not_bad_input(monkeypatch):
    monkeypatch.setitem(sys.modules, "posebench.units", None)
    with pytest.raises(ModuleNotFoundError), needs("training", extra="baselines"):
        import posebench.units  # noqa: F401


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), needs("training", extra="baselines"):
        _ = 1 / 0


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(errors).failed == 0
    assert doctest.testmod(errors).attempted > 0


def test_characters_that_do_not_print_are_escaped_in_every_part():
    error = PosebenchError("S9/\x1b[31mWalk\n1", "a\x00b", "c\ud800\u202ed")
    assert str(error) == r"Found: S9/\x1b[31mWalk 1. Wanted: a\x00b. Next: c\ud800\u202ed"
    assert error.found == r"S9/\x1b[31mWalk 1"


def test_a_long_part_is_cut_in_its_middle():
    error = PosebenchError("p.npz: " + "x" * 10_000 + " is no number", "y" * 10_000, "z" * 10_000)
    assert len(error.found) == 800
    assert error.found.startswith("p.npz: xxx")
    assert " ... " in error.found
    assert error.found.endswith("x is no number")
    assert len(str(error)) < 2700


def test_a_backend_that_matplotlib_does_not_know_is_told():
    code = "from posebench.base.errors import drawing\nwith drawing():\n    import matplotlib"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "MPLBACKEND": "nonsense"}, capture_output=True, text=True)
    assert "Found: MPLBACKEND=nonsense. Wanted: a backend of matplotlib, such as agg. Next: unset MPLBACKEND" in done.stderr
