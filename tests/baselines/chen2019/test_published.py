"""The published forms: their geometry, what each network sees, the direction in which each loss pushes, and few own poses."""

import math
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.baselines.chen2019.losses import discriminator_loss, generator_loss, mean_square
from posebench.baselines.chen2019.published_geometry import PaperGeometry, ReleasedGeometry, seen
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.networks.views import rotate

FORMS = {"paper": PaperGeometry(10.0, 20.0, 0), "released": ReleasedGeometry(10.0, 20.0, 0)}
NO_CRITICS = ("adversarial=0.0", "temporal=0.0", "consistency_3d=2.0", "consistency_2d=3.0")


@pytest.fixture
def bodies():
    """Points (32, 17, 3) in front of the camera, the root on the optical axis but not at 10."""
    random = torch.Generator().manual_seed(0)
    body = 0.5 * torch.randn(32, 17, 3, generator=random, dtype=torch.float64)
    return body - body[:, :1] + torch.tensor([0.0, 0.0, 12.0], dtype=torch.float64)


def prepared(make, data, recipe, *changes):
    method = make(recipe, *changes)
    method.prepare(data)
    return method


# ------------------------------------------------------------------------------------------------------------------------ geometry


@pytest.mark.parametrize("form", FORMS)
def test_turning_back_undoes_a_turn(form, bodies):
    geometry = FORMS[form]
    rotation = geometry.draw(32, bodies[:, 0, 0])
    turned = geometry.turned(bodies, rotation)
    assert float((turned - bodies).abs().max()) > 0.5
    torch.testing.assert_close(geometry.turned_back(turned, rotation, bodies), bodies)


@pytest.mark.parametrize(("form", "fixed"), [("paper", 12.0), ("released", 10.0)])
def test_the_paper_turns_about_the_lifted_root_and_the_reproduction_about_a_fixed_point(form, fixed, bodies):
    geometry = FORMS[form]
    centre = torch.tensor([0.0, 0.0, fixed], dtype=torch.float64)
    turned = geometry.turned(bodies, geometry.draw(32, bodies[:, 0, 0]))
    expected = torch.tensor([0.0, 0.0, 10.0], dtype=torch.float64).expand(32, 17, 3)
    torch.testing.assert_close((turned - expected).norm(dim=-1), (bodies - centre).norm(dim=-1))


@pytest.mark.parametrize("form", FORMS)
def test_the_large_angle_of_the_paper_is_about_the_vertical_and_that_of_the_reproduction_about_the_optical_axis(form):
    """The other angle moves that axis by up to 20 degrees."""
    rotation = FORMS[form].draw(20_000, torch.zeros(20_000, dtype=torch.float64))
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand_as(rotation))
    assert float((torch.linalg.det(rotation) - 1.0).abs().max()) < 1e-12
    tilt = {"paper": rotation[:, 1, 1], "released": rotation[:, 2, 2]}[form].clamp(-1, 1).acos()
    assert math.radians(19.9) < float(tilt.max()) <= math.radians(20.0) + 1e-6
    assert float(tilt.mean()) == pytest.approx(math.radians(10.0), abs=0.01)
    whole = {"paper": torch.atan2(rotation[:, 0, 2], rotation[:, 0, 0]), "released": torch.atan2(rotation[:, 1, 1], -rotation[:, 0, 1])}[
        form
    ]
    quarters = torch.histc(whole, bins=4, min=-math.pi, max=math.pi) / len(whole)
    assert float((quarters - 0.25).abs().max()) < 0.02


@pytest.mark.parametrize(("form", "depths"), [("paper", [1.0, 1.0, 10.0, 13.0]), ("released", [1.0, 1.5, 11.0, 14.0])])
def test_depths_are_c_plus_what_the_lifter_tells_with_the_limit_of_each_form(form, depths):
    told = torch.tensor([[-100.0, -9.5, 0.0, 3.0]])
    image = torch.tensor([[[0.1, -0.2]]]).expand(1, 4, 2)
    points = FORMS[form].points(image, told)
    assert points[0, :, 2].tolist() == depths
    torch.testing.assert_close(seen(points), image)


