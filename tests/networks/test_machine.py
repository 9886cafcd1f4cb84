"""The code version of a run."""

import subprocess

import pytest
import torch

import posebench
from posebench.base.errors import PosebenchError
from posebench.networks.machine import commit, torch_threads


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of a library, committed; the library in use."""
    (tmp_path / "posebench").mkdir()
    (tmp_path / "posebench" / "__init__.py").write_text("")
    (tmp_path / "README.md").write_text("")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(("git", "-C", str(tmp_path), *words), check=True)
    monkeypatch.setattr(posebench, "__file__", str(tmp_path / "posebench" / "__init__.py"))
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout):
    head = subprocess.run(("git", "-C", str(checkout), "rev-parse", "HEAD"), capture_output=True, text=True, check=True).stdout
    assert len(commit()) == 12
    assert head.startswith(commit())


@pytest.mark.parametrize("file", ["posebench/__init__.py", "posebench/new.py", "baselines/mine/recipe.toml"])
def test_changed_and_unknown_code_is_marked(checkout, file):
    clean = commit()
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("changed = 1\n")
    assert commit() == clean + "+"


@pytest.mark.parametrize("file", ["README.md", "leaderboard/entries/a.json", "runs/a/result.json"])
def test_what_is_not_code_does_not_mark_it(checkout, file):
    clean = commit()
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("changed")
    assert commit() == clean


def test_outside_a_checkout_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(posebench, "__file__", str(tmp_path / "posebench" / "__init__.py"))
    assert commit() == ""


def test_pytorch_has_the_stated_threads_within_the_block_only():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with torch_threads(0):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with pytest.raises(PosebenchError, match=r"-1 threads.*correct --threads"), torch_threads(-1):
        pass
