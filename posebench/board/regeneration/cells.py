"""Make one cell of the grid under its lock: train or resume, score, publish, and write the entry after its last seed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import add, entry_of, load_entry
from posebench.board.regeneration.freshness import Digests, changed, digests_of, locked, publish, record_start, status_of
from posebench.board.regeneration.grid import Cell
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters import simple_lifters
from posebench.scoring.result import load_result
from posebench.training.finish import predict_and_score
from posebench.training.folder import RECIPE, RESULT
from posebench.training.run import train

LOG = "regenerate.jsonl"
#: A cell whose process dies this often in one call counts as failed. Dask gives up a task after four deaths, and joblib would then wait
#: for it without end.
MAX_DEATHS = 3
#: Cells share PyTorch's random state, so a process makes one cell at a time, even where a cluster gives it several threads.
_ONE_AT_A_TIME = threading.Lock()

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class GridContext:
    """Folders and options of one call of ``regenerate``; it is sent to the workers.

    Attributes:
        board: folder of the leaderboard.
        runs: folder that holds the run folders.
        roots: dataset name to the dataset's folder on this machine.
        device: as in ``posebench train``.
        threads: CPU threads of each cell; 0 is PyTorch's default.
        adopt: accept finished runs of ``posebench train`` as made by the present code.
        token: identifies one call of :func:`regenerate`.
    """

    board: Path
    runs: Path
    roots: dict[str, str]
    device: str = "auto"
    threads: int = 0
    adopt: bool = False
    token: str = ""

    def open(self, name: str) -> Dataset:
        """Open a dataset.

        Raises:
            PosebenchError: its folder is needed and not given.
        """
        if DATASETS[name].needs_root and name not in self.roots:
            obtain = f"to obtain it: {DATASETS[name].obtain}"
            raise PosebenchError(f"no folder for dataset {name}", f"--root {name}=DIR", obtain)
        return open_dataset(name, self.roots.get(name))


@dataclass(frozen=True)
class Outcome:
    """Result of a cell: ``done``, ``up to date`` or ``failed``; the reason or a note; and the seconds that it took."""

    cell: str
    status: str
    note: str = ""
    seconds: float = 0.0


def make_run(cell: Cell, context: GridContext, progress: Progress | None) -> None:
    """Train the cell and score it, from its checkpoint where there is one."""
    folder, root = context.runs / cell.name, context.roots.get(cell.dataset)
    if not cell.trained:
        dataset = context.open(cell.dataset)
        protocol = DATASETS[cell.dataset].protocol_for(dataset)
        predict_and_score(simple_lifters()[cell.method](dataset), folder, dataset, cell.keypoints, protocol, root=root)
        return
    if folder.exists() and not (folder / RECIPE).is_file():  # killed before its first file was complete
        shutil.rmtree(folder)
    train(
        cell.method,
        cell.dataset,
        root=root,
        keypoints=cell.keypoints,
        seed=cell.seed or 0,
        preset=cell.preset,
        recipe=cell.recipe,
        output=folder,
        resume=folder.exists(),
        device=context.device,
        threads=context.threads,
        progress=progress,
    )


def run_cell(cell: Cell, seeds: Sequence[Cell], wanted: Digests, context: GridContext, progress: Progress | None = None) -> Outcome:
    """Make one cell unless it is fresh, and write its entry if all seeds are finished. Errors of a cell are in the outcome, never raised.

    Args:
        cell: the cell.
        seeds: every cell of its entry.
        wanted: digests of the caller's code and data; the cell fails if this process has others.
        context: folders and options.
        progress: called with (steps done, steps in all).
    """
    started = time.monotonic()
    try:
        with _ONE_AT_A_TIME:
            open_ = cache(context.open)
            digests = digests_of(cell, open_)
            differing = changed(wanted, digests)
            if differing:
                found = f"{', '.join(differing)} on {socket.gethostname()}: another version than on the calling machine"
                raise PosebenchError(found, "one checkout and one copy of the data on every machine", "update them to the same version")
            updated = _update(cell, digests, context, progress)
            note = _write_entry(cell, seeds, digests, context)
        return Outcome(cell.name, "done" if updated else "up to date", note, time.monotonic() - started)
    except Exception as error:
        reason = str(error) if isinstance(error, PosebenchError) else f"{type(error).__name__}: {error}"
        trace = "" if isinstance(error, PosebenchError) else traceback.format_exc()
        _write_log(context, cell.name, "failed", reason, trace)
        return Outcome(cell.name, "failed", reason, time.monotonic() - started)


def _update(cell: Cell, digests: Digests, context: GridContext, progress: Progress | None) -> bool:
    """Make the cell if it is not fresh; returns whether it was made."""
    with locked(cell.name, context.runs) as lock:
        now = status_of(cell, digests, context.runs)
        folder = context.runs / cell.name
        if now.state == "fresh":
            return False
        if now.state == "foreign" and not context.adopt:
            advice = "--adopt if the present code made it; or --runs ANOTHER; or remove the folder"
            raise PosebenchError(now.why, "a run of posebench regenerate, or no run folder", advice)
        if now.state == "stale":
            # Renamed first: a kill in the middle of the removal would leave what looks like an interrupted run.
            old = context.runs / f".{cell.name}.old"
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            shutil.rmtree(old)
        if record_start(lock, digests, context.token) >= MAX_DEATHS:
            raise PosebenchError(
                f"its process, or another one of its pool, died {MAX_DEATHS} times",
                "enough memory",
                "run it alone: --cell " + cell.name,
            )
        _write_log(context, cell.name, {"interrupted": "resumed", "foreign": "adopted"}.get(now.state, "begun"), now.why)
        if now.state == "rescore":
            (folder / RESULT).unlink(missing_ok=True)
        make_run(cell, context, progress)
        publish(cell, digests, context.runs)
        _write_log(context, cell.name, "published")
        return True


def _write_entry(cell: Cell, seeds: Sequence[Cell], digests: Digests, context: GridContext) -> str:
    """Write the entry if all its seeds are fresh and the board lacks it; returns a note for the outcome, which may be empty."""
    waiting = [seed.name for seed in seeds if status_of(seed, digests, context.runs).state != "fresh"]
    if waiting:
        return "its entry waits for " + ", ".join(waiting)
    with locked(cell.entry, context.runs):
        names = [str(context.runs / seed.name / RESULT) for seed in sorted(seeds, key=lambda seed: seed.seed or 0)]
        results = [load_result(name) for name in names]
        first = entry_of(results[0], names[0])
        path = context.board / "entries" / first.protocol["id"] / f"{first.name}.json"
        try:
            there = load_entry(path, context.board)
            same = (there.protocol, there.data) == (first.protocol, first.data)
            if same and [s.predictions for s in there.seeds] == [r.predictions["sha256"] for r in results]:
                return ""
        except PosebenchError:
            pass  # no entry, or one of an older posebench
        add(context.board, results, names)
        _write_log(context, cell.entry, "entry written")
        return f"wrote {path}"


def _write_log(context: GridContext, cell: str, event: str, why: str = "", trace: str = "") -> None:
    """Append one line to the log that all workers share. A single append, so that several processes may write at once."""
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "cell": cell,
        "event": event,
    }
    line |= {key: value for key, value in (("why", why), ("trace", trace)) if value}
    context.runs.mkdir(parents=True, exist_ok=True)
    with (context.runs / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