def test_the_paper_has_one_scale_for_the_data_set_and_the_reproduction_one_for_each_image(make, data):
    paper, released = prepared(make, data, "paper"), prepared(make, data, "released")
    head = paper.head
    assert float(paper.images[:, head].norm(dim=-1).mean()) == pytest.approx(0.1, rel=1e-5)
    assert float(paper.images[:, head].norm(dim=-1).std()) > 1e-3
    sizes = released.images[:, 1:].norm(dim=-1).mean(dim=1)
    torch.testing.assert_close(sizes, torch.ones_like(sizes))
    for method in (paper, released):
        assert float(method.images[:, 0].abs().max()) == 0.0
    still = torch.zeros(2, 17, 2)
    assert torch.isfinite(released.lift(still)).all(), "an image without extent"


# -------------------------------------------------------------------------------------------------------------- consistency losses


def know(method, monkeypatch, truth, offset):
    """Let the lifter give ``truth`` for the images, and the turned truth plus an offset for their views."""
    calls, cycle = [], method.cycle

    def around(image, rotation):
        answers = iter([truth, method.lifter.geometry.turned(truth, rotation) + offset])
        calls.append(rotation)
        with monkeypatch.context() as patch:
            patch.setattr(method.lifter, "points", lambda _: next(answers))
            return cycle(image, rotation)

    monkeypatch.setattr(method, "cycle", around)
    return calls


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("offset", [(0.0, 0.0, 0.0), (0.1, -0.2, 0.3)])
def test_the_consistency_losses_are_the_mean_squares_of_what_the_second_lift_gets_wrong(make, data, monkeypatch, form, offset):
    method = prepared(make, data, form, *NO_CRITICS)
    frames, moved = method.samples(data)[:8], torch.tensor(offset)
    image = method.images[frames]
    truth = method.lifter.geometry.points(image, 3.0 * image[..., 1] - image[..., 0])
    rotations = know(method, monkeypatch, truth, moved)
    ((network, terms),) = method.losses(data, frames, 0)
    back = seen(truth + rotate(rotations[0].transpose(1, 2), moved.expand(8, 17, 3)))
    assert network == "lifter"
    assert float((rotations[0] - torch.eye(3)).abs().max()) > 0.5, "the view is another one"
    assert float(terms["consistency 3D"]) == pytest.approx(2.0 * float(moved.square().mean()), abs=1e-6, rel=1e-4)
    assert float(terms["consistency 2D"]) == pytest.approx(3.0 * float(mean_square(back, image)), abs=1e-6, rel=1e-4)
    assert (float(terms["consistency 2D"]) > 1e-5) is any(offset)


# ------------------------------------------------------------------------------------------------------------------ discriminators


def test_the_discriminators_are_stepped_before_the_lifter_on_the_same_views(make, data):
    method, heard = prepared(make, data, "paper"), {}
    for name, critic in (("single", method.critics.single), ("pair", method.critics.pair)):
        critic.register_forward_hook(lambda _, inputs, __, name=name: heard.setdefault(name, []).append(inputs[0]))
    frames = method.samples(data)[:16]
    order = [name for name, _ in method.losses(data, frames, 0)]
    assert order == ["critics", "lifter"]
    first, second = method.images[frames].flatten(1), method.images[frames + method._gap(data)].flatten(1)
    (real, fake, again), (real_pair, fake_pair, again_pair) = heard["single"], heard["pair"]
    assert torch.equal(real, second)
    assert torch.equal(real_pair, first - second)
    assert torch.equal(fake, again)
    assert torch.equal(fake_pair, again_pair)
    assert not fake.requires_grad
    assert not fake_pair.requires_grad
    assert again.requires_grad
    assert again_pair.requires_grad


