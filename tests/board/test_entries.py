import json
import re
from dataclasses import replace

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.board.admission import entry_of
from posebench.board.entry_files import add, load_entries
from posebench.board.render import check_board, render
from posebench.predictions.disclosure import FACTS
from posebench.predictions.finding import Finding
from posebench.predictions.provenance import taught_by


def test_an_entry_comes_back_as_it_was_written(tmp_path, results):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    assert path == tmp_path / "entries" / "synthetic" / "good-gt.json"
    (entry,) = load_entries(tmp_path)
    assert entry.dump() == entry_of(results["good"], "good.json").dump()


def test_every_average_follows_from_the_sums_in_the_entry(results):
    entry = entry_of(results["good"], "good.json")
    for metric, table in results["good"].metrics.items():
        for kind, value in table.by.items():
            assert entry.value(metric, kind) == pytest.approx(value, rel=1e-8), (metric, kind)


def test_joints_average_to_the_whole(results):
    entry = entry_of(results["good"], "good.json")
    by_joint = entry.by_joint("MPJPE", "action")
    sums = results["good"].sums["MPJPE"]
    assert np.mean(list(by_joint.values())) == pytest.approx(entry.value("MPJPE", "action"), rel=1e-5)
    # All takes are equally long, three an action: all averages are one.
    assert by_joint == pytest.approx(dict(zip(sums.parts, sums.total.sum(axis=0) / sums.count.sum(), strict=True)), rel=1e-5)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("coverage", {"partial": True}, "partial"),
        ("data", {"name": "file", "official": False}, "scored with --truth"),
        ("data", {"official": False, "note": "take 3 is short"}, "not the official copy"),
        ("protocol", {"digest": "0" * 16}, "digest"),
        ("predictions", {"method": ""}, "method"),
        ("predictions", {"keypoints": ""}, "keypoints"),
        ("predictions", {"method": "../../etc/passwd"}, "method"),
    ],
)
def test_what_may_not_stand_on_a_board_is_refused_and_nothing_is_written(tmp_path, results, part, change, message):
    bad = replace(results["bad"], **{part: replace(getattr(results["bad"], part), **change)})
    with pytest.raises(PosebenchError, match=message):
        add(tmp_path, [results["good"], bad], ["good.json", "bad.json"])
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("trained_on", ["../../../etc/passwd 1", "h36m: S1 S5", " h36m"])
def test_a_training_dataset_that_is_no_name_of_a_file_is_refused(results, trained_on, made):
    predictions = replace(results["good"].predictions, provenance={**made, "seed": 0, "trained_on": trained_on})
    with pytest.raises(PosebenchError, match="trained_on"):
        entry_of(replace(results["good"], predictions=predictions), "r.json")


def test_predictions_that_equal_the_truth_are_refused(results):
    finding = Finding("leakage", "warning", "", "")
    with pytest.raises(PosebenchError, match="equal the truth"):
        entry_of(replace(results["good"], findings=[finding]), "good.json")


def test_a_result_whose_numbers_are_not_those_of_its_sums_is_refused(results):
    from copy import deepcopy

    metrics = deepcopy(results["good"].metrics)
    metrics["MPJPE"].by["action"] -= 1.0
    with pytest.raises(PosebenchError, match="MPJPE of seeds"):
        entry_of(replace(results["good"], metrics=metrics), "good.json")


def test_a_seed_counts_once(tmp_path, results, made):
    one, other = (
        replace(results[name], predictions=replace(results[name].predictions, method="m", provenance={**made, "seed": 3}))
        for name in ("good", "good2")
    )
    (path,) = add(tmp_path, [one, one], ["a", "b"])
    assert len(load_entries(tmp_path)[0].seeds) == 1
    before = path.read_bytes()
    with pytest.raises(PosebenchError, match="with seed 3 again"):
        add(tmp_path, [one, other], ["a", "b"])
    assert path.read_bytes() == before


