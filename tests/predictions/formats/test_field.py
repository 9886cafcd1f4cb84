"""Files as people really have them, from reports and from what other tools write (``tests/golden/field``): each is read or explained."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from posebench.predictions.formats.foreign import clip_from_name

FIELD = Path(__file__).parents[2] / "golden" / "field"
BASE = FIELD / "base-h36m"
CLIP = "S9/Directions/54138969"
ONE_CLIP = ("--clip", CLIP, "--allow-partial")
#: MPJPE of ``base-h36m/sound.npz``, action average, as plain numpy has it.
SOUND = 61.92655


@pytest.fixture
def field(run):
    """The result of scoring a file against the small copy."""

    def call(path, *options):
        code, out, err = run("score", path, "--protocol", "h36m/s9s11", "--root", BASE, "--json", *options)
        assert (code, err) == (0, ""), err
        return json.loads(out)

    return call


@pytest.fixture
def explained(run):
    """What scoring a file against the small copy says where it is refused; the message is one paragraph."""

    def call(path, *options, code=2):
        found, out, err = run("score", path, "--protocol", "h36m/s9s11", "--root", BASE, *options)
        assert (found, out, err.count("\n")) == (code, "", 1), err
        return err

    return call


def mpjpe(result):
    return result["metrics"]["MPJPE"]["value"]


def message(result, name):
    (finding,) = [finding for finding in result["findings"] if finding["name"] == name]
    return finding["message"]


@pytest.fixture(scope="session")
def sound():
    """The arrays of ``sound.npz`` by key."""
    with np.load(BASE / "sound.npz") as file:
        return {key: file[key] for key in file}


def test_the_sound_file_scores_as_plain_numpy_has_it(field):
    assert mpjpe(field(BASE / "sound.npz")) == pytest.approx(SOUND, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "wanted", "poses"),
    [
        # Inferencer: a list, from 0.
        ("05/clip.json", 60.35848, 30),
        # Demo: no person in the first frame and in another one.
        ("06/from0-first-and-another-empty.json", 60.47870, 28),
        ("06/from1-first-empty.json", 60.54100, 29),
    ],
)
def test_json_of_mmpose_counts_frames_from_the_first_listed(field, name, wanted, poses):
    result = field(FIELD / name, *ONE_CLIP)
    assert mpjpe(result) == pytest.approx(wanted, abs=1e-5)
    assert result["coverage"]["poses"] == poses
    assert "mmpose-demo-json" in message(result, "format")


def test_a_folder_with_the_numbers_of_human36m_as_names_is_read(field):
    result = field(FIELD / "10")
    assert mpjpe(result) == pytest.approx(61.92705, abs=1e-5)
    assert (result["coverage"]["clips"], result["coverage"]["partial"]) == (16, False)
    assert "S9/Directions 1/54138969" in message(result, "format")


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("s_09_act_02_subact_01_ca_01", "S9/Directions 1/54138969"),
        ("S9/s_09_act_02_subact_02_ca_02", "S9/Directions/55011271"),
        ("s_11_act_06_subact_01_ca_03", "S11/Phoning 3/58860488"),
        ("s_11_act_10_subact_02_ca_04", "S11/SittingDown 1/60457274"),
        ("s_09_act_12_subact_02_ca_01", "S9/Photo/54138969"),
        ("s_09_act_15_subact_01_ca_01", "S9/WalkDog 1/54138969"),
        ("s_11_act_16_subact_02_ca_01", "S11/WalkTogether/54138969"),
        ("s_09_act_01_subact_01_ca_01", None),
        ("s_09_act_17_subact_01_ca_01", None),
    ],
)
def test_numbers_of_human36m_are_those_of_its_metadata(name, clip):
    assert clip_from_name(name, None) == clip


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_column_major_arrays_in_an_archive_are_read(field, sound, tmp_path, save):
    # As numpy.savez writes arrays that were made with .T.
    save(tmp_path / "p.npz", **{key: value if value.ndim < 3 else np.asfortranarray(value) for key, value in sound.items()})
    result, wanted = field(tmp_path / "p.npz"), field(BASE / "sound.npz")
    assert mpjpe(result) == pytest.approx(SOUND, abs=1e-5)
    assert result["metrics"] == wanted["metrics"]


def zipped_again(source, target, folder="", extra=()):
    """The entries of an archive in a new one, under ``folder``, and ``extra`` empty or odd entries before them."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name, data in extra:
            new.writestr(name, data)
        for name in old.namelist():
            new.writestr(folder + name, old.read(name))
    return target


