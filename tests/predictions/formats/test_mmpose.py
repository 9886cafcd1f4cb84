"""mmpose's JSON exports: rows put back by the annotation file, display axes turned back, everything else refused with the reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posebench.base.skeletons import skeleton
from posebench.predictions.formats.mmpose import image_frame
from posebench.predictions.formats.registry import recognise

CLIP = "S9/Greeting 1/54138969"


def image(clip, frame):
    subject, take, camera = clip.split("/")
    return f"{subject}/{subject}_{take.replace(' ', '_')}.{camera}/{subject}_{take.replace(' ', '_')}.{camera}_{frame + 1:06d}.jpg"


@pytest.fixture
def result(tmp_path):
    """Writes a result file and its annotation npz, rows shuffled; returns both paths."""

    def write(poses, name=image, step=1, change=lambda items: items):
        rows = [(clip, frame) for clip, pose in poses.items() for frame in range(0, len(pose), step)]
        np.random.default_rng(0).shuffle(rows)
        rows = [(str(clip), int(frame)) for clip, frame in rows]
        names = sorted(name(*row) for row in rows)
        items = [{"keypoints": (poses[clip][frame] / 1000.0).tolist(), "target_id": names.index(name(clip, frame))} for clip, frame in rows]
        (tmp_path / "result_keypoints.json").write_text(json.dumps(change(items)))
        np.savez(tmp_path / "annot.npz", imgname=np.array(names), S=np.zeros((len(names), 17, 4)))
        return tmp_path / "result_keypoints.json", tmp_path / "annot.npz"

    return write


def test_a_result_file_scores_as_its_poses_do_with_the_annotation_file(result, poses, truth, same_as_ours):
    path, ids = result(poses)
    assert recognise(path) == ["mmpose-result-json"]
    finding = same_as_ours(path, poses, truth, "--ids", ids, rel=1e-9)
    for word in ("metres", "h36m17", "camera frame", "annot.npz", "4 clips"):
        assert word in finding["message"]


def test_a_result_of_every_fifth_frame_belongs_to_those_frames(result, poses, truth, same_as_ours):
    path, ids = result(poses, step=5)
    frames = {clip: np.arange(0, len(pose), 5) for clip, pose in poses.items()}
    same_as_ours(path, {clip: pose[::5] for clip, pose in poses.items()}, truth, "--ids", ids, rel=1e-9, frames=frames)


def test_a_3dhp_result_is_in_the_order_of_mpi17(result, walker, same_as_ours):
    names = [{"neck": "thorax", "head": "neck_nose"}.get(joint, joint) for joint in skeleton("mpi17").joints]
    order = [skeleton("h36m17").index(name) for name in names]
    true = {"TS1/TS1/0": walker(12)[:, order]}
    poses = {"TS1/TS1/0": true["TS1/TS1/0"] + np.random.default_rng(0).normal(scale=20.0, size=(12, 17, 3))}
    path, ids = result(poses, name=lambda clip, frame: f"{clip[:3]}_{frame + 1:06d}.jpg")
    assert "mpi17" in same_as_ours(path, poses, true, "--ids", ids, rel=1e-9, skeleton="mpi17")["message"]


def test_a_result_file_without_ids_is_refused_with_the_reason(result, poses, refused):
    path, _ = result(poses)
    assert "--ids ANNOTATION.npz" in refused(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda items: items[:1] + items, "two poses for frame"),
        (lambda items: [items[0] | {"target_id": 9999}], "target_id 9999"),
        (lambda items: [items[0] | {"target_id": True}], "target_id True"),
        (lambda items: [items[0] | {"keypoints": [[0.0, 1.0]] * 17}], "17 joints of 3 numbers"),
        (lambda items: [items[0] | {"keypoints": [["0", "1", "2"]] * 17}], "17 joints of 3 numbers"),
        (lambda items: [items[0] | {"keypoints": [[0, 1, 10**400]] * 17}], "a whole number of 401 digits"),
        (lambda items: [items[0] | {"keypoints": [[0, 1], [2]]}], "17 joints of 3 numbers"),
        (lambda items: [{"target_id": 0, "not": "keypoints"}], "keypoints is wanted"),  # noqa: ARG005
        (lambda items: [["keypoints", "target_id", *items[:1]]], "a list where keypoints is wanted"),
    ],
)
def test_a_result_file_of_other_content_is_refused(result, poses, refused, change, words):
    path, ids = result(poses, change=change)
    assert words in refused(path, "--ids", ids)


def test_the_annotation_file_is_read_with_care(result, poses, refused, tmp_path):
    path, ids = result(poses)
    assert "nowhere.npz" in refused(path, "--ids", tmp_path / "nowhere.npz")
    np.savez(ids, imgname=np.array(["S9.jpg"] * 200))
    assert "'S9.jpg'" in refused(path, "--ids", ids)
    np.savez(ids, names=np.array(["S9.jpg"]))
    assert "no imgname" in refused(path, "--ids", ids)
    np.savez(ids, imgname=np.array(["a"], dtype=object))
    assert "nothing is unpickled" in refused(path, "--ids", ids)


def test_image_names_count_from_one():
    assert image_frame("S11_WalkingDog.60457274_000031.jpg") == ("S11/WalkDog/60457274", 30)


def shown(pose_mm):
    """What the demo makes of camera-frame poses (T, 17, 3): axes (-x, z, -y), metres, each pose's lowest joint at height 0."""
    x, y, z = np.moveaxis(pose_mm / 1000.0, -1, 0)
    display = np.stack([-x, z, -y], axis=-1)
    display[..., 2] -= display[..., 2].min(axis=-1, keepdims=True)
    return display


