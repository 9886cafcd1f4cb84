"""The student: its graph network, its losses against networks that know the answer, and that every recipe trains."""

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the baselines need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.baselines.ites import Settings, build
from posebench.baselines.ites.network import GROUPS, GraphNetwork, NonLocal, SemanticConvolution, neighbours
from posebench.networks.recipe import read_method, resolve
from posebench.networks.views import project_at_distance, rotate
from posebench.training.loop import fit

H36M = skeleton("h36m17")
SMALL = ["width=8", "epochs=2", "samples=64", "batch=16"]
CONTENT, WHERE = read_method("ites")
RECIPES = ["default", *CONTENT["recipes"]]
FRAMES = torch.arange(16)


def make_method(recipe="default", *changes):
    torch.manual_seed(0)
    return build(resolve(CONTENT, Settings, where=WHERE, recipe=recipe, preset="smoke", changes=[*SMALL, *changes]), "h36m17")


def depth_by_height(image):
    """The rule of a simple teacher: a joint's depth is twice its height in the image."""
    return 2.0 * (image[..., 1] - image[:, :1, 1])


def teacher_poses(method, keypoints):
    """Poses of that teacher for keypoints (N, 17, 2), on the rays of the method's camera."""
    camera = method.lifter.camera
    camera.fit(keypoints)
    seen = camera(keypoints)
    return camera.back(seen, camera.on_rays(seen.image, depth_by_height(seen.image)))


@pytest.fixture(scope="module")
def data(walker_samples):
    """Four takes of a walker, each seen by one of four cameras: keypoints only."""
    return walker_samples()


def prepared(data, recipe="default", *changes):
    """A method that is ready to train, and its data with the teacher's poses if it has a teacher."""
    method = make_method(recipe, *changes)
    if method.settings.teacher_baseline:
        data = replace(data, teacher_poses=teacher_poses(method, data.keypoints))
    method.prepare(data)
    return method, data