def test_entries_that_a_file_manager_added_are_ignored_and_named(field, tmp_path):
    extra = [
        ("S9/", b""),
        ("__MACOSX/._p", b"\0\5\x16\7"),
        ("__MACOSX/S9/._54138969.npy", b""),
        (".DS_Store", b"Bud1"),
        ("S9/Thumbs.db", b""),
    ]
    result = field(zipped_again(BASE / "sound.npz", tmp_path / "p.npz", extra=extra))
    assert mpjpe(result) == pytest.approx(SOUND, abs=1e-5)
    assert "4 entries" in message(result, "stray-entries")
    assert "__MACOSX/._p" in message(result, "stray-entries")


def test_an_archive_of_the_folder_instead_of_its_content_is_explained(explained, tmp_path):
    err = explained(zipped_again(BASE / "sound.npz", tmp_path / "p.npz", folder="p/"))
    assert "in the folder p/" in err
    assert "zip what is in the folder" in err


@pytest.mark.parametrize("options", [(), ONE_CLIP, ("--unit", "m")])
def test_an_archive_that_a_demo_made_for_display_is_explained(explained, options):
    err = explained(FIELD / "09" / "output_keypoints_3d.npz", *options)
    for word in ("StridedTransformer", "P-STMO", "display", "no unit", "before camera_to_world"):
        assert word in err
    assert "own format" not in err
    assert "drop --" not in err


def test_the_2d_keypoints_of_such_a_demo_are_told_apart(explained, tmp_path):
    np.savez(tmp_path / "keypoints.npz", reconstruction=np.zeros((1, 30, 17, 2)))
    assert "2D keypoints" in explained(tmp_path / "keypoints.npz")


@pytest.mark.parametrize("options", [(), ONE_CLIP, ("--unit", "m")])
@pytest.mark.parametrize("name", ["p.npz", "p.h5"])
def test_a_file_without_a_header_is_never_called_our_own(explained, tmp_path, options, name, run):
    path = tmp_path / name
    if name == "p.npz":
        np.savez(path, poses=np.zeros((30, 17, 3)))
    else:
        with h5py.File(path, "w") as file:
            file["poses"] = np.zeros((30, 17, 3))
    err = explained(path, *options)
    assert "__meta__" in err
    assert "own format" not in err
    assert "__meta__" in run("convert", path, "-o", tmp_path / "q.npz")[2]
    if name == "p.npz":
        assert "only poses (30, 17, 3)" in err


def renamed(sound, change):
    """``sound`` with its clip ids changed."""
    return {key if key == "__meta__" else change(key): value for key, value in sound.items()}


