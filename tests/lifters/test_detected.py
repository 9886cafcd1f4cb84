"""From a detector's file to poses and pictures; and the models that come with posebench."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from posebench import lift, open_predictions
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.cli.main import main


@pytest.fixture
def walk(tmp_path, synthetic):
    """AlphaPose's file of two walkers in an image of 1000 x 1000, with gaps; and the exact keypoints of the first, h36m17."""
    order, ours = skeleton("halpe26").joints, skeleton("h36m17").joints
    items, exact = [], {}
    for id, clip in enumerate(("S9/Walking 1/c0", "S11/Walking 1/c1")):
        points = synthetic.load(clip).keypoints("gt")[:50]
        exact[id] = points
        names = {"neck": "thorax", **dict.fromkeys(("nose", "l_eye", "r_eye", "l_ear", "r_ear"), "neck_nose")}
        names |= {f"{side}_{part}": f"{side}_ankle" for side in "lr" for part in ("big_toe", "small_toe", "heel")}
        for frame, pose in enumerate(points):
            body = np.column_stack([pose[[ours.index(names.get(name, name)) for name in order]], np.full(26, 0.9)])
            if id == 0 and frame == 10:
                body[order.index("l_wrist"), 2] = 0.0  # a gap of one frame
            if id == 1 and 20 <= frame < 35:
                continue  # a gap of 15
            items.append({"image_id": f"{frame}.jpg", "keypoints": body.ravel().tolist(), "idx": id + 3})
    (tmp_path / "walk.json").write_text(json.dumps(items))
    return tmp_path / "walk.json", exact


def test_each_person_is_a_clip_and_gaps_are_filled_or_left_out(walk):
    path, exact = walk
    found = lift(path, "flat", size=(1000, 1000))
    assert list(found.poses) == ["3/walk/camera", "4/walk/camera"]
    assert found.frames["4/walk/camera"].tolist() == [*range(20), *range(35, 50)]
    assert found.poses["3/walk/camera"].shape == (50, 17, 3)
    wrist, pelvis = skeleton("h36m17").index("l_wrist"), 0
    between = (exact[0][9] + exact[0][11])[wrist] / 2 - exact[0][10][pelvis]
    assert np.abs(found.poses["3/walk/camera"][10, wrist, :2] - between).max() < 0.01
    text = "; ".join(found.notes)
    assert "camera estimated from an image of 1000 x 1000: focal length 1100" in text
    assert "1 keypoints in gaps of up to 10 frames interpolated" in text
    assert "15 frames left out" in text
    assert "thorax = neck" in found.joints[0]
    assert lift(path, "flat", size=(1000, 1000), longest=15).frames["4/walk/camera"].tolist() == list(range(50))


@pytest.mark.usefixtures("walk")
def test_the_file_says_how_it_was_made_and_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lift", "walk.json", "--with", "flat", "--size", "1000x1000", "-o", "out.npz"]) == 0
    with open_predictions("out.npz") as file:
        assert file.meta.notes[0] == "lifted from walk.json: a list of detections (AlphaPose, COCO's results), halpe26"
        assert file.meta.scale == "unknown"
        assert file.frames("4/walk/camera").tolist() == [*range(20), *range(35, 50)]
    assert main(["draw", "out.npz", "-o", "out.gif"]) == 0
    assert main(["draw", "out.npz", "-o", "out.html", "--clip", "3/walk/camera"]) == 0
    with Image.open("out.gif") as image:
        assert image.n_frames == 50
        assert image.info["duration"] == 30  # 33 ms in the steps of 10 ms that a GIF has
    page = (tmp_path / "out.html").read_text()
    assert "camera estimated" in page
    assert not re.search(r"https?://", page)
    data = json.loads(re.search(r'id="motion-data">(.*?)</script>', page)[1])
    assert [clip["id"] for clip in data["clips"]] == ["3/walk/camera"]
    assert len(data["bones"]) == 16
    capsys.readouterr()
    assert main(["draw", "out.npz", "-o", "out.png"]) == 2
    assert main(["draw", "out.npz", "-o", "out.gif", "--clip", "5"]) == 2
    assert "no clip 5" in capsys.readouterr().err


@pytest.mark.usefixtures("walk")
def test_a_calibrated_camera_of_several_is_chosen_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = '[{0}]\nname = "{0}"\nsize = [1000, 1000]\nmatrix = [[1145, 0, 500], [0, 1145, 500], [0, 0, 1]]\n'
    (tmp_path / "cams.toml").write_text(table.format("left") + table.format("right"))
    call = ["lift", "walk.json", "--with", "flat", "-o", "out.npz", "--camera"]
    assert main([*call, "cams.toml"]) == 2
    assert "--camera cams.toml:left" in capsys.readouterr().err
    assert main([*call, "cams.toml:right"]) == 0
    assert "focal length 1145 1145" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "does not state the size of its images.*--size"),
        ({"size": (320, 240)}, "outside of an image of 320 x 240"),
        ({"size": (1000, 1000), "least": 0.95}, "score of 0.95"),
        ({"size": (1000, 1000), "skeleton": "coco17"}, "26 keypoints a person, and coco17 has 17"),
        ({"size": (1000, 1000), "longest": -1}, "--gap"),
    ],
)
def test_what_the_file_does_not_allow_is_said(walk, options, message):
    with pytest.raises(PosebenchError) as refused:
        lift(walk[0], "flat", **options)
    assert re.search(message, str(refused.value)), str(refused.value)


def test_keypoints_that_are_no_pixels_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).uniform(0, 1, (5, 17, 2)))
    with pytest.raises(PosebenchError, match="pixels"):
        lift(tmp_path / "a.npy", "flat", size=(1000, 1000))


def test_keypoints_of_another_joint_order_are_refused_unless_it_is_stated(tmp_path, walk):
    np.save(tmp_path / "h36m.npy", walk[1][0])
    with pytest.raises(PosebenchError, match=r"upside down in the joint order coco17, and on their feet in h36m17.*--skeleton h36m17"):
        lift(tmp_path / "h36m.npy", "flat", size=(1000, 1000))
    right = lift(tmp_path / "h36m.npy", "flat", size=(1000, 1000), skeleton="h36m17")
    assert not any("upside down" in note for note in right.notes)
    stated = lift(tmp_path / "h36m.npy", "flat", size=(1000, 1000), skeleton="coco17")
    assert any("upside down in the joint order coco17" in note for note in stated.notes)


def test_absurd_keypoints_and_devices_are_refused_without_a_warning(tmp_path, recwarn):
    (tmp_path / "big.json").write_text(json.dumps([{"image_id": t, "keypoints": [1e308] * 51} for t in range(3)]))
    with pytest.raises(PosebenchError, match="outside of an image"):
        lift(tmp_path / "big.json", "flat", size=(1000, 1000))
    assert not recwarn.list
    with pytest.raises(PosebenchError, match="device or pipe"):
        lift("/dev/zero", "flat", size=(1000, 1000))


def test_a_person_of_whom_legs_are_never_seen_is_refused_with_the_joints(tmp_path):
    points = np.random.default_rng(0).uniform(100, 900, (5, 17, 3))
    points[..., 2] = 0.9
    points[:, 15:, 2] = 0.0
    np.save(tmp_path / "a.npy", points)
    with pytest.raises(PosebenchError, match=r"never: l_ankle, r_ankle"):
        lift(tmp_path / "a.npy", "flat", size=(1000, 1000))


def test_a_lifter_that_needs_a_dataset_is_refused(walk):
    with pytest.raises(PosebenchError, match="mean-pose without a dataset"):
        lift(walk[0], "mean-pose", size=(1000, 1000))


def test_every_model_of_the_checkout_is_whole_and_lifts(walk):
    pytest.importorskip("torch", reason="models need the extra [baselines]")
    from posebench.lifters import shipped

    models = shipped.list_models()
    assert {model.method for model in models} >= {"chen2019", "ites", "martinez", "pose_machine", "repnet"}
    assert sum(model.bytes for model in models) <= shipped.MAX_BYTES
    for model in models:
        poses = lift(walk[0], model.name, size=(1000, 1000)).poses["3/walk/camera"]
        assert np.isfinite(poses).all()
        assert poses[..., 2].std() > 0.0, "depths that are not all zero"


def test_an_added_run_is_a_model_that_lifts_until_its_files_change(walk, make_run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="models need the extra [baselines]")
    from posebench.lifters import shipped

    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "leaderboard/weights"
    monkeypatch.setattr(shipped, "weights_folder", lambda: weights)
    assert main(["models"]) == 0
    assert "No trained model is here: they come with the checkout" in capsys.readouterr().out
    make_run(tmp_path / "run")
    assert main(["models", "add", "run"]) == 2
    assert "an installed posebench" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").touch()
    assert main(["models", "add", "run", "--name", "flat"]) == 2
    assert "name flat, which is a lifter that needs no training" in capsys.readouterr().err
    assert main(["models", "add", "run", "--name", "small"]) == 0
    capsys.readouterr()
    assert main(["models", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["name"] == "small"
    assert sorted(listed["sha256"]) == ["lifter.json", "lifter.safetensors", "recipe.toml"]
    found, same = (lift(walk[0], name, size=(1000, 1000)) for name in ("small", "run"))
    assert np.array_equal(found.poses["3/walk/camera"], same.poses["3/walk/camera"])
    assert main(["models", "add", "run", "--name", "half", "--half"]) == 0
    full, half = (next(model for model in shipped.list_models() if model.name == name) for name in ("small", "half"))
    assert (full.half, half.half) == (False, True)
    assert half.bytes < 0.8 * full.bytes
    rounded = lift(walk[0], "half", size=(1000, 1000)).poses["3/walk/camera"]
    exact = same.poses["3/walk/camera"]
    assert 0.0 < np.abs(rounded - exact).max() < 0.01 * np.abs(exact).max()
    index = json.loads((weights / "models.json").read_text())
    small = next(model for model in index["models"] if model["name"] == "small")
    for change, message in (
        ([{**small, "recipe": "paper"}], "small, which is .*recipe paper"),
        ([small, small], "small twice"),
    ):
        (weights / "models.json").write_text(json.dumps({**index, "models": change}))
        with pytest.raises(PosebenchError, match=message):
            shipped.add_model(tmp_path / "run", name="small")
    (weights / "models.json").write_text(json.dumps(index))
    monkeypatch.setattr(shipped, "MAX_BYTES", 10)
    with pytest.raises(PosebenchError, match="at most 10"):
        shipped.add_model(tmp_path / "run", name="other")
    (weights / "small/recipe.toml").write_text("changed")
    with pytest.raises(PosebenchError, match="not the file that the list states"):
        lift(walk[0], "small", size=(1000, 1000))
