"""Rows with one part changed, or trained on other data: each beside its difference to the unchanged row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.base.escape import markdown_text
from posebench.board.differences import RowDifference
from posebench.board.entry import ABLATION, ELSEWHERE, PRIMARY, Entry
from posebench.board.pages.tables import entry_link, form_cell, method_page, metric_cell, seeds_cell
from posebench.board.rank import Ranking
from posebench.display.tables import markdown_table
from posebench.networks.recipe import read_method
from posebench.scoring.protocol import Protocol

_FLIPS = "flip-rate"


def ablation_sections(ranking: Ranking, protocol: Protocol) -> list[str]:
    """For each method with ablations a heading, its unchanged rows in words, and the table of its changed rows."""
    parts = []
    by_method: dict[str, list[tuple[Entry, dict[Hashable, Any]]]] = {}
    for entry, _, row in ranking.of(ABLATION):
        by_method.setdefault(entry.method, []).append((entry, row))
    rows = {entry.label: (entry, row) for entry, row in zip(ranking.entries, ranking.frame.to_dict("records"), strict=True)}
    for method, changed in sorted(by_method.items()):
        page = method_page(method)
        parts += [f"#### {f'[{markdown_text(method)}]({page})' if page else markdown_text(method)}\n"]
        parents = dict.fromkeys(ranking.to_parent[entry.label].b for entry, _ in changed)
        for parent in parents:
            entry, row = rows[parent]
            flips = f", {metric_cell(row, _FLIPS)} % of the poses depth-flipped" if _FLIPS in ranking.units else ""
            parts += [
                f"Of {entry_link(entry, protocol)}: {metric_cell(row, PRIMARY, interval=True)} {ranking.units[PRIMARY]}{flips};"
                f" seeds {seeds_cell(row)}.\n",
                _table([pair for pair in changed if ranking.to_parent[pair[0].label].b == parent], ranking, protocol),
                "",
            ]
    return parts


def _table(changed: Sequence[tuple[Entry, dict[Hashable, Any]]], ranking: Ranking, protocol: Protocol) -> str:
    unit, flips = ranking.units[PRIMARY], _FLIPS in ranking.units
    lines = []
    for entry, row in sorted(changed, key=lambda pair: ranking.to_parent[pair[0].label].value):
        made = entry.seeds[0].provenance
        assert made is not None, "an ablation has a recipe"
        difference = ranking.to_parent[entry.label]
        cells = [entry_link(entry, protocol, made.recipe), what_changes(entry), difference_cell(difference), verdict(difference)]
        cells += [metric_cell(row, PRIMARY), *([metric_cell(row, _FLIPS)] if flips else []), seeds_cell(row)]
        lines.append(cells)
    heads = ["recipe", "what it changes", f"difference [{unit}]", "separable", f"{PRIMARY} [{unit}]"]
    heads += [*(["flips [%]"] if flips else []), "seeds"]
    return markdown_table(lines, heads, right=range(2, len(heads) - 1))


def elsewhere_table(rankings: Sequence[Ranking], protocol: Protocol) -> str:
    """Rows that were trained on another dataset than this one, beside the same training on this one; empty where there are none."""
    lines = []
    unit = rankings[0].first.units[PRIMARY]
    for ranking in rankings:
        for entry, _, row in ranking.of(ELSEWHERE):
            difference = ranking.to_parent.get(entry.label)
            made = entry.seeds[0].provenance
            name = entry.method if made and made.recipe == made.form else entry.variant
            cells = [entry_link(entry, protocol, name), form_cell(entry), markdown_text(row["supervision"])]
            cells += [markdown_text(entry.learnt_on), markdown_text(entry.keypoints)]
            cells += [metric_cell(row, PRIMARY, interval=True), "" if difference is None else difference_cell(difference)]
            lines.append([*cells, "" if difference is None else verdict(difference), seeds_cell(row)])
    heads = [
        "method",
        "form",
        "3D seen, and side information",
        "trained on",
        "keypoints",
        f"{PRIMARY} [{unit}]",
        f"to training on `{protocol.dataset}` [{unit}]",
        "separable",
    ]
    return markdown_table(lines, [*heads, "seeds"], right=(5, 6)) if lines else ""


def difference_cell(difference: RowDifference) -> str:
    """A difference with its sign and interval: ``+4.8 [+3.3, +6.2]``."""
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.1f}"
    return f"{difference.value:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"


def verdict(difference: RowDifference) -> str:
    """Whether a row is separable from the other, and if it is, in which direction."""
    if not difference.separable:
        return "no, seeds overlap" if difference.significant else "no"
    return "yes, better" if difference.value < 0 else "yes, worse"


def what_changes(entry: Entry) -> str:
    """What the recipe of an entry changes, in the words of the method's ``recipe.toml``; empty for a recipe that is no longer there."""
    try:
        recipes: Mapping[str, Any] = read_method(entry.method)[0].get("recipes", {})
    except PosebenchError:
        return ""
    about = str(recipes.get(entry.trained_and_tracked[0], {}).get("about", ""))
    return markdown_text(about.removeprefix("ablation: "))
