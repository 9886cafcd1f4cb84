"""From a method's name to a run folder: its files, refusals, resuming, and that unsupervised methods see no 3D."""

import json
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import posebench
from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of
from posebench.cli import main as cli
from posebench.data.registry import DATASETS, export_layouts
from posebench.networks.recipe import Recipe, baselines, load_baseline, read_method, resolve
from posebench.networks.weights import WEIGHTS
from posebench.predictions.archive import open_predictions
from posebench.predictions.disclosure import FACTS
from posebench.training import finish as scoring
from posebench.training import run
from posebench.training.finish import hold_out
from posebench.training.folder import default_folder
from posebench.training.gather import split_takes
from posebench.training.job import Job
from posebench.training.loop import LOG
from posebench.training.run import train

from .methods import Adversarial, AdversarialSettings

TINY = ("width=16", "epochs=2", "samples=256")


def small(copies, output, **options):
    """A very short training on a copy in Human3.6M's layout."""
    options = {"root": copies / "videopose3d", "preset": "smoke", "changes": TINY, "threads": 1, **options}
    return train("martinez", "h36m", output=output, **options)


@pytest.fixture(scope="module")
def finished(copies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, small(copies, folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_leaves_its_eight_files_and_nothing_else(finished):
    folder, _ = finished
    files = {"recipe.toml", "log.jsonl", "curves.png", "checkpoint.safetensors", "lifter.safetensors", "lifter.json"}
    files |= {"predictions.npz", "result.json", "result.sums.npz"}
    assert set(contents(folder)) == files
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_files_of_a_run_are_as_readable_as_the_umask_says(finished, tmp_path):
    (tmp_path / "plain").touch()
    modes = {path.name: oct(path.stat().st_mode) for path in finished[0].iterdir()}
    assert modes == dict.fromkeys(modes, oct((tmp_path / "plain").stat().st_mode))


def test_the_same_seed_gives_the_same_predictions(finished, copies, tmp_path):
    folder, result = finished
    again = small(copies, tmp_path / "again")
    assert sha256_of(tmp_path / "again" / "predictions.npz") == sha256_of(folder / "predictions.npz")
    assert again.as_dict()["metrics"] == result.as_dict()["metrics"]


def test_another_seed_gives_other_weights_and_poses(finished, copies, tmp_path):
    """Files are not compared: their headers hold the seed."""
    folder, _ = finished
    small(copies, tmp_path / "other", seed=1)
    weights = [load_file(run_folder / WEIGHTS)["network.layers.0.weight"] for run_folder in (folder, tmp_path / "other")]
    assert weights[0].shape == weights[1].shape
    assert not torch.equal(*weights)
    with open_predictions(folder / "predictions.npz") as one, open_predictions(tmp_path / "other" / "predictions.npz") as other:
        clip = next(iter(one.shapes))
        assert np.abs(one.poses(clip) - other.poses(clip)).max() > 1.0


def test_the_result_holds_diagnostics_and_the_costs_of_the_training(finished):
    folder, result = finished
    assert posebench.load_result(folder / "result.json").as_dict() == result.as_dict()
    signs = {"depth extent", "bone spread", "pose variation", "opposite depth"}
    assert {name: set(values) for name, values in result.behaviour.items()} == {"predicted": signs, "true": signs}
    assert result.behaviour["true"]["opposite depth"] < -0.4
    assert result.training["steps"] == 4
    assert result.training["threads"] == "1"
    assert result.training["device"] == "cpu"
    assert {"processor", "cores", "torch", "code"} <= set(result.training)
    lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    # The preparation is added to the loop's time, which the log holds; both are rounded.
    assert result.training["seconds"] >= lines[-1]["seconds"] - 0.06
    assert result.training["cpu_seconds"] <= result.training["seconds"] + 0.2, "one thread"
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]["behaviour"]) == signs