def demo(display, first=0, people=1, skip=()):
    instance = [
        {"frame_id": first + i, "instances": [{"keypoints": pose.tolist(), "keypoint_scores": [1.0] * 17}] * people}
        for i, pose in enumerate(display)
        if i not in skip
    ]
    return {"meta_info": {"dataset_name": "h36m", "num_keypoints": 17}, "instance_info": instance}


@pytest.mark.parametrize("first", [0, 1])
def test_a_demo_export_scores_as_the_poses_that_it_was_made_from(tmp_path, poses, truth, same_as_ours, first):
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(demo(shown(truth[CLIP][:, :1] + poses[CLIP]), first)))
    assert recognise(path) == ["mmpose-demo-json"]
    finding = same_as_ours(path, {CLIP: poses[CLIP]}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-9)
    for word in ("metres", "(-x, z, -y)", "height", f"frames count from {first}", CLIP):
        assert word in finding["message"]


def test_a_demo_export_with_missed_frames_keeps_their_numbers(tmp_path, poses, truth, same_as_ours):
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(demo(shown(poses[CLIP]), 1, skip=(3, 7))))
    frames = np.delete(np.arange(len(poses[CLIP])), [3, 7])
    same_as_ours(path, {CLIP: poses[CLIP][frames]}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-9, frames={CLIP: frames})


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("empty", [(0,), (0, 1, 2), (23,), (0, 5, 22, 23)])
@pytest.mark.parametrize("listed", [False, True], ids=["demo", "inferencer"])
def test_frames_without_a_person_do_not_shift_the_others(tmp_path, poses, truth, same_as_ours, first, empty, listed):
    file = demo(shown(poses[CLIP]), first)
    for frame in empty:
        file["instance_info"][frame]["instances"] = []
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(file["instance_info"] if listed else file))
    assert recognise(path) == ["mmpose-demo-json"]
    frames = np.delete(np.arange(len(poses[CLIP])), empty)
    finding = same_as_ours(path, {CLIP: poses[CLIP][frames]}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-9, frames={CLIP: frames})
    assert f"frames count from {first}, and {len(empty)} of them show no person" in finding["message"]


