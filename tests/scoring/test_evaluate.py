"""From two files to a result: the numbers are those of the metrics, whatever the file's unit, joints, order and holes."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from posebench import metrics
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.metrics.alignment import residuals
from posebench.metrics.hypotheses import best_joint, best_pose
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.checks import check
from posebench.scoring.evaluate import score
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import load_result
from posebench.scoring.result_parts import Coverage, ScoredProtocol

BONES = skeleton("h36m17")
GOLDEN = Path(__file__).parents[1] / "golden"
# Takes of different lengths, two of one action, seen by two cameras.
LENGTHS = {"S1/Walk 1": 30, "S1/Walk 2": 12, "S2/Walk": 20, "S1/Sit 1": 9, "S2/Sit 2": 15}


@pytest.fixture(scope="module")
def truth(walker):
    """True poses by clip id."""
    return {f"{take}/c{camera}": walker(frames, seed, camera) for seed, (take, frames) in enumerate(LENGTHS.items()) for camera in range(2)}


@pytest.fixture(scope="module")
def pred(truth):
    """A mediocre method's output: noise, a scale of each clip, a root away from the origin."""
    random = np.random.default_rng(11)
    return {
        clip: (pose - pose[:, :1] + random.normal(scale=50.0, size=pose.shape)) * random.uniform(0.9, 1.1)
        + random.normal(scale=200.0, size=3)
        for clip, pose in truth.items()
    }


@pytest.fixture
def scoring(tmp_path):
    """Scores poses against poses, through files."""

    def run(pred, truth, *, protocol="pair-17j", kind="npz", frames=None, truth_unit="mm", options=None, **stated):
        stated = {"unit": "mm", "skeleton": "h36m17"} | stated
        file = save_predictions(tmp_path / f"p.{kind}", pred, frames=frames, **stated)
        gt = save_predictions(tmp_path / f"t.{kind}", truth, unit=truth_unit, skeleton="h36m17")
        return score(file, protocol, truth=gt, **(options or {}))

    return run


def relative(poses):
    """All clips, one after the other, root-relative."""
    return np.concatenate([pose - pose[:, :1] for pose in poses.values()])


def test_every_metric_of_a_pair_equals_direct_computation(scoring, pred, truth):
    result = scoring(pred, truth)
    p, t = relative(pred), relative(truth)
    found = residuals(p, t, ["root", "scale", "similarity", "rigid", "similarity+reflection"])
    errors = found.errors
    no_spine = [i for i, joint in enumerate(BONES.joints) if joint != "spine"]
    cps = metrics.cps(errors["similarity"][:, no_spine])
    clips = [(pose - pose[:, :1], truth[clip] - truth[clip][:, :1]) for clip, pose in pred.items()]
    velocity = sum(len(g) * metrics.velocity_error(q, g).mean() for q, g in clips) / len(t)
    acceleration = np.concatenate([metrics.acceleration_error(q, g) for q, g in clips]).mean()
    expected = {
        "MPJPE": metrics.mpjpe(p, t).mean(),
        "PA-MPJPE": metrics.pa_mpjpe(p, t).mean(),
        "N-MPJPE": metrics.n_mpjpe(p, t).mean(),
        "PCK@150": 100 * (errors["root"] < 150).mean(),
        "N-PCK@150": 100 * (errors["scale"] < 150).mean(),
        "PA-PCK@150": 100 * (errors["similarity"] < 150).mean(),
        "AUC": 100 * np.mean([errors["root"] < threshold for threshold in range(0, 151, 5)]),
        "N-AUC": 100 * np.mean([errors["scale"] < threshold for threshold in range(0, 151, 5)]),
        "PA-AUC": 100 * np.mean([errors["similarity"] < threshold for threshold in range(0, 151, 5)]),
        "CPS": cps.mean(),
        "MPJVE": velocity,
        "ACCEL": acceleration,
        "BONE-LENGTH": metrics.bone_length_error(p, t, BONES).mean(),
        "BONE-SYMMETRY": metrics.bone_symmetry_error(p, BONES).mean(),
        "PA-MPJPE-rigid": errors["rigid"].mean(),
        "PA-MPJPE-reflection": errors["similarity+reflection"].mean(),
        "flip-rate": 100 * found.flipped.mean(),
    }
    assert set(expected) == set(result.metrics) | set(result.diagnostics)
    for name, value in expected.items():
        assert result.value(name) == pytest.approx(value, rel=1e-9, abs=1e-9), name
        assert result.value(name, "frame") == result.value(name), "the headline of pair-17j is the frame average"


