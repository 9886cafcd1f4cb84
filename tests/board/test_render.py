import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.board.admission import entry_of
from posebench.board.entry import METHOD
from posebench.board.entry_files import add, load_entries
from posebench.board.pages.ablations import what_changes
from posebench.board.pages.all_rows import all_rows_page
from posebench.board.pages.leaderboard import leaderboard_page
from posebench.board.pages.plots import draw, fresh, plot_data
from posebench.board.pages.speed import speed_page
from posebench.board.pages.tables import cell
from posebench.board.published.reader import load_published
from posebench.board.rank import rankings
from posebench.board.render import check_board, render
from posebench.lifters.rigid_track.lifter import KNOWN
from posebench.lifters.timing.record import Case, Noise, Record, Timed
from posebench.predictions.provenance import WHOLE_CLIP
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import load_result


def test_a_row_of_changed_code_says_so(results, made):
    predictions = replace(results["good"].predictions, provenance={**made, "seed": 0})
    spent = {"device": "cpu", "processor": "P", "threads": "1", "torch": "2"}
    for code, said in (("abc", False), ("abc+", True)):
        trained = replace(results["good"], predictions=predictions, training={**spent, "code": code})
        ((key, ranking),) = rankings([entry_of(trained, "a")]).items()
        text = all_rows_page(key, ranking, load_protocol("synthetic"), "synthetic/gt")
        assert f"commit {code}." in text
        assert ("the code differed from it" in text) is said


def test_the_page_is_fresh_until_an_entry_changes(tmp_path, results):
    add(tmp_path, [results["good"], results["bad"]], ["a", "b"])
    render(tmp_path)
    assert check_board(tmp_path) == 2
    add(tmp_path, [results["free"]], ["c"])
    with pytest.raises(PosebenchError, match="board render") as error:
        check_board(tmp_path)
    assert error.value.exit_code == 1


def test_a_page_names_each_method_its_value_and_the_digest(results):
    text = leaderboard_page(rankings([entry_of(results[name], name) for name in ("good", "bad")]), None, {})
    assert load_protocol("synthetic").digest in text
    assert f"{results['good'].value('PA-MPJPE', 'action'):.1f}" in text
    assert text.index("| [good](entries/synthetic/good-gt.md)") < text.index("| [bad]")
    assert "No entries yet" in leaderboard_page(rankings([]), None, {})


def test_the_committed_board_is_fresh():
    from pathlib import Path

    board = Path(__file__).parents[2] / "leaderboard"
    assert check_board(board) > 0


def test_result_files_go_on_the_board_through_the_command_line(tmp_path, results, capsys):
    from posebench.cli.main import main

    path = results["good"].save(tmp_path / "good.json")
    assert load_result(path).predictions.method == "good"
    board = tmp_path / "board"
    assert main(["board", "add", str(path), "--board", str(board)]) == 0
    assert main(["board", "render", "--board", str(board)]) == 0
    assert main(["board", "check", "--board", str(board)]) == 0
    (board / "README.md").write_text("old")
    assert main(["board", "check", "--board", str(board)]) == 1
    assert "board render" in capsys.readouterr().err


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
    pd.testing.assert_frame_equal(frame, pd.DataFrame(content["rows"]).replace({None: np.nan, "": np.nan}), check_dtype=False)
    assert list(frame["method"]) == ["good", "free"]
    assert frame["PA-MPJPE"][0] == pytest.approx(results["good"].value("PA-MPJPE", "action"), abs=1e-4)
    assert content["rows"][1]["MPJPE"] is None


def test_a_stale_or_missing_page_table_or_plot_is_named_and_so_is_one_left_over(tmp_path, results):
    (path, _) = add(tmp_path, [results["good"], results["bad"]], list("ab"))
    render(tmp_path)
    made = [file for ending in ("md", "csv", "svg") for file in tmp_path.rglob(f"*.{ending}")]
    assert len(made) == 5 + 1 + 4
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