def test_seeds_of_a_student_are_one_entry_whose_teachers_differ_in_seed_and_weights_only(tmp_path, results, made):
    def taught(name, seed, recipe="tuned"):
        teacher = taught_by("ites_teacher", recipe, "quick", seed, f"{seed}a5f")
        predictions = replace(results[name].predictions, method="m", provenance={**made, "seed": seed, "teacher": teacher})
        return replace(results[name], predictions=predictions)

    (path,) = add(tmp_path, [taught("good", 0), taught("good2", 1)], ["a", "b"])
    render(tmp_path)
    page_of_it = path.with_suffix(".md").read_text()
    assert page_of_it.count("ites_teacher (tuned, quick)") == 1
    assert "teacher ites_teacher (tuned, quick, seed 1), weights 1a5f" in page_of_it
    with pytest.raises(PosebenchError, match="differs from another result"):
        add(tmp_path, [taught("good", 0), taught("good2", 1, "paper")], ["a", "b"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.pop("method"),
        lambda entry: entry.update(extra=1),
        lambda entry: entry.update(posebench_entry=99),
        lambda entry: entry.update(seeds=[]),
        lambda entry: entry.update(supervision="lots"),
        lambda entry: entry["seeds"][0]["sums"]["MPJPE"][0].pop(),
        lambda entry: entry["seeds"][0]["sums"]["MPJPE"][0].__setitem__(0, float("nan")),
        lambda entry: entry["takes"][0].pop(),
        lambda entry: entry.update(method="another"),
        lambda entry: entry["protocol"].update(headline="median"),
        lambda entry: entry["takes"].__setitem__(1, entry["takes"][0]),
        lambda entry: entry["units"].pop("MPJPE"),
        lambda entry: entry["seeds"][0]["sums"].pop("PA-MPJPE"),
        lambda entry: entry["seeds"][0]["values"].update({"MPJPE": 1.0}),
        lambda entry: entry["seeds"][0]["sums"]["AUC"][0].__setitem__(0, 1.0),
        lambda entry: entry["seeds"][0]["joints"]["MPJPE"]["total"][2].__setitem__(5, 1.0),
        lambda entry: entry["seeds"][0]["joints"]["MPJPE"]["total"][2].pop(),
        lambda entry: entry["seeds"][0]["joints"]["MPJPE"].update(names=[]),
        lambda entry: entry["seeds"][0]["joints"].update(CPS={}, XYZ={}),
        lambda entry: entry["seeds"][0]["curves"]["PA-AUC"][1].__setitem__(20, 1.0),
        lambda entry: entry["seeds"][0]["curves"]["PA-AUC"][0].pop(),
        lambda entry: entry["seeds"][0]["curves"].update(XYZ=[[0.0], [1.0]]),
        lambda entry: entry["seeds"][0]["curves"].update(AUC=[[], []]),
    ],
)
def test_a_damaged_entry_is_refused_naming_the_file(tmp_path, results, damage):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=r"good-gt\.json"):
        load_entries(tmp_path)


def test_an_entry_among_rows_of_another_protocol_is_refused_naming_its_own_place(tmp_path, results):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    other = tmp_path / "entries" / "cmu" / path.name
    other.parent.mkdir()
    path.rename(other)
    with pytest.raises(PosebenchError, match=r"it in entries/synthetic/good-gt\.json"):
        load_entries(tmp_path)
    other.write_text(other.read_text().replace('"id": "synthetic"', '"id": "cmu"'))
    with pytest.raises(PosebenchError, match="digest"):
        check_board(tmp_path)


