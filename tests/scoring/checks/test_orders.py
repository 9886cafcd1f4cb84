"""Joint orders of the field are recognised, any other permutation is listed, and no weak method is taken for one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import joint_map, skeleton
from posebench.metrics import root_relative
from posebench.predictions.archive import save_predictions
from posebench.scoring.checks.causes import likeliest_cause
from posebench.scoring.checks.orders import FIELD_ORDERS, assignment
from posebench.scoring.evaluate import score
from posebench.scoring.protocol import load_protocol

#: Skeletons that files of a number of joints state.
STATED = ((14, "lsp14"), (16, "h36m16"))


def in_order(poses, names):
    """Poses (T, 17, 3) of h36m17 in an order of names; joints that h36m17 lacks are near its head."""
    bones = skeleton("h36m17")
    columns = [bones.joints.index(name) if name in bones.joints else bones.joints.index("neck_nose") for name in names]
    return {clip: pose[:, columns] for clip, pose in poses.items()}


def joint_order(found):
    """The finding; no error beside it."""
    assert [name for name, finding in found.items() if finding.severity == "error"] == ["joint-order"], found
    return found["joint-order"]


def of_17_joints():
    """Names of the field's orders that have as many joints as h36m17."""
    return [name for name, text in FIELD_ORDERS.items() if len(text.split()) == 17]


@pytest.mark.parametrize("name", of_17_joints())
@pytest.mark.parametrize("body", ["truth", "real"])
@pytest.mark.parametrize("size", [20.0, 60.0])
def test_an_order_of_the_field_is_named_with_its_joints(findings, request, name, body, size, noisy):
    true = request.getfixturevalue(body)
    finding = joint_order(findings(in_order(noisy(true, size), FIELD_ORDERS[name].split()), true))
    if name != "SPIN's H36M 17":  # this one is also "the legs are swapped"
        assert FIELD_ORDERS[name].replace(" ", ", ") in finding.message


@pytest.mark.parametrize(
    ("name", "stated"), [(name, stated) for name, text in FIELD_ORDERS.items() for joints, stated in STATED if len(text.split()) == joints]
)
def test_an_order_of_14_or_16_joints_is_named(walker, noisy, name, stated):
    """Among them field case 03: CanonPose's order stated as h36m16, and H36M's 14 joints stated as lsp14."""
    protocol = load_protocol({"lsp14": "h36m/s9s11-14j", "h36m16": "h36m/s9s11-16j"}[stated])
    body = {"": np.concatenate([walker(40, take, take) for take in range(4)])}
    truth = root_relative(body[""][:, list(joint_map("h36m17", protocol.skeleton.id))], protocol.root_indices)
    assert likeliest_cause(protocol, stated, [], truth + 20.0, truth) is None
    pred = root_relative(in_order(noisy(body), FIELD_ORDERS[name].split())[""], protocol.root_indices)
    cause = likeliest_cause(protocol, stated, [], pred, truth)
    assert cause is not None
    assert (cause.finding.name, cause.finding.severity) == ("joint-order", "error")
    assert FIELD_ORDERS[name].replace(" ", ", ") in cause.finding.message


def test_score_refuses_another_order(truth, noisy, tmp_path):
    """Field case 03: MPII's order stated as h36m17 was scored with 769 mm and no word."""
    pred = in_order(noisy(truth), FIELD_ORDERS["MPII 17"].split())
    file = save_predictions(tmp_path / "p.npz", pred, unit="mm", skeleton="h36m17")
    gt = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
    with pytest.raises(PosebenchError, match="order is that of MPII 17: r_ankle, r_knee") as error:
        score(file, "pair-17j", truth=gt)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("reversed_limbs", [("hip", "ankle"), ("shoulder", "wrist")])
