"""Teachers: what a student records of its teacher, which teachers are refused, and interruptions."""

import json
import shutil
from dataclasses import asdict, replace

import pytest
import torch

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of
from posebench.board.regeneration.freshness import digests_of
from posebench.board.regeneration.grid import Cell
from posebench.lifters.run import open_run
from posebench.networks.recipe import Recipe, load_baseline, read_method, resolve
from posebench.networks.settings import Settings
from posebench.networks.weights import load_about
from posebench.predictions.archive import open_predictions
from posebench.training import run
from posebench.training.folder import claim
from posebench.training.gather import gather
from posebench.training.run import train
from posebench.training.teacher import open_teacher

TINY = ("width=8", "blocks=1", "epochs=1", "samples=256")


def ites(copies, output, method="ites", **options):
    """A training of no time on a copy of Human3.6M's layout."""
    options = {"root": copies / "videopose3d", "preset": "smoke", "changes": TINY, "threads": 1, **options}
    return train(method, "h36m", output=output, **options)


@pytest.fixture(scope="module")
def taught(copies, tmp_path_factory):
    """A teacher, and a student of it."""
    base = tmp_path_factory.mktemp("taught")
    ites(copies, base / "teacher", "ites_teacher", changes=("width=16", "epochs=1", "samples=256"))
    return base / "teacher", base / "student", ites(copies, base / "student", teacher=base / "teacher")


@pytest.fixture(scope="module")
def alone(copies, tmp_path_factory, tiny_teachers):  # noqa: ARG001 - for the module
    """A student for which no teacher was named, and its result."""
    folder = tmp_path_factory.mktemp("alone") / "student"
    return folder, ites(copies, folder)


def test_a_student_records_its_teacher_and_the_teachers_cost(taught):
    teacher, student, result = taught
    weights = sha256_of(teacher / "lifter.safetensors")
    said = f"ites_teacher (tuned, width=16, epochs=1, samples=256, smoke, seed 0), weights {weights[:16]}"
    with open_predictions(student / "predictions.npz") as file:
        assert file.meta.provenance.teacher == said
        known = file.meta.provenance.side_information
        assert known[0].startswith("cameras look down by ")
        assert [line.partition(" of ")[0] for line in known[1:]] == [
            "camera tilt",
            "camera distance",
        ]  # once, though the teacher knows it too
    recipe = Recipe.load(student / "recipe.toml")
    assert recipe.teacher == said
    assert recipe.recipe == ", ".join(["tuned", *TINY, "teacher=tuned, width=16, epochs=1, samples=256 smoke seed 0"])
    own = load_about(teacher).training
    assert result.training["teacher_cpu_seconds"] == own["cpu_seconds"]
    assert result.training["cpu_seconds"] >= own["cpu_seconds"]
    assert result.training["teacher_code"] == own["code"]
    assert not (student / "teacher").exists()
    assert result.predictions.provenance["teacher"] == said


def test_without_a_named_teacher_one_is_trained_first_and_the_same_seed_gives_the_same_bytes(alone, copies, tmp_path):
    folder, _ = alone
    ites(copies, tmp_path / "again")
    with open_predictions(folder / "predictions.npz") as file:
        said = file.meta.provenance.teacher
    made = Recipe.load(folder / "teacher" / "recipe.toml")
    assert (made.method, made.recipe, made.preset, made.seed) == ("ites_teacher", "tuned", "smoke", 0)
    assert said.startswith("ites_teacher (tuned, smoke, seed 0), weights ")
    assert Recipe.load(folder / "recipe.toml").teacher == "", "it follows from the rest of the recipe"
    assert sha256_of(folder / "predictions.npz") == sha256_of(tmp_path / "again" / "predictions.npz")


