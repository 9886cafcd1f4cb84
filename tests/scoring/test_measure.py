"""The sums of one clip: equal to plain computation, the same however the clip is cut, and blind to frames that are not neighbours."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from posebench import metrics
from posebench.base.skeletons import skeleton
from posebench.metrics.alignment import aligned, residuals
from posebench.scoring.measure import measure_clip, oracle_names, parts_of, scored_metrics
from posebench.scoring.protocol import ALIGNMENTS, STATISTICS, load_protocol

BONES = skeleton("h36m17")


def protocol_text(stride=1, joints="all"):
    """A protocol of every alignment and statistic that there is."""
    parts = [f'extends = "pair-17j"\nid = "every"\nversion = 1\ntitle = "t"\ndiagnostics = []\n[frames]\nstride = {stride}\n']
    parts.append('[joints]\nsome = ["pelvis", "l_wrist", "r_knee", "thorax", "head_top"]\n')
    for alignment, statistic in product(ALIGNMENTS, STATISTICS):
        of_poses = statistic in ("velocity", "acceleration", "bone-length", "bone-symmetry")
        if (statistic == "flip-rate" and alignment != "absolute") or (of_poses and alignment == "absolute"):
            continue
        text = f'[[metrics]]\nstatistic = "{statistic}"\n'
        text += "" if statistic == "flip-rate" else f'alignment = "{alignment}"\n'
        text += "" if statistic.startswith("bone") else f'joints = "{joints}"\n'
        text += 'threshold = 150\ncompare = "<"\n' if statistic == "pck" else ""
        text += "thresholds = { first = 0, last = 150, step = 5 }\n" if statistic in ("auc", "cps") else ""
        parts.append(text)
    return "\n".join(parts)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """Protocols with every metric, by (stride, joint set)."""
    folder = tmp_path_factory.mktemp("protocols")
    made = {}
    for stride, joints in product((1, 5), ("all", "some")):
        path = folder / f"{stride}{joints}.toml"
        path.write_text(protocol_text(stride, joints))
        made[stride, joints] = load_protocol(str(path))
    return made


def pair(frames, seed=0, invalid=()):
    """A noisy prediction with its root at the origin, and its truth, mm."""
    random = np.random.default_rng(seed)
    truth = random.normal(scale=300.0, size=(frames, 17, 3)) + np.array([0.0, 0.0, 4000.0])
    pred = truth + random.normal(scale=60.0, size=truth.shape)
    pred -= pred[:, :1]
    for frame in invalid:
        pred[frame] = np.nan
    return pred, truth


def plain(metric, pred, truth, frames, stride):
    """The values of a metric, (n, K), in the plainest way: a frame at a time, no chunk, no sharing."""
    index = [BONES.index(joint) for joint in metric.joints]
    good = [np.isfinite(pose).all() for pose in pred]
    pred0 = np.stack([pose - pose[0] if ok else np.zeros((17, 3)) for pose, ok in zip(pred, good, strict=True)])
    true0 = np.stack([pose - pose[0] for pose in truth])
    own = metric.alignment
    if metric.statistic == "flip-rate":
        return 100.0 * residuals(pred0[:, index], true0[:, index], ()).flipped[:, None]
    if metric.statistic in ("mean", "pck", "auc", "cps"):
        if metric.alignment == "absolute":
            moved = np.stack([p if ok else np.tile(t[:1], (17, 1)) for p, t, ok in zip(pred, truth, good, strict=True)])
            errors = np.linalg.norm(moved - truth, axis=-1)[:, index]
        else:
            fit = list(range(17)) if metric.statistic == "cps" else index  # CPS drops joints after the whole pose is aligned
            errors = np.linalg.norm(aligned(pred0[:, fit], true0[:, fit], own) - true0[:, fit], axis=-1)
            errors = errors[:, [fit.index(i) for i in index]]
        if metric.statistic == "mean":
            return errors
        if metric.statistic == "pck":
            return 100.0 * (errors < metric.threshold)
        first, last, step = metric.thresholds
        grid = np.arange(first, last + step, step)
        if metric.statistic == "auc":
            return 100.0 * np.mean([errors < t for t in grid], axis=0)
        return np.trapezoid([1.0 * (errors < t).all(axis=1) for t in grid], grid, axis=0)[:, None]
    placed = aligned(pred0, true0, own)
    if metric.statistic == "bone-length":
        return np.abs(metrics.bone_lengths(placed, BONES) - metrics.bone_lengths(true0, BONES))
    if metric.statistic == "bone-symmetry":
        return metrics.bone_symmetry_error(placed, BONES)
    delta = (placed - true0)[:, index]
    order = 1 if metric.statistic == "velocity" else 2
    values = []
    for i in range(order, len(delta)):
        if all(frames[k] - frames[k - 1] == stride for k in range(i - order + 1, i + 1)):
            moved = delta[i] - delta[i - 1] if order == 1 else delta[i] - 2 * delta[i - 1] + delta[i - 2]
            values.append(np.linalg.norm(moved, axis=-1))
    return np.array(values).reshape(-1, len(index))


def run(protocol, pred, truth, frames=None, **options):
    frames = np.arange(len(truth)) * protocol.stride if frames is None else np.asarray(frames)
    return measure_clip(protocol, scored_metrics(protocol, metric_scale=True), pred, truth, frames, **options)


def assert_sums_agree(one, other, tolerance=1e-9):
    assert one.count == other.count
    assert set(one.total) == set(other.total)
    for name, total in other.total.items():
        np.testing.assert_allclose(one.total[name], total, rtol=tolerance, atol=tolerance, err_msg=name)
    for field in ("poses", "nonfinite", "invalid", "nonpositive_scale"):
        assert getattr(one, field) == getattr(other, field), field


@pytest.mark.parametrize("stride", [1, 5])
@pytest.mark.parametrize("joints", ["all", "some"])
@pytest.mark.parametrize("invalid", [(), (0, 7, 8, 19)])
@pytest.mark.parametrize("holes", [False, True])
def test_every_metric_equals_plain_computation(every, stride, joints, invalid, holes):
    protocol = every[stride, joints]
    pred, truth = pair(20, invalid=invalid)
    frames = np.r_[0:6, 7:11, 14:16, 18:26] * stride if holes else np.arange(20) * stride
    sums = run(protocol, pred, truth, frames)
    for metric in scored_metrics(protocol, metric_scale=True):
        values = plain(metric, pred, truth, frames, stride)
        factor = 20 / len(values) if metric.statistic == "velocity" else 1.0
        np.testing.assert_allclose(sums.total[metric.name], values.sum(axis=0) * factor, rtol=1e-9, atol=1e-9, err_msg=metric.name)
        assert sums.count[metric.name] == pytest.approx(len(values) * factor), metric.name
        assert len(parts_of(metric, protocol) or (1,)) == values.shape[1]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(count=1, chunk=1, stride=1, hypotheses=0, seed=0)
@example(count=12, chunk=1, stride=5, hypotheses=0, seed=1)  # every frame's history lies in other chunks
@example(count=10, chunk=4, stride=1, hypotheses=3, seed=2)
@given(
    count=st.integers(1, 25),
    chunk=st.integers(1, 9),
    stride=st.sampled_from([1, 5]),
    hypotheses=st.sampled_from([0, 3]),
    seed=st.integers(0, 99),
)
def test_sums_do_not_depend_on_how_a_clip_is_cut(every, count, chunk, stride, hypotheses, seed):
    protocol = every[stride, "all"]
    random = np.random.default_rng(seed)
    pred, truth = pair(count, seed, invalid=np.flatnonzero(random.random(count) < 0.2))
    if hypotheses:
        pred = np.stack([pred + random.normal(scale=30.0, size=pred.shape) for _ in range(hypotheses)])
    frames = np.cumsum(random.choice([1, 1, 1, 2], size=count)) * stride
    with pytest.MonkeyPatch.context() as patch:
        whole = run(protocol, pred, truth, frames, per_frame=True)
        patch.setattr("posebench.scoring.measure.CHUNK", chunk)
        cut = run(protocol, pred, truth, frames, per_frame=True)
    assert_sums_agree(cut, whole)
    for name, values in whole.frames.items():
        np.testing.assert_allclose(np.concatenate(cut.frames[name]), np.concatenate(values), rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sums_of_parts_of_a_clip_add_up_to_the_whole(every, data):
    protocol = every[1, "all"]
    count = data.draw(st.integers(2, 20))
    cut = data.draw(st.integers(1, count - 1))
    pred, truth = pair(count, data.draw(st.integers(0, 99)))
    whole = run(protocol, pred, truth)
    parts = [run(protocol, pred[part], truth[part], np.arange(count)[part]) for part in (slice(cut), slice(cut, None))]
    for metric in protocol.metrics:
        if metric.statistic not in ("velocity", "acceleration"):  # these look across the cut
            total = sum(part.total[metric.name] for part in parts)
            np.testing.assert_allclose(total, whole.total[metric.name], rtol=1e-9, err_msg=metric.name)
            assert sum(part.count[metric.name] for part in parts) == whole.count[metric.name] == count


def test_values_of_frames_agree_with_the_sums(every):
    protocol = every[1, "all"]
    pred, truth = pair(30, invalid=(4,))
    frames = np.r_[0:10, 12:32]
    sums = run(protocol, pred, truth, frames, per_frame=True)
    for metric in protocol.metrics:
        values = np.concatenate(sums.frames[metric.name])
        assert values.shape == (30,)
        missing = {"velocity": [0, 10], "acceleration": [0, 1, 10, 11]}.get(metric.statistic, [])
        assert np.flatnonzero(np.isnan(values)).tolist() == missing
        mean = sums.total[metric.name].mean() / sums.count[metric.name]
        assert np.nanmean(values) == pytest.approx(mean, rel=1e-9), metric.name


def test_frames_are_kept_only_when_asked_for(every):
    assert run(every[1, "all"], *pair(5)).frames == {}


def test_velocity_weighs_a_clip_by_its_frames_as_videopose3d_does(every):
    # VideoPose3D: mean over T-1 pairs, clips then weighted by T.
    clips = [pair(10, 1), pair(4, 2)]
    sums = [run(every[1, "all"], *clip) for clip in clips]
    means = [metrics.velocity_error(pred, truth - truth[:, :1]).mean() for pred, truth in clips]
    total, count = sum(s.total["MPJVE"].mean() for s in sums), sum(s.count["MPJVE"] for s in sums)
    assert total / count == pytest.approx((10 * means[0] + 4 * means[1]) / 14, rel=1e-12)


@pytest.mark.parametrize("count", [1, 2])
def test_a_clip_too_short_for_a_difference_counts_nothing_for_it(every, count):
    sums = run(every[1, "all"], *pair(count))
    assert sums.count["MPJVE"] == (0 if count == 1 else 2)
    assert sums.count["ACCEL"] == 0
    assert sums.count["MPJPE"] == count


def test_an_empty_clip_counts_nothing(every):
    sums = run(every[1, "all"], np.zeros((0, 17, 3)), np.zeros((0, 17, 3)))
    assert (sums.poses, sums.total, sums.count) == (0, {}, {})


@pytest.mark.parametrize("frames", [[0, 2, 4, 6], [0, 5, 11, 16]])
def test_frames_that_are_no_neighbours_give_no_difference(every, frames):
    sums = run(every[5 if 5 in frames else 1, "all"], *pair(4), frames)
    assert sums.count["MPJVE"] == (4 if 5 in frames else 0)
    assert sums.count["ACCEL"] == 0


def test_metres_equal_millimetres_up_to_rounding(every):
    pred, truth = pair(12)
    assert_sums_agree(run(every[1, "all"], pred / 1000.0, truth, to_mm=1000.0), run(every[1, "all"], pred, truth), tolerance=1e-9)


def test_float32_is_scored_in_float64(every):
    pred, truth = pair(12)
    pred32 = pred.astype(np.float32)
    assert_sums_agree(run(every[1, "all"], pred32, truth), run(every[1, "all"], pred32.astype(np.float64), truth), tolerance=0.0)


def test_what_it_is_given_is_left_as_it_was(every):
    pred, truth = pair(6, invalid=(2,))
    copies = pred.copy(), truth.copy()
    for array in (pred, truth):
        array.flags.writeable = False
    run(every[1, "all"], pred, truth, to_mm=2.0)
    np.testing.assert_array_equal(pred, copies[0])
    np.testing.assert_array_equal(truth, copies[1])


def test_poses_that_cannot_be_scored_are_counted_by_kind(every):
    pred, truth = pair(10)
    pred[1], pred[2, 3, 0], pred[3], pred[4] = np.nan, np.inf, 0.0, 55.0
    pred[5:7] = -(truth[5:7] - truth[5:7, :1])
    sums = run(every[1, "all"], pred, truth)
    assert (sums.poses, sums.nonfinite, sums.invalid, sums.nonpositive_scale) == (10, 2, 4, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, 123.0])
def test_an_invalid_pose_scores_every_joint_at_the_root_and_at_the_centroid_after_procrustes(every, bad):
    _, truth = pair(1)
    sums = run(every[1, "all"], np.full((1, 17, 3), bad), truth)
    from_root = np.linalg.norm(truth[0] - truth[0, 0], axis=-1)
    from_centroid = np.linalg.norm(truth[0] - truth[0].mean(axis=0), axis=-1)
    for name in ("MPJPE", "N-MPJPE", "ABS-MPJPE"):
        np.testing.assert_allclose(sums.total[name], from_root, err_msg=name)
    for name in ("PA-MPJPE", "PA-MPJPE-rigid", "PA-MPJPE-reflection"):
        np.testing.assert_allclose(sums.total[name], from_centroid, err_msg=name)
    assert sums.total["flip-rate"].tolist() == [0.0]


def test_several_hypotheses_are_scored_by_their_mean_and_by_oracles(every):
    protocol = every[1, "all"]
    random = np.random.default_rng(4)
    pred, truth = pair(9)
    several = np.stack([pred + random.normal(scale=40.0, size=pred.shape) for _ in range(3)])
    sums = run(protocol, several, truth)
    mean = run(protocol, several.mean(axis=0), truth)
    for name, total in mean.total.items():
        np.testing.assert_allclose(sums.total[name], total, rtol=1e-9, atol=1e-9, err_msg=name)
    singles = [run(protocol, one, truth, per_frame=True) for one in several]
    wanted = [metric for metric in protocol.metrics if metric.statistic == "mean"]
    assert oracle_names(wanted) == [f"{metric.name} {kind}" for metric in wanted for kind in ("P-Best", "J-Best")]
    assert set(sums.total) == set(mean.total) | set(oracle_names(wanted))
    for metric in wanted:
        best = np.min([np.concatenate(single.frames[metric.name]) for single in singles], axis=0).mean()
        assert sums.total[f"{metric.name} P-Best"].mean() / 9 == pytest.approx(best, rel=1e-9)
        assert sums.total[f"{metric.name} J-Best"].mean() <= sums.total[f"{metric.name} P-Best"].mean() + 1e-9
        assert sums.count[f"{metric.name} J-Best"] == 9


def test_one_hypothesis_equals_a_plain_file(every):
    pred, truth = pair(9)
    one, plain_file = run(every[1, "all"], pred[None], truth), run(every[1, "all"], pred, truth)
    for name, total in plain_file.total.items():
        np.testing.assert_array_equal(one.total[name], total)


def test_a_file_of_unknown_scale_gets_no_absolute_metric():
    names = [metric.name for metric in scored_metrics(load_protocol("pair-17j"), metric_scale=False)]
    wanted = ["PA-MPJPE", "N-MPJPE", "N-PCK@150", "N-AUC", "PA-PCK@150", "PA-AUC", "CPS", "PA-MPJPE-reflection", "flip-rate"]
    assert sorted(names) == sorted(wanted)


def test_columns_are_named_by_joint_bone_or_pair(every):
    protocol = every[1, "some"]
    names = {metric.name: parts_of(metric, protocol) for metric in protocol.metrics}
    assert names["MPJPE"] == ("pelvis", "l_wrist", "r_knee", "thorax", "head_top")
    assert names["BONE-LENGTH"] == BONES.joints[1:]
    assert sorted(names["BONE-SYMMETRY"]) == ["ankle", "elbow", "hip", "knee", "shoulder", "wrist"]
    assert names["ROOT-CPS"] == names["flip-rate"] == ()
