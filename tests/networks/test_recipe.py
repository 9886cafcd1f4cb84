"""Recipes: what overrides what, and what is refused by name."""

import math
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import settings as of_test
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.networks.recipe import PRESETS, Recipe, baselines, form_of, load_baseline, read_method, resolve
from posebench.networks.renames import present_names
from posebench.networks.settings import Settings, settings_of
from posebench.predictions.forms import FORMS

#: Methods without preset ``quick``: a pose costs too much on a CPU.
FOR_A_GPU = ("motionagformer",)
BASE = {"epochs": 9, "batch": 64, "learning_rate": 1e-3}
#: One value for each place that may give it; the last one that does wins.
PLACES = {
    "settings": {**BASE, "width": 1, "depth": 1, "rate_of": 1.0, "name": "settings", "sizes": [1, 1]},
    "recipes": {"small": {"about": "words", "depth": 2, "rate_of": 2, "name": "recipe", "quick": {"name": "recipe and preset"}}},
    "presets": {"smoke": {}, "quick": {"rate_of": 3, "name": "preset"}},
}


@dataclass(frozen=True, kw_only=True)
class Own(Settings):
    width: int
    depth: int
    rate_of: float
    name: str
    sizes: tuple[int, int] = (0, 0)
    steps: tuple[float, ...] = ()
    flag: bool = False


@dataclass(frozen=True, kw_only=True)
class Picky(Own):
    one_of: ClassVar = {"name": ("this", "that")}
    at_least: ClassVar = {"depth": 2}


def made(**options):
    return resolve(PLACES, Own, where="recipe.toml", **options)


def test_each_place_overrides_those_before_it():
    settings = made(recipe="small", preset="quick")
    assert (settings.width, settings.depth, settings.rate_of, settings.name) == (1, 2, 3.0, "recipe and preset")
    assert (made().width, made().depth, made().rate_of, made().name) == (1, 1, 3.0, "preset")
    smoke = made(recipe="small", preset="smoke")
    assert (smoke.depth, smoke.rate_of, smoke.name) == (2, 2.0, "recipe")
    by_hand = made(recipe="small", preset="quick", changes=["name=hand", "depth=7", "depth=8"])
    assert (by_hand.name, by_hand.depth, by_hand.rate_of) == ("hand", 8, 3.0)


def test_a_recipe_that_is_like_another_begins_with_its_values_at_each_preset():
    recipes = {**PLACES["recipes"], "close": {"about": "more words", "like": "small", "depth": 3, "smoke": {"name": "own"}}}
    content = {**PLACES, "recipes": recipes}
    quick, smoke = (resolve(content, Own, where="recipe.toml", recipe="close", preset=preset) for preset in ("quick", "smoke"))
    assert (quick.depth, quick.rate_of, quick.name) == (3, 3.0, "recipe and preset")
    assert (smoke.depth, smoke.rate_of, smoke.name) == (3, 2.0, "own")


@pytest.mark.parametrize("like", ["close", "far", "nothing"])
def test_a_recipe_may_only_be_like_one_that_is_like_no_other(like):
    recipes = {**PLACES["recipes"], "close": {"like": like}, "far": {"like": "small"}}
    with pytest.raises(PosebenchError, match=f"recipe.toml: recipe 'close' is like '{like}'"):
        resolve({**PLACES, "recipes": recipes}, Own, where="recipe.toml", recipe="close")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["name=other", "depth=2"], "name = 'other'; it must be one of this, that"),
        (["name=this", "depth=1"], "depth = 1; it must be at least 2"),
        (["name=this", "depth=2", "decay=up"], "decay = 'up'; it must be one of none"),
        (["name=this", "depth=2", "batch=1"], "batch = 1; it must be at least 2"),
    ],
)
def test_a_methods_own_limits_are_checked_too(changes, message):
    with pytest.raises(PosebenchError, match=message):
        resolve(PLACES, Picky, where="recipe.toml", changes=changes)


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ("depth=7", "depth", 7),
        ("rate_of=7", "rate_of", 7.0),
        ("rate_of=1e-3", "rate_of", 0.001),
        ("name=two words", "name", "two words"),
        ('name="quoted"', "name", "quoted"),
        ("flag=true", "flag", True),
        ("sizes=[3, 4]", "sizes", (3, 4)),
        ("steps=[1, 2.5, 3]", "steps", (1.0, 2.5, 3.0)),
    ],
)
def test_a_value_given_by_hand_is_of_the_settings_type(change, name, value):
    found = getattr(made(changes=[change]), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("dept=7", "setting 'dept'"),
        ("depth=7.5", "depth = 7.5; it must be of type int"),
        ("depth=true", "depth = True; it must be of type int"),
        ("depth=seven", "depth = 'seven'"),
        ("depth", "depth = ''"),
        ("rate_of=nan", "rate_of = nan"),
        ("rate_of=inf", "rate_of = inf"),
        (f"rate_of=1{'0' * 400}", "rate_of"),
        ("flag=1", "flag = 1; it must be of type bool"),
        ("sizes=[3]", "sizes = [3]; it must be a list of 2"),
        ("sizes=3", "sizes = 3; it must be a list"),
        ("steps=[1, true]", "steps = True"),
        ("name=7", "name = 7; it must be of type str"),
        ("epochs=0", "epochs = 0; it must be at least 1"),
        ("batch=1", "batch = 1; it must be at least 2"),
        ("samples=-1", "samples = -1"),
        ("decay=linear", "decay = 'linear'; it must be one of"),
        ("ema=1.0", "ema = 1.0"),
        ("learning_rate=0.0", "learning_rate"),
        ("decay_every=0.0", "decay_every"),
        ("a.b=1", "setting 'a'"),
        ("=1", "--set =1"),
        ("a b=1", "--set a b=1"),
    ],
)
def test_a_wrong_value_is_told_by_its_name(change, named):
    with pytest.raises(PosebenchError) as error:
        made(changes=[change])
    assert named in str(error.value)