def test_reversed_limbs_are_named(findings, truth, reversed_limbs, noisy):
    swap = dict(zip(reversed_limbs, reversed_limbs[::-1], strict=True))
    names = [joint[:2] + swap.get(joint[2:], joint[2:]) for joint in skeleton("h36m17").joints]
    assert "reversed" in joint_order(findings(in_order(noisy(truth), names), truth)).message


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("body", ["truth", "real"])
@pytest.mark.parametrize("flat", [False, True])
def test_any_permutation_is_listed(findings, request, seed, body, flat, noisy):
    true = request.getfixturevalue(body)
    names = np.random.default_rng(seed).permutation(skeleton("h36m17").joints).tolist()
    pred = {clip: pose * [1.0, 1.0, 0.0 if flat else 1.0] for clip, pose in noisy(true).items()}
    stated = {"unit": None, "scale": "unknown"} if flat else {}
    assert ", ".join(names) in joint_order(findings(in_order(pred, names), true, **stated)).message


def test_two_joints_exchanged_are_found(findings, truth, noisy):
    names = list(skeleton("h36m17").joints)
    names[7], names[8] = names[8], names[7]
    finding = joint_order(findings(in_order(noisy(truth), names), truth))
    assert "in 2 of 17 joints" in finding.message or "root mean square" in finding.message


def test_an_order_with_joints_that_ours_lacks_is_recognised(findings, truth, noisy):
    """COCO has eyes and ears where h36m17 has spine, thorax and head; its limbs are what is compared."""
    finding = joint_order(findings(in_order(noisy(truth), skeleton("coco17").joints), truth))
    assert "coco17" in finding.message
    assert "state coco17" in finding.fix


def test_an_order_of_the_field_is_named_in_the_skeleton_of_3dhp(findings, truth, noisy):
    """A file stated as mpi17 that is in the order of h36m17, under a protocol of h36m17."""
    assert "h36m17" in joint_order(findings(noisy(truth), truth, skeleton="mpi17")).message


@pytest.mark.parametrize("size", [100.0, 150.0])
@pytest.mark.parametrize("body", ["truth", "real"])
def test_noise_is_no_other_order(findings, request, size, body, noisy):
    true = request.getfixturevalue(body)
    assert "joint-order" not in findings(noisy(true, size), true)


@pytest.mark.parametrize("body", ["truth", "real"])
def test_one_pose_for_all_frames_or_no_depth_is_no_other_order(findings, request, body, noisy):
    true = request.getfixturevalue(body)
    relative = [pose - pose[:, :1] for pose in true.values()]
    mean = np.concatenate(relative).mean(axis=0)
    turned = relative[0][0] * [-1.0, 1.0, -1.0]  # a person who faces the other way
    for pose in (mean, relative[0][0], turned):
        pred = {clip: np.broadcast_to(pose, other.shape).copy() for clip, other in true.items()}
        assert "joint-order" not in findings(pred, true)
    flat = {clip: pose * [1.0, 1.0, 0.0] for clip, pose in noisy(true, 60.0).items()}
    assert "joint-order" not in findings(flat, true, unit=None, scale="unknown")


@pytest.mark.parametrize("body", ["truth", "real"])
def test_a_network_that_has_learnt_nothing_is_no_other_order(findings, request, body):
    """The best permutation lowers the error of random poses too, with this number of them to 0.48 and more."""
    true = request.getfixturevalue(body)
    for seed in range(12):
        random = np.random.default_rng(seed)
        into, out = random.normal(size=(34, 64)), random.normal(size=(64, 51))
        pred = {}
        for clip, pose in true.items():
            plane = (pose - pose[:, :1])[..., :2].reshape(len(pose), 34) / 300.0
            pred[clip] = 10.0 * (np.maximum(plane @ into, 0.0) @ out).reshape(-1, 17, 3)
        assert "joint-order" not in findings(pred, true)


@pytest.mark.parametrize("seed", range(5))
def test_the_assignment_is_the_cheapest_of_all(seed):
    cost = np.random.default_rng(seed).random((6, 6))
    rows = range(6)
    best = min(permutations(rows), key=lambda columns: sum(cost[row, column] for row, column in zip(rows, columns, strict=True)))
    assert assignment(cost) == list(best)
