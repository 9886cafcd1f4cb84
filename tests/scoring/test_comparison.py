from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.display.text import comparison_text
from posebench.scoring import tie_groups
from posebench.scoring.comparison import compare, paired
from posebench.scoring.intervals import compact_letter_display, holm
from posebench.scoring.result import load_result
from posebench.scoring.sums import Row, Sums


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the results are saved."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def results(folder):
    """Twelve takes; `good` errs by 20 mm, `bad` by 40 mm, `other` like `good` with other noise. ``copy.json`` is that of `good`."""
    rng = np.random.default_rng(3)
    body = rng.normal(0, 250, (17, 3))
    truth = {f"S{i % 3}/Walk {i}/c0": body + rng.normal(0, 30, (25, 17, 3)) for i in range(12)}
    posebench.save_predictions(folder / "truth.npz", truth, unit="mm", skeleton="h36m17")
    found = {}
    for name, noise in (("good", 20), ("bad", 40), ("other", 20)):
        poses = {clip: pose + rng.normal(0, noise, pose.shape) for clip, pose in truth.items()}
        path = folder / f"{name}.npz"
        posebench.save_predictions(path, poses, unit="mm", skeleton="h36m17", method=name, keypoints="gt")
        posebench.score(path, "pair-17j", truth=folder / "truth.npz").save(folder / f"{name}.json")
        found[name] = load_result(folder / f"{name}.json")
    found["good"].save(folder / "copy.json")
    return found


def edited(result, part, **changes):
    return replace(result, **{part: replace(getattr(result, part), **changes)})


def test_the_better_method_is_named_with_its_lead_and_interval(results):
    (comparison,) = compare([results["bad"], results["good"]], ["bad", "good"], ["MPJPE"])
    (pair,) = comparison.pairs
    assert list(comparison.values) == ["good", "bad"]
    assert pair.separable
    assert pair.verdict.startswith("good is better by ")
    assert 0 < pair.low < pair.value < pair.high
    assert pair.value == pytest.approx(results["bad"].value("MPJPE") - results["good"].value("MPJPE"))


def test_more_is_better_under_pck(results):
    (comparison,) = compare([results["bad"], results["good"]], ["bad", "good"], ["AUC"])
    assert list(comparison.values) == ["good", "bad"]
    assert comparison.pairs[0].verdict.startswith("good is better by ")


def test_methods_that_differ_by_chance_are_not_separable(results):
    (comparison,) = compare([results["good"], results["other"]], ["good", "other"], ["MPJPE"])
    assert comparison.pairs[0].verdict == "not separable on 12 takes"
    assert set(comparison.letters.values()) == {"a"}


def test_equal_results_have_no_difference_and_no_p(results):
    good = results["good"]
    rounded = replace(good, sums={name: replace(one, total=one.total * (1 + 1e-7)) for name, one in good.sums.items()})
    for same in (good, rounded):
        (comparison,) = compare([good, same], ["one", "two"], ["MPJPE"])
        (pair,) = comparison.pairs
        assert (pair.value, pair.low, pair.high, pair.p) == (0.0, 0.0, 0.0, None)
        assert pair.verdict == "the same on 12 takes"
        assert not pair.separable
        assert "-0.00" not in str(comparison_text(comparison))


def test_three_methods_get_letters_and_adjusted_p(results):
    (comparison,) = compare(list(results.values()), list(results), ["MPJPE"])
    assert {name: comparison.letters[name] for name in results} == {"good": "a", "other": "a", "bad": "b"}
    assert len(comparison.pairs) == 3


def of_takes(*errors):
    """Sums of methods with these errors in each take, and their rows."""
    takes = len(errors[0])
    rows = [Row("", "", str(take), "", "walk") for take in range(takes)]
    return rows, {f"m{number}": Sums(np.array(values)[:, None], np.ones(takes), ()) for number, values in enumerate(errors)}


def test_p_of_several_pairs_is_the_holm_adjustment_of_their_own_p():
    rng = np.random.default_rng(4)
    rows, sums = of_takes(*(50.0 + shift + rng.normal(0, 2.0, 8) for shift in (0.0, 1.5, 3.0, 3.5)))
    together = paired("MPJPE", "mm", "take", rows, sums).pairs
    alone = [paired("MPJPE", "mm", "take", rows, {name: sums[name] for name in (pair.a, pair.b)}).pairs[0].p for pair in together]
    assert len({round(p, 6) for p in alone}) == 6
    assert [pair.p for pair in together] == holm(alone)
    assert sum(pair.p > own for pair, own in zip(together, alone, strict=True)) >= 5
    changed = [pair for pair, own in zip(together, alone, strict=True) if own < 0.05 <= pair.p]
    assert changed, "the data hold a pair that only the adjustment makes not separable"
    assert not any(pair.separable for pair in changed)


