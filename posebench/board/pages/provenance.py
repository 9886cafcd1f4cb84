"""How the rows of a table were made, on what, and what their lifters do: below each ranked table."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.board.entry import Entry
from posebench.board.pages.tables import markdown
from posebench.data.registry import needs_root
from posebench.metrics.behaviour import BEHAVIOUR
from posebench.scoring.protocol import Protocol


def machines(entries: Sequence[Entry]) -> str:
    """What the rows were scored with."""
    used = {
        "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(seed.environment)
        for entry in entries
        for seed in entry.seeds
    }
    return "Scored with " + "; ".join(sorted(used)) + "."


def made_rows(entries: Sequence[Entry]) -> list[str]:
    """Tables of how trained rows were made and of what their lifters do, where there are such rows."""
    made: list[list[object]] = []
    does: list[list[object]] = []
    facts: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda entry: entry.label):
        first = entry.seeds[0]
        if first.provenance:
            told = first.provenance
            seeds = ", ".join(str(seed.provenance.seed) for seed in entry.seeds if seed.provenance)
            seen = f"{told.poses_seen / 1e6:.2f} M in {told.epochs} epochs"
            flips = "yes" if told.flip_averaging else "no"
            made.append([entry.label, seeds, seen, _minutes(entry), f"{told.parameters:,}", told.context, flips])
            facts.setdefault(f"Trained on {told.trained_on}", []).append(entry.label)
            if told.teacher:
                facts.setdefault(f"Taught by {told.common.teacher}; CPU minutes hold its teacher's", []).append(entry.label)
            beside = [*told.side_information, *(f"extra data: {name}" for name in told.extra_data)]
            if beside:
                facts.setdefault(f"Told beside its supervision: {'; '.join(beside)}", []).append(entry.label)
        for who, signs in first.behaviour.items():
            does.append([entry.label if who == "predicted" else "true poses", *(_sign(signs.get(sign)) for sign in BEHAVIOUR)])
    truth = [row for row in does if row[0] == "true poses"][:1]
    does = [row for row in does if row[0] != "true poses"] + truth
    heads = ["method", "seeds", "poses seen", "CPU minutes", "parameters", "frames", "flip averaging"]
    parts = []
    if made:
        parts += ["How the trained rows were made:\n", markdown(made, heads, right=range(3, 6)), ""]
        parts += [*(f"* {fact}: {', '.join(labels)}." for fact, labels in facts.items()), *_trainers(entries), ""]
    if does:
        parts += ["What the lifters do (first seed), beside how far off they are: `posebench.behaviour` says what each sign means.\n"]
        parts += [markdown(does, ["method", *BEHAVIOUR], right=range(1, 1 + len(BEHAVIOUR))), ""]
    return parts


def _sign(value: float | None) -> str:
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
    changed = ["* `+` behind a commit: the code differed from it."] if any(machine.endswith("+") for machine in used) else []
    return [*(f"* Trained with {machine}." for machine in sorted(used)), *changed]


def commands(protocol: Protocol, keypoints: str, entries: Sequence[Entry]) -> str:
    """What makes a row of a table; each entry's page has its own."""
    root = " --root DIR" if needs_root(protocol.dataset) else ""
    said = f"--dataset {protocol.dataset}{root} --keypoints {keypoints}"
    lines = []
    if any(entry.seeds[0].provenance is None for entry in entries):
        lines += [f"posebench predict METHOD {said} -o p.npz", f"posebench score p.npz --protocol {protocol.id}{root} -o r.json"]
    if any(entry.seeds[0].provenance for entry in entries):
        lines += [f"posebench train METHOD --recipe RECIPE --preset PRESET --seed SEED {said} -o RUN  # leaves RUN/result.json"]
        if protocol.id != protocol.dataset:
            lines += [
                f"posebench score RUN/predictions.npz --protocol {protocol.id}{root} -o r.json  # where RUN/result.json is of another one"
            ]
    lines.append("posebench board add r.json RUN/result.json ... && posebench board render")
    return "\n".join(["A row is made by (METHOD, RECIPE and PRESET as in the table, SEED as below it):\n", "```bash", *lines, "```\n"])