def test_averages_and_groups_are_those_of_the_clips(scoring, pred, truth):
    result = scoring(pred, truth)
    each = {clip: metrics.mpjpe(pose, truth[clip]) for clip, pose in pred.items()}

    def mean(choose):
        return np.concatenate([values for clip, values in each.items() if choose(clip)]).mean()

    takes = {take: mean(lambda clip, take=take: clip.startswith(take + "/")) for take in LENGTHS}
    actions = {action: mean(lambda clip, action=action: clip.split("/")[1].split(" ")[0] == action) for action in ("Walk", "Sit")}
    table = result.metrics["MPJPE"]
    assert table.by == pytest.approx(
        {"frame": mean(lambda _: True), "take": np.mean(list(takes.values())), "action": np.mean(list(actions.values()))}
    )
    assert table.groups["take"] == pytest.approx(takes)
    assert table.groups["action"] == pytest.approx(actions)
    assert table.groups["camera"] == pytest.approx({c: mean(lambda clip, c=c: clip.endswith(c)) for c in ("c0", "c1")})
    assert table.groups["subject"] == pytest.approx({s: mean(lambda clip, s=s: clip.startswith(s)) for s in ("S1", "S2")})
    assert list(table.groups["joint"]) == list(BONES.joints)
    assert np.mean(list(table.groups["joint"].values())) == pytest.approx(table.value)
    assert table.low < table.value < table.high
    assert table.unit == "mm"


def test_pck_curves_are_averaged_like_their_areas(scoring, pred, truth):
    result = scoring(pred, truth)
    for pck, area in (("PCK@150", "AUC"), ("N-PCK@150", "N-AUC"), ("PA-PCK@150", "PA-AUC")):
        curve = result.metrics[area].curve
        assert curve.thresholds == list(range(0, 151, 5))
        assert curve.percent == sorted(curve.percent)
        assert curve.percent[-1] == pytest.approx(result.value(pck), rel=1e-12)
        assert np.mean(curve.percent) == pytest.approx(result.value(area), rel=1e-12)
    assert result.metrics["MPJPE"].curve is None


def test_a_perfect_file_has_perfect_numbers(scoring, truth):
    result = scoring(truth, truth)
    values = {name: result.value(name) for name in (*result.metrics, *result.diagnostics)}
    symmetry = metrics.bone_symmetry_error(relative(truth), BONES).mean()
    perfect = {"PCK@150": 100.0, "N-PCK@150": 100.0, "PA-PCK@150": 100.0, "CPS": 299.0, "BONE-SYMMETRY": symmetry}
    perfect |= dict.fromkeys(("AUC", "N-AUC", "PA-AUC"), 3000 / 31)
    assert values == pytest.approx(dict.fromkeys(values, 0.0) | perfect, abs=1e-5)
    assert round(values["AUC"], 3) == 96.774


