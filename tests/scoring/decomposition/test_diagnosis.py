"""Diagnoses: the score's own numbers, injected faults named, every protocol and kind of file, and a strict JSON file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.scoring.decomposition.names import PARTS
from posebench.scoring.decomposition.record import load_diagnosis

from .conftest import FAULTS, depth_flip, injected, mirrored_limb, too_small

GOLDEN = Path(__file__).parents[2] / "golden"


def noisy(motion, size=40.0, seed=0):
    random = np.random.default_rng(seed)
    return {clip: pose + random.normal(0.0, size, pose.shape) for clip, pose in motion.items()}


@pytest.fixture(scope="module")
def mixed(motion, diagnosed):
    """A diagnosis of poses with some of everything."""
    return diagnosed(injected(depth_flip, injected(too_small, motion), noise=25.0), method="mine", keypoints="gt")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_injected_fault_is_named(motion, diagnosed, fault):
    found = diagnosed(injected(fault, motion))
    name, words = FAULTS[fault]
    assert found.largest == name
    assert words in found.sentence
    one = next(one for one in (*found.ladder, *found.oracles) if one.name == name)
    left = found.value - getattr(one, "alone", getattr(one, "gain", None))
    assert left < 0.11 * found.value
    assert f"{left:.1f} instead of {found.value:.1f} mm" in found.sentence


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_named_beneath_other_errors(motion, diagnosed, fault):
    assert diagnosed(injected(fault, motion, noise=15.0)).largest == FAULTS[fault][0]


def same(pose, _):
    return pose


def test_noise_and_perfect_predictions_have_no_avoidable_part(motion, diagnosed):
    found = diagnosed(injected(same, motion, noise=60.0), fps=None)
    assert found.largest == ""
    assert "No avoidable part stands out" in found.sentence
    assert all(abs(rung.beyond_chance) < 2.0 for rung in found.ladder[1:])
    perfect = diagnosed(motion)
    assert (perfect.largest, perfect.value) == ("", 0.0)
    assert "no error to explain" in perfect.sentence
    assert {part.percent for one in perfect.decompositions for part in one.parts} == {0.0}


@pytest.mark.parametrize("headline", ["frame", "take", "action"])
def test_rungs_are_the_metrics_of_the_score(motion, truth, tmp_path, headline):
    also = [kind for kind in ("frame", "take", "action") if kind != headline]
    protocol = tmp_path / "p.toml"
    text = f'extends = "pair-17j"\nid = "p"\nversion = 1\ntitle = "t"\n[average]\nheadline = "{headline}"\nalso = {json.dumps(also)}\n'
    protocol.write_text(text, encoding="utf-8")
    poses = noisy(motion)
    clip = next(iter(poses))
    poses[clip][3] = np.nan
    given = {"truth": truth, "unit": "mm", "skeleton": "h36m17"}
    result, found = posebench.score(poses, protocol, **given), posebench.diagnose(poses, protocol, **given)
    for name, rung in (("MPJPE", "start"), ("N-MPJPE", "frame-scale"), ("PA-MPJPE", "rotation")):
        assert found.rung(rung).error == pytest.approx(result.value(name), rel=1e-9)
    assert (found.rung("start").low, found.rung("start").high) == pytest.approx((result.metrics["MPJPE"].low, result.metrics["MPJPE"].high))
    assert found.invalid == result.invalid
    assert found.coverage == result.coverage
    assert found.flip_rate == pytest.approx(result.value("flip-rate", "frame"))
    joints = {joint.name: joint.error for joint in found.joints}
    assert joints == pytest.approx(result.metrics["MPJPE"].groups["joint"])
    actions = {one.label: one.error for one in found.slices if one.dimension == "action"}
    assert actions == pytest.approx(result.metrics["MPJPE"].groups["action"])


def test_every_decomposition_sums_to_100_and_to_the_whole(mixed):
    assert [one.name for one in mixed.decompositions] == list(PARTS)
    for one in mixed.decompositions:
        assert sum(part.percent for part in one.parts) == pytest.approx(100.0)
        assert sum(part.rms**2 for part in one.parts) == pytest.approx(one.rms**2)
        assert all((part.low <= part.percent + 1e-9 and part.percent <= part.high + 1e-9) or part.percent < 1.0 for part in one.parts)
    # Of the same poses in the same joints, so of the same whole.
    assert len({round(mixed.decomposition(name).rms, 6) for name in ("pose", "ray", "axes", "body")}) == 1
    assert mixed.decomposition("ray").parts[0].rms ** 2 == pytest.approx(np.mean([joint.along**2 for joint in mixed.joints]))
    assert mixed.decomposition("time").parts[3].rms ** 2 == pytest.approx(np.mean([joint.jitter**2 for joint in mixed.joints]))
    assert sum(bone.percent for bone in mixed.bones) == pytest.approx(100.0)


def test_slices_hold_every_pose_once_and_average_to_the_whole(mixed):
    poses = mixed.coverage.poses
    by_dimension = {}
    for one in mixed.slices:
        by_dimension.setdefault(one.dimension, []).append(one)
    assert set(by_dimension) == {"action", "camera", "facing", "distance", "depth-share", "speed", "bone-depth"}
    for dimension, slices in by_dimension.items():
        assert sum(one.poses for one in slices) == poses * (16 if dimension == "bone-depth" else 1)
        assert sum(one.percent * one.ratio for one in slices) == pytest.approx(100.0)
    assert all(one.ratio > 1.0 and one.takes > 1 for one in mixed.worst_slices)


def test_shown_poses_are_the_worst_and_the_median_ones(mixed, motion):
    assert len(mixed.worst) == len(mixed.median) == 10
    values = [frame.value for frame in mixed.worst]
    assert values == sorted(values, reverse=True)
    poses = injected(depth_flip, injected(too_small, motion), noise=25.0)
    errors = {clip: np.linalg.norm(pose - (motion[clip] - motion[clip][:, :1]), axis=-1).mean(axis=1) for clip, pose in poses.items()}
    assert values[0] == pytest.approx(max(one.max() for one in errors.values()))
    middle = float(np.median(np.concatenate(list(errors.values()))))
    for frame in (*mixed.worst, *mixed.median):
        assert frame.value == pytest.approx(errors[frame.clip][frame.frame])
        assert sum(frame.shares.values()) == pytest.approx(100.0)
    assert all(abs(frame.value - middle) < 0.1 * middle for frame in mixed.median)
    assert {frame.fix for frame in mixed.worst} == {"depth"}
    assert all(frame.aligned < frame.fixed < frame.value for frame in mixed.worst)


def test_a_file_of_unknown_scale_starts_from_poses_scaled_one_by_one(motion, diagnosed, truth):
    poses = {clip: 0.001 * pose for clip, pose in injected(depth_flip, motion, noise=15.0).items()}
    stated = {"truth": truth, "skeleton": "h36m17", "scale": "unknown"}
    found = diagnosed(poses, unit=None, scale="unknown")
    assert found.metric == "N-MPJPE"
    assert found.value == pytest.approx(posebench.score(poses, "pair-17j", **stated).value("N-MPJPE"), rel=1e-6)
    assert [rung.name for rung in found.ladder if rung.cannot] == ["set-scale", "clip-scale", "frame-scale"]
    assert found.largest == "discrete"
    assert found.rung("rotation").error < found.rung("discrete").error < found.value
    assert any("scale is unknown" in note for note in found.notes)


def test_several_hypotheses_count_by_their_mean_pose(motion, diagnosed):
    one, other = noisy(motion, seed=1), noisy(motion, seed=2)
    several = diagnosed({clip: np.stack([one[clip], other[clip]]) for clip in motion})
    mean = diagnosed({clip: 0.5 * (one[clip] + other[clip]) for clip in motion})
    assert several.value == pytest.approx(mean.value)
    assert [rung.error for rung in several.ladder] == pytest.approx([rung.error for rung in mean.ladder])
    assert any(note.startswith("2 hypotheses") for note in several.notes)


def test_without_a_frame_rate_there_are_no_bands_of_time(motion, diagnosed):
    found = diagnosed(noisy(motion), fps=None)
    assert "--fps" in found.decomposition("time").cannot
    assert next(one for one in found.oracles if one.name == "jitter").cannot
    assert all(joint.jitter is None for joint in found.joints)
    assert not any(one.dimension == "speed" for one in found.slices)
    for fps in (0.0, -3.0, float("nan"), 1e9):
        with pytest.raises(PosebenchError, match="frames a second"):
            diagnosed(motion, fps=fps)


def test_slow_frames_show_no_jitter_and_short_clips_no_bands(motion, diagnosed):
    slow = diagnosed(noisy(motion), fps=10.0)
    assert slow.decomposition("time").parts[3].percent == 0.0
    assert "no jitter" in slow.decomposition("time").note
    assert "2 s long" in diagnosed(noisy(motion), fps=1000.0).decomposition("time").cannot


def test_the_error_without_jitter_is_that_of_the_same_poses(motion, tmp_path):
    """Clips that are too short for bands, with larger errors, still count."""
    first, *others = motion
    truth = {first: motion[first][:60]} | {clip: motion[clip] for clip in others}
    file = posebench.save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    poses = {clip: (1.3 if clip == first else 1.1) * pose for clip, pose in truth.items()}
    found = posebench.diagnose(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17", fps=50.0)
    one = next(oracle for oracle in found.oracles if oracle.name == "jitter")
    assert found.decomposition("time").poses < found.coverage.poses
    assert found.decomposition("time").parts[3].percent < 0.1
    assert abs(one.gain) < 0.1
    assert one.error == pytest.approx(found.value - one.gain)


def test_truth_without_a_place_has_no_ray(motion, tmp_path):
    centred = {clip: pose - pose[:, :1] for clip, pose in motion.items()}
    file = posebench.save_predictions(tmp_path / "t.npz", centred, unit="mm", skeleton="h36m17")
    found = posebench.diagnose(noisy(motion), "pair-17j", truth=file, unit="mm", skeleton="h36m17")
    assert "no place" in found.decomposition("ray").cannot
    assert next(one for one in found.oracles if one.name == "ray").cannot
    assert found.joints[1].along is None
    assert {"facing", "distance"} & {one.dimension for one in found.slices} == {"facing"}


def test_one_take_has_no_intervals_and_no_offset(motion, tmp_path):
    clip = next(iter(motion))
    file = posebench.save_predictions(tmp_path / "t.npz", {clip: motion[clip]}, unit="mm", skeleton="h36m17")
    found = posebench.diagnose({clip: motion[clip] * 1.1}, "pair-17j", truth=file, unit="mm", skeleton="h36m17")
    assert found.rung("start").low is None
    assert found.decomposition("pose").parts[1].low is None
    assert "single take" in next(one for one in found.oracles if one.name == "offset").cannot
    assert found.worst_slices == ()


def test_the_skeletons_offset_is_fitted_on_other_takes(motion, diagnosed):
    """The neck of another skeleton, always higher by as much in the body's own axes."""
    from posebench.scoring.decomposition.body import Body
    from posebench.scoring.protocol import load_protocol

    body, poses = Body.of(load_protocol("pair-17j")), {}
    for clip, pose in motion.items():
        axes = body.axes(np.ascontiguousarray(pose.transpose(2, 1, 0)))
        poses[clip] = pose.copy()
        for joint in ("neck_nose", "head_top", "l_shoulder", "r_shoulder", "l_hip", "r_hip"):
            poses[clip][:, body.skeleton.index(joint)] += 60.0 * axes[1].T
    found = diagnosed(poses)
    assert found.largest == "offset"
    assert next(one for one in found.oracles if one.name == "offset").error < 1e-6
    head = next(joint for joint in found.joints if joint.name == "head_top")
    assert head.bias_up == pytest.approx(60.0, rel=0.02)


