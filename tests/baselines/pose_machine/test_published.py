"""The published variants: what a step learns from, joint dropout, starting weights, learning rates, and the paper's correction."""

import copy
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.baselines.pose_machine import Settings, build
from posebench.baselines.pose_machine.correction import correct
from posebench.baselines.pose_machine.published_losses import half_square
from posebench.networks.recipe import read_method, resolve


@pytest.fixture(scope="module", params=["paper", "released"])
def recipe(request):
    return request.param


@pytest.fixture
def method(make_method, data, recipe):
    machine = make_method(recipe, "unlabelled_takes=0.25", "bones=1.0", "correction=both", "correction_state=fresh")
    machine.prepare(data)
    return machine


def full_size(recipe, preset="full"):
    content, where = read_method("pose_machine")
    return resolve(content, Settings, where=where, recipe=recipe, preset=preset)


def losses(method, data, epoch):
    ((_, terms),) = method.losses(data, method.samples(data)[:8], epoch)
    return terms


def test_images_are_single_frames_of_the_takes_without_3d_and_follow_the_clips(method, data):
    batch = method.load_batch(data, method.labelled_starts[:8], images=3)
    assert batch.keypoints.points.shape == (8, 5 + 3, 17, 2)
    assert batch.target.shape == (8, 5, 17, 3)
    assert batch.known.all(), "the clips have 3D"
    unlabelled = data.keypoints[~method.labelled].flatten(1)
    for image in batch.keypoints.points[:, 5:].flatten(0, 1).flatten(1):
        assert (unlabelled == image).all(dim=1).any()


def test_the_first_stage_has_no_images_and_later_ones_have(method, data, monkeypatch):
    asked = []
    load = method.load_batch
    monkeypatch.setattr(method, "load_batch", lambda data, starts, images: asked.append(images) or load(data, starts, images))
    for epoch in range(3):
        losses(method, data, epoch)
    assert asked == [0, 3, 3]


@pytest.mark.parametrize(("epoch", "moved"), [(0, {"transformer"}), (1, {"copy", "projector"}), (2, {"transformer", "copy", "projector"})])
def test_gradients_reach_the_networks_of_the_stage(method, data, epoch, moved):
    sum(losses(method, data, epoch).values()).backward()
    reached = {name.split(".")[1] for name, part in method.named_parameters() if part.grad is not None and part.grad.abs().max() > 0}
    assert reached == moved


def test_every_term_is_a_half_sum_of_squares_per_frame_and_none_is_negative(method, data):
    assert half_square(torch.full((4, 2, 3), 2.0)) == pytest.approx(4.0 * 6 / 2)
    for epoch in range(3):
        assert all(float(value.detach()) > 0.0 for value in losses(method, data, epoch).values())


def test_frames_without_3d_have_no_pose_loss_but_a_projection_loss(method, data):
    batch = method.load_batch(data, method.labelled_starts[:2], images=3)
    pose = torch.zeros(2, 8, 51)
    before = method.all_terms(pose, batch)
    pose[:, 5:] += 1.0
    after = method.all_terms(pose, batch)
    assert [name for name in before if not torch.equal(before[name], after[name])] == ["projection"]
    none_known = batch._replace(known=torch.zeros(2, 5, dtype=torch.bool))
    assert float(method.all_terms(pose, none_known)["pose"]) == 0.0


def test_dropout_as_in_the_paper_scales_what_is_left_and_the_release_sets_joints_to_0(method, data, recipe, monkeypatch):
    batch = method.load_batch(data, method.labelled_starts[:2], images=3)
    pose = torch.rand(2, 8, 51)
    drawn = []

    def draw(like, dropout):
        drawn.append(torch.rand(like.shape) >= dropout)
        return drawn[-1]

    given = []
    monkeypatch.setattr(method, "draw_kept", draw)
    monkeypatch.setattr(method.lifter.copy, "forward", lambda pose: given.append(pose) or pose)
    wrong = torch.ones(17, 2)
    monkeypatch.setattr(method.lifter.projector, "forward", lambda pose: (method.lifter.target_view(batch.keypoints) + wrong).flatten(-2))  # noqa: ARG005
    found = method.all_terms(pose, batch, dropout=0.5)
    scale = 2.0 if recipe == "paper" else 1.0
    torch.testing.assert_close(given[0].unflatten(-1, (17, 3)), pose.unflatten(-1, (17, 3)) * drawn[0][..., None] * scale)
    counted = 2.0 * drawn[1].sum() if recipe == "paper" else torch.tensor(2 * 8 * 17)
    assert len(drawn) == (2 if recipe == "paper" else 1)
    assert float(found["projection"]) == pytest.approx(float(counted) * 2.0 / (2 * 16), rel=1e-5)


def test_the_released_mask_drops_spine_and_head_twice_as_often(make_method):
    machine = make_method("released")
    torch.manual_seed(0)
    dropped = 1.0 - machine.draw_kept(torch.ones(4000, 5, 17), 0.02).float().mean(dim=(0, 1))
    twice = [machine.joints.index(name) for name in ("spine", "head_top")]
    once = [i for i in range(17) if i not in twice]
    assert dropped[twice].mean() == pytest.approx(0.04, rel=0.1)
    assert dropped[once].mean() == pytest.approx(0.02, rel=0.1)


def test_the_released_mask_begins_in_the_second_half_of_the_last_stage():
    machine = build(replace(full_size("released"), width=8, embedding_width=8, copy_width=8, projector_width=8), "h36m17")
    assert machine.settings.ends == (30, 60, 140)
    assert [machine._dropout(epoch) for epoch in (60, 99, 100, 139)] == [0.0, 0.0, 0.02, 0.02]