@pytest.mark.parametrize("broken", ["in the teacher", "after the teacher", "in the student"])
def test_an_interrupted_student_resumes_to_the_same_bytes(alone, copies, tmp_path, monkeypatch, broken):
    folder, whole = alone
    real, calls = run.fit, []

    def stop(*given, **more):
        calls.append(given)
        if broken == "in the student" and len(calls) == 2:
            real(*given, **more)
        if len(calls) == (1 if broken == "in the teacher" else 2):
            raise KeyboardInterrupt
        return real(*given, **more)

    monkeypatch.setattr(run, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        ites(copies, tmp_path / "cut")
    monkeypatch.setattr(run, "fit", real)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut" / "teacher").iterdir()}
    again = ites(copies, tmp_path / "cut", resume=True)
    assert again.as_dict()["metrics"] == whole.as_dict()["metrics"]
    for name in ("predictions.npz", "lifter.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (folder / name).read_bytes()
    if broken != "in the teacher":
        after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut" / "teacher").iterdir()}
        assert after == before, "a finished teacher is not trained again"


def test_a_teacher_of_other_data_is_refused(taught, copies, tmp_path):
    teacher, student, _ = taught
    with pytest.raises(PosebenchError, match=r"whose keypoints is gt\. Wanted: cpn"):
        open_teacher(teacher, replace(Recipe.load(student / "recipe.toml"), keypoints="cpn"), "ites_teacher", "cpu")
    with pytest.raises(PosebenchError, match=r"whose method is ites\. Wanted: ites_teacher"):
        ites(copies, tmp_path / "run", teacher=student)
    own = Recipe.load(student / "recipe.toml")
    for change, named in (
        ({"skeleton": "h36m16"}, "skeleton is h36m17"),
        ({"dataset": {**own.dataset, "fingerprint": "0" * 64}}, "dataset is h36m"),
        ({"subjects": ("S5",)}, "training subjects is S1"),
    ):
        with pytest.raises(PosebenchError, match=named):
            open_teacher(teacher, replace(own, **change), "ites_teacher", "cpu")
    assert not (tmp_path / "run").exists(), "refused before anything is written"


def test_a_teacher_that_saw_true_poses_cannot_teach_a_student_that_states_none(taught, tmp_path):
    teacher, student, _ = taught
    seeing = tmp_path / "seeing"
    shutil.copytree(teacher, seeing)
    about = json.loads((seeing / "lifter.json").read_text())
    (seeing / "lifter.json").write_text(json.dumps({**about, "supervision": "paired 3D"}))
    with pytest.raises(PosebenchError, match=r"whose supervision is paired 3D\. Wanted: none"):
        open_teacher(seeing, Recipe.load(student / "recipe.toml"), "ites_teacher", "cpu")


def test_an_unknown_recipe_of_the_teacher_leaves_no_folder(copies, tmp_path):
    with pytest.raises(PosebenchError, match=r"teacher ites_teacher, recipe 'nonsense'.*correct the setting teacher_recipe"):
        ites(copies, tmp_path / "run", changes=(*TINY, "teacher_recipe=nonsense"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("method", "changes"), [("martinez", ("width=8",)), ("ites", ("distillation=0.0", *TINY))])
def test_a_method_without_a_teacher_refuses_one(taught, copies, tmp_path, method, changes):
    with pytest.raises(PosebenchError, match=r"a method that learns from a teacher, such as ites.*leave --teacher out"):
        ites(copies, tmp_path / "run", method, teacher=taught[0], changes=changes)


def test_a_folder_of_a_student_of_another_teacher_is_refused(taught, copies):
    with pytest.raises(PosebenchError, match=r"holds another run .*there: recipe = .*teacher="):
        ites(copies, taught[1], resume=True)
    # A teacher that is trained first is named nowhere in a recipe, though its name may be that of the student's.
    known = Recipe.load(taught[1] / "recipe.toml")
    with pytest.raises(PosebenchError, match=r"there: teacher = \"ites_teacher .*; asked for: no teacher\)"):
        claim(taught[1], replace(known, teacher=""), resume=True)


def test_a_teacher_lifts_each_clip_on_its_own(taught, dataset):
    """Also if neighbouring frames vote: no vote crosses a cut."""
    teacher, student, _ = taught
    known = open_teacher(teacher, Recipe.load(student / "recipe.toml"), "ites_teacher", "cpu")
    lifter = open_run(teacher, changes=["flip=tilt", "flip_tilt=6.2", "votes=31"]).inner
    clips = dataset.clip_ids("train")
    data = gather(dataset, clips, "gt", with_poses=False)
    predicted = replace(known, lifter=lifter).teach(data, Settings(epochs=1, batch=2, learning_rate=1.0)).teacher_poses
    assert predicted.shape == (len(data.keypoints), 17, 3)
    for number in (0, 5):
        part = data.keypoints[60 * number : 60 * number + 60]
        with torch.no_grad():
            torch.testing.assert_close(predicted[60 * number : 60 * number + 60], lifter.method.lift(part))


def test_a_student_declares_the_side_information_and_extra_data_of_its_teacher(taught):
    """Of a teacher that uses more than the student does."""
    teacher, student, _ = taught
    known = open_teacher(teacher, Recipe.load(student / "recipe.toml"), "ites_teacher", "cpu")
    about = known.lifter.about
    more = replace(about.provenance, side_information=("knees bend forwards", "shared"), extra_data=("2D of cmu",))
    informed = replace(known, lifter=replace(known.lifter, about=replace(about, provenance=more)))
    student_alone = replace(load_about(student).provenance, side_information=("shared",), extra_data=(), teacher="")
    declared = informed.add_to_provenance(student_alone)
    assert declared.side_information == ("shared", "knees bend forwards")
    assert declared.extra_data == ("2D of cmu",)
    assert declared.teacher == str(known)


def test_a_rule_at_test_time_is_declared_with_what_it_knows(taught):
    _, student, _ = taught
    made = open_run(student, changes=["flip=bends", "votes=31"]).info.provenance
    assert made.recipe.endswith("flip=bends, votes=31")
    assert made.context == 31
    assert made.side_information[0].startswith("cameras look down by ")
    assert made.side_information[-1] == "knees bend forwards, elbows backwards"


def test_the_default_teacher_does_not_change_the_recipe_name(taught):
    teacher, student, _ = taught
    known = open_teacher(teacher, Recipe.load(student / "recipe.toml"), "ites_teacher", "cpu")
    asked = replace(Recipe.load(student / "recipe.toml"), recipe="tuned")
    usual = replace(known, recipe=replace(known.recipe, recipe="tuned"))
    assert usual.recipe_name_of(asked, ("ites_teacher", "tuned")) == "tuned"
    for other in (replace(asked, seed=1), replace(asked, preset="quick")):
        assert usual.recipe_name_of(other, ("ites_teacher", "tuned")) == "tuned, teacher=tuned smoke seed 0"
    assert usual.recipe_name_of(asked, ("ites_teacher", "paper")) == "tuned, teacher=tuned smoke seed 0"


def test_a_cell_of_the_grid_is_stale_when_its_teachers_code_changes():
    assert {"baselines/ites", "baselines/ites_teacher"} <= set(digests_of(Cell("ites", "cmu", "gt", "tuned", "quick", 0), None))
    alone = digests_of(Cell("ites", "cmu", "gt", "no-distillation", "quick", 0), None)
    assert "baselines/ites_teacher" not in alone


def test_every_recipe_of_the_student_fits_its_teachers_camera():
    content, where = read_method("ites")
    teachers, there = read_method("ites_teacher")
    for recipe in ("tuned", *content["recipes"]):
        student = asdict(resolve(content, load_baseline("ites").Settings, where=where, recipe=recipe))
        if not student["distillation"]:
            continue
        teacher = asdict(resolve(teachers, load_baseline("ites_teacher").Settings, where=there, recipe=student["teacher_recipe"]))
        assert (student["distance"], student["tilt"]) == (teacher["distance"], teacher["tilt"])
        assert (student["rotation_axis"] == "vertical") == (teacher["rotation_axis"] == "vertical")


def test_the_run_file_holds_the_teacher_only_where_one_was_named(taught):
    teacher, student, _ = taught
    assert "teacher = " in (student / "recipe.toml").read_text().split("[settings]")[0]
    assert "teacher = " not in (teacher / "recipe.toml").read_text()
    assert json.loads((teacher / "lifter.json").read_text())["provenance"].keys().isdisjoint({"teacher"})
