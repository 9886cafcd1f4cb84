"""Reported and reproduced numbers: the paper's, other people's code on our data, and our baselines' entries."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_high
from urllib.parse import quote

from posebench.base.escape import markdown_text
from posebench.board.entry import Entry
from posebench.board.published.tables import cell, data_of, who
from posebench.board.published.types import MEASURES, Measured, Paper, Published, Row
from posebench.display.tables import markdown_table
from posebench.scoring.protocol import load_protocol

#: Columns of the tables of reproduced numbers: heading -> metric of an entry.
_COLUMNS = {
    "PA-MPJPE": "PA-MPJPE",
    "PA-MPJPE, reflection allowed": "PA-MPJPE-reflection",
    "scaled MPJPE": "N-MPJPE",
    "MPJPE": "MPJPE",
    "flip rate [%]": "flip-rate",
}


def reproduced(published: Published, entries: Sequence[Entry]) -> str:
    """For each method with a baseline or a run: the reported numbers, those of other code, those of our baseline, and why they differ."""
    parts = [
        """## Reported against reproduced

*reported* is what is printed, on the data that it was printed for; *run by us* is other people's code on our data, with one seed and the
work stated, and on one CPU core; *ours* is this project's baseline, from its entries on the board. Only rows on the same data, joints and
2D source can be compared. A Human3.6M number cannot be reproduced on `cmu`; only the order of methods and the effect of
a rule can. Runs and entries are averaged over frames (the board's headline is another average where the protocol says so), and their
scaled MPJPE is N-MPJPE. An entry with several seeds shows its median (of an even number the worse of the middle two), with the range in
brackets. Differences under about 5 mm between single runs are ties.
"""
    ]
    for paper in published.papers.values():
        runs = [run for run in published.measured if run.paper == paper.id]
        if paper.methods or any(run.official for run in runs):
            parts += [f"### {paper.name}\n", _against(published, paper, runs, entries) + "\n"]
            parts += ["Why they differ:\n", "\n".join(f"* {reason}" for reason in paper.reasons) + "\n"] if paper.reasons else []
    return "\n".join(parts)


def _against(published: Published, paper: Paper, runs: Sequence[Measured], entries: Sequence[Entry]) -> str:
    reported = [row for row in published.rows if row.paper == paper.id and any(row.get(m) for m in ("PA-MPJPE", "MPJPE", "scaled MPJPE"))]
    lines = [_reported_line(published, row) for row in reported]
    flips = any(value.oracle != "none" for row in reported for value in row.values)
    lines += [_run_line(run, flips=flips) for run in runs]
    own = [entry for entry in entries if entry.method in paper.methods]
    lines += [_entry_line(entry) for entry in own]
    if paper.methods and not own:
        lines.append(["ours: no entry yet", *[""] * (3 + len(_COLUMNS)), ""])
    return markdown_table(lines, ["what", "data", "2D", "joints", *_COLUMNS, "work"])


def _reported_line(published: Published, row: Row) -> list[str]:
    aligned = row.get("PA-MPJPE")
    # The better of a pose and its depth flip, both aligned, is nearly an alignment with reflection: only perspective differs.
    reflected = aligned is not None and (aligned.alignment == "similarity+reflection" or aligned.oracle != "none")
    values = [None if reflected else aligned, aligned if reflected else None, row.get("scaled MPJPE"), row.get("MPJPE")]
    joints = "" if row.joints == "unstated" else row.joints
    return [f"reported: {who(published, row)}", data_of(row), row.keypoints, joints, *map(cell, values), "", ""]


def _run_line(run: Measured, *, flips: bool) -> list[str]:
    cells = [f"{run.values[metric]:.1f}" if metric in run.values else "" for metric in _COLUMNS.values()]
    if flips and "best-of-flip MPJPE" in run.values:
        cells[1] += f"; {run.values['best-of-flip PA-MPJPE']:.1f} (f)"
        cells[2] += f"; {run.values['best-of-flip MPJPE']:.1f} (p, f)"
    kind = "official code" if run.official else "reference"
    return [f"run by us, {kind}: {run.what}", f"`{run.protocol}`", run.keypoints, str(run.joints), *cells, run.work]


def _entry_line(entry: Entry) -> list[str]:
    cells = []
    for metric in _COLUMNS.values():
        values = [value for seed in range(len(entry.seeds)) if (value := entry.value(metric, "frame", seed)) is not None]
        spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
        cells.append(f"{median_high(values):.1f}{spread}" if values else "")
    id = entry.protocol["id"]
    joints = str(len(load_protocol(id).skeleton))
    link = f"[{markdown_text(entry.name)}](entries/{id}/{quote(entry.name, safe='@+')}.json)"
    return [f"ours: {link}", f"`{id}`", markdown_text(entry.keypoints), joints, *cells, _work(entry)]


def _work(entry: Entry) -> str:
    made, spent = entry.seeds[0].provenance, entry.seeds[0].training
    if made is None:
        return "none"
    minutes = f", {float(spent['cpu_seconds']) / 60:.0f} CPU minutes" if "cpu_seconds" in spent else ""
    return f"{made.poses_seen / 1e6:.2f} M poses in {made.epochs} epochs{minutes}, {len(entry.seeds)} seed{'s' * (len(entry.seeds) > 1)}"


def official(published: Published) -> str:
    """A table of all runs of other people's code, with all their metrics."""
    runs = published.measured
    metrics = [metric for metric in MEASURES if any(metric in run.values for run in runs)]
    lines = [
        [
            run.what + ("" if run.official else " (reference)"),
            f"`{run.protocol}`, {run.keypoints}, {run.joints} joints",
            run.work,
            *(f"{run.values[metric]:.1f}" if metric in run.values else "" for metric in metrics),
        ]
        for run in runs
    ]
    notes = "\n".join(f"* **{run.what}**: {run.notes}" for run in runs if run.notes)
    return f"""## Other people's code on our data

Official repositories, changed only as a CPU, library versions and our data require. Released hyper-parameters, last epoch, one seed, 11 to
28 minutes on one CPU core: about 1 % of the steps of a paper. Averages are over frames unless the heading says `by take`. The best-of-flip
columns are scored as in ITES: Procrustes scale, the better of the pose and its mirror image. Rows with 16 and 17 joints are not comparable.

{markdown_table(lines, ["code", "data", "work", *metrics], right=range(3, 3 + len(metrics)))}

{notes}
"""
