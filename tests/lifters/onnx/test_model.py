"""Networks in ONNX files: what goes in and comes out, told by hand in numpy; and files that are wrong or mean harm."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.cli import main as cli
from posebench.data import open_dataset
from posebench.lifters import Lifter, predict
from posebench.lifters.flat import Flat
from posebench.lifters.onnx.card import read_card
from posebench.lifters.onnx.layout import Layout
from posebench.lifters.onnx.model import open_onnx
from posebench.predictions.archive import open_predictions

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

JOINTS = skeleton("h36m17").joints
CAMERA = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([490.0, 510.0]), (1000, 800))
HEAD = 'id = "theirs"\nsupervision = "paired 3D"\nskeleton = "h36m17"\n'

#: z = 0 for the keypoints as they are.
FLAT_NODES = [("Pad", ["x", "pads", "zero"], ["y"])]
FLAT_WEIGHTS = {"pads": np.array([0, 0, 0, 0, 0, 1]), "zero": np.array(0.0, dtype=np.float32)}
FLAT_TOML = 'id = "flat-onnx"\nsupervision = "none"\nskeleton = "h36m17"\n[input]\nlayout = "b j c"\ncentre = "root"\n' + (
    '[output]\nlayout = "b j c"\nunit = "unknown"\n'
)


def points(frames=7, seed=0):
    return np.random.default_rng(seed).uniform(50, 750, (frames, 17, 2))


def about_root(pose):
    return pose - pose[:, :1]


@pytest.fixture
def flat(network):
    def write(input="", output="", head=HEAD, **options):
        """The keypoints as they come, with z = 0, under a TOML with these lines more."""
        unit = "" if "unit" in output else 'unit = "mm"\n'
        toml = f'{head}[input]\nlayout = "b j c"\n{input}\n[output]\nlayout = "b j c"\n{unit}{output}\n'
        return network(toml, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS, **options)

    return write


# --- the job -----------------------------------------------------------------------------------------------------------------------


def test_a_network_that_is_flat_gives_the_predictions_of_flat(network):
    dataset = open_dataset("synthetic")
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    lifter = open_onnx(path)
    clip = dataset.load(dataset.clip_ids("test")[0])
    ours, theirs = Flat().lift(clip.keypoints("gt"), clip.camera), lifter.lift(clip.keypoints("gt"), clip.camera)
    np.testing.assert_array_equal(theirs.astype(np.float32), ours.astype(np.float32))


def test_a_network_is_predicted_and_scored_from_the_command_line(network, synthetic_part, tmp_path, capsys, monkeypatch):
    import posebench.data

    few = synthetic_part(takes=["Walking 1", "Sitting 1"])
    monkeypatch.setattr(posebench.data, "open_dataset", lambda *_, **__: few)
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    for lifter, output in ((str(path), "theirs"), ("flat", "ours")):
        file = str(tmp_path / f"{output}.npz")
        assert cli.main(["predict", lifter, "--dataset", "synthetic", "--threads", "1", "-o", file]) == 0
        score = ["score", file, "--protocol", "synthetic", "--allow-partial", "-o", str(tmp_path / f"{output}.json")]
        assert cli.main(score) == 0, capsys.readouterr().err
    with open_predictions(tmp_path / "theirs.npz") as theirs, open_predictions(tmp_path / "ours.npz") as ours:
        assert (theirs.meta.method, theirs.meta.scale, theirs.meta.unit) == ("flat-onnx", "unknown", None)
        assert len(theirs.shapes) == len(few.infos) * 2 // 7  # S9 and S11 of seven subjects
        for clip in ours.shapes:
            np.testing.assert_array_equal(theirs.poses(clip), ours.poses(clip))
    from posebench.scoring.result import load_result

    results = [load_result(tmp_path / f"{name}.json") for name in ("ours", "theirs")]
    assert results[0].value("PA-MPJPE") == results[1].value("PA-MPJPE") > 20


def test_what_the_toml_states_is_what_the_lifter_says(flat):
    lifter: Lifter = open_onnx(flat(output='unit = "m"'))
    assert (lifter.id, lifter.skeleton, lifter.supervision, lifter.scale) == ("theirs", "h36m17", "paired 3D", "metric")
    assert (lifter.context, lifter.flip_averaging) == (1, False)


# --- what goes in ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", lambda px: px),
        ('coordinates = "screen"', lambda px: np.stack([px[..., 0] / 500 - 1, px[..., 1] / 500 - 0.8], -1)),
        ('coordinates = "camera"', lambda px: (px - [490.0, 510.0]) / [1100.0, 1150.0]),
        ('centre = "root"', about_root),
        ('centre = "mean"', lambda px: px - px.mean(axis=1, keepdims=True)),
        ('axes = "y -x"', lambda px: np.stack([px[..., 1], -px[..., 0]], -1)),
        (
            'centre = "mean"\nscale = "std"\naxes = "x -y"',  # RepNet: about the mean of the joints, over the std of the 2J numbers
            lambda px: (
                (px - px.mean(axis=1, keepdims=True)) * [1, -1] / (px - px.mean(axis=1, keepdims=True)).std(axis=(1, 2))[:, None, None]
            ),
        ),
        (
            'centre = "root"\nscale = "norm"',
            lambda px: about_root(px) / np.linalg.norm(about_root(px).reshape(len(px), -1), axis=1)[:, None, None],
        ),
        ("mean = 100\nstd = 20", lambda px: (px - 100) / 20),
        ("mean = [100, 200.5]\nstd = [2, 4]", lambda px: (px - [100, 200.5]) / [2, 4]),
        (
            f"mean = {[[k, 2.0 * k] for k in range(17)]}\nstd = {[[k + 1, 3.0] for k in range(17)]}",
            lambda px: (px - np.stack([np.arange(17), 2 * np.arange(17)], -1)) / np.stack([np.arange(17) + 1, np.full(17, 3)], -1),
        ),
    ],
)
def test_keypoints_are_normalised_as_stated(flat, lines, expected):
    px = points()
    want = expected(px)
    given = open_onnx(flat(lines)).lift(px, CAMERA)
    np.testing.assert_allclose(given[..., :2], about_root(want), atol=1e-6 * np.abs(want).max())
    assert (given[..., 2] == 0).all()


@pytest.mark.parametrize("scale", ["std", "norm"])
def test_a_poses_centre_and_size_are_those_of_the_joints_that_the_network_takes(tmp_path, scale):
    taken = [name for name in JOINTS if name != "spine"]
    lines = f'[input]\nlayout = "b j c"\njoints = {taken}\ncentre = "mean"\nscale = "{scale}"\n'
    (tmp_path / "model.toml").write_text(HEAD + lines + '[output]\nlayout = "b j c"\nunit = "mm"\n')
    side, px = read_card(tmp_path / "model.toml").input, points()
    given = side.values(side.points(px, None, skeleton("h36m17")))
    px[:, JOINTS.index("spine")] += 500
    np.testing.assert_array_equal(side.values(side.points(px, None, skeleton("h36m17"))), given)
    np.testing.assert_allclose(given.mean(axis=1), 0, atol=1e-12)
    size = given.std(axis=(1, 2)) if scale == "std" else np.sqrt((given**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(size, 1)


def test_joints_in_the_networks_order_go_in_and_come_back_to_their_names(network):
    order = [*reversed(JOINTS)]
    lines = f"joints = {order}"
    toml = f'{HEAD}[input]\nlayout = "b j c"\n{lines}\n[output]\nlayout = "b j c"\nunit = "mm"\n{lines}\n'
    path = network(toml, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    px = points()
    np.testing.assert_allclose(open_onnx(path).lift(px, None)[..., :2], about_root(px), atol=1e-3)
    crossed = toml.replace(f'unit = "mm"\n{lines}', 'unit = "mm"')
    path.with_suffix(".toml").write_text(crossed)
    assert np.abs(open_onnx(path).lift(px, None)[..., :2] - about_root(px)).max() > 100


def test_martinez_takes_16_joints_and_gives_all_but_the_pelvis(network):
    """z-scores in and out, 32 numbers to 48, one linear layer: against the same in numpy."""
    random = np.random.default_rng(1)
    taken = [name for name in JOINTS if name != "neck_nose"]
    weight, bias = random.normal(size=(32, 48)).astype(np.float32), random.normal(size=48).astype(np.float32)
    mean2, std2 = random.uniform(400, 600, (16, 2)).round(2), random.uniform(50, 150, (16, 2)).round(2)
    mean3, std3 = random.normal(0, 200, (16, 3)).round(2), random.uniform(50, 150, (16, 3)).round(2)
    toml = (
        f'{HEAD}[input]\nlayout = "b (j c)"\njoints = {taken}\nmean = {mean2.tolist()}\nstd = {std2.tolist()}\n'
        f'[output]\nlayout = "b (j c)"\njoints = {list(JOINTS[1:])}\nunit = "mm"\nmean = {mean3.tolist()}\nstd = {std3.tolist()}\n'
    )
    path = network(toml, [("Gemm", ["x", "w", "b"], ["y"])], ["N", 32], ["N", 48], {"w": weight, "b": bias})
    px = points(2500)  # more than one tile
    z = (px[:, [JOINTS.index(name) for name in taken]] - mean2) / std2
    want = ((z.reshape(-1, 32) @ weight + bias).reshape(-1, 16, 3) * std3) + mean3
    given = open_onnx(path).lift(px, None)
    assert (given[:, 0] == 0).all()
    np.testing.assert_allclose(given[:, 1:], want, atol=0.01)


def test_a_planar_layout_puts_all_x_before_all_y(network):
    nodes = [
        ("Concat", ["x", "x0"], ["y"], {"axis": 1}),
        ("Slice", ["x", "from", "to", "axis"], ["half"]),
        ("Mul", ["half", "zero"], ["x0"]),
    ]
    nodes = [nodes[1], nodes[2], nodes[0]]
    weights = {"from": np.array([0]), "to": np.array([17]), "axis": np.array([1]), "zero": np.array(0.0, dtype=np.float32)}
    toml = f'{HEAD}[input]\nlayout = "b (c j)"\n[output]\nlayout = "b (c j)"\nunit = "mm"\n'
    px = points()
    given = open_onnx(network(toml, nodes, ["N", 34], ["N", 51], weights)).lift(px, None)
    np.testing.assert_allclose(given[..., :2], about_root(px), atol=1e-3)
    assert (given[..., 2] == 0).all()


def test_a_third_channel_of_ones_is_added_for_networks_that_take_a_confidence(network):
    toml = f'{HEAD}[input]\nlayout = "b j c"\nconfidence = true\n[output]\nlayout = "b j c"\nunit = "mm"\n'
    # The root's third number is taken away again as z: make it visible by a weight that grows along the joints.
    grow = np.broadcast_to(np.arange(17, dtype=np.float32)[:, None], (17, 3)).copy()
    given = open_onnx(network(toml, [("Mul", ["x", "w"], ["y"])], ["N", 17, 3], ["N", 17, 3], {"w": grow})).lift(points(), None)
    np.testing.assert_array_equal(given[..., 2], np.broadcast_to(np.arange(17), (7, 17)))


def test_a_network_of_double_precision_is_given_doubles(network):
    from onnx import TensorProto

    toml = FLAT_TOML
    weights = FLAT_WEIGHTS | {"zero": np.array(0.0)}
    path = network(toml, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], weights, kind=TensorProto.DOUBLE)
    np.testing.assert_array_equal(open_onnx(path).lift(points(), None), Flat().lift(points(), None))


# --- windows -----------------------------------------------------------------------------------------------------------------------


def edge(clip, window):
    """The clip with its first and last frame repeated, as VideoPose3D pads."""
    return np.concatenate([np.repeat(clip[:1], window // 2, 0), clip, np.repeat(clip[-1:], window // 2, 0)])


#: Weighs the frames of a window of five; not symmetric, so that time's direction shows.
WEIGHTS5 = np.array([1.0, 2.0, 4.0, 8.0, 16.0], dtype=np.float32)


def windowed(network, shape=("N", 5, 17, 2), layout="b t j c", out=("N", 1, 17, 3), **options):
    nodes = [("Mul", ["x", "w"], ["m"]), ("ReduceSum", ["m", "axis"], ["s"], {"keepdims": 1}), ("Pad", ["s", "pads", "zero"], ["y"])]
    weights = {"w": WEIGHTS5[:, None, None], "axis": np.array([1]), "pads": np.array([0] * 7 + [1]), "zero": np.array(0, dtype=np.float32)}
    toml = f'{HEAD}window = 5\n[input]\nlayout = "{layout}"\n[output]\nlayout = "b t j c"\nunit = "mm"\n'
    return network(toml, nodes, list(shape), list(out), weights, **options)


@pytest.mark.parametrize("frames", [1, 2, 5, 9, 1000])
def test_each_frame_gets_the_window_about_it_with_the_ends_repeated(network, frames):
    px = points(frames)
    padded = edge(px, 5)
    want = np.stack([np.tensordot(WEIGHTS5, padded[t : t + 5], axes=1) for t in range(frames)])
    lifter = open_onnx(windowed(network))
    assert lifter.context == 5
    given = lifter.lift(px, None)
    np.testing.assert_allclose(given[..., :2], about_root(want), rtol=1e-5, atol=0.01)


def test_a_network_of_a_fixed_batch_size_is_fed_whole_batches(network):
    px = points(10)
    free = open_onnx(windowed(network)).lift(px, None)
    for size in (1, 4):
        fixed = open_onnx(windowed(network, shape=(size, 5, 17, 2), out=(size, 1, 17, 3), name=f"fixed{size}"))
        np.testing.assert_array_equal(fixed.lift(px, None), free)


@pytest.mark.parametrize("frames", [1, 4, 6, 7, 12, 18, 1201])
def test_a_sequence_network_gives_every_frame_of_its_window_once(network, frames):
    """Each frame plus a number that grows along the window shows which place in a window a frame was taken from."""
    window = 6
    place = np.broadcast_to(np.arange(window, dtype=np.float32)[:, None, None] * np.arange(17)[:, None], (window, 17, 1)).astype(np.float32)
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Add", ["p", "w"], ["y"])]
    weights = {
        "w": np.concatenate([np.zeros((window, 17, 2), np.float32), place], -1),
        "pads": np.array([0] * 7 + [1]),
        "zero": np.array(0, dtype=np.float32),
    }
    toml = f'{HEAD}window = {window}\n[input]\nlayout = "b t j c"\n[output]\nlayout = "b t j c"\nframes = "window"\nunit = "mm"\n'
    px = points(frames)
    given = open_onnx(network(toml, nodes, ["N", window, 17, 2], ["N", window, 17, 3], weights)).lift(px, None)
    np.testing.assert_allclose(given[..., :2], about_root(px), atol=1e-3)
    # Windows stand one after the other; the last one is moved back to the clip's end.
    start = np.arange(frames) // window * window
    start = np.minimum(start, max(frames - window, 0))
    np.testing.assert_allclose(given[:, 1, 2], np.arange(frames) - start)


@pytest.mark.parametrize("frames", [1, 3, 40, 2100])
def test_a_convolution_that_slides_gives_what_its_windows_give(network, frames):
    """A convolution over time of width 5 on (B, 34, T), without padding, run over the clip at once."""
    kernel = np.zeros((51, 34, 5), dtype=np.float32)
    for j in range(17):
        for c in range(2):
            kernel[3 * j + c, 2 * j + c] = WEIGHTS5
    nodes = [("Conv", ["x", "k"], ["y"])]
    toml = f'{HEAD}window = 5\n[input]\nlayout = "b (j c) t"\n[output]\nlayout = "b (j c) t"\nframes = "slide"\nunit = "mm"\n'
    path = network(toml, nodes, ["N", 34, "T"], ["N", 51, "T2"], {"k": kernel}, name="slide")
    px = points(frames)
    np.testing.assert_allclose(open_onnx(path).lift(px, None), open_onnx(windowed(network)).lift(px, None), rtol=1e-4, atol=0.01)


def test_a_clip_without_frames_gives_no_poses(network):
    assert open_onnx(windowed(network)).lift(np.empty((0, 17, 2)), None).shape == (0, 17, 3)


# --- what comes out ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('unit = "m"', lambda pose: 1000 * pose),
        ('unit = "unknown"', lambda pose: pose),
        ("mean = 7\nstd = 2", lambda pose: 2 * pose),  # one mean for all joints goes with the root
        (
            f"std = [2, 3, 4]\nmean = {[[k, 0, 5.0 * k] for k in range(17)]}",
            lambda pose: pose * [2, 3, 4] + np.arange(17)[:, None] * [1, 0, 5],
        ),
        ('axes = "x -y -z"', lambda pose: pose * [1, -1, -1]),
        ('axes = "z -x y"', lambda pose: np.stack([pose[..., 2], -pose[..., 0], pose[..., 1]], -1)),
    ],
)
def test_poses_are_brought_to_mm_and_the_cameras_axes_as_stated(flat, lines, expected):
    px = points()
    pose = np.concatenate([px, np.zeros((7, 17, 1))], -1)
    np.testing.assert_allclose(open_onnx(flat(output=lines)).lift(px, None), about_root(expected(pose)), rtol=1e-5, atol=0.5)


@pytest.mark.parametrize("layout", ["b j c", "b j"])
def test_a_depth_is_lifted_along_the_line_of_sight(network, layout):
    """Chen 2019, ITES: x about the root in units of 1 / c, d -> (x z, y z, z) with z = max(1, c + d)."""
    scale = np.linspace(-3, 3, 17, dtype=np.float32)[:, None]
    nodes = [("ReduceSum", ["x", "axis"], ["s"], {"keepdims": int(layout == "b j c")}), ("Mul", ["s", "w"], ["y"])]
    weights = {"axis": np.array([2]), "w": scale if layout == "b j c" else scale[:, 0]}
    toml = (
        f'{HEAD}[input]\nlayout = "b j c"\ncentre = "root"\nstd = 150\n'
        f'[output]\nlayout = "{layout}"\nkind = "depth"\ndistance = 5\nunit = "unknown"\n'
    )
    path = network(toml, nodes, ["N", 17, 2], ["N", 17, 1] if layout == "b j c" else ["N", 17], weights)
    px = points(50)
    x = about_root(px)
    z = np.maximum(1, 5 + (x / 150).sum(-1) * scale[:, 0])
    assert (z == 1).any()
    assert (z > 1).any()
    want = np.concatenate([x * z[..., None], z[..., None]], -1)
    np.testing.assert_allclose(open_onnx(path).lift(px, None), about_root(want), rtol=1e-4, atol=1e-2)


def test_poses_that_are_not_finite_are_passed_on(network):
    path = network(FLAT_TOML, [("Log", ["x"], ["l"]), ("Pad", ["l", "pads", "zero"], ["y"])], ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    path.with_suffix(".toml").write_text(FLAT_TOML.replace("root", "none"))
    px = points()
    px[3, 5] = -1.0
    given = open_onnx(path).lift(px, None)
    assert np.isnan(given).any(axis=(1, 2)).tolist() == [frame == 3 for frame in range(7)]


def test_a_pose_without_extent_or_too_large_for_float32_is_not_finite_and_no_warning(flat):
    px = points()
    px[2] = 400.0
    given = open_onnx(flat('centre = "mean"\nscale = "std"')).lift(px, None)
    assert np.isnan(given[..., :2]).all(axis=(1, 2)).tolist() == [False, False, True, False, False, False, False]
    px[2, 4] = 1e200
    assert not np.isfinite(open_onnx(flat()).lift(px, None)[2]).all()


def test_one_output_of_several_is_chosen_by_its_name(network):
    toml = FLAT_TOML.replace('unit = "unknown"', 'unit = "unknown"\nname = "y"')
    nodes = [*FLAT_NODES, ("Neg", ["y"], ["z"])]
    path = network(toml, nodes, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS, outputs=("y", "z"))
    np.testing.assert_allclose(open_onnx(path).lift(points(), None), Flat().lift(points(), None), atol=1e-3)
    path.with_suffix(".toml").write_text(FLAT_TOML)
    with pytest.raises(PosebenchError, match=r"'y', 'z'.*name"):
        open_onnx(path)
    path.with_suffix(".toml").write_text(toml.replace('name = "y"', 'name = "q"'))
    with pytest.raises(PosebenchError, match="'q'"):
        open_onnx(path)


def test_flip_averaging_is_done_where_the_toml_asks_for_it(flat):
    px = points()
    lifter = open_onnx(
        flat("mean = [0, 0]", head=HEAD + "flip_averaging = true\n", output=f"mean = {[[9.0 * k, 0, 0] for k in range(17)]}")
    )
    assert lifter.flip_averaging
    mirror = list(skeleton("h36m17").mirror)
    lean = 4.5 * (np.arange(17) - np.array(mirror))  # half the difference between a joint and its counterpart
    np.testing.assert_allclose(lifter.lift(px, CAMERA)[..., 0], about_root(px)[..., 0] + lean, atol=1e-3)


# --- files that are wrong ----------------------------------------------------------------------------------------------------------


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


def test_a_window_without_a_middle_frame_is_refused_where_one_is_needed(network):
    path = windowed(network)
    toml = path.with_suffix(".toml")
    toml.write_text(toml.read_text().replace("window = 5", "window = 4"))
    with pytest.raises(PosebenchError, match="no middle one"):
        open_onnx(path)


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


def test_a_missing_network_is_told_with_its_name(tmp_path):
    with pytest.raises(PosebenchError, match=r"nowhere\.onnx: no such file"):
        open_onnx(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09", b"PK\x03\x04" * 50])
def test_a_file_that_is_no_network_is_refused(flat, content):
    path = flat()
    path.write_bytes(content)
    with pytest.raises(PosebenchError, match=r"model\.onnx"):
        open_onnx(path)


def test_a_network_that_is_cut_off_is_refused(flat):
    path = flat()
    whole = path.read_bytes()
    for part in range(0, len(whole), 7):
        path.write_bytes(whole[:part])
        with pytest.raises(PosebenchError, match=r"model\.onnx"):
            open_onnx(path)


def test_a_huge_file_is_not_read(flat):
    path = flat()
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(PosebenchError, match="1,099,511,627,776 bytes"):
        open_onnx(path)


@pytest.mark.parametrize(
    ("shape", "out", "words"),
    [
        (["N", 16, 2], ["N", 16, 3], ["input 'x'", "(N, 16, 2)", "(any, 17, 2)"]),
        (["N", 17, 3], ["N", 17, 4], ["input 'x'", "(any, 17, 2)"]),
        ([1, "N", 17, 2], [1, "N", 17, 3], ["input 'x'", "'b j c'"]),
        ([17, 2], [17, 3], ["input 'x'", "(any, 17, 2)"]),
    ],
)
def test_a_network_of_another_shape_than_stated_is_refused_before_it_runs(network, shape, out, words):
    weights = FLAT_WEIGHTS | {"pads": np.array([0] * (2 * len(shape) - 1) + [1])}
    path = network(FLAT_TOML, FLAT_NODES, shape, out, weights)
    with pytest.raises(PosebenchError) as error:
        open_onnx(path)
    for word in words:
        assert word in str(error.value)


def test_an_output_of_another_shape_is_refused_before_it_runs(network):
    path = network(FLAT_TOML, [("Identity", ["x"], ["y"])], ["N", 17, 2], ["N", 17, 2])
    with pytest.raises(PosebenchError, match=r"output 'y' of shape \(N, 17, 2\).*\(any, 17, 3\)"):
        open_onnx(path)


def test_an_output_whose_shape_shows_only_when_it_runs_is_refused_with_the_clips_name(network):
    path = network(FLAT_TOML, [("Identity", ["x"], ["y"])], ["N", "J", "C"], ["N", "J", "D"])
    with pytest.raises(PosebenchError, match=r"clip S\d+/.*: .*model\.onnx: an output of shape \(\d+, 17, 2\).*17, 3\)"):
        next(predict(open_onnx(path), open_dataset("synthetic")))


def test_a_network_that_fails_when_it_runs_is_told_with_the_input(network):
    nodes = [("Gather", ["x", "far"], ["g"], {"axis": 0}), ("Add", ["x", "g"], ["a"]), ("Pad", ["a", "pads", "zero"], ["y"])]
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS | {"far": np.array([9000])})
    with pytest.raises(PosebenchError, match=r"failed on an input of shape \(7, 17, 2\)") as error:
        open_onnx(path).lift(points(), None)
    assert "\n" not in str(error.value)


def test_a_network_that_slides_must_be_free_in_time(network):
    path = windowed(network)
    toml = path.with_suffix(".toml")
    toml.write_text(toml.read_text() + 'frames = "slide"\n')
    with pytest.raises(PosebenchError, match=r"\(N, 5, 17, 2\).*\(any, any, 17, 2\)"):
        open_onnx(path)


def test_a_network_of_whole_numbers_is_refused(network):
    from onnx import TensorProto

    weights = FLAT_WEIGHTS | {"zero": np.array(0)}
    with pytest.raises(PosebenchError, match=r"tensor\(int64\).*tensor\(float\)"):
        open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], weights, kind=TensorProto.INT64))


def test_a_network_of_two_inputs_is_refused(network):
    from onnx import TensorProto, helper

    def second(model):
        model.graph.input.append(helper.make_tensor_value_info("camera", TensorProto.FLOAT, [9]))

    with pytest.raises(PosebenchError, match=r"'x', 'camera'.*one input"):
        open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS, change=second))


@pytest.mark.parametrize("name", [b"Steal", b"Ste\xffl"])
def test_an_operator_that_is_not_onnx_own_is_refused_in_one_paragraph(network, capfd, name):
    nodes = [("Steal", ["x"], ["y"], {}, "org.example")]
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], domains=[("org.example", 1)])
    path.write_bytes(path.read_bytes().replace(b"Steal", name))
    with pytest.raises(PosebenchError, match="ONNX's own operators") as error:
        open_onnx(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def outside(place):
    """Puts the weight ``w`` of a model into the file ``place``."""

    def change(model):
        from onnx import TensorProto

        tensors = [tensor for tensor in model.graph.initializer if tensor.name == "w"]
        tensors += [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
        (tensor,) = tensors
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place

    return change


IN_A_CONSTANT = "constant"


@pytest.mark.parametrize("where", ["initializer", IN_A_CONSTANT])
@pytest.mark.parametrize(
    "place", ["../secret.bin", "{folder}/secret.bin", "sub/../../secret.bin", "link.bin", "nowhere.bin", ".", "a\0b", "x" * 5000]
)
def test_weights_outside_the_networks_folder_are_not_read(network, tmp_path, monkeypatch, place, where):
    from onnx import numpy_helper

    secret = tmp_path.parent / "secret.bin"
    secret.write_bytes(np.ones(17 * 3, dtype=np.float32).tobytes())
    (tmp_path / "link.bin").symlink_to(secret)
    weight = np.ones((17, 3), dtype=np.float32)
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": weight}
    if where == IN_A_CONSTANT:
        nodes.insert(0, ("Constant", [], ["w"], {"value": numpy_helper.from_array(weight, "w")}))
        weights = FLAT_WEIGHTS
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside(place.format(folder=tmp_path.parent)))
    import onnxruntime

    def never(*_, **__):
        raise AssertionError("ONNX Runtime was given the file")

    monkeypatch.setattr(onnxruntime, "InferenceSession", never)
    with pytest.raises(PosebenchError, match="a file in"):
        open_onnx(path)


def test_a_place_of_weights_that_is_no_text_is_refused(network):
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": np.ones((17, 3), dtype=np.float32)}
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside("secret.bin"))
    path.write_bytes(path.read_bytes().replace(b"secret.bin", b"secre\xff.bin"))
    with pytest.raises(PosebenchError, match="a file in"):
        open_onnx(path)


def test_a_name_that_is_no_text_is_refused(flat):
    path = flat()
    path.write_bytes(path.read_bytes().replace(b"N", b"\xff"))
    with pytest.raises(PosebenchError, match=r"model\.onnx"):
        open_onnx(path)


def test_weights_beside_the_network_are_read_as_torchs_exporter_leaves_them(network, tmp_path):
    (tmp_path / "model.onnx.data").write_bytes(np.full((17, 3), 2.0, dtype=np.float32).tobytes())
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": np.ones((17, 3), dtype=np.float32)}
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside("model.onnx.data"))
    np.testing.assert_allclose(open_onnx(path).lift(points(), None), 2 * Flat().lift(points(), None), rtol=1e-5, atol=1e-3)
    with (tmp_path / "model.onnx.data").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(PosebenchError, match="bytes of weights"):
        open_onnx(path)


@pytest.mark.parametrize("coordinates", ["screen", "camera"])
def test_a_clip_without_a_camera_is_refused_where_the_coordinates_need_one(flat, coordinates):
    with pytest.raises(PosebenchError, match=f"no camera.*{coordinates}"):
        open_onnx(flat(f'coordinates = "{coordinates}"')).lift(points(), None)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_onnx_runtime_one_paragraph_says_how_to_get_it(flat, monkeypatch, capsys, package):
    path = flat()
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main(["predict", str(path), "--dataset", "synthetic", "-o", str(path.with_name("p.npz"))]) == 2
    err = capsys.readouterr().err
    assert f"no package {package}" in err
    assert 'pip install -c constraints.txt -e ".[baselines]"' in err
    assert err.count("\n") == 1
    assert not path.with_name("p.npz").exists()


def test_a_wrong_number_of_threads_is_refused(flat, capsys):
    path = flat()
    assert cli.main(["predict", str(path), "--dataset", "synthetic", "--threads", "-1", "-o", "p.npz"]) == 2
    assert "--threads" in capsys.readouterr().err
    assert open_onnx(path, threads=1).session.get_session_options().intra_op_num_threads == 1


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


# --- layouts -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["b t j c", "b j c t", "b (j c) t", "t b (c j)", "(t j c) b", "b c t j"])
def test_unpacking_a_layout_undoes_packing_it(text):
    layout = Layout.parse(text)
    assert str(layout) == text
    array = np.random.default_rng(0).normal(size=(2, 3, 5, 7))
    packed = layout.pack(array)
    sizes = dict(zip("btjc", array.shape, strict=True))
    assert packed.shape == layout.shape(sizes)
    np.testing.assert_array_equal(layout.unpack(packed, sizes), array)


def test_brackets_join_axes_with_the_last_changing_fastest():
    array = np.arange(6).reshape(1, 1, 3, 2)  # three joints, x and y
    assert Layout.parse("b (j c)").pack(array).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert Layout.parse("b (c j)").pack(array).tolist() == [[0, 2, 4, 1, 3, 5]]
