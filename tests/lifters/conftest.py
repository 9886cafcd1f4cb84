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


@pytest.fixture(scope="session")
def make_run(walker):
    """Writes the folder of a finished run of martinez, its weights drawn and its statistics those of a walker, not trained."""
    pytest.importorskip("torch", reason="runs need the extra [baselines]")
    pytest.importorskip("safetensors", reason="runs need the extra [baselines]")
    import torch

    from posebench.geometry import Camera
    from posebench.lifters.trained import build
    from posebench.lifters.weights import About, save_weights
    from posebench.provenance import Provenance
    from posebench.training.recipe import Recipe

    def write(folder, *, seed=0, flip_averaging=False, finished=True, **settings):
        settings = {"width": 16, "epochs": 1, "batch": 8, "learning_rate": 1e-3, "flip_averaging": flip_averaging, **settings}
        dataset = {"name": "walker", "version": "1", "fingerprint": "0" * 64}
        recipe = Recipe("martinez", "default", "smoke", seed, dataset, ("A", "B"), "gt", "h36m17", settings)
        folder.mkdir(parents=True)
        (folder / "recipe.toml").write_text(recipe.dump(), encoding="utf-8")
        torch.manual_seed(seed)
        method = build(recipe)
        pose = torch.from_numpy(walker(60)).float()
        method.lifter.fit(pose[..., :2] / pose[..., 2:], pose)
        made = Provenance("default", "smoke", seed, "walker 1", "gt", 1, flip_averaging)
        nominal = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([500.0, 510.0]), (1000, 1020))
        if finished:
            save_weights(folder, method.lifter, About("martinez", "paired 3D", nominal, made, {"seconds": 1.5, "device": "cpu"}))
        return folder

    return write
