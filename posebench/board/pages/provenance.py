"""Below each ranked table: how its rows were trained and scored, and diagnostics of their lifters."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.board.entry import Entry
from posebench.data.registry import needs_root
from posebench.display.table import table
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.scoring.protocol import Protocol

#: Where the diagnostics are explained, from a board's folder.
DIAGNOSTICS_PAGE = "../docs/training.md#diagnostics"


def machines(entries: Sequence[Entry]) -> str:
    """The environments that the rows were scored in."""
    used = {
        "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(seed.environment)
        for entry in entries
        for seed in entry.seeds
    }
    return "Scored with " + "; ".join(sorted(used)) + "."


def training_section(entries: Sequence[Entry]) -> list[str]:
    """How the trained rows were trained: a table, facts that several rows share, machines; empty without trained rows."""
    rows: list[list[object]] = []
    facts: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda entry: entry.label):
        made = entry.seeds[0].provenance
        if made is None:
            continue
        seeds = ", ".join(str(seed.provenance.seed) for seed in entry.seeds if seed.provenance)
        poses = f"{made.poses_seen / 1e6:.2f} M in {made.epochs} epochs"
        flips = "yes" if made.flip_averaging else "no"
        rows.append([entry.label, seeds, poses, _minutes(entry), f"{made.parameters:,}", made.context, flips])
        facts.setdefault(f"Trained on {made.trained_on}", []).append(entry.label)
        if made.teacher:
            facts.setdefault(f"Teacher {made.common.teacher}, whose training is included in the CPU minutes", []).append(entry.label)
        side_information = [*made.side_information, *(f"extra data: {name}" for name in made.extra_data)]
        if side_information:
            facts.setdefault(f"Side information: {'; '.join(side_information)}", []).append(entry.label)
    if not rows:
        return []
    heads = ["method", "seeds", "training poses", "CPU minutes", "parameters", "context [frames]", "flip averaging"]
    shared = [f"* {fact}: {', '.join(labels)}." for fact, labels in facts.items()]
    return ["Training:\n", table(rows, heads, right=range(3, 6), form="markdown"), "", *shared, *_machines_of_training(entries), ""]


def diagnostics_section(entries: Sequence[Entry]) -> list[str]:
    """Diagnostics that need no ground truth, of each entry's first seed, and of the true poses in the last row; may be empty."""
    rows: list[list[object]] = []
    truth: list[list[object]] = []
    for entry in sorted(entries, key=lambda entry: entry.label):
        for poses, values in entry.seeds[0].behaviour.items():
            numbers = [_two_decimals(values.get(name)) for name in BEHAVIOUR]
            if poses == "predicted":
                rows.append([entry.label, *numbers])
            elif not truth:
                truth.append(["true poses", *numbers])
    if not rows and not truth:
        return []
    text = table(rows + truth, ["method", *BEHAVIOUR], right=range(1, 1 + len(BEHAVIOUR)), form="markdown")
    return [f"[Diagnostics of the poses]({DIAGNOSTICS_PAGE}), first seed:\n", text, ""]


def _two_decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _minutes(entry: Entry) -> str:
    times = [float(seed.training["cpu_seconds"]) / 60 for seed in entry.seeds if "cpu_seconds" in seed.training]
    return "" if not times else f"{min(times):.1f}" if len(times) == 1 else f"{min(times):.1f} to {max(times):.1f}"


def _machines_of_training(entries: Sequence[Entry]) -> list[str]:
    """The machines and commits of the trainings."""
    used = {
        "{device}, {processor}, {threads} threads, torch {torch}, commit {code}".format_map(seed.training)
        for entry in entries
        for seed in entry.seeds
        if {"device", "processor", "threads", "torch", "code"} <= set(seed.training)
    }
    changed = ["* `+` after a commit: the code had uncommitted changes."] if any(machine.endswith("+") for machine in used) else []
    return [*(f"* Trained with {machine}." for machine in sorted(used)), *changed]


def commands(protocol: Protocol, keypoints: str, entries: Sequence[Entry]) -> str:
    """Commands that make a row of a table; the exact commands are on each entry's page."""
    root = " --root DIR" if needs_root(protocol.dataset) else ""
    data = f"--dataset {protocol.dataset}{root} --keypoints {keypoints}"
    lines = []
    if any(entry.seeds[0].provenance is None for entry in entries):
        lines += [f"posebench predict METHOD {data} -o p.npz", f"posebench score p.npz --protocol {protocol.id}{root} -o r.json"]
    if any(entry.seeds[0].provenance for entry in entries):
        lines += [f"posebench train METHOD --recipe RECIPE --preset PRESET --seed SEED {data} -o RUN  # writes RUN/result.json"]
        if protocol.id != protocol.dataset:
            lines += [
                f"posebench score RUN/predictions.npz --protocol {protocol.id}{root} -o r.json  # if RUN/result.json is of another protocol"
            ]
    lines.append("posebench board add r.json RUN/result.json ... && posebench board render")
    return "\n".join(["Commands that make a row:\n", "```bash", *lines, "```\n"])
