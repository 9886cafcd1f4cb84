"""Initialisations and the depth sign check: the training continues from the weights with the smaller loss."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.baselines.ites_teacher.method import Teacher
from posebench.baselines.ites_teacher.network import DictionaryLifter
from posebench.baselines.ites_teacher.selection import keep_best


def test_the_candidate_with_the_least_loss_is_kept_and_all_are_trained_from_the_same_random_state():
    network, drawn = torch.nn.Linear(1, 1), []

    def load(value):
        with torch.no_grad():
            network.bias.fill_(value)
        torch.manual_seed(int(value))

    def train():
        drawn.append(float(torch.rand(())))
        return float(network.bias.detach() - 4.0) ** 2

    torch.manual_seed(5)
    candidates = [lambda value=value: load(value) for value in (1.0, 3.0, 9.0)]
    assert keep_best(network, candidates, train) == 1
    assert network.bias.tolist() == [3.0]
    assert len(drawn) == 3
    assert len(set(drawn)) == 1
    with pytest.raises(PosebenchError, match="losses of 3 initialisations, none of them finite"):
        keep_best(network, candidates, lambda: float("nan"))


def test_of_several_initialisations_the_one_with_the_least_loss_in_the_second_half_of_its_steps_is_kept(data, monkeypatch, make_method):
    found, initialise, loss_terms = [], DictionaryLifter.initialise, Teacher._loss_terms

    def recorded_initialise(lifter):
        initialise(lifter)
        found.append([])

    def recorded_terms(method, frames, epoch):
        terms = loss_terms(method, frames, epoch)
        weights = {key: value.clone() for key, value in method.lifter.state_dict().items()}
        found[-1].append((float(sum(terms.values()).detach()), weights, frames.tolist()))
        return terms

    method = make_method("default", "initialisations=3", "initialisation_steps=4", "batch=16", "samples=64")
    monkeypatch.setattr(DictionaryLifter, "initialise", recorded_initialise)
    monkeypatch.setattr(Teacher, "_loss_terms", recorded_terms)
    method.prepare(data)
    assert [len(steps) for steps in found] == [4, 4, 4]
    assert [step[2] for step in found[0]] == [step[2] for step in found[1]] == [step[2] for step in found[2]], "the same frames for each"
    losses = [sum(loss for loss, _, _ in steps[2:]) for steps in found]
    assert len(set(losses)) == 3
    last = found[losses.index(min(losses))][3][1]
    assert all((weight - last[name]).abs().max() <= 2.1e-3 for name, weight in method.lifter.state_dict().items()), "one step of Adam later"
    assert method.extra_poses == 3 * 4 * 16
    assert make_method("paper").extra_poses == 0


def test_initialisations_without_a_finite_loss_are_refused(data, make_method):
    with pytest.raises(PosebenchError, match="3 initialisations, none of them finite"):
        make_method("default", "initialisations=3", "initialisation_steps=4", "learning_rate=1e30", "batch=16").prepare(data)


@pytest.mark.parametrize("axis", ["vertical", "free"])
def test_a_depth_flipped_lifter_predicts_every_depth_with_the_opposite_sign(axis, make_method):
    method = make_method("default", f"rotation_axis={axis}", "tilt=0.0")
    torch.nn.init.normal_(method.lifter.turning.weight)
    image, level = torch.randn(9, 17, 2), torch.zeros(9)
    before = method.lifter.predict(image, level).pose
    method.lifter.flip_depths()
    torch.testing.assert_close(method.lifter.predict(image, level).pose, before * torch.tensor([1.0, 1.0, -1.0]))
    method.lifter.flip_depths()
    torch.testing.assert_close(method.lifter.predict(image, level).pose, before)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_a_lifter_and_its_depth_flipped_copy_the_one_with_less_loss_is_kept_once(data, monkeypatch, sign, make_method):
    method = make_method("default", "flip_check_steps=4", "flip_check_at=0.5", "epochs=4", "batch=16")
    method.prepare(data)
    with torch.no_grad():
        method.lifter.dictionary.bias[2] = 5.0 * sign
    monkeypatch.setattr(Teacher, "_loss_terms", lambda method, *_: {"depth": method.lifter.dictionary.bias[2]})
    depths = []
    with torch.no_grad():
        assert "depth-flipped copy kept" not in method.diagnostics(data)
    for epoch in (0, 1, 2, 2, 3):
        ((_, terms),) = method.losses(data, torch.arange(16), epoch)
        depths.append(float(terms["depth"].detach()))
    assert depths[:2] == [5.0 * sign] * 2
    assert -5.1 < depths[2] < -5.0, "the one with the smaller depth, some steps later"
    assert depths[2:] == [depths[2]] * 3, "checked once"
    assert method.extra_poses == 2 * 4 * 16
    with torch.no_grad():
        assert method.diagnostics(data)["depth-flipped copy kept"] == float(sign > 0)
    assert "settled" in method.state_dict(), "a resumed run does not check again"