def test_both_frames_of_a_pair_are_seen_from_the_same_new_view(make, data, monkeypatch):
    """A lifter that gives every joint the depth c turns two images of one body at rest into two equal views."""
    method, heard = prepared(make, data, "paper"), []
    monkeypatch.setattr(method.lifter.network, "forward", lambda sample: sample[:, ::2])
    method.critics.pair.register_forward_hook(lambda _, inputs, __: heard.append(inputs[0]))
    method.images = method.images[:1].expand_as(method.images)
    list(method.losses(data, method.samples(data)[:16], 0))
    assert all(float(sample.detach().abs().max()) < 1e-7 for sample in heard)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stepped", ["critics", "lifter"])
def test_the_discriminators_learn_to_tell_views_from_real_poses_and_the_lifter_to_pass_them_off_as_real(make, data, form, stepped):
    """One step of one network on its adversarial terms alone, then the same batch and views again."""
    alone = ("consistency_3d=0.0", "consistency_2d=0.0", "gradient_penalty=0.0", "dropout=0.0", "norm=false")
    method = prepared(make, data, form, *alone)
    optimiser, frames = method.optimisers()[stepped], method.samples(data)[:32]
    scores = {"single": [], "pair": []}
    for name, heard in scores.items():
        getattr(method.critics, name).register_forward_hook(lambda *call, heard=heard: heard.append(float(call[2].detach().mean())))
    for _ in range(2):
        torch.manual_seed(3)
        terms = dict(method.losses(data, frames, 0))[stepped]
        optimiser.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        optimiser.step()
    for heard in scores.values():
        assert len(heard) == 6, "real poses and views, and the views again for the lifter, twice"
    if stepped == "critics":
        for name, (real, fake, _, new_real, new_fake, _) in scores.items():
            assert new_real - new_fake > real - fake, name
    else:
        assert sum(heard[5] for heard in scores.values()) > sum(heard[2] for heard in scores.values())


# --------------------------------------------------------------------------------------------- few own poses, and the domain adapter


@pytest.fixture
def few(data):
    """The test data without extra 2D, and as four takes."""
    return replace(data, extra=None, take=torch.unique(data.first, return_inverse=True)[1])


def test_only_pairs_of_own_takes_are_drawn_and_only_those_set_the_scale(make, few):
    method = prepared(make, few, "paper-few", "own_takes=1")
    own = few.take == 0
    assert bool(own[method.samples(few)].all())
    assert len(method.samples(few)) < len(prepared(make, few, "paper").samples(few))
    assert float(method.images[own, method.head].norm(dim=-1).mean()) == pytest.approx(0.1, rel=1e-5)
    assert float(method.images[~own, method.head].norm(dim=-1).mean()) != pytest.approx(0.1, rel=1e-3)


def test_the_adapter_gets_foreign_pairs_and_real_samples_stay_the_own_ones(make, few):
    method = prepared(make, few, "paper-adapter", "own_takes=1", "adapted_share=0.5")
    assert not bool((few.take == 0)[method.foreign_starts].any())
    lifted, real, corrected = [], [], []
    points, adapted = method.lifter.points, method.adapted
    method.lifter.points = lambda image: lifted.append(image) or points(image)
    method.adapted = lambda image: corrected.append(image) or adapted(image)
    method.critics.single.register_forward_hook(lambda _, inputs, __: real.append(inputs[0]))
    frames = method.samples(few)[:16]
    order = [name for name, _ in method.losses(few, frames, 0)]
    assert order == ["adapter", "adapter's critic", "critics", "lifter"]
    rows = {tuple(row.flatten().tolist()) for row in method.images[few.take == 0]}
    mine = [tuple(row.flatten().tolist()) in rows for row in lifted[0]]
    assert mine == 8 * [False] + 8 * [True], "half of the lifter's first frames are foreign"
    torch.testing.assert_close(lifted[0][:8], corrected[0].unflatten(0, (16, 2))[:8, 0])
    assert torch.equal(real[0], method.images[frames + method._gap(few)].flatten(1))
    assert not any(tuple(row.flatten().tolist()) in rows for row in corrected[0])


