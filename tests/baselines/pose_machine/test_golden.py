"""The published variants equal the golden numbers of the authors' code, with weights filled by the golden rule, in float64."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch
from torch import nn

from posebench.baselines.pose_machine import Settings, build
from posebench.baselines.pose_machine.correction import CORRECTORS
from posebench.baselines.pose_machine.keypoints import VisibleKeypoints
from posebench.baselines.pose_machine.published_method import Batch
from posebench.networks.recipe import read_method, resolve
from tests.baselines.golden_methods import EXACT, golden

GOLDEN = golden("pose_machine")
EXPECTED = GOLDEN.facts["expected"]
#: Golden names of the terms to ours.
TERMS = {"pose_bones": "pose bones", "copy_bones": "copy bones", "projection_bones": "projection bones"}


def tensor(name):
    return torch.from_numpy(GOLDEN.arrays[name]).double()


def ours(lstm):
    """Golden gates (input, forget, output, candidate) in PyTorch's order (input, forget, candidate, output)."""
    i, f, o, g = torch.from_numpy(lstm).double().chunk(4)
    return torch.cat([i, f, g, o])


@pytest.fixture(scope="module")
def weights():
    return GOLDEN.weights()


@pytest.fixture(scope="module", params=["paper", "released"])
def recipe(request):
    return request.param


@pytest.fixture(scope="module")
def method(recipe, weights):
    return filled(recipe, weights)


@pytest.fixture(scope="module")
def released(weights):
    return filled("released", weights)


def filled(recipe, weights):
    content, where = read_method("pose_machine")
    machine = build(resolve(content, Settings, where=where, recipe=recipe, preset="quick"), "h36m16").double()
    lifter = machine.lifter
    values = {"transformer.head": "head", "copy.layers.0": "copy.one", "copy.layers.1": "copy.two"}
    values |= {f"projector.layers.{i}": f"projector.{name}" for i, name in enumerate(("one", "two", "three", "last"))}
    state = {f"{a}.{part}": torch.from_numpy(weights[f"{b}.{part}"]) for a, b in values.items() for part in ("weight", "bias")}
    for name, golden_name in (("forwards", "lstm1"), ("backwards", "lstm2")):
        for part, golden_part in (("weight_ih_l0", "input"), ("bias_ih_l0", "bias"), ("weight_hh_l0", "recurrent")):
            state[f"transformer.{name}.{part}"] = ours(weights[f"{golden_name}.{golden_part}"])
    # The golden features stand behind the image network: in the place of our embedding of the keypoints.
    lifter.transformer.embedding = nn.Identity()
    lifter.transformer.embed = lambda features: features
    lifter.inputs = lambda keypoints: tensor("features")[None, : keypoints.points.shape[1]]
    lifter.target_view = lambda keypoints: tensor("label_image").reshape(1, 8, 16, 2)[:, : keypoints.points.shape[1]]
    wanted = {name: value.shape for name, value in lifter.state_dict().items() if name.split(".")[-1] in ("weight", "bias", "weight_ih_l0")}
    assert wanted.keys() <= state.keys(), "the networks have the golden tensors, and no others"
    found = lifter.load_state_dict(state, strict=False)
    assert not found.unexpected_keys
    low, high = (torch.from_numpy(weights[name]).double().reshape(16, 3) for name in ("low", "high"))
    lifter.pose.mean.copy_(low)
    lifter.pose.deviation.copy_(high - low)
    return machine.eval()


def batch_of(method, frames):
    """The golden targets: the first 5 frames have 3D; target_view() gives the golden 2D."""
    keypoints = VisibleKeypoints(torch.zeros(1, frames, 16, 2), torch.ones(1, frames, 16, dtype=torch.bool), torch.ones(1, frames, 1, 1))
    target = method.lifter.pose.undo(tensor("label_pose").reshape(1, 5, 16, 3))
    return Batch(keypoints, target, torch.ones(1, 5, dtype=torch.bool))


def terms_of(method, pose_name, **how):
    pose = tensor(pose_name)[None]
    found = method.all_terms(pose, batch_of(method, 8), **how)
    return {name: float(value.detach()) for name, value in found.items()}


def assert_terms(found, stage, names):
    golden_terms = {TERMS.get(name, name): value for name, value in EXPECTED[stage]["terms"].items()}
    assert found == pytest.approx({name: golden_terms[name] for name in names}, rel=EXACT, abs=EXACT)
    if len(names) == len(golden_terms):
        assert sum(found.values()) == pytest.approx(EXPECTED[stage]["total"], rel=EXACT)


def names_in(stage, method):
    """The terms of a stage: those of bones are in the authors' code only."""
    names = [TERMS.get(name, name) for name in EXPECTED[stage]["terms"]]
    return names if method.settings.bones else [name for name in names if "bones" not in name]


def test_a_clip_goes_through_the_lstms_forwards_and_backwards(method):
    with torch.no_grad():
        GOLDEN.close(method.lifter.transformer(tensor("features")[None, :5])[0], "lstm_pose_of_5")
        alone = method.lifter.transformer.forward_mixed(tensor("features")[None, :5], tensor("features")[None, 5:5])
        GOLDEN.close(alone[0], "lstm_pose_of_5")


def test_a_released_batch_is_reversed_as_a_whole_and_its_clip_flags_are_not(released):
    with torch.no_grad():
        GOLDEN.close(
            released.lifter.transformer.forward_mixed(tensor("features")[None, :5], tensor("features")[None, 5:]),
            "lstm_pose_of_8_as_released",
        )


