"""A finished run as a lifter."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")

import torch

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.data import open_dataset
from posebench.lifters import predict
from posebench.lifters.choose import lifter_maker
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.run import Trained, build, open_run
from posebench.networks.recipe import Recipe

CAMERA = Camera(np.eye(3), np.zeros(3), np.array([900.0, 950.0]), np.array([480.0, 530.0]), (1000, 1000))


@pytest.fixture
def run(make_run, tmp_path):
    return make_run(tmp_path / "run")


def test_a_run_is_the_lifter_that_it_says_it_is(run):
    lifter = open_run(run)
    assert isinstance(lifter, Trained)
    assert (lifter.info.id, lifter.info.skeleton, lifter.info.supervision, lifter.info.scale) == (
        "martinez",
        "h36m17",
        "paired 3D",
        "metric",
    )
    assert (lifter.info.context, lifter.info.flip_averaging, lifter.info.provenance.trained_on) == (1, False, "walker 1")
    assert not lifter.method.training


def test_pixels_reach_the_network_in_unit_focal_length_of_the_clips_camera(run, walker):
    lifter, points = open_run(run), CAMERA.project(walker(5))
    seen = torch.from_numpy((points - [480.0, 530.0]) / [900.0, 950.0]).float()
    with torch.inference_mode():
        wanted = lifter.method.lifter(seen).numpy()
    poses = lifter.lift(points, CAMERA)
    assert (poses.shape, poses.dtype) == ((5, 17, 3), np.float64)
    assert np.abs(poses).max() > 10.0
    np.testing.assert_allclose(poses, wanted, rtol=1e-5, atol=1e-3)


def test_the_nominal_camera_stands_in_where_that_is_stated(run, walker):
    lifter, points = open_run(run), CAMERA.project(walker(3))
    nominal = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([500.0, 510.0]), (1000, 1020))
    assert np.array_equal(lifter.lift(points, "nominal"), lifter.lift(points, nominal))
    assert not np.array_equal(lifter.lift(points, "nominal"), lifter.lift(points, CAMERA))


@pytest.mark.parametrize("flip_averaging", [False, True])
def test_a_size_stands_for_a_camera_in_the_middle_of_the_image(make_run, tmp_path, walker, flip_averaging):
    lifter, points = open_run(make_run(tmp_path / "run", flip_averaging=flip_averaging)), CAMERA.project(walker(3))
    estimated = Camera(np.eye(3), np.zeros(3), np.array([2112.0, 2112.0]), np.array([960.0, 540.0]), (1920, 1080))
    assert np.array_equal(lifter.lift(points, (1920, 1080)), lifter.lift(points, estimated))


@pytest.mark.parametrize("flip_averaging", [False, True])
@pytest.mark.parametrize(
    ("stated", "found"),
    [(None, "no camera"), ("norminal", "camera 'norminal'"), ((0, 10), "camera (0, 10)"), ((1.5, 2), "camera (1.5, 2)")],
)
def test_no_camera_stands_in_silently(make_run, tmp_path, walker, flip_averaging, stated, found):
    lifter = open_run(make_run(tmp_path / "run", flip_averaging=flip_averaging))
    with pytest.raises(PosebenchError) as error:
        lifter.lift(CAMERA.project(walker(3)), stated)
    assert error.value.found == found
    for word in ("(width, height)", "'nominal'", "1100, 1150 px", "500, 510 px"):
        assert word in error.value.wanted


@pytest.mark.parametrize("flip_averaging", [False, True])
def test_clips_without_cameras_are_predicted_and_the_camera_that_stands_in_is_said_once(make_run, tmp_path, copies, flip_averaging):
    run = make_run(tmp_path / "run", flip_averaging=flip_averaging)
    dataset = open_dataset("h36m", copies / "videopose3d")
    bare = replace(dataset, load=lambda clip: replace(dataset.load(clip), camera=None))
    lines = []
    assert len(list(predict(open_run(run), bare, log=lines.append))) > 1
    assert lines == [lines[0]]
    assert (
        "has no camera: the nominal camera of the training of martinez (focal length 1100, 1150 px, principal point 500, 510 px)"
        in lines[0]
    )
    with pytest.warns(UserWarning, match="nominal camera"):
        next(predict(open_run(run), bare))
    lifter, clip = open_run(run), bare.load(bare.clip_ids("test")[0])
    (_, poses), *_ = predict(lifter, bare, log=lines.append)
    assert np.array_equal(poses, lifter.lift(clip.keypoints("gt"), "nominal").astype(np.float32))


def test_flips_are_averaged_where_the_recipe_said_so(make_run, tmp_path, walker):
    flipped, plain = make_run(tmp_path / "flipped", flip_averaging=True), make_run(tmp_path / "plain")
    lifter = open_run(flipped)
    assert isinstance(lifter, FlipAveraged)
    assert lifter.info.flip_averaging
    points = CAMERA.project(walker(3))
    one, both = open_run(plain).lift(points, CAMERA), lifter.lift(points, CAMERA)
    assert not np.allclose(one, both)
    np.testing.assert_array_equal(both, FlipAveraged(open_run(plain)).lift(points, CAMERA))


def test_opening_a_run_leaves_the_random_numbers_of_others_alone_in_what_it_gives(run, walker):
    points = CAMERA.project(walker(3))
    torch.manual_seed(1)
    one = open_run(run).lift(points, CAMERA)
    torch.manual_seed(2)
    assert np.array_equal(one, open_run(run).lift(points, CAMERA))


def test_a_frame_that_is_not_finite_spoils_no_other(run, walker):
    points = CAMERA.project(walker(4))
    points[1, 3] = np.nan
    poses = open_run(run).lift(points, CAMERA)
    assert np.isnan(poses).any(axis=(1, 2)).tolist() == [False, True, False, False]


def test_the_command_line_finds_a_run_by_its_folder(run):
    assert lifter_maker(str(run))(None).info.id == "martinez"


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(PosebenchError, match=r"recipe\.toml.*No such file"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"martinez"', '"nothing"', "a recipe of nothing"),
        ('"h36m17"', '"nothing"', "nothing"),
        ("width = 16", "width = 8", r"lifter\.safetensors"),
        ("width = 16", "wide = 16", "setting 'wide'"),
        ("width = 16", 'width = "16"', "width = '16'"),
        ("seed = 0", "seed = ", "recipe.toml"),
        ("seed = 0", "seeds = 0", "recipe.toml"),
        ("seed = 0", "seed = true", "another kind"),
    ],
)
def test_a_recipe_that_does_not_fit_the_weights_is_refused(run, old, new, named):
    path = run / "recipe.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(PosebenchError, match=named):
        open_run(run)


def test_weights_of_another_method_are_refused_even_where_the_network_is_the_same(run):
    path = run / "lifter.json"
    path.write_text(path.read_text().replace('"martinez"', '"chen2019"'))
    with pytest.raises(PosebenchError, match=r"weights of chen2019, a recipe of martinez"):
        open_run(run)


def test_building_again_from_the_same_seed_draws_the_same_weights(run):
    recipe = Recipe.load(run / "recipe.toml")
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(build(recipe).lifter.network.layers[0].weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.fixture
def two_threads():
    """PyTorch is set to two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_run_lifts_on_one_thread_or_as_many_as_are_stated(run, copies, tmp_path, monkeypatch):
    seen, points = set(), Trained.points

    def watched(self, keypoints, camera):
        seen.add(torch.get_num_threads())
        return points(self, keypoints, camera)

    monkeypatch.setattr(Trained, "points", watched)
    data = ["--dataset", "h36m", "--root", str(copies / "videopose3d")]
    files = []
    for given, wanted in (([], 1), (["--threads", "1"], 1), (["--threads", "3"], 3), (["--threads", "0"], 2)):
        seen.clear()
        files.append(tmp_path / f"{len(files)}.npz")
        assert cli.main(["predict", str(run), *data, *given, "-o", str(files[-1])]) == 0
        assert seen == {wanted}, given
        assert torch.get_num_threads() == 2
    assert len({path.read_bytes() for path in files}) == 1


def test_a_negative_number_of_threads_is_refused(run, capsys):
    for lifter in (str(run), "flat"):
        assert cli.main(["predict", lifter, "--dataset", "synthetic", "--threads", "-1", "-o", "p.npz"]) == 2
        assert "-1 threads" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("width = 4096", r"lifter\.safetensors: [\d,]+ numbers, and a recipe\.toml of a network of "),
        ("width = 1000000000", "width = 1000000000; it must be from 1 to 16384"),
        ("width = -1", "width = -1; it must be from 1"),
        ("blocks = 1000000000", "blocks = 1000000000; it must be from 0 to 256"),
        ("dropout = 1.5", "dropout = 1.5; it must be from 0 to below 1"),
        ("width = 0", "width = 0; it must be from 1"),
    ],
)
def test_a_recipe_of_another_network_is_refused_before_memory_is_taken(make_run, tmp_path, changed, message):
    folder = make_run(tmp_path / "run", blocks=2, dropout=0.1)
    path = folder / "recipe.toml"
    name = changed.partition(" ")[0]
    lines = [changed if line.startswith(f"{name} = ") else line for line in path.read_text(encoding="utf-8").split("\n")]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(PosebenchError, match=message):
        open_run(folder)