def test_a_plot_is_drawn_the_same_twice_and_is_stale_when_its_data_or_style_change(results, monkeypatch):
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
        with monkeypatch.context() as changed:
            changed.setattr("posebench.board.pages.plots.STYLE_VERSION", 0)
            assert not fresh(text, name, data)


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
    replace(record, rounds=3, noise=Noise(0.0, 0.0)).save(kept)
    with pytest.raises(PosebenchError, match=r"speed\.md, \S*gt-time\.svg are not what"):
        check_board(tmp_path)
    kept.unlink()
    with pytest.raises(PosebenchError, match=r"README\.md, \S*gt-time\.svg, \S*speed\.md are not what"):
        check_board(tmp_path)
    render(tmp_path)
    assert not (tmp_path / "speed.md").exists()
    assert check_board(tmp_path) == 2


def test_the_page_of_timings_ends_with_the_speeds_that_papers_state():
    published = load_published(Path(__file__).parents[2] / "leaderboard")
    case = Case("own", 1, 3, 0.002, None, (0.002, 0.002))
    record = Record({"processor": "X"}, 30.0, 2, Noise(0.0, 0.0), (Timed("good", 1, 0, 0, False, None, None, None, None, (case,), (), ()),))
    measured, stated = speed_page({"x": record}, published).split("## Published size and speed")
    assert "| good " in measured
    for speed in published.speeds:
        assert published.papers[speed.paper].name in stated
        assert speed.hardware in stated
        assert speed.source in stated
    assert "Published size" not in speed_page({"x": record}, None)


def test_two_copies_of_the_data_have_tables_and_plots_of_their_own(results):
    moved = replace(results["bad"], data=replace(results["bad"].data, fingerprint="e" * 64))
    text = leaderboard_page(rankings([entry_of(results["good"], "a"), entry_of(moved, "b")]), None, {})
    for end in ("", f"-{load_protocol('synthetic').digest[:8]}-ffffffff"):
        assert f"(tables/synthetic/gt{end}.csv)" in text
        assert f"(plots/synthetic/gt{end}-error.svg)" in text


def test_the_page_of_an_entry_compares_it_and_says_how_it_is_made_again(tmp_path, results, made):
    seeds = [
        replace(results[name], predictions=replace(results[name].predictions, method="martinez", provenance={**made, "seed": seed}))
        for seed, name in enumerate(("good", "good2", "good3"))
    ]
    add(tmp_path, [*seeds, results["bad"], results["free"]], list("abcde"))
    render(tmp_path)
    folder = tmp_path / "entries" / "synthetic"
    text = (folder / "martinez+wide@cmu-gt-quick.md").read_text()
    for seed, result in enumerate(seeds):
        run = f"runs/martinez+wide@cmu-gt-quick-s{seed}"
        assert f"train martinez --dataset cmu --root CMU --keypoints gt --recipe wide --preset quick --seed {seed} -o {run}\n" in text
        assert f"posebench predict {run} --dataset synthetic --keypoints gt -o {run}/synthetic.npz\n" in text
        assert result.predictions.sha256 in text
    assert "## Against" not in text
    assert "yes, better" in (folder / "free-gt.md").read_text()
    other = (folder / "bad-gt.md").read_text()
    assert "yes, worse" in other
    assert "authors" in other
    assert "posebench score PREDICTIONS0.npz --protocol synthetic -o bad-gt-r0.json\n" in other
    assert "](../../README.md)" in text


