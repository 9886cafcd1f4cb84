"""Block sizes, and buffers that are used again."""

import doctest

import numpy as np

from posebench.metrics import ALIGNMENTS, buffers, residuals
from posebench.metrics.buffers import Buffers


def test_a_name_gives_the_same_memory_and_two_names_do_not():
    pool = Buffers()
    first = pool.array("x", 4, 5)
    first[...] = 1.0
    assert np.shares_memory(first, pool.array("x", 2, 3))
    assert not np.shares_memory(first, pool.array("y", 4, 5))
    assert pool.array("x", 7, 9).shape == (7, 9), "enlarged"
    assert pool.array("z").shape == ()
    assert pool.array("w", 0, 3).size == 0


def test_residuals_do_not_depend_on_what_the_buffers_held():
    random = np.random.default_rng(0)
    pool = Buffers()
    for count in (40, 7, 2000):
        truth = random.normal(size=(count, 17, 3))
        pred = truth * [1, 1, -1] + random.normal(scale=0.3, size=truth.shape)
        fresh, again = residuals(pred, truth), residuals(pred, truth, buffers=pool)
        for alignment in ALIGNMENTS:
            np.testing.assert_array_equal(again.errors[alignment], fresh.errors[alignment])
        np.testing.assert_array_equal(again.flipped, fresh.flipped)
        for alignment in ALIGNMENTS:  # one alignment alone is computed by other steps than all together
            alone = residuals(pred, truth, [alignment], buffers=pool).errors[alignment]
            np.testing.assert_allclose(alone, fresh.errors[alignment], rtol=1e-12, atol=1e-14)


def test_alignment_leaves_arrays_that_do_not_bear_its_prefix_alone():
    """The scorer keeps its poses in the same buffers."""
    random = np.random.default_rng(0)
    pool = Buffers()
    truth = random.normal(size=(5, 17, 3))
    pred = np.concatenate([truth[:4] * [1, 1, -1], np.full((1, 17, 3), np.nan)])
    residuals(pred, truth, buffers=pool)
    assert pool._by_name
    assert all(name.startswith("kernel ") for name in pool._by_name)


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(buffers).failed == 0
    assert doctest.testmod(buffers).attempted > 0
