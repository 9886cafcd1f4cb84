"""From pixels to a network's input."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters.flat import Flat
from posebench.lifters.onnx.card import read_card
from posebench.lifters.onnx.model import open_onnx

from .networks import CAMERA, FLAT_NODES, FLAT_TOML, FLAT_WEIGHTS, HEAD, JOINTS, about_root, points


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
    given = side.array(side.normalised(px, None, skeleton("h36m17")))
    px[:, JOINTS.index("spine")] += 500
    np.testing.assert_array_equal(side.array(side.normalised(px, None, skeleton("h36m17"))), given)
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


@pytest.mark.parametrize("coordinates", ["screen", "camera"])
def test_a_clip_without_a_camera_is_refused_where_the_coordinates_need_one(flat, coordinates):
    with pytest.raises(PosebenchError, match=f"no camera.*{coordinates}"):
        open_onnx(flat(f'coordinates = "{coordinates}"')).lift(points(), None)