@pytest.mark.parametrize("score", [-1.0, 1.0])
def test_the_adapter_pays_for_adapted_poses_that_its_discriminator_knows_and_for_the_size_of_its_correction(make, few, monkeypatch, score):
    method = prepared(make, few, "paper-adapter", "own_takes=1", "adapter=2.0", "adapter_penalty=5.0")
    monkeypatch.setattr(method, "adapted", lambda image: image + 3.0 * method.image.deviation)
    # Own poses get the score of 0, adapted ones that of the case.
    monkeypatch.setattr(method.adapter.critic, "forward", lambda sample: score * (sample.mean(dim=1, keepdim=True) > 1.5).float())
    terms = dict(method.losses(few, method.samples(few)[:16], 0))
    assert float(terms["adapter"]["generator"]) == pytest.approx(2.0 * float(generator_loss(torch.full((1, 1), score), "bce")))
    assert float(terms["adapter"]["correction"].detach()) == pytest.approx(5.0 * 9.0, rel=1e-4)
    expected = discriminator_loss(torch.zeros(1, 1), torch.full((1, 1), score), "bce")
    assert float(terms["adapter's critic"]["discriminator"]) == pytest.approx(float(expected))


def test_with_extra_data_the_adapter_gets_its_pairs_at_the_own_mean_size(make, data):
    method = prepared(make, data, "paper", "adapter=1.0", "extra_data=synthetic")
    assert float(method.foreign[:, method.head].norm(dim=-1).mean()) == pytest.approx(0.1, rel=1e-4)
    assert method.foreign_gap == 5, "0.1 s at 50 Hz"
    assert set(method.optimisers()) == {"lifter", "critics", "adapter", "adapter's critic"}


# ---------------------------------------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    ("recipe", "change", "named"),
    [
        ("paper", "tilt=6.2", "tilt"),
        ("paper", "mirror=true", "mirror"),
        ("released", "bone_vectors=true", "bone_vectors"),
        ("paper", 'views="level"', "views"),
        ("paper", "view_limit=0.2", "view_limit"),
        ("default", "own_takes=2", "own_takes"),
        ("default", "gradient_penalty=1.0", "gradient_penalty"),
        ("default", "view_limit=0.0", "view_limit"),
        ("paper", "adapter=1.0", "extra_data"),
        ("paper-adapter", "extra_data=synthetic", "exclude each other"),
    ],
)
def test_settings_of_the_other_form_are_refused_by_name(make, recipe, change, named):
    with pytest.raises(PosebenchError, match=named):
        make(recipe, change)


def test_the_published_forms_have_no_side_information_and_the_official_sizes():
    (content, where), baseline = read_method("chen2019"), load_baseline("chen2019")
    for recipe in ("paper", "released", "paper-cycle", "paper-single", "paper-few", "paper-adapter"):
        for preset in ("quick", "full"):
            settings = resolve(content, baseline.Settings, where=where, recipe=recipe, preset=preset)
            sizes = (settings.width, settings.blocks, settings.discriminator_width, settings.discriminator_blocks)
            assert sizes == (1024, 4, 1024, 3), recipe
            assert settings.flip_averaging is False
            assert settings.tilt == settings.ema == 0.0
        assert settings.epochs * (settings.samples // settings.batch) == 50_016
        assert content["recipes"][recipe]["form"] == ("released" if recipe == "released" else "paper")
    method = baseline.build(resolve(content, baseline.Settings, where=where, recipe="paper", preset="full"), "h36m17")
    assert method.side_information == ()
    assert sum(part.numel() for part in method.lifter.parameters()) == 8_468_497