def edited(path, change):
    content = json.loads(path.read_text())
    change(content["seeds"][0])
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda seed: seed["values"].update({"PA-MPJPE": seed["values"]["PA-MPJPE"] * 0.999}),
        lambda seed: seed["sums"]["PA-MPJPE"][0].__setitem__(3, seed["sums"]["PA-MPJPE"][0][3] * 0.999),
        lambda seed: (seed.pop("values"), seed["sums"]["PA-MPJPE"][0].__setitem__(3, seed["sums"]["PA-MPJPE"][0][3] * 0.999)),
    ],
    ids=["the value", "a sum", "a sum, with the values taken out"],
)
def test_an_edited_number_is_refused(tmp_path, results, change):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    edited(path, change)
    with pytest.raises(PosebenchError, match=r"good-gt\.json: .*PA-MPJPE.*sums give") as error:
        check_board(tmp_path)
    assert error.value.exit_code == 1


def test_an_entry_without_values_joints_and_curves_loads_as_those_of_schema_1_do(tmp_path, results):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    content = json.loads(path.read_text()) | {"posebench_entry": 1}
    for key in ("values", "joints", "curves"):
        del content["seeds"][0][key]
    path.write_text(json.dumps(content))
    render(tmp_path)
    assert check_board(tmp_path) == 1
    assert not list(tmp_path.rglob("*-joints.svg"))
    assert not list(tmp_path.rglob("*-pck.svg"))
    assert "By joint" not in path.with_suffix(".md").read_text()


def test_an_entry_filed_under_its_earlier_name_is_shown_under_it_and_replaced_by_a_new_one(tmp_path, results, made):
    result = replace(results["good"], predictions=replace(results["good"].predictions, provenance={**made, "recipe": "tuned", "seed": 0}))
    (path,) = add(tmp_path, [result], ["good.json"])
    assert path.name == "good+tuned@cmu-gt-quick.json"
    earlier = path.with_name("good@cmu-gt-quick.json")
    text = path.read_text()
    assert '"recipe": "tuned"' in text
    earlier.write_text(re.sub(r',\s*"form": "tuned"', "", text.replace('"recipe": "tuned"', '"recipe": "default"')))
    path.unlink()
    assert '"form"' not in earlier.read_text()
    render(tmp_path)
    assert check_board(tmp_path) == 1
    page = earlier.with_suffix(".md").read_text()
    assert page.startswith("# good+tuned@cmu (quick) on `synthetic`")
    assert "(good@cmu-gt-quick.json)" in page
    assert "| [good](entries/synthetic/good@cmu-gt-quick.md) | tuned  |" in (tmp_path / "README.md").read_text()
    path.write_text(text)
    with pytest.raises(PosebenchError, match="the same entry"):
        load_entries(tmp_path)
    add(tmp_path, [result], ["good.json"])
    assert (path.exists(), earlier.exists()) == (True, False)


def stated(result, **provenance):
    return replace(result, predictions=replace(result.predictions, provenance=provenance))


@pytest.mark.parametrize("unstated", list(FACTS))
def test_a_new_entry_that_does_not_say_what_the_method_was_given_is_refused(tmp_path, results, made, unstated):
    how = {name: value for name, value in (made | {"seed": 0}).items() if name != unstated}
    with pytest.raises(PosebenchError, match=rf"good\.json: no word of {unstated}\. Wanted: what the method was given") as error:
        add(tmp_path, [stated(results["good"], **how)], ["good.json"])
    assert error.value.exit_code == 1
    assert not list(tmp_path.rglob("*.json"))


def test_a_new_entry_with_a_wrong_fact_or_without_provenance_is_refused(tmp_path, results, made, monkeypatch):
    with pytest.raises(PosebenchError, match=r"good\.json: provenance: selection = 'best epoch'. Wanted: last epoch, criterion"):
        add(tmp_path, [stated(results["good"], **{**made, "seed": 0, "selection": "best epoch"})], ["good.json"])
    monkeypatch.undo()
    with pytest.raises(PosebenchError, match=r"no word of how good was made.*Next: save the predictions with provenance="):
        add(tmp_path, [results["good"]], ["good.json"])


