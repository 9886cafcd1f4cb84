"""Every command of ``leaderboard/reproduce.toml``, rehearsed on generated data in the layouts of the licensed datasets.

What each command names is looked up here; one way is gone from training to check. The mark ``rehearsal`` goes all of them, which CI does
once: ``python -m pytest -m rehearsal``.
"""

from __future__ import annotations

import shlex
import time

import pytest

pytest.importorskip("torch", reason="trainings need the extra [baselines]")

import posebench
from posebench.board.targets.reader import load_targets
from posebench.cli.main import main, parser
from posebench.data.h36m.distribution import CPN, HOURGLASS, as_distributed
from posebench.data.registry import export_layouts
from posebench.networks.recipe import load_baseline, read_method, resolve
from posebench.training.forecast import forecast
from posebench.training.loop import steps_in
from posebench.training.run import plan

TARGETS = load_targets().targets
EACH = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.id)
#: Training frames with keypoints of the official copies, and windows of five of them.
FRAMES = {"h36m": 1_559_752, "3dhp": 1_052_736}
#: Settings that make a training a matter of seconds.
TINY = {
    "martinez": ["width=16"],
    "chen2019": ["width=16", "blocks=1", "discriminator_width=16"],
    "videopose3d": ["width=16", "blocks=1"],
    "elepose": ["width=16", "flow_width=16", "flow_layers=2", "components=4", "flow_epochs=1"],
    "repnet": ["width=16", "critic_width=16", "critic_pose_width=16"],
    "ites": ["width=8", "blocks=1"],
    "pose_machine": ["width=16", "embedding_width=16", "copy_width=16", "projector_width=16", "correction_steps=1"],
}
FEW = ["samples=64", "epochs=3", "batch=16"]


#: Layouts of the two datasets that are rehearsed together, and the detectors whose keypoints the first has.
PAIRS = {("videopose3d", "3dhp"): ("gt", CPN, HOURGLASS), ("martinez", "p-stmo"): ("gt", HOURGLASS), ("h36m-cdf", "3dhp"): ("gt",)}


@pytest.fixture(scope="session")
def written(synthetic_part, tmp_path_factory):
    """A function that gives the folder of a layout: two actions of one training subject and both test subjects."""
    part = synthetic_part(subjects=("S1", "S9", "S11"), actions=("Walking", "Turning"))
    base = tmp_path_factory.mktemp("rehearsal")

    def folder(layout):
        if not (base / layout).is_dir():
            export_layouts()[layout](part if layout in ("3dhp", "p-stmo") else as_distributed(part), base / layout)
        return str(base / layout)

    return folder