def test_a_file_with_a_wrong_order_is_diagnosed_with_the_finding_first(motion, diagnosed):
    from posebench.base.skeletons import skeleton

    found = diagnosed({clip: (pose - pose[:, :1])[:, skeleton("h36m17").mirror] for clip, pose in motion.items()})
    assert "joint-order" in [finding.name for finding in found.findings if finding.severity == "error"]
    assert found.sentence.startswith("The check found an error, joint-order: mend that first.")
    assert "left and right exchanged" in found.sentence


def test_a_layout_that_does_not_fit_is_refused(motion, diagnosed):
    with pytest.raises(PosebenchError, match="missing-clips") as caught:
        diagnosed(dict(list(motion.items())[:2]))
    assert caught.value.exit_code == 1
    part = diagnosed(dict(list(noisy(motion).items())[:4]), allow_partial=True)
    assert part.coverage.partial


@pytest.mark.parametrize(
    ("copy", "protocol"),
    [
        ("field/base-h36m", "h36m/s9s11-16j"),
        ("field/base-h36m", "h36m/s9s11-14j"),
        ("field/base-h36m", "h36m/s9s11-noroot"),
        ("field/base-h36m", "h36m/s9s11-10fps"),
        ("threedhp_like", "3dhp/17j"),
    ],
)
def test_other_protocols_joints_and_strides(copy, protocol):
    root, definition = GOLDEN / copy, posebench.load_protocol(protocol)
    dataset = posebench.open_dataset(definition.dataset, root)
    random = np.random.default_rng(0)
    poses = {clip.id: clip.pose + random.normal(0.0, 30.0, clip.pose.shape) for clip in dataset.clips("test")}
    given = {"root": root, "unit": "mm", "skeleton": dataset.skeleton}
    found, result = posebench.diagnose(poses, definition, **given), posebench.score(poses, definition, **given)
    assert found.value == pytest.approx(result.value("MPJPE"), rel=1e-9)
    assert found.rung("rotation").error == pytest.approx(result.value("PA-MPJPE"), rel=1e-9)
    assert not found.decomposition("body").cannot
    for one in found.decompositions:
        assert one.cannot or sum(part.percent for part in one.parts) == pytest.approx(100.0)


