"""ElePose: the published network and losses, what tells a pose from its depth flip, two phases of training, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.elepose.losses import bone_error, deformation, image_distance, pose_distance, relative_lengths
from posebench.baselines.elepose.network import ElevationNetwork
from posebench.networks.views import about_x, about_y, level_turn, rotate
from posebench.predictions.disclosure import supervision_in_words
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = ["width=32", "samples=256", "batch=32", "components=8", "flow_width=16"]


@pytest.fixture(scope="module")
def make(untrained):
    return untrained("elepose", SMALL)


@pytest.fixture(scope="module")
def data(walker_samples):
    return walker_samples()


def test_the_published_size():
    """The authors' class has 20,480 more, in batch norms that it does not use."""
    with torch.device("meta"):
        network = ElevationNetwork(34, 17, width=1024, elevation=True)
    assert sum(part.numel() for part in network.parameters()) == 10_550_290


def test_the_published_network_by_plain_products():
    torch.manual_seed(0)
    network = ElevationNetwork(6, 3, width=5, elevation=True)
    parts = {name: value.detach().numpy().astype(float) for name, value in network.named_parameters()}

    def linear(name, x):
        return parts[f"{name}.weight"] @ x + parts[f"{name}.bias"]

    def leaky(x):
        return np.where(x > 0.0, x, 0.01 * x)

    def block(name, x):
        return leaky(x + leaky(linear(f"{name}.layers.2", leaky(linear(f"{name}.layers.0", x)))))

    for image in torch.randn(4, 6):
        hidden = block("shared.0", linear("first", image.numpy()))
        told = [linear(f"{branch}.4", block(f"{branch}.2", block(f"{branch}.0", hidden))) for branch in ("depth", "elevation")]
        depth, elevation = network(image[None])
        np.testing.assert_allclose(depth[0].detach().numpy(), told[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(elevation.detach().numpy(), told[1], rtol=1e-4, atol=1e-5)


def test_the_published_losses_by_plain_loops():
    torch.manual_seed(0)
    one, other = torch.randn(5, 17, 3), torch.randn(5, 17, 3)
    a, b = one.double().numpy(), other.double().numpy()
    assert float(image_distance(one[..., :2], other[..., :2])) == pytest.approx(
        np.mean([sum(abs(a[n, j, d] - b[n, j, d]) for j in range(17) for d in range(2)) for n in range(5)]), rel=1e-5
    )
    assert float(pose_distance(one, other)) == pytest.approx(np.mean([np.sqrt(((a[n] - b[n]) ** 2).sum()) for n in range(5)]), rel=1e-5)
    pairs = [np.sqrt((((a[n] - a[n + 1]) - (b[n] - b[n + 1])) ** 2).sum()) for n in (0, 2)]
    assert float(deformation(one, other)) == pytest.approx(np.mean(pairs), rel=1e-5), "the fifth pose has no partner"
    ratios, error = torch.rand(16) + 0.5, []
    for n in range(5):
        lengths = np.array([np.sqrt(((a[n, child] - a[n, parent]) ** 2).sum()) for parent, child in H36M.bones])
        error.append(sum((lengths[k] / lengths.mean() - float(ratios[k])) ** 2 for k in range(16)))
    assert float(bone_error(one, H36M.bones, ratios)) == pytest.approx(np.mean(error), rel=1e-5)


def test_the_released_step_by_the_authors_formulas(make, data):
    """Views and losses of one batch, written out with rotation matrices of its angles."""
    method = make("released")
    method.prepare(data)
    image, down = method.training_views.image[:6], method.training_views.down[:6]
    torch.manual_seed(3)
    terms = method.lifter_losses(image, down)
    torch.manual_seed(3)
    azimuth, normal = np.pi * (2.0 * torch.rand(6) - 1.0), torch.randn(6)
    depth, elevation = method.lifter.network(image.flatten(1))
    c = 10.0

    def lifted(seen, told):
        told = told.clone()
        told[:, 0] = 0.0
        z = (c + told).clamp_min(1.0)
        points = torch.cat([seen * z[..., None], z[..., None]], dim=-1)
        return points - points[:, :1]

    def seen(points):
        return points[..., :2] / (points[..., 2:] + c)

    points = lifted(image, depth)
    turn = about_x(elevation.std() * normal - elevation.mean()) @ about_y(azimuth) @ about_x(elevation)
    turned = rotate(turn, points)
    view = seen(turned)
    again = lifted(view, method.lifter.network(view.flatten(1))[0])
    back = rotate(turn.mT, again)
    expected = {
        "negative log likelihood": method.density.negative_log_likelihood(view.flatten(1)).mean(),
        "consistency 2D": (seen(back) - image).abs().sum(dim=(1, 2)).mean(),
        "consistency 3D": (turned - again).flatten(1).norm(dim=1).mean(),
        "deformation": deformation(points, back),
        "bones": 50.0 * bone_error(points, H36M.bones, method.ratios),
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, rtol=1e-4, atol=1e-5)
    gradient = torch.autograd.grad(terms["negative log likelihood"], method.lifter.network.elevation[-1].bias, allow_unused=True)[0]
    assert gradient is not None, "the elevations learn through their distribution"
    assert float(gradient.abs()) > 0.0


def test_without_tilt_and_perspective_a_pose_and_its_depth_flip_have_the_same_views():
    """So half of the poses face backwards. Seen from far away; F is the depth flip, and F R F a view as likely as R."""
    torch.manual_seed(0)
    points, flip = torch.randn(8, 17, 3, dtype=torch.float64), torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    new, azimuth, old = (torch.randn(8, dtype=torch.float64) for _ in range(3))
    turn = about_x(new) @ about_y(azimuth) @ about_x(old)
    of_flip = about_x(-new) @ about_y(-azimuth) @ about_x(-old)
    torch.testing.assert_close(flip @ turn @ flip, of_flip)
    torch.testing.assert_close(rotate(turn, points)[..., :2], rotate(of_flip, points @ flip)[..., :2])
    torch.testing.assert_close(relative_lengths(points, H36M.bones), relative_lengths(points @ flip, H36M.bones))
    # Level turns of cameras that look down have no such partner: it would be one of cameras that look up.
    down, new_down = torch.full((8,), 0.1, dtype=torch.float64), torch.full((8,), 0.12, dtype=torch.float64)
    torch.testing.assert_close(flip @ level_turn(down, azimuth, new_down) @ flip, level_turn(-down, -azimuth, -new_down))


def test_first_the_flow_learns_and_then_the_lifter(make, data):
    method = make("tuned", "epochs=3", "flow_epochs=2", "ema=0.0")
    method.prepare(data)
    optimisers = method.optimisers()
    for epoch, expected in ((0, {"density"}), (2, {"lifter"})):
        before = {name: value.clone() for name, value in method.state_dict().items()}
        ((network, terms),) = method.losses(data, torch.arange(32), epoch)
        sum(terms.values()).backward()
        optimisers[network].step()
        changed = {name.partition(".")[0] for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == expected


def test_the_schedule_of_the_lifter_begins_when_the_flow_is_trained(make):
    settings = make("released", "epochs=12", "flow_epochs=4").settings
    assert [settings.rate(epoch) for epoch in (0, 3.9)] == [1.0, 1.0]
    assert settings.rate(6) == pytest.approx(0.95**2)
    cosine = make("tuned", "epochs=12", "flow_epochs=4").settings
    assert [round(cosine.rate(epoch), 3) for epoch in (3, 4, 8, 10, 12)] == [1.0, 1.0, 1.0, 0.5, 0.0]


def test_training_begins_with_flat_poses_whose_views_are_likely(make, data):
    """Otherwise the first views are so unlikely that the other losses do not count beside them."""
    loss_by_start = {}
    for first in (1.0, 0.05):
        method = make("tuned", f"first_depths={first}")
        method.prepare(data)
        optimiser = method.optimisers()["flow"]
        for _ in range(60):
            loss = method.flow_loss(method.training_views.image)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            loss_by_start[first] = float(
                method.lifter_losses(method.training_views.image, method.training_views.down)["negative log likelihood"]
            )
    assert loss_by_start[0.05] < 0.5 * loss_by_start[1.0]


@pytest.mark.parametrize("recipe", ["tuned", "released", "blind", "no-bones"])
def test_every_form_trains_and_lifts_onto_the_rays(make, data, tmp_path, recipe):
    method = make(recipe)
    method.prepare(data)
    fit(method, data, method.settings, tmp_path)
    with torch.no_grad():
        poses = method.lift(data.keypoints)
        seen = method.lifter.camera(data.keypoints)
        turned = method.lifter.camera.turned(seen, poses)
    assert bool(poses.isfinite().all())
    assert float(poses[:, 0].abs().max()) < 1e-5
    c = method.settings.distance
    torch.testing.assert_close(turned[..., :2] / (turned[..., 2:] + c), seen.image, rtol=1e-3, atol=1e-4)


def test_it_learns_walkers(make, walker_samples, tmp_path):
    """Bones of the learnt poses have the lengths of the truth, though no depth was seen."""
    truth = walker_samples(poses=True)
    relative = truth.poses - truth.poses[:, :1]
    ratios = relative_lengths(relative, H36M.bones).mean(dim=0)
    ratios = (ratios / ratios.mean()).tolist()
    method = make("tuned", "tilt=0.0", "samples=0", "epochs=45", "flow_epochs=15", "width=64", "ema=0.0", f"bone_ratios={ratios}")
    method.prepare(truth)
    with torch.no_grad():
        before = method.lift(truth.keypoints)
    fit(method, replace(truth, poses=None), method.settings, tmp_path)
    with torch.no_grad():
        after = method.lift(truth.keypoints)

    def error(poses):
        return float(bone_error(poses, H36M.bones, relative_lengths(relative, H36M.bones).mean(dim=0)))

    assert error(after) < 0.3 * error(before)
    assert float(after[..., 2].std()) > 0.3 * float(after[..., 0].std()), "not flat"


def test_what_it_was_given_is_declared(make):
    assert make("no-bones").side_information == ("cameras look down by 6.2 degrees on average",)
    (ratios,) = make("released").side_information
    assert "training truth" in ratios
    said = supervision_in_words("none", make("tuned").side_information)
    assert said == "none + camera tilt from calibration (training split) + bone ratios of the training truth"
    assert supervision_in_words("none", make("elevation", "bones=0.0", "bone_ratios=[]").side_information) == "none"


@pytest.mark.parametrize(
    "changes",
    [
        ("flow_epochs=2", "epochs=2"),
        ("tilt=1.0", "elevation=uniform"),
        ("bones=0.0",),
        ("bone_ratios=[]",),
        ("bone_ratios=[2.0, 2.0]",),
        ("bone_ratios=[-1.0, 3.0]",),
        ("rest=-1.0",),
        ("first_depths=0.0",),
        ("elevation=learnt",),
        ("turns=0",),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, changes):
    with pytest.raises(PosebenchError, match=changes[0].partition("=")[0].removeprefix("-")):
        make("tuned", *changes)


def test_ratios_of_another_skeleton_are_refused(make):
    with pytest.raises(PosebenchError, match="2 bone_ratios for a skeleton of 16 bones"):
        make("tuned", "bone_ratios=[0.5, 1.5]")


def test_more_components_than_poses_have_are_refused(make, data):
    method = make("tuned", "components=33")
    with pytest.raises(PosebenchError, match="components = 33"):
        method.prepare(data)
