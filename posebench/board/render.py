"""Write and check a board's generated files: pages, tables and plots, which depend on its entries, records and published numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import write_text
from posebench.board.entry import Entry
from posebench.board.entry_files import load_entries
from posebench.board.pages.entry import entry_page
from posebench.board.pages.plots import PLOTS, Data, draw, fresh, plot_data
from posebench.board.pages.provenance import commands, diagnostics_section, machines, training_section
from posebench.board.pages.speed import load_records, speed_page
from posebench.board.pages.tables import DIAGNOSTICS, FURTHER, as_csv, as_json, metrics_of, metrics_table, ranked_table
from posebench.board.published.reader import load_published
from posebench.board.published.reconciliation import reconciliation
from posebench.board.published.tables import published_section
from posebench.board.published.types import Published
from posebench.board.rank import PRIMARY, Key, Ranking, comparable, rank
from posebench.lifters.timing.record import Record
from posebench.scoring.protocol import Protocol, load_protocol

#: Folders and suffixes of generated files: a file there that is not generated any more belongs to a removed entry.
_GENERATED = (("entries", ".md"), ("tables", ".csv"), ("tables", ".json"), ("plots", ".svg"))

_HEAD = """# Leaderboard

Made by `posebench board render` from the files under `entries/`; do not edit by hand. A table holds only rows of one protocol digest,
one copy of the data and one keypoint source.

* **Order.** By PA-MPJPE, which every method has. Of several seeds the median one is shown (of an even number the worse of the middle
  two), never the best. *Seeds* gives their number and range.
* **Group.** All pairs of rows are compared by a paired bootstrap over takes, with Holm correction. Rows that share a letter are not
  significantly different. A row may have several letters.
* **Intervals** are 95 % bootstrap confidence intervals over takes. They hold for these subjects and these trained models.
* **Decimals.** A value has one decimal if its standard error is below 1, and none otherwise. Seed ranges and differences have one. The
  CSV files have four.
* **Smallest difference** that is significant: half the width of the 95 % interval of a pair's difference, median over the pairs, without
  Holm correction.
* **Empty cells.** The metric needs the scale, and the method does not know it.
* **Commands.** A row is named METHOD+RECIPE (PRESET); its SEEDs are in the table of trainings. Its name links to a page with the exact
  commands. A row states the commit that made it; later code may give other numbers.
"""

_REPORTED = """Numbers from papers are in separate tables, from `published.toml`. They are not measured here and never ranked.
[reconciliation.md](reconciliation.md) explains what each of them means and compares them with reproduced numbers.
"""

_TIMED = """Speed of the methods: [speed.md](speed.md).
"""


def rankings(entries: Sequence[Entry]) -> dict[Key, Ranking]:
    """A ranking for each set of comparable entries, sorted by protocol; true keypoints come first, then noisier ones."""
    tables = comparable(entries)
    return {key: rank(tables[key], metrics_of(load_protocol(key[0]), list(tables[key][0].units))) for key in sorted(tables, key=_place)}


def _place(key: Key) -> tuple[str, bool, str, Key]:
    id, _, _, keypoints = key
    return id, keypoints != "gt", re.sub(r"[0-9]+", lambda number: number[0].zfill(9), keypoints), key


def _stems(ranked: dict[Key, Ranking]) -> dict[Key, str]:
    """File names of each ranking's tables and plots: ``<protocol id>/<keypoints>``, and a suffix for an older digest or other data."""
    stems: dict[Key, str] = {}
    for key in sorted(ranked, key=lambda key: (key[1] != load_protocol(key[0]).digest, key)):
        id, digest, fingerprint, keypoints = key
        plain = f"{id}/{keypoints}"
        stems[key] = plain if plain not in stems.values() else f"{plain}-{digest[:8]}-{fingerprint[:8]}"
    return stems


def leaderboard_page(ranked: dict[Key, Ranking], published: Published | None = None, records: Mapping[str, Record] | None = None) -> str:
    """The leaderboard's README: for each protocol the measured tables, then the published numbers in tables of their own.

    Args:
        ranked: see :func:`rankings`.
        published: the board's published numbers.
        records: timings by the name of their machine.
    """
    parts = [_HEAD]
    records = records or {}
    stems = _stems(ranked)
    reported = published.protocols() if published else []
    if reported:
        parts.append(_REPORTED)
    if records:
        parts.append(_TIMED)
    measured = sorted({key[0] for key in ranked})
    for id in [*measured, *(id for id in reported if id not in measured)]:
        protocol = load_protocol(id)
        facts = f"{protocol.title}. Headline average: {protocol.headline}. Digest `{protocol.digest}`."
        parts.append(f"## `{id}`, version {protocol.version}\n\n{facts}\n")
        for key in (key for key in ranked if key[0] == id):
            parts.append(_section(protocol, key, ranked[key], stems[key], records))
        if published and id in reported:
            parts.append(published_section(published, id))
    if not ranked:
        parts.append("No entries yet.\n")
    return "\n".join(parts)


