"""``posebench regenerate``: make every cell of the grid that is missing or stale, and put the finished entries on the board.

**Convention.** Cells know nothing of each other: each is claimed, made, and published by one atomic rename, whoever runs it and wherever.
Whoever finishes the last seed of an entry writes the entry. So a loop, a pool of processes, a cluster and a job array do the same, any of
them may be killed at any moment, and running one again is harmless.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.board.regeneration.cells import LIVES, Outcome, Place, run_cell
from posebench.board.regeneration.freshness import digests_of, standing
from posebench.board.regeneration.grid import Cell, read_grid, select
from posebench.board.regeneration.workers import spread
from posebench.data import DATASETS


def overview(cells: Sequence[Cell], place: Place) -> list[tuple[Cell, str, str]]:
    """Each cell with its state and why, for ``--list``; nothing is run, and data without a folder are not looked at."""
    open_, rows = cache(place.open), []
    for cell in cells:
        blind = DATASETS[cell.dataset].needs_root and cell.dataset not in place.roots
        now = standing(cell, digests_of(cell, None if blind else open_), place.runs)
        note = f"data not looked at: no --root {cell.dataset}=DIR" if blind and now.state == "fresh" else now.why
        if now.state == "missing" and _entry_of(cell, place.board).is_file():
            note = f"its entry stands on the board, of a run that is not in {place.runs}"
        rows.append((cell, {"fresh": "up to date", "rescore": "stale"}.get(now.state, now.state), note))
    return rows


def _entry_of(cell: Cell, board: Path) -> Path:
    variant, behind = cell.entry.split(f"-{cell.dataset}-", 1)
    return board / "entries" / DATASETS[cell.dataset].protocol / f"{variant}-{behind}.json"


def regenerate(
    grid: str | os.PathLike[str] = "leaderboard/grid.toml",
    *,
    cells: Sequence[str] = (),
    dataset: str | None = None,
    place: Place | None = None,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Make what is missing or stale, and put finished entries on the board that lies beside the grid file.

    Args:
        grid: the grid file.
        cells: names of cells; empty for all.
        dataset: only the cells of this dataset.
        place: where and how; by default ``runs`` and the grid's folder.
        jobs: processes on this machine.
        dask: address of a dask scheduler, instead of ``jobs``; its workers see the same files under the same paths.
        progress: called with (name of the cell, steps done, steps in all) where cells are made one after the other here.
        log: called with a line for each cell.

    Raises:
        PosebenchError: a grid that cannot be read, a name that it lacks, or a cluster that cannot be reached. A cell's own error is in
            its outcome.
    """
    known = read_grid(Path(grid))
    chosen = select(known, cells, dataset)
    place = place or Place(Path(grid).parent, Path("runs"), {})
    # Workers have working folders of their own.
    roots = {name: str(Path(root).absolute()) for name, root in place.roots.items()}
    place = replace(place, board=place.board.absolute(), runs=place.runs.absolute(), roots=roots, token=uuid.uuid4().hex)
    open_ = cache(place.open)
    outcomes: list[Outcome] = []
    tasks = {}
    for cell in chosen:
        try:
            seeds = [other for other in known if other.entry == cell.entry]
            tasks[cell.name] = partial(run_cell, cell, seeds, digests_of(cell, open_), place)
        except PosebenchError as error:
            outcomes.append(Outcome(cell.name, "failed", str(error)))
            log(f"{cell.name}: failed: {error}")
    done: Iterator[Outcome]
    if dask is None and jobs == 1:
        done = (task(progress=partial(progress, name) if progress else None) for name, task in tasks.items())
    else:
        done = _survive(tasks, jobs, dask)
    for outcome in done:
        outcomes.append(outcome)
        log(f"{len(outcomes)} of {len(chosen)}: {outcome.cell}: {outcome.status}" + (f": {outcome.note}" if outcome.note else ""))
    order = [cell.name for cell in chosen]
    return sorted(outcomes, key=lambda outcome: order.index(outcome.cell))


def _survive(tasks: dict[str, partial[Outcome]], jobs: int, dask: str | None) -> Iterator[Outcome]:
    """Run tasks on many processes; where a dead one takes the pool with it, go on with those that are left in another pool."""
    deaths = 0
    while tasks:
        try:
            for outcome in spread(list(tasks.values()), jobs, dask):
                del tasks[outcome.cell]
                deaths = 0
                yield outcome
        except PosebenchError:
            raise
        except Exception as error:
            deaths += 1
            if deaths > LIVES:
                told = f"the workers died ({type(error).__name__}: {str(error).splitlines()[0]}); run it again: finished cells are kept"
                yield from [Outcome(name, "failed", told) for name in tasks]
                return
