"""Files of detections: each form is read, people are kept apart by their ids, and other content is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.joint_matching import match_joints
from posebench.base.skeletons import skeleton
from posebench.data.detections.files import read_detections
from posebench.data.detections.gaps import fill

RNG = np.random.default_rng(0)


def body(joints):
    return np.column_stack([RNG.uniform(100, 900, (joints, 2)).round(1), np.full(joints, 0.8)])


def openpose(folder, frames):
    folder.mkdir()
    for number, people in frames.items():
        content = {"people": [{"person_id": [id], "pose_keypoints_2d": points.ravel().tolist()} for id, points in people]}
        (folder / f"walk_{number:012d}_keypoints.json").write_text(json.dumps(content))
    return folder


def test_openposes_folder_has_a_file_a_frame_and_people_by_their_ids(tmp_path):
    frames = {n: [(0, body(25)), (1, body(25))] for n in range(3)} | {5: [(1, body(25))]}
    found = read_detections(openpose(tmp_path / "op", frames))
    assert found.skeleton == "openpose25"
    assert {id: person.frames.tolist() for id, person in found.people.items()} == {"0": [0, 1, 2], "1": [0, 1, 2, 5]}
    assert np.array_equal(found.people["1"].points[3], frames[5][0][1][:, :2])


def test_alphapose_has_a_list_with_idx_and_136_keypoints_begin_with_halpes_26(tmp_path):
    points = body(136)
    items = [{"image_id": f"img_{n:03d}.jpg", "keypoints": points.ravel().tolist(), "score": 2.1, "idx": [7.0]} for n in (4, 5)]
    (tmp_path / "a.json").write_text(json.dumps(items))
    found = read_detections(tmp_path / "a.json")
    assert found.skeleton == "halpe26"
    assert found.people["7"].frames.tolist() == [4, 5]
    assert np.array_equal(found.people["7"].points[0], points[:26, :2])


@pytest.mark.parametrize("wrapped", [True, False])
def test_mmpose_has_instances_a_frame(tmp_path, wrapped):
    points = body(17)
    person = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist(), "bbox": [[0, 0, 10, 10]]}
    frames = [{"frame_id": n, "instances": [person]} for n in (1, 2)]
    (tmp_path / "m.json").write_text(json.dumps({"meta_info": {}, "instance_info": frames} if wrapped else frames))
    found = read_detections(tmp_path / "m.json")
    assert (found.skeleton, found.people["0"].frames.tolist()) == ("coco17", [1, 2])
    assert np.array_equal(found.people["0"].points[1], points[:, :2])


def test_an_array_may_state_the_size_of_the_images_and_its_joints(tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=np.ones((4, 17, 2)), size=np.array([1920, 1080]), skeleton="h36m17")
    found = read_detections(tmp_path / "a.npz")
    assert (found.size, found.skeleton) == ((1920, 1080), "h36m17")
    np.save(tmp_path / "b.npy", np.ones((4, 26, 3), dtype=np.float32))
    assert read_detections(tmp_path / "b.npy").skeleton == "halpe26"


def test_several_people_without_ids_are_refused_unless_the_largest_is_asked_for(tmp_path):
    small, large = body(17), body(17) * [3, 3, 1]
    items = [{"image_id": 1, "keypoints": points.ravel().tolist()} for points in (small, large, small)]
    (tmp_path / "a.json").write_text(json.dumps(items))
    with pytest.raises(PosebenchError, match=r"several people in frame 1, and no ids.*--largest"):
        read_detections(tmp_path / "a.json")
    found = read_detections(tmp_path / "a.json", largest=True)
    assert np.array_equal(found.people["0"].points[0], large[:, :2])
    assert found.notes == ("2 detections left out: smaller people",)


def test_a_low_score_is_a_gap_and_a_face_stands_in_for_its_own_points(tmp_path):
    points = body(17)
    points[[0, 1, 2, 3, 9], 2] = 0.05  # nose, eyes, left ear, left wrist
    (tmp_path / "a.json").write_text(json.dumps([{"image_id": 0, "keypoints": points.ravel().tolist()}]))
    found = read_detections(tmp_path / "a.json").people["0"].points[0]
    assert np.isnan(found[9]).all()
    assert np.array_equal(found[:4], np.repeat(points[4:5, :2], 4, axis=0))


def test_bodies_of_openpose_and_halpe_are_matched_with_human36m_by_stated_rules():
    assert match_joints("openpose25", "h36m17").words == (
        "spine = mean of pelvis, thorax",
        "thorax = neck",
        "neck_nose = nose",
        "head_top = mean of l_eye, r_eye",
    )
    assert "head_top" not in " ".join(match_joints("halpe26", "h36m17").words)
    assert skeleton("openpose25").joints[8] == "pelvis"
    assert skeleton("halpe26").joints[17:20] == ("head_top", "neck", "pelvis")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[1, 2]",
        '[{"image_id": 0}]',
        '[{"image_id": 0, "keypoints": [1, 2]}]',
        '[{"image_id": 0, "keypoints": ["a", 1, 1]}]',
        '[{"image_id": 0, "keypoints": [1, 1, 1, [2]]}]',
        '[{"image_id": 0, "keypoints": [1, 1, 1]}]',
        '[{"image_id": 0, "keypoints": [0, 0, 0]}]',
        '[{"image_id": [], "keypoints": [1, 1, 1]}]',
        '[{"frame_id": -1, "instances": []}]',
        '[{"frame_id": 0, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": []}]}]',
        '[{"frame_id": 0, "instances": {}}]',
        '{"instance_info": 3}',
        '{"people": [{}]}',
        '{"people": [3]}',
        "[" * 100_000,
        '[{"image_id": 99999999999999999999, "keypoints": [1]}]',
    ],
)
def test_other_content_is_refused_in_a_paragraph(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(PosebenchError, match=r"a\.json"):
        read_detections(tmp_path / "a.json")


def test_frames_far_apart_take_no_memory(tmp_path):
    items = [{"image_id": n, "keypoints": body(17).ravel().tolist(), "idx": 1} for n in (0, 999_999_999)]
    (tmp_path / "a.json").write_text(json.dumps(items))
    with pytest.raises(PosebenchError, match="apart"):
        read_detections(tmp_path / "a.json")


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "none.npz"):
        with pytest.raises(PosebenchError):
            read_detections(path)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 8))
def test_parts_are_without_gaps_and_gaps_between_them_are_longer_than_the_longest(seen, longest):
    track = np.arange(len(seen), dtype=np.float64)[:, None, None] * np.ones((1, 2, 2))
    track[~np.array(seen)] = np.nan
    found = fill(track, longest)
    for start, end in found.parts:
        assert np.allclose(found.points[start:end, 0, 0], np.arange(start, end))  # a straight line is filled exactly
    kept = {frame for start, end in found.parts for frame in range(start, end)}
    assert {frame for frame, there in enumerate(seen) if there} <= kept
    assert all(later[0] - before[1] > longest for before, later in zip(found.parts, found.parts[1:], strict=False))
