"""One cell of the grid: lock it, train or resume it, publish it, and write its entry once all seeds are there."""

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
from posebench.board.admission import entry_of
from posebench.board.entry_files import add, load_entry
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
#: How often one call starts a cell whose process dies. Dask gives a task up after four deaths, and joblib would then wait for it forever.
MAX_STARTS = 3
#: Cells share PyTorch's random numbers, so a process makes one at a time, however many threads a cluster gives it.
_ONE_AT_A_TIME = threading.Lock()

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class GridContext:
    """Where the cells of a grid are made, and how; it is sent to the worker processes.

    Attributes:
        board: folder of the board.
        runs: folder of the run folders.
        roots: dataset name to the folder of its files.
        device: ``auto``, ``cpu`` or ``cuda``, as of ``posebench train``.
        threads: CPU threads of each cell; 0 leaves the number to PyTorch.
        adopt: accept finished runs of ``posebench train`` as runs of the present code.
        token: identifies one call of :func:`posebench.regenerate`.
    """

    board: Path
    runs: Path
    roots: dict[str, str]
    device: str = "auto"
    threads: int = 1
    adopt: bool = False
    token: str = ""

    def open(self, name: str) -> Dataset:
        """Open a dataset by name.

        Raises:
            PosebenchError: it needs a folder, and none was given.
        """
        if DATASETS[name].needs_root and name not in self.roots:
            obtain = f"to obtain it: {DATASETS[name].obtain}"
            raise PosebenchError(f"no folder for dataset {name}", f"--root {name}=DIR", obtain)
        return open_dataset(name, self.roots.get(name))

    def make_run(self, cell: Cell, progress: Progress | None) -> None:
        """Fill the run folder of a cell: train, from the checkpoint if there is one, predict and score."""
        folder, root = cell.folder(self.runs), self.roots.get(cell.dataset)
        if not cell.trained:
            dataset = self.open(cell.dataset)
            protocol = DATASETS[cell.dataset].protocol_for(dataset)
            predict_and_score(simple_lifters()[cell.method](dataset), folder, dataset, cell.keypoints, protocol, root=root)
            return
        if folder.exists() and not (folder / RECIPE).is_file():  # the process was killed before its first file was complete
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
            device=self.device,
            threads=self.threads,
            progress=progress,
        )


@dataclass(frozen=True)
class Outcome:
    """What happened to a cell.

    Attributes:
        cell: its name.
        status: ``done``, ``up to date`` or ``failed``.
        note: the reason of a failure, or what became of the entry.
        seconds: wall time.
    """

    cell: str
    status: str
    note: str = ""
    seconds: float = 0.0


def run_cell(cell: Cell, seeds: Sequence[Cell], wanted: Digests, context: GridContext, progress: Progress | None = None) -> Outcome:
    """Make one cell unless it is fresh, publish it, and write its entry if this was the last missing seed.

    An error of the cell is never raised; the outcome states it.

    Args:
        cell: the cell.
        seeds: every cell of its entry.
        wanted: digests of the caller's code and data; the cell fails if those of this machine differ.
        context: where and how.
        progress: called with (steps done, steps in all).
    """
    started = time.monotonic()
    try:
        with _ONE_AT_A_TIME:
            open_ = cache(context.open)
            digests = digests_of(cell, open_)
            differing = changed(wanted, digests)
            if differing:
                found = f"{', '.join(differing)} on {socket.gethostname()}: another version than where the call was made"
                raise PosebenchError(found, "one checkout and one copy of the data on every machine", "bring them to one state")
            made = _make(cell, digests, context, progress)
            note = _write_entry(cell, seeds, digests, context)
        return Outcome(cell.name, "done" if made else "up to date", note, time.monotonic() - started)
    except Exception as error:
        message = str(error) if isinstance(error, PosebenchError) else f"{type(error).__name__}: {error}"
        trace = "" if isinstance(error, PosebenchError) else traceback.format_exc()
        _write_log(context, cell.name, "failed", message, trace)
        return Outcome(cell.name, "failed", message, time.monotonic() - started)


def _make(cell: Cell, digests: Digests, context: GridContext, progress: Progress | None) -> bool:
    """Make and publish a cell under its lock; False if it is fresh already."""
    with locked(cell.name, context.runs) as lock:
        status = status_of(cell, digests, context.runs)
        if status.state == "fresh":
            return False
        if status.state == "foreign" and not context.adopt:
            advice = "--adopt if the present code made it, or --runs ANOTHER, or remove it"
            raise PosebenchError(status.why, "a run that posebench regenerate made, or no folder", advice)
        folder = cell.folder(context.runs)
        if status.state == "stale":
            _remove(folder)
        elif status.state == "rescore":
            (folder / RESULT).unlink(missing_ok=True)
        if record_start(lock, digests, context.token) >= MAX_STARTS:
            found = f"its process died {MAX_STARTS} times, or that of a cell in the same pool did"
            raise PosebenchError(found, "enough memory for it", "run it alone: --cell " + cell.name)
        _write_log(context, cell.name, {"interrupted": "resumed", "foreign": "adopted"}.get(status.state, "begun"), status.why)
        context.make_run(cell, progress)
        publish(cell, digests, context.runs)
        _write_log(context, cell.name, "published")
        return True


def _remove(folder: Path) -> None:
    """Remove a run folder; renamed first, since a half removed run would look like one to resume."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    shutil.rmtree(old)


def _write_entry(cell: Cell, seeds: Sequence[Cell], digests: Digests, context: GridContext) -> str:
    """Write the entry if all its seeds are fresh and the board does not hold it yet; returns a note for the outcome."""
    waiting = [seed.name for seed in seeds if status_of(seed, digests, context.runs).state != "fresh"]
    if waiting:
        return "its entry waits for " + ", ".join(waiting)
    with locked(cell.entry, context.runs):
        names = [str(seed.folder(context.runs) / RESULT) for seed in sorted(seeds, key=lambda seed: seed.seed or 0)]
        results = [load_result(name) for name in names]
        first = entry_of(results[0], names[0])
        path = first.path(context.board)
        try:
            known = load_entry(path, context.board)
            same = (known.protocol, known.data) == (first.protocol, first.data)
            if same and [s.predictions for s in known.seeds] == [r.predictions.sha256 for r in results]:
                return ""
        except PosebenchError:
            pass  # there is none, or it is of an older posebench
        add(context.board, results, names)
        _write_log(context, cell.entry, "entry written")
        return f"wrote {path}"


def _write_log(context: GridContext, cell: str, event: str, why: str = "", trace: str = "") -> None:
    """Append one line to the log of all workers, in one write, so that several processes may log at once."""
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
