"""Targets of reproduction: the file, its page, and results held against a target."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.board.targets import documents
from posebench.board.targets.check import check_results
from posebench.board.targets.reader import find_target, load_targets, shipped_folder
from posebench.cli import choices
from posebench.cli.main import main


@pytest.fixture(autouse=True)
def any_value_stands(monkeypatch):
    """The results of these tests state values that no sums give: a number near a target is not at hand otherwise."""
    monkeypatch.setattr("posebench.scoring.result._refuse_edited", lambda *_: None)


ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests" / "golden" / "field" / "base-h36m"


@pytest.fixture(scope="module")
def targets():
    """The targets that come with posebench."""
    return load_targets()


@pytest.fixture(scope="module")
def reached(targets, tmp_path_factory):
    """Writes the result of a run that did all that target ``martinez-gt`` asks for; fields may be changed."""
    scored = posebench.score(BASE / "sound.npz", "h36m/s9s11", root=BASE)
    target = find_target(targets, "martinez-gt")
    made = {"recipe": "released", "preset": "full", "seed": 0, "trained_on": "h36m 1 0: S1 S5 S6 S7 S8", "trained_keypoints": "gt"}
    made |= {"context": 1, "flip_averaging": False, "epochs": 200, "poses_seen": target.poses, "parameters": 7}
    base = tmp_path_factory.mktemp("results")

    def write(name="run", *, mpjpe=45.5, pa=37.1, official=True, partial=False, method="martinez", keypoints="gt", **changes):
        def of(metric, value):
            return replace(scored.metrics[metric], value=value, by={**scored.metrics[metric].by, "action": value})

        result = replace(
            scored,
            metrics={**scored.metrics, "MPJPE": of("MPJPE", mpjpe), "PA-MPJPE": of("PA-MPJPE", pa)},
            data=replace(scored.data, official=official),
            coverage=replace(scored.coverage, partial=partial),
            predictions=replace(scored.predictions, method=method, keypoints=keypoints, provenance=made | changes),
        )
        (base / name).mkdir(exist_ok=True)
        result.save(base / name / "result.json")
        return base / name

    return write


@pytest.fixture
def checked(capsys):
    """What `posebench reproduce check` prints, and its exit code."""

    def call(*words):
        code = main(["reproduce", "check", *map(str, words)])
        return code, "".join(capsys.readouterr())

    return call


def test_the_page_is_made_from_the_targets(targets):
    page = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    assert documents.renewed(page, targets) == page, "python -m posebench.board.targets.documents docs/reproduce.md"
    for target in targets.targets:
        assert f"### {target.id}\n" in page
        assert all(command in page for command in documents.commands(target))


def test_every_published_number_of_the_five_papers_is_a_target_or_said_to_be_none(targets):
    papers = {"martinez2017", "chen2019", "repnet", "ites", "pose_machine"}
    rows = {target.row.id for target in targets.targets if target.row.paper in papers}
    assert {section.paper.id for section in targets.sections} == papers | {"videopose3d", "elepose"}
    # Re-runs by others, with other code than the papers'.
    others = {"martinez-mmpose-gt", "martinez-semgcn-gt", "martinez-semgcn-sh", "chen2019-by-yu-gt", "chen2019-by-yu-detected"}
    from posebench.board.published.reader import load_published

    assert {row.id for row in load_published(shipped_folder()).rows if row.paper in papers} == rows | others


def test_list_and_show_print_every_target_and_its_commands(targets, capsys):
    assert main(["reproduce", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(target.id in listed for target in targets.targets)
    assert listed.count("never run here") == len(targets.targets)
    assert main(["reproduce", "show", "repnet-gt", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["expected"][0] == {"metric": "MPJPE", "average": "action", "value": 50.9, "tag": "2", "tolerance": 4.0}
    assert shown["commands"][0].startswith("posebench train repnet --recipe released --preset full --dataset h36m --root H36M")
    assert choices.targets() == [target.id for target in targets.targets]


def test_a_misspelt_target_is_answered_with_the_nearest(capsys):
    assert main(["reproduce", "show", "repnet-gtt"]) == 2
    assert "repnet-gt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('row = "martinez-gt"', 'row = "martinez"', "row = 'martinez'"),
        ('method = "martinez"', 'method = "martines"', "method = 'martines'"),
        ('recipe = "released"', 'recipe = "tuned"', "recipe = 'tuned'"),
        ('published = "MPJPE"', 'published = "AUC"', "published = 'AUC'"),
        ("tolerance = 2.5", "tolerance = 0", "a number above 0"),
        ("tolerance = 2.5", "tolerance = 2.5, within = 1", "within"),
        ('protocol = "h36m/s9s11"', 'protocol = "3dhp/official"', "the dataset of row martinez-gt"),
        ("seeds = 1", "seeds = 0", "a whole number from 1"),
        ('id = "martinez-sh"', 'id = "martinez-gt"', "each id once"),
        ("comparable = false\ndiffers = [\n", "comparable = false\ndifferz = [\n", "differ"),
        ("posebench_targets = 1", "posebench_targets = 2", "schema 1"),
    ],
)
def test_a_wrong_file_is_refused_by_field(tmp_path, before, after, message):
    for name in ("published.toml", "reproduce.toml"):
        shutil.copy(shipped_folder() / name, tmp_path)
    file = tmp_path / "reproduce.toml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(PosebenchError) as error:
        load_targets(tmp_path)
    assert message in str(error.value)


def test_a_run_that_did_all_that_is_asked_for_reproduces_the_number(reached, checked):
    code, said = checked(reached(mpjpe=44.4, pa=35.25))
    assert code == 0, said
    assert "Reproduced: every number is within its tolerance, and nothing differs from martinez-gt." in said
    assert "-1.10 mm" in said


@pytest.mark.parametrize(("mpjpe", "side"), [(48.1, "worse"), (42.9, "better")])
def test_a_number_outside_the_tolerance_is_no_reproduction_on_either_side(reached, checked, mpjpe, side):
    code, said = checked(reached(mpjpe=mpjpe), "--target", "martinez-gt")
    assert code == 1
    assert f"outside, {side} than published" in said
    assert "Not reproduced: MPJPE outside the tolerance." in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"official": False}, "copy: not the official one"),
        ({"partial": True}, "coverage: 480 of 480 poses"),
        ({"preset": "quick"}, "work: preset quick instead of full"),
        ({"poses_seen": 3_000_000}, "work: 3,000,000 training poses instead of 311,950,400, 0.96 %"),
        ({"recipe": "paper"}, "recipe: paper instead of released"),
        ({"recipe": "released, dropout=0.1"}, "recipe: released, dropout=0.1 instead of released"),
        ({"method": "mine"}, "method: mine instead of martinez"),
        ({"keypoints": "cpn_ft_h36m_dbb"}, "keypoints: tested on cpn_ft_h36m_dbb instead of gt"),
        ({"trained_keypoints": "gauss5"}, "keypoints: trained on gauss5 instead of gt"),
        ({"trained_on": "cmu 1 a5: S01"}, "training data: cmu 1 a5 instead of h36m"),
        ({"trained_on": "h36m 1 0: S1 S5 S6 S7"}, "training data: without S8"),
        ({"extra_data": ("2D of synthetic",)}, "training data: also 2D of synthetic"),
    ],
)
def test_a_near_number_of_another_experiment_is_no_reproduction(reached, checked, change, message):
    code, said = checked(reached(**change), "--target", "martinez-gt")
    assert code == 1
    assert message in said
    assert "Not a reproduction of martinez-gt: the numbers are within the tolerance, but it is another experiment." in said


def test_another_protocol_is_named(reached, targets, tmp_path):
    run = reached()
    content = json.loads((run / "result.json").read_text())
    content["protocol"]["digest"] = "0" * 16
    (tmp_path / "r.json").write_text(json.dumps(content))
    shutil.copy(run / "result.sums.npz", tmp_path / "r.sums.npz")
    verdict = check_results(targets, [tmp_path / "r.json"], "martinez-gt")
    assert not verdict.reproduced
    assert verdict.differences == ("protocol: h36m/s9s11 (0000000000000000) instead of h36m/s9s11",)


def test_of_several_seeds_the_median_counts_and_one_seed_counts_once(reached, checked):
    runs = [reached(f"s{seed}", mpjpe=mpjpe, seed=seed) for seed, mpjpe in enumerate((44.0, 60.0, 46.0))]
    code, said = checked(*runs, "--json")
    assert code == 0
    assert json.loads(said)["numbers"][0]["value"] == 46.0
    code, said = checked(runs[0], runs[0])
    assert code == 2
    assert "seed 0 twice" in said


def test_a_target_is_found_by_what_the_run_says(reached, checked):
    assert "against martinez-sh" in checked(reached(keypoints="sh_ft_h36m", trained_keypoints="sh_ft_h36m"))[1]
    code, said = checked(reached(method="mine"))
    assert code == 2
    assert "mine on h36m" in said


def test_a_number_that_no_lifter_can_reproduce_is_not_judged(reached, checked):
    code, said = checked(reached(method="pose_machine", mpjpe=63.7), "--target", "pose-machine-sh")
    assert code == 1
    assert "Not judged: no training of a lifter can reproduce pose-machine-image." in said


def test_a_result_without_the_number_is_refused(reached, checked, tmp_path):
    code, said = checked(reached(), "--target", "ites-cpn")
    assert code == 2
    assert "no ITES-PA-MPJPE-best-of-flip" in said
    code, said = checked(tmp_path)
    assert code == 2
    assert "without result.json" in said


def test_an_edited_result_is_refused(reached, checked, monkeypatch):
    monkeypatch.undo()
    code, said = checked(reached(mpjpe=44.4, pa=35.25))
    assert code == 2
    assert "MPJPE = 44.4. Wanted: 61.9265, which its sums give" in said
