"""From a network's output to poses."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters.flat import Flat
from posebench.lifters.onnx.model import open_onnx

from .networks import CAMERA, FLAT_NODES, FLAT_TOML, FLAT_WEIGHTS, HEAD, about_root, points


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
    assert lifter.info.flip_averaging
    mirror = list(skeleton("h36m17").mirror)
    lean = 4.5 * (np.arange(17) - np.array(mirror))  # half the difference between a joint and its counterpart
    np.testing.assert_allclose(lifter.lift(px, CAMERA)[..., 0], about_root(px)[..., 0] + lean, atol=1e-3)
