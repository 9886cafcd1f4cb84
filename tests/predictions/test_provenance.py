"""Where a lifter comes from: written and read again, and refused by name."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.schema import Fields
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.predictions.disclosure import FACTS, supervision_in_words, why_unranked
from posebench.predictions.forms import FORMS, present_recipe
from posebench.predictions.provenance import Provenance, read_provenance

MADE = Provenance("tuned", "quick", 0, "cmu 1: S07", "gt", 1, True)
STATED = {"online": "yes", "tta": "flip", "test_time": "none", "input_filter": "none", "oracle": "none", "selection": "last epoch"}
printable = st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable)
whole = st.integers(1, 2**40)


def read(content):
    return read_provenance(Fields(content, "p.npz: [provenance]", "do better"))


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(printable, min_size=4, max_size=4),
    numbers=st.lists(whole, min_size=4, max_size=4),
    seed=st.integers(0, 2**31),
    flip=st.booleans(),
    side=st.lists(printable, unique=True, max_size=3),
    data=st.lists(printable, unique=True, max_size=3),
)
def test_what_was_written_is_read_again(texts, numbers, seed, flip, side, data):
    context, epochs, seen, parameters = numbers
    recipe, preset, trained_on, keypoints = texts
    recipe, form = present_recipe(recipe), FORMS[seed % 3]
    numbers = (epochs, seen, parameters)
    made = Provenance(recipe, preset, seed, trained_on, keypoints, context, flip, tuple(side), tuple(data), *numbers, form=form)
    assert read(json.loads(json.dumps(made.as_dict()))) == made


def test_the_table_holds_every_field():
    taught = replace(MADE, teacher="another (tuned, quick, seed 0), weights 00ff", joints=("spine = mean of pelvis, thorax",), **STATED)
    assert set(taught.as_dict()) == set(asdict(MADE))
    assert read(taught.as_dict()) == taught
    assert set(MADE.as_dict()) == set(asdict(MADE)) - {"teacher", "joints", *FACTS}, "what is not stated has no key"
    assert MADE.as_dict()["side_information"] == []


@pytest.mark.parametrize("missing", sorted(set(asdict(MADE)) - {"side_information", "extra_data", "teacher", "joints", "form", *FACTS}))
def test_a_missing_field_is_named(missing):
    content = MADE.as_dict()
    del content[missing]
    with pytest.raises(PosebenchError, match=f"no {missing}"):
        read(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", True),
        ("seed", "0"),
        ("context", -1),
        ("epochs", 0.5),
        ("poses_seen", -3),
        ("parameters", None),
        ("flip_averaging", 1),
        ("recipe", 3),
        ("recipe", "two\nlines"),
        ("preset", "bell\x07"),
        ("trained_on", "\x1b[31mred"),
        ("trained_keypoints", "a\u2028b"),
        ("side_information", "cameras look down"),
        ("side_information", ["same", "same"]),
        ("extra_data", [1]),
        ("teacher", 1),
        ("teacher", "two\nlines"),
        ("form", "default"),
        ("form", None),
        ("online", "maybe"),
        ("online", True),
        ("tta", "rotation"),
        ("tta", "none"),
        ("tta", "views"),
        ("test_time", "optimisation"),
        ("test_time", "calibration"),
        ("input_filter", "a" * 81),
        ("input_filter", "<b>"),
        ("oracle", "best of many"),
        ("oracle", "some"),
        ("selection", "best epoch"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(name, value):
    with pytest.raises(PosebenchError, match=rf"p\.npz: \[provenance\]: {name} = "):
        read({**MADE.as_dict(), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tta", "flip + ensemble (5)"),
        ("test_time", "optimisation (20 steps, 0.5 s a pose), own clip"),
        ("test_time", "optimisation (1 step), other clips"),
        ("test_time", "calibration, own clip"),
        ("input_filter", "one-euro, cut-off 1.7 Hz"),
        ("oracle", "best of 200"),
        ("oracle", "flip (joint) + scale per frame"),
        ("selection", "on test"),
    ],
)
def test_a_fact_of_its_form_is_read(name, value):
    assert getattr(read({**MADE.as_dict(), **STATED, name: value}), name) == value


def test_what_counts_as_oracle_or_as_seen_test_data_is_a_reason_not_to_rank():
    assert why_unranked(STATED) == why_unranked({}) == ""
    assert why_unranked({**STATED, "oracle": "best of 5"}) == "oracle: best of 5"
    assert why_unranked({**STATED, "selection": "on test"}) == "weights selected on the test split"
    assert why_unranked({**STATED, "test_time": "calibration, other clips"}) == "reads other test clips at test time"
    assert why_unranked({**STATED, "test_time": "calibration, own clip"}) == ""


def test_side_information_measured_from_true_places_stands_in_the_supervision():
    from posebench.networks.tilt import tilt_side_information

    assert supervision_in_words("none", tilt_side_information(12.5)) == "none + camera tilt from calibration (training split)"
    assert supervision_in_words("none", tilt_side_information(0.0)) == "none"


def test_an_unknown_field_is_refused():
    with pytest.raises(PosebenchError, match="unknown tuned_on"):
        read({**MADE.as_dict(), "tuned_on": "test"})


@pytest.mark.parametrize(
    ("recipe", "variant", "earlier"),
    [("tuned", "+tuned", ""), ("paper", "+paper", "+paper"), ("tuned, width=8", "+tuned, width=8", "+tuned, width=8")],
)
def test_the_name_states_the_recipe_and_earlier_names_leave_out_the_tuned_one(recipe, variant, earlier):
    made = replace(MADE, recipe=recipe)
    assert (made.variant, made.earlier_variant) == (variant, earlier)
    assert made.names("chen2019") == (f"chen2019{variant} (quick)", f"chen2019{earlier} (quick)")


@pytest.mark.parametrize(
    ("earlier", "recipe", "form"),
    [
        ("default", "tuned", "tuned"),
        ("default, width=8", "tuned, width=8", "tuned"),
        ("default, teacher=default quick seed 1", "tuned, teacher=tuned quick seed 1", "tuned"),
        ("paper", "paper", "paper"),
        ("paper-bends", "paper-bends", "paper"),
        ("released", "released", "released"),
        ("defaults", "defaults", "tuned"),
        ("cycle", "cycle", "tuned"),
    ],
)
def test_a_file_that_states_no_form_is_read_with_the_one_that_its_recipe_implies(earlier, recipe, form):
    content = {**MADE.as_dict(), "recipe": earlier, "teacher": f"ites_teacher ({earlier}, quick, seed 0), weights 00ff"}
    del content["form"]
    made = read(content)
    assert (made.recipe, made.form) == (recipe, form)
    assert made.teacher.startswith(f"ites_teacher ({recipe}, quick")


def test_a_stated_form_counts_whatever_the_name():
    assert read({**MADE.as_dict(), "recipe": "joints16", "form": "released"}).form == "released"


def test_a_prediction_file_keeps_it(tmp_path):
    made = replace(MADE, side_information=("cameras look down",), extra_data=("mpi",))
    poses = {"a": np.ones((2, 17, 3))}
    path = save_predictions(tmp_path / "p.npz", poses, skeleton="h36m17", unit="mm", provenance=made)
    with open_predictions(path) as file:
        assert file.meta.provenance == made
    with open_predictions(save_predictions(tmp_path / "q.npz", poses, skeleton="h36m17", unit="mm")) as file:
        assert file.meta.provenance is None