def test_a_paired_comparison_separates_methods_whose_own_intervals_overlap():
    # Takes differ by 100 mm, the methods by 2 mm in every take.
    level = np.linspace(50, 150, 10)
    rng = np.random.default_rng(0)
    rows, sums = of_takes(*(level + lead + rng.normal(0, 0.3, 10) for lead in (0.0, 2.0)))
    (pair,) = paired("MPJPE", "mm", "take", rows, sums).pairs
    assert pair.separable
    assert pair.value == pytest.approx(-2.0, abs=0.5)


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [
        ("protocol", {"digest": "0000"}, "protocol digest"),
        ("data", {"fingerprint": "0000"}, "data fingerprint"),
        ("predictions", {"keypoints": "gauss5"}, "keypoint source"),
    ],
)
def test_what_is_not_comparable_is_refused_naming_the_field(results, part, change, field):
    with pytest.raises(PosebenchError, match=f"differ in {field}"):
        compare([results["good"], edited(results["bad"], part, **change)], ["good", "bad"])


def test_a_partial_result_is_refused(results):
    with pytest.raises(PosebenchError, match="bad is partial"):
        compare([results["good"], edited(results["bad"], "coverage", partial=True)], ["good", "bad"])


def test_a_metric_without_value_is_refused_by_name(results):
    metrics = results["bad"].metrics
    empty = replace(results["bad"], metrics={**metrics, "MPJPE": replace(metrics["MPJPE"], value=None)})
    with pytest.raises(PosebenchError, match="bad has no value for MPJPE"):
        compare([results["good"], empty], ["good", "bad"], ["MPJPE"])


def test_one_result_or_equal_names_are_refused(results):
    with pytest.raises(PosebenchError, match=r"1 result \(good\).*two or more.*add another result file"):
        compare([results["good"]], ["good"])
    with pytest.raises(PosebenchError, match=r"several results named same.*different names.*rename the files"):
        compare([results["good"], results["bad"]], ["same", "same"])


def test_the_same_takes_are_drawn_for_both_so_order_does_not_matter(results):
    (forth,) = compare([results["good"], results["bad"]], ["good", "bad"], ["MPJPE"])
    (back,) = compare([results["bad"], results["good"]], ["bad", "good"], ["MPJPE"])
    assert forth.pairs[0].value == pytest.approx(-back.pairs[0].value)
    assert forth.pairs[0].low == pytest.approx(-back.pairs[0].high)
    assert forth.pairs[0].p == back.pairs[0].p


def test_holm_steps_down():
    # 4 x 0.01, 3 x 0.02, then never less than what came before.
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_letters_are_shared_exactly_by_what_is_not_separable():
    from itertools import combinations

    rng = np.random.default_rng(1)
    for _ in range(50):
        names = list("vwxyz")
        separable = {frozenset(pair) for pair in combinations(names, 2) if rng.random() < 0.5}
        given = compact_letter_display(names, separable)
        for a, b in combinations(names, 2):
            assert bool(set(given[a]) & set(given[b])) == (frozenset((a, b)) not in separable)


def test_a_comparison_is_shown_in_one_line_and_in_a_notebook_as_escaped_tables(results):
    (comparison,) = compare([results["good"], results["bad"]], ["good", "<b>"], ["MPJPE"])
    assert repr(comparison).startswith("<Comparison under MPJPE [mm]: 'good' ")
    assert "\n" not in repr(comparison)
    assert len(repr(comparison)) < 100
    assert repr(comparison.pairs[0]).startswith("<Difference 'good' - '<b>' under MPJPE: -")
    shown = comparison._repr_html_()
    assert "<td>good - &lt;b&gt;</td>" in shown
    assert "<b>" not in shown


