"""A lifter trained on one dataset predicts another: joints by name, each equation stated, scored under the other's protocol."""

from __future__ import annotations

import numpy as np
import pytest

import posebench
from posebench.base.skeletons import skeleton
from posebench.cli.main import main
from posebench.lifters import LifterInfo, joint_notes, predict

TINY = ["--preset", "smoke", "--set", "width=16", "--set", "epochs=1", "--set", "samples=256", "--threads", "1"]
#: What is said of the keypoints.
TO_3DHP = "keypoints gt of 3dhp (mpi17) as h36m17: thorax = neck, neck_nose = head"
TO_H36M = "(h36m17) as mpi17: neck = thorax, head = neck_nose"


class Ruler:
    """Gives back its keypoints as x and y, and joint numbers as depth: shows which joints it was given, in which order."""

    def __init__(self, order):
        self.info = LifterInfo("ruler", order, supervision="none", scale="unknown")

    def lift(self, keypoints, camera):  # noqa: ARG002 - every lifter is given one
        assert keypoints.shape[1] == len(skeleton(self.info.skeleton))
        depth = np.broadcast_to(np.arange(keypoints.shape[1])[None, :, None], (*keypoints.shape[:2], 1))
        return np.concatenate([keypoints, depth], axis=-1)


def test_a_lifter_is_given_the_joints_of_its_own_skeleton_and_answers_in_it(copies, synthetic_part):
    datasets = {name: posebench.open_dataset(name, copies / layout) for name, layout in (("h36m", "videopose3d"), ("3dhp", "3dhp"))}
    datasets["synthetic"] = synthetic_part(takes=("S9/Walking 1",))
    equal = {"neck": "thorax", "head": "neck_nose"}
    for name, dataset in datasets.items():
        other = "h36m17" if name == "3dhp" else "mpi17"
        lines = []
        clip, poses = next(predict(Ruler(other), dataset, log=lines.append))
        assert len(lines) == 1
        theirs, ours = skeleton(other).joints, skeleton(dataset.skeleton).joints
        points = dataset.load(clip).keypoints("gt").astype(np.float32)
        for index, joint in enumerate(theirs):
            same = joint if joint in ours else equal.get(joint) or {value: key for key, value in equal.items()}[joint]
            np.testing.assert_array_equal(poses[:, index, :2], points[:, ours.index(same)])
        assert joint_notes(Ruler(other).info, dataset, "gt") == tuple(lines)
    assert joint_notes(Ruler("h36m17").info, datasets["h36m"], "gt") == ()


def test_an_unknown_source_is_named_before_anything_is_matched(copies, tmp_path, capsys):
    given = ["--dataset", "h36m", "--root", str(copies / "martinez"), "--keypoints", "bogus", "-o", str(tmp_path / "p.npz")]
    assert main(["predict", "flat", *given]) == 2
    assert "keypoint source 'bogus'" in capsys.readouterr().err


@pytest.mark.parametrize(("trained", "layout", "keypoints"), [("h36m", "martinez", "sh_ft_h36m"), ("3dhp", "3dhp", "gt")])
def test_what_is_trained_on_one_dataset_is_scored_on_the_other_with_every_equation_in_the_result(
    copies, trained, layout, keypoints, tmp_path, capsys
):
    run, preds, out = tmp_path / "run", tmp_path / "p.npz", tmp_path / "r.json"
    given = ["--dataset", trained, "--root", str(copies / layout), "--keypoints", keypoints, *TINY, "-o", str(run)]
    assert main(["train", "martinez", *given]) == 0
    if trained == "h36m":
        other, root, protocol, note = "3dhp", copies / "3dhp", "3dhp/official", TO_3DHP
    else:
        other, root, protocol, note = "h36m", copies / "videopose3d", "h36m/s9s11", f"keypoints gt of h36m {TO_H36M}"
    assert main(["predict", str(run), "--dataset", other, "--root", str(root), "-o", str(preds)]) == 0
    assert note in capsys.readouterr().err
    assert main(["score", str(preds), "--protocol", protocol, "--root", str(root), "-o", str(out)]) == 0
    result = posebench.load_result(out)
    assert not result.coverage.partial
    assert result.predictions.joints == [note]
    assert result.predictions.skeleton == ("h36m17" if trained == "h36m" else "mpi17")
    made = result.predictions.provenance
    assert made["trained_on"].startswith(trained)
    if trained == "h36m":
        assert made["joints"] == ["keypoints sh_ft_h36m of h36m (h36m16) as h36m17: neck_nose = mean of thorax, head_top"]
    else:
        assert "joints" not in made
