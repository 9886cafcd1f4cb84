"""Each convention against the numbers that the projects' own code returned (tests/golden), and the presets as a whole."""

import json
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.metrics.position import invalid_poses
from posebench.scoring.conventions.applying import Facts, applied
from posebench.scoring.conventions.joint_errors import ClipErrors
from posebench.scoring.conventions.presets import PRESETS
from posebench.scoring.conventions.reading import stated_reading
from posebench.scoring.conventions.statistics import values
from posebench.scoring.conventions.switches import CONVENTIONS, FOR_PRESETS
from posebench.scoring.conventions.whole_set import WholeSet
from posebench.scoring.protocol import load_protocol

GOLDEN = Path(__file__).parents[2] / "golden"
PAIR = load_protocol("pair-17j")
METRICS = {metric.name: metric for metric in (*PAIR.metrics, *PAIR.diagnostics)}
KNOWN = {convention.id: convention for convention in (*CONVENTIONS, *FOR_PRESETS)}
FACTS = Facts(PAIR, [], 0.0, metric_scale=True, hypotheses=2)
with np.load(GOLDEN / "metrics_cases.npz") as archive:
    CASES = {key: archive[key] for key in archive.files}
EXPECTED = json.loads((GOLDEN / "metrics_expected.json").read_text(encoding="utf-8"))["cases"]

#: Projects' function, or a part of what it returns, to (our metric, conventions, factor, relative tolerance).
PEERS = {
    ("vp3d.mpjpe",): ("MPJPE", [], 1.0, 1e-9),
    ("vp3d.p_mpjpe",): ("PA-MPJPE", [], 1.0, 1e-9),
    ("vp3d.n_mpjpe",): ("MPJPE", ["n"], 1.0, 1e-9),
    ("martinez.procrustes[scale=False]",): ("PA-MPJPE", ["rigid"], 1.0, 1e-9),
    ("posenet.rigid_align_mpjpe (no scale)",): ("PA-MPJPE", ["rigid"], 1.0, 1e-9),
    ("repnet.err_3dpe (reflection allowed)",): ("PA-MPJPE", ["reflection"], 1.0, 1e-9),
    ("elepose.pmpjpe[best]",): ("PA-MPJPE", ["reflection"], 1.0, 1e-9),
    ("margipose.aligned_mpjpe (scipy procrustes, reflection allowed)",): ("PA-MPJPE", ["reflection"], 1.0, 1e-9),
    ("elepose_batch.pmpjpe",): ("PA-MPJPE", ["elepose-pa"], 1.0, 1e-9),
    ("elepose_batch.mpjpe[use_scaling=True,root=0]",): ("MPJPE", ["frobenius"], 1.0, 1e-9),
    ("elepose_batch.PCK[use_scaling=True,root=0]",): ("PCK@150", ["frobenius"], 1.0, 1e-9),
    ("elepose_batch.AUC[use_scaling=True,root=0] (fraction)",): ("AUC", ["frobenius"], 0.01, 1e-9),
    ("elepose_batch.get_all[use_scaling=False,root=0]", "CPS"): ("CPS", ["cps-elepose"], 1.0, 1e-9),
    ("ites.calibrate_by_scale_then_mpjpe",): ("MPJPE", ["ites-scale"], 1.0, 1e-9),
    ("ites.student_eval_best_of_depth_flip", "mpjpe"): ("MPJPE", ["ites-scale", "flip-pose"], 1.0, 1e-9),
    ("ites.student_eval_best_of_depth_flip", "p_mpjpe"): ("PA-MPJPE", ["flip-pose"], 1.0, 1e-9),
    ("ites.student_eval_best_of_depth_flip", "pck_auc_metres(pck,auc fraction)", 0): (
        "PCK@150",
        ["ites-scale", "flip-joint", "ites14-counted"],
        0.01,
        1e-9,
    ),
    ("ites.student_eval_best_of_depth_flip", "pck_auc_metres(pck,auc fraction)", 1): (
        "AUC",
        ["ites-scale", "flip-joint", "ites14-counted"],
        0.01,
        1e-9,
    ),
    ("mmpose0.keypoint_3d_pck[none] inputs in metres",): ("PCK@150", ["pck-metres"], 1.0, 1e-6),
    ("poseaug.compute_PCK inputs in metres",): ("PCK@150", ["pck-metres"], 1.0, 1e-9),
}
#: Cases whose truth or prediction the projects cannot answer (NaN or an exception), or whose rotation is not unique.
NOT_UNIQUE = {("collinear_pred", "elepose_batch.pmpjpe"), ("collinear_both", "elepose_batch.pmpjpe")}