def test_the_file_is_read_back_as_it_was_and_strictly(mixed, tmp_path):
    path = mixed.save(tmp_path / "d.json")
    again = load_diagnosis(path)
    assert again.as_dict() == mixed.as_dict()
    assert path.stat().st_size < 200_000
    content = json.loads(path.read_text())
    changes = {
        "unknown field": lambda c: c.update(extra=1),
        "no ladder": lambda c: c.pop("ladder"),
        "short ladder": lambda c: c["ladder"].pop(),
        "rung": lambda c: c["ladder"][0].update(name="other"),
        "text": lambda c: c["ladder"][0].update(error="12"),
        "infinite": lambda c: c.update(value=float("inf")),
        "dimension": lambda c: c["slices"][0].update(dimension="other"),
        "schema": lambda c: c.update(posebench_diagnosis=2),
        "result": lambda c: c.update(posebench_diagnosis=None),
    }
    for change in changes.values():
        changed = json.loads(json.dumps(content))
        change(changed)
        bad = tmp_path / "bad.json"
        bad.write_text(json.dumps(changed))
        with pytest.raises(PosebenchError, match=r"Wanted: a diagnosis written by posebench diagnose -o"):
            load_diagnosis(bad)
    (tmp_path / "big.json").write_bytes(b" " * (16 * 2**20 + 1))
    with pytest.raises(PosebenchError, match="more than 16,777,216 bytes"):
        load_diagnosis(tmp_path / "big.json")
    with pytest.raises(PosebenchError, match=r"ends with \.json"):
        mixed.save(tmp_path / "d.txt")