def test_a_tracked_row_is_a_method_whose_form_context_and_commands_say_so(tmp_path, results, made):
    how = {**made, "seed": 0, "trained_on": "synthetic 1 a5: S1", "form": "paper", "recipe": "paper"}
    tracked = {**how, "recipe": "paper-track", "context": WHOLE_CLIP, "test_time": "calibration, own clip", "online": "no"}
    for name, one in (("good", how), ("bad", tracked)):
        add(tmp_path, [replace(results[name], predictions=replace(results[name].predictions, method="martinez", provenance=one))], [name])
    render(tmp_path)
    entries = {entry.variant: entry for entry in load_entries(tmp_path)}
    row = entries["martinez+paper-track"]
    assert (row.role, row.form, row.facts["context"]) == (METHOD, "paper + tracking", "clip")
    assert not entries["martinez+paper"].is_parent_of(row), "it stands beside the untracked row, and is no ablation"
    page = row.path(tmp_path).with_suffix(".md").read_text()
    run = "runs/martinez+paper-gt-quick-s0"
    assert "posebench train martinez --dataset synthetic --keypoints gt --recipe paper --preset quick --seed 0" in page
    assert f"posebench predict {run} --track --dataset synthetic --keypoints gt -o {run}/synthetic-track.npz" in page
    assert f"posebench score {run}/synthetic-track.npz --protocol synthetic -o {run}/synthetic-track.json" in page


def test_the_row_of_a_stream_says_so_and_its_commands_have_the_lag(tmp_path, results, made):
    stream = {**made, "seed": 0, "trained_on": "synthetic 1 a5: S1", "form": "paper", "recipe": "paper-track-lag5", "context": 164}
    add(
        tmp_path,
        [replace(results["good"], predictions=replace(results["good"].predictions, method="martinez", provenance=stream))],
        ["good"],
    )
    render(tmp_path)
    (row,) = load_entries(tmp_path)
    assert (row.role, row.form, row.facts["context"]) == (METHOD, "paper + tracking as a stream", "164")
    run = "runs/martinez+paper-gt-quick-s0"
    command = f"posebench predict {run} --track --lag 5 --dataset synthetic --keypoints gt -o {run}/synthetic-track-lag5.npz"
    assert command in row.path(tmp_path).with_suffix(".md").read_text()


def test_an_ablation_is_compared_with_the_row_that_was_tracked_as_it_was(results, made):
    about = {"seed": 0, "trained_on": "synthetic 1 a5: S1", "form": "tuned"}
    recipes = ("tuned", "tuned-track", "tuned-track-lag5", "lengths", "lengths-track", "lengths-track-lag5", "lengths-track-lag9")
    rows = []
    for recipe in recipes:
        predictions = replace(results["good"].predictions, method="calibrated_student", provenance={**made, **about, "recipe": recipe})
        rows.append(entry_of(replace(results["good"], predictions=predictions), recipe))
    parents = {row.variant: [other.variant for other in rows if other.is_parent_of(row)] for row in rows}
    name = "calibrated_student+"
    assert parents == {
        **{f"{name}tuned{how}": [] for how in ("", "-track", "-track-lag5")},
        **{f"{name}lengths{how}": [f"{name}tuned{how}"] for how in ("", "-track", "-track-lag5")},
        f"{name}lengths-track-lag9": [],
    }
    assert what_changes(rows[3]) == what_changes(rows[4]) != ""


def test_a_recipe_of_another_method_may_end_with_track_without_being_tracked(results, made):
    own = {**made, "seed": 0, "recipe": "fast-track"}
    row, tracked = (
        entry_of(replace(results["good"], predictions=replace(results["good"].predictions, method="mine", provenance=one)), "a")
        for one in (own, {**own, "side_information": [KNOWN]})
    )
    assert (row.form, tracked.form) == ("tuned", "tuned + tracking")
    assert row.variant == "mine+fast-track@cmu"


