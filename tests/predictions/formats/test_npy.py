"""Bare npy arrays: VideoPose3D's export, a folder of them, MotionBERT's X3D.npy."""

from __future__ import annotations

import io
import pickle
import re
import struct

import numpy as np
import pytest

from posebench.predictions.formats.foreign import clip_from_name
from posebench.predictions.formats.registry import recognise

CLIP = "S9/Greeting 1/54138969"
NAMES = {
    "tree": lambda clip: clip,
    "flat": lambda clip: clip.replace("/", "_"),
    "mmpose": lambda clip: "_".join(clip.replace(" ", "_").split("/")[:2]) + "." + clip.split("/")[2],
    "mixed": lambda clip: clip.replace("/", "/", 1)[: clip.rindex("/")] + "." + clip.split("/")[2],
}


def save(folder, poses, name=NAMES["tree"]):
    for clip, pose in poses.items():
        path = folder / f"{name(clip)}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pose)
    return folder


@pytest.fixture
def export(tmp_path, poses):
    """A VideoPose3D export of CLIP."""
    path = tmp_path / "greeting.npy"
    np.save(path, (poses[CLIP] / 1000.0).astype(np.float32))
    return path


def test_a_videopose3d_export_scores_as_its_poses_do(export, poses, truth, same_as_ours):
    finding = same_as_ours(export, {CLIP: poses[CLIP]}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-5)
    assert recognise(export) == ["videopose3d-npy"]
    assert finding["severity"] == "note"
    for word in ("videopose3d-npy", "metres", "h36m17", "camera frame", CLIP):
        assert word in finding["message"]


def test_a_videopose3d_export_with_a_trajectory_needs_the_format_stated(tmp_path, poses, truth, refused, same_as_ours):
    moving = poses[CLIP] + truth[CLIP][:, :1]
    np.save(tmp_path / "p.npy", (moving / 1000.0).astype(np.float32))
    assert "--from" in refused(tmp_path / "p.npy", "--clip", CLIP)
    assert recognise(tmp_path / "p.npy") == ["videopose3d-npy", "motionbert-npy"]
    same_as_ours(tmp_path / "p.npy", {CLIP: moving}, {CLIP: truth[CLIP]}, "--clip", CLIP, "--from", "videopose3d-npy", rel=1e-4)


def test_the_clip_of_a_single_file_is_asked_for_with_an_example(export, refused):
    assert f"--clip '{CLIP}'" in refused(export)


def test_another_unit_than_the_formats_is_found_by_the_check_and_can_be_stated(tmp_path, poses, truth, refused, same_as_ours):
    np.save(tmp_path / "p.npy", poses[CLIP])
    err = refused(tmp_path / "p.npy", "--clip", CLIP, "--allow-partial", code=1)
    assert "mm stated as metres" in err
    finding = same_as_ours(tmp_path / "p.npy", {CLIP: poses[CLIP]}, {CLIP: truth[CLIP]}, "--clip", CLIP, "--unit", "mm")
    assert "millimetres" in finding["message"]


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize(("unit", "scale"), [("metres", 1e-3), ("millimetres", 1.0)])
def test_a_folder_scores_as_its_poses_do_whatever_its_names_look_like(tmp_path, poses, truth, same_as_ours, name, unit, scale):
    folder = save(tmp_path / "folder", {clip: pose * scale for clip, pose in poses.items()}, name)
    finding = same_as_ours(folder, poses, truth, rel=1e-9)
    assert recognise(folder) == ["npy-folder"]
    assert re.search(rf"{unit} \(inferred from the size: root to head [\d.]+\), h36m17, camera frame; 4 clips", finding["message"])


def test_column_major_arrays_are_read(tmp_path, poses, truth, same_as_ours):
    folder = save(tmp_path / "folder", {clip: np.asfortranarray(pose) for clip, pose in poses.items()})
    same_as_ours(folder, poses, truth)


def test_an_unclear_unit_is_asked_for(tmp_path, poses, refused, same_as_ours, truth):
    folder = save(tmp_path / "folder", {clip: pose / 10.0 for clip, pose in poses.items()})
    assert "--unit mm or --unit m" in refused(folder)
    folder = save(tmp_path / "small", {clip: pose / 4.0 for clip, pose in poses.items()})
    same_as_ours(folder, {clip: pose / 4.0 for clip, pose in poses.items()}, {c: t / 4.0 for c, t in truth.items()}, "--unit", "mm")