def test_the_same_input_gives_the_same_bytes(scoring, pred, truth):
    first, second = (json.dumps(scoring(pred, truth).as_dict()["metrics"]) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("change", [{"kind": "h5"}, {"unit": "m"}, {"truth_unit": "m"}])
def test_the_kind_of_file_and_its_unit_do_not_change_the_numbers(scoring, pred, truth, change):
    plain = scoring(pred, truth)
    sent = {clip: pose / 1000.0 for clip, pose in pred.items()} if change.get("unit") == "m" else pred
    true = {clip: pose / 1000.0 for clip, pose in truth.items()} if change.get("truth_unit") == "m" else truth
    other = scoring(sent, true, **change)
    for name, table in plain.metrics.items():
        assert other.metrics[name].by == pytest.approx(table.by, rel=1e-9), name


def test_the_order_of_clips_in_the_file_does_not_change_a_bit(scoring, pred, truth):
    backwards = {clip: pred[clip] for clip in reversed(pred)}
    assert json.dumps(scoring(backwards, truth).as_dict()["metrics"]) == json.dumps(scoring(pred, truth).as_dict()["metrics"])


def test_the_predicted_root_is_subtracted_and_reported(scoring, pred, truth):
    moved = {clip: pose + np.arange(len(pose))[:, None, None] * [3.0, -5.0, 7.0] for clip, pose in pred.items()}
    result = scoring(moved, truth)
    assert result.value("MPJPE") == pytest.approx(scoring(pred, truth).value("MPJPE"))
    assert result.value("MPJVE") == pytest.approx(scoring(pred, truth).value("MPJVE"))
    assert [finding.name for finding in result.findings] == ["root"]


def test_unknown_scale_leaves_absolute_metrics_empty_and_the_others_as_they_are(scoring, pred, truth):
    known, unknown = scoring(pred, truth), scoring({clip: pose * 0.01 for clip, pose in pred.items()}, truth, unit=None, scale="unknown")
    protocol = load_protocol("pair-17j")
    for metric in (*protocol.metrics, *protocol.diagnostics):
        table = {**unknown.metrics, **unknown.diagnostics}[metric.name]
        if metric.absolute:
            assert (table.value, table.low, table.high, table.groups) == (None, None, None, {})
            assert set(table.by.values()) == {None}
            assert unknown.value(metric.name, "frame") is None
        else:
            assert unknown.value(metric.name) == pytest.approx(known.value(metric.name), rel=1e-9)
    assert unknown.protocol.digest == known.protocol.digest


def test_several_hypotheses_are_scored_by_their_mean_pose_with_oracles_among_the_diagnostics(scoring, pred, truth):
    random = np.random.default_rng(2)
    several = {clip: pose + random.normal(scale=40.0, size=(3, *pose.shape)) for clip, pose in pred.items()}
    result = scoring(several, truth)
    mean = scoring({clip: pose.mean(axis=0) for clip, pose in several.items()}, truth)
    for name in mean.metrics:
        assert result.value(name) == pytest.approx(mean.value(name), rel=1e-9), name
    t = relative(truth)
    singles = [residuals(relative({clip: pose[h] for clip, pose in several.items()}), t, ["root"]).errors["root"] for h in range(3)]
    assert result.value("MPJPE P-Best") == pytest.approx(best_pose(np.stack(singles)).mean(), rel=1e-9)
    assert result.value("MPJPE J-Best") == pytest.approx(best_joint(np.stack(singles)).mean(), rel=1e-9)
    assert {name for name in result.diagnostics if "Best" in name} >= {"PA-MPJPE P-Best", "N-MPJPE J-Best"}
    assert not {name for name in result.metrics if "Best" in name}
    assert (result.predictions.hypotheses, result.predictions.scored_as) == (3, "mean pose (P-Agg)")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_an_invalid_pose_is_counted_and_scored_not_dropped(scoring, pred, truth, bad):
    clip = "S1/Walk 1/c0"
    broken = {**pred, clip: pred[clip].copy()}
    broken[clip][4] = bad
    result, plain = scoring(broken, truth), scoring(pred, truth)
    assert result.invalid.poses == 1
    assert result.invalid.nonfinite == (0 if bad == 0.0 else 1)
    assert plain.invalid.poses == 0
    poses = sum(map(len, truth.values()))
    assert result.coverage.poses == poses == plain.coverage.poses
    assert not result.coverage.partial
    true = truth[clip][4] - truth[clip][4, 0]
    before = metrics.mpjpe(pred[clip][4:5], truth[clip][4:5])[0]
    expected = plain.value("MPJPE") + (np.linalg.norm(true, axis=-1).mean() - before) / poses
    assert result.value("MPJPE") == pytest.approx(expected, rel=1e-9)
    before = metrics.pa_mpjpe(pred[clip][4:5], truth[clip][4:5])[0]
    expected = plain.value("PA-MPJPE") + (np.linalg.norm(true - true.mean(axis=0), axis=-1).mean() - before) / poses
    assert result.value("PA-MPJPE") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_truth_that_is_not_finite_is_refused_with_its_clip_and_frame(scoring, pred, truth, bad):
    broken = {**truth, "S2/Walk/c1": truth["S2/Walk/c1"].copy()}
    broken["S2/Walk/c1"][7, 3, 1] = bad
    with pytest.raises(PosebenchError, match="S2/Walk/c1, frame 7, is not finite"):
        scoring(pred, broken)


def test_truth_needs_metric_scale_whole_clips_and_one_pose_a_frame(tmp_path, pred, truth):
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    clip = "S2/Walk/c1"
    for change, message in (
        ({"scale": "unknown"}, "scale unknown"),
        ({"frames": {clip: np.arange(20)}}, "sparse"),
        ({"poses": {**truth, clip: truth[clip][None]}}, "several hypotheses"),
    ):
        stated = {"poses": truth, "unit": "mm", "skeleton": "h36m17"} | change
        gt = save_predictions(tmp_path / "t.npz", stated.pop("poses"), **stated)
        with pytest.raises(PosebenchError, match=message):
            score(file, "pair-17j", truth=gt)


def test_exactly_one_source_of_truth_is_wanted(tmp_path, pred):
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="--truth"):
        score(file, "pair-17j")
    with pytest.raises(PosebenchError, match="both --root and --truth"):
        score(file, "cmu", root=tmp_path, truth=file)
    with pytest.raises(PosebenchError, match="--root"):
        score(file, "cmu")


