"""``posebench.explain`` from files, poses in memory and results: values, presets, reasons, and what explains a difference."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.base.cameras import rotation_from_vector
from posebench.scoring import intervals
from posebench.scoring.conventions.explaining import explain
from posebench.scoring.conventions.presets import PRESETS
from posebench.scoring.conventions.switches import CONVENTIONS


@pytest.fixture(scope="module")
def result(files, tmp_path_factory):
    """The path of the score of the files."""
    return posebench.score(files[0], "pair-17j", truth=files[1]).save(tmp_path_factory.mktemp("result") / "r.json")


def test_the_stated_values_are_the_scores(explained, result):
    scored = posebench.load_result(result)
    assert list(explained.stated) == ["MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "AUC", "CPS", "MPJVE", "ACCEL"]
    for metric, value in explained.stated.items():
        assert value == pytest.approx(scored.value(metric), rel=1e-12)


def test_averages_are_those_of_the_score(explained, result):
    scored = posebench.load_result(result)
    for metric in explained.stated:
        for kind in ("take", "action"):
            assert explained.line(metric, f"average-{kind}").value == pytest.approx(scored.value(metric, kind), rel=1e-12)
        for camera, value in scored.metrics[metric].groups["camera"].items():
            assert explained.line(metric, f"camera-{camera}").value == pytest.approx(value, rel=1e-12)
        by_subject = np.mean(list(scored.metrics[metric].groups["subject"].values()))
        assert explained.line(metric, "average-subject").value == pytest.approx(by_subject, rel=1e-12)


def test_a_result_allows_what_its_sums_hold_with_the_same_numbers_and_intervals(explained, result):
    found = posebench.explain(result)
    assert found.source == "sums"
    computed = [line for line in found.lines if line.value is not None]
    for line in computed:
        other = explained.line(line.metric, line.convention)
        assert line.value == pytest.approx(other.value, rel=1e-12), line
        assert (line.low, line.high) == (pytest.approx(other.low, abs=1e-9), pytest.approx(other.high, abs=1e-9)), line
    ids = {line.convention for line in computed}
    assert {"no-root", "lsp14", "average-take", "camera-c0", "n", "rigid", "reflection", "auc-30", "auc-trapezoid"} <= ids
    why = {line.convention: line.cannot for line in found.lines if line.metric == "MPJPE" and line.value is None}
    assert why["every-5th"] == "needs single frames, and a result keeps sums: give the prediction file with --protocol and the data"
    assert why["ray"].startswith("needs the poses, and a result keeps sums")


def test_lines_are_sorted_by_the_size_of_their_change_and_reasons_come_last(explained):
    for metric in explained.stated:
        lines = explained.of(metric)
        computed = [line for line in lines if line.change is not None]
        sizes = [abs(line.change) for line in computed]
        assert sizes == sorted(sizes, reverse=True)
        assert all(line.cannot for line in lines if line.value is None)
        assert [line.value is None for line in lines] == sorted(line.value is None for line in lines)


def test_every_value_is_finite_and_stamped(explained):
    assert explained.stamp == "not pair-17j"
    assert all(np.isfinite(line.value) for line in (*explained.lines, *explained.presets) if line.value is not None)
    assert all(line.low <= line.high for line in explained.lines if line.low is not None)


def test_an_interval_is_that_of_the_projects_own_paired_comparison(files, explained):
    """The change to rigid alignment, as `compare` would give it for two methods: same takes in each resample."""
    result = posebench.score(files[0], "pair-17j", truth=files[1])
    draw = intervals.resample(result.rows, "frame")
    one, other = (
        intervals.resampled(result.rows, result.sums[name].row_total, result.sums[name].count, "frame", draw)
        for name in ("PA-MPJPE-rigid", "PA-MPJPE")
    )
    line = explained.line("PA-MPJPE", "rigid")
    assert (line.low, line.high) == pytest.approx(draw.interval(one - other), rel=1e-9)


def test_no_line_for_what_the_protocol_does_already(explained):
    assert "average-frame" not in {line.convention for line in explained.lines}
    assert {"average-take", "average-action"} <= {line.convention for line in explained.lines}


def test_a_preset_says_what_it_applies_and_what_not(files):
    found = posebench.explain(files[0], "pair-17j", truth=files[1], presets=["spin-p2", "hmr-p1", "motionbert-family"], metrics="PA-MPJPE")
    line = found.line("PA-MPJPE", "spin-p2")
    assert line.applied == ("lsp14", "every-5th")
    assert "already so: mean over frames" in line.note
    assert "not applied: camera 60457274 alone (not in this data)" in line.note
    family = found.line("PA-MPJPE", "motionbert-family")
    assert "the truth in its 2.5D image frame" in family.note
    assert "only Human3.6M has these damaged takes" in family.note


def test_oracles_are_marked(explained):
    marked = {line.convention for line in explained.lines if line.oracle}
    assert marked == {"flip-pose", "flip-joint", "best-pose", "best-joint", "best-clip"}
    assert explained.line("MPJPE", "ites").oracle
    assert not explained.line("MPJPE", "elepose").oracle


def test_of_every_kth_frame_the_other_beginnings_are_shown(explained, poses):
    errors = [np.linalg.norm(pred - truth, axis=-1).mean(axis=1) for _, pred, truth in poses]
    values = [np.concatenate([error[phase::64] for error in errors]).mean() for phase in range(64)]
    assert explained.line("MPJPE", "every-64th").note == f"from other first frames {min(values):.2f} to {max(values):.2f}"


def test_a_rule_that_loses_takes_says_so(explained):
    assert explained.line("MPJPE", "unpadded-243").cannot == "no frame is left"
    assert explained.line("MPJPE", "unpadded-81").note.startswith("keeps ")


def test_velocities(explained, poses):
    steps = [np.linalg.norm(np.diff(pred - truth, axis=0), axis=-1).mean(axis=1) for _, pred, truth in poses]
    assert explained.line("MPJVE", "by-differences").value == pytest.approx(np.concatenate(steps).mean(), rel=1e-12)
    whole = np.concatenate([pred - truth for _, pred, truth in poses])
    joined = np.linalg.norm(np.diff(whole, axis=0), axis=-1).mean()
    assert explained.line("MPJVE", "concatenated").value == pytest.approx(joined, rel=1e-12)
    fifth = [np.linalg.norm(np.diff((pred - truth)[::5], axis=0), axis=-1) for _, pred, truth in poses]
    frames = [len(pred[::5]) for _, pred, _ in poses]
    value = np.average([step.mean() for step in fifth], weights=frames)
    assert explained.line("MPJVE", "every-5th").value == pytest.approx(value, rel=1e-12)
    second = [np.linalg.norm(np.diff(pred - truth, n=2, axis=0), axis=-1).mean(axis=1).sum() for _, pred, truth in poses]
    assert explained.line("ACCEL", "zero-ends").value == pytest.approx(sum(second) / sum(len(pred) for _, pred, _ in poses), rel=1e-12)
    assert explained.line("MPJVE", "per-second").cannot == "the frame rate is unknown"


def test_a_file_of_unknown_scale_has_no_absolute_lines(poses, files):
    unscaled = {clip: 3.0 * pred for clip, pred, _ in poses}
    found = posebench.explain(unscaled, "pair-17j", truth=files[1], scale="unknown", skeleton="h36m17", presets=["posenet-p1", "ites"])
    assert list(found.stated) == ["PA-MPJPE", "N-MPJPE", "CPS"]
    assert found.line("PA-MPJPE", "rigid").cannot == "the file's scale is unknown, and nothing sets it here"
    assert found.line("N-MPJPE", "frobenius").value is not None
    with pytest.raises(posebench.PosebenchError, match="no value for MPJPE, since the file's scale is unknown"):
        posebench.explain(unscaled, "pair-17j", truth=files[1], scale="unknown", skeleton="h36m17", metrics="MPJPE")


def test_poses_that_are_not_finite_are_scored_at_the_root_by_every_line(poses, files):
    broken = {clip: pred.copy() for clip, pred, _ in poses}
    broken["S9/Walk 1/c0"][3] = np.nan
    found = posebench.explain(broken, "pair-17j", truth=files[1], unit="mm", skeleton="h36m17")
    assert all(np.isfinite(line.value) for line in found.lines if line.value is not None)


def test_several_hypotheses_have_their_oracles(poses, files):
    random = np.random.default_rng(1)
    several = {clip: np.stack([pred + random.normal(0, 30, pred.shape) for _ in range(3)]) for clip, pred, _ in poses}
    found = posebench.explain(several, "pair-17j", truth=files[1], unit="mm", skeleton="h36m17", metrics=["MPJPE", "PA-MPJPE"])
    scored = posebench.score(several, "pair-17j", truth=files[1], unit="mm", skeleton="h36m17")
    for metric in ("MPJPE", "PA-MPJPE"):
        assert found.stated[metric] == pytest.approx(scored.value(metric), rel=1e-12)
        assert found.line(metric, "best-pose").value == pytest.approx(scored.value(f"{metric} P-Best"), rel=1e-12)
        assert found.line(metric, "best-joint").value == pytest.approx(scored.value(f"{metric} J-Best"), rel=1e-12)
        assert found.line(metric, "best-clip").value >= found.line(metric, "best-pose").value


def test_a_target_is_found_by_the_convention_that_made_it(files, explained):
    wanted = explained.line("MPJPE", "lsp14").value
    found = posebench.explain(files[0], "pair-17j", truth=files[1], target={"MPJPE": wanted}, metrics="MPJPE")
    [difference] = found.differences
    assert difference.best.conventions == ("lsp14",)
    assert difference.best.left == pytest.approx(0.0, abs=1e-9)
    assert difference.tried > 500
    assert json.loads(json.dumps(found.as_dict()))["differences"][0]["sentence"] == difference.sentence
    assert "combinations leave less than 0.05" in difference.sentence or difference.within == 1


def test_results_of_two_protocols_are_explained_by_what_the_protocols_state(files, tmp_path):
    protocol = tmp_path / "other.toml"
    protocol.write_text(
        'extends = "pair-17j"\nid = "other"\nversion = 1\ntitle = "by take, every fifth frame"\n'
        '[frames]\nstride = 5\n[average]\nheadline = "take"\nalso = ["frame"]\n'
    )
    path = posebench.score(files[0], protocol, truth=files[1]).save(tmp_path / "other.json")
    with pytest.raises(posebench.PosebenchError, match="the protocol that it was scored under"):
        posebench.explain(path)
    value = posebench.load_result(path).value("MPJPE")
    found = posebench.explain(files[0], "pair-17j", truth=files[1], target={"MPJPE": value}, metrics="MPJPE")
    pairs = {one.conventions for one in found.differences[0].combinations if abs(one.left) < 1e-6}
    assert ("every-5th", "average-take") in pairs or found.differences[0].best.left == pytest.approx(0.0, abs=0.05)


def test_two_results_scored_alike_are_compared_under_every_convention(files, poses, tmp_path):
    """The second method is the first one with every pose mirrored in depth half of the time: the oracle removes the difference."""
    flipped = {clip: pred * [1.0, 1.0, -1.0] for clip, pred, _ in poses}
    given = {clip: pred for clip, pred, _ in poses}
    pred, other = (
        posebench.save_predictions(tmp_path / f"{name}.npz", clips, unit="mm", skeleton="h36m17", method=name, keypoints="gt")
        for name, clips in (("as it is", given), ("mirrored", flipped))
    )
    found = posebench.explain(pred, "pair-17j", other, truth=files[1], metrics="PA-MPJPE")
    [difference] = found.differences
    assert difference.both
    assert difference.best.conventions in {("flip-pose",), ("reflection",), ("flip-joint",)}
    assert abs(difference.best.left) < 1e-6 < abs(difference.gap)
    assert difference.declared == {}


def test_the_same_input_twice_has_no_difference(result):
    found = posebench.explain(result, other=result, metrics="MPJPE")
    assert found.differences[0].sentence.endswith("They are the same.")


def test_the_object_is_a_table_a_plot_and_plain_data(explained, tmp_path):
    frame = explained.frame
    assert len(frame) == len(explained.lines) + len(explained.presets)
    assert frame.query("convention == 'no-root' and metric == 'MPJPE'")["value"].item() == explained.line("MPJPE", "no-root").value
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    import matplotlib as mpl

    mpl.use("agg")
    axes = explained.plot("PA-MPJPE")
    assert "not pair-17j" in axes.get_title()
    assert axes.get_yticklabels()
    assert "not pair-17j" in explained._repr_html_()
    content = json.loads(explained.save(tmp_path / "e.json").read_text(encoding="utf-8"))
    assert content["posebench_explanation"] == 1
    assert content["stamp"] == "not pair-17j"
    assert len(content["lines"]) == len(explained.lines)


def test_an_explanation_is_no_result(explained, tmp_path):
    path = explained.save(tmp_path / "e.json")
    with pytest.raises(posebench.PosebenchError, match="an explanation"):
        posebench.load_result(path)
    with pytest.raises(posebench.PosebenchError, match="an explanation"):
        posebench.explain(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presets": "videopos3d"}, "did you mean videopose3d"),
        ({"metrics": "MPJP"}, "did you mean MPJPE"),
        ({"metrics": "flip-rate"}, "metric 'flip-rate'"),
        ({"target": {"MPJPE": 3.0}, "other": "other.npz"}, "a second input and a target"),
    ],
)
def test_wrong_calls_are_answered(files, options, message):
    other = options.pop("other", None)
    other = files[0] if other else None
    with pytest.raises(posebench.PosebenchError, match=message):
        posebench.explain(files[0], "pair-17j", other, truth=files[1], **options)


def test_a_file_without_a_protocol_and_a_name_without_a_line_are_errors(files, explained):
    with pytest.raises(posebench.PosebenchError, match="without a protocol"):
        posebench.explain(files[0])
    with pytest.raises(posebench.PosebenchError, match="did you mean no-root"):
        explained.line("MPJPE", "noroot")
    with pytest.raises(posebench.PosebenchError, match="metric 'X'"):
        explained.of("X")


def test_a_file_that_fails_its_checks_is_refused(poses, files):
    swapped = {clip: pred[..., [2, 0, 1]] * 50.0 for clip, pred, _ in poses}
    with pytest.raises(posebench.PosebenchError) as caught:
        posebench.explain(swapped, "pair-17j", truth=files[1], unit="mm", skeleton="h36m17")
    assert caught.value.exit_code == 1


def test_ids_are_unique_and_listed_for_the_command_line():
    from posebench.cli import choices

    ids = [convention.id for convention in CONVENTIONS]
    assert len(set(ids)) == len(ids)
    assert tuple(PRESETS) == choices.PRESETS
    assert all(convention.who and convention.of for convention in CONVENTIONS)


def test_the_example_runs():
    import doctest

    from posebench.scoring.conventions import explaining, pose_arrays

    assert explaining.explain is explain
    assert doctest.testmod(explaining).failed == 0
    assert doctest.testmod(pose_arrays, extraglobs={"np": np}).failed == 0


def test_real_motion_is_explained(cmu, cmu_root, tmp_path):
    """One subject of cmu: cameras are known, so that the ray has a value, and so is the frame rate."""
    protocol = tmp_path / "one.toml"
    protocol.write_text('extends = "cmu"\nid = "one"\nversion = 1\ntitle = "one subject"\n[takes]\nsubjects = ["S07"]\n')
    random = np.random.default_rng(0)
    truth = {clip: cmu.load(clip) for clip, info in cmu.infos.items() if info.subject == "S07"}
    noisy = {id: clip.pose - clip.pose[:, :1] + random.normal(0, 30, clip.pose.shape) for id, clip in truth.items()}
    found = posebench.explain(noisy, protocol, root=cmu_root, unit="mm", skeleton="h36m17", metrics=["MPJPE", "MPJVE"])
    takes = {}
    for id, clip in truth.items():
        root = clip.pose[:, 0]
        ray = root / np.linalg.norm(root, axis=1, keepdims=True)
        axis = np.cross([0.0, 0.0, 1.0], ray)
        sine = np.linalg.norm(axis, axis=1)
        rotation = rotation_from_vector(axis / sine[:, None] * np.arctan2(sine, ray[:, 2])[:, None])
        pred = noisy[id] - noisy[id][:, :1]
        error = np.linalg.norm(np.einsum("nij,nkj->nki", rotation, pred) - (clip.pose - clip.pose[:, :1]), axis=-1)
        takes.setdefault(clip.info.take, []).append(error.mean(axis=1))
    turned = np.mean([np.concatenate(errors).mean() for errors in takes.values()])
    assert found.line("MPJPE", "ray").value == pytest.approx(turned, rel=1e-9)
    assert found.line("MPJVE", "per-second").value == pytest.approx(30.0 * found.stated["MPJVE"], rel=1e-12)
    assert found.line("MPJVE", "per-second").change is None


def test_the_page_lists_every_convention_and_preset():
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")
    assert [id for id in (*(one.id for one in CONVENTIONS), *PRESETS) if f"| `{id}` |" not in page] == []


def test_what_is_missing_or_odd_is_said(poses, files):
    some = {clip: pred for clip, pred, _ in poses[:10]}
    options = {"truth": files[1], "unit": "mm", "skeleton": "h36m17", "metrics": "MPJPE"}
    with pytest.raises(posebench.PosebenchError, match="missing"):
        posebench.explain(some, "pair-17j", **options)
    found = posebench.explain(some, "pair-17j", allow_partial=True, **options)
    assert found.partial == f"{sum(len(pred) for pred in some.values()):,} of {sum(len(pred) for _, pred, _ in poses):,} poses"
    whole = {clip: pred for clip, pred, _ in poses}
    with pytest.raises(posebench.PosebenchError, match="the same poses in both"):
        posebench.explain(whole, "pair-17j", some, allow_partial=True, **options)


def test_the_truth_is_no_use_to_a_result(result, files):
    with pytest.raises(posebench.PosebenchError, match="true poses for a result"):
        posebench.explain(result, truth=files[1])


def test_warnings_of_the_checks_are_kept(poses, files):
    half = {clip: pred * 0.5 for clip, pred, _ in poses}
    options = {"truth": files[1], "unit": "mm", "skeleton": "h36m17"}
    names = [finding.name for finding in posebench.check(half, "pair-17j", **options) if finding.severity == "warning"]
    found = posebench.explain(half, "pair-17j", metrics="PA-MPJPE", **options)
    assert [finding.name for finding in found.findings if finding.severity == "warning"] == names


def test_long_clips_are_read_in_blocks_with_the_same_numbers(files, explained, monkeypatch):
    monkeypatch.setattr("posebench.scoring.conventions.clip_numbers._BLOCK", 37)
    found = posebench.explain(files[0], "pair-17j", truth=files[1])
    assert len(found.lines) == len(explained.lines)
    for line in found.lines:
        other = explained.line(line.metric, line.convention)
        assert line.cannot == other.cannot
        assert line.cannot or line.value == pytest.approx(other.value, rel=1e-11), line


def test_numpy_gives_the_numbers_of_the_compiled_kernel(files, explained):
    """In a process of its own, since the kernel is chosen when it is loaded."""
    code = (
        "import posebench, json, sys\n"
        "found = posebench.explain(sys.argv[1], 'pair-17j', truth=sys.argv[2], metrics=['MPJPE', 'PA-MPJPE'])\n"
        "print(json.dumps([[line.metric, line.convention, line.value] for line in found.lines]))"
    )
    command = [sys.executable, "-c", code, str(files[0]), str(files[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"POSEBENCH_KERNEL": "numpy"})
    lines = [line for line in json.loads(done.stdout) if line[2] is not None]
    assert len(lines) > 60
    for metric, convention, value in lines:
        assert value == pytest.approx(explained.line(metric, convention).value, rel=1e-9), convention


def test_a_metric_without_a_number_is_left_out_or_refused(walker, tmp_path, result):
    """Clips of one frame have no velocity."""
    truth = {f"S1/Walk {n}/c0": walker(1, n) for n in range(3)}
    file = posebench.save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    poses = {clip: pose + np.random.default_rng(n).normal(0, 30, pose.shape) for n, (clip, pose) in enumerate(truth.items())}
    options = {"truth": file, "unit": "mm", "skeleton": "h36m17"}
    found = posebench.explain(poses, "pair-17j", **options)
    assert "MPJPE" in found.stated
    assert "MPJVE" not in found.stated
    assert json.dumps(found.as_dict(), allow_nan=False)
    with pytest.raises(posebench.PosebenchError, match="no value for MPJVE: no frame is left"):
        posebench.explain(poses, "pair-17j", metrics="MPJVE", **options)
    scored = posebench.score(poses, "pair-17j", **options)
    assert list(posebench.explain(scored).stated) == list(found.stated)
    with pytest.raises(posebench.PosebenchError, match="without its sums"):
        posebench.explain(posebench.load_result(result, sums=False))


def test_absolute_metrics_and_metrics_of_other_alignments(files, tmp_path):
    protocol = tmp_path / "own.toml"
    protocol.write_text(
        'extends = "pair-17j"\nid = "own"\nversion = 1\ntitle = "absolute"\n'
        'metrics = [{ alignment = "absolute", statistic = "mean" }, { alignment = "rigid", statistic = "mean" },'
        ' { alignment = "scale", statistic = "pck", threshold = 150, compare = "<" }]\ndiagnostics = []\n'
    )
    found = posebench.explain(files[0], protocol, truth=files[1], metrics=["PA-MPJPE-rigid", "N-PCK@150"])
    scored = posebench.score(files[0], protocol, truth=files[1])
    for metric in found.stated:
        assert found.stated[metric] == pytest.approx(scored.value(metric), rel=1e-12)
    assert found.line("N-PCK@150", "pck-inclusive").value is not None
    with pytest.raises(posebench.PosebenchError, match="metric 'ABS-MPJPE'"):
        posebench.explain(files[0], protocol, truth=files[1], metrics="ABS-MPJPE")
    with pytest.raises(posebench.PosebenchError, match="no value"):
        posebench.explain(files[0], protocol, truth=files[1])
