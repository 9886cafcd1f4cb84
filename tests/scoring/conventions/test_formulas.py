"""Conventions without a golden number of a project, by plain loops over the poses; from the files to the lines."""

import numpy as np
import pytest

import posebench
from posebench.base.cameras import Camera, rotation_from_vector
from posebench.metrics import peers
from posebench.scoring.conventions.joint_errors import ClipErrors
from posebench.scoring.conventions.pose_arrays import turned_to
from posebench.scoring.conventions.reading import Placement, Quantity
from posebench.scoring.conventions.statistics import values
from posebench.scoring.conventions.whole_set import CannotError, WholeSet
from posebench.scoring.protocol import load_protocol

PAIR = load_protocol("pair-17j")
JOINTS = PAIR.skeleton.joints
PLAIN = Placement("root", JOINTS, ("pelvis",))
PELVIS, THORAX = 0, 8


def errors(pred, truth):
    return np.linalg.norm(pred - truth, axis=-1)


def similarity(x, y):
    """Umeyama's scale, rotation and means of points (N, 3), det = +1; and all singular values."""
    mx, my = x.mean(axis=0), y.mean(axis=0)
    u, s, vt = np.linalg.svd((x - mx).T @ (y - my))
    sign = np.sign(np.linalg.det(u @ vt))
    turn = u @ np.diag([1.0, 1.0, sign]) @ vt
    return (s[0] + s[1] + sign * s[2]) / ((x - mx) ** 2).sum(), turn, mx, my, s.sum() / ((x - mx) ** 2).sum()


def whole_set_scales(poses, batch):
    """Factors of AdaptPose's batches over the set, in reading order."""
    torso = np.concatenate([errors(pred[:, THORAX], pred[:, PELVIS]) for _, pred, _ in poses])
    out = np.empty(len(torso))
    for start in range(0, len(torso), batch):
        out[start : start + batch] = 520.0 / torso[start : start + batch].mean()
    return out


def test_scales_of_clip_set_median_and_torso(poses, explained):
    pred, truth = (np.concatenate([one[side] for one in poses]) for side in (1, 2))
    per_pose = (pred * truth).sum(axis=(1, 2)) / (pred**2).sum(axis=(1, 2))
    by_clip = np.concatenate([np.full(len(p), (p * g).sum() / (p**2).sum()) for _, p, g in poses])
    torso = np.concatenate([np.full(len(p), 520.0 / errors(p[:, THORAX], p[:, PELVIS]).mean()) for _, p, _ in poses])
    for convention, scale in {
        "n": per_pose,
        "frobenius": np.sqrt((truth**2).sum(axis=(1, 2)) / (pred**2).sum(axis=(1, 2))),
        "clip-scale": by_clip,
        "one-scale": np.full(len(pred), (pred * truth).sum() / (pred**2).sum()),
        "median-scale": np.full(len(pred), np.median(per_pose)),
        "torso-clip": torso,
        "torso-64": whole_set_scales(poses, 64),
        "torso-1024": whole_set_scales(poses, 1024),
    }.items():
        assert explained.line("MPJPE", convention).value == pytest.approx(errors(scale[:, None, None] * pred, truth).mean(), rel=1e-12), (
            convention
        )


def test_windows_share_one_similarity(poses, explained):
    def windowed(every):
        found = []
        for _, pred, truth in poses:
            for start in range(0, len(pred), every or len(pred)):
                part = slice(start, start + (every or len(pred)))
                scale, turn, mx, my, _ = similarity(pred[part].reshape(-1, 3), truth[part].reshape(-1, 3))
                found.append(errors(scale * (pred[part] - mx) @ turn + my, truth[part]))
        return np.concatenate(found).mean()

    assert explained.line("PA-MPJPE", "window-clip").value == pytest.approx(windowed(None), rel=1e-10)
    assert explained.line("PA-MPJPE", "window-100").value == pytest.approx(windowed(100), rel=1e-10)
    assert explained.line("PA-MPJPE", "wham").value == explained.line("PA-MPJPE", "window-100").value


