"""Our formulas against numbers that the peers' own, unmodified code returned: see ``golden/README.md``."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posebench import metrics
from posebench.base.cameras import Camera, rotation_from_quaternion, screen_coordinates
from posebench.base.skeletons import SKELETONS, joint_map
from posebench.metrics import hypotheses, peers
from posebench.metrics.alignment import residuals
from posebench.metrics.position import root_relative

GOLDEN = Path(__file__).parents[1] / "golden"
H36M17 = SKELETONS["h36m17"]
#: Predictions without extent: peers raise or return NaN, or compare with NaN in silence; the suite's own rule holds.
COLLAPSED = ("all_zero_pred", "constant_point_pred")
#: A true pose in one point: peers raise or return 0; ours must only be finite.
NO_TRUTH = ("all_zero_gt",)


def load(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(GOLDEN / f"{name}_cases.npz") as cases:
        arrays = {key: cases[key] for key in cases.files}
    return arrays, json.loads((GOLDEN / f"{name}_expected.json").read_text())


CASES, EXPECTED = load("metrics")


def mean(errors):
    return errors.mean()


def per_frame(errors):
    return errors.mean(axis=1)


def percent(errors):
    return metrics.pck(errors).mean()


def area(errors):
    return metrics.auc(metrics.thresholds_passed(errors)).mean()


def percent_in_metres(errors):
    return metrics.pck(errors, 0.15).mean()


def area_in_metres(errors):
    return np.mean([metrics.pck(errors, threshold).mean() for threshold in np.linspace(0.0, 0.15, 31)])


def fraction(statistic):
    return lambda errors: statistic(errors) / 100.0


def itself(value):
    return value


def aligned_errors(alignment, divisor=1.0):
    """Errors of the poses as given: these projects subtract no root."""
    return lambda pred, truth: residuals(pred / divisor, truth / divisor, [alignment]).errors[alignment]


@dataclass(frozen=True)
class Peer:
    """Our counterpart of a peer's function, and where our rule puts a pose on which the peer has no answer."""

    errors: Callable[[np.ndarray, np.ndarray], Any]
    statistic: Callable[[Any], Any] = mean
    rule: str = "root"
    relative: float = 1e-9
    divisor: float = 1.0
    rule_statistic: Callable[[Any], Any] | None = None

    def value(self, pred, truth):
        return self.statistic(self.errors(pred, truth))

    def by_rule(self, truth):
        """The value where every joint of the prediction lies at the truth's root or centroid; 0 where one frame has no value."""
        if self.rule == "zero":
            return 0.0
        origin = truth[:, :1] if self.rule == "root" else truth.mean(axis=1, keepdims=True)
        return (self.rule_statistic or self.statistic)(np.linalg.norm(truth - origin, axis=-1) / self.divisor)


def peer(alignment, statistic=mean, relative=1e-9, divisor=1.0):
    rule = "root" if alignment in ("root", "scale") else "centroid"
    return Peer(aligned_errors(alignment, divisor), statistic, rule, relative, divisor)


def elepose(use_scaling):
    if use_scaling:
        return peers.frobenius_errors
    return lambda pred, truth: residuals(root_relative(pred), root_relative(truth), ["root"]).errors["root"]


def elepose_peers():
    for flag in (True, False):
        key = f"[use_scaling={flag},root=0]"
        yield f"elepose_batch.mpjpe{key}", Peer(elepose(flag))
        yield f"elepose_batch.PCK{key}", Peer(elepose(flag), percent)
        yield f"elepose_batch.AUC{key} (fraction)", Peer(elepose(flag), fraction(area))

        def score(name, flag=flag):
            return lambda pred, truth: peers.elepose_scores(pred, truth, use_scaling=flag)[name]

        parts = {"MPJPE": mean, "PCK": percent, "AUC": area, "CPS": sum_of_cps}
        yield f"elepose_batch.get_all{key}", {name: Peer(score(name), itself, rule_statistic=rule) for name, rule in parts.items()}


def sum_of_cps(errors):
    return sum((errors.max(axis=1) <= threshold).mean() for threshold in range(301))


