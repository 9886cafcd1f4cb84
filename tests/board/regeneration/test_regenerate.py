"""Regenerating: what is made again and what is not, what happens to a cell that fails or dies, and on how many processes."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import posebench
from posebench.base import workers
from posebench.base.errors import PosebenchError
from posebench.board.entry_files import load_entries
from posebench.board.regeneration import freshness
from posebench.board.regeneration.cells import LOG, MAX_STARTS, GridContext, run_cell
from posebench.board.regeneration.freshness import RECORD, digest_of_folder, digests_of
from posebench.board.regeneration.grid import Cell
from posebench.board.regeneration.regenerate import overview, regenerate
from posebench.cli.main import main
from posebench.networks.recipe import read_method
from posebench.predictions.provenance import Provenance
from posebench.scoring.protocol import load_protocol
from posebench.training import run

GRID = """
[[grid]]
methods = ["martinez"]
datasets = ["synthetic"]
keypoints = ["gt", "gauss5"]
presets = ["smoke"]
seeds = [0, 1]
"""
NAMES = [f"martinez+tuned-synthetic-{source}-smoke-s{seed}" for source in ("gt", "gauss5") for seed in (0, 1)]
FIRST = NAMES[0]
FACTS = {"online": "yes", "tta": "flip", "test_time": "none", "input_filter": "none", "oracle": "none", "selection": "last epoch"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder for each cell of GRID with what a training leaves, scored on a few generated clips."""
    base = tmp_path_factory.mktemp("finished")
    protocol, rng = load_protocol("synthetic"), np.random.default_rng(7)
    truth = {f"S9/{action} 1/c0": rng.normal(0, 250, (20, 17, 3)) for action in ("Walk", "Sit")}
    posebench.save_predictions(base / "truth.npz", truth, unit="mm", skeleton="h36m17")
    for number, name in enumerate(NAMES):
        source, seed = name.split("-")[2], number % 2
        folder, noise = base / name, np.random.default_rng(number)
        folder.mkdir()
        posebench.save_predictions(
            folder / "predictions.npz",
            {clip: pose + noise.normal(0, 20, pose.shape) for clip, pose in truth.items()},
            unit="mm",
            skeleton="h36m17",
            method="martinez",
            keypoints=source,
            supervision="paired 3D",
            provenance=Provenance("tuned", "smoke", seed, "synthetic 1 ffff: S1", source, 1, True, **FACTS),
        )
        result = posebench.score(folder / "predictions.npz", "pair-17j", truth=base / "truth.npz")
        about = {"id": "synthetic", "version": protocol.version, "digest": protocol.digest, "headline": protocol.headline}
        data = {"name": "synthetic", "version": "1", "fingerprint": "f" * 64, "official": True, "note": ""}
        replace(result, protocol=about, data=data).save(folder / "result.json")
    return base


def stage(tmp_path, finished, make=None):
    """A grid file and a context whose data cost nothing and whose trainings take no time.

    Everything is local to this function, so that it travels to other processes by value.
    """

    def copy(cell, context):
        shutil.copytree(finished / cell.name, context.runs / cell.name, dirs_exist_ok=True)

    fill = make or copy

    @dataclass(frozen=True)
    class Stage(GridContext):
        fingerprint: str = "f" * 64

        def open(self, name):
            return SimpleNamespace(name=name, version="1", fingerprint=self.fingerprint, fps=50.0)

        def make_run(self, cell, progress):  # noqa: ARG002
            fill(cell, self)

    (tmp_path / "board").mkdir(exist_ok=True)
    (tmp_path / "board" / "grid.toml").write_text(GRID)
    return tmp_path / "board" / "grid.toml", Stage(tmp_path / "board", tmp_path / "runs", {})


def events(context, cell=None):
    lines = [json.loads(line) for line in (context.runs / LOG).read_text().splitlines()]
    return [line["event"] for line in lines if cell in (None, line["cell"])]


def published(context):
    lines = [json.loads(line) for line in (context.runs / LOG).read_text().splitlines()]
    return Counter(line["cell"] for line in lines if line["event"] in ("published", "entry written"))


