"""The protocols of single papers: each against golden poses or against a few lines of plain numpy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.cli.main import main
from posebench.data.registry import DATASETS, export_layouts
from posebench.metrics import peers
from posebench.scoring.protocol import find_protocols, load_protocol

GOLDEN = Path(__file__).parents[1] / "golden"
COPY = GOLDEN / "field" / "base-h36m"
EXPECTED_3DHP = json.loads((GOLDEN / "threedhp_expected.json").read_text())
H36M17, MPI17 = skeleton("h36m17"), skeleton("mpi17")


@pytest.fixture(scope="module")
def golden():
    """Golden poses (pred, truth) by clip, mm, h36m17, every 5th frame of the longer ones."""
    pairs = {}
    with np.load(GOLDEN / "h36m_protocol_cases.npz") as cases:
        for key in cases.files:
            subject, action, camera, kind = key.split("|")
            pairs.setdefault(f"{subject}/{action}/{camera}", {})[kind] = 1000.0 * cases[key]
    return {clip: (pair["pred"], pair["gt"]) for clip, pair in pairs.items()}


@pytest.fixture(scope="module")
def score(golden, tmp_path_factory):
    """A function from a protocol to its result on the golden poses."""
    folder = tmp_path_factory.mktemp("golden")
    truth = posebench.save_predictions(folder / "gt.npz", {clip: t for clip, (_, t) in golden.items()}, unit="mm", skeleton="h36m17")
    poses = {clip: pred for clip, (pred, _) in golden.items()}
    return lambda protocol: posebench.score(poses, protocol, truth=truth, unit="mm", skeleton="h36m17", allow_partial=True)


def by_action(golden, errors, wanted=lambda _: True):
    """Mean of action means of ``errors(pred, truth)``, each action weighted by frames, over the clips for which ``wanted`` holds."""
    groups = {}
    for clip, (pred, truth) in golden.items():
        if wanted(clip):
            action = clip.split("/")[1].rstrip(" 0123456789")
            groups.setdefault(action, []).append(errors(pred, truth))
    return np.mean([np.concatenate(parts).mean() for parts in groups.values()])


def mpjpe_of(joints, stride=1):
    """Errors of joints relative to the pelvis, every ``stride``-th frame."""
    index = [H36M17.index(joint) for joint in joints]
    return lambda pred, truth: np.linalg.norm((pred - pred[:, :1]) - (truth - truth[:, :1]), axis=-1)[::stride, index]


def test_repnets_16_joints_leave_out_the_spine(golden, score):
    joints = [joint for joint in H36M17.joints if joint != "spine"]
    result = score("h36m/s9s11-repnet16")
    assert result.value("MPJPE") == pytest.approx(by_action(golden, mpjpe_of(joints)), rel=1e-9)

    def reflected(pred, truth):  # RepNet's own Procrustes: a reflection where it fits better
        index = [H36M17.index(joint) for joint in joints]
        out = []
        for p, t in zip(pred[:, index], truth[:, index], strict=True):
            p, t = p - p.mean(axis=0), t - t.mean(axis=0)
            u, s, vt = np.linalg.svd(p.T @ t)
            out.append(np.linalg.norm(s.sum() / (p**2).sum() * p @ u @ vt - t, axis=-1))
        return np.array(out)

    assert result.value("PA-MPJPE-reflection") == pytest.approx(by_action(golden, reflected), rel=1e-9)
    assert set(load_protocol("h36m/s9s11-repnet16").skeleton.joints) == set(joints)


def test_wangs_protocol_2_is_mpjpe_of_16_joints_of_frontal_first_trials_every_5th_frame(golden, score):
    joints = [joint for joint in H36M17.joints if joint != "neck_nose"]
    second = load_protocol("h36m/frontal-trial1").excluded
    result = score("h36m/wang-frontal")
    wanted = by_action(golden, mpjpe_of(joints, 5), lambda clip: clip.endswith("60457274") and clip.rpartition("/")[0] not in second)
    assert result.value("MPJPE") == pytest.approx(wanted, rel=1e-9)
    assert {row.camera for row in result.rows} == {"60457274"}
    assert load_protocol("h36m/wang-frontal").excluded == second


def test_wangs_protocol_3_is_mpjpe_of_16_joints_of_s11_every_64th_frame(golden, score):
    joints = [joint for joint in H36M17.joints if joint != "neck_nose"]
    result = score("h36m/wang-s11-every64")
    assert result.value("MPJPE") == pytest.approx(by_action(golden, mpjpe_of(joints, 64), lambda c: c.startswith("S11")), rel=1e-9)
    assert {row.subject for row in result.rows} == {"S11"}


def test_ites_best_of_flip_is_that_of_the_golden_formulas(golden, score):
    result = score("h36m/s9s11-ites")
    clips = [row.clip for row in result.rows]
    best = [peers.ites_best_of_flip(*(pose - pose[:, :1] for pose in golden[clip])) for clip in clips]
    for name, field in (("ITES-MPJPE-best-of-flip", "mpjpe"), ("ITES-PA-MPJPE-best-of-flip", "pa_mpjpe")):
        wanted = np.concatenate([getattr(one, field) for one in best]).mean()
        assert result.diagnostics[name].value == pytest.approx(wanted, rel=1e-9)
        assert name not in result.metrics, "an oracle is never ranked"
    assert result.diagnostics["ITES-MPJPE-best-of-flip"].value < result.value("N-MPJPE", "frame") + 5.0
    assert result.protocol.headline == "frame"


def plain_best_of_flip(pred, truth, joints):
    """PCK (%) at 150 mm of one pose: its scale from all singular values, the better flip of each joint."""
    per_flip = []
    for sign in (1.0, -1.0):
        p, t = pred * [1.0, 1.0, sign], truth
        singular = np.linalg.svd((p - p.mean(axis=0)).T @ (t - t.mean(axis=0)), compute_uv=False)
        p = singular.sum() / ((p - p.mean(axis=0)) ** 2).sum() * p
        per_flip.append(np.linalg.norm(p - t, axis=-1))
    return np.minimum(*per_flip)[joints]


@pytest.fixture(scope="module")
def golden_3dhp():
    """Golden predictions by clip, and the true poses of the valid frames, pelvis-relative mm, mpi17."""
    with np.load(GOLDEN / "threedhp_cases.npz") as cases:
        pred = {f"TS{n}/TS{n}/0": cases[f"TS{n}__pred"].astype(np.float64) for n in range(1, 7)}
        truth = {}
        for n in range(1, 7):
            whole = cases[f"TS{n}__univ_annot3"][cases[f"TS{n}__valid_frame"].ravel() == 1].astype(np.float64)
            truth[f"TS{n}/TS{n}/0"] = whole - whole[:, 14:15]
    return pred, truth


def test_ites_3dhp_counts_its_own_14_joints_and_chooses_the_flip_joint_by_joint(golden_3dhp):
    pred, truth = golden_3dhp
    result = posebench.score(pred, "3dhp/ites", root=GOLDEN / "threedhp_like", unit="mm", skeleton="mpi17")
    # ITES' indices are of Human3.6M's 17; by name, with 3DHP's neck and head in the places of thorax and nose.
    joints = [joint_map("mpi17", "h36m17")[i] for i in peers.ITES_JOINTS]
    assert {MPI17.joints[i] for i in joints} == set(load_protocol("3dhp/ites").metrics[3].joints)
    errors = np.concatenate([[plain_best_of_flip(p, t, joints) for p, t in zip(pred[c], truth[c], strict=True)] for c in pred])
    assert result.diagnostics["ITES-PCK@150-best-of-flip"].value == pytest.approx(100.0 * (errors < 150.0).mean(), rel=1e-12)
    auc = 100.0 * np.mean([(errors < t).mean() for t in range(0, 151, 5)])
    assert result.diagnostics["ITES-AUC-best-of-flip"].value == pytest.approx(auc, rel=1e-12)
    plain = np.concatenate([np.linalg.norm(pred[c] - truth[c], axis=-1)[:, joints] for c in pred])
    assert result.value("PCK@150") == pytest.approx(100.0 * (plain < 150.0).mean(), rel=1e-9)


def test_the_mean_of_six_sequences_is_that_of_the_official_table(golden_3dhp):
    result = posebench.score(golden_3dhp[0], "3dhp/sequences", root=GOLDEN / "threedhp_like", unit="mm", skeleton="mpi17")
    table = EXPECTED_3DHP["official_14_joint_groups"]["sequencewise"]
    for metric, short, column in (("MPJPE", "MPJPE", "Average"), ("PCK@150", "PCK", "Total"), ("AUC", "AUC", "Total")):
        lines = [line[column] for line in table[short].values()]
        assert len(lines) == 6
        assert result.value(metric) == pytest.approx(np.mean(lines), rel=1e-9)
    official = posebench.score(golden_3dhp[0], "3dhp/official", root=GOLDEN / "threedhp_like", unit="mm", skeleton="mpi17")
    assert official.value("MPJPE") != pytest.approx(result.value("MPJPE"))


def test_a_training_on_3dhp_is_scored_as_the_official_script_scores():
    assert DATASETS["3dhp"].protocol == "3dhp/official"


def in_motionberts_space(pose, root_depth, focal, centre):
    """MotionBERT's truth: pixels and depth in pixels, then times the factor, as in mmpose's conversion (in mm)."""
    pixels = focal * pose[..., :2] / pose[..., 2:] + centre
    left, right = (focal[0] * side / root_depth for side in (-1000.0, 1000.0))
    factor = 2000.0 / (right - left + 1.0)
    depth = (pose[..., 2] - root_depth[:, None]) / factor[:, None]
    return np.concatenate([pixels, depth[..., None]], axis=-1), factor


@pytest.fixture(scope="module")
def motionbert():
    """Truth and predictions of a small copy in three forms: camera frame mm, MotionBERT's pixels, and after the factor."""
    dataset = posebench.open_dataset("h36m", COPY)
    random = np.random.default_rng(0)
    forms = {"camera": {}, "px": {}, "mm": {}}
    errors = {}
    for clip in dataset.clips("test"):
        truth, depth = clip.pose, clip.pose[:, 0, 2]
        absolute = truth + random.normal(0.0, 40.0, truth.shape)
        forms["camera"][clip.id] = absolute - absolute[:, :1]
        # In the image a lifter's pose has its root at the true root.
        placed = absolute - absolute[:, :1] + truth[:, :1]
        seen, factor = in_motionberts_space(placed, depth, clip.camera.focal, clip.camera.centre)
        true, _ = in_motionberts_space(truth, depth, clip.camera.focal, clip.camera.centre)
        forms["px"][clip.id], forms["mm"][clip.id] = seen, seen * factor[:, None, None]
        pred, gt = (factor[:, None, None] * (pose - pose[:, :1]) for pose in (seen, true))
        errors.setdefault(clip.info.action, []).append(np.linalg.norm(pred - gt, axis=-1))
    return forms, np.mean([np.concatenate(parts).mean() for parts in errors.values()])


