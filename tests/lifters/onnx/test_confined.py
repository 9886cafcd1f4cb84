"""Networks that never end, take all memory, or make their child process end."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.lifters.onnx import confined
from posebench.lifters.onnx.model import open_onnx

from .networks import FLAT_NODES, FLAT_TOML, FLAT_WEIGHTS, points


def loop(network):
    """A network whose loop ends after 2**62 rounds."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["a"], ["b"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, ["N", 17, 3])],
        [value("go_on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, ["N", 17, 3])],
    )
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Loop", ["rounds", "yes", "p"], ["y"], {"body": body})]
    weights = FLAT_WEIGHTS | {"rounds": np.array(2**62), "yes": np.array(True)}
    return network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights)


def fill(network, *, early):
    """A network that makes an array of 2**32 numbers, 16 GiB: when it is loaded if ``early``, else when it runs."""
    shape = [("Identity", ["much"], ["shape"])]
    if not early:
        shape = [("Shape", ["x"], ["sizes"]), ("Mul", ["sizes", "none"], ["zeros"]), ("ReduceSum", ["zeros"], ["no"], {"keepdims": 0})]
        shape.append(("Add", ["much", "no"], ["shape"]))
    nodes = [*shape, ("ConstantOfShape", ["shape"], ["ones"]), ("ReduceMax", ["ones"], ["most"], {"keepdims": 0})]
    nodes += [("Pad", ["x", "pads", "zero"], ["p"]), ("Add", ["p", "most"], ["y"])]
    weights = FLAT_WEIGHTS | {"much": np.array([2**16, 2**16]), "none": np.array(0)}
    return network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights)


def test_a_network_without_end_is_ended_and_told(network, monkeypatch):
    lifter = open_onnx(loop(network))
    monkeypatch.setenv("POSEBENCH_ONNX_SECONDS", "0.5")
    with pytest.raises(
        PosebenchError, match=r"model\.onnx on an input of shape \(7, 17, 2\): no answer within 0.5 s.*POSEBENCH_ONNX_SECONDS"
    ):
        lifter.lift(points(), None)


@pytest.mark.parametrize("early", [True, False])
def test_a_network_that_takes_all_memory_is_refused(network, monkeypatch, early):
    monkeypatch.setenv("POSEBENCH_ONNX_GIB", "1")
    with pytest.raises(PosebenchError, match=r"model\.onnx"):
        open_onnx(fill(network, early=early)).lift(points(), None)


def test_another_network_runs_on_when_the_child_was_ended(network):
    flat = open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS))
    before = flat.lift(points(), None)
    confined._child.end()
    np.testing.assert_array_equal(flat.lift(points(), None), before)


def test_in_the_child_and_in_this_process_a_network_gives_the_same(network):
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    here, there = (open_onnx(path, confined=confined).lift(points(3000), None) for confined in (False, True))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_a_limit_that_is_no_number_is_told(network, monkeypatch, value):
    monkeypatch.setenv("POSEBENCH_ONNX_SECONDS", value)
    with pytest.raises(PosebenchError, match=f"POSEBENCH_ONNX_SECONDS={value}"):
        open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS))


def test_networks_that_are_no_longer_used_are_forgotten(network):
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    lifter = open_onnx(path)
    key = lifter.session._arguments["key"]
    del lifter
    assert key in confined._unused
    open_onnx(path)
    assert key not in confined._unused