def test_an_entry_of_an_earlier_schema_need_not_state_the_facts_and_shows_what_it_knows(tmp_path, results, made):
    (path,) = add(tmp_path, [stated(results["good"], **made, seed=0)], ["good.json"])
    content = json.loads(path.read_text())
    for name in FACTS:
        del content["seeds"][0]["provenance"][name]
    path.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match="no word of online, tta"):
        load_entries(tmp_path)
    del content["seeds"][0]["values"]  # of nine digits, unlike those of schema 3
    path.write_text(json.dumps(content | {"posebench_entry": 3}))
    (entry,) = load_entries(tmp_path)
    assert entry.facts["tta"] == "flip"
    assert {entry.facts[name] for name in ("online", "test_time", "oracle", "selection")} == {"not stated"}
    assert entry.why_unranked == ""


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"oracle": "best of 5"}, "oracle: best of 5"),
        ({"selection": "on test"}, "weights selected on the test split"),
        ({"test_time": "optimisation (5 steps), other clips"}, "reads other test clips at test time"),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_an_oracle_or_a_seen_test_split_is_shown_aside_and_never_ranked(tmp_path, results, made, fact, reason, alone):
    chosen = [stated(results["good"], **{**made, "seed": 0, **fact}), *([] if alone else [results["bad"]])]
    add(tmp_path, chosen, list("ab")[: len(chosen)])
    render(tmp_path)
    assert check_board(tmp_path) == len(chosen)
    page = (tmp_path / "README.md").read_text()
    below = page.split("**Not ranked**:\n")[1]
    assert "| unranked | [good+wide@cmu](entries/synthetic/good+wide@cmu-gt-quick.md) |" in re.sub(" +", " ", below)
    assert f"* good+wide@cmu (quick): {reason}." in below
    table = tmp_path / "tables" / "synthetic" / "gt"
    content = json.loads(table.with_suffix(".json").read_text())
    assert [row["method"] for row in content["rows"]] == ([] if alone else ["bad"])
    assert [(row["method"], row["not ranked"]) for row in content["unranked rows"]] == [("good+wide@cmu (quick)", reason)]
    assert "unranked,other training data,good+wide@cmu (quick),tuned," in table.with_suffix(".csv").read_text()
    own = (tmp_path / "entries" / "synthetic" / "good+wide@cmu-gt-quick.md").read_text()
    assert f"**Not ranked**: {reason}." in own
    assert "## Against" not in own


def test_a_row_leads_to_the_page_of_its_method_and_states_form_context_and_side_information(tmp_path, results, made):
    tilt = "cameras look down by 6.2 degrees on average"
    result = stated(results["good"], **made, seed=0, form="released", side_information=[tilt])
    (path,) = add(tmp_path, [replace(result, predictions=replace(result.predictions, method="repnet"))], ["r.json"])
    render(tmp_path)
    words = "none + camera tilt from calibration (training split)"
    row = re.sub(" +", " ", (tmp_path / "README.md").read_text())
    assert f"(entries/synthetic/{path.stem}.md) | [released](../baselines/repnet/README.md) | {words} | cmu | gt |" in row
    every = re.sub(" +", " ", (tmp_path / "tables" / "synthetic" / "gt.md").read_text())
    assert f"(../../entries/synthetic/{path.stem}.md) | [released](../../../baselines/repnet/README.md) | {words} | 1 |" in every
    assert f"| repnet+wide@cmu (quick) | yes | flip | none | none | none | last epoch | {tilt} |" in every
    page = path.with_suffix(".md").read_text()
    assert "The method: [repnet](../../../baselines/repnet/README.md)" in page
    assert f"Form: released. Supervision: {words}." in page
    line = (tmp_path / "tables" / "synthetic" / "gt.csv").read_text().splitlines()[1]
    facts = f"{path.stem},{words},metric,1,7,1,yes,flip,none,none,none,last epoch,{tilt},"
    assert line.startswith(f",other training data,repnet+wide@cmu (quick),released,{facts}")
