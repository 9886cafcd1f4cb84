"""Settings under their former names."""

import dataclasses

import pytest

from posebench.base.errors import PosebenchError
from posebench.networks import renames
from posebench.networks.recipe import Recipe, load_baseline, read_method, resolve
from posebench.networks.renames import RENAMED_SETTINGS, present_names

pytest.importorskip("torch", reason="baselines need the extra [baselines]")


@pytest.fixture
def renamed(monkeypatch):
    monkeypatch.setitem(RENAMED_SETTINGS, "martinez", {"hidden_units": "width"})


@pytest.mark.usefixtures("renamed")
def test_a_former_name_is_read_as_the_present_one_and_both_together_are_refused():
    assert present_names("martinez", {"hidden_units": 8, "blocks": 2}, "r.toml") == {"width": 8, "blocks": 2}
    with pytest.raises(PosebenchError, match="'hidden_units' and 'width'"):
        present_names("martinez", {"hidden_units": 8, "width": 9}, "r.toml")


def test_a_removed_setting_may_stay_where_it_does_nothing():
    assert present_names("heap_pairs", {"noise": 0.0, "blocks": 2}, "r.toml") == {"blocks": 2}
    assert present_names("heap_pairs", {"noise": 5.0}, "r.toml") == {"noise": 5.0}, "refused later, as a name that is not known"
    for method, removed in renames.REMOVED_SETTINGS.items():
        assert not removed.keys() & {field.name for field in dataclasses.fields(load_baseline(method).Settings)}


@pytest.mark.usefixtures("renamed")
def test_a_run_folder_and_a_change_by_hand_may_use_the_former_name(tmp_path):
    content, where = read_method("martinez")
    settings = resolve(content, load_baseline("martinez").Settings, where=where, preset="smoke", changes=["hidden_units=24"])
    assert settings.width == 24
    values = dataclasses.asdict(settings)
    values["hidden_units"] = values.pop("width")
    dataset = {"name": "walker", "version": "1", "fingerprint": "0" * 64}
    recipe = Recipe("martinez", "default", "smoke", 0, dataset, ("A",), "gt", "h36m17", values)
    (tmp_path / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
    loaded = Recipe.load(tmp_path / "recipe.toml").settings
    assert loaded["width"] == 24
    assert "hidden_units" not in loaded


@pytest.mark.parametrize("method", sorted(renames.RENAMED_SETTINGS))
def test_every_present_name_is_a_setting_and_no_former_one_is(method):
    names = {field.name for field in dataclasses.fields(load_baseline(method).Settings)}
    for old, new in RENAMED_SETTINGS[method].items():
        assert new in names
        assert old not in names
