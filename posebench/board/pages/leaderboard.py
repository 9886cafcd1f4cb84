"""The board's ``README.md``: what was measured, method by method, and below it the numbers that papers report.

For each protocol: the methods in one table, the ablations of each method, noisy keypoints, other training data. Everything else that is
known of a table's rows is on a page of its own (:mod:`posebench.board.pages.all_rows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posebench.base.escape import markdown_code, markdown_text
from posebench.board.entry import ABLATION, ELSEWHERE, METHOD, PRIMARY
from posebench.board.pages.ablations import ablation_sections, elsewhere_table
from posebench.board.pages.keypoint_noise import noise_section
from posebench.board.pages.paper_order import order_sentences
from posebench.board.pages.plots import PLOTS, plot_data
from posebench.board.pages.prose import wrapped
from posebench.board.pages.reported import reported_summary
from posebench.board.pages.tables import method_table, timing_note
from posebench.board.published.types import Published
from posebench.board.rank import Key, Ranking, file_stems
from posebench.lifters.timing.record import Record
from posebench.scoring.protocol import Protocol, load_protocol

_TITLE = "# Leaderboard: monocular 3D pose lifting\n"
_ABOUT = """2D joints in, 3D joints out. `posebench` computed every number of the tables of methods under one exactly stated protocol. Rows
of a table have the same protocol, data and keypoints. The page behind a row's name has all its numbers, and the commands that make
them again."""
_MADE = "\nMade by `posebench board render` from the files under `entries/` and `published.toml`; do not edit by hand.\n"
_READING = "95 % intervals over takes in brackets. Rows that share a letter (*tie*) are not separable over these takes and seeds."


def leaderboard_page(
    ranked: Mapping[Key, Ranking], published: Published | None, records: Mapping[str, Record], others: Sequence[str] = ()
) -> str:
    """The whole page.

    Args:
        ranked: the rankings by key, in the order of the page.
        published: numbers of papers, or None.
        records: timing records by the name of their machine.
        others: names of the board's other pages that this one leads to.
    """
    stems = file_stems(ranked)
    reported = published.protocols() if published else []
    links = ["[How to read the tables](how-to-read.md)", *(f"[{name}]({name}.md)" for name in others)]
    links += ["[numbers that papers report](published.md), [explained](reconciliation.md)"] if reported else []
    parts = [_TITLE, wrapped(_ABOUT), "", f"{'; '.join(links)}.\n"]
    for id in _in_order(ranked):
        keys = [key for key in ranked if key[0] == id]
        parts += _protocol(load_protocol(id), {key: ranked[key] for key in keys}, stems, records)
    if not ranked:
        parts.append("No entries yet.\n")
    if published and reported:
        parts += reported_summary(published)
    return "\n".join([*parts, _MADE])


def _in_order(ranked: Mapping[Key, Ranking]) -> list[str]:
    """Protocols, those with the most rows first."""
    rows = {id: sum(len(ranking.all_entries) for key, ranking in ranked.items() if key[0] == id) for id in {key[0] for key in ranked}}
    return sorted(rows, key=lambda name: (-rows[name], name))


def _protocol(protocol: Protocol, ranked: Mapping[Key, Ranking], stems: Mapping[Key, str], records: Mapping[str, Record]) -> list[str]:
    """The section of one protocol: the first keypoint source in full, the others of the same data beside it."""
    parts = [f"## `{protocol.id}`: {markdown_text(protocol.title)}\n"]
    done: set[Key] = set()
    for key, ranking in ranked.items():
        if key in done:
            continue
        # Tables of the same digest and data differ in their keypoints alone.
        family = {other: its for other, its in ranked.items() if other[:3] == key[:3] and other not in done}
        done |= family.keys()
        noisy = {other: its for other, its in family.items() if other != key}
        parts += _methods(protocol, key, ranking, stems[key], records)
        parts += _ablations(protocol, ranking, stems[key], records)
        if noisy:
            parts += noise_section(ranking, list(noisy.values()), protocol, [stems[other] for other in noisy])
        if table := elsewhere_table([ranking, *noisy.values()], protocol):
            parts += ["### Trained on other data\n", table, ""]
    return parts


def _methods(protocol: Protocol, key: Key, ranking: Ranking, stem: str, records: Mapping[str, Record]) -> list[str]:
    """The table of methods, with what it does and does not say."""
    _, digest, _, keypoints = key
    takes = len({take for take, _, _ in ranking.first.takes})
    exact = "exact keypoints, `gt`" if keypoints == "gt" else f"keypoints {markdown_code(keypoints)}"
    old = "" if digest == protocol.digest else ", under an older digest"
    about = f"{takes} test takes, {exact}{old}; average by {protocol.headline}, in mm, lower is better. {_READING}"
    plots = plot_data(ranking, records)
    links = [f"[all rows and metrics](tables/{stem}.md)", f"[CSV](tables/{stem}.csv)", f"[JSON](tables/{stem}.json)"]
    links += [f"[{PLOTS[name].title}](plots/{stem}-{name}.svg)" for name in plots if name not in ("error", "ablations")]
    methods = method_table(ranking, records, protocol, METHOD)
    return [
        wrapped(about),
        "",
        *([methods, ""] if methods else ["No ranked rows.\n"]),
        *([wrapped(note), ""] if methods and (note := timing_note(ranking, records)) else []),
        *_aside(ranking, records, protocol),
        *_resolution(ranking, takes),
        *([f"![Error by method, with intervals and seeds](plots/{stem}-error.svg)\n"] if "error" in plots else []),
        wrapped(f"More: {', '.join(links)}. Protocol version {protocol.version}, digest {markdown_code(digest)}."),
        "",
        *order_sentences(ranking),
    ]


def _ablations(protocol: Protocol, ranking: Ranking, stem: str, records: Mapping[str, Record]) -> list[str]:
    """A section a method with its rows that have one part changed; empty where there are none."""
    if not ranking.of(ABLATION):
        return []
    about = f"""Each row is a method with one part changed. The difference is its {PRIMARY} minus that of the row that it changes, paired
over takes, with the pair's 95 % interval: above 0 the change makes it worse. *separable* is Holm-corrected over the changed rows of the
table; it says no where the ranges over seeds overlap."""
    plot = [f"![Differences to the unchanged method](plots/{stem}-ablations.svg)\n"] if "ablations" in plot_data(ranking, records) else []
    return ["### What each part does\n", wrapped(about), "", *plot, *ablation_sections(ranking, protocol)]


def _aside(ranking: Ranking, records: Mapping[str, Record], protocol: Protocol) -> list[str]:
    """The rows that are not ranked, with the reason of each; empty if there are none."""
    if ranking.aside is None:
        return []
    reasons = [f"* {markdown_text(entry.label)}: {entry.why_unranked}." for entry in ranking.aside.entries]
    return ["**Not ranked**:\n", method_table(ranking.aside, records, protocol, METHOD, ABLATION, ELSEWHERE), "", *reasons, ""]


def _resolution(ranking: Ranking, takes: int) -> list[str]:
    """The smallest difference that these takes can show."""
    widths: Sequence[float] = ranking.half_widths
    if ranking.smallest is None:
        return [f"One row, or no interval from these {takes} takes: no differences to show.\n"] if ranking.entries else []
    unit = ranking.first.units[PRIMARY]
    spread = f" ({widths[0]:.1f} to {widths[-1]:.1f} over {len(widths)} pairs)" if len(widths) > 1 else ""
    about = f"Smallest difference that these {takes} takes can show between two methods: about"
    return [wrapped(f"{about} **{ranking.smallest:.1f} {unit}** {PRIMARY}{spread}."), ""]