def loss_values(method, data, frames=FRAMES):
    ((name, terms),) = method.losses(data, frames, 0)
    assert name == "lifter"
    return {name: float(value.detach()) for name, value in terms.items()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_and_lifts_finite_poses(data, tmp_path, recipe):
    method, with_teacher = prepared(data, recipe)
    before = {name: value.clone() for name, value in method.named_parameters()}
    fit(method, with_teacher, method.settings, tmp_path)
    with torch.no_grad():
        poses = method.lift(data.keypoints[:60])
    assert poses.shape == (60, 17, 3)
    assert torch.isfinite(poses).all()
    assert float(poses[:, 0].abs().max()) == pytest.approx(0.0, abs=1e-6)
    unchanged = {name for name, value in method.named_parameters() if torch.equal(before[name], value)}
    # The last bias adds the same depth to all joints, and the root's depth is subtracted.
    assert unchanged <= {"lifter.network.last.bias"}, "every layer learns"


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_lifted_poses_project_to_the_keypoints(data, recipe):
    """At the root's depth, which is 0 but in the paper's form."""
    method, _ = prepared(data, recipe)
    method.eval()
    with torch.no_grad():
        camera = method.lifter.camera
        points = camera.turned(camera(data.keypoints), method.lift(data.keypoints))
        root_depth = method.lifter.predict_depths(method.views.image)[:, :1]
        assert (float(root_depth.abs().max()) > 1e-3) == (recipe == "paper")
        points[..., 2] += root_depth
        torch.testing.assert_close(project_at_distance(points, camera.distance), method.views.image, rtol=0, atol=1e-6)


def test_the_papers_student_is_taught_the_depth_of_the_root_too(data):
    """A teacher's poses have their root at the origin; the root's depth is found again, because its joints are on their rays."""
    method = make_method("paper")
    camera = method.lifter.camera
    camera.fit(data.keypoints)
    seen = camera(data.keypoints)
    depths = depth_by_height(seen.image) + torch.linspace(-0.8, 0.8, len(seen.image))[:, None]
    method.prepare(replace(data, teacher_poses=camera.back(seen, camera.on_rays(seen.image, depths))))
    torch.testing.assert_close(method.teacher_depths, depths, rtol=0, atol=1e-4)


def test_distillation_is_the_mean_absolute_difference_from_the_teachers_depths_in_the_students_camera(data, monkeypatch):
    method, with_teacher = prepared(data, "default", "mirror=false", "equivariance=0.0")
    image = method.views.image[FRAMES]
    monkeypatch.setattr(method.lifter, "predict_depths", depth_by_height)
    assert loss_values(method, with_teacher) == pytest.approx({"distillation": 0.0}, abs=1e-5)
    for error in (0.1, -0.1):
        monkeypatch.setattr(method.lifter, "predict_depths", lambda image, error=error: depth_by_height(image) + error)
        assert loss_values(method, with_teacher) == pytest.approx({"distillation": 5.0 * 0.1}, rel=1e-4)
    monkeypatch.setattr(method.lifter, "predict_depths", lambda image: -depth_by_height(image))
    expected = 5.0 * 2.0 * float(depth_by_height(image).abs().mean())
    assert loss_values(method, with_teacher) == pytest.approx({"distillation": expected}, rel=1e-4)


def test_the_target_of_a_mirror_image_is_the_mirrored_pose(data, monkeypatch):
    """A student that knows the teacher's rule pays nothing for mirror images either."""
    method, with_teacher = prepared(data, "default", "mirror=true", "equivariance=0.0")
    images = []
    monkeypatch.setattr(method.lifter, "predict_depths", lambda image: (images.append(image), depth_by_height(image))[1])
    assert loss_values(method, with_teacher, torch.arange(240)) == pytest.approx({"distillation": 0.0}, abs=1e-5)
    changed = (images[0] != method.views.image).flatten(1).any(dim=1)
    assert 0.3 < changed.float().mean() < 0.7


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_the_equivariance_loss_is_the_distance_between_the_lifted_view_and_the_rotated_pose(data, monkeypatch, recipe):
    """An oracle, which knows the depths of the inputs and of the rotated poses, pays nothing; a flat lifter pays the distance."""
    import posebench.baselines.ites.method as module

    method, with_teacher = prepared(data, recipe, "mirror=false")
    rotated, batches = [], []
    monkeypatch.setattr(module, "rotate", lambda rotation, points: (rotated.append(rotate(rotation, points)), rotated[-1])[1])

    def depths(of_view):
        def predict(image):
            batches.append(len(image))
            return method.teacher_depths[FRAMES] if len(batches) % 2 else of_view(image)

        return predict

    monkeypatch.setattr(method.lifter, "predict_depths", depths(lambda image: rotated[-1][..., 2]))  # noqa: ARG005
    found = loss_values(method, with_teacher)
    assert batches == [16, 16 * method.settings.rotations]
    assert found == pytest.approx({"distillation": 0.0, "equivariance": 0.0}, abs=1e-5)

    monkeypatch.setattr(method.lifter, "predict_depths", depths(lambda image: torch.zeros(len(image), 17)))
    found = loss_values(method, with_teacher)["equivariance"]
    flat = method.lifter.camera.on_rays(project_at_distance(rotated[-1], method.settings.distance), torch.zeros(len(rotated[-1]), 17))
    assert found == pytest.approx(float((flat - rotated[-1]).norm(dim=-1).mean()), rel=1e-4)
    assert found > 0.01


@pytest.mark.parametrize(
    ("recipe", "changes", "wanted"),
    [
        ("default", ["distance=5.0", "tilt=0.0"], "distance 5 and rotation_axis vertical, and network own"),
        ("default", ["rotation_axis=camera", "tilt=0.0"], "distance 8.4 and rotation_axis free, and network own"),
        ("paper", [], r"distance 5 and rotation_axis free\."),
    ],
)
def test_a_teacher_with_another_camera_is_refused(data, recipe, changes, wanted):
    method = make_method(recipe, *changes)
    with_teacher = replace(data, teacher_poses=teacher_poses(make_method(), data.keypoints))
    with pytest.raises(PosebenchError, match=rf"off the student's rays.*{wanted}.*Next: choose another recipe"):
        method.prepare(with_teacher)


def test_a_teacher_whose_root_has_a_depth_of_its_own_is_refused_by_the_tuned_student(data):
    method = make_method("default", "network=own", "rotation_axis=camera", "tilt=0.0", "distance=5.0")
    camera = method.lifter.camera
    camera.fit(data.keypoints)
    seen = camera(data.keypoints)
    poses = camera.back(seen, camera.on_rays(seen.image, depth_by_height(seen.image) + 0.5))
    with pytest.raises(PosebenchError, match="network own, whose root is at depth 0"):
        method.prepare(replace(data, teacher_poses=poses))


def test_ablations_leave_out_the_loss_in_their_name(data):
    for recipe, terms in (
        ("no-equivariance", {"distillation"}),
        ("no-distillation", {"equivariance"}),
        ("default", {"distillation", "equivariance"}),
    ):
        assert set(loss_values(*prepared(data, recipe))) == terms
    assert make_method("no-distillation").settings.teacher_baseline is None
    assert make_method("paper").settings.teacher_baseline == ("ites_teacher", "paper")


def test_a_convolution_reaches_neighbours_only_and_its_weights_sum_to_one():
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


def test_convolution_and_attention_are_the_papers_sums():
    """Compared with loops over joints: the convolution of Zhao et al., and the attention over pooled pairs."""
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
        linked = mask[joint].nonzero()[:, 0].tolist()
        weight = layer.edges[joint, linked].softmax(dim=0)
        expected = sum(w * (layer.own if j == joint else layer.others)(features[0, j]) for w, j in zip(weight, linked, strict=True))
        expected = expected + layer.bias
        torch.testing.assert_close(layer(features)[0, joint], expected, rtol=1e-4, atol=1e-5)
        theta = branch.theta(features[0, joint])
        scores = torch.stack([torch.relu(branch.ask(theta) + branch.answer(p)) for p in phi]) / len(pairs)
        torch.testing.assert_close(branch(features)[0, joint], branch.out((scores * value).sum(dim=0)), rtol=1e-4, atol=1e-4)


def test_only_the_non_local_branch_reaches_joints_further_away_than_the_layers():
    near, far = (GraphNetwork(H36M, width=8, blocks=1, norm=False, branch=branch) for branch in (None, NonLocal))
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
    ("change", "message"),
    [
        ("rotation_axis=side", "rotation_axis = 'side'; it must be one of vertical, camera"),
        ("rotations=0", "rotations = 0"),
        ("distance=0.5", "distance = 0.5"),
        ("tilt=6.2", "tilt needs rotation_axis = 'vertical'"),
        ("rotation_axis=vertical", "network = 'released' needs rotation_axis = 'camera'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change, message):
    with pytest.raises(PosebenchError, match=message):
        make_method("paper", change)


def test_a_run_whose_settings_do_not_name_a_network_has_the_tuned_one():
    assert Settings(epochs=1, batch=2, learning_rate=1e-3).network == "own"


def test_a_student_that_learns_nothing_is_refused():
    with pytest.raises(PosebenchError, match="there is nothing to learn"):
        make_method("default", "distillation=0.0", "equivariance=0.0")