def number(metric, conventions, pred, truth):
    """The mean over frames of a metric under conventions, of one clip."""
    reading = stated_reading(METRICS[metric], PAIR)
    for id in conventions:
        reading = applied(reading, KNOWN[id].change, FACTS)
    clip = ClipErrors("S1/Walk 1/c0", pred, truth, PAIR.skeleton, None, WholeSet(), metric_scale=True)
    return float(values(clip, reading.quantity).mean())


def answer(case, keys):
    found = EXPECTED[case].get(keys[0])
    if isinstance(found, dict) and "raises" in found:
        return None
    for key in keys[1:]:
        found = None if found is None else found[key]
    return found if isinstance(found, float | int) and np.isfinite(found) else None


#: The projects subtract no root; these poses have it at the origin, so that the same poses are compared.
USABLE = [
    case
    for case in EXPECTED
    if max(np.abs(CASES[f"{case}__{side}"][:, 0]).max() for side in ("pred", "gt")) == 0.0
    and not invalid_poses(CASES[f"{case}__pred"]).any()
    and np.abs(CASES[f"{case}__gt"]).max() > 0.0
]


@pytest.mark.parametrize("keys", PEERS, ids=lambda keys: " ".join(map(str, keys)))
def test_a_convention_gives_the_projects_own_number(keys):
    metric, conventions, factor, tolerance = PEERS[keys]
    compared = 0
    for case in USABLE:
        theirs = answer(case, keys)
        if theirs is None or (case, keys[0]) in NOT_UNIQUE:
            continue
        ours = factor * number(metric, conventions, CASES[f"{case}__pred"], CASES[f"{case}__gt"])
        assert ours == pytest.approx(theirs, rel=tolerance, abs=tolerance), case
        compared += 1
    assert compared >= 10


def test_hypotheses_are_chosen_as_the_projects_choose():
    with np.load(GOLDEN / "multihyp_cases.npz") as arrays:
        poses, truth = arrays["hyp"], arrays["gt"]
    expected = json.loads((GOLDEN / "multihyp_expected.json").read_text(encoding="utf-8"))
    poses, truth = (np.asarray(each) for each in (poses, truth))
    every, gt = np.concatenate(poses, axis=1), np.concatenate(truth)
    scale = 1000.0 if np.abs(gt).max() < 10.0 else 1.0
    d3dp = expected["d3dp_metres"]
    for id, key, metric in (
        ("best-joint", "J_Best mpjpe (min over hypotheses per joint)", "MPJPE"),
        ("best-joint", "J_Best p_mpjpe", "PA-MPJPE"),
        ("best-clip", "P_Best mpjpe as coded (min over hypotheses of the batch mean)", "MPJPE"),
        ("best-clip", "P_Best p_mpjpe as coded", "PA-MPJPE"),
    ):
        assert number(metric, [id], every * scale, gt * scale) == pytest.approx(1000.0 * d3dp[key][0], rel=1e-9), id
    assert number("MPJPE", [], every * scale, gt * scale) == pytest.approx(1000.0 * d3dp["P_Agg mpjpe (error of the mean pose)"][0])
    probflows = expected["probflows_mm_batch0"]
    first, its_truth = poses[0] * scale, truth[0] * scale
    assert number("MPJPE", ["best-pose"], first, its_truth) == pytest.approx(probflows["best_of_H mpjpe (min per pose)"], rel=1e-9)
    assert number("PA-MPJPE", ["best-pose"], first, its_truth) == pytest.approx(probflows["best_of_H p_mpjpe (min per pose)"], rel=1e-9)


@pytest.fixture(scope="module")
def h36m(tmp_path_factory):
    """The golden Human3.6M-like clips as files, in metres."""
    folder = tmp_path_factory.mktemp("h36m")
    poses = {"gt": {}, "pred": {}}
    with np.load(GOLDEN / "h36m_protocol_cases.npz") as cases:
        for key in cases.files:
            subject, action, camera, kind = key.split("|")
            poses[kind][f"{subject}/{action}/{camera}"] = cases[key]
    for kind, clips in poses.items():
        posebench.save_predictions(folder / f"{kind}.npz", clips, unit="m", skeleton="h36m17", method="golden", keypoints="none")
    return folder


