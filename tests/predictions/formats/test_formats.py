"""Recognising formats: one that fits is used and reported, two need --from, none gives the list of formats."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import scipy.io

import posebench
from posebench.base.errors import PosebenchError
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.predictions.formats.registry import FORMATS, Reading, convert, recognise

CLIP = "S9/Greeting 1/54138969"


def test_a_file_in_no_known_format_is_answered_with_all_of_them(tmp_path, refused):
    (tmp_path / "p.txt").write_text("poses\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for name in ("p.txt", "empty", "folder"):
        err = refused(tmp_path / name)
        for format in FORMATS:
            assert format in err


def test_two_formats_that_fit_are_asked_about(tmp_path, poses, refused):
    np.save(tmp_path / "S9_Greeting_1.54138969.npy", poses[CLIP])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["3D_positions"] = np.zeros((96, 3))
    err = refused(tmp_path)
    for word in ("npy-folder", "martinez-h5", "--from npy-folder"):
        assert word in err


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_our_own_files_are_recognised_as_no_other_and_take_no_options(tmp_path, poses, refused, kind, run):
    path = save_predictions(tmp_path / f"p.{kind}", poses, unit="mm", skeleton="h36m17")
    assert recognise(path) == []
    assert "--unit" in refused(path, "--unit", "mm")
    assert "no foreign format" in run("convert", path, "-o", tmp_path / "q.npz")[2]


def test_foreign_files_leave_heavy_packages_out(tmp_path, poses, truth):
    against = save_predictions(tmp_path / "t.npz", {CLIP: truth[CLIP], "TS1/TS1/0": truth[CLIP]}, unit="mm", skeleton="h36m17")
    np.save(tmp_path / "p.npy", poses[CLIP] / 1000.0)
    scipy.io.savemat(tmp_path / "p.mat", {"TS1": poses[CLIP].transpose(2, 1, 0)[:, :, None]})
    (tmp_path / "p.json").write_text(json.dumps({"meta_info": {}, "instance_info": []}))
    for name in ("p.npy", "p.mat", "p.json"):
        arguments = ["score", str(tmp_path / name), "--protocol", "pair-17j", "--truth", str(against), "--allow-partial"]
        arguments += [] if name == "p.mat" else ["--clip", CLIP]
        code = f"from posebench.cli.main import main; main({arguments!r}); import sys; print(sorted(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = ast.literal_eval(done.stdout.splitlines()[-1])
        assert "posebench.predictions.formats.registry" in loaded
        assert not {"scipy", "h5py", "torch", "pandas", "matplotlib"} & set(loaded)


def test_a_format_that_does_not_exist_or_is_not_the_files_is_refused(tmp_path, poses, refused):
    path = save_predictions(tmp_path / "p.npz", poses, unit="mm", skeleton="h36m17")
    assert "videopose3d-npy" in refused(path, "--from", "videopose")
    for format in FORMATS:
        refused(path, "--from", format, "--clip", CLIP, "--ids", path)
        refused(tmp_path, "--from", format, "--clip", CLIP, "--ids", path)
        refused(tmp_path / "nowhere", "--from", format, "--clip", CLIP, "--ids", path)


def test_an_option_that_a_format_has_no_use_for_is_refused(tmp_path, poses, refused):
    np.save(tmp_path / "p.npy", poses[CLIP] / 1000.0)
    assert "--ids" in refused(tmp_path / "p.npy", "--clip", CLIP, "--ids", "annot.npz")


def test_convert_writes_what_it_read_and_leaves_nothing_where_it_fails(tmp_path, poses, run):
    folder = tmp_path / "in"
    folder.mkdir()
    for clip, pose in poses.items():
        np.save(folder / (clip.replace("/", "_") + ".npy"), pose.astype(np.float32))
    for kind in ("npz", "h5"):
        target = tmp_path / f"p.{kind}"
        code, out, err = run("convert", folder, "--from", "npy-folder", "-o", target)
        assert (code, err) == (0, "")
        assert out.startswith(f"{target}: read as npy-folder: millimetres")
        with open_predictions(target) as file:
            assert set(file.shapes) == set(poses)
            np.testing.assert_array_equal(file.poses(CLIP), poses[CLIP].astype(np.float32))
            assert file.meta.unit == "mm"
        target.unlink()
    next(folder.iterdir()).write_bytes(b"\x93NUMPY")
    assert run("convert", folder, "-o", tmp_path / "p.npz")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert "no such file" in run("convert", tmp_path / "nowhere", "-o", tmp_path / "p.npz")[2]


def test_the_functions_take_a_format_or_all_that_is_known(tmp_path, poses, truth):
    against = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    np.save(tmp_path / "p.npy", poses[CLIP])
    reading = Reading("videopose3d-npy", clip=CLIP, unit="mm")
    result = posebench.score(tmp_path / "p.npy", "pair-17j", truth=against, allow_partial=True, from_format=reading)
    findings = posebench.check(tmp_path / "p.npy", "pair-17j", truth=against, allow_partial=True, from_format=reading)
    assert "format" in [finding.name for finding in result.findings]
    assert "format" in [finding.name for finding in findings]
    with pytest.raises(PosebenchError, match="--clip"):
        convert(tmp_path / "p.npy", tmp_path / "q.npz", "videopose3d-npy")
    with pytest.raises(PosebenchError, match="unit"):
        Reading(unit="cm")


def test_check_prints_how_a_file_was_read(tmp_path, poses, truth, run):
    against = save_predictions(tmp_path / "t.npz", {CLIP: truth[CLIP]}, unit="mm", skeleton="h36m17")
    np.save(tmp_path / "p.npy", poses[CLIP] / 1000.0)
    code, out, _ = run("check", tmp_path / "p.npy", "--protocol", "pair-17j", "--truth", against, "--clip", CLIP)
    assert code == 0
    assert "read as videopose3d-npy" in out


@pytest.mark.parametrize("format", ["videopose3d-npy", "p-stmo-mat", "mmpose-demo-json", "mmpose-result-json"])
def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, poses, format):
    some = poses[CLIP][:6]
    path = tmp_path / "in"
    if format == "videopose3d-npy":
        with path.open("wb") as file:
            np.save(file, some / 1000.0)
    elif format == "p-stmo-mat":
        with path.open("wb") as file:
            scipy.io.savemat(file, {"TS1": some.transpose(2, 1, 0)[:, :, None]}, do_compression=True)
    elif format == "mmpose-demo-json":
        frames = [{"frame_id": i, "instances": [{"keypoints": pose.round(3).tolist()}]} for i, pose in enumerate(some / 1000.0)]
        path.write_text(json.dumps({"meta_info": {}, "instance_info": frames}))
    else:
        path.write_text(json.dumps([{"keypoints": pose.round(3).tolist(), "target_id": i} for i, pose in enumerate(some / 1000.0)]))
        np.savez(tmp_path / "ids.npz", imgname=np.array([f"S9_Photo.54138969_{i:06d}.jpg" for i in range(1, 7)]))
    reading = Reading(format, None if "result" in format or "mat" in format else CLIP, tmp_path / "ids.npz" if "result" in format else None)
    convert(path, tmp_path / "out.npz", reading)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole[: random.integers(1, len(whole)) if random.random() < 0.2 else len(whole)])
        for at in random.integers(0, min(len(damaged), 400 if random.random() < 0.8 else 2**30), size=random.integers(1, 4)):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(damaged)
        for call in (lambda: recognise(path), lambda: convert(path, tmp_path / "out.npz", reading)):
            try:
                call()
            except PosebenchError:
                refused += 1
    assert refused > 50