def test_files_results_and_lists_of_either_are_compared_alike(results, folder):
    good, bad = results["good"], results["bad"]
    wanted = compare([good, bad], ["good", "bad"])
    for call in (
        lambda: compare(good, bad),
        lambda: compare(str(folder / "good.json"), folder / "bad.json"),
        lambda: compare([folder / "good.json", bad]),
        lambda: compare(good, bad, names=["good", "bad"]),
        lambda: compare(results=[good, bad], names=["good", "bad"]),
    ):
        assert call() == wanted
    assert [one.metric for one in compare(good, bad, metrics="AUC")] == ["AUC"]
    assert list(compare(good, good)[0].values) == ["good (1)", "good (2)"]
    assert set(compare(folder / "good.json", folder / "copy.json")[0].values) == {"good", "copy"}


def test_a_wrong_call_says_how_to_call(results):
    good, bad = results["good"], results["bad"]
    with pytest.raises(PosebenchError, match=r"a list among the results.*compare\(a, b\)"):
        compare(good, bad, ["good", "bad"])
    with pytest.raises(PosebenchError, match="a int among the results"):
        compare(3, good)
    with pytest.raises(PosebenchError, match="one text as the names"):
        compare(good, bad, names="ab")
    with pytest.raises(PosebenchError, match=r"no result.*two or more"):
        compare([])
    with pytest.raises(PosebenchError, match="1 names for 2 results"):
        compare(good, bad, names=["good"])


def many(count, takes=12, seed=0):
    """Sums of methods, by name: each a bit worse than the one before, with noise of its own."""
    random = np.random.default_rng(seed)
    rows = [Row(f"S1/{take}/c0", "S1", f"S1/{take}", "c0", "walk") for take in range(takes)]
    totals = {f"m{i:03d}": 50.0 + 0.4 * i + random.normal(0, 2.0, (takes, 1)) for i in range(count)}
    return rows, {name: Sums(total, np.ones(takes), ()) for name, total in totals.items()}


@pytest.mark.parametrize("takes", [3, 12])
def test_pairs_of_many_methods_are_those_of_each_two_alone(takes):
    rows, sums = many(30, takes)
    sums["again"] = sums["m003"]
    comparison = paired("MPJPE", "mm", "frame", rows, sums)
    assert len(comparison.pairs) == 31 * 30 // 2
    alone = [paired("MPJPE", "mm", "frame", rows, {name: sums[name] for name in (pair.a, pair.b)}).pairs[0] for pair in comparison.pairs]
    adjusted = holm([1.0 if pair.p is None else pair.p for pair in alone])
    for pair, other, p in zip(comparison.pairs, alone, adjusted, strict=True):
        assert pair == replace(other, p=None if other.p is None else p)
    assert comparison.as_dict()["pairs"][-1]["verdict"] == comparison.pairs[-1].verdict
    assert comparison.pairs[1:3] == (comparison.pairs[1], comparison.pairs[2])


def test_a_text_of_many_methods_shows_the_best_one_against_the_next_twenty():
    rows, sums = many(60)
    comparison = paired("MPJPE", "mm", "frame", rows, sums)
    text = str(comparison_text(comparison))
    assert text.count("\n") < 100
    assert "1,750 other pairs are not shown; posebench compare --json writes all." in text
    assert len(comparison.shown_pairs) == 20
    best = next(iter(comparison.values))
    assert all(best in (pair.a, pair.b) for pair in comparison.shown_pairs)
    assert "1,750 other pairs" in comparison._repr_html_()


@pytest.mark.parametrize("most", [100, 0])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_two_names_have_a_common_group_exactly_if_they_are_not_separable(monkeypatch, most, share):
    monkeypatch.setattr(tie_groups, "MOST", most)
    random = np.random.default_rng(4)
    names = [f"m{i}" for i in range(14)]
    separable = {frozenset(pair) for pair in combinations(names, 2) if random.uniform() < share}
    groups = tie_groups.tie_groups(names, separable)
    assert {frozenset(pair) for pair in combinations(names, 2) if not any(set(pair) <= group for group in groups)} == separable
    assert set().union(*groups) == set(names)


def test_groups_of_very_many_methods_are_bounded():
    """All largest groups of 60 methods of which each is separable from one other only would be 2**30."""
    names = [f"m{i}" for i in range(60)]
    separable = {frozenset(names[i : i + 2]) for i in range(0, 60, 2)}
    groups = tie_groups.tie_groups(names, separable)
    assert len(groups) <= 60 * 59 // 2
    assert all(any({a, b} <= group for group in groups) == (frozenset((a, b)) not in separable) for a, b in combinations(names, 2))
