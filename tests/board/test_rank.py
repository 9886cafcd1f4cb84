from dataclasses import replace

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.admission import entry_of
from posebench.board.entry_files import add, load_entries
from posebench.board.pages.leaderboard import leaderboard_page
from posebench.board.rank import comparable, rank, rankings


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


def test_the_smallest_separable_difference_is_the_median_half_width_of_the_pairs(results):
    from posebench.scoring.comparison import paired

    entries = [entry_of(results[name], name) for name in ("bad", "good", "free")]
    ranking = rank(entries, ["PA-MPJPE"])
    sums = {entry.label: entry.seeds[0].of("PA-MPJPE") for entry in entries}
    pairs = paired("PA-MPJPE", "mm", "action", entries[0].rows, sums).pairs
    assert ranking.smallest == sorted((pair.high - pair.low) / 2 for pair in pairs)[1]
    assert f"about **{ranking.smallest:.1f} mm** PA-MPJPE" in leaderboard_page(rankings(entries), None, {})
    assert rank(entries[:1], ["PA-MPJPE"]).smallest is None


def test_rows_of_other_letters_whose_seeds_overlap_are_named(tmp_path, results):
    add(tmp_path, [results["good"], results["good2"]], list("ab"))
    (good,) = load_entries(tmp_path)
    bad = entry_of(results["bad"], "bad")
    assert not rank([good, bad], ["PA-MPJPE"]).overlaps
    lucky = replace(bad, seeds=[good.seeds[0], bad.seeds[0]])
    assert rank([good, lucky], ["PA-MPJPE"]).overlaps == [("good", "bad")]
    assert "overlap: good and bad" in leaderboard_page(rankings([good, lucky]), None, {})


def test_an_entry_of_other_takes_under_the_same_fingerprint_is_refused(results):
    other = entry_of(results["bad"], "bad")
    other.takes[0] = ("S9/Other 1", "S9", "Other")
    with pytest.raises(PosebenchError, match="different takes"):
        rank([entry_of(results["good"], "good"), other], ["PA-MPJPE"])
