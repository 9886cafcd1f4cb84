"""Multiply-adds: recurrent layers by their closed form, everything else as PyTorch counts it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="timing needs the extra [baselines]")

import torch
from torch import nn
from torch.nn.utils import rnn

from posebench.lifters.timing.multiply_adds import count, per_step

LAYERS = [
    nn.LSTM(8, 16, batch_first=True),
    nn.LSTM(8, 16, num_layers=3, bidirectional=True, batch_first=True),
    nn.LSTM(8, 16, num_layers=2, proj_size=5, bidirectional=True, batch_first=True),
    nn.GRU(8, 16, num_layers=2, bidirectional=True, batch_first=True),
    nn.RNN(8, 16, batch_first=True),
]


def matrices(layer):
    """Numbers in the layer's matrices: each is used once a step."""
    return sum(weight.numel() for name, weight in layer.named_parameters() if name.startswith("weight"))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_each_weight_of_a_recurrent_layer_is_used_once_a_step(layer):
    assert per_step(layer) == matrices(layer)
    assert count(layer, lambda: layer(torch.zeros(3, 7, 8))) == 3 * 7 * matrices(layer)
    packed = rnn.pack_padded_sequence(torch.zeros(3, 7, 8), torch.tensor([7, 4, 1]), batch_first=True)
    assert count(layer, lambda: layer(packed)) == (7 + 4 + 1) * matrices(layer)


def test_layers_around_it_are_counted_beside_it():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.memory, self.after = nn.Linear(4, 8), nn.GRU(8, 16, batch_first=True), nn.Linear(16, 2)

        def forward(self, points):
            return self.after(self.memory(self.before(points))[0])

    network = Network()
    products = 4 * 8 + 3 * 16 * (16 + 8) + 16 * 2
    for _ in range(2):  # no hook is left behind
        assert count(network, lambda: network(torch.zeros(5, 9, 4))) == 5 * 9 * products


def test_a_call_that_fails_leaves_no_hook_behind():
    layer = nn.LSTM(8, 16)
    with pytest.raises(RuntimeError):
        count(layer, lambda: layer(torch.zeros(3, 9)))
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks
