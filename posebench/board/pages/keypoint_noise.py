"""How much error in the keypoints costs each method: the same takes with exact and with erroneous keypoints."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.base.escape import markdown_code, markdown_text
from posebench.board.differences import RowDifference, single_pairs
from posebench.board.entry import ABLATION, METHOD, PRIMARY, Entry
from posebench.board.pages.ablations import difference_cell
from posebench.board.pages.prose import wrapped
from posebench.board.pages.tables import entry_link, form_cell, metric_cell
from posebench.board.rank import Ranking, primary_sums
from posebench.display.tables import markdown_table
from posebench.scoring.protocol import Protocol


def noise_section(exact: Ranking, noisy: Sequence[Ranking], protocol: Protocol, stems: Sequence[str]) -> list[str]:
    """A heading, what the table shows, and the table.

    Args:
        exact: the ranking of the first keypoint source.
        noisy: rankings of the same digest and data with other keypoint sources.
        protocol: of all of them.
        stems: paths of the noisy rankings' files, without folder and ending.
    """
    first, unit = markdown_code(exact.first.keypoints), exact.first.units[PRIMARY]
    links = [f"[{markdown_text(its.first.keypoints)}](tables/{stem}.md)" for its, stem in zip(noisy, stems, strict=True)]
    about = f"""{PRIMARY} in {unit} where a method is trained and tested on keypoints with errors, and in brackets how much more that
is than with {first}, paired over takes, with its 95 % interval.
[What each keypoint source is](../docs/datasets.md). All rows and metrics: {", ".join(links)}."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for ranking in noisy:
        for entry, seed, row in ranking.of(METHOD, ABLATION):
            place = entry.label, entry.form
            names.setdefault(place, [markdown_text(entry.label), form_cell(entry)])
            cell = f"[{metric_cell(row, PRIMARY)}]({entry_link(entry, protocol, target_only=True)})"
            if rise := _rise(exact, entry, seed):
                cell += f" ({difference_cell(rise)})"
            rows.setdefault(place, {})[entry.keypoints] = cell
    sources = [ranking.first.keypoints for ranking in noisy]
    of_exact = {(entry.label, entry.form): metric_cell(row, PRIMARY) for entry, _, row in exact.of(METHOD, ABLATION)}
    lines = [[*names[place], of_exact.get(place, ""), *(cells.get(source, "") for source in sources)] for place, cells in rows.items()]
    heads = ["method", "form", first, *map(markdown_code, sources)]
    return ["### Keypoints with errors\n", wrapped(about), "", markdown_table(lines, heads, right=range(2, len(heads))), ""]


def _rise(exact: Ranking, entry: Entry, seed: int) -> RowDifference | None:
    """The error with erroneous keypoints minus that of the same row, and if possible the same seed, with exact ones."""
    for other, usual, _ in exact.of(METHOD, ABLATION):
        if other.label == entry.label and {take for take, _, _ in other.takes} == {take for take, _, _ in entry.takes}:
            like = other.seed_like(entry.seeds[seed], usual)
            return single_pairs([(entry, primary_sums(entry, entry, seed), other, primary_sums(other, entry, like))])[0]
    return None
