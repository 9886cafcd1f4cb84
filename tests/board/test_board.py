import json

import numpy as np
import pytest

import posebench
from posebench.board.entries import add, entry_of, load_entries
from posebench.board.rank import comparable, ranked
from posebench.board.render import check_board, page, render
from posebench.errors import PosebenchError
from posebench.protocol import load_protocol
from posebench.result import load_result


def scored(folder, name, noise, *, seed=0, keypoints="gt", scale="metric"):
    """A result under `synthetic` on a few true clips: what a board sees, without the cost of the whole dataset."""
    from dataclasses import replace

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
    frame = ranked([entry], ["PA-MPJPE"])
    values = sorted(entry.value("PA-MPJPE", "action", seed) for seed in range(3))
    assert frame["PA-MPJPE"][0] == values[1]
    assert (frame["seed_low"][0], frame["seed_high"][0]) == (values[0], values[2])


def test_rows_are_ranked_and_lettered(results):
    entries = [entry_of(results[name], name) for name in ("bad", "good", "free")]
    frame = ranked(entries, ["PA-MPJPE", "MPJPE"])
    assert list(frame["method"]) == ["good", "free", "bad"]
    assert list(frame["group"]) == ["a", "b", "c"]
    assert frame["MPJPE"].isna().tolist() == [False, True, False]


def test_other_keypoints_or_digests_never_share_a_table(results):
    older = entry_of(results["bad"], "bad")
    older.protocol["digest"] = "0" * 16
    tables = comparable([entry_of(results["good"], "good"), entry_of(results["noisy"], "noisy"), older])
    assert [len(entries) for entries in tables.values()] == [1, 1, 1]


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
    from dataclasses import replace

    bad = replace(results["bad"], **{part: {**getattr(results["bad"], part), **change}})
    with pytest.raises(PosebenchError, match=message):
        add(tmp_path, [results["good"], bad], ["good.json", "bad.json"])
    assert not list(tmp_path.rglob("*.json"))


def test_predictions_that_equal_the_truth_are_refused(results):
    from dataclasses import replace

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
    assert text.index("| good") < text.index("| bad")
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
    ],
)
def test_a_damaged_entry_is_refused_naming_the_file(tmp_path, results, damage):
    (path,) = add(tmp_path, [results["good"]], ["good.json"])
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=r"good-gt\.json"):
        load_entries(tmp_path)


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
