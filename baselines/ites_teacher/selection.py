"""The choice between several sets of weights by their training loss: random initialisations, or a lifter and its depth-flipped copy.

No truth is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from posebench.base.errors import PosebenchError


def keep_best(lifter: nn.Module, candidates: Sequence[Callable[[], None]], train: Callable[[], float]) -> int:
    """Train the lifter from each candidate's weights in turn and keep the weights with the least loss.

    Every candidate is trained from the same state of the random generators, so that all see the same frames and rotations.

    Args:
        lifter: the network.
        candidates: each puts its weights into the lifter.
        train: trains the lifter for some steps; returns its loss.

    Returns:
        The number of the candidate that was kept.

    Raises:
        PosebenchError: no candidate has a finite loss.
    """
    best, least_loss, best_weights = 0, math.inf, {}
    # On CUDA frames and rotations are drawn by the device's own generator.
    state, cuda_states = torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    for number, load_weights in enumerate(candidates):
        load_weights()
        torch.set_rng_state(state)
        torch.cuda.set_rng_state_all(cuda_states)
        loss = train()
        if loss < least_loss:
            best, least_loss = number, loss
            best_weights = {name: weight.clone() for name, weight in lifter.state_dict().items()}
    if not best_weights:
        raise PosebenchError(
            f"losses of {len(candidates)} initialisations, none of them finite", "a finite loss", "lower --set learning_rate"
        )
    lifter.load_state_dict(best_weights)
    return best