def test_the_networks_start_as_released(recipe):
    lifter = build(replace(full_size(recipe), embedding_width=8), "h36m16").lifter
    state = lifter.state_dict()
    lstm = torch.cat([value.flatten() for name, value in state.items() if "weight_" in name])
    assert float(lstm.abs().max()) <= 0.01
    assert float(lstm.std()) == pytest.approx(0.01 / 3**0.5, rel=0.01)
    linear = {name: value for name, value in state.items() if name.split(".")[0] in ("copy", "projector") or ".head." in name}
    for name, value in linear.items():
        assert float(value.abs().max()) == 0.0 if name.endswith("bias") else float(value.std()) == pytest.approx(0.01, rel=0.05)
    assert all(float(value.abs().max()) == 0.0 for name, value in state.items() if "bias_" in name)


def test_an_lstm_has_one_bias_that_learns(method):
    learning = [name for name, part in method.lifter.transformer.named_parameters() if "bias_" in name and part.requires_grad]
    assert learning == ["forwards.bias_ih_l0", "backwards.bias_ih_l0"]


def test_layers_learn_at_the_released_rates():
    machine = build(replace(full_size("released"), width=8, embedding_width=8, copy_width=8, projector_width=8), "h36m17")
    names = {part: name for name, part in machine.lifter.named_parameters()}
    rates = {
        stage: {names[part]: group["lr"] for group in optimiser.param_groups for part in group["params"]}
        for stage, optimiser in machine.optimisers().items()
    }
    faster = {name: rate for stage in ("transformer", "projector") for name, rate in rates[stage].items() if rate != 1e-4}
    assert faster == pytest.approx(
        {
            "transformer.head.weight": 1e-3,
            "transformer.head.bias": 2e-3,
            "copy.layers.1.weight": 2e-4,
            "copy.layers.1.bias": 2e-4,
            "projector.layers.3.weight": 5e-4,
            "projector.layers.3.bias": 5e-4,
        }
    )
    assert rates["whole"] == pytest.approx(dict.fromkeys(rates["whole"], 1e-5))


@pytest.mark.parametrize(("recipe", "steps"), [("paper", 1_000_000), ("released", 1_400_000)])
def test_full_is_the_official_number_of_steps_of_one_window_and_three_images(recipe, steps):
    chosen = full_size(recipe)
    assert (chosen.batch, chosen.window, chosen.images) == (1, 5, 3)
    assert chosen.epochs * chosen.samples == steps
    assert (chosen.width, chosen.copy_width, chosen.projector_width) == (1024, 1024, 1024)
    assert full_size(recipe, "quick").width == 1024


@pytest.mark.parametrize("correction", ["copy", "projector", "both"])
def test_the_papers_correction_is_gradient_descent_on_copies_of_the_networks(make_method, data, correction):
    machine = make_method("paper", "correction_stop=0.0", "correction_reject=0.0", "correction_rate=0.5").eval()
    machine.prepare(data)
    with torch.no_grad():
        poses, keypoints = machine.predict(data.keypoints[:5])
    found = correct(machine.lifter, machine.joints, poses, keypoints, replace(machine.settings, correction=correction))
    for frame in range(5):
        lifter = copy.deepcopy(machine.lifter).double()
        target = lifter.target_view(type(keypoints)(*(values[frame : frame + 1] for values in keypoints))).double()
        free = [part for name in ("copy", "projector") if correction in (name, "both") for part in getattr(lifter, name).parameters()]
        optimiser = torch.optim.SGD(free, lr=0.5)
        for _ in range(machine.settings.correction_steps):
            optimiser.zero_grad()
            view = lifter.projector(lifter.copy(poses[frame].double())).unflatten(-1, (17, 2))
            (0.5 * (view - target[0]).square().sum()).backward()
            optimiser.step()
        wanted = lifter.in_mm(lifter.copy(poses[frame].double())).detach()
        torch.testing.assert_close(found.proposed[frame], wanted, rtol=1e-6, atol=1e-5)
    moved = (found.proposed - found.copied).abs().max()
    assert moved == 0.0 if correction == "projector" else moved > 1e-4
    assert (found.error_after < found.error_before).all()


def test_adams_state_is_carried_within_a_clip_and_not_to_the_next(make_method, data):
    carried = make_method("released").eval()
    fresh = make_method("released", "correction_state=fresh").eval()
    carried.prepare(data)
    fresh.prepare(data)
    carried.corrects = fresh.corrects = True
    clip = data.keypoints[:10]
    first, second, anew = carried.lift(clip), carried.lift(clip), fresh.lift(clip)
    assert torch.equal(first, second)
    torch.testing.assert_close(first[0], anew[0])
    assert (first[1:] - anew[1:]).abs().amax(dim=(1, 2)).min() > 0.0


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        ("paper", "skip=true", "skip = True; with variant = 'paper' it must be False"),
        ("released", "velocity=1.0", "velocity = 1.0; with variant = 'released' it must be 0.0"),
        ("default", "images=3", "images = 3; with variant = 'tuned' it must be 0"),
        ("paper", "correction_state=carried", "only variant = 'released' has Adam's state"),
    ],
)
def test_settings_without_effect_are_refused(make_method, recipe, change, message):
    with pytest.raises(PosebenchError, match=message):
        make_method(recipe, change)