def mmpose_peers():
    for name, alignment in (("none", "root"), ("scale", "scale"), ("procrustes", "similarity")):
        yield f"mmpose1.keypoint_mpjpe[{name}]", peer(alignment)
        # Means of float32 numbers.
        yield f"mmpose0.keypoint_3d_pck[{name},threshold=150]", peer(alignment, percent, 1e-6)
        yield f"mmpose0.keypoint_3d_pck[{name}] inputs in metres", peer(alignment, percent_in_metres, 1e-6, 1000.0)
        yield f"mmpose0.keypoint_3d_auc[{name}] inputs in metres", peer(alignment, area_in_metres, 1e-6, 1000.0)


def flip(name):
    return lambda pred, truth: getattr(peers.ites_best_of_flip(pred, truth), name)


def at_ites_joints(statistic):
    return lambda errors: statistic(errors if np.shape(errors)[1] == 14 else errors[:, list(peers.ITES_JOINTS)])


def plain_sum_of_cps(errors):
    worst = errors[:, list(peers.PROBFLOWS_CPS_JOINTS)].max(axis=1)
    return (worst[:, None] < np.arange(1, 301)).sum(axis=1).mean()


def both_hips(pred, truth):
    """HMR subtracts the mid-point of LSP's hips, joints 2 and 3; its PA needs no root."""
    return [metrics.mpjpe(pred, truth, root=(2, 3)), metrics.pa_mpjpe(pred, truth)]


def angle_velocity(pred, truth):
    errors = peers.limb_angle_velocity_error(pred, truth, H36M17)
    return errors.mean() if len(errors) else 0.0  # MotionBERT returns 0 for one frame


PEERS: dict[str, Peer | dict[str, Peer]] = {
    "vp3d.mpjpe": peer("root"),
    "vp3d.p_mpjpe": peer("similarity"),
    "vp3d.n_mpjpe": peer("scale"),
    "vp3d.mean_velocity_error": Peer(lambda pred, truth: peers.videopose3d_velocity([(pred, truth)]), itself, "zero"),
    "motionbert.mpjpe_per_frame": peer("root", per_frame),
    "motionbert.p_mpjpe_per_frame": peer("similarity", per_frame),
    **dict(mmpose_peers()),
    "martinez.procrustes[scale=True]": peer("similarity"),
    "martinez.procrustes[scale=False]": peer("rigid"),
    "spin.reconstruction_error_per_frame": peer("similarity", per_frame),
    "posenet.rigid_align_mpjpe (no scale)": peer("rigid"),
    "hmr.compute_errors (joints read as LSP14)": Peer(both_hips, itself),
    "repnet.err_3dpe (reflection allowed)": peer("similarity+reflection"),
    "elepose.pmpjpe[best]": peer("similarity+reflection"),
    "elepose.pmpjpe[False]": peer("similarity"),
    **dict(elepose_peers()),
    "elepose_batch.pmpjpe": Peer(peers.elepose_pa_errors, mean, "centroid"),
    "probflows.err_3dpe_parallel": peer("similarity", per_frame),
    "probflows.compute_3DPCK_per_frame (14 joints, fraction)": peer("root", peers.probflows_pck),
    "probflows.compute_CP_180_after_PA": peer("similarity", peers.cp_at_180),
    "probflows.CPS (PA, no reflection, 16 joints, strict <, thresholds 1..300)": {
        "cps_auc_trapezoid_1_300": peer("similarity", lambda errors: peers.probflows_cps(errors).mean()),
        "cp_curve_sum_1_300": peer("similarity", plain_sum_of_cps),
    },
    "ites.calibrate_by_scale_then_mpjpe": Peer(lambda pred, truth: np.linalg.norm(peers.ites_scaled(pred, truth) - truth, axis=-1)),
    "ites.student_eval_best_of_depth_flip": {
        "mpjpe": Peer(flip("mpjpe")),
        "p_mpjpe": Peer(flip("pa_mpjpe"), mean, "centroid"),
        "pck_auc_metres(pck,auc fraction)": Peer(
            flip("joint_errors"), at_ites_joints(lambda errors: [percent(errors) / 100, area(errors) / 100])
        ),
        "p_pck_auc_metres": Peer(
            flip("pa_joint_errors"), at_ites_joints(lambda errors: [percent(errors) / 100, area(errors) / 100]), "centroid"
        ),
    },
    "poseaug.compute_PCK inputs in metres": peer("root", percent_in_metres, divisor=1000.0),
    "poseaug.compute_AUC inputs in metres": peer("root", area_in_metres, divisor=1000.0),
    "margipose.mpjpe": peer("root"),
    "margipose.pck": peer("root", fraction(percent)),
    "margipose.auc (fraction)": peer("root", fraction(area)),
    "margipose.aligned_mpjpe (scipy procrustes, reflection allowed)": peer("similarity+reflection"),
    "vibe.compute_error_accel_mean": Peer(lambda p, g: peers.vibe_acceleration_error(p, g, np.ones(len(p), dtype=bool))),
    "vibe.compute_accel_pred_mean": Peer(lambda p, g: metrics.acceleration_error(p, np.zeros_like(g))),
    "motionagformer.acc_error_per_frame": Peer(metrics.acceleration_error, per_frame),
    "posebench3d.loss.p_mpjpe_per_joint": peer("similarity", lambda errors: errors.mean(axis=0)),
    "posebench3d.Evaluation.p_mpjpe_per_joint (method, not called by their script)": Peer(
        peers.posebench3d_pa_errors, lambda errors: errors.mean(axis=0), "centroid"
    ),
    "rhodin.leastSquaresScaled(MPJPE)": peer("scale"),
    "motionbert.loss_limb_gt": Peer(lambda pred, truth: metrics.bone_length_error(pred, truth, H36M17)),
    "motionbert.loss_limb_var_pred (unbiased variance, mm^2)": Peer(lambda pred, _: peers.bone_variance(pred, H36M17), itself),
    "motionbert.limb_lens_pred_frame0": Peer(lambda pred, _: metrics.bone_lengths(pred, H36M17)[0], itself),
    "motionbert.loss_angle (rad)": Peer(lambda pred, truth: peers.limb_angle_error(pred, truth, H36M17)),
    "motionbert.loss_angle_velocity (rad/frame)": Peer(angle_velocity, itself),
    "manipose.MPSSE sagittal_symmetry(average, squared=False)": Peer(lambda pred, _: metrics.bone_symmetry_error(pred, H36M17)),
    "manipose.MPSCE segments_time_consistency(std)": Peer(lambda pred, _: peers.bone_deviation(pred, H36M17), itself, "zero"),
}