def test_joints_of_a_larger_skeleton_are_taken_by_name(scoring, pred, truth):
    place = list(joint_map("h36m32", "h36m17"))
    whole = {}
    for clip, pose in pred.items():
        whole[clip] = np.full((len(pose), 32, 3), 1e4)
        whole[clip][:, place] = pose
    result = scoring(whole, truth, skeleton="h36m32")
    assert json.dumps(result.as_dict()["metrics"]) == json.dumps(scoring(pred, truth).as_dict()["metrics"])
    assert "skeleton" in [finding.name for finding in result.findings]


def test_a_skeleton_without_a_joint_of_the_protocol_is_an_error(scoring, pred, truth):
    with pytest.raises(PosebenchError, match="neck_nose") as error:
        scoring({clip: pose[:, :16] for clip, pose in pred.items()}, truth, skeleton="h36m16")
    assert error.value.exit_code == 2


def test_missing_clips_and_frames_are_refused_or_stamped(scoring, pred, truth):
    part = {clip: pose for clip, pose in pred.items() if clip.startswith("S1/Walk")}
    part["S1/Walk 1/c0"] = part["S1/Walk 1/c0"][:10]
    frames = {"S1/Walk 1/c0": np.arange(10)}
    with pytest.raises(PosebenchError, match="missing-clips") as error:
        scoring(part, truth, frames=frames)
    assert error.value.exit_code == 1
    result = scoring(part, truth, frames=frames, options={"allow_partial": True})
    assert result.coverage == Coverage(poses=10 + 30 + 24, poses_wanted=172, clips=4, clips_wanted=10, partial=True)
    expected = np.concatenate([metrics.mpjpe(pose, truth[clip][: len(pose)]) for clip, pose in part.items()]).mean()
    assert result.value("MPJPE") == pytest.approx(expected, rel=1e-9)
    assert not scoring(pred, truth, options={"allow_partial": True}).coverage.partial