def test_names_from_other_people_break_no_page_table_plot_or_command(tmp_path, results, made):
    import csv
    import xml.etree.ElementTree

    name, words = "$x^{$ <b>`|[a](b)", "=cmd|' \x1b[31m</td> $y$"
    how = {**made, "seed": 0, "side_information": [words], "recipe": "own"}
    result = replace(results["good"], predictions=replace(results["good"].predictions, provenance=how), training={"device": words})
    (path,) = add(tmp_path, [result], ["good.json"])
    content = json.loads(path.read_text()) | {"method": name}
    for number, take in enumerate(content["takes"]):
        content["takes"][number] = [take[0], take[1], f"{take[2]} {words}"]
    content["seeds"][0]["environment"]["platform"] = words
    for joints in content["seeds"][0]["joints"].values():
        joints["names"] = [f"{joint} $z" for joint in joints["names"]]
    path.unlink()
    hostile = path.with_name(f"{name}+own@cmu-gt-quick.json")
    hostile.write_text(json.dumps(content))
    add(tmp_path, [results["bad"]], ["bad.json"])
    bad = tmp_path / "entries" / "synthetic" / "bad-gt.json"
    other = json.loads(bad.read_text()) | {"takes": content["takes"]}
    bad.write_text(json.dumps(other))
    render(tmp_path)
    assert check_board(tmp_path) == 2
    for page in tmp_path.rglob("*.md"):
        text = page.read_text()
        assert "\x1b" not in text
        assert "<b>" not in re.sub(r"```bash.*?```", "", text, flags=re.DOTALL), page
        assert not re.search(r"(?<!\\)\$", re.sub(r"```bash.*?```", "", text, flags=re.DOTALL)), page
    row = next(line for line in (tmp_path / "README.md").read_text().splitlines() if "&lt;b&gt;" in line)
    assert re.sub(r"\\\|", "", row).count("|") == 10
    rows = list(csv.DictReader((tmp_path / "tables" / "synthetic" / "gt.csv").open()))
    assert {row["side_information"][0] for row in rows if row["side_information"] != "none"} == {"'"}
    for plot in tmp_path.rglob("*.svg"):
        xml.etree.ElementTree.parse(plot)
    commands = hostile.with_suffix(".md").read_text().split("```bash\n")[1]
    assert f"-o '{name}+own@cmu-gt-quick-r0.json'" in commands