def test_a_setting_without_a_default_must_stand_in_the_recipe():
    with pytest.raises(PosebenchError, match=r"no learning_rate, width\. Wanted: every setting without a default"):
        settings_of(Own, {"epochs": 1, "batch": 2, "depth": 1, "rate_of": 1.0, "name": ""}, "recipe.toml")


@pytest.mark.parametrize(
    ("options", "named"),
    [({"preset": "tiny"}, "preset 'tiny'.*smoke, quick"), ({"recipe": "large"}, "recipe 'large'.*tuned, small")],
)
def test_an_unknown_preset_or_recipe_is_told_with_the_choices(options, named):
    with pytest.raises(PosebenchError, match=named):
        made(**options)


def test_an_unknown_table_in_the_file_is_refused():
    with pytest.raises(PosebenchError, match="unknown preset"):
        resolve({**PLACES, "preset": {}}, Own, where="recipe.toml")


@pytest.mark.parametrize(
    ("decay", "epoch", "rate"),
    [
        ({}, 7.0, 1.0),
        ({"decay": "cosine"}, 0.0, 1.0),
        ({"decay": "cosine"}, 5.0, 0.5),
        ({"decay": "cosine"}, 2.5, 0.5 + math.sqrt(0.125)),
        ({"decay": "cosine"}, 11.0, 0.0),
        ({"decay": "exponential", "decay_factor": 0.25, "decay_every": 2.0}, 3.0, 0.125),
        ({"decay": "steps", "decay_factor": 0.1, "decay_at": (3, 6)}, 2.99, 1.0),
        ({"decay": "steps", "decay_factor": 0.1, "decay_at": (3, 6)}, 3.0, 0.1),
        ({"decay": "steps", "decay_factor": 0.1, "decay_at": (3, 6)}, 6.0, 0.01),
    ],
)
def test_the_learning_rate_falls_as_the_recipe_says(decay, epoch, rate):
    assert Settings(epochs=10, batch=2, learning_rate=1.0, **decay).rate(epoch) == pytest.approx(rate, abs=1e-12)


def test_there_are_baselines_and_an_unknown_one_is_told_with_them():
    assert "martinez" in baselines()
    for call in (read_method, load_baseline):
        with pytest.raises(PosebenchError, match=f"method 'martines'.*{', '.join(baselines())}"):
            call("martines")


@pytest.mark.parametrize("method", baselines())
def test_every_recipe_of_a_baseline_resolves_for_every_preset(method):
    content, where = read_method(method)
    kind = load_baseline(method).Settings
    presets = [preset for preset in PRESETS if preset != "quick" or method not in FOR_A_GPU]
    assert set(content["presets"]) == set(presets)
    resolved = {
        (recipe, preset): resolve(content, kind, where=where, recipe=recipe, preset=preset)
        for recipe in ("tuned", *content.get("recipes", {}))
        for preset in presets
    }
    for (recipe, preset), settings in resolved.items():
        assert settings.epochs * (settings.samples or 10**6) <= resolved[recipe, "full"].epochs * (
            resolved[recipe, "full"].samples or 10**6
        ), f"{recipe}: more work at {preset} than at full"


