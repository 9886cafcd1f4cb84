"""Each layout of Human3.6M and 3DHP: written from generated motion, read, predicted and scored through the public command."""

import json
from dataclasses import replace

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.data.registry import export_layouts
from posebench.scoring.protocol import load_protocol

PROTOCOL = {
    "videopose3d": "h36m/s9s11",
    "h36m-cdf": "h36m/s9s11",
    "martinez": "h36m/s9s11",
    "mmpose": "h36m/s9s11-10fps",
    "h36m-fetch": "h36m/s9s11-every64",
    "3dhp": "3dhp/official",
    "p-stmo": "3dhp/official",
    "aspset": "aspset/test",
    "humaneva": "humaneva",
    "3dpw": "3dpw/smpl24",
    "h3wb": "h3wb/task1",
    "aist": "aist/test",
}
LAYOUTS = export_layouts()


def noisy(root, name, path, spacing=1):
    """Truth and noise as a submission, with frame numbers of the definition."""
    dataset = posebench.open_dataset(name, root)
    rng = np.random.default_rng(0)
    poses = {clip.id: clip.pose + rng.normal(0, 20, clip.pose.shape) for clip in dataset.clips("test")}
    frames = {clip: np.arange(len(pose)) * spacing for clip, pose in poses.items()}
    posebench.save_predictions(path, poses, unit="mm", skeleton=dataset.skeleton, frames=frames, method="noisy", keypoints="gt")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_written_read_and_scored(copies, layout, tmp_path, capsys):
    name = PROTOCOL[layout].partition("/")[0]
    root, preds, out = str(copies / layout), str(tmp_path / "p.npz"), tmp_path / "r.json"
    assert main(["data", "info", name, "--root", root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["official"] is False
    assert main(["data", "prepare", name, "--root", root]) == 0
    noisy(root, name, preds, {"mmpose": 5, "h36m-fetch": 64}.get(layout, 1))
    assert main(["score", preds, "--protocol", PROTOCOL[layout], "--root", root, "-o", str(out)]) == 0
    result = posebench.load_result(out)
    assert not result.coverage.partial
    # 20 mm of noise on each coordinate of each joint and of the root: sqrt(2) x 20 x sqrt(8 / pi) mm.
    # From the middle of two noisy hips: sqrt(1.5) x 20 x sqrt(8 / pi), and sqrt(0.5) for the hips themselves.
    expected = {"coco17": 37.2, "coco133": 38.8}.get(load_protocol(PROTOCOL[layout]).skeleton.id, 45.1)
    assert result.value("MPJPE", "frame") == pytest.approx(expected, rel=0.1 if expected > 40 else 0.02)


def test_whole_copies_of_human36m_give_one_score_whatever_the_layout(copies, tmp_path):
    scores = []
    for layout in ("videopose3d", "h36m-cdf", "martinez"):
        path = tmp_path / f"{layout}.npz"
        assert main(["predict", "flat", "--dataset", "h36m", "--root", str(copies / layout), "-o", str(path)]) == 0
        scores.append(posebench.score(path, "h36m/s9s11", root=copies / layout).value("PA-MPJPE"))
    assert max(scores) - min(scores) < 1e-3


def test_every_stride_scores_the_same_frames_of_a_whole_and_of_a_sparse_copy(copies, tmp_path):
    whole, sparse = (
        posebench.score(path, "h36m/s9s11-10fps", root=copies / layout)
        for layout, path in ((layout, predicted(copies, layout, tmp_path)) for layout in ("videopose3d", "mmpose"))
    )
    assert whole.coverage.poses == sparse.coverage.poses
    for metric in ("PA-MPJPE", "N-MPJPE"):
        assert whole.value(metric) == pytest.approx(sparse.value(metric), abs=1e-3)


def predicted(copies, layout, folder):
    path = folder / f"{layout}.npz"
    assert main(["predict", "flat", "--dataset", "h36m", "--root", str(copies / layout), "-o", str(path)]) == 0
    return path


def test_a_sparse_copy_is_refused_where_frames_of_the_protocol_are_missing(copies, tmp_path):
    path = predicted(copies, "mmpose", tmp_path)
    with pytest.raises(PosebenchError, match="holds every 5th frame"):
        posebench.score(path, "h36m/s9s11", root=copies / "mmpose")


def test_the_damaged_takes_of_a_copy_are_left_out_by_the_clean_protocol(synthetic, tmp_path):
    dataset = synthetic
    infos = {}
    for id, info in dataset.infos.items():
        if info.subject == "S9" and info.action == "Walking":
            # Two takes under the names of a damaged and of a sound one.
            name = "Waiting 1" if info.take.endswith("1") else "Waiting"
            new = replace(info, id=f"S9/{name}/{info.camera}", take=f"S9/{name}", action="Waiting")
            infos[new.id] = (new, id)
    renamed = replace(
        dataset,
        infos={id: info for id, (info, _) in infos.items()},
        load=lambda clip: replace(dataset.load(infos[clip][1]), info=infos[clip][0]),
    )
    LAYOUTS["videopose3d"](renamed, tmp_path / "copy")
    assert main(["predict", "flat", "--dataset", "h36m", "--root", str(tmp_path / "copy"), "-o", str(tmp_path / "p.npz")]) == 0
    result = posebench.score(tmp_path / "p.npz", "h36m/s9s11-clean", root=tmp_path / "copy", allow_partial=True)
    assert {row.take for row in result.rows} == {"S9/Waiting"}


def test_a_2d_source_of_other_joints_is_completed_for_a_lifter_of_17_and_that_is_in_the_result(copies, tmp_path, capsys):
    root = copies / "martinez"
    assert "sh_ft_h36m" in posebench.open_dataset("h36m", root).keypoint_sources
    out = tmp_path / "p.npz"
    assert main(["predict", "flat", "--dataset", "h36m", "--root", str(root), "--keypoints", "sh_ft_h36m", "-o", str(out)]) == 0
    note = "keypoints sh_ft_h36m of h36m (h36m16) as h36m17: neck_nose = mean of thorax, head_top"
    assert note in capsys.readouterr().err
    assert main(["score", str(out), "--protocol", "h36m/s9s11", "--root", str(root), "-o", str(tmp_path / "r.json")]) == 0
    assert note in capsys.readouterr().out
    assert posebench.load_result(tmp_path / "r.json").predictions.joints == [note]
