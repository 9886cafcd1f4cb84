"""Making one cell of the grid: claimed, made or gone on with, published, and its entry written when the last seed is there."""

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
from posebench.board.regeneration.freshness import Digests, begin, changed, claimed, digests_of, publish, standing
from posebench.board.regeneration.grid import Cell
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters import simple_lifters
from posebench.scoring.result import load_result
from posebench.training.finish import predict_and_score
from posebench.training.folder import RECIPE, RESULT
from posebench.training.run import train

LOG = "regenerate.jsonl"
#: So often may the process of a cell die in one call before the cell is given up. Dask itself gives a task up after four, and joblib would
#: then wait for it for ever.
LIVES = 3
#: Cells share PyTorch's random numbers, so that a process makes one at a time, however many threads a cluster gives it.
_ONE_AT_A_TIME = threading.Lock()

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Place:
    """Where cells are made, and how; it travels to the workers.

    Attributes:
        board: folder of the board.
        runs: folder of the run folders.
        roots: dataset name to the owner's folder.
        device: as of ``posebench train``.
        threads: of the CPU, for each cell; 0 takes PyTorch's choice.
        adopt: take runs of ``posebench train`` for those of the present code.
        token: of one call of :func:`regenerate`.
    """

    board: Path
    runs: Path
    roots: dict[str, str]
    device: str = "auto"
    threads: int = 0
    adopt: bool = False
    token: str = ""

    def open(self, name: str) -> Dataset:
        """Open a dataset in the owner's folder."""
        if DATASETS[name].needs_root and name not in self.roots:
            obtain = f"to obtain it: {DATASETS[name].obtain}"
            raise PosebenchError(f"no folder for dataset {name}", f"--root {name}=DIR", obtain)
        return open_dataset(name, self.roots.get(name))


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: ``done``, ``up to date`` or ``failed``, with the reason or a note, and the seconds that it took."""

    cell: str
    status: str
    note: str = ""
    seconds: float = 0.0


def make_run(cell: Cell, place: Place, progress: Progress | None) -> None:
    """Train the cell and score it, going on from a checkpoint where there is one."""
    folder, root = place.runs / cell.name, place.roots.get(cell.dataset)
    if not cell.trained:
        dataset = place.open(cell.dataset)
        protocol = DATASETS[cell.dataset].protocol_for(dataset)
        predict_and_score(simple_lifters()[cell.method](dataset), folder, dataset, cell.keypoints, protocol, root=root)
        return
    if folder.exists() and not (folder / RECIPE).is_file():  # killed before its first file was whole
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
        device=place.device,
        threads=place.threads,
        progress=progress,
    )


def run_cell(cell: Cell, seeds: Sequence[Cell], wanted: Digests, place: Place, progress: Progress | None = None) -> Outcome:
    """Make one cell unless it is fresh, publish it, and write its entry if it was the last seed missing. Never raises for a cell's error.

    Args:
        cell: the cell.
        seeds: every cell of its entry.
        wanted: digests that the caller's code and data have; other ones here are an error.
        place: where and how.
        progress: called with (steps done, steps in all).
    """
    started = time.monotonic()
    try:
        with _ONE_AT_A_TIME:
            open_ = cache(place.open)
            digests = digests_of(cell, open_)
            differing = changed(wanted, digests)
            if differing:
                found = f"{', '.join(differing)} on {socket.gethostname()}: another version than where the call was made"
                raise PosebenchError(found, "one checkout and one copy of the data on every machine", "bring them to one state")
            made = _make(cell, digests, place, progress)
            note = _write_entry(cell, seeds, digests, place)
        return Outcome(cell.name, "done" if made else "up to date", note, time.monotonic() - started)
    except Exception as error:
        told = str(error) if isinstance(error, PosebenchError) else f"{type(error).__name__}: {error}"
        trace = "" if isinstance(error, PosebenchError) else traceback.format_exc()
        _write_log(place, cell.name, "failed", told, trace)
        return Outcome(cell.name, "failed", told, time.monotonic() - started)


def _make(cell: Cell, digests: Digests, place: Place, progress: Progress | None) -> bool:
    with claimed(cell.name, place.runs) as claim:
        now = standing(cell, digests, place.runs)
        folder = place.runs / cell.name
        if now.state == "fresh":
            return False
        if now.state == "foreign" and not place.adopt:
            advice = "--adopt if the present code made it, or --runs ANOTHER, or remove it"
            raise PosebenchError(now.why, "a run of its own, or an empty place", advice)
        if now.state == "stale":
            # Out of the way at once: half a removed run would look like one to go on with.
            old = place.runs / f".{cell.name}.old"
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            shutil.rmtree(old)
        if begin(claim, digests, place.token) >= LIVES:
            raise PosebenchError(
                f"its process died {LIVES} times, or one beside it did", "memory for it", "run it alone: --cell " + cell.name
            )
        _write_log(place, cell.name, {"interrupted": "resumed", "foreign": "adopted"}.get(now.state, "begun"), now.why)
        if now.state == "rescore":
            (folder / RESULT).unlink(missing_ok=True)
        make_run(cell, place, progress)
        publish(cell, digests, place.runs)
        _write_log(place, cell.name, "published")
        return True


def _write_entry(cell: Cell, seeds: Sequence[Cell], digests: Digests, place: Place) -> str:
    """Put the entry on the board if all its seeds are fresh and it is not there yet; returns what to say of it."""
    waiting = [seed.name for seed in seeds if standing(seed, digests, place.runs).state != "fresh"]
    if waiting:
        return "its entry waits for " + ", ".join(waiting)
    with claimed(cell.entry, place.runs):
        names = [str(place.runs / seed.name / RESULT) for seed in sorted(seeds, key=lambda seed: seed.seed or 0)]
        results = [load_result(name) for name in names]
        first = entry_of(results[0], names[0])
        path = place.board / "entries" / first.protocol["id"] / f"{first.name}.json"
        try:
            there = load_entry(path, place.board)
            same = (there.protocol, there.data) == (first.protocol, first.data)
            if same and [s.predictions for s in there.seeds] == [r.predictions["sha256"] for r in results]:
                return ""
        except PosebenchError:
            pass  # none there, or one of an older posebench
        add(place.board, results, names)
        _write_log(place, cell.entry, "entry written")
        return f"wrote {path}"


def _write_log(place: Place, cell: str, event: str, why: str = "", trace: str = "") -> None:
    """A line for those who cannot see the workers' terminals; a single append, so that many may write."""
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "cell": cell,
        "event": event,
    }
    line |= {key: value for key, value in (("why", why), ("trace", trace)) if value}
    place.runs.mkdir(parents=True, exist_ok=True)
    with (place.runs / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
