"""What ``import posebench`` offers: every name, looked up when it is first used."""

from __future__ import annotations

import doctest
import importlib
from importlib.metadata import version

import pytest

import posebench
from posebench.base.errors import PosebenchError


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


@pytest.mark.parametrize(
    "module",
    [
        "scoring.evaluate",
        "scoring.comparison",
        "scoring.checks",
        "scoring.result",
        "scoring.latex",
        "scoring.markup",
        "scoring.decomposition.diagnosis",
    ],
)
def test_the_examples_of_scoring_run(module):
    found = doctest.testmod(importlib.import_module(f"posebench.{module}"))
    assert found.failed == 0
    assert found.attempted > 0


def test_help_lists_the_functions():
    import pydoc

    shown = pydoc.plain(pydoc.render_doc(posebench))
    functions = shown[shown.index("\nFUNCTIONS") :]
    for name in ("check", "compare", "load_result", "open_dataset", "predict", "score", "train"):
        assert f"\n    {name}(" in functions


def test_datasets_and_clips_are_shown_in_one_line(walkers):
    dataset = walkers()
    assert repr(dataset) == "<Dataset walkers 1: 24 clips, 1,440 poses of h36m17>"
    assert repr(dataset.load("A/walk 0/c0")) == "<Clip 'A/walk 0/c0': walk, 60 frames of h36m17, keypoints gt>"


def test_a_dataset_where_its_name_belongs_is_not_shown_in_the_message(walkers):
    with pytest.raises(PosebenchError, match=r"^Found: a Dataset where a dataset's name belongs\. Wanted: one of cmu, ") as caught:
        posebench.open_dataset(walkers())
    assert len(str(caught.value)) < 200


def test_opened_lifters_are_shown_in_one_line(walkers, make_run, tmp_path):
    mean = posebench.open_lifter("mean-pose", walkers())
    assert repr(mean) == "<MeanPose 'mean-pose': h36m17, scale metric, supervision unpaired 3D>"
    pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")
    run = posebench.open_lifter(str(make_run(tmp_path / "run")), walkers())
    assert repr(run) == "<Trained 'martinez': h36m17, scale metric, supervision paired 3D>"
