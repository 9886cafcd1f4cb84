"""The loss terms of each stage, signs and weights included, with networks whose outputs are known."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.skeletons import skeleton

PARENTS, CHILDREN = zip(*skeleton("h36m17").bones, strict=True)
PLAIN = ["unlabelled_takes=0.0", "mirror=false", "joint_dropout=0.0", "velocity=20.0", "bones=3.0", "projection=0.5"]


@pytest.fixture
def stage(make_method, data, monkeypatch):
    """Loss terms of a stage whose networks give the true pose, copy and view plus the given errors."""

    def terms(epoch, *, pose=None, copy=None, view=None, changes=(), hidden=()):
        method = make_method("default", *PLAIN, *changes)
        points = data.keypoints.clone()
        points[:, list(hidden)] = float("nan")
        seen = replace(data, keypoints=points)
        method.prepare(seen)
        lifter, starts = method.lifter, method.samples(seen)[:8]
        keypoints, target, _ = method.load_windows(seen, method.window_frames(seen, starts))

        def output(truth, error):
            return (truth if error is None else truth + error).flatten(-2)

        true_pose = lifter.pose(target)
        # Errors of poses are given in mm, those of views in standard deviations.
        in_units = [None if error is None else error / lifter.pose.deviation for error in (pose, copy)]
        monkeypatch.setattr(lifter.transformer, "forward", lambda inputs: output(true_pose, in_units[0]))  # noqa: ARG005
        monkeypatch.setattr(lifter.copy, "forward", lambda pose: output(true_pose, in_units[1]))  # noqa: ARG005
        monkeypatch.setattr(lifter.projector, "forward", lambda pose: output(lifter.target_view(keypoints), view))  # noqa: ARG005
        monkeypatch.setattr(torch, "randint", lambda high, size, **_: torch.arange(size[0]))  # noqa: ARG005
        ((_, found),) = method.losses(seen, starts, epoch)
        return {name: float(value) for name, value in found.items()}

    return terms


def along_z(mm):
    """The same error of every joint, in mm: relative to the root, which has none."""
    return torch.tensor([0.0, 0.0, mm])


@pytest.mark.parametrize(
    ("epoch", "names"),
    [
        (0, {"pose", "pose bones", "velocity"}),
        (1, {"copy", "copy bones", "projection"}),
        (2, {"pose", "pose bones", "velocity", "copy", "copy bones", "projection"}),
    ],
)
def test_networks_that_give_the_truth_pay_nothing(stage, epoch, names):
    assert stage(epoch) == pytest.approx(dict.fromkeys(names, 0.0), abs=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("epoch", "name"), [(0, "pose"), (1, "copy"), (2, "pose"), (2, "copy")])
def test_an_error_of_100_mm_of_every_joint_costs_one_and_of_the_bones_at_the_root_their_weight(stage, epoch, name, sign):
    found = stage(epoch, **{name: along_z(100.0 * sign)})
    at_root = sum(parent == 0 for parent in PARENTS) / len(PARENTS)
    assert found[name] == pytest.approx(1.0, rel=1e-4)
    assert found[f"{name} bones"] == pytest.approx(3.0 * at_root, rel=1e-4)


def test_squared_errors_are_those_of_the_numbers_without_unit(stage):
    changes = ["loss=squared", "targets=min-max"]
    assert stage(0, changes=changes) == pytest.approx({"pose": 0.0, "pose bones": 0.0, "velocity": 0.0}, abs=1e-4)
    found = stage(0, pose=along_z(100.0), changes=changes)
    at_root = sum(parent == 0 for parent in PARENTS) / len(PARENTS)
    assert found["pose bones"] == pytest.approx(3.0 * at_root / 3.0, rel=1e-4), "mean over three coordinates"
    assert 0.0 < found["pose"] < 1.0


@pytest.mark.parametrize("epoch", [0, 2])
def test_the_velocity_loss_is_the_error_of_the_change_from_frame_to_frame(stage, epoch):
    assert stage(epoch, pose=along_z(100.0))["velocity"] == pytest.approx(0.0, abs=1e-4), "a constant error has no velocity"
    drift = torch.arange(27.0)[:, None, None] * along_z(5.0)
    assert stage(epoch, pose=drift)["velocity"] == pytest.approx(20.0 * 0.05, rel=1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("epoch", [1, 2])
def test_the_projection_loss_is_the_weighted_mean_square_of_the_views_error(stage, epoch, sign):
    found = stage(epoch, view=sign * torch.tensor([3.0, 4.0]))
    assert found["projection"] == pytest.approx(0.5 * 25.0, rel=1e-4)


def test_in_the_mixed_stage_neither_hidden_nor_dropped_joints_count_in_the_projection(stage, monkeypatch):
    dropped, hidden, other = 4, 9, 12  # joints; in the view the root is left out
    drawn = torch.ones(8, 27, 16)
    drawn[..., dropped - 1] = 0.0
    monkeypatch.setattr(torch, "rand", lambda *_, **__: drawn)

    def projection(joint):
        error = torch.zeros(16, 2)
        error[joint - 1] = torch.tensor([3.0, 4.0])
        return stage(2, view=error, hidden=[hidden], changes=["joint_dropout=0.1"])["projection"]

    assert projection(dropped) == pytest.approx(0.0, abs=1e-4)
    assert projection(hidden) == pytest.approx(0.0, abs=1e-4)
    assert projection(other) == pytest.approx(0.5 * 25.0 / 14.0, rel=1e-4)