def test_names_that_differ_in_separators_from_the_truths_find_their_clip(tmp_path, walker, same_as_ours):
    truth = {"S07/07_01/c0": walker(20), "S07/07_02/c0": walker(20, 1)}
    folder = save(tmp_path / "folder", truth, lambda clip: re.sub("[/_]", "-", clip))
    same_as_ours(folder, truth, truth, convert=False)


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("S9/Greeting 1/54138969", "S9/Greeting 1/54138969"),
        ("S9_Greeting 1_54138969", "S9/Greeting 1/54138969"),
        ("S9_Greeting_1.54138969", "S9/Greeting 1/54138969"),
        ("S9_WalkDog.54138969", "S9/WalkDog/54138969"),
        ("S1_WalkingDog_1.54138969", "S1/WalkDog 1/54138969"),
        ("S9/Greeting_1.54138969", "S9/Greeting 1/54138969"),
        ("S07_07_01_c0", "S07/07_01/c0"),
        ("predictions", None),
        ("S9_Greeting", None),
        ("a/b/c/d/e", None),
    ],
)
def test_clip_ids_are_read_out_of_names(name, clip):
    assert clip_from_name(name, None) == clip


def test_a_folder_with_a_nameless_file_or_a_clip_twice_is_refused(tmp_path, poses, refused):
    folder = save(tmp_path / "folder", poses)
    np.save(folder / "S9_Greeting_1.54138969.npy", poses[CLIP])
    assert "both S9/Greeting 1/54138969" in refused(folder)
    (folder / "S9_Greeting_1.54138969.npy").rename(folder / "result.npy")
    assert "result.npy, which holds no clip id" in refused(folder)


def test_a_short_clip_is_an_error_with_both_lengths(tmp_path, poses, refused):
    folder = save(tmp_path / "folder", dict(list(poses.items())[:3]))
    assert "1 of 4 clips are missing" in refused(folder, code=1)


def test_the_hash_of_a_folder_follows_its_content(tmp_path, poses, truth, scored):
    def sha(folder):
        return scored(folder, truth)["predictions"]["sha256"]

    one, same = save(tmp_path / "a", poses), save(tmp_path / "b", poses)
    other = save(tmp_path / "c", {clip: pose + 1e-9 for clip, pose in poses.items()})
    assert sha(one) == sha(same) != sha(other)


def test_motionberts_x3d_is_read_with_unknown_scale_and_a_warning(tmp_path, poses, truth, same_as_ours, refused):
    picture = poses[CLIP] / 4500.0 + [0.1, -0.2, 0.0]
    np.save(tmp_path / "X3D.npy", picture.astype(np.float32))
    assert recognise(tmp_path / "X3D.npy") == ["motionbert-npy"]
    finding = same_as_ours(tmp_path / "X3D.npy", {CLIP: picture}, {CLIP: truth[CLIP]}, "--clip", CLIP, rel=1e-4, unit=None, empty=True)
    assert finding["severity"] == "warning"
    assert "2.5D frame" in finding["message"]
    assert "--unit" in refused(tmp_path / "X3D.npy", "--clip", CLIP, "--unit", "mm")


def test_a_pickle_is_not_opened(tmp_path, refused):
    class Trap:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'marker')!r}, 'w')",))

    np.save(tmp_path / "p.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    save(tmp_path / "folder", {CLIP: np.array([Trap()], dtype=object)})
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    for path in (tmp_path / "p.npy", tmp_path / "folder"):
        for options in ((), ("--from", "videopose3d-npy")) if path.is_file() else ((), ("--from", "npy-folder")):
            assert "nothing is unpickled" in refused(path, "--clip", CLIP, *options) if path.is_file() else refused(path, *options)
    refused(tmp_path / "raw.npy", "--clip", CLIP)
    refused(tmp_path / "raw.npy", "--clip", CLIP, "--from", "videopose3d-npy")
    assert not (tmp_path / "marker").exists()


def header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (900000000000, 17, 3), }\n"), "at most"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 17, 3), }\n"), "at most"),
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (50, 17, 3), }\n") + bytes(99), "10,200 bytes, and 99 follow"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "npy format (2, 0)"),
        (header("(" * 5000), "no readable npy header"),
        (b"\x93NUMPY", "no readable npy header"),
    ],
    ids=["huge", "negative", "truncated", "huge-header", "nested", "magic-only"],
)
def test_damaged_and_made_up_headers_are_refused_before_memory_is_taken(tmp_path, refused, content, words):
    (tmp_path / "p.npy").write_bytes(content)
    assert words in refused(tmp_path / "p.npy", "--clip", CLIP)
    assert words in refused(tmp_path / "p.npy", "--clip", CLIP, "--from", "videopose3d-npy")


@pytest.mark.parametrize("shape", [(10, 16, 3), (10, 51), (2, 10, 17, 3)])
def test_another_shape_is_refused(tmp_path, refused, shape):
    file = io.BytesIO()
    np.save(file, np.zeros(shape, np.float32))
    (tmp_path / "p.npy").write_bytes(file.getvalue())
    assert "(n, 17, 3)" in refused(tmp_path / "p.npy", "--clip", CLIP)
    assert f"float32 {shape}" in refused(tmp_path / "p.npy", "--clip", CLIP, "--from", "videopose3d-npy")
