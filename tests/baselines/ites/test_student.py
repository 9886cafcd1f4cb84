"""The student: its graph, what its losses are nothing of, and that every recipe trains."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.ites import Settings, build
from posebench.baselines.ites.network import GROUPS, GraphNetwork, NonLocal, SemanticConvolution, neighbours
from posebench.networks.recipe import read_method, resolve
from posebench.networks.samples import TrainingData
from posebench.networks.views import project_at_distance
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = ["width=8", "epochs=2", "samples=64", "batch=16"]
CONTENT, WHERE = read_method("ites")
RECIPES = ["default", *CONTENT["recipes"]]


def method(recipe="default", *changes):
    torch.manual_seed(0)
    return build(resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")


def told(player, keypoints):
    """Poses of a made-up teacher of the player's own camera, for keypoints (N, 17, 2): each joint's depth follows its height."""
    camera = player.lifter.camera
    camera.fit(keypoints)
    seen = camera(keypoints)
    depth = 2.0 * (seen.image[..., 1] - seen.image[:, :1, 1])
    return camera.back(seen, camera.on_rays(seen.image, depth))


@pytest.fixture(scope="module")
def data(walker):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    points = np.concatenate([(pose := walker(60, seed=take, camera=take))[..., :2] / pose[..., 2:] for take in range(4)])
    keypoints = torch.from_numpy(points).float()
    number = torch.arange(len(keypoints))
    lens = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (1, 1))
    return TrainingData(H36M, keypoints, None, number // 60 * 60, number // 60 * 60 + 59, number, 30.0, lens)


def prepared(data, recipe="default", *changes):
    player = method(recipe, *changes)
    taught = replace(data, teacher_poses=told(player, data.keypoints)) if player.settings.taught_by else data
    player.prepare(taught)
    return player, taught


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe):
    player, taught = prepared(data, recipe)
    before = {name: value.clone() for name, value in player.named_parameters()}
    fit(player, taught, player.settings, tmp_path)
    with torch.no_grad():
        poses = player.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-6)
    still = {name for name, value in player.named_parameters() if torch.equal(before[name], value)}
    # A depth that is the same for all joints is taken away with the root's.
    assert still <= {"lifter.network.last.bias"}, "every layer learns"


def test_lifted_poses_are_seen_where_the_keypoints_are(data):
    for recipe in ("default", "paper"):
        player, _ = prepared(data, recipe)
        player.eval()
        with torch.no_grad():
            camera = player.lifter.camera
            points = camera.turned(camera(data.keypoints), player.lift(data.keypoints))
            torch.testing.assert_close(project_at_distance(points, camera.distance), player.seen.image, rtol=0, atol=1e-6)


def test_what_the_teacher_tells_is_learnt_as_depth_in_the_students_camera(data, monkeypatch):
    player, taught = prepared(data, "default", "mirror=false", "equivariance=0.0")
    torch.testing.assert_close(player.taught, 2.0 * (player.seen.image[..., 1] - player.seen.image[:, :1, 1]), rtol=0, atol=1e-5)
    frames = torch.arange(16)
    monkeypatch.setattr(player.lifter, "tell", lambda image: player.taught[frames] + 0.1)  # noqa: ARG005
    ((_, terms),) = player.losses(taught, frames, 0)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"distillation": 0.5}, rel=1e-5)


def test_a_mirrored_image_is_taught_the_mirrored_pose(data, monkeypatch):
    """A student that knows the teacher's rule, depth by height, pays nothing for a mirror image either."""
    player, taught = prepared(data, "default", "mirror=true", "equivariance=0.0")
    monkeypatch.setattr(player.lifter, "tell", lambda image: 2.0 * (image[..., 1] - image[:, :1, 1]))
    ((_, terms),) = player.losses(taught, torch.arange(240), 0)
    assert float(terms["distillation"]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_rigid_body_that_is_known_from_every_side_pays_nothing_in_the_cycle(data, monkeypatch, recipe):
    """The lifter stands in for one that knows: it is asked for the input's depths, then for those of the turned body."""
    player, taught = prepared(data, recipe)
    asked = []
    import posebench.baselines.ites.method as model

    turned = []
    real = model.rotate
    monkeypatch.setattr(model, "rotate", lambda rotation, points: turned.append(real(rotation, points)) or turned[-1])

    def tell(image):
        asked.append(len(image))
        return player.taught[:16] if len(asked) % 2 else turned[-1][..., 2]

    monkeypatch.setattr(player.lifter, "tell", tell)
    ((_, terms),) = player.losses(taught, torch.arange(16), 0)
    assert asked == [16, 16 * player.settings.rotations]
    assert float(terms["equivariance"]) == pytest.approx(0.0, abs=1e-5)
    # The rotations are about the vertical: heights of the level frame stay.
    monkeypatch.setattr(player.lifter, "tell", lambda image: torch.zeros(len(image), 17))
    ((_, terms),) = player.losses(taught, torch.arange(16), 0)
    assert float(terms["equivariance"]) > 0.01, "one that says flat of every view pays"


@pytest.mark.parametrize("change", ["distance=5.0", "views=camera"])
def test_a_teacher_of_another_camera_is_refused(data, change):
    player = method("default", change, "tilt=0.0")
    taught = replace(data, teacher_poses=told(method(), data.keypoints))
    with pytest.raises(PosebenchError, match=r"off the student's rays.*Next: choose another recipe"):
        player.prepare(taught)


def test_ablations_leave_out_what_they_say(data):
    for recipe, terms in (
        ("no-equivariance", {"distillation"}),
        ("no-distillation", {"equivariance"}),
        ("default", {"distillation", "equivariance"}),
    ):
        player, taught = prepared(data, recipe)
        ((_, told_terms),) = player.losses(taught, torch.arange(16), 0)
        assert set(told_terms) == terms
    assert method("no-distillation").settings.taught_by is None
    assert method("paper").settings.taught_by == ("ites_teacher", "paper")


def test_a_convolution_hears_of_neighbours_only_and_its_weights_sum_to_one():
    mask = neighbours(H36M)
    assert int(mask.sum()) == 17 + 2 * 16
    torch.manual_seed(0)
    layer = SemanticConvolution(3, 5, mask)
    torch.nn.init.normal_(layer.edges)
    features = torch.randn(1, 17, 3)
    for joint in range(17):
        moved = features.clone()
        moved[0, joint] += 1.0
        changed = (layer(moved) - layer(features)).abs().sum(dim=-1)[0] > 1e-6
        assert changed.tolist() == mask[joint].tolist()
    layer.own.weight.data.copy_(layer.others.weight)
    same = torch.randn(1, 1, 3).expand(1, 17, 3)
    torch.testing.assert_close(layer(same), layer.others(same), rtol=0, atol=1e-5)


def test_the_products_are_the_sums_that_the_paper_writes():
    """Joint by joint, in loops: the convolution of Zhao et al., and the attention over pooled pairs."""
    torch.manual_seed(1)
    mask, features = neighbours(H36M), torch.randn(1, 17, 6)
    layer = SemanticConvolution(6, 4, mask)
    torch.nn.init.normal_(layer.edges)
    torch.nn.init.normal_(layer.bias)
    branch = NonLocal(6, H36M)
    for value in branch.parameters():
        torch.nn.init.normal_(value)
    pairs = [(H36M.index(one), H36M.index(other)) for one, other in GROUPS]
    assert sorted(joint for pair in pairs for joint in pair) == [joint for joint in range(17) if joint != H36M.index("neck_nose")]
    phi, value = (torch.stack([part(features)[0, list(pair)].amax(dim=0) for pair in pairs]) for part in (branch.phi, branch.value))
    for joint in range(17):
        heard = mask[joint].nonzero()[:, 0].tolist()
        weight = layer.edges[joint, heard].softmax(dim=0)
        expected = sum(w * (layer.own if j == joint else layer.others)(features[0, j]) for w, j in zip(weight, heard, strict=True))
        expected = expected + layer.bias
        torch.testing.assert_close(layer(features)[0, joint], expected, rtol=1e-4, atol=1e-5)
        theta = branch.theta(features[0, joint])
        scores = torch.stack([torch.relu(branch.ask(theta) + branch.answer(p)) for p in phi]) / len(pairs)
        torch.testing.assert_close(branch(features)[0, joint], branch.out((scores * value).sum(dim=0)), rtol=1e-4, atol=1e-4)


def test_without_the_non_local_branch_far_joints_are_heard_of_by_way_of_neighbours_only():
    near, far = (GraphNetwork(H36M, width=8, blocks=1, norm=False, non_local=flag) for flag in (False, True))
    for part in far.modules():
        if isinstance(part, NonLocal):
            torch.nn.init.normal_(part.out.weight)
    image = torch.randn(1, 17, 2)
    moved = image.clone()
    moved[0, H36M.index("l_wrist")] += 5.0
    ankle = H36M.index("r_ankle")  # eight bones away, and four layers reach four bones
    with torch.no_grad():
        assert float((near(moved) - near(image))[0, ankle].abs()) == 0.0
        assert float((far(moved) - far(image))[0, ankle].abs()) > 0.0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("views=side", "views = 'side'; it must be one of vertical, camera"),
        ("rotations=0", "rotations = 0"),
        ("distance=0.5", "distance = 0.5"),
        ("tilt=6.2", "tilt needs views = 'vertical'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, named):
    with pytest.raises(PosebenchError, match=named):
        method("paper", change)


def test_a_student_that_learns_nothing_is_refused():
    with pytest.raises(PosebenchError, match="there is nothing to learn"):
        method("default", "distillation=0.0", "equivariance=0.0")