def test_a_training_takes_one_thread_and_restores_pytorchs_own(finished, copies, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = train(
            "martinez", "h36m", root=copies / "videopose3d", preset="smoke", changes=TINY, output=tmp_path / "run", log=lambda _: None
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert result.training["threads"] == "1"
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == (finished[0] / WEIGHTS).read_bytes()


def test_a_run_is_scored_under_the_protocol_that_is_asked_for(finished, copies, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    predictions = (folder / "predictions.npz").read_bytes()
    assert finished[1].protocol.id == "h36m/s9s11"
    words = ["train", "martinez", "--dataset", "h36m", "--root", str(copies / "videopose3d"), "--preset", "smoke", "-o", str(folder)]
    words += [word for change in TINY for word in ("--set", change)] + ["--resume"]
    assert cli.main([*words, "--protocol", "h36m/s9s11-14j"]) == 0
    assert "protocol h36m/s9s11-14j v" in capsys.readouterr().out
    result = posebench.load_result(folder / "result.json")
    assert result.protocol.id == "h36m/s9s11-14j"
    assert result.training == finished[1].training
    assert (folder / "predictions.npz").read_bytes() == predictions
    assert cli.main(words) == 0, "without --protocol the result is left as it is"
    assert posebench.load_result(folder / "result.json").protocol.id == "h36m/s9s11-14j"


@pytest.mark.parametrize(
    ("protocol", "named"),
    [("cmu", "of dataset cmu.*h36m/s9s11"), ("pair-17j", "for files given with --truth"), ("h36m/none", "no protocol 'h36m/none'")],
)
def test_a_protocol_that_does_not_fit_is_refused_before_the_training(copies, tmp_path, protocol, named):
    with pytest.raises(PosebenchError, match=named):
        small(copies, tmp_path / "run", protocol=protocol)
    assert not (tmp_path / "run").exists()


def test_the_predictions_hold_their_provenance(finished):
    with open_predictions(finished[0] / "predictions.npz") as file:
        meta, made = file.meta, file.meta.provenance
    assert (meta.method, meta.keypoints, meta.supervision, meta.scale) == ("martinez", "gt", "paired 3D", "metric")
    assert (made.recipe, made.preset, made.seed, made.epochs, made.poses_seen) == ("tuned, " + ", ".join(TINY), "smoke", 0, 2, 512)
    assert made.trained_on.endswith(": S1")
    assert made.flip_averaging
    # 34 to 16, four of 16 to 16, 16 to 48, and batch norm after all but the last.
    assert made.parameters == (34 * 16 + 16) + 4 * (16 * 16 + 16) + 5 * 2 * 16 + (16 * 48 + 48)


def test_a_run_folder_holds_its_resolved_recipe(finished):
    recipe = Recipe.load(finished[0] / "recipe.toml")
    assert (recipe.method, recipe.seed, recipe.subjects, recipe.keypoints, recipe.skeleton) == ("martinez", 0, ("S1",), "gt", "h36m17")
    assert (recipe.settings["width"], recipe.settings["samples"], recipe.settings["loss"]) == (16, 256, "distance")


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"seed": 1}, "there: seed = 0; asked for: seed = 1"),
        ({"changes": (*TINY[1:], "width=17")}, "there: recipe = "),
        ({"preset": "quick"}, 'there: preset = "smoke"; asked for: preset = "quick"'),
    ],
)
@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_with_another_run_is_refused_with_the_line_that_differs(finished, copies, other, line, resume):
    folder, before = finished[0], contents(finished[0])
    with pytest.raises(PosebenchError) as error:
        small(copies, folder, resume=resume, **other)
    assert line in str(error.value)
    assert contents(folder) == before


def test_the_same_run_again_needs_resume(finished, copies):
    with pytest.raises(PosebenchError, match=r"holds this run already\. Wanted: --resume"):
        small(copies, finished[0])