@pytest.mark.parametrize("kind", ["device", "folder", "pipe"])
def test_an_entry_that_is_no_plain_file_is_refused(tmp_path, results, kind):
    import os

    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    path.unlink()
    {"device": lambda: path.symlink_to("/dev/zero"), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(PosebenchError, match=r"good-gt\.json: .*an entry in JSON"):
        render(tmp_path)


def test_a_folder_without_entries_gets_no_board(tmp_path, results):
    with pytest.raises(PosebenchError, match=r"no entries\. Wanted: a board with at least one entry\. Next: posebench board add") as error:
        render(tmp_path / "new")
    assert error.value.exit_code == 2
    assert not list(tmp_path.iterdir())
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    render(tmp_path)
    path.unlink()
    assert "No entries yet." in render(tmp_path).read_text()


def test_a_result_without_a_metric_that_its_sums_have_is_refused(tmp_path, results):
    metrics = {name: table for name, table in results["good"].metrics.items() if name != "CPS"}
    assert metrics.keys() != results["good"].metrics.keys()
    with pytest.raises(PosebenchError, match=r"good\.json: no CPS among its metrics"):
        add(tmp_path, [replace(results["good"], metrics=metrics)], ["good.json"])


def test_entries_of_other_metrics_share_a_table(tmp_path, results):
    for name in ("good", "bad"):
        (path,) = add(tmp_path, [results[name]], [name])
        if name == "bad":
            content = json.loads(path.read_text())
            for part in (content["units"], content["seeds"][0]["sums"], content["seeds"][0]["values"]):
                part.pop("CPS")
            path.write_text(json.dumps(content))
    render(tmp_path)
    assert check_board(tmp_path) == 2


def test_sums_have_the_digits_that_another_processor_gives_and_noise_leaves_an_entry_as_it_is(tmp_path, results):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    text = path.read_text()
    seed = json.loads(text)["seeds"][0]
    numbers = [*seed["sums"]["PA-MPJPE"][0], *seed["values"].values()]
    assert all(number == float(f"{number:.9g}") for number in numbers)
    noisy = {
        name: replace(one, total=one.total * (1 + 1e-13 * np.random.default_rng(0).standard_normal(one.total.shape)))
        for name, one in results["good"].sums.items()
    }
    moved = replace(results["good"], sums=noisy, environment=replace(results["good"].environment, platform="another"))
    add(tmp_path, [moved], ["good.json"])
    assert path.read_text() == text
    add(tmp_path, [replace(moved, predictions=replace(moved.predictions, sha256="0" * 64))], ["good.json"])
    assert path.read_text() != text


def trained(result, made, recipe, **changes):
    """A result of `martinez`, trained on the dataset that it is tested on."""
    how = {**made, "seed": 0, "recipe": recipe, "trained_on": "synthetic 1 a5: S1", **changes}
    return replace(result, predictions=replace(result.predictions, method="martinez", provenance=how))


def test_the_board_shows_methods_first_then_what_each_part_does_then_noise_and_other_training_data(tmp_path, results, made):
    given = [trained(results["good"], made, "tuned"), trained(results["bad"], made, "narrow"), results["free"]]
    given += [
        trained(results["noisy"], made, "tuned", trained_keypoints="gauss5"),
        trained(results["bad"], made, "tuned", trained_on="cmu 1"),
    ]
    add(tmp_path, given, list("abcde"))
    text = render(tmp_path).read_text(encoding="utf-8")
    assert check_board(tmp_path) == 5
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert [heading.strip("# ") for heading in headings[1:]] == [
        f"`synthetic`: {load_protocol('synthetic').title}",
        "What each part does",
        "[martinez](../baselines/martinez/README.md)",
        "Keypoints with errors",
        "Trained on other data",
    ]
    methods, parts, noise, elsewhere = (section.splitlines() for section in re.split(r"\n### ", text))
    assert sum(line.startswith("| a ") or line.startswith("| b ") for line in methods) == 2
    (ablation,) = [line for line in parts if line.startswith("| [narrow]")]
    tuned, bad = (results[name].value("PA-MPJPE", "action") for name in ("good", "bad"))
    assert f"{bad - tuned:+.1f} [" in ablation
    assert "yes, worse" in ablation
    (row,) = [line for line in noise if line.startswith("| martinez")]
    assert f"({results['noisy'].value('PA-MPJPE', 'action') - tuned:+.1f} [" in row
    (row,) = [line for line in elsewhere if line.startswith("| [martinez]")]
    assert f"{bad - tuned:+.1f} [" in row
    assert (tmp_path / "plots" / "synthetic" / "gt-ablations.svg").exists()


def test_prose_of_the_boards_pages_has_no_long_lines(tmp_path, results, made):
    from pathlib import Path

    add(tmp_path, [trained(results["good"], made, "tuned"), trained(results["bad"], made, "narrow"), results["free"]], list("abc"))
    render(tmp_path)
    pages = [*tmp_path.glob("*.md"), *(Path(__file__).parents[2] / "leaderboard").glob("*.md")]
    assert len(pages) > 4
    texts = [page.read_text(encoding="utf-8") for page in pages if page.name != "reconciliation.md"]
    lines = [line for text in texts for line in text.splitlines()]
    assert [line for line in lines if len(line) > 200 and not line.startswith("|")] == []


def test_relative_links_of_the_boards_pages_lead_to_files(tmp_path, results, made):
    from urllib.parse import unquote

    board = tmp_path / "leaderboard"
    add(
        board,
        [trained(results["good"], made, "tuned"), results["free"], trained(results["noisy"], made, "tuned", trained_keypoints="gauss5")],
        list("abc"),
    )
    render(board)
    pages = list(board.rglob("*.md"))
    assert len(pages) > 6
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            target = (page.parent / unquote(link)).resolve()
            if board in target.parents:
                assert target.exists(), (page, link)
            else:
                assert target.is_relative_to(tmp_path / "baselines") or target.is_relative_to(tmp_path / "docs"), (page, link)