@pytest.mark.parametrize("form", ["camera", "px", "mm"])
def test_motionberts_space_is_that_of_its_own_conversion_whatever_the_file_holds(motionbert, form, tmp_path):
    poses, wanted = motionbert
    unit, frame = {"camera": ("mm", "camera"), "px": ("px", "image-2.5d"), "mm": ("mm", "image-2.5d")}[form]
    path = posebench.save_predictions(tmp_path / "p.npz", poses[form], unit=unit, skeleton="h36m17", frame=frame)
    result = posebench.score(path, "h36m/motionbert-2.5d", root=COPY)
    assert result.value("MPJPE") == pytest.approx(wanted, rel=1e-9)
    assert wanted != pytest.approx(
        posebench.score(poses["camera"], "h36m/s9s11", root=COPY, unit="mm", skeleton="h36m17").value("MPJPE"), rel=1e-4
    )


def test_a_perfect_pose_is_perfect_in_motionberts_space_and_wrong_in_the_camera_frame_if_taken_for_it(tmp_path):
    dataset = posebench.open_dataset("h36m", COPY)
    truth = {clip.id: clip.pose for clip in dataset.clips("test")}
    assert posebench.score(truth, "h36m/motionbert-2.5d", root=COPY, unit="mm", skeleton="h36m17").value("MPJPE") == pytest.approx(
        0, abs=1e-9
    )
    seen = {}
    for clip in dataset.clips("test"):
        pixels, factor = in_motionberts_space(clip.pose, clip.pose[:, 0, 2], clip.camera.focal, clip.camera.centre)
        seen[clip.id] = pixels * factor[:, None, None]
    wrong = posebench.score(seen, "h36m/s9s11", root=COPY, unit="mm", skeleton="h36m17").value("MPJPE")
    assert wrong > 5.0, "the 2.5D truth is not the camera's"
    path = posebench.save_predictions(tmp_path / "p.npz", seen, unit="mm", skeleton="h36m17", frame="image-2.5d")
    with pytest.raises(PosebenchError, match=r"image-2.5d.*camera frame.*motionbert"):
        posebench.score(path, "h36m/s9s11", root=COPY)