def test_the_world_frame_error_fits_the_first_two_frames_of_absolute_poses(files, explained):
    found = []
    with posebench.open_predictions(files[0]) as pred, posebench.open_predictions(files[1]) as truth:
        for clip in truth.shapes:
            p, g = np.float64(pred.poses(clip)), np.float64(truth.poses(clip))
            for start in range(0, len(p), 100):
                part, first = slice(start, start + 100), slice(start, start + 2)
                scale, turn, mx, my, _ = similarity(p[first].reshape(-1, 3), g[first].reshape(-1, 3))
                found.append(errors(scale * (p[part] - mx) @ turn + my, g[part]))
    assert explained.line("PA-MPJPE", "first-two").value == pytest.approx(np.concatenate(found).mean(), rel=1e-9)


def test_aspset_scales_mirrored_poses_by_all_singular_values(poses, explained):
    found = []
    for _, pred, truth in poses:
        for p, g in zip(pred, truth, strict=True):
            _, turn, mx, my, unsigned = similarity(p, g)
            found.append(errors(unsigned * (p - mx) @ turn + my, g).mean())
    assert explained.line("PA-MPJPE", "aspset-pa").value == pytest.approx(np.mean(found), rel=1e-10)
    assert abs(explained.line("PA-MPJPE", "aspset-pa").change) > 0.1


def test_formulas_of_peers_are_those_of_the_library(poses, explained):
    pred, truth = (np.concatenate([one[side] for one in poses]) for side in (1, 2))
    for metric, convention, numbers in (
        ("PA-MPJPE", "rigid-rerooted", peers.integral_pa_errors(pred, truth)),
        ("PA-MPJPE", "rerooted", peers.integral_pa_errors(pred, truth, alignment="similarity")),
        ("PA-MPJPE", "elepose-pa", peers.elepose_pa_errors(pred, truth)),
        ("PA-MPJPE", "flip-pose", peers.ites_best_of_flip(pred, truth).pa_mpjpe),
        ("MPJPE", "ites", peers.ites_best_of_flip(pred, truth).mpjpe),
        ("N-MPJPE", "ites", peers.ites_best_of_flip(pred, truth).mpjpe),
        ("MPJPE", "elepose", peers.frobenius_errors(pred, truth)[sixty_fourths(poses)]),
    ):
        assert explained.line(metric, convention).value == pytest.approx(np.mean(numbers), rel=1e-9), convention


def sixty_fourths(poses):
    return np.concatenate([np.arange(len(pred)) % 64 == 0 for _, pred, _ in poses])


def test_areas_under_the_curve_by_their_own_sums(poses, explained):
    every = np.concatenate([errors(pred, truth) for _, pred, truth in poses])
    curve = [100.0 * (every < threshold).mean() for threshold in range(0, 201)]
    inclusive = [100.0 * (every <= threshold).mean() for threshold in range(0, 200)]
    for convention, value in {
        "auc-30": np.mean(curve[5:151:5]),
        "auc-40": np.mean(curve[0:200:5]),
        "auc-trapezoid": np.trapezoid(curve[0:151:5], dx=5.0) / 150.0,
        "auc-3dpw": np.trapezoid(inclusive) / 199.0,
        "auc-integral": 100.0 * np.mean(1.0 - np.minimum(every, 150.0) / 150.0),
    }.items():
        assert explained.line("AUC", convention).value == pytest.approx(value, rel=1e-12), convention
    for threshold in (50, 100):
        assert explained.line("PCK@150", f"pck-{threshold}").value == pytest.approx(curve[threshold], rel=1e-12)


def test_an_error_at_the_threshold_counts_inclusively_and_may_count_in_metres():
    truth = np.zeros((1, 17, 3))
    moved = truth.copy()
    moved[0, 5] = [90.0, 120.0, 0.0]
    clip = ClipErrors("S1/a/c0", moved, truth, PAIR.skeleton, None, WholeSet(), metric_scale=True)
    found = {text: values(clip, Quantity(PLAIN, JOINTS, text))[0] for text in ("pck < 150", "pck <= 150", "pck_metres < 150")}
    assert found["pck < 150"] == pytest.approx(100.0 * 16 / 17)
    assert found["pck <= 150"] == 100.0
    metres = np.linalg.norm([0.09, 0.12, 0.0]) < 0.15
    assert found["pck_metres < 150"] == pytest.approx(100.0 * (16 + metres) / 17)


