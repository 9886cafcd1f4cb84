"""The density of 2D poses: the flow can be undone, its determinant is that of its Jacobian, it integrates to one, and it refuses planes."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.elepose.flow import THINNEST, Components, PoseDensity
from posebench.networks.root_camera import RootCamera
from posebench.networks.samples import image_coordinates


def density(size, *, layers=4, seed=0, spread=1.0):
    """A flow in float64 with random weights, far from the identity."""
    torch.manual_seed(seed)
    made = PoseDensity(size, components=size, layers=layers, width=16).double()
    with torch.no_grad():
        for part in made.parameters():
            part.add_(0.3 * spread * torch.randn_like(part))
    return made


@settings(max_examples=12, deadline=None)
@given(size=st.integers(2, 9), seed=st.integers(0, 99))
def test_a_flow_can_be_undone(size, seed):
    flow = density(size, seed=seed)
    components = torch.randn(5, size, dtype=torch.float64)
    with torch.no_grad():
        latent, _ = flow.latent(components)
        torch.testing.assert_close(flow.undo(latent), components, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(latent, components)


@settings(max_examples=12, deadline=None)
@given(size=st.integers(2, 7), seed=st.integers(0, 99))
def test_its_log_determinant_is_that_of_its_jacobian(size, seed):
    flow = density(size, seed=seed)
    for components in torch.randn(2, size, dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda row: flow.latent(row[None])[0][0], components)
        told = flow.latent(components[None])[1][0]
        torch.testing.assert_close(told, torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-5, atol=1e-5)


def test_the_density_integrates_to_one():
    flow = density(2, layers=3, spread=0.5)
    axis = torch.linspace(-12.0, 12.0, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = flow.log_density(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1.0, abs=1e-3)


def test_an_untrained_flow_without_subnets_is_the_normal_density():
    flow = density(3)
    with torch.no_grad():
        for part in flow.parameters():
            part.zero_()
    components = torch.randn(6, 3, dtype=torch.float64)
    normal = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(flow.log_density(components), normal.log_prob(components), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(flow.negative_log_likelihood(components), 0.5 * components.square().sum(dim=1), rtol=1e-5, atol=1e-5)


def test_a_trained_flow_is_close_to_a_density_that_is_known():
    """A banana: y is normal around x squared. Its entropy is the least negative log likelihood that a flow can have."""
    torch.manual_seed(0)
    flow = PoseDensity(2, components=2, layers=4, width=32)
    optimiser = torch.optim.Adam(flow.parameters(), lr=5e-3)
    for _ in range(300):
        x = torch.randn(256)
        sample = torch.stack([x, x.square() / 2.0 + 0.3 * torch.randn(256)], dim=1)
        loss = -flow.log_density(sample).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    entropy = 1.0 + np.log(2.0 * np.pi) + np.log(0.3)
    gaussian = entropy + 0.5 * np.log((0.5 + 0.09) / 0.09)  # of the normal density with the same covariance
    assert entropy - 0.1 < loss.item() < entropy + 0.35 < gaussian


def test_components_are_principal_ones_of_deviation_one_and_leave_the_rest():
    torch.manual_seed(0)
    samples = torch.randn(500, 6) @ torch.diag(torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])) @ torch.linalg.qr(torch.randn(6, 6))[0] + 7.0
    parts = Components(6, 4)
    parts.fit(samples)
    told = parts(samples)
    torch.testing.assert_close(told.T @ told / 500, torch.eye(4), rtol=0.0, atol=1e-4)
    assert parts.deviation.tolist() == sorted(parts.deviation.tolist(), reverse=True)
    torch.testing.assert_close(parts.undo(told) + parts.rest(samples), samples)
    torch.testing.assert_close(parts(samples + parts.rest(samples)), told, rtol=1e-3, atol=1e-4)
    assert float(parts.rest(samples).square().sum(dim=1).mean()) == pytest.approx(1.0**2 + 0.5**2, rel=0.2)


@pytest.fixture(scope="module")
def images(synthetic):
    """2D poses of some takes of ``synthetic``, as the network sees them."""
    clips = [synthetic.load(id) for id in synthetic.clip_ids("train")[::8]]
    keypoints = np.concatenate([image_coordinates(clip.keypoints("gt")[::3], clip.camera) for clip in clips])
    camera = RootCamera(skeleton("h36m17"), distance=10.0, tilt=0.0, level=False)
    camera.fit(torch.from_numpy(keypoints).float())
    return camera(torch.from_numpy(keypoints).float()).image.flatten(1)


def test_2d_poses_lie_nearly_in_a_plane_as_the_pelvis_is_between_the_hips(images):
    """With 26 numbers a density can be learnt, with 32 it has no bound: the message names how many there are."""
    for count in (26, 30):
        parts = Components(34, count)
        parts.fit(images)
        assert float(parts.deviation[-1] / parts.deviation[0]) > THINNEST
    with pytest.raises(PosebenchError, match=r"components = 32.*--set components=(\d+) or fewer") as refused:
        Components(34, 32).fit(images)
    enough = int(refused.value.next_step.rpartition("=")[2].split()[0])
    Components(34, enough).fit(images)
    # The direction that is missing is the pelvis against the middle of the hips; the pelvis is at zero.
    h36m = skeleton("h36m17")
    hips = images.unflatten(1, (17, 2))[:, [h36m.index("l_hip"), h36m.index("r_hip")]].mean(dim=1)
    assert float(hips.std()) < 0.02 * float(images.std())


def test_a_likelihood_along_such_a_direction_outweighs_everything(images):
    """A shift of the hips by a thousandth of the body's size: with 26 numbers it costs little, with the thin direction hundreds."""
    size = float(images.std())
    hips = torch.zeros(17, 2)
    hips[[1, 4]] = 0.01 * size
    cost = {}
    for count in (26, 31):
        parts = Components(34, count)
        parts.fit(images)
        cost[count] = float(0.5 * (parts(images + hips.flatten()) - parts(images)).square().sum(dim=1).mean())
    assert cost[26] < 1.0 < 5.0 < cost[31]


def test_poses_that_are_all_alike_are_refused():
    with pytest.raises(PosebenchError, match="too few poses"):
        Components(6, 2).fit(torch.ones(10, 6))
