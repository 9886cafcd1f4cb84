"""The graph network's fused products give the plain sums, and their gradients."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.skeletons import skeleton
from posebench.baselines.ites.network import GraphNetwork, NonLocal
from posebench.baselines.ites.released import ReleasedNonLocal

from .plain import plain

JOINTS = skeleton("h36m17")


def network(branch, *, norm, seed=0, dtype=torch.float32):
    """A network whose weights are all drawn: none is zero, as some are at the start of a training."""
    torch.manual_seed(seed)
    found = GraphNetwork(JOINTS, width=24, blocks=2, norm=norm, branch=branch).to(dtype)
    for value in found.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return found


def depths_and_gradients(one, image):
    one.zero_grad()
    image = image.clone().requires_grad_()
    depth = one(image)
    (depth.tanh() * torch.linspace(0.5, 1.5, depth.shape[1], dtype=depth.dtype)).sum().backward()
    return depth.detach(), {"image": image.grad, **{name: value.grad for name, value in one.named_parameters()}}


@pytest.mark.parametrize(("branch", "norm"), [(None, False), (NonLocal, False), (NonLocal, True), (ReleasedNonLocal, True)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_depths_and_every_gradient_are_those_of_the_plain_sums(branch, norm, dtype, tolerance):
    one = network(branch, norm=norm, dtype=dtype)
    image = torch.randn(6, 17, 2, dtype=dtype)
    depth, gradients = depths_and_gradients(one, image)
    with plain():
        expected, expected_gradients = depths_and_gradients(one, image)
    assert float(expected.std()) > 0.1
    assert float((depth - expected).abs().max()) <= (1e-11 if dtype == torch.float64 else 1e-6) * float(expected.abs().max())
    assert set(gradients) == set(expected_gradients)
    largest = max(float(value.abs().max()) for value in expected_gradients.values())
    for name, value in expected_gradients.items():
        torch.testing.assert_close(gradients[name], value, rtol=tolerance, atol=tolerance * 1e-2 * largest)


@given(seed=st.integers(0, 2**31 - 1), frames=st.integers(0, 5), scale=st.floats(1e-3, 1e2))
@settings(max_examples=25, deadline=None)
def test_any_number_of_frames_of_any_size(seed, frames, scale):
    one = network(NonLocal, norm=False, seed=seed, dtype=torch.float64).eval()
    image = scale * torch.randn(frames, 17, 2, dtype=torch.float64)
    with torch.no_grad():
        found = one(image)
        with plain():
            expected = one(image)
    assert found.shape == (frames, 17)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * (1.0 + float(expected.abs().max()) if frames else 1.0))
