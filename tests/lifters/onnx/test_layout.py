"""Memory layouts by named axes."""

import numpy as np
import pytest

from posebench.lifters.onnx.layout import Layout


@pytest.mark.parametrize("text", ["b t j c", "b j c t", "b (j c) t", "t b (c j)", "(t j c) b", "b c t j"])
def test_unpacking_a_layout_undoes_packing_it(text):
    layout = Layout.parse(text)
    assert str(layout) == text
    array = np.random.default_rng(0).normal(size=(2, 3, 5, 7))
    packed = layout.pack(array)
    sizes = dict(zip("btjc", array.shape, strict=True))
    assert packed.shape == layout.shape(sizes)
    np.testing.assert_array_equal(layout.unpack(packed, sizes), array)


def test_brackets_join_axes_with_the_last_changing_fastest():
    array = np.arange(6).reshape(1, 1, 3, 2)  # three joints, x and y
    assert Layout.parse("b (j c)").pack(array).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert Layout.parse("b (c j)").pack(array).tolist() == [[0, 2, 4, 1, 3, 5]]