def test_the_ray_is_reached_by_the_smallest_rotation():
    random = np.random.default_rng(3)
    ray = random.normal(size=(20, 3)) * [0.3, 0.3, 0.0] + [0.0, 0.0, 1.0]
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    poses = random.normal(size=(20, 17, 3))
    for one, pose, turned in zip(ray, poses, turned_to(ray, poses), strict=True):
        axis = np.cross([0.0, 0.0, 1.0], one)
        angle = np.arccos(one[2])
        rotation = rotation_from_vector(axis / np.linalg.norm(axis) * angle)
        np.testing.assert_allclose(turned, pose @ rotation.T, atol=1e-12)


@pytest.mark.parametrize("degrees", [5.7, 11.3])
def test_a_person_beside_the_axis_turns_by_the_angle_of_the_root(walker, degrees):
    pose = walker(50) - walker(50)[:, :1]
    root = 4000.0 * np.array([np.sin(np.radians(degrees)), 0.0, np.cos(np.radians(degrees))])
    camera = Camera(np.eye(3), np.zeros(3), np.array([1000.0, 1000.0]), np.array([500.0, 500.0]), (1000, 1000))
    clip = ClipErrors("S1/a/c0", pose, pose + root, PAIR.skeleton, camera, WholeSet(), metric_scale=True)
    assert clip.errors(PLAIN).max() < 1e-9
    moved = clip.errors(PLAIN._replace(axes="ray")).mean()
    assert moved == pytest.approx(2.0 * np.sin(np.radians(degrees) / 2) * horizontal(pose), rel=1e-9)


def horizontal(pose):
    """Mean distance of the joints from the axis of rotation, the image's vertical."""
    return np.hypot(pose[..., 0], pose[..., 2]).mean()


def test_without_a_camera_there_is_no_ray(explained):
    assert explained.line("MPJPE", "ray").cannot == "the data have no cameras"


def test_poses_normalised_by_the_largest_coordinate_get_the_truths_extent(poses, files):
    largest = [np.abs(g[:81, :, :2]).max() for _, _, g in poses]
    normalised = {clip: np.concatenate([p[:81], p[81:]]) / 2000.0 for clip, p, _ in poses}
    found = posebench.explain(normalised, "pair-17j", truth=files[1], scale="unknown", skeleton="h36m17", metrics="N-MPJPE")
    value = []
    for (_, pred, truth), first in zip(poses, largest, strict=True):
        rest = np.abs(truth[81:162, :, :2]).max()
        factor = np.where(np.arange(len(pred)) < 81, first, rest)
        assert len(pred) <= 162
        value.append(errors(pred / 2000.0 * factor[:, None, None], truth))
    assert found.line("N-MPJPE", "extent-81").value == pytest.approx(np.concatenate(value).mean(), rel=1e-9)
    assert "clip-scale" in {line.convention for line in found.lines if line.value is not None}


def test_a_float32_metre_changes_almost_nothing(explained):
    line = explained.line("MPJPE", "float32")
    assert line.change is not None
    assert 0.0 < abs(line.change) < 1e-3


def test_what_has_no_meaning_says_why(walker):
    pose = walker(20) - walker(20)[:, :1]
    clip = ClipErrors("S1/a/c0", pose, walker(20), PAIR.skeleton, None, WholeSet(), metric_scale=True)
    with pytest.raises(CannotError, match="roots are at the origin"):
        clip.errors(PLAIN._replace(alignment="first 100"))
    with pytest.raises(CannotError, match="one pose a frame"):
        clip.errors(PLAIN._replace(oracle="best pose"))
    with pytest.raises(CannotError, match="states its unit"):
        clip.errors(PLAIN._replace(prepared="extent"))