def write_arrays(path, arrays):
    """An archive with these keys as they are, or HDF5 with a dataset each; numpy and zipfile would change backslashes on Windows."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            for key, value in arrays.items():
                with io.BytesIO() as data:
                    np.lib.format.write_array(data, value)
                    archive.writestr(key + ".npy", data.getvalue())
    else:
        with h5py.File(path, "w") as file:
            file.attrs["__meta__"] = str(arrays["__meta__"])
            for key, value in arrays.items():
                if key != "__meta__":
                    file[key] = value
    return path


@pytest.mark.parametrize("name", ["p.npz", "p.h5"])
def test_backslashes_in_clip_ids_are_read_as_slashes(field, sound, tmp_path, name):
    arrays = renamed(sound, lambda key: key.replace("/", "\\"))
    arrays |= {f"{CLIP}#frames".replace("/", "\\"): np.arange(30)}
    result = field(write_arrays(tmp_path / name, arrays))
    assert mpjpe(result) == pytest.approx(SOUND, abs=1e-5)
    assert "17 names" in message(result, "separators")


def test_a_clip_with_both_separators_is_there_twice(explained, sound, tmp_path):
    path = write_arrays(tmp_path / "p.npz", sound | {CLIP.replace("/", "\\"): sound[CLIP]})
    assert "more than once" in explained(path, code=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.replace("/", "_"),
        lambda key: key.replace("/", "_").replace(" ", "_"),
        lambda key: key.replace("/", ".").lower(),
    ],
)
def test_clip_ids_of_another_form_are_named_with_the_clips_that_they_are(explained, sound, tmp_path, change):
    path = write_arrays(tmp_path / "p.npz", renamed(sound, change))
    for options in ((), ("--allow-partial",)):
        err = explained(path, *options, code=1)
        assert f"'{change(CLIP)}' for '{CLIP}'" in err
        assert "16 clips" in err
        assert "missing" not in err
        assert "leave them out" not in err


def test_numbers_as_clip_ids_are_named_with_the_clips_that_they_are(explained, sound, tmp_path):
    arrays = {"__meta__": sound["__meta__"], "s_09_act_02_subact_02_ca_01": sound[CLIP]}
    err = explained(write_arrays(tmp_path / "p.npz", arrays), code=1)
    assert f"'s_09_act_02_subact_02_ca_01' for '{CLIP}'" in err
    assert "15 of 16 clips are missing" in err


def changed(sound, change):
    """``sound`` with its poses changed."""
    return {key: value if key == "__meta__" else change(value) for key, value in sound.items()}


def test_frames_after_the_motion_capture_are_counted_and_the_cut_is_said(explained, field, sound, tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, **changed(sound, lambda pose: np.concatenate([pose, pose[-3:]])))
    err = explained(path, code=1)
    for word in ("33 where 30 are wanted: 3 too many in every clip", "VideoPose3D cuts to the motion capture", "poses[:30]"):
        assert word in err
    with np.load(path) as file:
        np.savez(tmp_path / "cut.npz", **changed(dict(file), lambda pose: pose[:30]))
    assert mpjpe(field(tmp_path / "cut.npz")) == pytest.approx(SOUND, abs=1e-5)


def test_different_numbers_of_frames_too_many_are_a_range(explained, sound, tmp_path):
    extra = iter([1, 5] + [3] * 14)
    np.savez(tmp_path / "p.npz", **changed(sound, lambda pose: np.concatenate([pose, pose[: next(extra)]])))
    assert "1 to 5 too many in every clip" in explained(tmp_path / "p.npz", code=1)


def test_a_convolution_without_padding_is_named_with_its_receptive_field(explained, run, sound, tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, **changed(sound, lambda pose: pose[13:-13]))
    err = explained(path, code=1)
    words = ("4 where 30 are wanted: 26 too few in every clip", "receptive field of 27 frames and no padding", "13 times", "13 to 16")
    for word in words:
        assert word in err
    # The other advice works too.
    numbers = {f"{key}#frames": np.arange(13, 17) for key in sound if key != "__meta__"}
    np.savez(path, **changed(sound, lambda pose: pose[13:-13]), **numbers)
    code, _, err = run("score", path, "--protocol", "h36m/s9s11", "--root", BASE, "--allow-partial")
    assert (code, err) == (0, "")


def test_frame_numbers_beyond_the_motion_capture_are_to_be_left_out(explained, sound, tmp_path):
    path = tmp_path / "p.npz"
    numbers = {f"{key}#frames": np.arange(33) for key in sound if key != "__meta__"}
    np.savez(path, **changed(sound, lambda pose: np.concatenate([pose, pose[-3:]])), **numbers)
    assert "leave out the frames after the last of the truth, here 29" in explained(path, code=1)
    np.savez(path, **sound, **{key: value[:30] + 1 for key, value in numbers.items()})
    assert "by subtracting 1" in explained(path, code=1)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, ("(30, 1, 17, 3), as 30 hypotheses of 1 frame", "poses[:, 0]")),
        (5, ("(30, 5, 17, 3), as 30 hypotheses of 5 frames", "poses.transpose(1, 0, 2, 3)")),
    ],
)
def test_frames_before_hypotheses_are_explained(explained, field, sound, tmp_path, count, words):
    path = tmp_path / "p.npz"
    stored = changed(sound, lambda pose: np.repeat(pose[:, None], count, axis=1))
    np.savez(path, **stored)
    err = explained(path, code=1)
    for word in words:
        assert word in err
    assert "frame-count" not in err
    np.savez(path, **changed(stored, lambda pose: pose[:, 0] if count == 1 else pose.transpose(1, 0, 2, 3)))
    assert mpjpe(field(path)) == pytest.approx(SOUND, abs=1e-4)