def test_motionberts_space_needs_cameras_and_a_scale(motionbert, tmp_path):
    poses = motionbert[0]["camera"]
    path = posebench.save_predictions(tmp_path / "p.npz", poses, scale="unknown", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="scale unknown"):
        posebench.score(path, "h36m/motionbert-2.5d", root=COPY)
    path = posebench.save_predictions(tmp_path / "q.npz", poses, unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="without a camera"):
        posebench.score(path, "h36m/motionbert-2.5d", truth=path)
    with pytest.raises(PosebenchError, match="unit"):
        posebench.save_predictions(tmp_path / "r.npz", poses, unit="px", skeleton="h36m17")


@pytest.fixture(scope="module")
def with_directions(synthetic_part, tmp_path_factory):
    """A copy of S11 with the take ``Directions`` and another, and one without that take."""
    part = synthetic_part(subjects=["S11"], actions=["Walking"])
    names = dict(zip(dict.fromkeys(info.take for info in part.infos.values()), ("Directions", "Walking"), strict=False))
    infos = {}
    for id, info in part.infos.items():
        if name := names.get(info.take):
            new = replace(info, id=f"S11/{name}/{info.camera}", take=f"S11/{name}", action=name)
            infos[new.id] = (new, id)
    folders = {}
    for kind, wanted in (("with", ("Directions", "Walking")), ("without", ("Walking",))):
        kept = {id: pair for id, pair in infos.items() if pair[0].action in wanted}
        renamed = replace(
            part,
            infos={id: info for id, (info, _) in kept.items()},
            load=lambda clip, kept=kept: replace(part.load(kept[clip][1]), info=kept[clip][0]),
        )
        folders[kind] = tmp_path_factory.mktemp(kind) / "copy"
        export_layouts()["h36m-cdf"](renamed, folders[kind])
    return folders