def test_an_earlier_run_of_the_default_recipe_is_the_same_run(finished, copies, tmp_path, monkeypatch):
    folder, result = finished
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "runs" / "martinez-h36m-gt-smoke-s0"
    shutil.copytree(folder, earlier)
    text = (earlier / "recipe.toml").read_text()
    assert 'recipe = "tuned, ' in text
    assert 'form = "tuned"' in text
    (earlier / "recipe.toml").write_text(text.replace('recipe = "tuned, ', 'recipe = "default, ').replace('form = "tuned"\n', ""))
    before = contents(earlier)
    assert small(copies, earlier, resume=True).as_dict() == result.as_dict()
    assert contents(earlier) == before
    tuned = replace(Recipe.load(folder / "recipe.toml"), recipe="tuned")
    assert default_folder(tuned, tune=False) == earlier.relative_to(tmp_path)
    (tmp_path / "runs" / "martinez+tuned-h36m-gt-smoke-s0").mkdir()
    assert default_folder(tuned, tune=False) == Path("runs/martinez+tuned-h36m-gt-smoke-s0")


def test_a_run_of_a_version_without_a_setting_is_a_run_with_its_default(finished, copies, tmp_path):
    folder, result = finished
    earlier = tmp_path / "run"
    shutil.copytree(folder, earlier)
    text = (earlier / "recipe.toml").read_text()
    assert "released = false\n" in text
    (earlier / "recipe.toml").write_text(text.replace("released = false\n", ""))
    assert small(copies, earlier, resume=True).as_dict() == result.as_dict()
    (earlier / "recipe.toml").write_text(text.replace("released = false\n", "").replace("dropout = ", "dropout = 0.375 # "))
    with pytest.raises(PosebenchError, match=r"holds another run .*dropout = 0\.375"):
        small(copies, earlier, resume=True)


def test_a_run_states_its_form_and_what_the_method_was_given(finished):
    made = finished[1].predictions.provenance
    facts = {name: made[name] for name in FACTS}
    flips = "flip" if made["flip_averaging"] else "none"
    none = dict.fromkeys(("test_time", "input_filter", "oracle"), "none")
    assert facts == {"online": "yes", "tta": flips, **none, "selection": "last epoch"}
    assert made["form"] == "tuned"


def test_predictions_of_an_earlier_version_are_made_again_so_that_they_state_it(finished, copies, tmp_path):
    folder, result = tmp_path / "run", finished[1]
    shutil.copytree(finished[0], folder)
    for name in ("lifter.json", "result.json"):
        content = json.loads((folder / name).read_text())
        made = content["provenance"] if name == "lifter.json" else content["predictions"]["provenance"]
        for fact in FACTS:
            del made[fact]
        (folder / name).write_text(json.dumps(content))
    again = small(copies, folder, resume=True)
    assert again.predictions.provenance == result.predictions.provenance
    assert again.predictions.sha256 == result.predictions.sha256


def test_resuming_a_finished_run_repeats_nothing(finished, copies, monkeypatch):
    folder, result = finished
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    for module, name in ((run, "fit"), (scoring, "predict"), (scoring, "score")):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: pytest.fail(f"{name} was called again"))
    assert small(copies, folder, resume=True).as_dict() == result.as_dict()
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize("made", [True, False])
def test_resuming_without_a_run_is_refused_and_leaves_nothing(copies, tmp_path, made):
    folder = tmp_path / "nothing"
    if made:
        folder.mkdir()
    with pytest.raises(PosebenchError, match=r"--resume, and no run in .*train without --resume"):
        small(copies, folder, resume=True)
    assert not folder.exists() or not any(folder.iterdir())