def test_two_files_differ_by_paired_differences(motion, diagnosed, tmp_path):
    a, b = diagnosed(injected(depth_flip, motion, noise=15.0), method="a"), diagnosed(noisy(motion, 20.0), method="b")
    found = a.minus(b)
    rows = {(row.table, row.name, row.unit): row for row in found.rows}
    assert (found.a, found.b, found.takes) == ("a", "b", 6)
    start = rows["ladder", "start", "mm"]
    assert (start.a, start.b) == (a.value, b.value)
    assert start.value == pytest.approx(a.value - b.value)
    assert start.low < start.value < start.high
    for name, parts in PARTS.items():
        assert sum(rows[name, part, "%"].value for part in parts) == pytest.approx(0.0, abs=1e-6)
        for part, of_a in zip(parts, a.decomposition(name).parts, strict=True):
            assert rows[name, part, "mm"].a == pytest.approx(of_a.rms)
    assert rows["pose", "mirror", "%"].separable
    same = a.minus(a)
    assert {row.value for row in same.rows} == {0.0}
    assert same.a != same.b
    assert list(found.frame["name"][:2]) == ["start", "discrete"]
    assert json.dumps(found.as_dict())
    with pytest.raises(PosebenchError, match="without sums"):
        a.minus(load_diagnosis(a.save(tmp_path / "a.json")))
    unknown = diagnosed(noisy(motion), scale="unknown")
    with pytest.raises(PosebenchError, match="differ in scale"):
        a.minus(unknown)


