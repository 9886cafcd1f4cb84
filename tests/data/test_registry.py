"""The registry of datasets: every record is complete and agrees with the dataset that it describes."""

from __future__ import annotations

from importlib import import_module

import pytest

from posebench.base.errors import PosebenchError
from posebench.data import DATASETS, open_dataset
from posebench.data.registry import export_layouts, layout_names, needs_root
from posebench.scoring.protocol import load_protocol

FOLDERS = {"3dhp": "mpi_inf_3dhp", "3dpw": "threedpw"}


@pytest.mark.parametrize("name", DATASETS)
def test_every_record_says_what_the_dataset_is_and_how_to_get_it(name):
    spec = DATASETS[name]
    assert spec.description
    assert spec.licence
    assert spec.obtain
    assert not spec.fetch or spec.acknowledgement or "CC0" in spec.licence


@pytest.mark.parametrize("name", DATASETS)
def test_the_tuning_subject_is_a_training_subject_or_a_split_of_its_own(name):
    module = "names" if name == "h36m" else "dataset"
    # Of some datasets a file of the copy says who is in a split.
    splits = getattr(import_module(f"posebench.data.{FOLDERS.get(name, name)}.{module}"), "SPLITS", {"train": (), "val": (), "test": ()})
    assert DATASETS[name].tuning_subject in (*splits["train"], *(split for split in splits if split not in ("train", "test")))
    assert DATASETS[name].tuning_subject not in splits["test"]


@pytest.mark.parametrize("name", DATASETS)
def test_the_protocols_of_a_dataset_exist_and_score_it(name):
    spec = DATASETS[name]
    for protocol in filter(None, (spec.protocol, *spec.protocols_by_fps.values(), *spec.protocols_by_subject.values())):
        assert load_protocol(protocol).dataset == name


def test_the_layouts_that_help_lists_are_the_layouts_that_can_be_written():
    assert layout_names() == list(export_layouts())


def test_a_dataset_that_needs_a_folder_asks_for_it_and_says_how_to_get_one():
    for name in DATASETS:
        if needs_root(name):
            with pytest.raises(PosebenchError, match=rf"no folder for dataset {name}\. Wanted: --root DIR"):
                open_dataset(name)


def test_a_dataset_refuses_options_that_its_reader_does_not_take(tmp_path):
    with pytest.raises(PosebenchError, match="a folder for dataset synthetic"):
        open_dataset("synthetic", tmp_path)
    for name, spec in DATASETS.items():
        for option in {"annotation", "cameras"} - set(spec.options):
            with pytest.raises(PosebenchError, match=f"{option} .*for dataset {name}"):
                open_dataset(name, tmp_path, **{option: "x"})