#: Peers' functions that the suite leaves alone, and why.
NOT_ADOPTED: dict[str, str] = {}

#: On a rank-1 correlation the decomposition's null space is arbitrary, and these two formulas let it into the value.
NOT_UNIQUE = {
    ("collinear_pred", "elepose_batch.pmpjpe"),
    ("collinear_both", "elepose_batch.pmpjpe"),
    ("collinear_pred", "posebench3d.Evaluation.p_mpjpe_per_joint (method, not called by their script)"),
}

#: Peers that compared NaN with a threshold, and so counted collapsed poses as missed at any threshold.
NAN_IN_SILENCE = ("keypoint_3d_pck", "keypoint_3d_auc", "elepose_batch.PCK", "elepose_batch.AUC")

PAIRS = [(case, key) for case, peers in EXPECTED["cases"].items() for key in peers]


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers(part)]
    if isinstance(value, list | tuple) or np.ndim(value):
        return [number for part in value for number in numbers(part)]
    return [float(value)]


def deviation(ours: float, theirs: float) -> float:
    """Relative, and absolute where the number is below 1 (mm, mostly)."""
    return abs(ours - theirs) / max(abs(theirs), 1.0)


def answered(case: str, key: str, theirs: Any) -> bool:
    """Whether the peer had an answer."""
    if isinstance(theirs, dict) and "raises" in theirs:
        return False
    if case in COLLAPSED and theirs in (0.0, [0.0]) and any(name in key for name in NAN_IN_SILENCE):
        return False
    return not any(math.isnan(number) for number in numbers(theirs))


def comparisons(case: str, key: str) -> Iterator[tuple[str, float, float, float]]:
    """(what the number is compared with, ours, theirs, tolerance) of every number under this case and key."""
    pred, truth = CASES[f"{case}__pred"], CASES[f"{case}__gt"]
    theirs = EXPECTED["cases"][case][key]
    peers = PEERS[key] if isinstance(PEERS[key], dict) else {"": PEERS[key]}
    answer = answered(case, key, theirs)
    if answer and isinstance(PEERS[key], dict):
        assert set(theirs) == set(peers)
    for name, ours in peers.items():
        value = numbers(ours.value(pred, truth))
        if (case, key) in NOT_UNIQUE or (case in NO_TRUTH and not answer):
            yield from (("finite", number, 0.0, math.inf) for number in value)
            continue
        if answer:
            kind, expected = "peer", numbers(theirs[name] if name else theirs)
        else:
            kind, expected = "rule", numbers(ours.by_rule(truth))
        assert len(value) == len(expected), key
        yield from ((kind, a, b, ours.relative) for a, b in zip(value, expected, strict=True))


