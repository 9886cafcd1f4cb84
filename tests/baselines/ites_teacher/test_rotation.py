"""The exponential map: values and gradients at all angles, at zero and near pi too."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from posebench.baselines.ites_teacher.rotation import exponential, random_rotations

numbers = st.floats(-4.0, 4.0)
vectors = st.tuples(numbers, numbers, numbers)
#: Angles where a careless formula fails: zero, where the series ends, half a turn and a whole turn.
ANGLES = [0.0, 1e-12, 1e-8, 1e-4, 0.0999, 0.1, 0.1001, 1.0, math.pi - 1e-9, math.pi, math.pi + 1e-9, 2 * math.pi - 1e-6, 2 * math.pi]
AXIS = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64) / math.sqrt(14.0)


@settings(deadline=None)
@given(vectors)
def test_the_map_is_the_rotation_about_the_vector_by_its_length(vector):
    found = exponential(torch.tensor(vector, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(found, Rotation.from_rotvec(vector).as_matrix(), atol=1e-12)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_value_is_right_at_every_angle(angle, dtype, tolerance):
    found = exponential((angle * AXIS).to(dtype)).double().numpy()
    np.testing.assert_allclose(found, Rotation.from_rotvec((angle * AXIS).numpy()).as_matrix(), atol=tolerance)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_gradient_is_right_at_every_angle(angle):
    """Compared with the gradient of PyTorch's matrix exponential, which computes no angle, and with finite differences."""
    generators = torch.tensor([[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]])
    weights = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, theirs = (angle * AXIS).clone().requires_grad_(), (angle * AXIS).clone().requires_grad_()
    (weights * exponential(ours)).sum().backward()
    (weights * torch.matrix_exp((theirs[:, None, None] * generators).sum(dim=0))).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-9)
    assert torch.autograd.gradcheck(exponential, ((angle * AXIS).clone().requires_grad_(),), atol=1e-6)


def test_at_zero_the_gradient_is_that_of_the_cross_product_in_float32_too():
    vector = torch.zeros(3, requires_grad=True)
    exponential(vector)[2, 1].backward()
    assert vector.grad.tolist() == [1.0, 0.0, 0.0]


def test_random_rotations_are_rotations_by_up_to_half_a_turn_about_every_axis():
    torch.manual_seed(0)
    drawn = Rotation.from_matrix(random_rotations(4000, torch.zeros(1, dtype=torch.float64)).numpy())
    angles = np.linalg.norm(drawn.as_rotvec(), axis=1)
    # Uniform between 0 and pi: mean and deviation of the uniform distribution, four standard errors wide.
    assert angles.mean() == pytest.approx(math.pi / 2, abs=4 * math.pi / math.sqrt(12 * 4000))
    assert angles.std() == pytest.approx(math.pi / math.sqrt(12), rel=0.05)
    axes = drawn.as_rotvec() / angles[:, None]
    np.testing.assert_allclose(axes.mean(axis=0), 0.0, atol=4 / math.sqrt(3 * 4000))
    np.testing.assert_allclose(axes.T @ axes / 4000, np.eye(3) / 3, atol=0.03)