def test_a_folder_with_other_things_is_refused_and_left_alone(copies, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(PosebenchError, match="holds something else"):
        small(copies, tmp_path)
    assert contents(tmp_path) == {"letter.txt": b"dear"}


@pytest.mark.parametrize("kept", ["recipe.toml", "recipe.toml log.jsonl", "all but predictions", "all but result"])
def test_a_run_that_was_cut_off_anywhere_ends_as_the_whole_one(finished, copies, tmp_path, kept):
    folder, result = finished
    left = {"all but predictions": set(contents(folder)) - {"predictions.npz"}, "all but result": set(contents(folder)) - {"result.json"}}
    for name in left.get(kept, set(kept.split())):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    done = small(copies, tmp_path, resume=True)
    assert done.as_dict()["metrics"] == result.as_dict()["metrics"]
    for name in ("predictions.npz", "lifter.safetensors"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert len((tmp_path / LOG).read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"preset": "tiny"}, "preset 'tiny'"),
        ({"recipe": "nothing"}, "recipe 'nothing'.*paper"),
        ({"changes": ["wide=3"]}, "setting 'wide'"),
        ({"keypoints": "nothing"}, "keypoint source 'nothing'"),
    ],
)
def test_a_wrong_option_is_refused_before_training(copies, tmp_path, monkeypatch, options, named):
    monkeypatch.setattr(run, "fit", lambda *_, **__: pytest.fail("learnt"))
    with pytest.raises(PosebenchError, match=named):
        small(copies, tmp_path / "run", **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_is_refused(copies, tmp_path):
    with pytest.raises(PosebenchError, match="finds no CUDA device"):
        small(copies, tmp_path / "run", device="cuda")


def test_the_default_folder_names_all_that_makes_the_run(finished):
    recipe = replace(Recipe.load(finished[0] / "recipe.toml"), recipe="tuned")
    assert default_folder(recipe, tune=False) == Path("runs/martinez+tuned-h36m-gt-smoke-s0")
    assert default_folder(recipe, tune=True) == Path("runs/martinez+tuned-h36m-gt-smoke-s0-tune")
    changed = replace(recipe, recipe="paper, width=16, loss=a/b", seed=3, keypoints="gauss5")
    assert default_folder(changed, tune=False) == Path("runs/martinez+paper__width=16__loss=a_b-h36m-gauss5-smoke-s3")


def test_tuning_holds_a_training_subject_out_and_predicts_it_instead_of_the_test_subjects(synthetic_part, tmp_path, monkeypatch):
    part = synthetic_part(subjects=["S1", "S5", "S9", "S11"], takes=["Walking 1"])
    export_layouts()["videopose3d"](part, tmp_path / "copy")
    monkeypatch.setitem(DATASETS, "h36m", DATASETS["h36m"]._replace(tuning_subject="S5"))
    folder = tmp_path / "run"
    result = train("martinez", "h36m", root=tmp_path / "copy", preset="smoke", changes=TINY, threads=1, tune=True, output=folder)
    with open_predictions(folder / "predictions.npz") as file:
        assert {clip.split("/")[0] for clip in file.shapes} == {"S5"}
        assert file.meta.provenance.trained_on.endswith(": S1")
    assert Recipe.load(folder / "recipe.toml").subjects == ("S1",)
    assert result.protocol.id == "tuning/h36m/s9s11"
    assert set(result.as_dict()["metrics"]["MPJPE"]["groups"]["subject"]) == {"S5"}


def test_holding_out_leaves_the_other_training_subjects(dataset):
    held = hold_out(dataset, "B")
    assert held.splits == {"train": ("A",), "test": ("B",)}
    assert not set(held.clip_ids("train")) & set(held.clip_ids("test"))
    assert dataset.splits == {"train": ("A", "B"), "test": ("T",)}


UNSUPERVISED = [method for method in baselines() if read_method(method)[0]["supervision"] == "none"]


def learnt(method, supervision, dataset, folder, monkeypatch):
    """The bytes of the weights that a training leaves; ``adversarial`` is the tests' own method."""
    if method == "adversarial":
        settings = AdversarialSettings(epochs=2, batch=64, learning_rate=1e-2, ema=0.9)
        monkeypatch.setattr(run, "build", lambda _: Adversarial(settings))
    else:
        content, where = read_method(method)
        kind = load_baseline(method).Settings
        changes = ["epochs=3", "samples=64", "batch=32", *(["width=16"] if "width" in {field.name for field in fields(kind)} else [])]
        settings = resolve(content, kind, where=where, preset="smoke", changes=changes)
    about = {"name": dataset.name, "version": dataset.version, "fingerprint": dataset.fingerprint}
    recipe = Recipe(method, "tuned", "smoke", 0, about, ("A", "B"), "gt", dataset.skeleton, asdict(settings))
    folder.mkdir()
    torch.set_num_threads(1)
    monkeypatch.setattr(run, "draw_curves", lambda *_: None)
    run.learn(Job(recipe, settings, supervision, dataset, folder))
    return (folder / WEIGHTS).read_bytes()


@pytest.mark.usefixtures("tiny_teachers")
@pytest.mark.parametrize("method", ["adversarial", *UNSUPERVISED])
def test_without_supervision_the_weights_are_the_same_bytes_when_every_3d_number_is_nan(dataset, blind, tmp_path, monkeypatch, method):
    assert np.isnan(blind.load(blind.clip_ids("train")[0]).pose).all()
    seeing = learnt(method, "none", dataset, tmp_path / "seeing", monkeypatch)
    assert learnt(method, "none", blind, tmp_path / "blind", monkeypatch) == seeing
    # The test could not fail if nothing were learnt, or if nothing depended on what is seen.
    other = replace(dataset, splits={"train": ("A",), "test": ("T",)})
    assert learnt(method, "none", other, tmp_path / "other", monkeypatch) != seeing


@pytest.mark.parametrize("method", [method for method in baselines() if read_method(method)[0]["supervision"] == "unpaired 3D"])
def test_unpaired_weights_are_the_same_bytes_when_the_3d_of_the_2d_pool_is_nan(dataset, blind, tmp_path, monkeypatch, method):
    dataset, blind = (replace(one, up=(0.0, -1.0, 0.0)) for one in (dataset, blind))
    seen, posed = split_takes(dataset, dataset.clip_ids("train"), "disjoint")

    def half(id):
        return (blind if id in seen else dataset).load(id)

    assert np.isnan(half(seen[0]).pose).all()
    assert np.isfinite(half(posed[0]).pose).all()
    seeing = learnt(method, "unpaired 3D", dataset, tmp_path / "seeing", monkeypatch)
    assert learnt(method, "unpaired 3D", replace(dataset, load=half), tmp_path / "half", monkeypatch) == seeing
    with pytest.raises(PosebenchError, match="a pose that is not finite"):
        learnt(method, "unpaired 3D", blind, tmp_path / "blind", monkeypatch)


@pytest.mark.parametrize("method", [method for method in baselines() if read_method(method)[0]["supervision"] == "unpaired 3D"])
def test_an_unpaired_method_gets_a_pool_without_takes_frames_or_cameras(dataset, tmp_path, monkeypatch, method):
    """Keypoints and poses come from different takes, and the pool does not name them."""
    handed = []
    real = run.gather_poses
    monkeypatch.setattr(run, "gather_poses", lambda *some, **more: handed.append(real(*some, **more)) or handed[-1])
    learnt(method, "unpaired 3D", replace(dataset, up=(0.0, -1.0, 0.0)), tmp_path / "run", monkeypatch)
    (pool,) = handed
    assert {field.name for field in fields(pool)} == {"poses", "up"}
    assert len(pool.poses) == 2 * 60


@pytest.mark.parametrize("method", [method for method in baselines() if read_method(method)[0]["supervision"] == "paired 3D"])
def test_paired_supervision_refuses_poses_that_are_nan(blind, tmp_path, monkeypatch, method):
    with pytest.raises(PosebenchError, match="a pose that is not finite"):
        learnt(method, "paired 3D", blind, tmp_path / "blind", monkeypatch)
