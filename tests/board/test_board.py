import json
import re
from dataclasses import replace

import numpy as np
import pytest

import posebench
from posebench.board.entries import add, entry_of, load_entries
from posebench.board.plots import draw, fresh, plot_data
from posebench.board.rank import comparable, rank
from posebench.board.render import check_board, page, rankings, render
from posebench.board.tables import cell
from posebench.errors import PosebenchError
from posebench.protocol import load_protocol
from posebench.provenance import taught_by
from posebench.result import load_result
from posebench.speeds import Case, Noise, Record, Timed

#: How a trained row was made, but for its seed.
MADE = {"recipe": "wide", "preset": "quick", "trained_on": "cmu 1 a5: S01", "trained_keypoints": "gt"}
MADE |= {"context": 1, "flip_averaging": True, "epochs": 2, "poses_seen": 5, "parameters": 7}


def scored(folder, name, noise, *, seed=0, keypoints="gt", scale="metric"):
    """A result under `synthetic` on a few true clips: what a board sees, without the cost of the whole dataset."""
    rng = np.random.default_rng(7)
    body = rng.normal(0, 250, (17, 3))
    truth = {f"S9/{action} {i}/c0": body + rng.normal(0, 30, (20, 17, 3)) for action in ("Walk", "Sit", "Eat") for i in (1, 2, 3)}
    posebench.save_predictions(folder / "truth.npz", truth, unit="mm", skeleton="h36m17")
    other = np.random.default_rng([seed, noise])
    path = folder / f"{name}-{seed}-{keypoints}.npz"
    posebench.save_predictions(
        path,
        {clip: pose + other.normal(0, noise, pose.shape) for clip, pose in truth.items()},
        unit="mm" if scale == "metric" else None,
        scale=scale,
        skeleton="h36m17",
        method=name,
        keypoints=keypoints,
        supervision="none",
    )
    result = posebench.score(path, "pair-17j", truth=folder / "truth.npz")
    protocol = load_protocol("synthetic")
    return replace(
        result,
        protocol={"id": "synthetic", "version": protocol.version, "digest": protocol.digest, "headline": protocol.headline},
        data={"name": "synthetic", "version": "1", "fingerprint": "f" * 64, "official": True, "note": ""},
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    return {
        "good": scored(folder, "good", 20),
        "good2": scored(folder, "good", 21, seed=1),
        "good3": scored(folder, "good", 22, seed=2),
        "bad": scored(folder, "bad", 60),
        "free": scored(folder, "free", 30, scale="unknown"),
        "noisy": scored(folder, "good", 30, keypoints="gauss5"),
    }


def test_an_entry_comes_back_as_it_was_written(tmp_path, results):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    assert path == tmp_path / "entries" / "synthetic" / "good-gt.json"
    (entry,) = load_entries(tmp_path)
    assert entry.dump() == entry_of(results["good"], "good.json").dump()


def test_every_average_follows_from_the_sums_in_the_entry(results):
    entry = entry_of(results["good"], "good.json")
    for metric, table in results["good"].metrics.items():
        for kind, value in table["by"].items():
            assert entry.value(metric, kind) == pytest.approx(value, rel=1e-12), (metric, kind)


def test_seeds_of_a_method_become_one_row_that_is_not_its_best(tmp_path, results):
    add(tmp_path, [results["good"], results["good2"], results["good3"], results["good"]], list("abcd"))
    (entry,) = load_entries(tmp_path)
    assert len(entry.seeds) == 3
    frame = rank([entry], ["PA-MPJPE"]).frame
    values = sorted(entry.value("PA-MPJPE", "action", seed) for seed in range(3))
    assert frame["PA-MPJPE"][0] == values[1]
    assert (frame["PA-MPJPE seed low"][0], frame["PA-MPJPE seed high"][0]) == (values[0], values[2])


def test_of_two_seeds_the_worse_one_stands(tmp_path, results):
    add(tmp_path, [results["good2"], results["good"]], list("ab"))
    (entry,) = load_entries(tmp_path)
    values = [entry.value("PA-MPJPE", "action", seed) for seed in range(2)]
    ranking = rank([entry], ["PA-MPJPE"])
    assert ranking.frame["PA-MPJPE"][0] == max(values) > min(values)
    assert values[ranking.shown[0]] == max(values)


def test_rows_are_ranked_and_lettered(results):
    entries = [entry_of(results[name], name) for name in ("bad", "good", "free")]
    frame = rank(entries, ["PA-MPJPE", "MPJPE"]).frame
    assert list(frame["method"]) == ["good", "free", "bad"]
    assert list(frame["group"]) == ["a", "b", "c"]
    assert frame["MPJPE"].isna().tolist() == [False, True, False]


def test_other_keypoints_or_digests_never_share_a_table(results):
    older = entry_of(results["bad"], "bad")
    older.protocol["digest"] = "0" * 16
    tables = comparable([entry_of(results["good"], "good"), entry_of(results["noisy"], "noisy"), older])
    assert [len(entries) for entries in tables.values()] == [1, 1, 1]


def test_true_keypoints_come_first_and_noisier_ones_later(results):
    entries = [entry_of(results["good"], name) for name in "abcd"]
    made = [replace(entry, keypoints=source) for entry, source in zip(entries, ("gauss10", "cpn", "gauss5", "gt"), strict=True)]
    assert [key[3] for key in rankings(made)] == ["gt", "cpn", "gauss5", "gauss10"]


def test_a_row_of_changed_code_says_so(results):
    predictions = {**results["good"].predictions, "provenance": {**MADE, "seed": 0}}
    spent = {"device": "cpu", "processor": "P", "threads": "1", "torch": "2"}
    for code, said in (("abc", False), ("abc+", True)):
        text = page([entry_of(replace(results["good"], predictions=predictions, training={**spent, "code": code}), "a")])
        assert f"commit {code}." in text
        assert ("the code differed from it" in text) is said


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
    bad = replace(results["bad"], **{part: {**getattr(results["bad"], part), **change}})
    with pytest.raises(PosebenchError, match=message):
        add(tmp_path, [results["good"], bad], ["good.json", "bad.json"])
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("trained_on", ["../../../etc/passwd 1", "h36m: S1 S5", " h36m"])
def test_a_training_dataset_that_is_no_name_of_a_file_is_refused(results, trained_on):
    predictions = {**results["good"].predictions, "provenance": {**MADE, "seed": 0, "trained_on": trained_on}}
    with pytest.raises(PosebenchError, match="trained_on"):
        entry_of(replace(results["good"], predictions=predictions), "r.json")


def test_a_seed_counts_once(tmp_path, results):
    one, other = (
        replace(results[name], predictions={**results[name].predictions, "method": "m", "provenance": {**MADE, "seed": 3}})
        for name in ("good", "good2")
    )
    (path,) = add(tmp_path, [one, one], ["a", "b"])
    assert len(load_entries(tmp_path)[0].seeds) == 1
    before = path.read_bytes()
    with pytest.raises(PosebenchError, match="with seed 3 again"):
        add(tmp_path, [one, other], ["a", "b"])
    assert path.read_bytes() == before


def test_seeds_of_a_student_are_one_entry_whose_teachers_differ_in_seed_and_weights_only(tmp_path, results):
    def taught(name, seed, recipe="default"):
        teacher = taught_by("ites_teacher", recipe, "quick", seed, f"{seed}a5f")
        predictions = {**results[name].predictions, "method": "m", "provenance": {**MADE, "seed": seed, "teacher": teacher}}
        return replace(results[name], predictions=predictions)

    (path,) = add(tmp_path, [taught("good", 0), taught("good2", 1)], ["a", "b"])
    render(tmp_path)
    page_of_it = path.with_suffix(".md").read_text()
    assert page_of_it.count("ites_teacher (default, quick)") == 1
    assert "taught by ites_teacher (default, quick, seed 1), weights 1a5f" in page_of_it
    with pytest.raises(PosebenchError, match="differs from another result"):
        add(tmp_path, [taught("good", 0), taught("good2", 1, "paper")], ["a", "b"])


def test_predictions_that_equal_the_truth_are_refused(results):
    finding = {"name": "leakage", "severity": "warning", "message": "", "fix": "", "clips": []}
    with pytest.raises(PosebenchError, match="equal the truth"):
        entry_of(replace(results["good"], findings=[finding]), "good.json")


def test_the_page_is_fresh_until_an_entry_changes(tmp_path, results):
    add(tmp_path, [results["good"], results["bad"]], ["a", "b"])
    render(tmp_path)
    assert check_board(tmp_path) == 2
    add(tmp_path, [results["free"]], ["c"])
    with pytest.raises(PosebenchError, match="board render") as error:
        check_board(tmp_path)
    assert error.value.exit_code == 1


def test_a_page_names_each_method_its_value_and_the_digest(results):
    text = page([entry_of(results[name], name) for name in ("good", "bad")])
    assert load_protocol("synthetic").digest in text
    assert f"{results['good'].value('PA-MPJPE', 'action'):.1f}" in text
    assert text.index("| [good](entries/synthetic/good-gt.md)") < text.index("| [bad]")
    assert "No entries yet" in page([])


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


def test_the_committed_board_is_fresh():
    from pathlib import Path

    board = Path(__file__).parents[2] / "leaderboard"
    assert check_board(board) > 0


def test_result_files_go_on_the_board_through_the_command_line(tmp_path, results, capsys):
    from posebench.cli import main

    path = results["good"].save(tmp_path / "good.json")
    assert load_result(path).predictions["method"] == "good"
    board = tmp_path / "board"
    assert main(["board", "add", str(path), "--board", str(board)]) == 0
    assert main(["board", "render", "--board", str(board)]) == 0
    assert main(["board", "check", "--board", str(board)]) == 0
    (board / "README.md").write_text("old")
    assert main(["board", "check", "--board", str(board)]) == 1
    assert "board render" in capsys.readouterr().err


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
    render(tmp_path)
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


def test_a_result_whose_numbers_are_not_those_of_its_sums_is_refused(results):
    from copy import deepcopy

    metrics = deepcopy(results["good"].metrics)
    metrics["MPJPE"]["by"]["action"] -= 1.0
    with pytest.raises(PosebenchError, match="MPJPE of seeds"):
        entry_of(replace(results["good"], metrics=metrics), "good.json")


def test_joints_average_to_the_whole(results):
    entry = entry_of(results["good"], "good.json")
    by_joint = entry.by_joint("MPJPE", "action")
    sums = results["good"].sums["MPJPE"]
    assert np.mean(list(by_joint.values())) == pytest.approx(entry.value("MPJPE", "action"), rel=1e-5)
    # All takes are equally long, three an action: all averages are one.
    assert by_joint == pytest.approx(dict(zip(sums.parts, sums.total.sum(axis=0) / sums.count.sum(), strict=True)), rel=1e-5)


def test_the_smallest_separable_difference_is_the_median_half_width_of_the_pairs(results):
    from posebench.comparison import paired

    entries = [entry_of(results[name], name) for name in ("bad", "good", "free")]
    ranking = rank(entries, ["PA-MPJPE"])
    sums = {entry.label: entry.seeds[0].of("PA-MPJPE") for entry in entries}
    pairs = paired("PA-MPJPE", "mm", "action", entries[0].rows, sums).pairs
    assert ranking.smallest == sorted((pair.high - pair.low) / 2 for pair in pairs)[1]
    assert f"about **{ranking.smallest:.1f} mm** PA-MPJPE" in page(entries)
    assert rank(entries[:1], ["PA-MPJPE"]).smallest is None


def test_rows_of_other_letters_whose_seeds_overlap_are_named(tmp_path, results):
    add(tmp_path, [results["good"], results["good2"]], list("ab"))
    (good,) = load_entries(tmp_path)
    bad = entry_of(results["bad"], "bad")
    assert not rank([good, bad], ["PA-MPJPE"]).overlaps
    lucky = replace(bad, seeds=[good.seeds[0], bad.seeds[0]])
    assert rank([good, lucky], ["PA-MPJPE"]).overlaps == [("good", "bad")]
    assert "may turn them round: good and bad" in page([good, lucky])


def test_an_entry_of_other_takes_under_the_same_fingerprint_is_refused(results):
    other = entry_of(results["bad"], "bad")
    other.takes[0] = ("S9/Other 1", "S9", "Other")
    with pytest.raises(PosebenchError, match="other takes"):
        rank([entry_of(results["good"], "good"), other], ["PA-MPJPE"])


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ((36.28, 31.66, 41.9), "36 [32, 42]"),
        ((36.28, 34.4, 38.2), "36.3 [34.4, 38.2]"),
        ((36.28, 34.3, 38.3), "36 [34, 38]"),
        ((36.28, None, None), "36.3"),
        ((None, None, None), ""),
        ((float("nan"), 1.0, 2.0), ""),
    ],
)
def test_no_digit_is_printed_that_the_interval_does_not_support(given, printed):
    assert cell(*given, interval=True) == printed