def test_every_peer_function_has_a_counterpart_or_a_reason():
    found = {key for peers in EXPECTED["cases"].values() for key in peers}
    assert found == set(PEERS) | set(NOT_ADOPTED)
    assert not set(PEERS) & set(NOT_ADOPTED)


@pytest.mark.parametrize("case", EXPECTED["cases"])
def test_metrics_agree_with_every_peer(case):
    wrong = []
    for key in EXPECTED["cases"][case]:
        for kind, ours, theirs, tolerance in comparisons(case, key):
            assert math.isfinite(ours), (key, kind)
            if deviation(ours, theirs) > tolerance:
                wrong.append((key, kind, ours, theirs))
    assert not wrong


ROOTED = [case for case in EXPECTED["cases"] if max(np.abs(CASES[f"{case}__{side}"][:, 0]).max() for side in ("pred", "gt")) == 0.0]


@pytest.mark.parametrize("case", ROOTED)
def test_the_adopted_metrics_are_the_common_peers_on_root_relative_poses(case):
    pred, truth = CASES[f"{case}__pred"], CASES[f"{case}__gt"]
    theirs = EXPECTED["cases"][case]
    for key, ours in (("mpjpe", metrics.mpjpe), ("p_mpjpe", metrics.pa_mpjpe), ("n_mpjpe", metrics.n_mpjpe)):
        if answered(case, key, theirs[f"vp3d.{key}"]):
            assert deviation(ours(pred, truth).mean(), theirs[f"vp3d.{key}"]) <= 1e-9
        else:
            assert np.isfinite(ours(pred, truth)).all()


def test_every_golden_value_is_compared():
    """A key that is skipped in silence changes the counts; ``pytest -s`` shows them."""
    counts = {"peer": 0, "rule": 0, "finite": 0}
    worst, where = 0.0, ""
    for case, key in PAIRS:
        for kind, ours, theirs, tolerance in comparisons(case, key):
            counts[kind] += 1
            if kind == "peer" and tolerance < 1e-8 and deviation(ours, theirs) > worst:
                worst, where = deviation(ours, theirs), f"{key} on {case}"
    print(f"\nmetrics: {counts} over {len(PAIRS)} keys of {len(EXPECTED['cases'])} cases; largest deviation {worst:.1e} ({where})")
    assert counts == {"peer": 3644, "rule": 162, "finite": 82}
    assert worst < 1e-11


HYPOTHESES, BEST = load("multihyp")


def d3dp() -> dict[str, np.ndarray]:
    """All twelve poses at once: D3DP's P-Best depends on the batch."""
    hypotheses_m = np.concatenate(HYPOTHESES["hyp"], axis=1)
    truth = np.concatenate(HYPOTHESES["gt"])
    reprojection = np.linalg.norm(np.concatenate(HYPOTHESES["reproj_err2d"], axis=1), axis=-1)
    plain, fitted = (hypotheses.errors(hypotheses_m, truth, alignment) for alignment in ("root", "similarity"))
    mean_pose = hypotheses.mean_pose(hypotheses_m)[None]
    nearest = hypotheses.nearest_reprojection(hypotheses_m, reprojection)[None]
    return {
        "J_Best mpjpe (min over hypotheses per joint)": hypotheses.best_joint(plain),
        "P_Agg mpjpe (error of the mean pose)": hypotheses.errors(mean_pose, truth),
        "P_Best mpjpe as coded (min over hypotheses of the batch mean)": hypotheses.best_batch(plain),
        "J_Agg mpjpe (per joint hypothesis of least 2D reprojection error)": hypotheses.errors(nearest, truth),
        "J_Best p_mpjpe": hypotheses.best_joint(fitted),
        "P_Agg p_mpjpe": hypotheses.errors(mean_pose, truth, "similarity"),
        "P_Best p_mpjpe as coded": hypotheses.best_batch(fitted),
    }


