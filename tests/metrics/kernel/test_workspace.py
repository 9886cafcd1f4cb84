"""Memory that is used again."""

from __future__ import annotations

import numpy as np

from posebench.metrics.alignment import ALIGNMENTS, residuals
from posebench.metrics.kernel.workspace import Workspace


def test_a_name_gives_the_same_memory_and_two_names_do_not():
    room = Workspace()
    first = room.array("x", 4, 5)
    first[...] = 1.0
    assert np.shares_memory(first, room.array("x", 2, 3))
    assert not np.shares_memory(first, room.array("y", 4, 5))
    assert room.array("x", 7, 9).shape == (7, 9), "grown"
    assert room.array("z").shape == ()
    assert room.array("w", 0, 3).size == 0


def test_residuals_in_a_workspace_are_those_without_whatever_was_left_in_it():
    random = np.random.default_rng(0)
    room = Workspace()
    for count in (40, 7, 2000):
        truth = random.normal(size=(count, 17, 3))
        pred = truth * [1, 1, -1] + random.normal(scale=0.3, size=truth.shape)
        fresh, again = residuals(pred, truth), residuals(pred, truth, workspace=room)
        for alignment in ALIGNMENTS:
            np.testing.assert_array_equal(again.errors[alignment], fresh.errors[alignment])
        np.testing.assert_array_equal(again.flipped, fresh.flipped)
        for alignment in ALIGNMENTS:  # each by itself takes another way through the block than all together
            alone = residuals(pred, truth, [alignment], workspace=room).errors[alignment]
            np.testing.assert_allclose(alone, fresh.errors[alignment], rtol=1e-12, atol=1e-14)