def test_csv_and_json_hold_the_same_frame(tmp_path, results):
    import pandas as pd

    add(tmp_path, [results["good"], results["free"]], list("ab"))
    render(tmp_path)
    table = tmp_path / "tables" / "synthetic" / "gt"
    frame = pd.read_csv(table.with_suffix(".csv"))
    content = json.loads(table.with_suffix(".json").read_text())
    pd.testing.assert_frame_equal(frame, pd.DataFrame(content["rows"]), check_dtype=False)
    assert list(frame["method"]) == ["good", "free"]
    assert frame["PA-MPJPE"][0] == pytest.approx(results["good"].value("PA-MPJPE", "action"), abs=1e-4)
    assert content["rows"][1]["MPJPE"] is None


def test_a_stale_or_missing_page_table_or_plot_is_named_and_so_is_one_left_over(tmp_path, results):
    (path, _) = add(tmp_path, [results["good"], results["bad"]], list("ab"))
    render(tmp_path)
    made = [file for ending in ("md", "csv", "svg") for file in tmp_path.rglob(f"*.{ending}")]
    assert len(made) == 3 + 1 + 4
    for file in [*made, tmp_path / "tables" / "synthetic" / "gt.json"]:
        text = file.read_text()
        for change in (text.replace("0", "1", 1), None):
            if change is None:
                file.unlink()
            else:
                file.write_text(change)
            with pytest.raises(PosebenchError, match=re.escape(f"{file} is not what")):
                check_board(tmp_path)
        file.write_text(text)
    assert check_board(tmp_path) == 2
    (tmp_path / "plots" / "synthetic" / "old-error.svg").write_text("<svg/>")
    with pytest.raises(PosebenchError, match=r"old-error\.svg is not what"):
        check_board(tmp_path)
    path.unlink()
    render(tmp_path)
    assert check_board(tmp_path) == 1
    assert not list(tmp_path.rglob("good-gt.md"))
    assert not list(tmp_path.rglob("old-error.svg"))


