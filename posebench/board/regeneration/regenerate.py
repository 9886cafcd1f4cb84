"""``posebench regenerate``: make every cell of the grid that is missing or stale, and put the finished entries on the board.

**Convention.** Cells are independent: each is locked, made, and published by one atomic rename, by any process on any machine. The process
that finishes the last seed of an entry writes the entry. So a loop, a pool of processes, a cluster and a job array give the same board.
Each may be killed at any moment and run again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.workers import parallel
from posebench.board.entry_files import load_entry
from posebench.board.regeneration.cells import MAX_STARTS, GridContext, Outcome, run_cell
from posebench.board.regeneration.freshness import digests_of, status_of
from posebench.board.regeneration.grid import Cell, read_grid, select
from posebench.data import DATASETS
from posebench.predictions.forms import TUNED


def overview(cells: Sequence[Cell], context: GridContext) -> list[tuple[Cell, str, str]]:
    """Each cell with its state and the reason, for ``--list``. Nothing is run; data that need a folder are skipped where none is given."""
    open_, rows = cache(context.open), []
    for cell in cells:
        no_folder = DATASETS[cell.dataset].needs_root and cell.dataset not in context.roots
        status = status_of(cell, digests_of(cell, None if no_folder else open_), context.runs)
        note = status.why
        if no_folder and status.state == "fresh":
            note = f"data not checked: no --root {cell.dataset}=DIR"
        if status.state == "missing" and (entry := _entry_of(cell, context.board)):
            seeds = {seed.provenance and seed.provenance.seed for seed in load_entry(entry, context.board).seeds}
            rest = f"; its run is not in {context.runs}" if cell.seed in seeds else ", without this seed"
            note = f"its entry is on the board{rest}"
        rows.append((cell, {"fresh": "up to date", "rescore": "stale"}.get(status.state, status.state), note))
    return rows


def _entry_of(cell: Cell, board: Path) -> Path | None:
    """The file of a cell's entry on a board, under its present name or that of earlier versions; None if it has none."""
    variant, rest = cell.entry.split(f"-{cell.dataset}-", 1)
    names = [variant, variant.removesuffix(f"+{TUNED}")]
    paths = (board / "entries" / DATASETS[cell.dataset].protocol / f"{name}-{rest}.json" for name in names)
    return next((path for path in paths if path.is_file()), None)


def regenerate(
    grid: str | os.PathLike[str] = "leaderboard/grid.toml",
    *,
    cells: Sequence[str] = (),
    dataset: str | None = None,
    context: GridContext | None = None,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Make the cells that are missing or stale, and write finished entries to the board in the grid file's folder.

    Args:
        grid: the grid file.
        cells: names of cells; empty for all.
        dataset: only the cells of this dataset.
        context: where and how; by default the board is the grid's folder, and runs are below ``runs``.
        jobs: processes on this machine.
        dask: address of a dask scheduler, instead of ``jobs``; its workers need the same files under the same paths.
        progress: called with (name of the cell, steps done, steps in all); only with one job on this machine.
        log: called with a line for each cell.

    Raises:
        PosebenchError: a grid that cannot be read, a name that it lacks, or a cluster that cannot be reached. The error of a cell is
            in its outcome.
    """
    known = read_grid(Path(grid))
    chosen = select(known, cells, dataset)
    context = context or GridContext(Path(grid).parent, Path("runs"), {})
    # Workers have working directories of their own.
    roots = {name: str(Path(root).absolute()) for name, root in context.roots.items()}
    context = replace(context, board=context.board.absolute(), runs=context.runs.absolute(), roots=roots, token=uuid.uuid4().hex)
    open_ = cache(context.open)
    outcomes: list[Outcome] = []
    tasks = {}
    for cell in chosen:
        try:
            seeds = [other for other in known if other.entry == cell.entry]
            tasks[cell.name] = partial(run_cell, cell, seeds, digests_of(cell, open_), context)
        except PosebenchError as error:
            outcomes.append(Outcome(cell.name, "failed", str(error)))
            log(f"{cell.name}: failed: {error}")
    done: Iterator[Outcome]
    if dask is None and jobs == 1:
        done = (task(progress=partial(progress, name) if progress else None) for name, task in tasks.items())
    else:
        done = _run_parallel(tasks, jobs, dask)
    for outcome in done:
        outcomes.append(outcome)
        log(f"{len(outcomes)} of {len(chosen)}: {outcome.cell}: {outcome.status}" + (f": {outcome.note}" if outcome.note else ""))
    order = [cell.name for cell in chosen]
    return sorted(outcomes, key=lambda outcome: order.index(outcome.cell))


def _run_parallel(tasks: dict[str, partial[Outcome]], jobs: int, dask: str | None) -> Iterator[Outcome]:
    """Run tasks on several processes. If a dead process ends the pool, the remaining tasks continue in another pool."""
    deaths = 0
    while tasks:
        try:
            for outcome in parallel(list(tasks.values()), jobs, dask):
                del tasks[outcome.cell]
                deaths = 0
                yield outcome
        except PosebenchError:
            raise
        except Exception as error:
            deaths += 1
            if deaths > MAX_STARTS:
                reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
                note = f"the workers died ({reason}); run it again: finished cells are kept"
                yield from [Outcome(name, "failed", note) for name in tasks]
                return
