"""Below each ranked table: how its rows were trained and scored, and their diagnostics."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.base.escape import markdown_text
from posebench.board.entry import Entry
from posebench.data.registry import needs_root
from posebench.display.tables import markdown_table
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.scoring.protocol import Protocol

#: Where the diagnostics are explained, seen from a board's folder.
DIAGNOSTICS_PAGE = "../docs/training.md#diagnostics"


def machines(entries: Sequence[Entry]) -> str:
    """What the rows were scored with."""
    used = {seed.scored_with for entry in entries for seed in entry.seeds}
    return f"Scored with {markdown_text('; '.join(sorted(used)))}."


def made_rows(entries: Sequence[Entry]) -> list[str]:
    """How the trained rows were made, and the diagnostics of all rows; empty where there are no such rows."""
    ordered = sorted(entries, key=lambda entry: entry.label)
    return [*_trainings(ordered, entries), *_diagnostics(ordered)]


def _trainings(ordered: Sequence[Entry], entries: Sequence[Entry]) -> list[str]:
    rows: list[list[object]] = []
    facts: dict[str, list[str]] = {}
    for entry in ordered:
        made = entry.seeds[0].provenance
        if made is None:
            continue
        seeds = ", ".join(str(seed.provenance.seed) for seed in entry.seeds if seed.provenance)
        poses = f"{made.poses_seen / 1e6:.2f} M in {made.epochs} epochs"
        rows.append([markdown_text(entry.label), seeds, poses, _minutes(entry), f"{made.parameters:,}"])
        facts.setdefault(f"Trained on {made.trained_on}", []).append(entry.label)
        if made.teacher:
            facts.setdefault(f"Teacher {made.common.teacher}, whose training is included in the CPU minutes", []).append(entry.label)
    if not rows:
        return []
    heads = ["method", "seeds", "training poses", "CPU minutes", "parameters"]
    lines = [f"* {markdown_text(fact)}: {markdown_text(', '.join(labels))}." for fact, labels in facts.items()]
    return ["How the trained rows were made:\n", markdown_table(rows, heads, right=range(3, 5)), "", *lines, *_trainers(entries), ""]


def _diagnostics(ordered: Sequence[Entry]) -> list[str]:
    rows: list[list[object]] = []
    true_poses: list[object] | None = None
    for entry in ordered:
        for whose, values in entry.seeds[0].behaviour.items():
            cells = [_two_decimals(values.get(name)) for name in BEHAVIOUR]
            if whose == "predicted":
                rows.append([markdown_text(entry.label), *cells])
            elif true_poses is None:
                true_poses = ["true poses", *cells]
    if true_poses is not None:
        rows.append(true_poses)
    if not rows:
        return []
    about = f"[Diagnostics that need no true poses]({DIAGNOSTICS_PAGE}), of the first seed, never ranked:\n"
    return [about, markdown_table(rows, ["method", *BEHAVIOUR], right=range(1, 1 + len(BEHAVIOUR))), ""]


def _two_decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _minutes(entry: Entry) -> str:
    times = [float(seed.training["cpu_seconds"]) / 60 for seed in entry.seeds if "cpu_seconds" in seed.training]
    return "" if not times else f"{min(times):.1f}" if len(times) == 1 else f"{min(times):.1f} to {max(times):.1f}"


def _trainers(entries: Sequence[Entry]) -> list[str]:
    """The machines and commits of the trainings."""
    used = {
        "{device}, {processor}, {threads} threads, torch {torch}, commit {code}".format_map(seed.training)
        for entry in entries
        for seed in entry.seeds
        if {"device", "processor", "threads", "torch", "code"} <= set(seed.training)
    }
    changed = ["* A `+` after a commit: the code differed from it."] if any(machine.endswith("+") for machine in used) else []
    return [*(f"* Trained with {markdown_text(machine)}." for machine in sorted(used)), *changed]


def commands(protocol: Protocol, keypoints: str, entries: Sequence[Entry]) -> str:
    """The commands that make a row of a table; the page of an entry has its own."""
    root = " --root DIR" if needs_root(protocol.dataset) else ""
    options = f"--dataset {protocol.dataset}{root} --keypoints {keypoints}"
    lines = []
    if any(entry.seeds[0].provenance is None for entry in entries):
        lines += [f"posebench predict METHOD {options} -o p.npz", f"posebench score p.npz --protocol {protocol.id}{root} -o r.json"]
    if any(entry.seeds[0].provenance for entry in entries):
        lines += [f"posebench train METHOD --recipe RECIPE --preset PRESET --seed SEED {options} -o RUN  # leaves RUN/result.json"]
        if protocol.id != protocol.dataset:
            lines += [
                f"posebench score RUN/predictions.npz --protocol {protocol.id}{root} -o r.json  # if RUN/result.json is of another protocol"
            ]
    lines.append("posebench board add r.json RUN/result.json ... && posebench board render")
    return "\n".join(["A row is made by (METHOD, RECIPE and PRESET as in the table, SEED as below it):\n", "```bash", *lines, "```\n"])