@pytest.fixture(scope="session")
def roots(written):
    """A folder for each word that stands for one."""
    return {"H36M": written("videopose3d"), "3DHP": written("3dhp")}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Where runs are; targets share those of one training."""
    return tmp_path_factory.mktemp("runs")


def rehearsed(words, roots, runs):
    """A command with folders that exist, and a budget of seconds."""
    words = [roots.get(word, f"{runs}/{word.removeprefix('runs/')}" if word.startswith("runs/") else word) for word in words]
    if words[0] != "train":
        return words
    words = ["smoke" if word == "full" else "cpu" if word == "cuda" else word for word in words]
    return [*words, *(word for change in (*TINY[words[1]], *FEW) for word in ("--set", change))]


def go(target, roots, runs, capsys):
    """Run the commands of a target, but for a training that was made before; returns what the check said, and the seconds."""
    said, started = "", time.monotonic()
    for words in target.commands:
        if words[0] == "train" and (runs / target.run.removeprefix("runs/")).is_dir():
            continue
        capsys.readouterr()
        code = main(rehearsed(words, roots, runs))
        said = "".join(capsys.readouterr())
        assert code == (1 if words[0] == "reproduce" else 0), f"{shlex.join(words)}\n{said}"
    return said, time.monotonic() - started


@EACH
def test_every_command_is_one_that_posebench_has(target):
    for words in target.commands:
        parsed = parser(words[:1]).parse_args(words)
        assert callable(parsed.run)


@EACH
def test_steps_and_poses_are_those_of_the_recipe_on_an_official_copy(target):
    def work(method, recipe):
        content, where = read_method(method)
        settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset="full")
        samples = min(settings.samples or FRAMES[target.trained_on], FRAMES[target.trained_on])
        # A small network of the method tells how many poses a sample has.
        small = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset="full", changes=TINY.get(method, ()))
        per_sample = load_baseline(method).build(small, "h36m17").poses_per_sample
        return settings, settings.epochs * steps_in(samples, settings.batch), settings.epochs * samples * per_sample

    settings, steps, poses = work(target.method, target.recipe)
    if settings.teacher_baseline:
        steps += work(*settings.teacher_baseline)[1]
    assert (target.steps, target.poses) == (steps, poses)


@EACH
def test_every_training_finds_its_data_in_a_copy_as_it_is_distributed(target, roots, runs):
    parsed = parser(["train"]).parse_args(rehearsed(target.commands[0], roots, runs))
    job = plan(
        parsed.method,
        parsed.dataset,
        root=parsed.root,
        keypoints=parsed.keypoints,
        recipe=parsed.recipe,
        preset=parsed.preset,
        changes=parsed.set,
        device="cpu",
    )
    found = forecast(job, measured=False)
    assert found.steps == 3 * 4
    assert not (runs / target.run.removeprefix("runs/")).exists()


def test_the_way_from_training_to_check(roots, runs, capsys):
    (target,) = [target for target in TARGETS if target.id == "repnet-h36m-to-3dhp"]
    said, _ = go(target, roots, runs, capsys)
    assert "Not a reproduction of repnet-h36m-to-3dhp" in said
    for words in ("copy: not the official one", "work: preset smoke instead of full", "recipe: released, width=16", "without S5 S6 S7 S8"):
        assert words in said


def test_a_copy_with_s11_directions_is_trained_on_predicted_scored_and_resumed(written, tmp_path, capsys):
    root, run = written("martinez"), tmp_path / "run"
    words = ["train", "martinez", "--dataset", "h36m", "--root", root, "--keypoints", "sh_ft_h36m", "--preset", "smoke"]
    words += [word for change in (*TINY["martinez"], *FEW) for word in ("--set", change)]
    words += ["-o", str(run)]
    assert main(words) == 0
    first = (run / "result.json").read_bytes()
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert all(row.take != "S11/Directions" for row in result.rows)
    assert main([*words, "--resume"]) == 0
    assert (run / "result.json").read_bytes() == first
    (run / "result.json").unlink()
    assert main([*words, "--resume"]) == 0
    assert posebench.load_result(run / "result.json").metrics == result.metrics
    poses = str(tmp_path / "p.npz")
    assert main(["predict", "flat", "--dataset", "h36m", "--root", root, "-o", poses]) == 0
    assert main(["score", poses, "--protocol", "h36m/s9s11", "--root", root]) == 0
    said = "".join(capsys.readouterr())
    assert "S11/Directions/54138969 has no keypoints sh_ft_h36m, as its video cannot be read: it is left out" in said
    assert "excluded" in said


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("target", "pair"),
    [
        pytest.param(target, pair, id=f"{target.id}-{'-'.join(pair)}")
        for pair, sources in PAIRS.items()
        for target in TARGETS
        if {target.trained_keypoints, target.keypoints} <= set(sources)
    ],
)
def test_every_way_from_training_to_check(target, pair, written, runs, capsys):
    said, seconds = go(target, {"H36M": written(pair[0]), "3DHP": written(pair[1])}, runs / "-".join(pair), capsys)
    assert target.id in said
    with capsys.disabled():
        print(f"\n{target.id} on {' and '.join(pair)}: {len(target.commands)} commands, {seconds:.1f} s")