def probflows() -> dict[str, np.ndarray]:
    hypotheses_mm, truth = HYPOTHESES["hyp"][0] * 1000.0, HYPOTHESES["gt"][0] * 1000.0
    plain, fitted = (hypotheses.errors(hypotheses_mm, truth, alignment) for alignment in ("root", "similarity"))
    return {
        "best_of_H mpjpe (min per pose)": hypotheses.best_pose(plain),
        "best_of_H p_mpjpe (min per pose)": hypotheses.best_pose(fitted),
        "mean_of_H mpjpe": plain,
        "best PCK per pose (14 joints)": np.max([peers.probflows_pck(errors) for errors in plain], axis=0),
        "best CPS (trapezoid 1..300)": np.max([peers.probflows_cps(errors) for errors in fitted], axis=0),
    }


def test_aggregated_hypotheses_agree_with_d3dp_and_probflows():
    worst, count = 0.0, 0
    for ours, theirs in ((d3dp(), BEST["d3dp_metres"]), (probflows(), BEST["probflows_mm_batch0"])):
        assert set(ours) == set(theirs)
        for key, values in ours.items():
            (expected,) = numbers(theirs[key])
            assert values.mean() == pytest.approx(expected, rel=1e-9), key
            worst, count = max(worst, abs(values.mean() / expected - 1.0)), count + 1
    print(f"\nhypotheses: {count} values; largest relative deviation {worst:.1e}")
    assert count == 12


CAMERAS, PROJECTED = load("camera")


def camera(name: str, *, quaternion: bool, distorted: bool = True) -> Camera:
    part = {key.removeprefix(f"{name}__"): value for key, value in CAMERAS.items()}
    # VideoPose3D's quaternion maps camera axes to world axes.
    rotation = rotation_from_quaternion(part["quat_wxyz_cam_to_world"]).T if quaternion else part["R_world_to_cam"]
    width, height = part["wh"]
    lens = {"radial": part["k"], "tangential": part["p_opencv_order"]} if distorted else {}
    return Camera(rotation, part["position_world_mm"], part["f_px"], part["c_px"], (int(width), int(height)), **lens)


def test_cameras_agree_with_videopose3d_and_martinez():
    world = CAMERAS["world_mm"]
    worst, count = 0.0, 0
    for name in ("cam0", "cam1", "cam2"):
        videopose3d, martinez = camera(name, quaternion=True), camera(name, quaternion=False)
        linear = camera(name, quaternion=True, distorted=False)
        points = videopose3d.to_camera(world)
        pixels = videopose3d.project(points, clamp=True)
        ours = {
            "videopose3d.world_to_camera_mm": points,
            "martinez.world_to_camera_frame_mm": martinez.to_camera(world),
            "videopose3d.camera_to_world_roundtrip_max_abs_error_mm": np.abs(videopose3d.to_world(points) - world).max(),
            "videopose3d.project_to_2d_px": pixels,
            "videopose3d.project_to_2d_linear_px": linear.project(points, clamp=True),
            "videopose3d.project_to_2d_normalised": screen_coordinates(pixels, videopose3d.size),
            "martinez.project_point_radial_px": martinez.project(martinez.to_camera(world)),
        }
        assert set(ours) == set(PROJECTED[name])
        for key, value in ours.items():
            for a, b in zip(numbers(value), numbers(PROJECTED[name][key]), strict=True):
                assert deviation(a, b) <= 1e-9, (name, key)
                worst, count = max(worst, deviation(a, b)), count + 1
    print(f"\ncameras: {count} values; largest deviation {worst:.1e}")
    assert count == 3 * (2 * world.size + 4 * world.size * 2 // 3 + 1)


def test_joint_maps_agree_with_videopose3d_and_the_official_3dhp_list():
    kept = PROJECTED["h36m_32_to_17"]
    assert list(joint_map("h36m32", "h36m17")) == kept["kept"]
    assert list(H36M17.parents) == kept["parents17"]
    assert sorted(left for left, _ in H36M17.pairs) == kept["left"]
    assert sorted(right for _, right in H36M17.pairs) == kept["right"]
    assert list(joint_map("mpi28", "mpi17")) == PROJECTED["mpi_28_to_17_zero_based"]
    assert list(H36M17.joints) == EXPECTED["names17"]
    assert list(H36M17.parents) == EXPECTED["parents17"]
