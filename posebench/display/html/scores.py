"""The numbers of one or several results: metrics with their intervals, paired comparison, PCK curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from posebench.display.html import charts
from posebench.display.html.case import FURTHER, MAIN, Case, Content, bounds, number
from posebench.display.html.elements import Child, Markup, details, element, group, paragraph, section
from posebench.display.html.tables import Cell, Row, table
from posebench.display.text import number as exact
from posebench.scoring.comparison import Comparison
from posebench.scoring.pairs import Difference
from posebench.scoring.protocol import higher_is_better

#: Longest name that is kept on one line.
_SHORT = 28
#: With more pairs of results than this, all metrics but the first are folded away.
_FEW_PAIRS = 6
#: Areas under PCK curves, and the alignment of each in words.
_CURVES = {"AUC": "root-relative", "N-AUC": "after scale", "PA-AUC": "after Procrustes alignment"}


def cards(case: Case) -> Markup:
    """The metrics that papers rank by, large."""
    shown = []
    for name in MAIN:
        found = case.table(name)
        if found is not None:
            interval = bounds(found.low, found.high)
            value = element("span", number(found.value), element("small", f" {found.unit}"), class_="value")
            under = element("span", f"95 % interval {interval}" if interval else "no interval", class_="under")
            shown.append(element("li", element("span", name, class_="name"), value, under))
    return element("ul", *shown, class_="cards") if shown else Markup("")


def scores_section(content: Content, comparisons: Sequence[Comparison]) -> Markup:
    """Every metric of one result; or the results side by side, with their intervals on common axes."""
    headline = content.first.protocol.headline
    given = any(found.low is not None for case in content.cases for found in case.result.metrics.values())
    intervals = "Intervals are 95 % over takes; they do not cover other seeds of a training." if given else "These takes give no intervals."
    about = f"Average by {headline}. {intervals}"
    empty = [case.name for case in content.cases if case.result.predictions.scale == "unknown"]
    scale = f"The scale of {_named(empty, content)} is unknown, so that absolute metrics have no value." if empty else None
    parts: list[Child] = [paragraph(about, None if scale is None else f" {scale}")]
    if content.several:
        parts += [_side_by_side(content, comparisons), _intervals(content)]
        parts += [details("All metrics", _all_side_by_side(content))]
    else:
        case = content.cases[0]
        parts += [_every(case, case.result.metrics, "Metrics"), _intervals(content) if len(content.metrics(MAIN)) > 1 else None]
        if any(found.value is not None for found in case.result.diagnostics.values()):
            parts += [_every(case, case.result.diagnostics, "Diagnostics, never ranked")]
    return section("scores", "Scores", *parts)


def _named(names: Sequence[str], content: Content) -> str:
    return ", ".join(names) if content.several else "these poses"


def _every(case: Case, tables: Iterable[str], caption: str) -> Markup:
    shown = {name: found for name in tables if (found := case.table(name)) is not None}
    kinds = list(next(iter(shown.values())).by) if shown else []
    headline, *others = kinds or [case.result.protocol.headline]
    heads = ["metric", "unit", f"by {headline}", "95 % interval", *(f"by {kind}" for kind in others)]
    rows: list[Row] = [
        [
            name,
            found.unit,
            Cell(exact(found.value), found.value, "main"),
            bounds(found.low, found.high, 2),
            *(exact(found.by.get(kind)) for kind in others),
        ]
        for name, found in shown.items()
    ]
    return table(caption, heads, rows, range(2, len(heads)), sortable=False, class_="names")


def _side_by_side(content: Content, comparisons: Sequence[Comparison]) -> Markup:
    letters = {comparison.metric: comparison.letters for comparison in comparisons}
    metrics = content.metrics((*MAIN, *FURTHER[:4]))
    best = {metric: best_of(content, metric) for metric in metrics}
    rows: list[Row] = []
    for place, case in enumerate(content.cases):
        cells: list[Cell | Child] = [_name(content, place)]
        for metric in metrics:
            found = case.table(metric)
            if found is None:
                cells.append(Cell("", None))
                continue
            letter = letters.get(metric, {}).get(case.name)
            mark = element("sup", letter) if letter else None
            class_ = "best" if found.value == best[metric] else None
            cells.append(Cell(group([number(found.value), mark]), found.value, class_))
        rows.append(cells)
    heads: list[Child] = ["result", *(group([metric, element("small", f" {content.unit(metric)}")]) for metric in metrics)]
    caption = "Results side by side; the best value of a column is bold"
    note = "Results that share a letter are not separable under that metric." if letters else None
    return group([table(caption, heads, rows, range(1, len(heads))), paragraph(note, class_="note") if note else None])


def _name(content: Content, place: int) -> Markup:
    """A result's name behind the square of its colour."""
    name = content.cases[place].name
    return element("span", charts.key(place), element("span", name), class_="named short" if len(name) <= _SHORT else "named")


def best_of(content: Content, metric: str) -> float | None:
    """The best value of a metric among the results."""
    values = [found.value for case in content.cases if (found := case.table(metric)) is not None and found.value is not None]
    return None if not values else max(values) if higher_is_better(metric) else min(values)