def test_tables_plots_and_notebooks(mixed):
    frame = mixed.frame
    ladder = frame.query("table == 'ladder' and column == 'error'").set_index("name")
    assert ladder["value"]["start"] == mixed.value
    assert ladder["low"]["start"] == mixed.rung("start").low
    assert set(frame["table"]) >= {"ladder", "oracle", "joint", "bone", "facing", *PARTS}
    axes = mixed.plot()
    assert len(axes.patches) == 6
    assert "MPJPE" in axes.get_xlabel()
    assert mixed.plot(what="shares").get_xlim() == (0.0, 100.0)
    assert mixed.plot(axes) is axes
    with pytest.raises(PosebenchError, match="picture 'pie'"):
        mixed.plot(what="pie")
    assert mixed._repr_html_().count("<tr>") > 20
    assert repr(mixed).startswith("<Diagnosis 'mine' under pair-17j: MPJPE ")


def test_hostile_names_are_text(mixed):
    hostile = replace(mixed, predictions=replace(mixed.predictions, method="<script>$x$"))
    assert "&lt;script&gt;" in hostile._repr_html_()
    assert "<script>" not in hostile._repr_html_()
    assert hostile.plot().get_title("left") == r"<script>\$x\$"


def test_the_same_input_gives_the_same_numbers(motion, diagnosed):
    poses = noisy(motion)
    one, other = (diagnosed(poses).as_dict() for _ in range(2))
    for found in (one, other):
        found.pop("wall_time_s")
    assert one == other


@pytest.mark.parametrize("fault", [depth_flip, mirrored_limb], ids=lambda fault: fault.__name__)
def test_faults_are_named_on_real_motion(cmu, cmu_root, tmp_path, fault):
    protocol = tmp_path / "p.toml"
    protocol.write_text('extends = "cmu"\nid = "p"\nversion = 1\ntitle = "t"\n[takes]\nsubjects = ["S07"]\ncameras = ["c0"]\n')
    motion = {id: cmu.load(id).pose for id, info in cmu.infos.items() if (info.subject, info.camera) == ("S07", "c0")}
    found = posebench.diagnose(injected(fault, motion), protocol, root=cmu_root, unit="mm", skeleton="h36m17")
    name, words = FAULTS[fault]
    assert (found.largest, words in found.sentence) == (name, True), found.sentence
    assert {"elevation", "speed"} <= {one.dimension for one in found.slices}
