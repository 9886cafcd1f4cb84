import numpy as np
import pytest

from posebench.base.cameras import rotation_xyz
from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.data import open_dataset
from posebench.data.registry import DATASETS, export_layouts
from posebench.lifters import LifterInfo, predict, simple_lifters
from posebench.lifters.flat import Flat
from posebench.lifters.mean_pose import procrustes_mean
from posebench.metrics.alignment import residuals
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.evaluate import score


def test_flat_is_the_keypoints_about_the_pelvis_without_depth():
    keypoints = np.random.default_rng(0).normal(500, 100, (5, 17, 2))
    pose = Flat().lift(keypoints, None)
    assert (pose[..., 2] == 0).all()
    assert (pose[:, 0] == 0).all()
    np.testing.assert_allclose(pose[:, 3, :2] - pose[:, 8, :2], keypoints[:, 3] - keypoints[:, 8])


def test_the_procrustes_mean_of_moved_copies_is_the_shape_itself():
    rng = np.random.default_rng(1)
    shape = rng.normal(0, 250, (17, 3))
    turns = rotation_xyz(rng.uniform(-180, 180, (200, 3)))
    poses = np.einsum("nij,kj->nki", turns, shape) + rng.normal(0, 1000, (200, 1, 3))
    mean = procrustes_mean(poses)
    left = residuals(mean[None], shape[None], ["rigid"]).errors["rigid"]
    assert left.max() < 1e-4


def test_the_procrustes_mean_keeps_a_bodys_size():
    # Averaging without turning first would shrink it to almost nothing.
    rng = np.random.default_rng(2)
    shape = rng.normal(0, 250, (17, 3))
    turns = rotation_xyz(rng.uniform(-180, 180, (500, 3)))
    noisy = np.einsum("nij,kj->nki", turns, shape) + rng.normal(0, 20, (500, 17, 3))
    size = np.linalg.norm(procrustes_mean(noisy) - procrustes_mean(noisy).mean(axis=0))
    assert size == pytest.approx(np.linalg.norm(shape - shape.mean(axis=0)), rel=0.01)
    assert np.linalg.norm(noisy.mean(axis=0)) < 0.5 * size


def test_mean_pose_looks_at_the_training_split_only(synthetic_part):
    dataset = synthetic_part(takes=["Walking 1"])
    asked = []

    def load(clip):
        asked.append(dataset.infos[clip].subject)
        return dataset.load(clip)

    from dataclasses import replace

    lifter = simple_lifters()["mean-pose"](replace(dataset, load=load))
    assert set(asked) == {"S1", "S5", "S6", "S7", "S8"}
    assert np.abs(lifter.pose[0]).max() == 0
    assert lifter.pose[10, 1] < -300 < lifter.pose[3, 1]  # the head is above the pelvis, y down


def test_an_unknown_split_or_keypoint_source_is_refused_by_name():
    dataset = open_dataset("synthetic")
    with pytest.raises(PosebenchError, match="train, test"):
        next(predict(Flat(), dataset, split="validation"))
    with pytest.raises(PosebenchError, match="gauss5"):
        next(predict(Flat(), dataset, keypoints="cpn"))


def test_a_lifter_whose_joints_the_keypoints_lack_is_refused():
    with pytest.raises(PosebenchError, match=r"h36m17, which has no nose, l_eye, r_eye.*every joint of coco17"):
        next(predict(Flat(LifterInfo("mine", "coco17", "none", "unknown")), open_dataset("synthetic")))


@pytest.mark.parametrize("layout", export_layouts())
def test_flat_lifts_a_copy_in_every_layout(layout, copies, tmp_path):
    name = next(known for known, spec in DATASETS.items() if layout in spec.layouts)
    file = tmp_path / "flat.npz"
    assert cli.main(["predict", "flat", "--dataset", name, "--root", str(copies / layout), "-o", str(file)]) == 0
    with open_predictions(file) as predictions:
        assert predictions.meta.skeleton == open_dataset(name, copies / layout).skeleton
        assert predictions.shapes


def test_flat_without_a_dataset_lifts_the_skeleton_of_human36m():
    assert simple_lifters()["flat"](None).info == Flat().info


def test_flat_on_cmu_agrees_with_the_independent_implementation(cmu, cmu_root, tmp_path):
    # Measured elsewhere on the same definition: PA-MPJPE 102.61 mm over all 45,260 poses, 99.29 mm as a mean of takes.
    path = save_predictions(tmp_path / "flat.npz", predict(Flat(), cmu), skeleton="h36m17", scale="unknown", method="flat", keypoints="gt")
    result = score(path, "cmu", root=cmu_root)
    assert result.coverage.poses == 45260
    assert result.value("PA-MPJPE", "frame") == pytest.approx(102.61, abs=0.01)
    assert result.value("PA-MPJPE", "take") == pytest.approx(99.29, abs=0.01)
    assert result.value("N-MPJPE", "frame") == pytest.approx(128.8, abs=0.05)
    assert result.value("MPJPE") is None