@pytest.fixture(scope="module")
def explained(h36m):
    metrics = ("MPJPE", "PA-MPJPE", "N-MPJPE", "MPJVE")
    presets = ("videopose3d", "motionbert-family", "p-stmo", "mmpose", "spin-p2", "integral-p1")
    return posebench.explain(h36m / "pred.npz", "h36m/s9s11", truth=h36m / "gt.npz", presets=presets, metrics=metrics, allow_partial=True)


H36M = json.loads((GOLDEN / "h36m_protocol_expected.json").read_text(encoding="utf-8"))


def test_averages_and_damaged_takes_are_those_of_videopose3d_and_mmpose(explained):
    """Relative 1e-9: the projects' own code ran in float64 on the same poses."""
    stated = H36M["videopose3d run.py (float64 patched)"]["action_wise_average"]
    clean = H36M["videopose3d run.py, damaged S9 clips removed (float64)"]["action_wise_average"]
    micro = H36M["mmpose1 MPJPE metric"]
    keys = {"MPJPE": "mpjpe_mm", "PA-MPJPE": "p_mpjpe_mm", "N-MPJPE": "n_mpjpe_mm", "MPJVE": "mpjve_mm_per_frame"}
    for metric, key in keys.items():
        assert explained.stated[metric] == pytest.approx(stated[key], rel=1e-9)
        assert explained.line(metric, "undamaged").value == pytest.approx(clean[key], rel=1e-9)
    for metric, key, name in (("MPJPE", "mpjpe", "MPJPE"), ("PA-MPJPE", "p-mpjpe", "P-MPJPE"), ("N-MPJPE", "n-mpjpe", "N-MPJPE")):
        assert explained.line(metric, "average-frame").value == pytest.approx(micro[key][name], rel=1e-9)
        assert explained.line(metric, "average-frame").change == pytest.approx(micro[key][name] - explained.stated[metric], abs=1e-9)


def test_videopose3d_in_float32_is_within_a_hundredth_of_a_micrometre_a_millimetre(explained):
    """The released code ran in float32, means included: relative 1e-5."""
    released = H36M["videopose3d run.py (float32 as released)"]["action_wise_average"]
    for metric, key in (("MPJPE", "mpjpe_mm"), ("PA-MPJPE", "p_mpjpe_mm"), ("N-MPJPE", "n_mpjpe_mm")):
        assert explained.line(metric, "videopose3d").value == pytest.approx(released[key], rel=1e-5)


def test_takes_that_the_protocol_leaves_out_count_where_the_file_has_them(tmp_path, walker):
    """S11 Directions: in with all its cameras, or without the one whose video cannot be read (HMR, ProbFlows)."""
    random = np.random.default_rng(0)
    cameras = ("54138969", "55011271", "58860488", "60457274")
    names = ("S9/Directions 1", "S9/Sitting 1", "S11/Directions", "S11/Sitting 1")
    truth = {f"{take}/{camera}": walker(20, n, k) for n, take in enumerate(names) for k, camera in enumerate(cameras)}
    pred = {clip: pose + random.normal(0, 30, pose.shape) for clip, pose in truth.items()}
    file = posebench.save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    found = posebench.explain(
        pred, "h36m/s9s11", truth=file, unit="mm", skeleton="h36m17", metrics=["MPJPE", "PA-MPJPE"], allow_partial=True
    )
    stated = posebench.score(pred, "h36m/s9s11", truth=file, unit="mm", skeleton="h36m17", allow_partial=True)
    for out, id in (((), "excluded-in"), (("S11/Directions/54138969",), "excluded-in-3")):
        kept = {clip: pose for clip, pose in pred.items() if clip not in out}
        every = posebench.score(kept, "pair-17j", truth=file, unit="mm", skeleton="h36m17", allow_partial=True)
        for metric in ("MPJPE", "PA-MPJPE"):
            assert found.stated[metric] == pytest.approx(stated.value(metric), rel=1e-12)
            assert found.line(metric, id).value == pytest.approx(every.value(metric, "action"), rel=1e-12)
            frames = found.line(metric, "every-5th").value
            fifth = posebench.score(pred, "h36m/s9s11-10fps", truth=file, unit="mm", skeleton="h36m17", allow_partial=True)
            assert frames == pytest.approx(fifth.value(metric, "action"), rel=1e-12)


