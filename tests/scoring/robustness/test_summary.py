"""Means, ranks and floors of a study with numbers that can be worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.corruption.conditions import KINDS
from posebench.display.robustness import plot_curves, robustness_text
from posebench.scoring.protocol import load_protocol
from posebench.scoring.robustness.measured import TakeSums
from posebench.scoring.robustness.record import FACTS, Method, Robustness, Study, load_robustness, merged
from posebench.scoring.robustness.summary import summarise

NOISE = load_protocol("cmu/noise")
TAKES = tuple(f"S{number}/t" for number in range(12))


def method(name, error, study, *, metrics=("PA-MPJPE",), facts=None):
    """A method whose error of a take under a condition is ``error(kind, severity, take)``."""
    made = Method(name, f"id of {name}", dict.fromkeys(FACTS, "") | {"trained_keypoints": "gt", **(facts or {})})
    for condition in study.conditions:
        count = np.arange(1.0, len(TAKES) + 1.0)
        means = np.array([error(condition.kind, condition.severity, take) for take in range(len(TAKES))])
        made.sets[str(condition)] = {metric: TakeSums(means * count, count) for metric in metrics}
    return made


def study_of(*made, protocol=NOISE):
    study = Study(protocol, ("cmu", "f" * 64), TAKES)
    for name, error, *more in made:
        study.methods[name] = method(name, error, study, **(more[0] if more else {}))
    return study


def rising(kind, severity, take):
    return 50.0 + take + (10.0 * severity if kind == "white" else 0.0)


def constant(error):
    return lambda _kind, _severity, take: error + take


def test_errors_are_means_over_severities_kinds_and_takes():
    row = summarise(study_of(("one", rising))).rows[0]
    clean = 50.0 + 5.5  # every take has the same weight, whatever its frames
    assert row.clean.value == pytest.approx(clean)
    assert row.kinds["white"].value == pytest.approx(clean + 30.0)
    assert row.curves["white"] == pytest.approx([clean + 10.0 * severity for severity in range(1, 6)])
    assert row.mean.value == pytest.approx(clean + 30.0 / 7)
    assert (row.rise.value, row.rise.half) == pytest.approx((30.0 / 7, 0.0), abs=1e-9)
    assert row.ratio == pytest.approx((clean + 30.0 / 7) / clean)
    assert row.worst == "white"
    assert row.kinds["grid"].low < clean < row.kinds["grid"].high


def test_ranks_follow_mc_and_not_the_ratio_and_ties_are_paired():
    random = np.random.default_rng(0).normal(0.0, 3.0, 12)

    def good(_kind, severity, take):
        return 40.0 + take + 20.0 * (severity > 0)

    summary = summarise(study_of(("bad", constant(90.0)), ("good", good), ("like", lambda *one: good(*one) + random[one[2]])))
    groups = {row.name: row.group for row in summary.rows}
    assert summary.rows[-1].name == "bad"
    assert summary.rows[-1].ratio == pytest.approx(1.0), "the best ratio, and the last rank"
    assert groups["good"] == groups["like"] != groups["bad"]


def test_where_flat_is_better_is_named_with_the_severity():
    study = study_of(("one", rising), ("flat", constant(75.0)))
    by_name = {row.name: row for row in summarise(study).rows}
    assert by_name["one"].below_floor == {"white": 3}
    assert by_name["flat"].below_floor == {}
    text = str(robustness_text(study))
    assert "one: flat, which predicts no depth, is better under white from severity 3 on." in text
    assert "measure it too" not in text
    assert "Without flat, the floor is not known" in str(robustness_text(study_of(("one", rising))))


def test_errors_relative_to_the_reference_are_summed_before_they_are_divided():
    reference = ("a method", dict.fromkeys(NOISE.conditions, (10.0, 20.0, 30.0, 40.0, 100.0)))
    row = summarise(study_of(("one", rising), protocol=replace(NOISE, reference=reference))).rows[0]
    assert row.relative["white"] == pytest.approx(100.0 * 5 * 85.5 / 200.0)
    assert row.mean_relative == pytest.approx(np.mean(list(row.relative.values())))


def test_a_method_trained_on_errors_is_marked():
    study = study_of(("one", rising), ("noisy", rising, {"facts": {"trained_keypoints": "detector"}}))
    text = str(robustness_text(study))
    assert "noisy*" in text
    assert "one*" not in text
    assert "* trained on keypoints with errors." in text


def test_an_incomplete_method_is_left_out_and_named():
    study = study_of(("one", rising), ("two", rising))
    del study.methods["two"].sets["grid/5"]
    summary = summarise(study)
    assert [row.name for row in summary.rows] == ["one"]
    assert "two (35 of 36 conditions)" in str(robustness_text(study))
    del study.methods["one"].sets["clean"]
    with pytest.raises(PosebenchError, match="one: 35 of 36 conditions, two: 35 of 36"):
        summarise(study)


def test_methods_of_unknown_scale_have_no_absolute_metric():
    study = study_of(("one", rising, {"metrics": ("PA-MPJPE", "MPJPE")}), ("two", rising))
    assert summarise(study, "MPJPE").without == ("two",)
    assert "Without MPJPE, since the scale is unknown: two." in str(robustness_text(study, metric="MPJPE"))
    with pytest.raises(PosebenchError, match="metric PCK under cmu/noise"):
        summarise(study, "PCK")


def test_a_file_comes_back_as_it_was(tmp_path):
    found = Robustness({"cmu/noise": study_of(("one", rising), ("two", rising))})
    again = load_robustness(found.save(tmp_path / "r.json"))
    assert again.save(tmp_path / "s.json").read_bytes() == (tmp_path / "r.json").read_bytes()
    assert summarise(again.studies["cmu/noise"]).as_dict() == summarise(found.studies["cmu/noise"]).as_dict()


def test_files_are_merged_unless_they_disagree(tmp_path):
    one = Robustness({"cmu/noise": study_of(("one", rising))}).save(tmp_path / "a.json")
    two = Robustness({"cmu/noise": study_of(("two", rising))}).save(tmp_path / "b.json")
    assert list(merged([one, two]).studies["cmu/noise"].methods) == ["one", "two"]
    other = study_of(("one", rising))
    other.methods["one"].identity = "another"
    with pytest.raises(PosebenchError, match="two methods named one"):
        merged([one, Robustness({"cmu/noise": other}).save(tmp_path / "c.json")])
    copy = Study(NOISE, ("cmu", "0" * 64), TAKES)
    copy.methods["three"] = method("three", rising, copy)
    with pytest.raises(PosebenchError, match=r"data cmu f.* and cmu 0.* under cmu/noise"):
        merged([one, Robustness({"cmu/noise": copy}).save(tmp_path / "d.json")])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["posebench_robustness"], 9, "format 1 at most"),
        (["studies", 0, "protocol", "digest"], "0" * 16, "digest"),
        (["studies", 0, "takes"], [], "each take once"),
        (["studies", 0, "methods", 0, "sets", "blur/1"], {}, "one of cmu/noise"),
        (["studies", 0, "methods", 0, "sets", "white/1"], {}, "by which methods are ranked, of every take"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE", "total", 3], -1.0, "finite numbers from 0"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE", "total", 3], float("nan"), "finite numbers from 0"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE", "count"], [1.0], "one a take"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE", "count", 3], 0, "a sum of no frames is 0"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE", "count", 3], 1.5, "a sum of no frames is 0"),
        (["studies", 0, "methods", 0, "sets", "white/1", "PA-MPJPE"], {"total": [0.0] * 12, "count": [0.0] * 12}, "of every take"),
        (["studies", 0, "methods", 0, "more"], 1, "unknown more"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, path, value, message):
    file = Robustness({"cmu/noise": study_of(("one", rising))}).save(tmp_path / "r.json")
    content = json.loads(file.read_text())
    table = content
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=message):
        load_robustness(file)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"posebench_result": 1}')
    with pytest.raises(PosebenchError, match="no file of posebench robustness"):
        load_robustness(tmp_path / "r.json")
    with pytest.raises(PosebenchError):
        load_robustness(tmp_path / "missing.json")


def test_curves_show_every_value(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: (drawn.append(figure), save(figure, *args, **options)))
    summary = summarise(study_of(("one", rising), ("flat", lambda _kind, severity, _take: 200.0 * severity)))
    assert plot_curves(summary, tmp_path / "curves.svg").read_text().startswith("<?xml")
    panels = [panel for panel in drawn[0].axes if panel.get_visible()]
    assert [panel.get_title(loc="left").partition(" ")[0] for panel in panels] == list(NOISE.conditions)
    for panel in panels:
        low, high = panel.get_ylim()
        assert low == 0.0
        assert high >= 1000.0
        assert len(panel.lines) == 2
    with pytest.raises(PosebenchError, match="ends in"):
        plot_curves(summary, tmp_path / "curves.gif")


def test_both_protocols_have_all_kinds_between_them():
    camera = load_protocol("cmu/camera")
    assert NOISE.conditions + camera.conditions == KINDS
    for protocol in (NOISE, camera):
        assert (protocol.subjects, protocol.cameras) == (load_protocol("cmu").subjects, load_protocol("cmu").cameras)
        assert [metric.name for metric in (*protocol.metrics, *protocol.diagnostics)] == [
            "PA-MPJPE",
            "N-MPJPE",
            "MPJPE",
            "ACCEL",
            "flip-rate",
        ]
