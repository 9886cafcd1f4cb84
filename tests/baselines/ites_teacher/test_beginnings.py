"""Beginnings and the twin: which weights the training goes on from, by losses alone."""

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.baselines.ites_teacher.method import Teacher
from posebench.baselines.ites_teacher.network import Lifter


def test_of_several_beginnings_the_one_with_the_least_losses_is_kept(data, monkeypatch, method):
    found, begin, terms = [], Lifter.begin, Teacher._terms

    def counted(lifter):
        begin(lifter)
        found.append([])

    def told(player, frames, epoch):
        named = terms(player, frames, epoch)
        weights = {key: value.clone() for key, value in player.lifter.state_dict().items()}
        found[-1].append((float(sum(named.values()).detach()), weights, frames.tolist()))
        return named

    player = method("default", "starts=3", "start_steps=4", "batch=16", "samples=64")
    monkeypatch.setattr(Lifter, "begin", counted)
    monkeypatch.setattr(Teacher, "_terms", told)
    player.prepare(data)
    assert [len(steps) for steps in found] == [4, 4, 4]
    assert [step[2] for step in found[0]] == [step[2] for step in found[1]] == [step[2] for step in found[2]], "the same frames for each"
    lost = [sum(loss for loss, _, _ in steps[2:]) for steps in found]
    assert len(set(lost)) == 3
    last = found[lost.index(min(lost))][3][1]
    assert all((weight - last[name]).abs().max() <= 2.1e-3 for name, weight in player.lifter.state_dict().items()), "one step of Adam later"
    assert player.extra_poses == 3 * 4 * 16
    assert method("paper").extra_poses == 0


def test_beginnings_that_are_not_finite_are_refused(data, method):
    with pytest.raises(PosebenchError, match="3 beginnings, none of them finite"):
        method("default", "starts=3", "start_steps=4", "learning_rate=1e30", "batch=16").prepare(data)


@pytest.mark.parametrize("rotation", ["vertical", "free"])
def test_a_flipped_lifter_tells_every_depth_with_the_other_sign(rotation, method):
    player = method("default", f"rotation={rotation}", "tilt=0.0")
    torch.nn.init.normal_(player.lifter.turning.weight)
    image, level = torch.randn(9, 17, 2), torch.zeros(9)
    before = player.lifter.tell(image, level).seen
    player.lifter.become_twin()
    torch.testing.assert_close(player.lifter.tell(image, level).seen, before * torch.tensor([1.0, 1.0, -1.0]))
    player.lifter.become_twin()
    torch.testing.assert_close(player.lifter.tell(image, level).seen, before)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_of_a_lifter_and_its_flipped_twin_the_one_with_less_loss_goes_on(data, monkeypatch, sign, method):
    player = method("default", "twin_steps=4", "twin_at=0.5", "epochs=4", "batch=16")
    player.prepare(data)
    with torch.no_grad():
        player.lifter.dictionary.bias[2] = 5.0 * sign
    monkeypatch.setattr(Teacher, "_terms", lambda player, *_: {"depth": player.lifter.dictionary.bias[2]})
    depths = []
    with torch.no_grad():
        assert "twin went on" not in player.diagnostics(data)
    for epoch in (0, 1, 2, 2, 3):
        ((_, terms),) = player.losses(data, torch.arange(16), epoch)
        depths.append(float(terms["depth"].detach()))
    assert depths[:2] == [5.0 * sign] * 2
    assert -5.1 < depths[2] < -5.0, "the twin whose depth is less, some steps later"
    assert depths[2:] == [depths[2]] * 3, "once"
    assert player.extra_poses == 2 * 4 * 16
    with torch.no_grad():
        assert player.diagnostics(data)["twin went on"] == float(sign > 0)
    assert "settled" in player.state_dict(), "a resumed run does not settle again"