@pytest.mark.parametrize(("protocol", "cameras"), [("h36m/s9s11", 0), ("h36m/s9s11-directions3", 3), ("h36m/s9s11-directions4", 4)])
def test_s11_directions_is_scored_with_none_three_or_four_cameras_as_the_protocol_says(with_directions, protocol, cameras, tmp_path):
    root, path = with_directions["with"], tmp_path / "p.npz"
    assert main(["predict", "flat", "--dataset", "h36m", "--root", str(root), "-o", str(path)]) == 0
    result = posebench.score(path, protocol, root=root)
    seen = [row.camera for row in result.rows if row.take == "S11/Directions"]
    assert len(seen) == cameras
    assert ("54138969" in seen) == (cameras == 4)
    assert sum(row.take == "S11/Walking" for row in result.rows) == 4
    note = [finding.message for finding in result.findings if finding.name == "excluded-clips"]
    assert bool(note) == (cameras < 4)
    assert "unreadable" in "".join(note) or cameras == 4
    assert not result.coverage.partial


@pytest.mark.parametrize("protocol", ["h36m/s9s11-directions3", "h36m/s9s11-directions4"])
def test_a_copy_without_s11_directions_is_refused_where_the_protocol_scores_it(with_directions, protocol, tmp_path):
    root, path = with_directions["without"], tmp_path / "p.npz"
    assert main(["predict", "flat", "--dataset", "h36m", "--root", str(root), "-o", str(path)]) == 0
    with pytest.raises(PosebenchError, match="without S11/Directions"):
        posebench.score(path, protocol, root=root)


def test_papers_and_their_numbers_lead_to_these_protocols():
    def found(label):
        return {protocol.id for protocol, _ in find_protocols(label)}

    assert found("ITES") == {"h36m/s9s11-ites", "3dhp/ites"}
    assert found("Pose Machines") == {"h36m/s9s11-16j", "h36m/wang-frontal", "h36m/wang-s11-every64"}
    assert found("Protocol #3") == {"h36m/s9s11", "h36m/wang-s11-every64"}
    assert found("MotionBERT") == {"h36m/motionbert-2.5d"}
    assert "h36m/s9s11-repnet16" in found("RepNet")
    assert found("S11 Directions") == {"h36m/s9s11-directions3", "h36m/s9s11-directions4"}


MINE = 'extends = "h36m/s9s11"\nid = "mine"\nversion = 1\ntitle = "t"\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[[metrics]]\nalignment = "best-of-flip"\nstatistic = "mean"\n', "alignment = 'best-of-flip'"),
        ('[[diagnostics]]\nalignment = "best-of-flip"\nstatistic = "velocity"\n', "alignment = 'best-of-flip'"),
        ('[takes]\nexcluded = [{ take = "S9/Walking", cameras = [], reason = "x" }]\n', "cameras = \\[\\]"),
        ('space = "world"\n', "space = 'world'"),
    ],
)
def test_the_fields_of_these_protocols_are_read_strictly(text, found, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE + text)
    with pytest.raises(PosebenchError, match=found):
        load_protocol(str(path))
