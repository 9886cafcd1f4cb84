"""The board's ``README.md``: for each protocol its ranked tables, and below them the numbers that papers report."""

from __future__ import annotations

from collections.abc import Mapping

from posebench.base.escape import markdown_code, markdown_text
from posebench.board.entry import PRIMARY
from posebench.board.pages.paper_order import order_sentence
from posebench.board.pages.plots import PLOTS, plot_data
from posebench.board.pages.provenance import commands, machines, made_rows
from posebench.board.pages.tables import DIAGNOSTICS, FURTHER, facts_table, metrics_table, ranked_table
from posebench.board.published.tables import published_section
from posebench.board.published.types import Published
from posebench.board.rank import Key, Ranking, file_stems
from posebench.lifters.timing.record import Record
from posebench.scoring.protocol import Protocol, load_protocol

_HEAD = """# Leaderboard

Made by `posebench board render` from the files under `entries/`; do not edit by hand. All rows of a table have the same protocol digest,
data and keypoint source.

* **Order.** Rows are ordered by PA-MPJPE, which every method has. A method with several seeds is shown with its seed of median PA-MPJPE
  (with an even number, the worse of the middle two), never with its best. *seeds* gives the number of seeds and their range.
* **Group.** Rows that share a letter are not significantly different on these takes. All pairs are compared by paired resampling of whole
  takes, with Holm correction over the table. A row may have several letters.
* **Intervals** are 95 % intervals over takes. They hold for these subjects and these trained models.
* **Digits.** A value has one decimal if its standard error is below 1, and none otherwise. Differences and ranges over seeds have one.
  The CSV has four.
* **Smallest difference**: half the width of the 95 % interval of a pair's difference, uncorrected, as the median over the table's pairs.
  Two methods that differ by less are usually tied on these takes.
* **Empty cells.** The metric needs the scale, and the method does not give it.
* **Code.** Each row was made by the commit that is named below its table, not by the present code.

* **Form.** `paper`: the method as its paper describes it. `released`: as the authors' code has it. `tuned`: changed by us, in network,
  losses or side information. The form links to the page of the method, which says what differs.
* **Supervision.** The 3D that a method has seen: of its training, and of what its side information was measured from.
* **Not ranked.** A row that takes something from the true poses at test time (an oracle), whose weights were chosen on the test split, or
  that adapts to other test clips, stands beside the ranking.

The name of a row links to its page.
"""

_REPORTED = """Numbers that papers report are in separate tables, from `published.toml`. They are not measured here and never ranked.
[reconciliation.md](reconciliation.md) explains what each of them is, which ones are filed under a wrong label, and which were reproduced.
"""

_TIMED = """Speed of the methods, and on which machine: [speed.md](speed.md).
"""


def leaderboard_page(ranked: Mapping[Key, Ranking], published: Published | None, records: Mapping[str, Record]) -> str:
    """The whole page.

    Args:
        ranked: the rankings by key, in the order of the page.
        published: numbers of papers, or None.
        records: timing records by the name of their machine.
    """
    parts = [_HEAD]
    stems = file_stems(ranked)
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
    entries = ranking.all_entries
    old = "" if digest == protocol.digest else f" under an older digest, {markdown_code(digest)}"
    plots = plot_data(ranking, records)
    links = [f"[{PLOTS[name].title}](plots/{stem}-{name}.svg)" for name in plots if name != "error"]
    links += [f"this table as [CSV](tables/{stem}.csv) and [JSON](tables/{stem}.json)"]
    parts = [
        f"### Keypoints {markdown_code(keypoints)}{old}\n",
        *([ranked_table(ranking, f"entries/{protocol.id}"), ""] if ranking.entries else ["No ranked rows.\n"]),
        *_aside(ranking, protocol),
        *_resolution(ranking),
        *([f"{sentence}\n"] if (sentence := order_sentence(ranking)) else []),
        *([f"![Error by method, with intervals and seeds](plots/{stem}-error.svg)\n"] if "error" in plots else []),
        f"See also: {', '.join(links)}.\n",
        "What each method was given:\n",
        facts_table(ranking),
        "",
    ]
    for title, metrics in (("Further metrics:", FURTHER), ("Diagnostics, never ranked:", DIAGNOSTICS)):
        if table := metrics_table(ranking, metrics):
            parts += [f"{title}\n", table, ""]
    return "\n".join(
        [
            *parts,
            *made_rows(entries),
            f"Data: {markdown_text(entries[0].data['name'])} {markdown_text(entries[0].data['version'])}, fingerprint"
            f" {markdown_code(fingerprint[:16])}. {machines(entries)}\n",
            commands(protocol, keypoints, entries),
        ]
    )


def _aside(ranking: Ranking, protocol: Protocol) -> list[str]:
    """The rows that are not ranked, with the reason of each; empty if there are none."""
    if ranking.aside is None:
        return []
    reasons = [f"* {markdown_text(entry.label)}: {entry.why_unranked}." for entry in ranking.aside.entries]
    return ["**Not ranked**:\n", ranked_table(ranking.aside, f"entries/{protocol.id}"), "", *reasons, ""]


def _resolution(ranking: Ranking) -> list[str]:
    """The smallest difference that these takes can show, and the pairs whose order may depend on the seed."""
    unit, widths = ranking.first.units[PRIMARY], ranking.half_widths
    takes = len({take for take, _, _ in ranking.first.takes})
    if ranking.smallest is None:
        return [f"One row, or no interval from these {takes} takes: no differences to show.\n"] if not widths else []
    spread = f"{widths[0]:.1f} to {widths[-1]:.1f} over {len(widths)} pairs" if len(widths) > 1 else "one pair"
    lines = [f"Smallest difference that these {takes} takes can show: about **{ranking.smallest:.1f} {unit}** {PRIMARY} ({spread})."]
    if ranking.overlaps:
        pairs = "; ".join(f"{markdown_text(one)} and {markdown_text(other)}" for one, other in ranking.overlaps)
        lines.append(f"The order of these pairs may change with other seeds, as their ranges over seeds overlap: {pairs}.")
    return [" ".join(lines) + "\n"]
