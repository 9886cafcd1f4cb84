import json
import re
from dataclasses import replace

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.admission import entry_of
from posebench.board.entry_files import add, load_entries
from posebench.board.pages.leaderboard import leaderboard_page
from posebench.board.pages.plots import draw, fresh, plot_data
from posebench.board.pages.tables import cell
from posebench.board.rank import rankings
from posebench.board.render import check_board, render
from posebench.lifters.timing.record import Case, Noise, Record, Timed
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import load_result


def test_a_row_of_changed_code_says_so(results, made):
    predictions = replace(results["good"].predictions, provenance={**made, "seed": 0})
    spent = {"device": "cpu", "processor": "P", "threads": "1", "torch": "2"}
    for code, said in (("abc", False), ("abc+", True)):
        text = leaderboard_page(
            rankings([entry_of(replace(results["good"], predictions=predictions, training={**spent, "code": code}), "a")]), None, {}
        )
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
    add(tmp_path, [*seeds, results["bad"]], list("abcd"))
    render(tmp_path)
    folder = tmp_path / "entries" / "synthetic"
    text = (folder / "martinez+wide@cmu-gt-quick.md").read_text()
    for seed, result in enumerate(seeds):
        run = f"runs/martinez+wide@cmu-gt-quick-s{seed}"
        assert f"train martinez --dataset cmu --root CMU --keypoints gt --recipe wide --preset quick --seed {seed} -o {run}\n" in text
        assert f"posebench predict {run} --dataset synthetic --keypoints gt -o {run}/synthetic.npz\n" in text
        assert result.predictions.sha256 in text
    assert "yes, better" in text
    other = (folder / "bad-gt.md").read_text()
    assert "yes, worse" in other
    assert "authors" in other
    assert "posebench score PREDICTIONS0.npz --protocol synthetic -o bad-gt-r0.json\n" in other
    assert "](../../README.md)" in text