@pytest.mark.parametrize("numbered", [False, True])
def test_an_empty_clip_in_a_partial_file_is_scored_as_not_there(scoring, pred, truth, numbered):
    clip = "S1/Walk 1/c0"
    part = {**pred, clip: pred[clip][:0]}
    frames = {clip: np.zeros(0, int)} if numbered else None
    result = scoring(part, truth, frames=frames, options={"allow_partial": True, "per_frame": True})
    without = scoring({c: pose for c, pose in pred.items() if c != clip}, truth, options={"allow_partial": True})
    assert result.value("MPJPE") == pytest.approx(without.value("MPJPE"), rel=1e-12)
    assert result.coverage.partial


def test_a_file_in_which_nothing_can_be_scored_is_an_error_even_in_part(scoring, pred, truth):
    for part in ({"S9/Jump/c0": pred["S2/Walk/c0"]}, {}, {clip: pose[:0] for clip, pose in pred.items()}):
        with pytest.raises(PosebenchError) as error:
            scoring(part, truth, options={"allow_partial": True})
        assert error.value.exit_code == 1


def test_extra_clips_are_ignored_only_when_partial_is_allowed(scoring, pred, truth):
    more = {**pred, "S9/Jump/c0": pred["S2/Walk/c0"]}
    with pytest.raises(PosebenchError, match="extra-clips"):
        scoring(more, truth)
    result = scoring(more, truth, options={"allow_partial": True})
    assert json.dumps(result.as_dict()["metrics"]) == json.dumps(scoring(pred, truth).as_dict()["metrics"])


