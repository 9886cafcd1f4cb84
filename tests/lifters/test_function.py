"""Users' own code as a lifter: what it gets, how it describes itself, and what happens when it fails."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.data import open_dataset
from posebench.lifters import Lifter, LifterInfo, predict
from posebench.lifters.flat import Flat
from posebench.lifters.function import open_function
from posebench.predictions.archive import open_predictions

MINE = """
import numpy as np

def lift(keypoints, camera):
    return np.concatenate([keypoints, 0 * keypoints[..., :1]], axis=-1)
"""


@pytest.fixture(scope="module")
def dataset():
    return open_dataset("synthetic")


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a module into a current folder of its own; ``sys.path`` and ``sys.modules`` are as before afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    # Another test of this process may have imported a module of the same name.
    monkeypatch.delitem(sys.modules, "mine", raising=False)

    def write(text=MINE, name="mine"):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    yield write
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


def points(frames=6):
    return np.random.default_rng(0).uniform(0, 1000, (frames, 17, 2))


def test_a_function_of_the_current_folder_lifts(write, dataset):
    write()
    lifter: Lifter = open_function("mine:lift")(dataset)
    np.testing.assert_array_equal(lifter.lift(points(), None), Flat().lift(points(), None))
    assert (lifter.info.id, lifter.info.skeleton, lifter.info.supervision, lifter.info.scale) == ("lift", "h36m17", "unstated", "metric")
    assert (lifter.info.context, lifter.info.flip_averaging) == (1, False)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_function_is_given_double_precision_pixels_of_its_own_and_the_camera(write, dataset, kind):
    write("seen = []\n" + MINE.replace("    return", "    seen.append((keypoints.copy(), camera)); keypoints *= 0\n    return"))
    clip = dataset.load(dataset.clip_ids("test")[0])
    keypoints = clip.keypoints("gt").astype(kind)
    lifter = open_function("mine:lift")(dataset)
    before = keypoints.copy()
    lifter.lift(keypoints, clip.camera)
    ((given, camera),) = sys.modules["mine"].seen
    np.testing.assert_array_equal(given, before)
    assert given.dtype == np.float64
    assert camera is clip.camera
    np.testing.assert_array_equal(keypoints, before)


def test_attributes_of_the_function_describe_it(write, dataset):
    write(
        MINE
        + "lift.id, lift.unit, lift.supervision, lift.context = 'ours', 'm', 'paired 3D', 27\n"
        + "lift.skeleton, lift.flip_averaging = 'mpi17', True\n"
    )
    lifter = open_function("mine:lift")(dataset)
    assert (lifter.info.id, lifter.info.skeleton, lifter.info.supervision, lifter.info.context) == ("ours", "mpi17", "paired 3D", 27)
    assert lifter.info.flip_averaging
    root = 14  # the pelvis of mpi17
    np.testing.assert_allclose(lifter.lift(points(), None)[..., :2], 1000 * (points() - points()[:, [root]]))


def test_a_unit_means_nothing_where_the_scale_is_unknown(write, dataset):
    write(MINE + "lift.unit, lift.scale = 'm', 'unknown'\n")
    lifter = open_function("mine:lift")(dataset)
    assert lifter.info.scale == "unknown"
    np.testing.assert_array_equal(lifter.lift(points(), None), Flat().lift(points(), None))


OBJECTS = MINE.replace("def lift(", "def lift_it(") + (
    "class Net:\n    unit = 'm'\n    def lift(self, keypoints, camera):\n        return lift_it(keypoints, camera)\n"
    "net = Net()\nclass Holder:\n    inner = net\n"
)


@pytest.mark.parametrize(("name", "id"), [("Net", "Net"), ("net", "Net"), ("Holder.inner", "Net"), ("net.lift", "lift")])
def test_a_class_an_object_or_a_method_lifts_too(write, dataset, name, id):
    write(OBJECTS)
    lifter = open_function(f"mine:{name}")(dataset)
    factor = 1 if name == "net.lift" else 1000  # a method states nothing of itself
    np.testing.assert_allclose(lifter.lift(points(), None), factor * Flat().lift(points(), None))
    assert lifter.info.id == id


def test_an_object_with_an_info_can_be_wrapped_in_flip_averaging(write, dataset):
    text = MINE.replace("def lift(", "def lift_it(") + (
        "from posebench.lifters import LifterInfo\nfrom posebench.lifters.flip import FlipAveraged\n"
        "class Net:\n    info = LifterInfo('ours', 'h36m17', 'paired 3D', 'metric', context=27)\n"
        "    def lift(self, keypoints, camera):\n        return lift_it(keypoints, camera)\n"
        "net = FlipAveraged(Net())\n"
    )
    write(text)
    lifter = open_function("mine:net")(dataset)
    assert lifter.info == LifterInfo("ours", "h36m17", "paired 3D", "metric", context=27, flip_averaging=True)
    np.testing.assert_allclose(lifter.lift(points(), None), Flat().lift(points(), None), atol=1e-9)


@pytest.mark.usefixtures("write")
def test_a_lifter_of_posebench_itself_can_be_named(dataset):
    lifter = open_function("posebench.lifters.flat:Flat")(dataset)
    assert (lifter.info.id, lifter.info.scale, lifter.info.supervision) == ("flat", "unknown", "none")


def test_absolute_poses_are_put_at_their_root(write, dataset):
    write(MINE.replace("axis=-1)", "axis=-1) + [0, 0, 4500]"))
    np.testing.assert_array_equal(open_function("mine:lift")(dataset).lift(points(), None), Flat().lift(points(), None))


def test_poses_that_are_not_finite_are_passed_on(write, dataset):
    write(
        MINE
        + "def bad(keypoints, camera):\n    poses = lift(keypoints, camera)\n    poses[1], poses[2] = np.nan, np.inf\n    return poses\n"
    )
    given = open_function("mine:bad")(dataset).lift(points(), None)
    assert np.isfinite(given).all(axis=(1, 2)).tolist() == [True, False, False, True, True, True]


def test_a_module_may_import_its_neighbours_when_it_is_called(write, dataset):
    write("def helper(keypoints):\n    return Ellipsis\n", "neighbour")
    write(MINE.replace("    return", "    from neighbour import helper\n    assert helper(keypoints) is Ellipsis\n    return"))
    open_function("mine:lift")(dataset).lift(points(), None)


def test_one_function_is_predicted_from_the_command_line(write, dataset, synthetic_part, tmp_path, capsys, monkeypatch):
    import posebench

    monkeypatch.setattr(posebench, "open_dataset", lambda *_, **__: synthetic_part(takes=["Walking 1"]))
    write(MINE + "lift.id, lift.unit = 'mine', 'm'\n")
    assert cli.main(["predict", "mine:lift", "--dataset", "synthetic", "-o", "p.npz"]) == 0, capsys.readouterr().err
    with open_predictions(tmp_path / "p.npz") as file:
        assert (file.meta.method, file.meta.unit, file.meta.scale, file.meta.supervision) == ("mine", "mm", "metric", "unstated")
        id = next(iter(file.shapes))
        np.testing.assert_allclose(file.poses(id)[..., 0], 1000 * Flat().lift(dataset.load(id).keypoints("gt"), None)[..., 0], rtol=1e-4)


@pytest.mark.parametrize(("page", "first"), [("docs/how-to/run-your-lifter.md", "import numpy"), ("docs/lifters.md", "# mine.py")])
def test_the_examples_of_the_documentation_lift(write, dataset, page, first):
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) if block.startswith(first)]
    assert len([line for line in example.splitlines() if line.strip()]) < 14
    write(example)
    np.testing.assert_array_equal(open_function("mine:lift")(dataset).lift(points(), None), Flat().lift(points(), None))


# --- what goes wrong ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no\\nweights')", ["ValueError: no weights", "(", "17, 2)"]),
        ("raise SystemExit('bye')", ["SystemExit: bye"]),
        ("return keypoints", ["float64 of shape", "17, 2)", "17, 3)"]),
        ("return np.zeros((len(keypoints) - 1, 17, 3))", ["17, 3)"]),
        ("return None", ["object of shape ()"]),
        ("return [[1, 2], [3]]", ["ValueError"]),
        ("return np.zeros((len(keypoints), 17, 3), dtype=complex)", ["complex128"]),
        ("return np.full((len(keypoints), 17, 3), 'x')", ["<U1"]),
    ],
)
def test_an_error_in_a_function_names_the_clip(write, dataset, body, words):
    write(f"import numpy as np\ndef lift(keypoints, camera):\n    {body}\n")
    clip = dataset.clip_ids("test")[0]
    with pytest.raises(PosebenchError) as error:
        next(predict(open_function("mine:lift")(dataset), dataset))
    for word in (f"clip {clip}: mine:lift", "docs/lifters.md", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_the_error_of_a_function_with_one_argument_names_the_two_arguments(write, dataset):
    write("def lift(keypoints):\n    return keypoints\n")
    with pytest.raises(PosebenchError, match=r"takes 1 positional argument.*function\(keypoints"):
        open_function("mine:lift")(dataset).lift(points(), None)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("nowhere:lift", MINE, ["no module 'nowhere'", "current folder"]),
        ("mine.part:lift", MINE, ["no module 'mine.part'"]),
        ("mine:lifts", MINE, ["no 'lifts'", "one of lift"]),
        ("mine:lift.deeper", MINE, ["no 'deeper'"]),
        ("mine:", MINE, ["module:function"]),
        (":lift", MINE, ["module:function"]),
        ("../mine:lift", MINE, ["module:function"]),
        ("mine:lift()", MINE, ["module:function"]),
        ("mine:np", MINE, ["a module", "a function"]),
        ("mine:number", MINE + "number = 3\n", ["a int", "a function"]),
        ("mine:lift", "import no_such_package\n", ["mine fails when imported", "no_such_package"]),
        ("mine:lift", "def lift(:\n", ["SyntaxError"]),
        ("mine:lift", "raise SystemExit(3)\n", ["SystemExit: 3"]),
        ("mine:Net", "class Net:\n    def __init__(self, path):\n        pass\n", ["without arguments", "path"]),
        ("mine:Net", "class Net:\n    pass\n", ["a Net", "method lift"]),
        ("mine:lift", MINE + "lift.unit = 'cm'\n", ["unit = 'cm'", "mm, m"]),
        ("mine:lift", MINE + "lift.scale = 'known'\n", ["scale = 'known'"]),
        ("mine:lift", MINE + "lift.skeleton = 'h36m18'\n", ["h36m18"]),
        ("mine:lift", MINE + "lift.context = 0\n", ["context = 0"]),
        ("mine:lift", MINE + "lift.supervision = 'weak'\n", ["weak"]),
        ("mine:lift", MINE + "lift.id = ' '\n", ["id"]),
        ("mine:lift", MINE + "lift.flip_averaging = 'yes'\n", ["flip_averaging"]),
    ],
)
def test_a_wrong_name_or_module_is_reported_before_the_data_are_read(write, capsys, name, text, words):
    write(text)
    assert cli.main(["predict", name, "--dataset", "cmu", "--root", "nowhere", "-o", "p.npz"]) == 2
    err = capsys.readouterr().err
    for word in words:
        assert word in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that a process is in")
def test_a_current_folder_that_was_removed_is_told(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(PosebenchError, match=r"no current folder.*cd to a folder that exists"):
        open_function("mymodule:lift")