def _section(protocol: Protocol, key: Key, ranking: Ranking, stem: str, records: Mapping[str, Record]) -> str:
    _, digest, fingerprint, keypoints = key
    entries = ranking.entries
    old = "" if digest == protocol.digest else f" under an older digest, `{digest}`"
    plots = plot_data(ranking, records)
    links = [f"[{PLOTS[name][2]}](plots/{stem}-{name}.svg)" for name in plots if name != "error"]
    links += [f"this table as [CSV](tables/{stem}.csv) and [JSON](tables/{stem}.json)"]
    parts = [
        f"### Keypoints `{keypoints}`{old}\n",
        ranked_table(ranking, f"entries/{protocol.id}"),
        "",
        *_separates(ranking),
        f"![Error by method, with intervals and seeds](plots/{stem}-error.svg)\n",
        f"See also: {', '.join(links)}.\n",
    ]
    for title, metrics in (("Further metrics:", FURTHER), ("Diagnostic metrics, never ranked:", DIAGNOSTICS)):
        if table := metrics_table(ranking, metrics):
            parts += [f"{title}\n", table, ""]
    return "\n".join(
        [
            *parts,
            *training_section(entries),
            *diagnostics_section(entries),
            f"Data: {entries[0].data['name']} {entries[0].data['version']}, fingerprint `{fingerprint[:16]}`. {machines(entries)}\n",
            commands(protocol, keypoints, entries),
        ]
    )


def _separates(ranking: Ranking) -> list[str]:
    """The smallest significant difference, and the rows whose order may depend on the seed."""
    unit, widths = ranking.entries[0].units[PRIMARY], ranking.half_widths
    takes = len({take for take, _, _ in ranking.entries[0].takes})
    if ranking.smallest is None:
        return [f"One row, or no interval from these {takes} takes: no comparison.\n"] if not widths else []
    spread = f"{widths[0]:.1f} to {widths[-1]:.1f} over {len(widths)} pairs" if len(widths) > 1 else "one pair"
    lines = [f"Smallest significant difference on these {takes} takes: about **{ranking.smallest:.1f} {unit}** {PRIMARY} ({spread})."]
    if ranking.overlaps:
        pairs = "; ".join(f"{one} and {other}" for one, other in ranking.overlaps)
        lines.append(f"No common letter, but overlapping seeds, so another training may reverse the order: {pairs}.")
    return [" ".join(lines) + "\n"]


def _texts(board: Path, entries: Sequence[Entry], ranked: dict[Key, Ranking], records: Mapping[str, Record]) -> dict[Path, str]:
    """Every generated text of a board: pages, entries' pages, tables."""
    published = load_published(board)
    texts = {board / "README.md": leaderboard_page(ranked, published, records)}
    if records:
        texts[board / "speed.md"] = speed_page(records)
    if published is not None:
        texts[board / "reconciliation.md"] = reconciliation(published, entries)
    for key, stem in _stems(ranked).items():
        protocol = load_protocol(key[0])
        texts[board / "tables" / f"{stem}.csv"] = as_csv(ranked[key])
        texts[board / "tables" / f"{stem}.json"] = as_json(ranked[key])
        for number, entry in enumerate(ranked[key].entries):
            texts[board / "entries" / protocol.id / f"{entry.name}.md"] = entry_page(ranked[key], number, protocol)
    return texts


def _plots(board: Path, ranked: dict[Key, Ranking], records: Mapping[str, Record]) -> Iterator[tuple[Path, str, Data]]:
    """Every plot of a board: file, name in :data:`PLOTS`, data."""
    for key, stem in _stems(ranked).items():
        for name, data in plot_data(ranked[key], records).items():
            yield board / "plots" / f"{stem}-{name}.svg", name, data


def _left_over(board: Path, made: set[Path]) -> list[Path]:
    """Generated files of entries that were removed."""
    found = {path for folder, ending in _GENERATED for path in (board / folder).rglob(f"*{ending}")}
    found |= {path for path in [board / "speed.md"] if path.exists()}
    return sorted(found - made)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def render(board: Path) -> Path:
    """Write a board's pages, tables and plots. Plots that are fresh are not drawn again.

    Returns:
        ``README.md`` of the board.
    """
    entries = load_entries(board)
    ranked = rankings(entries)
    records = load_records(board)
    texts = _texts(board, entries, ranked, records)
    for path, text in texts.items():
        write_text(path, text)
    plots = set()
    for path, name, data in _plots(board, ranked, records):
        plots.add(path)
        if not fresh(_read(path) or "", name, data):
            write_text(path, draw(name, data))
    for path in _left_over(board, {*texts, *plots}):
        path.unlink()
    return board / "README.md"


def check_board(board: Path) -> int:
    """Check that a board's entries are valid and its generated files fresh; gives the number of entries. Draws nothing.

    Raises:
        PosebenchError: an entry is invalid, of an unknown digest, or states a number that its sums do not give; ``published.toml`` is
            invalid; or a page, table or plot is not what they give (exit code 1).
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
    ranked = rankings(entries)
    records = load_records(board)
    texts, plots = _texts(board, entries, ranked, records), list(_plots(board, ranked, records))
    stale = [path for path, text in texts.items() if _read(path) != text]
    stale += [path for path, name, data in plots if not fresh(_read(path) or "", name, data)]
    stale += _left_over(board, {*texts, *(path for path, _, _ in plots)})
    if stale:
        names = first_ten([str(path) for path in stale])
        raise PosebenchError(
            f"{names} {'is' if len(stale) == 1 else 'are'} not what the entries and published numbers give",
            "fresh pages, tables and plots",
            f"posebench board render --board {board}",
            exit_code=1,
        )
    return len(entries)
