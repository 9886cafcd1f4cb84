"""Lifts can be captured in a CUDA graph: seen from the CPU, no call in them copies between host and device."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch.overrides import TorchFunctionMode

from posebench.networks.recipe import load_baseline, read_method, resolve

#: Calls that make a tensor from Python numbers or bring one back to the host: capture refuses both.
COPIES = {"tensor", "new_tensor", "as_tensor", "from_numpy", "item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"}
CASES = [
    (method, recipe)
    for method in ("martinez", "chen2019", "repnet", "ites", "ites_teacher")
    for recipe in ("tuned", "paper", "released")
    if recipe == "tuned" or recipe in read_method(method)[0]["recipes"]
]


class HostCopies(TorchFunctionMode):
    """Collects the names of calls that copy between host and device, where the device is not the CPU."""

    def __init__(self):
        self.found = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", str(function))
        if name in {"__getitem__", "__setitem__"}:  # a list of Python numbers as an index becomes a tensor
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list | range) for part in index):
                self.found.append(name)
        elif name in COPIES:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def untrained(method, recipe):
    baseline = load_baseline(method)
    settings = resolve(read_method(method)[0], baseline.Settings, where="recipe.toml", recipe=recipe, preset="smoke")
    return baseline.build(settings, "h36m17").eval()


def test_copies_are_seen():
    points = torch.zeros(2, 3)
    with HostCopies() as seen:
        points[:, [0, 2]], points.new_tensor(1.0), points.sum().item()
    assert seen.found == ["__getitem__", "new_tensor", "item"]


@pytest.mark.parametrize(("method", "recipe"), CASES)
def test_a_lift_of_one_frame_copies_nothing_between_host_and_device(method, recipe):
    network = untrained(method, recipe)
    assert network.context == 1
    with torch.inference_mode(), HostCopies() as seen:
        network.lift(torch.zeros(1, 17, 2))
    assert seen.found == []


@pytest.mark.parametrize(("method", "recipe"), CASES)
def test_indices_are_no_weights(method, recipe):
    """A run of any version keeps the same numbers: all that is stored are floats, and flags or counts without dimensions."""
    stored = untrained(method, recipe).lifter.state_dict()
    assert [name for name, value in stored.items() if value.dim() and not value.is_floating_point()] == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(("method", "recipe"), CASES)
def test_a_lift_of_one_frame_is_captured(method, recipe):
    network, points = untrained(method, recipe).cuda(), torch.zeros(1, 17, 2, device="cuda")
    graph, side_stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    with torch.inference_mode():
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            network.lift(points)
        torch.cuda.current_stream().wait_stream(side_stream)
        with torch.cuda.graph(graph):
            network.lift(points)
