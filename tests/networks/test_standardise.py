"""Statistics of the training split."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")

import torch

from posebench.networks.standardise import Standardise


@pytest.fixture
def samples():
    random = np.random.default_rng(0)
    return torch.from_numpy(random.normal(random.normal(0, 500, (4, 3)), random.uniform(1, 90, (4, 3)), (300, 4, 3))).float()


@pytest.fixture
def fitted(samples):
    module = Standardise(4, 3)
    module.fit(samples)
    return module


def test_the_statistics_are_numpys(samples, fitted):
    np.testing.assert_allclose(fitted.mean.numpy(), samples.double().numpy().mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(fitted.deviation.numpy(), samples.double().numpy().std(axis=0), rtol=1e-6)


def test_training_samples_come_out_with_mean_zero_and_deviation_one(samples, fitted):
    out = fitted(samples).double().numpy()
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=0), 1.0, atol=1e-4)


def test_undoing_gives_the_samples_back(samples, fitted):
    torch.testing.assert_close(fitted.undo(fitted(samples)), samples)


@pytest.mark.parametrize("constant", [0.0, 1e-3, -800.1])
def test_a_number_that_never_varied_is_only_centred(samples, constant):
    samples[:, 2, 1] = constant
    module = Standardise(4, 3)
    module.fit(samples)
    assert module.deviation[2, 1] == 1.0
    assert module(samples)[:, 2, 1].abs().max() < 1e-4
    assert module(samples + 5.0)[0, 2, 1] == pytest.approx(5.0, abs=1e-3)


def test_a_small_spread_far_from_zero_is_not_taken_for_a_constant():
    module = Standardise(1)
    module.fit(1000.0 + torch.linspace(-0.1, 0.1, 101)[:, None])
    assert module.deviation.item() == pytest.approx(0.0583, rel=0.01)


def test_the_statistics_are_kept_with_the_weights_and_are_not_learnt(fitted):
    assert set(fitted.state_dict()) == {"mean", "deviation"}
    assert not list(fitted.parameters())


def test_rounding_errors_of_a_root_at_the_origin_are_no_signal():
    """A root that is zero up to 1e-9 would otherwise become noise of the size of the other joints."""
    torch.manual_seed(0)
    image = 0.1 * torch.randn(500, 17, 2)
    image[:, 0] = 1e-9 * torch.randn(500, 2)
    part = Standardise(17, 2)
    part.fit(image)
    assert float(part(image)[:, 0].abs().max()) < 1e-6
    assert float(part(image)[:, 1:].std()) == pytest.approx(1.0, abs=0.01)
