"""Multiply-adds of a network: matrix products and convolutions as PyTorch counts them, recurrent layers in closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode

#: Gates of a recurrent layer, each a matrix product with the input and one with the state.
_GATES = {"LSTM": 4, "GRU": 3}


def per_step(layer: nn.RNNBase) -> int:
    """Multiply-adds of recurrent layers for one step of one sequence, in matrix products.

    A layer of i inputs and h units has g gates of (i + h) h each: 4 for an LSTM, 3 for a GRU, 1 for a plain one. A second layer has the h
    outputs of the first as inputs, or the 2 h of both directions. A projection to p outputs adds h p, and makes the state p wide.

    Example:
        >>> per_step(nn.LSTM(10, 20)) == 4 * 20 * (20 + 10)
        True
    """
    directions, units = 2 if layer.bidirectional else 1, layer.hidden_size
    state = layer.proj_size or units
    inputs = [layer.input_size] + [directions * state] * (layer.num_layers - 1)
    gates = sum(_GATES.get(layer.mode, 1) * units * (size + state) for size in inputs)
    return directions * (gates + layer.num_layers * units * layer.proj_size)


def count(network: nn.Module, call: Callable[[], object]) -> int:
    """Multiply-adds of one call of ``call``, which runs ``network``; element-wise work is not counted.

    PyTorch counts some recurrent layers, and leaves out those that a library runs as one operation. So what it counts inside of one is
    replaced by :func:`per_step`, times the steps of all sequences.
    """
    counter = FlopCounterMode(display=False)
    before: list[int] = []
    correction = 0

    def enter(_layer: nn.Module, _inputs: object) -> None:
        before.append(counter.get_total_flops())

    def leave(layer: nn.RNNBase, inputs: tuple[Tensor | PackedSequence, ...], _output: object) -> None:
        nonlocal correction
        correction += 2 * per_step(layer) * _steps(inputs[0]) - (counter.get_total_flops() - before.pop())

    layers = [part for part in network.modules() if isinstance(part, nn.RNNBase)]
    hooks = [hook for one in layers for hook in (one.register_forward_pre_hook(enter), one.register_forward_hook(leave))]
    try:
        with counter, torch.enable_grad():  # in inference mode a linear layer is one operation, which the counter does not know
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return (counter.get_total_flops() + correction) // 2


def _steps(sequences: Tensor | PackedSequence) -> int:
    """Steps of all sequences together: the features are last."""
    data = sequences.data if isinstance(sequences, PackedSequence) else sequences
    return data.shape[:-1].numel()