def test_a_plot_is_drawn_the_same_twice_and_is_stale_when_its_data_change(results):
    (ranking,) = rankings([entry_of(results[name], name) for name in ("good", "bad")]).values()
    plots = plot_data(ranking, {})
    assert set(plots) == {"error", "actions", "joints", "pck"}
    assert plots["pck"]["series"].keys() == {"good", "bad"}
    for name, data in plots.items():
        text = draw(name, data)
        assert text == draw(name, data)
        assert "dc:date" not in text
        assert fresh(text, name, data)
        assert not fresh(text, name, {**data, "title": "another"})
        assert not fresh(text.replace("<svg", "<svg ", 1), name, data)


def test_timings_have_a_page_and_a_plot_that_go_stale_with_them(tmp_path, results):
    add(tmp_path, [results["good"], results["bad"]], ["a", "b"])
    case = Case("own", 1, 3, 0.002, None, (0.002, 0.002))
    record = Record({"processor": "X"}, 30.0, 2, Noise(0.5, 0.0), (Timed("good", 1, 0, 0, False, None, None, None, None, (case,), (), ()),))
    kept = tmp_path / "speed" / "machine-x.json"
    record.save(kept)
    render(tmp_path)
    assert check_board(tmp_path) == 2
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "too noisy" in text
    assert "| good     | own       |       1 |             2 |" in text
    assert "(plots/synthetic/gt-time.svg)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    (ranking,) = rankings(load_entries(tmp_path)).values()
    data = plot_data(ranking, {"machine-x": record})["time"]
    assert [(point["method"], point["milliseconds"]) for point in data["points"]] == [("good", 2.0)]
    assert data["without"] == ["bad"]
    replace(record, rounds=3, noise=Noise(0.0, 0.0)).save(kept)
    with pytest.raises(PosebenchError, match=r"speed\.md, \S*gt-time\.svg are not what"):
        check_board(tmp_path)
    kept.unlink()
    with pytest.raises(PosebenchError, match=r"README\.md, \S*gt-time\.svg, \S*speed\.md are not what"):
        check_board(tmp_path)
    render(tmp_path)
    assert not (tmp_path / "speed.md").exists()
    assert check_board(tmp_path) == 2


def test_two_copies_of_the_data_have_tables_and_plots_of_their_own(results):
    moved = replace(results["bad"], data={**results["bad"].data, "fingerprint": "e" * 64})
    text = page([entry_of(results["good"], "a"), entry_of(moved, "b")])
    for end in ("", f"-{load_protocol('synthetic').digest[:8]}-ffffffff"):
        assert f"(tables/synthetic/gt{end}.csv)" in text
        assert f"(plots/synthetic/gt{end}-error.svg)" in text


def test_the_page_of_an_entry_compares_it_and_says_how_it_is_made_again(tmp_path, results):
    seeds = [
        replace(results[name], predictions={**results[name].predictions, "method": "martinez", "provenance": {**MADE, "seed": seed}})
        for seed, name in enumerate(("good", "good2", "good3"))
    ]
    add(tmp_path, [*seeds, results["bad"]], list("abcd"))
    render(tmp_path)
    folder = tmp_path / "entries" / "synthetic"
    text = (folder / "martinez+wide@cmu-gt-quick.md").read_text()
    for seed, result in enumerate(seeds):
        run = f"runs/martinez+wide@cmu-gt-quick-s{seed}"
        assert f"train martinez --dataset cmu --root CMU --keypoints gt --recipe wide --preset quick --seed {seed} -o {run}\n" in text
        assert f"posebench predict {run} --dataset synthetic --keypoints gt -o {run}/synthetic.npz\n" in text
        assert result.predictions["sha256"] in text
    assert "yes, better" in text
    other = (folder / "bad-gt.md").read_text()
    assert "yes, worse" in other
    assert "authors" in other
    assert "posebench score PREDICTIONS0.npz --protocol synthetic -o bad-gt-r0.json\n" in other
    assert "](../../README.md)" in text
