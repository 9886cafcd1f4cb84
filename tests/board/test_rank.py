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


def test_methods_whose_seeds_overlap_share_a_letter(tmp_path, results):
    add(tmp_path, [results["good"], results["good2"]], list("ab"))
    (good,) = load_entries(tmp_path)
    bad = entry_of(results["bad"], "bad")
    assert list(rank([good, bad], ["PA-MPJPE"]).frame["group"]) == ["a", "b"]
    lucky = replace(bad, seeds=[good.seeds[0], bad.seeds[0]])
    ranking = rank([good, lucky], ["PA-MPJPE"])
    (pair,) = ranking.pairs
    assert pair.significant
    assert pair.seeds_overlap
    assert list(ranking.frame["group"]) == ["a", "a"]


def of_recipe(result, made, seed=0, **changes):
    """An entry of `martinez` whose recipe, form and training data are given."""
    how = {**made, "recipe": "tuned", "trained_on": "synthetic 1 a5: S1", "seed": seed, **changes}
    return replace(entry_of(replace(result, predictions=replace(result.predictions, method="martinez", provenance=how)), "martinez"))


def test_an_ablation_is_compared_with_the_row_that_it_changes_of_the_same_seed_and_with_no_other(results, made):
    tuned = of_recipe(results["good"], made)
    second = of_recipe(results["good2"], made, seed=1)
    parent = replace(tuned, seeds=[tuned.seeds[0], second.seeds[0]])
    ablation = of_recipe(results["bad"], made, recipe="narrow")
    elsewhere = of_recipe(results["bad"], made, trained_on="cmu 1 a5: S01")
    ranking = rank([parent, ablation, elsewhere, entry_of(results["free"], "free")], ["PA-MPJPE"])
    assert dict(zip(ranking.frame["method"], ranking.frame["role"], strict=True)) == {
        "martinez+tuned (quick)": "method",
        "martinez+narrow (quick)": "ablation",
        "martinez+tuned@cmu (quick)": "other training data",
        "free": "method",
    }
    assert dict(zip(ranking.frame["method"], ranking.frame["group"], strict=True))["martinez+narrow (quick)"] == ""
    assert {label: pair.b for label, pair in ranking.to_parent.items()} == dict.fromkeys(
        ["martinez+narrow (quick)", "martinez+tuned@cmu (quick)"], "martinez+tuned (quick)"
    )
    # Both seeds of the parent were scored; the row that is shown is the worse one, the difference is to the one with the same number.
    expected = ablation.value("PA-MPJPE", "action") - tuned.value("PA-MPJPE", "action")
    assert ranking.to_parent["martinez+narrow (quick)"].value == pytest.approx(expected)
    assert len(ranking.pairs) == 1


def test_an_ablation_whose_parent_is_not_in_the_table_counts_as_a_method(results, made):
    frame = rank([of_recipe(results["bad"], made, recipe="narrow"), entry_of(results["good"], "good")], ["PA-MPJPE"]).frame
    assert list(frame["group"]) == ["a", "b"]
    assert set(frame["role"]) == {"method"}


def test_a_difference_reads_the_same_from_both_sides(results):
    (pair,) = rank([entry_of(results["good"], "good"), entry_of(results["bad"], "bad")], ["PA-MPJPE"]).pairs
    turned = pair.seen_from("bad")
    assert pair.seen_from("good") == pair
    assert (turned.a, turned.b, turned.value, turned.low, turned.high) == ("bad", "good", -pair.value, -pair.high, -pair.low)
    assert turned.seen_from("good") == pair


def test_an_entry_of_other_takes_under_the_same_fingerprint_is_refused(results):
    other = entry_of(results["bad"], "bad")
    other.takes[0] = ("S9/Other 1", "S9", "Other")
    with pytest.raises(PosebenchError, match="different takes"):
        rank([entry_of(results["good"], "good"), other], ["PA-MPJPE"])
