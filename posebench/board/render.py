"""The board's page: markdown from entries and nothing else, so that a stale page can be told from a fresh one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from posebench.behaviour import BEHAVIOUR
from posebench.board.entries import Entry, load_entries
from posebench.board.published import load_published
from posebench.board.published_tables import published_section
from posebench.board.rank import PRIMARY, comparable, ranked
from posebench.board.reconciliation import reconciliation
from posebench.board.reported import Published
from posebench.errors import PosebenchError
from posebench.files import write_text
from posebench.protocol import Protocol, load_protocol

#: Columns of a table after the primary metric, as far as the protocol has them.
SHOWN = ("N-MPJPE", "MPJPE", "PCK@150", "AUC", "N-PCK@150", "CPS", "MPJVE")
DIAGNOSTICS = ("PA-MPJPE-reflection", "flip-rate")

_HEAD = """# Leaderboard

Made by `posebench board render` from the files under `entries/`; do not edit by hand. A table holds only rows of one protocol digest,
one copy of the data and one keypoint source. Rows that share a letter in *group* are not separable on these takes (paired
resampling of takes, Holm-adjusted). Intervals are 95 %, over takes: they speak of these subjects and these trained models. A cell is
empty where a method's scale is unknown and the metric needs it.
"""

_REPORTED = """Numbers that papers report stand in tables of their own, from `published.toml`; they are not measured here and never ranked.
[reconciliation.md](reconciliation.md) says what each of them is, where it is misfiled, and what was reproduced.
"""


def page(entries: Sequence[Entry], published: Published | None = None) -> str:
    """The whole page: measured tables of each protocol, and published numbers below them in tables of their own."""
    parts = [_HEAD]
    tables = comparable(entries)
    reported = published.protocols() if published else []
    if reported:
        parts.append(_REPORTED)
    measured = sorted({key[0] for key in tables})
    for id in [*measured, *(id for id in reported if id not in measured)]:
        protocol = load_protocol(id)
        facts = f"{protocol.title}. Headline average: {protocol.headline}. Digest `{protocol.digest}`."
        parts.append(f"## `{id}`, version {protocol.version}\n\n{facts}\n")
        for key in sorted(key for key in tables if key[0] == id):
            parts.append(_section(protocol, key, tables[key]))
        if published and id in reported:
            parts.append(published_section(published, id))
    if not tables:
        parts.append("No entries yet.\n")
    return "\n".join(parts)


def _section(protocol: Protocol, key: tuple[str, str, str, str], entries: list[Entry]) -> str:
    _, digest, fingerprint, keypoints = key
    old = "" if digest == protocol.digest else f" under an older digest, `{digest}`"
    names = {metric.name for metric in (*protocol.metrics, *protocol.diagnostics)}
    metrics = [PRIMARY, *(name for name in SHOWN if name in names)]
    diagnostics = [name for name in DIAGNOSTICS if name in names]
    frame = ranked(entries, [*metrics, *diagnostics])
    units = entries[0].units
    return "\n".join(
        [
            f"### Keypoints `{keypoints}`{old}\n",
            _table(frame, metrics, units, intervals=True),
            "",
            "Diagnostics, never ranked:\n",
            _table(frame, diagnostics, units, intervals=False),
            "",
            *_made(entries),
            f"Data: {entries[0].data['name']} {entries[0].data['version']}, fingerprint `{fingerprint[:16]}`. {_machines(entries)}\n",
            _commands(protocol, keypoints, entries),
        ]
    )


def _machines(entries: Sequence[Entry]) -> str:
    used = {
        "posebench {posebench}, Python {python}, numpy {numpy}, {platform}".format_map(seed.environment)
        for entry in entries
        for seed in entry.seeds
    }
    return "Scored with " + "; ".join(sorted(used)) + "."


def _made(entries: Sequence[Entry]) -> list[str]:
    """Tables of how trained rows were made and of what their lifters do, where there are such rows."""
    made: list[list[object]] = []
    does: list[list[object]] = []
    for entry in sorted(entries, key=lambda entry: entry.label):
        first = entry.seeds[0]
        if first.provenance:
            told = first.provenance
            beside = "; ".join([*told.side_information, *(f"extra data: {name}" for name in told.extra_data)])
            seeds = ", ".join(str(seed.provenance.seed) for seed in entry.seeds if seed.provenance)
            seen = f"{told.poses_seen / 1e6:.2f} M in {told.epochs} epochs"
            flips = "yes" if told.flip_averaging else "no"
            made.append([entry.label, told.trained_on, seeds, seen, _minutes(entry), told.parameters, told.context, flips, beside])
        for who, signs in first.behaviour.items():
            does.append([entry.label if who == "predicted" else "true poses", *(_sign(signs.get(sign)) for sign in BEHAVIOUR)])
    truth = [row for row in does if row[0] == "true poses"][:1]
    does = [row for row in does if row[0] != "true poses"] + truth
    heads = ["method", "trained on", "seeds", "poses seen", "CPU minutes", "parameters", "frames", "flip averaging", "told beside"]
    parts = ["How the trained rows were made:\n", _plain(made, heads), "", _trainers(entries), ""] if made else []
    if does:
        parts += ["What the lifters do (first seed), beside how far off they are: `posebench.behaviour` says what each sign means.\n"]
        parts += [_plain(does, ["method", *BEHAVIOUR]), ""]
    return parts


def _plain(rows: list[list[object]], heads: Sequence[str]) -> str:
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def _sign(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _minutes(entry: Entry) -> str:
    times = [float(seed.training["cpu_seconds"]) / 60 for seed in entry.seeds if "cpu_seconds" in seed.training]
    return "" if not times else f"{min(times):.1f}" if len(times) == 1 else f"{min(times):.1f} to {max(times):.1f}"


def _trainers(entries: Sequence[Entry]) -> str:
    """The machines and commits of the trainings."""
    used = {
        "{device}, {processor}, {threads} threads, torch {torch}, commit {code}".format_map(seed.training)
        for entry in entries
        for seed in entry.seeds
        if {"device", "processor", "threads", "torch", "code"} <= set(seed.training)
    }
    return "Trained on: " + "; ".join(sorted(used)) + "." if used else ""


def _commands(protocol: Protocol, keypoints: str, entries: Sequence[Entry]) -> str:
    root = "" if protocol.dataset == "synthetic" else " --root DIR"
    said = f"--dataset {protocol.dataset}{root} --keypoints {keypoints}"
    lines = []
    if any(entry.seeds[0].provenance is None for entry in entries):
        lines += [f"posebench predict METHOD {said} -o p.npz", f"posebench score p.npz --protocol {protocol.id}{root} -o r.json"]
    if any(entry.seeds[0].provenance for entry in entries):
        lines += [f"posebench train METHOD --recipe RECIPE --preset PRESET --seed SEED {said} -o RUN  # leaves RUN/result.json"]
    lines.append("posebench board add r.json RUN/result.json ... && posebench board render")
    return "\n".join(["A row is made by (METHOD, RECIPE and PRESET as in the table, SEED as below it):\n", "```bash", *lines, "```\n"])


def _table(frame: pd.DataFrame, metrics: Sequence[str], units: dict[str, str], *, intervals: bool) -> str:
    heads = [f"{metric} [{units[metric]}]" for metric in metrics]
    left = ["group", "method", "supervision", "seeds"] if intervals else ["method"]
    rows = []
    for _, row in frame.iterrows():
        cells = [_cell(row[metric]) for metric in metrics]
        if intervals and pd.notna(row["low"]):
            cells[0] += f" [{row['low']:.1f}, {row['high']:.1f}]"
        if intervals and row["seeds"] > 1:
            cells[0] += f"; seeds {row['seed_low']:.1f} to {row['seed_high']:.1f}"
        rows.append([*(str(row[name]) for name in left), *cells])
    align = ["left"] * len(left) + ["right"] * len(metrics)
    return tabulate(rows, [*left, *heads], tablefmt="github", disable_numparse=True, colalign=align)


def _cell(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.1f}"


def _pages(board: Path, entries: Sequence[Entry]) -> dict[Path, str]:
    published = load_published(board)
    pages = {board / "README.md": page(entries, published)}
    if published is not None:
        pages[board / "reconciliation.md"] = reconciliation(published, entries)
    return pages


def render(board: Path) -> Path:
    """Write ``README.md`` of a board from its entries and published numbers, and ``reconciliation.md`` where it has any of these."""
    for path, text in _pages(board, load_entries(board)).items():
        write_text(path, text)
    return board / "README.md"


def check_board(board: Path) -> int:
    """How many entries a board has, all valid and its pages fresh.

    Raises:
        PosebenchError: an entry is invalid or of an unknown digest, ``published.toml`` is invalid, or a page is not what they give
            (exit code 1).
    """
    entries = load_entries(board)
    for entry in entries:
        known = load_protocol(entry.protocol["id"])
        if entry.protocol["digest"] != known.digest and entry.protocol["version"] >= known.version:
            raise PosebenchError(
                f"{entry.name}: digest {entry.protocol['digest']} for {known.id} version {entry.protocol['version']}",
                f"{known.digest}, or an older version",
                "score the predictions again under the present protocol",
                exit_code=1,
            )
    for path, text in _pages(board, entries).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            raise PosebenchError(
                f"{path} is not what its entries and published numbers give",
                "a fresh page",
                f"posebench board render --board {board}",
                exit_code=1,
            )
    return len(entries)