@pytest.mark.parametrize("method", baselines())
def test_every_setting_of_a_baseline_is_of_use_and_says_where_it_comes_from(method):
    content, _ = read_method(method)
    known = {field.name for field in fields(load_baseline(method).Settings)}
    budgets = {"epochs", "samples", "batch"}
    assert set(content["settings"]) - set(content["sources"]) == set(), "settings without a source"
    assert set(content["sources"]) <= known
    assert all(isinstance(text, str) and text.strip() for text in content["sources"].values())
    for name, values in content.get("recipes", {}).items():
        assert values.get("about", "").strip(), f"recipe {name} does not say what it is"
    # What a method adds to the common settings is stated, so that no number of it hides in the code.
    own = known - {field.name for field in fields(Settings)}
    assert own | {"epochs", "batch", "learning_rate"} <= set(content["settings"]) | budgets


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.one_of(
    st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), words, st.lists(st.integers(0, 99))
)


@of_test(max_examples=60, deadline=None)
@given(
    texts=st.lists(words, min_size=8, max_size=8),
    seed=st.integers(0, 2**31),
    subjects=st.lists(words, max_size=4),
    settings=st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), values, max_size=5),
)
def test_a_recipe_that_was_written_is_read_as_it_was(tmp_path_factory, texts, seed, subjects, settings):
    method, recipe, preset, name, version, fingerprint, keypoints, skeleton = texts
    about = {"name": name, "version": version, "fingerprint": fingerprint}
    written = Recipe(method, recipe, preset, seed, about, tuple(subjects), keypoints, skeleton, settings)
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    path.write_text(written.dump(), encoding="utf-8", newline="")
    read = Recipe.load(path)
    assert asdict(read) == asdict(written)
    assert read.dump() == written.dump()


WRITTEN = Recipe("m", "default", "quick", 0, {"name": "cmu"}, ("A",), "gt", "h36m17", {"epochs": 1}).dump()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('method = "m"', "method = 3"),
        ('method = "m"', ""),
        ('method = "m"', 'method = "m"\nextra = 1'),
        ("seed = 0", "seed = true"),
        ("seed = 0", "seed = 0.5"),
        ('subjects = ["A"]', 'subjects = "A"'),
        ('name = "cmu"', "name = 3"),
        ("[settings]", "[[settings]]"),
        ("seed = 0", "seed = [" + "[" * 5000),
        ("epochs = 1", "epochs = "),
    ],
)
def test_a_damaged_recipe_is_refused_with_its_path(tmp_path, old, new):
    assert old in WRITTEN
    path = tmp_path / "recipe.toml"
    path.write_text(WRITTEN.replace(old, new, 1))
    with pytest.raises(PosebenchError, match=r"recipe\.toml.*the recipe\.toml of a run"):
        Recipe.load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_what_is_no_text_or_no_file_is_refused_with_its_path(tmp_path, content):
    if content is not None:
        (tmp_path / "recipe.toml").write_bytes(content)
    with pytest.raises(PosebenchError, match=r"recipe\.toml"):
        Recipe.load(tmp_path / "recipe.toml")


FORMS_OF = {
    "recipes": {
        "paper": {"form": "paper"},
        "paper-bends": {"like": "paper"},
        "joints16": {"like": "paper", "form": "released"},
        "cycle": {},
        "released": {},
        "odd": {"form": "official"},
    }
}


@pytest.mark.parametrize(
    ("recipe", "form"),
    [
        ("paper", "paper"),
        ("paper-bends", "paper"),
        ("joints16", "released"),
        ("released", "released"),
        ("cycle", "tuned"),
        ("tuned", "tuned"),
        ("default", "tuned"),
    ],
)
def test_a_recipe_has_its_own_form_or_that_of_the_recipe_that_it_is_like_or_of_its_name(recipe, form):
    assert form_of(FORMS_OF, recipe, "recipe.toml") == form


def test_an_unknown_form_and_a_recipe_of_a_reserved_name_are_refused():
    with pytest.raises(PosebenchError, match=r"form 'official' of recipe 'odd'\. Wanted: one of paper, released, tuned"):
        form_of(FORMS_OF, "odd", "recipe.toml")
    for name in ("tuned", "default"):
        with pytest.raises(PosebenchError, match=rf"\[recipes\.{name}\]\. Wanted: another name"):
            form_of({"recipes": {name: {}}}, "tuned", "recipe.toml")


def test_every_recipe_of_a_baseline_has_a_known_form():
    for method in baselines():
        content, where = read_method(method)
        for recipe in ("tuned", *content.get("recipes", {})):
            assert form_of(content, recipe, where) in FORMS


def test_default_is_another_name_of_tuned_and_of_a_tuned_teacher():
    earlier = Recipe("ites", "default, width=16", "quick", 0, {"name": "cmu"}, ("A",), "gt", "h36m17", {"teacher_recipe": "default"})
    assert (earlier.recipe, earlier.form) == ("tuned, width=16", "tuned")
    assert present_names("ites", earlier.settings, "recipe.toml") == {"teacher_recipe": "tuned"}
