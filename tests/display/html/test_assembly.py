"""What goes on a page: predictions found by their digest, refused where they do not belong, and sentences on what is missing."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.predictions.archive import save_predictions


@pytest.fixture
def copy(made, tmp_path):
    """A folder with a copy of the first result, but not of its predictions."""
    for name in ("result.json", "result.sums.npz"):
        shutil.copy(made.one.parent / name, tmp_path / name)
    return tmp_path


def test_without_predictions_the_page_has_the_numbers_and_says_what_is_missing(made, copy):
    made_page = posebench.report(copy / "result.json", protocol=made.protocol)
    assert "predictions.npz" in made_page.missing[0]
    assert "--predictions" in made_page.missing[0]
    assert 'id="scores"' in made_page.html
    assert 'id="skeletons"' not in made_page.html
    assert "skeleton-data" not in made_page.html


def test_without_the_protocol_the_numbers_are_shown(copy):
    made_page = posebench.report(copy / "result.json")
    assert "does not have the protocol" in made_page.html
    assert made_page.missing[0].startswith("Skeletons, and where the error comes from, need the true poses: add --root DIR")


def test_predictions_are_found_under_any_name(made, copy, page):
    shutil.copy(made.one.parent / "predictions.npz", copy / "renamed.npz")
    save_predictions(copy / "predictions.npz", {"S1/a/b": np.zeros((2, 17, 3))}, unit="mm", skeleton="h36m17")
    diagnoses = list(page.diagnoses.values())
    assert posebench.report(copy / "result.json", diagnoses=diagnoses).missing[0].startswith("Skeletons need the true poses")
    found = posebench.report(copy / "result.json", protocol=made.protocol, diagnoses=diagnoses)
    assert 'id="skeletons"' in found.html
    assert found.missing == ()


def test_other_predictions_than_those_that_were_scored_are_refused(made, copy):
    with pytest.raises(PosebenchError, match=r"not what noisy's result was made from"):
        posebench.report(copy / "result.json", protocol=made.protocol, predictions=made.two.parent / "predictions.npz")
    with pytest.raises(PosebenchError, match=r"2 prediction files for 1 result"):
        posebench.report(copy / "result.json", protocol=made.protocol, predictions=["a", "b"])


def test_other_data_than_the_result_was_scored_on_are_refused(walker, tmp_path):
    for number in (0, 1):
        truth = {f"S1/walk {take}/c0": walker(12, take + 10 * number) for take in range(3)}
        save_predictions(tmp_path / f"truth{number}.npz", truth, unit="mm", skeleton="h36m17")
    save_predictions(tmp_path / "p.npz", {clip: pose * 1.02 for clip, pose in truth.items()}, unit="mm", skeleton="h36m17")
    posebench.score(tmp_path / "p.npz", "pair-17j", truth=tmp_path / "truth1.npz").save(tmp_path / "r.json")
    with pytest.raises(PosebenchError, match=r"data of fingerprint"):
        posebench.report(tmp_path / "r.json", truth=tmp_path / "truth0.npz")
    page = posebench.report(tmp_path / "r.json", truth=tmp_path / "truth1.npz", fps=25)
    assert 'id="skeletons"' in page.html
    assert "--truth GT.npz" in page.html
    assert '"keypoints":null' in page.html, "a truth file has neither cameras nor keypoints"


def test_a_diagnosis_of_another_file_is_refused(made, page, tmp_path):
    path = page.diagnoses["noisy"].save(tmp_path / "d.json")
    with pytest.raises(PosebenchError, match=r"d\.json, which belongs to none of the results"):
        posebench.report(made.two, protocol=made.protocol, diagnoses=[path])


def test_wrong_calls_are_refused(made):
    with pytest.raises(PosebenchError, match=r"^Found: 0 results\."):
        posebench.report([])
    with pytest.raises(PosebenchError, match=r"^Found: 9 results\."):
        posebench.report([made.one] * 9)
    with pytest.raises(PosebenchError, match=r"a different name for each"):
        posebench.report([made.one, made.two], names=["a", "a"])
    with pytest.raises(PosebenchError, match=r"that of the result"):
        posebench.report(made.one, protocol="synthetic")
    with pytest.raises(PosebenchError, match=r"without sums"):
        posebench.report(posebench.load_result(made.one, sums=False))


def test_results_that_must_not_be_compared_share_no_page(made, tmp_path):
    content = json.loads(made.two.read_text())
    content["predictions"]["keypoints"] = "gauss5"
    other = tmp_path / "result.json"
    other.write_text(json.dumps(content))
    shutil.copy(made.two.with_suffix(".sums.npz"), other.with_suffix(".sums.npz"))
    with pytest.raises(PosebenchError, match="differ in keypoint source"):
        posebench.report([made.one, other])


def test_the_causes_of_two_results_of_one_kind_of_scale_are_compared(made, page, both):
    assert "Paired differences of rungs" not in both.html, "the scale of one of them is unknown"
    diagnosis = page.diagnoses["noisy"]
    twice = posebench.report([made.one, made.one], protocol=made.protocol, names=["a", "b"], diagnoses=[diagnosis])
    assert "Paired differences of rungs" in twice.html
    assert "Differences are a minus b" in twice.html


def test_the_object_is_a_table_and_a_plot_and_shows_itself_in_a_notebook(both, tmp_path):
    frame = both.frame
    assert list(frame.columns) == ["result", "metric", "unit", "kind", "key", "value", "low", "high"]
    assert set(frame["result"]) == set(both.results)
    axes = both.plot()
    assert "PA-MPJPE" in axes.get_xlabel()
    assert axes.get_yticklabels()[0].get_text() == "noisy"
    with pytest.raises(PosebenchError, match="has no value for MPJPE"):
        both.plot(metric="MPJPE")
    shown = both._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in shown
    assert "<script" not in shown
    assert both.save(tmp_path / "both.html").read_text(encoding="utf-8") == both.html


def test_the_command_writes_the_page_and_says_what_it_lacks(copy, tmp_path, capsys):
    assert main(["report", str(copy / "result.json"), "-o", str(tmp_path / "r.html"), "--title", "My <page>"]) == 0
    out = capsys.readouterr().out
    assert "r.html: noisy, " in out
    assert "need the true poses" in out
    assert "<title>My &lt;page&gt;</title>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_command_refuses_in_one_paragraph(made, copy, tmp_path, capsys):
    result = str(copy / "result.json")
    for arguments, said in (
        ([result, "-o", "r.txt"], "a name that ends with .html"),
        ([str(tmp_path / "none.json"), "-o", "r.html"], "No such file"),
        ([result, "-o", "r.html", "--root", "."], "name its file with --protocol FILE"),
        ([result, "-o", "r.html", "--protocol", str(made.protocol), "--predictions", "none.npz"], "none.npz"),
        ([result, "-o", "r.html", "--diagnosis", result], "a diagnosis written by posebench diagnose"),
    ):
        assert main(["report", *arguments]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert "Traceback" not in err


def test_making_a_page_loads_no_heavy_package(made):
    from tests.test_imports import HEAVY, RUN, modules_after

    loaded = modules_after(RUN, "report", made.one, "-o", made.folder / "light.html")
    assert not loaded & set(HEAVY)


def test_poses_scored_from_memory_have_no_file_to_show(made):
    poses = {clip: pose * 1.01 for clip, pose in made.truth.items()}
    result = posebench.score(poses, made.protocol, unit="mm", skeleton="h36m17", method="mine")
    assert "scored from poses in memory" in posebench.report(result, protocol=made.protocol).missing[0]
    with pytest.raises(PosebenchError, match="a name that ends with"):
        posebench.report(result).save(made.folder / "page.txt")


def test_a_damaged_result_that_can_still_be_read_has_a_page(made, copy):
    content = json.loads((copy / "result.json").read_text())
    del content["metrics"]["MPJPE"]["groups"]["action"]
    content["metrics"]["PA-MPJPE"]["groups"]["action"]["new"] = 1.0
    content["behaviour"] = {"predicted": {"depth extent": {"a": 1}}, "true": None}
    (copy / "result.json").write_text(json.dumps(content))
    assert "new" in posebench.report(copy / "result.json", protocol=made.protocol).html
