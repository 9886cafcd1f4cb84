"""Writing and checking a board's files: pages, tables and plots, which follow from its other files alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import write_text
from posebench.board.entry import Entry
from posebench.board.entry_files import load_entries
from posebench.board.pages.all_rows import all_rows_page
from posebench.board.pages.entry import entry_page
from posebench.board.pages.latex import as_latex, made_tables, stored_choice
from posebench.board.pages.leaderboard import leaderboard_page
from posebench.board.pages.plot_data import Data
from posebench.board.pages.plots import draw, fresh, plot_data
from posebench.board.pages.reading import READING
from posebench.board.pages.reported import reported_page
from posebench.board.pages.robustness import load_studies, robustness_page, robustness_plots
from posebench.board.pages.speed import load_records, speed_page
from posebench.board.pages.tables import as_csv, as_json
from posebench.board.published.reader import load_published
from posebench.board.published.reconciliation import reconciliation
from posebench.board.rank import Key, Ranking, file_stems, rankings
from posebench.lifters.timing.record import Record
from posebench.scoring.protocol import load_protocol
from posebench.scoring.robustness.record import Study

#: Folders and endings of generated files; one that is there and was not generated is left over from an earlier entry.
_GENERATED = (("entries", ".md"), ("tables", ".md"), ("tables", ".csv"), ("tables", ".json"), ("plots", ".svg"))


def _texts(
    board: Path,
    entries: Sequence[Entry],
    ranked: dict[Key, Ranking],
    records: Mapping[str, Record],
    studies: dict[str, Study],
    underline: bool | None,
) -> dict[Path, str]:
    """Every generated text of a board: pages, entries' pages, tables; in LaTeX too, unless ``underline`` is None."""
    published = load_published(board)
    others = [name for name, made in (("speed", records), ("robustness", studies)) if made]
    texts = {board / "README.md": leaderboard_page(ranked, published, records, others), board / "how-to-read.md": READING}
    if records:
        texts[board / "speed.md"] = speed_page(records, published)
    if studies:
        texts[board / "robustness.md"] = robustness_page(board, studies)
    if published is not None:
        texts[board / "published.md"] = reported_page(published)
        texts[board / "reconciliation.md"] = reconciliation(published, entries)
    for key, stem in file_stems(ranked).items():
        protocol = load_protocol(key[0])
        texts[board / "tables" / f"{stem}.md"] = all_rows_page(key, ranked[key], protocol, stem)
        texts[board / "tables" / f"{stem}.csv"] = as_csv(ranked[key])
        texts[board / "tables" / f"{stem}.json"] = as_json(ranked[key])
        if underline is not None:
            texts[board / "tables" / f"{stem}.tex"] = as_latex(ranked[key], underline=underline)
        for ranking in filter(None, (ranked[key], ranked[key].aside)):
            for number, entry in enumerate(ranking.entries):
                texts[board / "entries" / protocol.id / f"{entry.name}.md"] = entry_page(ranking, number, protocol)
    return texts


Plot = tuple[Path, str, Data]


class Contents(NamedTuple):
    """What follows from a board's entries, published numbers, timing records and files of robustness.

    Attributes:
        texts: pages and tables by their path.
        plots: the path of each plot, its name in :data:`PLOTS`, its data.
    """

    texts: dict[Path, str]
    plots: list[Plot]

    @property
    def stale_plots(self) -> list[Path]:
        """Plots that are missing or not what the entries give."""
        return [path for path, name, data in self.plots if not fresh(_read(path) or "", name, data)]


def contents(board: Path, entries: Sequence[Entry], underline: bool | None) -> Contents:
    """The generated files of a board; tables in LaTeX too, unless ``underline`` is None.

    Raises:
        PosebenchError: ``published.toml``, a timing record or a file of robustness is invalid.
    """
    ranked, records, studies = rankings(entries), load_records(board), load_studies(board)
    plots = [*_plots(board, ranked, records), *robustness_plots(board, studies)]
    return Contents(_texts(board, entries, ranked, records, studies, underline), plots)


def _plots(board: Path, ranked: dict[Key, Ranking], records: Mapping[str, Record]) -> Iterator[Plot]:
    """Every plot of the rankings."""
    for key, stem in file_stems(ranked).items():
        for name, data in plot_data(ranked[key], records).items():
            yield board / "plots" / f"{stem}-{name}.svg", name, data


def _left_over(board: Path, made: set[Path]) -> list[Path]:
    """Generated files whose entry no longer exists."""
    found = {path for folder, ending in _GENERATED for path in (board / folder).rglob(f"*{ending}")}
    found |= {path for path in (board / "speed.md", board / "robustness.md") if path.exists()} | made_tables(board).keys()
    return sorted(found - made)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def render(board: Path, *, latex: bool = False, underline: bool = False, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write a board's pages, tables and plots; plots that are fresh are not drawn again.

    Args:
        board: the board's folder.
        latex: write tables in LaTeX too. A board that has some keeps them, and they are written again each time.
        underline: in those tables, underline the second best values.
        progress: called with (plots done, plots in all).

    Returns:
        ``README.md`` of the board.

    Raises:
        PosebenchError: an entry is invalid; or the folder holds no board and no entry, and nothing is written.
    """
    entries = load_entries(board)
    if not entries and not any((board / name).exists() for name in ("README.md", "published.toml")):
        raise PosebenchError(
            f"{board}: no entries",
            "a board with at least one entry",
            f"posebench board add R.json --board {board}, or name another --board",
        )
    texts, plots = contents(board, entries, underline if latex else stored_choice(board))
    for path, text in texts.items():
        write_text(path, text)
    for number, (path, name, data) in enumerate(plots):
        if progress is not None:
            progress(number, len(plots))
        if not fresh(_read(path) or "", name, data):
            write_text(path, draw(name, data))
    for path in _left_over(board, {*texts, *(path for path, _, _ in plots)}):
        path.unlink()
    return board / "README.md"


def check_board(board: Path) -> int:
    """Check that all entries are valid and that pages, tables and plots are what follows from them. Draws nothing.

    Returns:
        The number of entries.

    Raises:
        PosebenchError: an entry is invalid, of an unknown digest, or states a number that does not follow from its sums;
            ``published.toml`` is invalid; or a page, table or plot is stale, missing or left over (exit code 1).
    """
    entries = load_entries(board)
    for entry in entries:
        _check_digest(entry)
    made = contents(board, entries, stored_choice(board))
    stale = [path for path, text in made.texts.items() if _read(path) != text]
    stale += made.stale_plots
    stale += _left_over(board, {*made.texts, *(path for path, _, _ in made.plots)})
    if stale:
        names = first_ten([str(path) for path in stale])
        raise PosebenchError(
            f"{names} {'is' if len(stale) == 1 else 'are'} not what the entries and published numbers give",
            "fresh pages, tables and plots",
            f"posebench board render --board {board}",
            exit_code=1,
        )
    return len(entries)


def _check_digest(entry: Entry) -> None:
    """Refuse a digest that is neither today's nor that of an older version of the protocol."""
    known = load_protocol(entry.protocol["id"])
    if entry.protocol["digest"] != known.digest and entry.protocol["version"] >= known.version:
        raise PosebenchError(
            f"{entry.name}: digest {entry.protocol['digest']} for {known.id} version {entry.protocol['version']}",
            f"{known.digest}, or an older version",
            "score the predictions again under the present protocol",
            exit_code=1,
        )
