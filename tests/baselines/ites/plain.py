"""The graph network's sums one after the other, as its docstrings state them: what the fused form is compared with."""

import math
from contextlib import contextmanager

import torch

from posebench.baselines.ites.network import NonLocal, SemanticConvolution


def convolution(layer, features):
    """Own and neighbours' features, each with a weight of its own, and the bias."""
    weight = layer.edges.masked_fill(~layer.mask, -math.inf).softmax(dim=1)
    own = weight.diagonal()[:, None]
    return own * layer.own(features) + (weight - weight.diagonal().diag()) @ layer.others(features) + layer.bias


def attention(branch, features):
    """Pooled pairs, scores of the joints for each, and the weighted sum of the pairs' values."""
    phi, value = (torch.maximum(*(part(features)[:, side] for side in branch.pairs)) for part in (branch.phi, branch.value))
    scores = branch.ask(branch.theta(features)) + branch.answer(phi).transpose(1, 2)
    return branch.out(torch.relu(scores) / phi.shape[1] @ value)


@contextmanager
def plain():
    """Within the block the graph network computes the plain sums."""
    fused = SemanticConvolution.forward, NonLocal.forward
    SemanticConvolution.forward, NonLocal.forward = convolution, attention
    try:
        yield
    finally:
        SemanticConvolution.forward, NonLocal.forward = fused