def test_frames_that_fit_both_ways_of_counting_are_asked_about(tmp_path, poses, truth, refused, same_as_ours):
    # 1 to 23 of 24 frames: from 1 without the last, or from 0 without the first.
    file = demo(shown(poses[CLIP]), skip=(0,))
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(file))
    err = refused(path, "--clip", CLIP, "--allow-partial")
    for word in (
        "frames 1 to 23 of a clip of 24",
        "count from 1",
        "count from 0",
        '{"frame_id": 0, "instances": []}',
        '{"frame_id": 24, "instances": []}',
    ):
        assert word in err
    path.write_text(json.dumps(file | {"instance_info": [{"frame_id": 0, "instances": []}, *file["instance_info"]]}))
    same_as_ours(path, {CLIP: poses[CLIP][1:]}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-9, frames={CLIP: np.arange(1, 24)})
    path.write_text(json.dumps(file | {"instance_info": [*file["instance_info"], {"frame_id": 24, "instances": []}]}))
    earlier = {CLIP: np.roll(truth[CLIP], -1, axis=0)}  # counted from 0, these poses are of the frames before
    same_as_ours(path, {CLIP: poses[CLIP][1:]}, earlier, "--clip", CLIP, rel=1e-9, frames={CLIP: np.arange(23)})


def test_display_axes_in_a_file_that_claims_the_camera_frame_are_found_by_the_check(tmp_path, poses, refused):
    np.save(tmp_path / "p.npy", shown(poses[CLIP]) - shown(poses[CLIP])[:, :1])
    err = refused(tmp_path / "p.npy", "--clip", CLIP, "--allow-partial", code=1)
    assert "fit far better as (-x, -z, y)" in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: demo([np.zeros((17, 3))] * 3, people=2) | {"of": len(file)}, "2 people in frame 0"),
        (lambda file: file | {"instance_info": file["instance_info"][5:]}, "frames that begin with 5, 6, 7"),
        (lambda file: file | {"instance_info": file["instance_info"][::-1]}, "rise from 0 or 1"),
        (lambda file: file | {"instance_info": []}, "no pose"),
        (lambda file: file | {"instance_info": {}}, "a dict"),
        (lambda file: {"meta_info": file["meta_info"]}, "instance_info is wanted"),
        (lambda file: file | {"instance_info": [{"frame_id": "0", "instances": []}]}, "frame_id '0'"),
        (lambda file: file | {"instance_info": [{"frame_id": 0, "instances": [{"keypoints": [[0.0] * 3] * 133}]}]}, "17 joints"),
    ],
)
def test_a_demo_export_of_other_content_is_refused(tmp_path, poses, refused, change, words):
    (tmp_path / "demo.json").write_text(json.dumps(change(demo(shown(poses[CLIP])))))
    assert words in refused(tmp_path / "demo.json", "--clip", CLIP)


def test_a_demo_export_needs_its_clip_stated(tmp_path, poses, refused):
    (tmp_path / "demo.json").write_text(json.dumps(demo(shown(poses[CLIP]))))
    assert "--clip" in refused(tmp_path / "demo.json")


@pytest.mark.parametrize(
    "text", ['{"meta_info": ' + "[" * 200_000, '{"instance_info": [', '{"meta_info": ' + "9" * 10_000 + "}", '{"meta_info": "\xff"}']
)
def test_nested_cut_off_or_odd_json_is_refused(tmp_path, refused, text):
    (tmp_path / "demo.json").write_bytes(text.encode("latin-1"))
    assert "no readable JSON" in refused(tmp_path / "demo.json", "--clip", CLIP)


def test_too_much_json_is_refused_before_it_is_parsed(tmp_path, refused):
    with (tmp_path / "demo.json").open("wb") as file:
        file.write(b'{"meta_info": 0')
        file.truncate(2**28 + 1)
    assert "268,435,457 bytes of JSON" in refused(tmp_path / "demo.json", "--clip", CLIP)