def test_a_strided_protocol_takes_its_frames_from_whole_or_thinned_files_alike(scoring, pred, truth, tmp_path):
    path = tmp_path / "strided.toml"
    path.write_text('extends = "pair-17j"\nid = "strided"\nversion = 1\ntitle = "t"\n[frames]\nstride = 3\n')
    whole = scoring(pred, truth, protocol=str(path))
    thin = scoring({clip: pose[::3] for clip, pose in pred.items()}, truth, protocol=str(path))
    frames = {clip: np.arange(0, len(pose), 3) for clip, pose in pred.items()}
    numbered = scoring({clip: pose[::3] for clip, pose in pred.items()}, truth, protocol=str(path), frames=frames)
    found = [json.dumps(result.as_dict()["metrics"]) for result in (whole, thin, numbered)]
    assert found[0] == found[1] == found[2]
    assert whole.coverage.poses == sum(-(-len(pose) // 3) for pose in truth.values())
    clips = [(pose[::3] - pose[::3, :1], truth[clip][::3] - truth[clip][::3, :1]) for clip, pose in pred.items()]
    velocity = sum(len(g) * metrics.velocity_error(p, g).mean() for p, g in clips) / sum(len(g) for _, g in clips)
    assert whole.value("MPJVE") == pytest.approx(velocity, rel=1e-9), "neighbours are one stride apart"


def test_a_protocol_selects_its_subjects_actions_cameras_and_takes(scoring, pred, truth, tmp_path):
    path = tmp_path / "some.toml"
    takes = 'subjects = ["S1"]\nactions = ["Walk"]\ncameras = ["c1"]\nexcluded = [{ take = "S1/Walk 2", reason = "test" }]\n'
    path.write_text(f'extends = "pair-17j"\nid = "some"\nversion = 1\ntitle = "t"\n[takes]\n{takes}')
    result = scoring({"S1/Walk 1/c1": pred["S1/Walk 1/c1"]}, truth, protocol=str(path))
    assert result.coverage.clips_wanted == 1
    assert result.value("MPJPE") == pytest.approx(metrics.mpjpe(pred["S1/Walk 1/c1"], truth["S1/Walk 1/c1"]).mean())
    path.write_text(path.read_text().replace('"S1"]', '"S7"]'))
    with pytest.raises(PosebenchError, match="no clip of protocol some"):
        scoring(pred, truth, protocol=str(path))


def test_a_root_that_does_not_count_raises_mpjpe_by_its_share(scoring, pred, truth, tmp_path):
    path = tmp_path / "p.toml"
    text = 'extends = "pair-17j"\nid = "p"\nversion = 1\ntitle = "t"\ndiagnostics = []\n'
    text += 'metrics = [{ alignment = "root", statistic = "mean" }]\n'
    path.write_text(text + "[root]\ncounted = false\n")
    assert scoring(pred, truth, protocol=str(path)).value("MPJPE") == pytest.approx(scoring(pred, truth).value("MPJPE") * 17 / 16)
    path.write_text(text + '[root]\njoints = ["l_hip", "r_hip"]\n')
    hips = [BONES.index("l_hip"), BONES.index("r_hip")]
    p, t = (np.concatenate([pose - pose[:, hips].mean(axis=1, keepdims=True) for pose in poses.values()]) for poses in (pred, truth))
    assert scoring(pred, truth, protocol=str(path)).value("MPJPE") == pytest.approx(np.linalg.norm(p - t, axis=-1).mean())


def test_a_result_states_its_protocol_data_and_predictions(scoring, pred, truth, tmp_path):
    result = scoring(pred, truth, method="Mine", keypoints="gt", supervision="none")
    protocol = load_protocol("pair-17j")
    assert result.protocol == ScoredProtocol(id="pair-17j", version=1, digest=protocol.digest, headline="frame")
    with open_predictions(tmp_path / "p.npz") as file, open_predictions(tmp_path / "t.npz") as gt:
        assert result.predictions.sha256 == file.sha256()
        assert result.data.fingerprint == gt.sha256()
    assert (result.predictions.method, result.predictions.keypoints, result.predictions.supervision) == ("Mine", "gt", "none")
    assert result.predictions.file == "p.npz"
    assert result.data.official is False
    assert "--truth" in result.data.note
    assert {"posebench", "python", "numpy", "platform"} <= set(asdict(result.environment))
    assert result.wall_time_s >= 0


def test_values_of_single_frames_are_kept_on_request(scoring, pred, truth):
    result = scoring(pred, truth, options={"per_frame": True})
    for clip, pose in pred.items():
        np.testing.assert_allclose(result.frames[f"{clip}/MPJPE"], metrics.mpjpe(pose, truth[clip]), rtol=1e-9)
        assert np.isnan(result.frames[f"{clip}/MPJVE"]).sum() == 1
    assert scoring(pred, truth).frames == {}


def test_a_metric_that_is_not_there_names_those_that_are(scoring, pred, truth):
    result = scoring(pred, truth)
    with pytest.raises(PosebenchError, match="PA-MPJPE"):
        result.value("P-MPJPE")
    with pytest.raises(PosebenchError, match="frame, take, action"):
        result.value("MPJPE", "clip")


def test_a_long_clip_is_scored_in_bounded_memory(tmp_path):
    random = np.random.default_rng(0)
    truth = random.normal(scale=300.0, size=(60_000, 17, 3)).astype(np.float32)
    pred = truth + random.normal(scale=30.0, size=truth.shape).astype(np.float32)
    pred -= pred[:, :1]
    files = [
        save_predictions(tmp_path / f"{n}.npz", {"S1/Walk/c0": pose}, unit="mm", skeleton="h36m17") for n, pose in enumerate((pred, truth))
    ]
    size = sum(file.stat().st_size for file in files)
    del pred, truth
    tracemalloc.start()
    result = score(files[0], "pair-17j", truth=files[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.coverage.poses == 60_000
    assert peak < size + 128 * 2**20, f"{peak / 2**20:.0f} MiB for {size / 2**20:.0f} MiB of files"


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e160])
def test_absurd_sizes_give_finite_numbers_or_a_refusal(scoring, pred, truth, scale):
    absurd = {clip: pose * scale for clip, pose in pred.items()}
    try:
        result = scoring(absurd, truth, unit=None, scale="unknown")
    except PosebenchError:
        return
    values = [value for table in result.metrics.values() for value in table.by.values() if value is not None]
    assert np.isfinite(values).all()
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_golden_case_comes_out_of_files_as_peers_computed_it(tmp_path):
    with np.load(GOLDEN / "metrics_cases.npz") as cases:
        pred, truth = cases["noise_iid__pred"], cases["noise_iid__gt"]
    peers = json.loads((GOLDEN / "metrics_expected.json").read_text())["cases"]["noise_iid"]
    file = save_predictions(tmp_path / "p.npz", {"S1/A/c0": pred}, unit="mm", skeleton="h36m17")
    gt = save_predictions(tmp_path / "t.npz", {"S1/A/c0": truth}, unit="mm", skeleton="h36m17")
    result = score(file, "pair-17j", truth=gt)
    expected = {
        "MPJPE": peers["vp3d.mpjpe"],
        "PA-MPJPE": peers["vp3d.p_mpjpe"],
        "N-MPJPE": peers["vp3d.n_mpjpe"],
        "MPJVE": peers["vp3d.mean_velocity_error"],
        "ACCEL": peers["vibe.compute_error_accel_mean"],
        "PA-MPJPE-rigid": peers["martinez.procrustes[scale=False]"],
        "AUC": 100 * peers["margipose.auc (fraction)"],
        "PCK@150": 100 * peers["margipose.pck"],
        "BONE-LENGTH": peers["motionbert.loss_limb_gt"],
        "BONE-SYMMETRY": peers["manipose.MPSSE sagittal_symmetry(average, squared=False)"],
        "CPS": peers["probflows.CPS (PA, no reflection, 16 joints, strict <, thresholds 1..300)"]["cps_auc_trapezoid_1_300"],
    }
    for name, value in expected.items():
        assert result.value(name) == pytest.approx(value, rel=1e-9), name


def test_the_result_does_not_depend_on_how_many_threads_measure(monkeypatch, tmp_path, pred, truth):
    paths = [save_predictions(tmp_path / f"{name}.npz", poses, unit="mm", skeleton="h36m17") for name, poses in (("p", pred), ("t", truth))]
    found = []
    for cores in (1, 2, 64):
        monkeypatch.setattr("posebench.scoring.traversal.usable_cores", lambda cores=cores: cores)
        seen = []
        options = {"per_frame": True, "progress": lambda done, total, seen=seen: seen.append((done, total))}
        result = score(paths[0], "pair-17j", truth=paths[1], **options)
        assert seen == [(done, len(truth)) for done in range(1, len(truth) + 1)]
        found.append((result.metrics, result.diagnostics, result.rows, result.findings, {key: list(v) for key, v in result.frames.items()}))
    np.testing.assert_equal(found[1], found[0])
    np.testing.assert_equal(found[2], found[0])


def test_poses_in_memory_get_the_numbers_and_findings_of_a_file_to_the_bit(tmp_path, pred, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    clips = list(pred)
    poses = {clip: (pose / 1000.0).astype(np.float32) if number % 2 else pose / 1000.0 for number, (clip, pose) in enumerate(pred.items())}
    poses[clips[0]] = poses[clips[0]][::2]
    frames = {clips[0]: np.arange(0, len(pred[clips[0]]), 2)}
    stated = {"unit": "m", "skeleton": "h36m17", "method": "mine", "keypoints": "gt"}
    file = save_predictions(tmp_path / "p.npz", poses, frames=frames, **stated)
    arrays = {**poses, f"{clips[0]}#frames": frames[clips[0]].tolist()}
    options = {"truth": gt, "allow_partial": True}
    wanted = score(file, "pair-17j", per_frame=True, **options)
    found = score(arrays, "pair-17j", per_frame=True, **options, **stated)
    assert found.metrics == wanted.metrics
    assert found.diagnostics == wanted.diagnostics
    assert (found.findings, found.coverage, found.rows) == (wanted.findings, wanted.coverage, wanted.rows)
    assert found.predictions == replace(wanted.predictions, file="poses in memory", sha256=found.predictions.sha256)
    for key, values in wanted.frames.items():
        np.testing.assert_array_equal(found.frames[key], values)
    assert check(arrays, "pair-17j", **options, **stated) == check(file, "pair-17j", **options)
    assert load_result(found.save(tmp_path / "r.json")).as_dict() == found.as_dict()
    changed = {**arrays, clips[1]: arrays[clips[1]] + np.float32(1e-3)}
    assert score(changed, "pair-17j", **options, **stated).predictions.sha256 != found.predictions.sha256


def test_poses_of_unknown_scale_in_memory_need_no_unit(tmp_path, pred, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    result = score(pred, "pair-17j", truth=gt, skeleton="h36m17", scale="unknown")
    assert result.value("MPJPE") is None
    assert result.value("PA-MPJPE") > 0


CLIP = "S1/Walk 1/c0"
POSES = {CLIP: np.zeros((30, 17, 3))}
STATED = {"unit": "mm", "skeleton": "h36m17"}


@pytest.mark.parametrize(
    ("poses", "stated", "message"),
    [
        (POSES, {"skeleton": "h36m17"}, "no unit for poses in memory.*one of mm, m.*unit='mm'"),
        (POSES, {"unit": "mm"}, "no skeleton for poses in memory.*h36m17"),
        (POSES, STATED | {"unit": "cm"}, "unit 'cm' for poses in memory"),
        (POSES, STATED | {"method": "a\nb"}, "printable text in one line"),
        (POSES, STATED | {"from_format": "npy-folder"}, "a format stated for poses in memory"),
        ({CLIP: np.zeros((17, 3))}, STATED, r"S1/Walk 1/c0: float64 of shape \(17, 3\)"),
        ({CLIP: [[1.0], [2.0, 3.0]]}, STATED, "S1/Walk 1/c0: no array"),
        ({CLIP: np.full((30, 17, 3), "x")}, STATED, "S1/Walk 1/c0: <U1 of shape"),
        (POSES | {f"{CLIP}#frames": np.arange(30.0)}, STATED, "S1/Walk 1/c0#frames: float64.*whole numbers"),
        ({9: np.zeros((30, 17, 3))}, STATED, "a int as a clip id"),
        (np.zeros((30, 17, 3)), STATED, "a ndarray as predictions"),
        ("p.npz", STATED, "unit stated for a file"),
    ],
)
def test_poses_in_memory_that_cannot_be_used_are_refused_in_one_paragraph(tmp_path, truth, poses, stated, message):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match=message) as caught:
        score(poses, "pair-17j", truth=gt, **stated)
    assert caught.value.exit_code == 2


def test_errors_in_poses_in_memory_name_the_function_that_lists_them(tmp_path, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    with pytest.raises(
        PosebenchError, match=r"poses in memory: empty-file.*missing-clips.*posebench.check\(poses, 'pair-17j', ...\)"
    ) as caught:
        score({}, "pair-17j", truth=gt, **STATED)
    assert caught.value.exit_code == 1


def test_a_protocol_may_be_a_path_and_nothing_else_than_a_protocol(tmp_path, pred, truth):
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="a dict as a protocol"):
        score(pred, {}, truth=gt, **STATED)
    with pytest.raises(PosebenchError, match="nowhere"):
        score(pred, tmp_path / "nowhere.toml", truth=gt, **STATED)