def _intervals(content: Content) -> Markup:
    """A chart for each of the metrics that papers rank by, all on one axis if the page is about one result."""
    metrics = content.metrics(MAIN)
    if not content.several:
        return _dots("Position errors and their intervals", [(metric, content.cases[0], metric, 0) for metric in metrics], content)
    found = [
        _dots(metric, [(case.name, case, metric, place) for place, case in enumerate(content.cases) if case.table(metric)], content)
        for metric in metrics
    ]
    # Long names leave no room for two charts beside each other.
    beside = all(len(case.name) <= _SHORT // 2 for case in content.cases)
    return element("div", *found, class_="columns" if beside else None)


def _dots(caption: str, rows: Sequence[tuple[str, Case, str, int]], content: Content) -> Markup:
    tables = [found for _, case, metric, _ in rows if (found := case.table(metric)) is not None]
    reach = [bound for found in tables for bound in (found.value, found.low, found.high) if bound is not None]
    unit = content.unit(rows[0][2])
    scale = charts.padded(reach, zero=not content.several)
    lines: list[Row] = []
    for (name, _, _, place), found in zip(rows, tables, strict=True):
        assert found.value is not None
        text = f"{number(found.value)} {bounds(found.low, found.high)}"
        named = _name(content, place) if content.several else name
        lines.append([named, Cell(charts.dot(found.value, found.low, found.high, scale, place), None, "plot"), text])
    return table(
        f"{caption} [{unit}]",
        ["result" if content.several else "metric", charts.axis(scale, unit), "value"],
        lines,
        (2,),
        sortable=False,
        class_="chart" if content.several else "chart names",
    )


def _all_side_by_side(content: Content) -> Markup:
    names = list(dict.fromkeys(name for case in content.cases for name in case.result.tables))
    rows: list[Row] = []
    for name in content.metrics(names):
        found = [case.table(name) for case in content.cases]
        best = best_of(content, name)
        ranked = name in content.first.metrics
        cells = [
            Cell("") if one is None else Cell(exact(one.value), one.value, "best" if ranked and one.value == best else None)
            for one in found
        ]
        rows.append([name, content.unit(name), *cells])
    heads = ["metric", "unit", *(case.name for case in content.cases)]
    return table("All metrics and diagnostics", heads, rows, range(2, len(heads)), sortable=False, class_="names")


def comparison_section(comparisons: Sequence[Comparison]) -> Markup:
    """Paired differences of every two results, under each metric."""
    if not comparisons:
        return Markup("")
    about = (
        "Differences are paired over takes. An interval that holds zero, or a verdict of \u201cnot separable\u201d, means that other"
        " takes of the same people could turn the order. p-values are Holm-adjusted over the pairs of a metric."
    )
    first, *others = [_pairs(one) for one in comparisons]
    if len(comparisons[0].shown_pairs) > _FEW_PAIRS:
        others = [details(f"{one.metric}", shown) for one, shown in zip(comparisons[1:], others, strict=True)]
    return section("comparison", "Comparison", paragraph(about), first, *others)


def _pairs(comparison: Comparison) -> Markup:
    pairs = comparison.shown_pairs
    scale = charts.padded([bound for pair in pairs for bound in (pair.value, pair.low, pair.high) if bound is not None], zero=True)
    rows: list[Row] = [
        [
            f"{pair.a} \u2212 {pair.b}",
            Cell(charts.dot(pair.value, pair.low, pair.high, scale, zero=True), None, "plot"),
            Cell(f"{round(pair.value, 1) + 0.0:+.1f}", pair.value),
            bounds(pair.low, pair.high),
            "" if pair.p is None else "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}",
            _verdict(pair),
        ]
        for pair in pairs
    ]
    heads = ["pair", charts.axis(scale, comparison.unit), "difference", "95 % interval", "p", "verdict"]
    caption = f"{comparison.metric} [{comparison.unit}], first minus second"
    shown = table(caption, heads, rows, (2, 3, 4), sortable=False, class_="chart wide")
    return group([shown, paragraph(comparison.left_out.strip(), class_="note") if comparison.left_out else None])


def _verdict(pair: Difference) -> str:
    """Which one is better, without the numbers that stand beside it."""
    if not pair.separable:
        return pair.verdict
    return f"{pair.a if (pair.value > 0) == higher_is_better(pair.metric) else pair.b} is better"


def curves_section(content: Content) -> Markup:
    """PCK curves: of one result under every alignment, or of all results under each."""
    found: list[Markup] = []
    if content.several:
        for metric, words in _CURVES.items():
            lines = {case.name: curve for case in content.cases if (curve := _curve(case, metric))}
            if lines:
                found.append(_chart(f"PCK, {words}", lines))
    else:
        lines = {f"{words} ({metric})": curve for metric, words in _CURVES.items() if (curve := _curve(content.cases[0], metric))}
        if lines:
            found.append(_chart("PCK", lines))
    about = "Share of joints that are nearer to their true place than a threshold."
    return section("curves", "PCK curves", paragraph(about), element("div", *found, class_="columns")) if found else Markup("")


_Points = tuple[list[float], list[float]]


def _curve(case: Case, metric: str) -> _Points | None:
    found = case.table(metric)
    return (found.curve.thresholds, found.curve.percent) if found is not None and found.curve is not None else None


def _chart(title: str, lines: dict[str, _Points]) -> Markup:
    """Curves over common thresholds, and a table of some of their points."""
    places = next(iter(lines.values()))[0]
    lines = {name: points for name, points in lines.items() if points[0] == places}
    values = {name: percent for name, (_, percent) in lines.items()}
    chosen = [place for place, threshold in enumerate(places) if threshold > 0 and threshold % 25 == 0] or range(0, len(places), 5)
    heads = ["threshold [mm]", *values]
    rows: list[Row] = [[f"{places[k]:g}", *(number(percent[k]) for percent in values.values())] for k in chosen]
    numbers = table(f"{title} [%]", heads, rows, range(1, len(heads)), sortable=False)
    chart = charts.curves(title, "threshold [mm]", "joints [%]", places, values)
    return element("div", element("h3", title), chart, details("Numbers", numbers))
