"""The TOML of a network: wrong files and fields, and its documentation."""

import re
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.lifters.onnx.card import read_card
from posebench.lifters.onnx.model import open_onnx

from .networks import windowed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "theirs"', "", ["no id"]),
        ('id = "theirs"', 'id = "a\\nb"', ["id", "one line"]),
        ('"paired 3D"', '"weak"', ["supervision", "unpaired 3D"]),
        ('"h36m17"', '"h36m18"', ["skeleton", "h36m17"]),
        ("[input]", "windows = 3\n[input]", ["unknown windows", "window"]),
        ("[input]", "window = 0\n[input]", ["window"]),
        ("[input]", "window = 2.0\n[input]", ["window"]),
        ("[input]", "window = 99999\n[input]", ["window", "4096"]),
        ("[input]", "window = 4\n[input]", ["layout", "missing: t"]),
        ("[input]", "flip_averaging = 1\n[input]", ["flip_averaging", "true or false"]),
        ("[input]", "[inputs]", ["[input]", "no layout"]),
        ('[input]\nlayout = "b j c"', '[input]\nlayout = "B J C"', ["layout", "axes b t j c"]),
        ('[input]\nlayout = "b j c"', '[input]\nlayout = "b j j c"', ["layout", "once"]),
        ('[input]\nlayout = "b j c"', '[input]\nlayout = "(b j) c"', ["layout", "batch"]),
        ('[input]\nlayout = "b j c"', '[input]\nlayout = "b (j c"', ["layout"]),
        ("[output]", 'coordinates = "crop"\n[output]', ["coordinates", "pixels, screen, camera"]),
        ("[output]", 'centre = "hip"\n[output]', ["centre", "root"]),
        ("[output]", 'scale = "unit"\n[output]', ["scale", "norm"]),
        ("[output]", 'axes = "x z"\n[output]', ["axes", "x -y"]),
        ("[output]", 'axes = "x --y"\n[output]', ["axes"]),
        ("[output]", "std = 0\n[output]", ["std", "above 0"]),
        ("[output]", "mean = nan\n[output]", ["mean"]),
        ("[output]", "mean = [1, 2, 3]\n[output]", ["mean", "(2,)"]),
        ("[output]", "mean = [[1, 2], [3]]\n[output]", ["mean", "(17, 2)"]),
        ("[output]", 'joints = ["pelvis", "nose"]\n[output]', ["joints", "neck_nose"]),
        ("[output]", 'joints = ["pelvis", "pelvis"]\n[output]', ["joints"]),
        ("[output]", "frame = 1\n[output]", ["unknown frame"]),
        ('unit = "mm"', "", ["no unit", "unknown"]),
        ('unit = "mm"', 'unit = "cm"', ["unit", "mm"]),
        ('unit = "mm"', 'unit = "mm"\nframe = "world"', ["frame", "camera"]),
        ('unit = "mm"', 'unit = "mm"\nframes = "window"', ["frames", "one frame"]),
        ('unit = "mm"', 'unit = "mm"\nkind = "depth"', ["no distance"]),
        ('unit = "mm"', 'unit = "mm"\ndistance = 5', ["unknown distance"]),
        ('unit = "mm"', 'unit = "mm"\njoints = ["pelvis"]', ["joints", "only the root may be left out"]),
        ('unit = "mm"', 'unit = "mm"\nname = 3', ["name"]),
    ],
)
def test_a_wrong_field_is_named_with_what_it_may_be(flat, old, new, words):
    path = flat()
    toml = path.with_suffix(".toml")
    text = toml.read_text()
    assert old in text
    toml.write_text(text.replace(old, new, 1))
    with pytest.raises(PosebenchError) as error:
        open_onnx(path)
    for word in ("model.toml", "docs/lifters.md", *words):
        assert word in str(error.value)


def test_a_missing_toml_is_told_with_its_name(flat):
    path = flat()
    path.with_suffix(".toml").unlink()
    with pytest.raises(PosebenchError, match=r"model\.toml: No such file.*a TOML beside the ONNX file.*docs/lifters\.md"):
        open_onnx(path)


@pytest.mark.parametrize("content", [b"id = ", b"\xff\xfe", b"id = 3\nid = 4", b"a = " + b"[" * 20000])
def test_a_file_that_is_no_toml_is_told_so(flat, content):
    path = flat()
    path.with_suffix(".toml").write_bytes(content)
    with pytest.raises(PosebenchError, match=r"model\.toml.*Wanted: a TOML file"):
        open_onnx(path)


def test_a_toml_without_bounds_is_not_read(tmp_path):
    path = tmp_path / "model.toml"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(PosebenchError, match="1,099,511,627,776 bytes"):
        read_card(path)


def test_a_window_without_a_middle_frame_is_refused_where_one_is_needed(network):
    path = windowed(network)
    toml = path.with_suffix(".toml")
    toml.write_text(toml.read_text().replace("window = 5", "window = 4"))
    with pytest.raises(PosebenchError, match="no middle one"):
        open_onnx(path)


def test_every_example_of_the_documentation_is_a_whole_toml(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "lifters.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    ids = []
    for example in examples:
        (tmp_path / "model.toml").write_text(example, encoding="utf-8")
        ids.append(read_card(tmp_path / "model.toml").id)
    assert ids == ["martinez-theirs", "videopose3d-243", "motionbert-like", "repnet-theirs", "chen-like"]


def test_every_field_of_the_toml_is_in_the_documentation():
    """The tables list the fields that the reader asks for, and no others."""
    from posebench.base.schema import Fields
    from posebench.lifters.onnx import card as onnx_card

    folder = Path(__file__).parents[3]
    listed = re.findall(r"^\| (`[^|]*?`) \|", (folder / "docs" / "lifters.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)} - {"LIFTER"}
    source = Path(onnx_card.__file__).read_text(encoding="utf-8")
    methods = "|".join(name for name in vars(Fields) if not name.startswith("_"))
    asked = set(re.findall(rf'fields\.(?:{methods})\(\s*"(\w+)"', source)) | set(re.findall(r'vector\("(\w+)"', source))
    assert documented == asked - {"input", "output"}