def test_in_the_papers_batch_each_image_is_a_sequence_of_its_own(weights):
    sequence = filled("paper", weights).lifter.transformer
    features = tensor("features")
    with torch.no_grad():
        mixed = sequence.forward_mixed(features[None, :5], features[None, 5:])[0]
        GOLDEN.close(mixed[:5], "lstm_pose_of_5")
        for frame in range(5, 8):
            torch.testing.assert_close(mixed[frame], sequence(features[None, frame : frame + 1])[0, 0], rtol=EXACT, atol=EXACT)


def test_copy_and_projection(method):
    with torch.no_grad():
        for frames, pose in ((5, "lstm_pose_of_5"), (8, "lstm_pose_of_8_as_released")):
            copied = method.lifter.copy(tensor(pose))
            GOLDEN.close(copied, f"copy_of_{frames}")
            GOLDEN.close(method.lifter.projector(copied), f"projection_of_{frames}")


def test_the_first_stage_learns_the_pose_alone(method):
    found = {name: float(value) for name, value in method.lifting_terms(tensor("lstm_pose_of_5")[None], batch_of(method, 5)).items()}
    assert_terms(found, "stage1", ["pose"])


def test_the_later_stages_have_every_term_with_weight_1(method):
    assert_terms(terms_of(method, "lstm_pose_of_8_as_released"), "stage2_and_3", names_in("stage2_and_3", method))


def test_the_released_mask_sets_joints_to_0_before_the_copy_and_adds_bones_of_the_projection(released, monkeypatch):
    mask = tensor("mask").reshape(1, 8, 16, 3)[..., 0].bool()
    monkeypatch.setattr(released, "draw_kept", lambda like, dropout: mask)  # noqa: ARG005
    assert_terms(terms_of(released, "lstm_pose_of_8_as_released", dropout=0.02), "masked", names_in("masked", released))


def corrector_of(machine, **changes):
    chosen = replace(machine.settings, **changes)
    return CORRECTORS[chosen.variant](machine.lifter, machine.joints, chosen)


@pytest.fixture(scope="module")
def corrections(weights):
    """By Adam's state: pose, projection and error of each golden frame after 0, 1 and 2 updates."""
    machine = filled("released", weights)
    image, visible = tensor("label_image").reshape(8, 1, 16, 2), torch.ones(1, 16, dtype=torch.bool)

    def run(state):
        corrector = corrector_of(machine, correction_state=state, correction_steps=2)
        found = []
        project = corrector._project
        corrector._project = lambda poses, keypoints: found.append(project(poses, keypoints)) or found[-1]
        for frame in range(5):
            machine.lifter.target_view = lambda keypoints, frame=frame: image[frame]  # noqa: ARG005
            keypoints = VisibleKeypoints(image[frame], visible, torch.ones(1, 1, 1, dtype=torch.float64))
            corrector.run(tensor("lstm_pose_of_5")[frame : frame + 1].clone(), keypoints)
        return [torch.stack([values[part][0].detach() for values in found]).unflatten(0, (5, 3)) for part in range(3)]

    return {state: run(state) for state in ("fresh", "carried")}


@pytest.mark.parametrize("state", ["fresh", "carried"])
def test_the_released_correction_of_each_frame_after_each_update(corrections, state):
    pose, view, error = corrections[state]
    GOLDEN.close(pose, f"correction_{state}_pose")
    GOLDEN.close(view, f"correction_{state}_projection")
    torch.testing.assert_close(error, tensor(f"correction_{state}_losses").sum(dim=-1), rtol=EXACT, atol=EXACT)


def test_the_movement_of_the_stable_joints_in_mm(method):
    corrector = corrector_of(method)
    before, once, twice = (corrector._in_mm(tensor("correction_fresh_pose")[:, updates]) for updates in range(3))
    GOLDEN.close(corrector._movement(once, before), "movement_mm_step1")
    GOLDEN.close(corrector._movement(twice, once), "movement_mm_step2")
    GOLDEN.close(corrector._movement(twice, corrector._in_mm(tensor("lstm_pose_of_5"))), "copy_away_from_pose_mm")


@pytest.mark.parametrize("case", GOLDEN.facts["acceptance"]["cases"], ids=lambda case: f"{case['change_of_stable_joints_mm']} mm")
def test_the_papers_rule_stops_below_5_mm_and_rejects_above_20_mm(method, case, monkeypatch):
    # The rule is in the paper's text only; the release has it off.
    corrector = corrector_of(method, correction_steps=2, correction_stop=5.0, correction_reject=20.0)
    change = torch.tensor([case["change_of_stable_joints_mm"]], dtype=torch.float64)
    monkeypatch.setattr(corrector, "_movement", lambda one, other: change)  # noqa: ARG005
    monkeypatch.setattr(method.lifter, "target_view", lambda keypoints: tensor("label_image").reshape(8, 16, 2)[:1])  # noqa: ARG005
    keypoints = VisibleKeypoints(torch.zeros(1, 16, 2), torch.ones(1, 16, dtype=torch.bool), torch.ones(1, 1, 1))
    found = corrector.run(tensor("lstm_pose_of_5")[:1].clone(), keypoints)
    assert (int(found.steps) == 1, bool(found.rejected)) == (case["stop"], case["reject"])


def test_the_paper_recipe_has_the_papers_rule_and_the_released_one_has_none():
    content, where = read_method("pose_machine")
    rules = {}
    for recipe in ("paper", "released"):
        chosen = resolve(content, Settings, where=where, recipe=recipe, preset="full")
        rules[recipe] = (chosen.correction, chosen.correction_steps, chosen.correction_stop, chosen.correction_reject)
    assert rules == {"paper": ("both", 2, 5.0, 20.0), "released": ("copy", 2, 0.0, 0.0)}
