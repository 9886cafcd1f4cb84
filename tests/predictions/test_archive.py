"""Prediction files: what is written comes back, the same twice, whole or not at all; what strangers send is judged first."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.predictions.archive import Meta, open_predictions, save_predictions

KINDS = ["npz", "h5"]
META = {"posebench": 1, "skeleton": "h36m17", "unit": "mm", "frame": "camera", "scale": "metric"}


def poses(frames=4, joints=17, dtype=np.float32, seed=0, hypotheses=None):
    """Random poses in mm."""
    shape = (frames, joints, 3) if hypotheses is None else (hypotheses, frames, joints, 3)
    return np.random.default_rng(seed).normal(scale=300.0, size=shape).astype(dtype)


def read_all(path):
    """Everything a file holds, as a reader of it sees it."""
    with open_predictions(path) as file:
        return {clip: (file.poses(clip), file.frames(clip)) for clip in file.shapes}


@pytest.fixture
def npz(tmp_path):
    """Writes an archive with numpy alone: arrays by key, and ``__meta__`` as JSON of ``META`` unless given."""

    def write(arrays=None, meta=META, name="p.npz", **changes):
        members = {} if meta is None else {"__meta__": meta if isinstance(meta, np.ndarray) else np.array(json.dumps(meta | changes))}
        path = tmp_path / name
        np.savez(path, **members, **({"S1/Walk/c0": poses()} if arrays is None else arrays))
        return path

    return write


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_poses_come_back_bit_for_bit(tmp_path, kind, dtype):
    sent = {"S1/Walk 1/c0": poses(dtype=dtype), "S1/Walk 1/c1": poses(7, dtype=dtype, seed=1), "flat": poses(1, dtype=dtype)}
    path = save_predictions(tmp_path / f"p.{kind}", sent, unit="mm", skeleton="h36m17")
    with open_predictions(path) as file:
        assert set(file.shapes) == set(sent)
        for clip, pose in sent.items():
            assert file.shapes[clip] == pose.shape
            assert file.poses(clip).dtype == dtype
            np.testing.assert_array_equal(file.poses(clip), pose)
            assert file.frames(clip) is None
        assert file.duplicated == []


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_a_file_states_comes_back(tmp_path, kind):
    stated = {"method": "Mine, v2 (grüße)", "keypoints": "cpn_ft_h36m_dbb", "supervision": "unpaired 3D"}
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": poses(joints=16)}, unit="m", skeleton="sh16", **stated)
    with open_predictions(path) as file:
        assert file.meta == Meta("sh16", "m", **stated)
        assert file.meta.to_mm == 1000.0
        assert file.meta.metric_scale


@pytest.mark.parametrize("kind", KINDS)
def test_hypotheses_come_back(tmp_path, kind):
    sent = poses(hypotheses=3)
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": sent}, unit="mm", skeleton="h36m17")
    np.testing.assert_array_equal(read_all(path)["a/b/c"][0], sent)


@pytest.mark.parametrize("kind", KINDS)
def test_frame_numbers_of_sparse_clips_come_back(tmp_path, kind):
    sent = {"S1/Walk/c0": poses(3), "S1/Walk/c1": poses(4)}
    path = save_predictions(tmp_path / f"p.{kind}", sent, unit="mm", skeleton="h36m17", frames={"S1/Walk/c0": [0, 5, 10]})
    back = read_all(path)
    assert set(back) == set(sent)
    assert back["S1/Walk/c0"][1].tolist() == [0, 5, 10]
    assert back["S1/Walk/c1"][1] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_unknown_scale_needs_no_unit(tmp_path, kind):
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": poses()}, scale="unknown", skeleton="h36m17")
    with open_predictions(path) as file:
        assert (file.meta.unit, file.meta.to_mm, file.meta.metric_scale) == (None, 1.0, False)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinity_come_back(tmp_path, kind):
    sent = poses()
    sent[1, 2, 0], sent[2, 3, 1] = np.nan, np.inf
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": sent}, unit="mm", skeleton="h36m17")
    np.testing.assert_array_equal(read_all(path)["a/b/c"][0], sent)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_poses_give_the_same_bytes(tmp_path, kind):
    files = [
        save_predictions(tmp_path / f"{name}.{kind}", {"a/b/c": poses(), "a/b/d": poses(2)}, unit="mm", skeleton="h36m17") for name in "xy"
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    with open_predictions(files[0]) as one, open_predictions(files[1]) as other:
        assert one.sha256() == other.sha256()


@pytest.mark.parametrize("kind", KINDS)
def test_poses_may_come_one_clip_at_a_time_in_any_array_like(tmp_path, kind):
    pairs = ((f"S1/Walk/c{i}", poses(i + 1, dtype=np.float64).transpose(0, 2, 1).transpose(0, 2, 1).tolist()) for i in range(3))
    path = save_predictions(tmp_path / f"p.{kind}", pairs, unit="mm", skeleton="h36m17")
    np.testing.assert_array_equal(read_all(path)["S1/Walk/c2"][0], poses(3, dtype=np.float64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.int64])
def test_other_numbers_are_stored_as_float32(tmp_path, kind, dtype):
    sent = poses().astype(dtype)
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": sent}, unit="mm", skeleton="h36m17")
    assert read_all(path)["a/b/c"][0].dtype == np.float32
    np.testing.assert_array_equal(read_all(path)["a/b/c"][0], sent.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_any_memory_order_are_stored_row_by_row(tmp_path, kind):
    path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": np.asfortranarray(poses())}, unit="mm", skeleton="h36m17")
    np.testing.assert_array_equal(read_all(path)["a/b/c"][0], poses())


class _StopError(RuntimeError):
    pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop", [_StopError, KeyboardInterrupt])
def test_a_stop_in_the_middle_leaves_no_file_and_keeps_the_old_one(tmp_path, kind, stop):
    def pairs():
        yield "a/b/c", poses()
        raise stop

    path = tmp_path / f"p.{kind}"
    with pytest.raises(stop):
        save_predictions(path, pairs(), unit="mm", skeleton="h36m17")
    assert list(tmp_path.iterdir()) == []
    save_predictions(path, {"a/b/c": poses(seed=1)}, unit="mm", skeleton="h36m17")
    before = path.read_bytes()
    with pytest.raises(stop):
        save_predictions(path, pairs(), unit="mm", skeleton="h36m17")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", KINDS)
def test_folders_on_the_way_are_made(tmp_path, kind):
    path = save_predictions(tmp_path / "new" / "er" / f"p.{kind}", {"a/b/c": poses()}, unit="mm", skeleton="h36m17")
    assert list(read_all(path)) == ["a/b/c"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skeleton": "h36m18"}, "h36m17"),
        ({"unit": None}, "absent only where scale is unknown"),
        ({"unit": "cm"}, "mm, m"),
        ({"scale": "relative"}, "metric, unknown"),
        ({"supervision": "some"}, "unpaired 3D"),
        ({"skeleton": "h36m16"}, r"\(T, 16, 3\)"),
        ({"method": "two\nlines"}, "printable"),
        ({"method": "\x1b[2J"}, "printable"),
        ({"keypoints": "\ud800"}, "printable"),
        ({"poses": {"a/b/c": np.zeros((4, 3, 17))}}, "transpose"),
        ({"poses": {"a/b/c": np.zeros((17, 3))}}, "transpose"),
        ({"poses": {"a/b/c": np.zeros((4, 51))}}, "transpose"),
        ({"path": "p.csv"}, "ends with .npz or .h5"),
        ({"path": "p"}, "ends with .npz or .h5"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, change, message):
    wanted = {"path": "p.npz", "poses": {"a/b/c": poses()}, "unit": "mm", "skeleton": "h36m17"} | change
    with pytest.raises(PosebenchError, match=message):
        save_predictions(tmp_path / wanted.pop("path"), **wanted)
    assert list(tmp_path.iterdir()) == []


def test_an_output_in_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PosebenchError, match="choose another output path"):
        save_predictions(tmp_path / "file" / "p.npz", {"a/b/c": poses()}, unit="mm", skeleton="h36m17")


def test_a_file_made_with_numpy_alone_is_read(npz):
    path = npz({"S1/Walk/c0": poses().astype(">f4"), "S1/Walk/c0#frames": np.arange(4, dtype=np.uint8)})
    pose, frames = read_all(path)["S1/Walk/c0"]
    np.testing.assert_array_equal(pose, poses())
    assert (frames.dtype, frames.tolist()) == (np.int64, [0, 1, 2, 3])


def test_the_kind_of_file_is_recognised_by_its_bytes_not_its_name(tmp_path):
    for kind, other in (("npz", "h5"), ("h5", "npz")):
        path = save_predictions(tmp_path / f"p.{kind}", {"a/b/c": poses()}, unit="mm", skeleton="h36m17")
        assert list(read_all(path.rename(tmp_path / f"q.{other}"))) == ["a/b/c"]


def test_a_file_without_meta_is_refused_with_how_to_write_one(npz):
    with pytest.raises(PosebenchError, match=r"no __meta__.*save_predictions"):
        read_all(npz(meta=None))


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (np.array(3.0), "one JSON string"),
        (np.array(["{}"]), "one JSON string"),
        (np.array("x" * 2**19), "one JSON string"),
        (np.array("{"), "not JSON"),
        (np.array("[" * 100_000), "not JSON"),
        (np.array("1" * 5000), "not JSON"),
        (np.array("[]"), "a JSON object"),
        (np.array("null"), "a JSON object"),
        (np.array(b"\xff\xfe"), "t"),
    ],
)
def test_a_meta_that_is_no_json_object_is_refused(npz, meta, message):
    with pytest.raises(PosebenchError, match=message):
        read_all(npz(meta=meta))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("posebench", None, "whole number"),
        ("posebench", 0, "whole number"),
        ("posebench", 1.5, "whole number"),
        ("posebench", True, "whole number"),
        ("posebench", "1", "whole number"),
        ("posebench", 2, "upgrade posebench"),
        ("skeleton", None, "h36m17"),
        ("skeleton", "body25", "h36m17"),
        ("skeleton", ["h36m17"], "h36m17"),
        ("unit", None, "unit"),
        ("unit", "cm", "mm, m"),
        ("unit", 1, "mm, m"),
        ("frame", "world", "camera"),
        ("frame", None, "camera"),
        ("scale", "weird", "metric, unknown"),
        ("scale", None, "metric, unknown"),
        ("method", 3, "a string"),
        ("method", "a\x1b[31mb", "printable"),
        ("method", "\ud800", "printable"),
        ("keypoints", {}, "a string"),
        ("keypoints", "a\nb", "printable"),
        ("supervision", "much", "paired 3D"),
        ("units", "mm", "unknown units"),
    ],
)
def test_a_wrong_field_in_meta_is_named_with_what_is_wanted(npz, field, value, message):
    with pytest.raises(PosebenchError) as error:
        read_all(npz(**{field: value}))
    assert field in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("field", ["posebench", "skeleton", "unit"])
def test_a_missing_field_in_meta_is_named(npz, field):
    with pytest.raises(PosebenchError, match=field):
        read_all(npz(meta={key: value for key, value in META.items() if key != field}))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"posebench": 1, "skeleton": "h36m17", "unit": "m", "unit": "mm"}', "unit"),
        ('{"posebench": 1, "skeleton": "h36m17", "unit": "mm", "unit": "mm"}', "unit"),
        ('{"posebench": 1, "skeleton": "h36m17", "unit": "mm", "provenance": {"recipe": "a", "recipe": "b"}}', "recipe"),
        ('{"posebench": 1, "skeleton": "h36m17", "unit": "m", "\\u0075nit": "mm"}', "unit"),
    ],
)
def test_a_key_that_the_meta_says_twice_is_refused(npz, text, key):
    with pytest.raises(PosebenchError, match=f"the key '{key}' is there twice"):
        read_all(npz(meta=np.array(text)))


def test_frame_numbers_of_poses_with_frames_before_hypotheses_are_explained(npz):
    arrays = {"S1/Walk/c0": np.zeros((4, 1, 17, 3)), "S1/Walk/c0#frames": np.arange(4)}
    with pytest.raises(PosebenchError, match=r"hypotheses first; S1/Walk/c0 has shape \(4, 1, 17, 3\)"):
        read_all(npz(arrays))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 17, 3), np.int32), "holds int32"),
        (np.zeros((4, 17, 3), np.complex64), "holds complex64"),
        (np.zeros((4, 17, 3), bool), "holds bool"),
        (np.zeros((4, 17, 3), [("x", "f4")]), "holds "),
        (np.zeros((4, 17, 3), "U1"), "holds <U1"),
        (np.zeros((4, 16, 3), np.float32), r"has shape \(4, 16, 3\)"),
        (np.zeros((4, 3, 17), np.float32), "has shape"),
        (np.zeros((17, 3), np.float32), "has shape"),
        (np.zeros((2, 2, 4, 17, 3), np.float32), "has shape"),
        (np.zeros((0, 4, 17, 3), np.float32), "has shape"),
        (np.float32(3), "has shape"),
    ],
)
def test_an_array_that_holds_no_poses_is_refused(npz, array, message):
    with pytest.raises(PosebenchError, match=message):
        read_all(npz({"S1/Walk/c0": array}))


@pytest.mark.parametrize(
    "arrays",
    [
        {"S1/Walk/c0#frames": np.arange(4)},
        {"S1/Walk/c0": poses(), "S1/Walk/c0#frames": np.arange(3)},
        {"S1/Walk/c0": poses(), "S1/Walk/c0#frames": np.arange(4.0)},
        {"S1/Walk/c0": poses(), "S1/Walk/c0#frames": np.arange(4)[None]},
        {"S1/Walk/c0": poses(), "S1/Walk/c0#frames": np.int64(4)},
        {"S1/Walk/c0#frames": np.arange(4), "S1/Walk/c0": np.zeros(3)},
        {"S1/Walk/c0#frames": np.arange(4), "S1/Walk/c0": np.float64(3)},
        {"S1/Walk/c0": poses(), "S1/Walk/c0#frames": np.arange(4), "S1/Walk/c0#frames#frames": np.arange(4)},
        {"S1/Walk/c0": poses(), "#frames": np.arange(4)},
    ],
)
def test_frame_numbers_that_number_no_poses_are_refused(npz, arrays):
    with pytest.raises(PosebenchError):
        read_all(npz(arrays))


@pytest.mark.parametrize("name", ["S1/Wa\nlk/c0", "S1/\x1b[2J/c0", "S1/\u202ewalk/c0"])
def test_a_clip_id_that_would_upset_a_terminal_is_refused(npz, name):
    with pytest.raises(PosebenchError) as error:
        read_all(npz({name: poses()}))
    assert name not in str(error.value)


def test_a_clip_beyond_the_limit_of_memory_is_refused_before_it_is_read(npz, monkeypatch):
    path = npz({"S1/Walk/c0": poses(100)})
    monkeypatch.setattr("posebench.predictions.archive.MAX_CLIP_BYTES", 100 * 17 * 3 * 4 - 1)
    with pytest.raises(PosebenchError, match="would take 20,400 bytes"):
        read_all(path)


def test_clip_ids_that_a_file_holds_twice_are_listed(tmp_path):
    path = save_predictions(tmp_path / "p.npz", {"a/b/c": poses(), "a/b/d": poses()}, unit="mm", skeleton="h36m17")
    out = io.BytesIO()
    np.lib.format.write_array(out, poses(2))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a/b/d.npy", out.getvalue())
    with open_predictions(path) as file:
        assert file.duplicated == ["a/b/d"]


@pytest.mark.parametrize(
    "content", [b"", b"P", b"clip,frame,joint,x,y,z\n1,2,3,4,5,6\n", b"\x80\x04\x95", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)]
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "p.npz"
    path.write_bytes(content)
    with pytest.raises(PosebenchError, match=r"p\.npz"):
        read_all(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PosebenchError, match=r"nowhere\.npz: No such file"):
        read_all(tmp_path / "nowhere.npz")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(PosebenchError, match="directory"):
        read_all(tmp_path)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = save_predictions(tmp_path / "p.npz", {"a/b/c": poses()}, unit="mm", skeleton="h36m17")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PosebenchError, match="Permission denied"):
        read_all(path)


@pytest.fixture(scope="module", params=KINDS)
def whole(request, tmp_path_factory):
    """A sound file's path and bytes."""
    path = tmp_path_factory.mktemp("whole") / f"p.{request.param}"
    sent = {f"S1/Walk/c{i}": poses(5, seed=i) for i in range(3)}
    save_predictions(path, sent, unit="mm", skeleton="h36m17", frames={"S1/Walk/c1": np.arange(5)})
    return path, path.read_bytes()


@pytest.mark.parametrize("share", np.linspace(0.0, 0.999, 60).tolist())
def test_a_cut_off_file_is_refused_at_any_length(whole, tmp_path, share):
    path, content = whole
    cut = tmp_path / path.name
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PosebenchError):
        read_all(cut)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_poses_or_our_own_error(whole, tmp_path, data):
    path, content = whole
    raw = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        # Headers, directories and trees lie at either end.
        place = data.draw(st.integers(0, 2500) | st.integers(-1200, -1))
        raw[place % len(raw)] ^= 1 << data.draw(st.integers(0, 7))
    damaged = tmp_path / path.name
    damaged.write_bytes(raw)
    try:
        back = read_all(damaged)
    except PosebenchError:
        return
    assert all(pose.shape[-2:] == (17, 3) for pose, _ in back.values())