def test_pstmo_credits_batches(explained):
    found = H36M["pstmo accumulation"]
    for batch in (64, 512):
        value = explained.line("PA-MPJPE", f"credited-{batch}").value
        assert value == pytest.approx(found[f"batch={batch}"]["p2_macro_mm"], rel=1e-9)
    assert explained.line("PA-MPJPE", "p-stmo").value == pytest.approx(found["batch=512"]["p2_macro_mm"], rel=1e-9)
    assert explained.line("PA-MPJPE", "p-stmo").applied == ("credited-512",)  # the protocol averages over actions


#: A preset, or a convention, and the protocol of this project that states the same; of which metrics.
SAME_PROTOCOLS = [
    ("no-root", "h36m/s9s11-noroot", ["MPJPE"]),
    ("no-root-aligned", "h36m/s9s11-noroot", ["PA-MPJPE", "N-MPJPE"]),
    ("16-joints", "h36m/s9s11-16j", ["MPJPE", "PA-MPJPE", "N-MPJPE"]),
    ("lsp14", "h36m/s9s11-14j", ["PA-MPJPE"]),
    ("lsp14-hips", "h36m/s9s11-14j", ["MPJPE", "N-MPJPE"]),
    ("undamaged", "h36m/s9s11-clean", ["MPJPE", "PA-MPJPE", "N-MPJPE", "MPJVE"]),
    ("mmpose", "h36m/s9s11-10fps", ["MPJPE", "PA-MPJPE", "N-MPJPE"]),
    ("spin-p2", "h36m/frontal", ["PA-MPJPE"]),
]


@pytest.mark.parametrize(("id", "protocol", "metrics"), SAME_PROTOCOLS, ids=[same[0] for same in SAME_PROTOCOLS])
def test_a_line_is_the_score_under_the_protocol_that_states_the_same(explained, h36m, id, protocol, metrics):
    result = posebench.score(h36m / "pred.npz", protocol, truth=h36m / "gt.npz", allow_partial=True)
    for metric in metrics:
        assert explained.line(metric, id).value == pytest.approx(result.value(metric), rel=1e-12), metric


def test_integral_protocol_1_is_its_own_formula_on_every_64th_frame_of_s11(explained, h36m):
    from posebench.metrics.peers import integral_pa_errors

    with posebench.open_predictions(h36m / "pred.npz") as pred, posebench.open_predictions(h36m / "gt.npz") as truth:
        errors = [
            integral_pa_errors(1000.0 * np.float64(pred.poses(clip)[::64]), 1000.0 * np.float64(truth.poses(clip)[::64]))
            for clip in pred.shapes
            if clip.startswith("S11/") and not clip.startswith("S11/Directions/")
        ]
    assert explained.line("PA-MPJPE", "integral-p1").value == pytest.approx(np.concatenate(errors).mean(), rel=1e-9)


def test_presets_name_conventions_that_there_are():
    cameras = {"camera-60457274"}
    for preset in PRESETS.values():
        for ids in preset.by.values():
            assert set(ids) <= set(KNOWN) | cameras, preset.id


def test_3dhps_fourteen_and_seventeen_joints_from_a_file_of_p_stmo():
    """The golden ``inference_data.mat``: seventeen joints as the protocol that counts them, per-sequence mean as its average by take."""
    root = GOLDEN / "threedhp_like"
    found = posebench.explain(GOLDEN / "inference_data.mat", "3dhp/official", root=root, metrics=["MPJPE", "PCK@150", "AUC"])
    other = posebench.score(GOLDEN / "inference_data.mat", "3dhp/17j", root=root)
    stated = posebench.score(GOLDEN / "inference_data.mat", "3dhp/official", root=root)
    for metric in ("PCK@150", "AUC"):
        assert found.line(metric, "all-joints").value == pytest.approx(other.value(metric), rel=1e-12)
    for metric in found.stated:
        assert found.stated[metric] == pytest.approx(stated.value(metric), rel=1e-12)
        assert found.line(metric, "average-take").value == pytest.approx(stated.value(metric, "take"), rel=1e-12)
        assert found.line(metric, "average-action").value == pytest.approx(stated.value(metric, "action"), rel=1e-12)
    assert found.line("MPJPE", "lsp14").value == pytest.approx(other_mean(stated, "MPJPE"), rel=1e-12)


def other_mean(result, metric):
    """The mean over the 14 joints of the official groups, over all frames."""
    kept = [part for part in result.sums[metric].parts if part not in ("pelvis", "spine", "head")]
    columns = [result.sums[metric].parts.index(part) for part in kept]
    return result.sums[metric].total[:, columns].sum() / (14 * result.sums[metric].count.sum())