ONCE = Counter([*NAMES, "martinez+tuned-synthetic-gt-smoke", "martinez+tuned-synthetic-gauss5-smoke"])


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_missing_cells_are_made_once_and_become_entries_with_all_their_seeds(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    lines = []
    assert statuses(regenerate(grid, context=context, log=lines.append)) == ["done"] * 4
    entries = {entry.name: [seed.provenance.seed for seed in entry.seeds] for entry in load_entries(tmp_path / "board")}
    assert entries == {"martinez+tuned-gt-smoke": [0, 1], "martinez+tuned-gauss5-smoke": [0, 1]}
    assert lines[0] == f"1 of 4: {FIRST}: done: its entry waits for {NAMES[1]}"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert statuses(regenerate(grid, context=context)) == ["up to date"] * 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == before
    assert published(context) == ONCE


def test_an_entry_that_was_lost_is_written_again_without_a_training(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    regenerate(grid, context=context)
    shutil.rmtree(tmp_path / "board" / "entries")
    assert statuses(regenerate(grid, context=context)) == ["up to date"] * 4
    assert len(load_entries(tmp_path / "board")) == 2
    assert events(context).count("published") == 4


def test_cells_may_be_made_one_by_one_and_the_last_one_writes_the_entry(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    for name in reversed(NAMES[:2]):
        assert load_entries(tmp_path / "board") == []
        assert statuses(regenerate(grid, cells=[name], context=context)) == ["done"]
    (entry,) = load_entries(tmp_path / "board")
    assert [seed.provenance.seed for seed in entry.seeds] == [0, 1]


def change(monkeypatch, context, what):
    """The context after a change of ``what``: the digest of a folder of code, or the fingerprint of the data."""
    if what.startswith("data "):
        return replace(context, fingerprint="e" * 64)
    monkeypatch.setattr(freshness, "digest_of_folder", lambda folder: "newer" if str(folder).endswith(what) else digest_of_folder(folder))
    return context


@pytest.mark.parametrize("what", ["baselines/martinez", "posebench/networks", "posebench/lifters", "posebench/training", "data synthetic"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_cell_is_made_again_after_a_change_of_code_or_data_and_the_log_names_the_change(tmp_path, finished, monkeypatch, what, cut):
    grid, context = stage(tmp_path, finished)
    regenerate(grid, cells=[FIRST], context=context)
    (context.runs / FIRST / "checkpoint").write_text("of the old code")
    if cut:
        (context.runs / FIRST / RECORD).unlink()
    context = change(monkeypatch, context, what)
    cell = Cell("martinez", "synthetic", "gt", "tuned", "smoke", 0)
    assert overview([cell], context)[0][1] == "stale"
    assert statuses(regenerate(grid, cells=[FIRST], context=context)) == ["done"]
    assert not (context.runs / FIRST / "checkpoint").exists()
    last = [json.loads(line) for line in (context.runs / LOG).read_text().splitlines()][-2]
    assert (last["event"], last["why"]) == ("begun", f"{what} changed" + (" since it was interrupted" if cut else ""))
    assert statuses(regenerate(grid, cells=[FIRST], context=context)) == ["up to date"]


def test_the_digests_change_with_the_data_of_the_cell(tmp_path, finished):
    _, context = stage(tmp_path, finished)
    cell = Cell("martinez", "synthetic", "gt", "tuned", "smoke", 0)
    before, after = (digests_of(cell, one.open) for one in (context, replace(context, fingerprint="e" * 64)))
    assert freshness.changed(before, after) == ["data synthetic"]
    other_version = digests_of(cell, lambda _: SimpleNamespace(version="2", fingerprint="f" * 64, fps=50.0))
    assert freshness.changed(before, other_version) == ["data synthetic"]
    assert freshness.changed(before, digests_of(cell, None)) == []


@pytest.mark.parametrize("what", ["protocol synthetic", "posebench/metrics", "posebench/scoring"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_changed_protocol_or_changed_scoring_code_only_scores_again(tmp_path, finished, monkeypatch, what, cut):
    seen = []

    def make(cell, context):
        seen.append(sorted(path.name for path in (context.runs / cell.name).glob("*")))
        shutil.copytree(finished / cell.name, context.runs / cell.name, dirs_exist_ok=True)

    grid, context = stage(tmp_path, finished, make)
    regenerate(grid, cells=[FIRST], context=context)
    if cut:
        (context.runs / FIRST / RECORD).unlink()
    if what.startswith("protocol"):
        monkeypatch.setattr(freshness, "load_protocol", lambda _: SimpleNamespace(digest="newer"))
    else:
        change(monkeypatch, context, what)
    assert statuses(regenerate(grid, cells=[FIRST], context=context)) == ["done"]
    assert seen == [[], [*([] if cut else [RECORD]), "predictions.npz", "result.sums.npz"]]
    assert statuses(regenerate(grid, cells=[FIRST], context=context)) == ["up to date"]


@pytest.mark.parametrize("name", ["predictions.npz", "result.json", "result.sums.npz"])
def test_a_run_whose_files_were_edited_is_stale(tmp_path, finished, name):
    grid, context = stage(tmp_path, finished)
    regenerate(grid, cells=[FIRST], context=context)
    with (context.runs / FIRST / name).open("ab") as file:
        file.write(b" ")
    assert statuses(regenerate(grid, cells=[FIRST], context=context)) == ["done"]
    assert f"{name} changed" in (context.runs / LOG).read_text()


def test_a_digest_depends_on_names_and_contents_of_code_and_recipe_and_not_on_pages_or_caches(tmp_path):
    (tmp_path / "part").mkdir()
    for name in ("model.py", "recipe.toml", "README.md", "part/losses.py"):
        (tmp_path / name).write_text(name)
    first = digest_of_folder(tmp_path)
    (tmp_path / "README.md").write_text("other words")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "model.pyc").write_text("compiled")
    assert digest_of_folder(tmp_path) == first
    for name in ("model.py", "recipe.toml", "part/losses.py"):
        (tmp_path / name).write_text(name + " ")
        assert digest_of_folder(tmp_path) != first
        (tmp_path / name).write_text(name)
    (tmp_path / "model.py").rename(tmp_path / "models.py")
    assert digest_of_folder(tmp_path) != first


def test_a_cell_that_fails_is_reported_the_others_are_made_and_it_resumes_later(tmp_path, finished):
    def make(cell, context):
        folder = context.runs / cell.name
        if cell.name == FIRST and not folder.exists():
            folder.mkdir()
            (folder / "checkpoint").write_text("half way")
            raise ValueError("no luck")
        shutil.copytree(finished / cell.name, folder, dirs_exist_ok=True)

    grid, context = stage(tmp_path, finished, make)
    outcomes = regenerate(grid, context=context)
    assert statuses(outcomes) == ["failed", "done", "done", "done"]
    assert outcomes[0].note == "ValueError: no luck"
    assert "Traceback" in (context.runs / LOG).read_text()
    assert [entry.name for entry in load_entries(tmp_path / "board")] == ["martinez+tuned-gauss5-smoke"]
    assert statuses(regenerate(grid, context=context)) == ["done", "up to date", "up to date", "up to date"]
    assert (context.runs / FIRST / "checkpoint").read_text() == "half way"
    assert events(context, FIRST) == ["begun", "failed", "resumed", "published"]
    assert published(context) == ONCE


def test_a_run_of_another_command_is_left_alone_unless_adopted(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    shutil.copytree(finished / FIRST, context.runs / FIRST)
    (context.runs / FIRST / "letter.txt").write_text("dear")
    (outcome,) = regenerate(grid, cells=[FIRST], context=context)
    assert (outcome.status, "--adopt" in outcome.note) == ("failed", True)
    assert not (context.runs / FIRST / RECORD).exists()
    assert statuses(regenerate(grid, cells=[FIRST], context=replace(context, adopt=True))) == ["done"]
    assert (context.runs / FIRST / "letter.txt").read_text() == "dear"


def test_a_result_of_other_predictions_is_not_published(tmp_path, finished):
    def make(cell, context):
        shutil.copytree(finished / cell.name, context.runs / cell.name)
        shutil.copy(finished / NAMES[1] / "predictions.npz", context.runs / cell.name)

    grid, context = stage(tmp_path, finished, make)
    (outcome,) = regenerate(grid, cells=[FIRST], context=context)
    assert "result.json is of other predictions" in outcome.note
    assert not (context.runs / FIRST / RECORD).exists()


def test_a_worker_with_other_code_makes_nothing(tmp_path, finished):
    _, context = stage(tmp_path, finished)
    cell = Cell("martinez", "synthetic", "gt", "tuned", "smoke", 0)
    outcome = run_cell(cell, [cell], {**freshness.digests_of(cell, context.open), "posebench/lifters": "other"}, context)
    assert outcome.status == "failed"
    assert outcome.note.startswith("Found: posebench/lifters on ")
    assert not (context.runs / cell.name).exists()


def test_a_locked_cell_is_waited_for_and_then_found_done(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    with freshness.locked(FIRST, context.runs):
        found = []
        other = threading.Thread(target=lambda: found.extend(regenerate(grid, cells=[FIRST], context=context)))
        other.start()
        other.join(0.5)
        assert other.is_alive()
        assert not (context.runs / FIRST).exists()
    other.join(30.0)
    assert statuses(found) == ["done"]


def test_the_list_shows_the_state_of_each_cell_and_entries_without_runs(tmp_path, finished):
    grid, context = stage(tmp_path, finished)
    regenerate(grid, cells=NAMES[:2], context=context)
    cells = [Cell("martinez", "synthetic", source, "tuned", "smoke", seed) for source in ("gt", "gauss5") for seed in (0, 1)]
    assert [state for _, state, _ in overview(cells, context)] == ["up to date", "up to date", "missing", "missing"]
    fresh = overview(cells, replace(context, runs=tmp_path / "elsewhere"))
    assert [state for _, state, _ in fresh] == ["missing"] * 4
    assert "its entry is on the board" in fresh[0][2]
    assert fresh[2][2] == ""
    third = overview([replace(cells[0], seed=2)], context)
    assert third[0][1:] == ("missing", "its entry is on the board, without this seed")


@pytest.fixture
def short_takes(monkeypatch):
    """`synthetic` with a third of its frames: one short take of each action. Shorter ones cannot be smoothed."""
    monkeypatch.setattr("posebench.data.synthetic.dataset.FRAMES", (165, 170))
    monkeypatch.setattr("posebench.data.synthetic.dataset.TAKES", (1,))


@pytest.mark.usefixtures("short_takes")
def test_an_interrupted_training_resumes_from_its_checkpoint(tmp_path, monkeypatch):
    content, where = read_method("martinez")
    content["presets"]["smoke"] = {"width": 16, "samples": 512, "epochs": 3}
    for module in (run, freshness):
        monkeypatch.setattr(module, "read_method", lambda _: (content, where))
    (tmp_path / "grid.toml").write_text(GRID.replace(', "gauss5"', "").replace("[0, 1]", "[0]"))
    context = GridContext(tmp_path, tmp_path / "runs", {}, threads=1)

    def stop(cell, done, _total):
        assert cell == FIRST
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        regenerate(tmp_path / "grid.toml", context=context, progress=stop)
    steps = []
    outcomes = regenerate(tmp_path / "grid.toml", context=context, progress=lambda _, done, __: steps.append(done))
    assert statuses(outcomes) == ["done"]
    assert steps == [4, 5, 6]
    assert events(context, FIRST) == ["begun", "resumed", "published"]
    (entry,) = load_entries(tmp_path)
    assert (entry.name, entry.seeds[0].provenance.preset) == ("martinez+tuned-gt-smoke", "smoke")


@pytest.mark.usefixtures("short_takes")
def test_the_command_makes_untrained_cells_and_fails_if_a_cell_failed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text('[[grid]]\nmethods = ["flat"]\ndatasets = ["synthetic", "cmu"]\nkeypoints = ["gt"]\n')
    assert main(["regenerate", "grid.toml"]) == 1
    out, err = capsys.readouterr()
    assert "1 done, 0 up to date, 1 failed" in out
    assert "--root cmu=DIR" in out
    assert "2 of 2: flat-synthetic-gt: done: wrote" in err
    assert main(["regenerate", "grid.toml", "--dataset", "synthetic", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "up to date"
    assert main(["regenerate", "grid.toml", "--list"]) == 0
    assert capsys.readouterr().out == "flat-synthetic-gt  up to date\nflat-cmu-gt        missing\n"
    assert main(["regenerate", "grid.toml", "--list", "--json", "--cell", "flat-cmu-gt"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"cell": "flat-cmu-gt", "state": "missing", "note": ""}]
    for words, named in ((["--root", "cmu"], "NAME=DIR"), (["--root", "synthetic=x"], "NAME=DIR"), (["--cell", "round"], "cell 'round'")):
        assert main(["regenerate", "grid.toml", *words]) == 2
        assert named in capsys.readouterr().err


@pytest.mark.parametrize(("package", "given"), [("joblib", {"jobs": 2}), ("distributed", {"dask": "tcp://127.0.0.1:1"})])
def test_a_missing_package_is_named_with_what_installs_it(tmp_path, finished, monkeypatch, package, given):
    pytest.importorskip("joblib", reason="joblib comes with the extra `scale`")
    grid, context = stage(tmp_path, finished)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PosebenchError, match=rf"no package {package}.*\[scale\]"):
        regenerate(grid, context=context, **given)


def test_workers_of_several_threads_are_refused():
    with pytest.raises(PosebenchError, match=r"4 threads in worker b.*--nthreads 1"):
        workers._one_thread_each({"a": 1, "b": 4})
    workers._one_thread_each({"a": 1})


def test_a_scheduler_that_does_not_answer_is_reported_in_one_paragraph(tmp_path, finished, monkeypatch):
    pytest.importorskip("distributed", reason="dask comes with the extra `scale`")
    monkeypatch.setattr(workers, "SCHEDULER_TIMEOUT_S", 1)
    grid, context = stage(tmp_path, finished)
    with pytest.raises(PosebenchError, match=r"no dask scheduler at tcp://127.0.0.1:1"):
        regenerate(grid, context=context, dask="tcp://127.0.0.1:1")


def test_a_cell_whose_process_always_dies_fails_and_the_others_are_made(tmp_path, finished):
    pytest.importorskip("joblib", reason="joblib comes with the extra `scale`")

    def make(cell, context):
        if cell.name == FIRST:
            while not (context.runs / NAMES[1] / RECORD).is_file():
                time.sleep(0.05)  # the other one first, so that it does not die with this one
            os.kill(os.getpid(), signal.SIGKILL)
        shutil.copytree(finished / cell.name, context.runs / cell.name)

    grid, context = stage(tmp_path, finished, make)
    outcomes = regenerate(grid, cells=NAMES[:2], context=context, jobs=2)
    assert outcomes[0].status == "failed"
    assert f"its process died {MAX_STARTS} times" in outcomes[0].note
    assert outcomes[1].status in ("done", "up to date")
    assert published(context) == {NAMES[1]: 1}
    assert events(context, FIRST) == ["begun"] * MAX_STARTS + ["failed"]


def test_on_a_dask_cluster_that_loses_a_worker_every_cell_is_published_once(tmp_path, finished):
    distributed = pytest.importorskip("distributed", reason="dask comes with the extra `scale`")
    pytest.importorskip("joblib", reason="joblib comes with the extra `scale`")

    def make(cell, context):
        folder = context.runs / cell.name
        if cell.name == FIRST and not folder.exists():
            folder.mkdir()
            (folder / "recipe.toml").write_text("half way")
            (context.runs / "victim.tmp").write_text(str(os.getpid()))
            (context.runs / "victim.tmp").rename(context.runs / "victim")
            time.sleep(60)
        time.sleep(0.2)
        shutil.copytree(finished / cell.name, folder, dirs_exist_ok=True)

    grid, context = stage(tmp_path, finished, make)

    def kill():
        victim = context.runs / "victim"
        while not victim.is_file():
            time.sleep(0.02)
        os.kill(int(victim.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path), silence_logs=50
    ) as cluster:
        outcomes = regenerate(grid, context=context, dask=cluster.scheduler_address)
    assert set(statuses(outcomes)) <= {"done", "up to date"}
    assert published(context) == ONCE
    assert events(context, FIRST) == ["begun", "resumed", "published"]
    lines = [json.loads(line) for line in (context.runs / LOG).read_text().splitlines()]
    assert len({line["process"] for line in lines if line["cell"] == FIRST}) == 2
    assert len(load_entries(tmp_path / "board")) == 2


@pytest.mark.parametrize(("method", "trains_with_metrics"), [("repnet", True), ("martinez", False), ("ites", False)])
def test_a_changed_metric_makes_a_method_stale_that_trains_with_it(monkeypatch, method, trains_with_metrics):
    cell = Cell(method, "synthetic", "gt", "tuned", "smoke", 0)
    before = freshness.digests_of(cell, None)
    real = freshness.digest_of_folder
    monkeypatch.setattr(freshness, "digest_of_folder", lambda folder: real(folder) + ("x" if folder.name == "metrics" else ""))
    names = freshness.changed(before, freshness.digests_of(cell, None))
    assert names == ["posebench/metrics", *([f"posebench/metrics in {method}"] if trains_with_metrics else [])]
    assert freshness._only_scoring(names) != trains_with_metrics
