"""Small networks in ONNX files, built node by node."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def network(tmp_path):
    """Writes ``name.onnx`` of the given nodes, and ``name.toml``; returns the ONNX file's path."""
    pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
    pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")
    from onnx import TensorProto, helper, numpy_helper

    def write(toml, nodes, shape, out, weights=(), *, name="model", kind=TensorProto.FLOAT, outputs=("y",), domains=(), change=None):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node(*node[:3], domain=node[4] if len(node) > 4 else "", **(node[3] if len(node) > 3 else {})) for node in nodes],
            "network",
            [value("x", kind, shape)],
            [value(name, kind, out) for name in outputs],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(weights).items()],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 17), *domains)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 9
        if change:
            change(model)
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        if toml is not None:
            path.with_suffix(".toml").write_text(toml, encoding="utf-8")
        return path

    return write
