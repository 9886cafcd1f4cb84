"""The Acclaim reader against files that are small enough to compute by hand."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.data.cmu import acclaim as reader
from posebench.data.cmu import amc
from posebench.data.cmu.acclaim import forward_kinematics
from posebench.data.cmu.amc import read_amc
from posebench.data.cmu.asf import read_asf

UNIT = 25.4 / 0.45

# root --a--> (2 along x) --b--> (1 along x) --c--> (3 along y, no dof)
ARM = [("a", "", "1 0 0", 2, "0 0 90", "rz"), ("b", "a", "1 0 0", 1, "90 0 0", "rz ry"), ("c", "b", "0 1 0", 3, "0 0 0", "")]
FRAMES = [
    {"root": "1 2 3 0 0 0", "a": "0", "b": "0 0"},
    {"root": "0 0 0 0 0 0", "a": "90", "b": "0 90"},
    {"root": "0 0 0 90 90 0", "a": "-7.4743e-014", "b": "0 0"},
]


@pytest.fixture
def arm(tmp_path, acclaim):
    path = tmp_path / "arm.asf"
    path.write_text(acclaim.asf(ARM))
    return read_asf(path)


@pytest.fixture
def read(tmp_path, acclaim, arm):
    """Read AMC text, or frames, as the motion of the arm."""

    def read(content=FRAMES, **options):
        path = tmp_path / "arm.amc"
        text = content if isinstance(content, (str, bytes)) else acclaim.amc(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_amc(path, arm, **options)

    return read


def test_the_skeleton_is_read_with_parents_before_children(arm):
    assert [(bone.name, bone.parent, bone.dof) for bone in arm.bones[1:]] == [("a", 0, ("rz",)), ("b", 1, ("rz", "ry")), ("c", 2, ())]
    assert arm.mm_per_unit == UNIT
    assert arm.columns == {"root": slice(0, 6), "a": slice(6, 7), "b": slice(7, 9)}


def test_forward_kinematics_gives_the_positions_computed_by_hand(arm, read):
    ends = forward_kinematics(arm, read().values) / UNIT
    np.testing.assert_allclose(ends[0], [[1, 2, 3], [3, 2, 3], [4, 2, 3], [4, 5, 3]], atol=1e-12)
    # a turns by 90 about z; b's ry acts about Rx(90) y = z, another 90, although its first channel in the file is rz.
    np.testing.assert_allclose(ends[1], [[0, 0, 0], [0, 2, 0], [-1, 2, 0], [-1, -1, 0]], atol=1e-12)
    # Fixed axes, x first: Ry(90) Rx(90) takes x to -z and y to x.
    np.testing.assert_allclose(ends[2], [[0, 0, 0], [0, 0, -2], [0, 0, -3], [3, 0, -3]], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-720, 720), min_size=9, max_size=9))
def test_rotations_keep_every_bone_length(values):
    bones = [
        reader.Bone("root", -1, (0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), reader.ROOT_ORDER),
        reader.Bone("a", 0, (0.6, 0.0, 0.8), 2.0, (10.0, 20.0, 30.0), ("rx", "ry")),
        reader.Bone("b", 1, (0.0, -1.0, 0.0), 5.0, (-90.0, 3.0, 0.0), ("rz",)),
    ]
    ends = forward_kinematics(reader.Body(tuple(bones), 1.0), [values])[0]
    np.testing.assert_allclose(np.linalg.norm(np.diff(ends, axis=0), axis=1), [2.0, 5.0], atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("a 90", "# a word of explanation\n\n  a\t90  # and another"),
        lambda text: text.replace("a 0\nb 0 0", "b 0 0\na 0"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("H:", "H:\u00e4").encode("latin-1"),
    ],
    ids=["CRLF", "CR", "gzip", "comments", "another order in one frame", "no last line end", "a name in Latin-1"],
)
def test_packing_does_not_change_the_values(acclaim, read, change):
    expected = read().values
    np.testing.assert_array_equal(read(change(acclaim.amc(FRAMES))).values, expected)
    assert expected[2, 6] == -7.4743e-14


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9), min_size=1, max_size=5))
def test_the_bulk_reader_and_the_line_reader_agree(tmp_path, acclaim, arm, rows):
    frames = [{"root": " ".join(map(repr, r[:6])), "a": repr(r[6]), "b": f"{r[7]!r} {r[8]!r}"} for r in rows]
    data = acclaim.amc(frames).encode()
    bulk = amc._read_in_bulk(data, arm)
    np.testing.assert_array_equal(bulk, rows)
    np.testing.assert_array_equal(amc._read_by_line(tmp_path, data, arm, False).values, bulk)


def test_a_bone_without_dof_has_no_line_and_a_bone_with_dof_must(read):
    with pytest.raises(PosebenchError, match=r"frame 2, line 11: the frame ends without b.*every bone that has a dof"):
        read([FRAMES[0], {"root": "0 0 0 0 0 0", "a": "1"}, FRAMES[2]])
    with pytest.raises(PosebenchError, match=r"frame 1, line 8: bone 'c'"):
        read([FRAMES[0] | {"c": "1"}])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a 90", "a 9O", r"arm\.amc, frame 2, line 10: '9O'\. Wanted: a finite number"),
        ("a 90", "a nan", r"frame 2, line 10: 'nan'"),
        ("a 90", "a 1e999", r"frame 2, line 10: '1e999'"),
        ("a 90", "a 9_0", r"frame 2, line 10: '9_0'"),
        ("a 90", "a \u0669", r"frame 2, line 10: "),
        ("a 90", "a 90 90", r"frame 2, line 10: 2 values for a\. Wanted: 1"),
        ("a 90", "a", r"frame 2, line 10: 0 values for a"),
        ("a 90", "z 90", r"frame 2, line 10: bone 'z'"),
        ("a 90", "a 90\na 90", r"frame 2, line 11: bone 'a'"),
        ("a 90\n", "", r"frame 2, line 11: the frame ends without a"),
        ("b 0 0\n2", "2", r"frame 1, line 7: the frame ends without b"),
        ("\n2\n", "\n3\n", r"frame 1, line 8: frame 2 is numbered 3 \(line 8\)\. Wanted: frames numbered 1, 2, 3"),
        ("\n1\n", "\n0\n", r"before the first frame, line 4: frame 1 is numbered 0"),
        ("\n2\n", "\n" + "9" * 5000 + "\n", r"frame 1, line 8: frame 2 is numbered 9"),
        ("\n1\n", "\n", r"before the first frame, line 4: root\. Wanted: a frame number"),
        (":DEGREES\n", "", r"line 3: no :DEGREES above the first frame"),
        (":DEGREES", ":RADIANS", r"line 3: :RADIANS"),
    ],
)
def test_a_broken_motion_is_an_error_that_names_file_frame_and_line(acclaim, read, old, new, message):
    text = acclaim.amc(FRAMES)
    assert old in text
    with pytest.raises(PosebenchError, match=message):
        read(text.replace(old, new, 1))


def test_a_motion_cut_off_or_empty_is_an_error(acclaim, read):
    text = acclaim.amc(FRAMES)
    with pytest.raises(PosebenchError, match=r"frame 3, line 13: the frame ends without a, b"):
        read(text[: text.rindex("a ")])
    with pytest.raises(PosebenchError, match=r"the end of the file, and no frame"):
        read("")
    with pytest.raises(PosebenchError, match=r"the end of the file, and no frame"):
        read(":DEGREES\n")


def test_other_frame_numbers_are_accepted_on_request_and_reported(acclaim, read):
    text = acclaim.amc(FRAMES)
    for k in (1, 2, 3):
        text = text.replace(f"\n{k}\n", f"\n{k + 85}\n")
    motion = read(text, any_numbers=True)
    np.testing.assert_array_equal(motion.values, read().values)
    assert motion.renumbered == "frame 1 is numbered 86 (line 4)"
    assert read().renumbered == ""


def test_unreadable_damaged_and_oversized_files_are_errors(tmp_path, acclaim, arm, monkeypatch):
    path = tmp_path / "x.amc.gz"
    with pytest.raises(PosebenchError, match=r"x\.amc\.gz: cannot be read"):
        read_amc(path, arm)
    whole = gzip.compress(acclaim.amc(FRAMES).encode())
    for broken in (whole[:-20], whole[:30] + b"\0\0\0" + whole[33:]):
        path.write_bytes(broken)
        with pytest.raises(PosebenchError, match=r"cannot be read"):
            read_amc(path, arm)
    monkeypatch.setattr(reader, "MAX_BYTES", 1000)
    path.write_bytes(gzip.compress(b"\n" * 10**6))
    with pytest.raises(PosebenchError, match=r"more than 1000 bytes after decompression"):
        read_amc(path, arm)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  length 0.45\n", "", "no length in :units"),
        ("length 0.45", "length -1", r"line 6: length -1.0\. Wanted: a positive length unit"),
        ("angle deg", "angle rad", r"line 7: angle rad\. Wanted: angle deg"),
        ("TX TY TZ RX RY RZ", "TX TY TZ RZ RY RX", r"line 11: order .*Wanted: order TX TY TZ RX RY RZ"),
        ("  axis XYZ\n", "  axis ZYX\n", r"line 12: axis ZYX"),
        ("position 0 0 0", "position 0 1 0", r"line 13: position 0 1 0"),
        ("direction 1 0 0", "direction 1 0", r"\(bone a\): 1 0\. Wanted: three numbers"),
        ("direction 1 0 0", "direction 1 1 0", r"\(bone a\): a direction of length 1.41421"),
        ("     length 2\n", "", r"\(bone a\): no length\. Wanted: direction, length and axis"),
        ("     length 2\n", "     length\n", r"\(bone a\): ''\. Wanted: a finite number"),
        ("0 0 90 XYZ", "0 0 90 ZYX", r"\(bone a\): axis 0 0 90 ZYX"),
        ("dof rz ry", "dof rz tz", r"\(bone b\): dof rz tz"),
        ("dof rz ry", "dof rz rz", r"\(bone b\): dof rz rz"),
        ("name b", "name a", r"a bone named 'a'"),
        ("     name b\n", "", r"a bone named ''"),
        (":bonedata\n  begin", ":bonedata\n", r"line 17: id 1\. Wanted: begin"),
        ("    a b\n", "    a a\n", r"a below a\. Wanted: bones of :bonedata, each below one parent"),
        ("    a b\n", "    a z\n", r"z below a"),
        ("    b c\n", "", r"bones that no chain joins to the root: c"),
        ("    root a\n", "    c a\n", r"bones that no chain joins to the root: a, b, c"),
    ],
)
def test_a_broken_skeleton_is_an_error_that_names_file_and_line(tmp_path, acclaim, old, new, message):
    path = tmp_path / "arm.asf"
    text = acclaim.asf(ARM)
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(PosebenchError, match=message) as caught:
        read_asf(path)
    assert str(path) in str(caught.value)


def test_a_missing_bone_names_those_that_there_are(arm):
    with pytest.raises(PosebenchError, match=r"no bone 'lfemur'.*root, a, b, c"):
        arm.index("lfemur")
