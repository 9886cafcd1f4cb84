r"""Tables for papers, in LaTeX with the package booktabs: a row a method, its averages or its values by action.

**Convention.** Values have one decimal. Of two rows or more the best value of a column is bold, and on request the second best is
underlined; values that print alike are marked alike. A value that does not exist is ``--``. Names are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posebench.base.errors import printable
from posebench.data.h36m.names import short_actions
from posebench.scoring.markup import Latex, latex_table
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.result import Result, mean_of_actions

#: Metrics of a row, of those that a result has a value for.
ROW = ("MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "AUC", "N-PCK@150", "N-AUC")
#: Metrics with a table by action.
BY_ACTION = ("MPJPE", "PA-MPJPE", "N-MPJPE")
_MISSING = "--"


def marked_table(
    first: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[tuple[Sequence[str], Sequence[float | None]]],
    higher: Sequence[bool],
    *,
    underline: bool = False,
) -> str:
    r"""A ``tabular`` of methods, in which the best value of each column is marked.

    Args:
        first: headings of the columns of names.
        heads: headings of the columns of values.
        rows: names and values of each method.
        higher: for each column of values, whether more is better.
        underline: underline the second best value of each column.

    Example:
        >>> print(marked_table(["method"], ["mm"], [(["a_b"], [51.14]), (["c"], [45.2])], [False]))
        \begin{tabular}{lr}
        \toprule
        method & mm \\
        \midrule
        a\_b & 51.1 \\
        c & \textbf{45.2} \\
        \bottomrule
        \end{tabular}
    """
    columns = [_marked([values[k] for _, values in rows], more, underline=underline) for k, more in enumerate(higher)]
    lines: list[Sequence[str]] = [[*names, *(column[k] for column in columns)] for k, (names, _) in enumerate(rows)]
    return latex_table(lines, [*first, *heads], left=len(first))


def _marked(values: Sequence[float | None], higher: bool, *, underline: bool) -> list[str]:
    """The values of one column as they are printed."""
    printed = ["" if value is None else f"{value:.1f}" for value in values]
    order = sorted({text for text in printed if text}, key=float, reverse=higher)
    if len(values) < 2 or len(order) < 2:
        return [text or _MISSING for text in printed]
    style = {order[0]: r"\textbf{%s}"} | ({order[1]: r"\underline{%s}"} if underline else {})
    return [Latex(style[text] % text) if text in style else text or _MISSING for text in printed]


def results_in_latex(results: Mapping[str, Result], *, underline: bool = False) -> str:
    r"""Averages of one or more results of one protocol, a row each, and a table by action for each position error.

    Args:
        results: by the name that the row has.
        underline: underline the second best value of each column.
    """
    first = next(iter(results.values()))
    units = {name: table.unit for result in reversed(list(results.values())) for name, table in result.tables.items()}
    metrics = [name for name in ROW if any(_has(result, name) for result in results.values())]
    protocol = f"{first.protocol.id}, version {first.protocol.version}, digest {first.protocol.digest}"
    parts = [
        r"% \usepackage{booktabs}",
        f"% {printable(protocol)}; average by {printable(first.protocol.headline)}",
        _averages(results, metrics, units, underline=underline),
    ]
    for name in BY_ACTION:
        if name in metrics and any(result.actions for result in results.values()):
            note = f"\n% {name} [{units[name]}] by action; frame-weighted within an action; Avg is the mean of the actions"
            parts += [note, _by_action({key: one for key, one in results.items() if _has(one, name)}, name, underline=underline)]
    return "\n".join(parts)


def _has(result: Result, name: str) -> bool:
    return name in result.tables and result.tables[name].value is not None


def _averages(results: Mapping[str, Result], metrics: Sequence[str], units: Mapping[str, str], *, underline: bool) -> str:
    rows = [([name], [result.value(metric) if _has(result, metric) else None for metric in metrics]) for name, result in results.items()]
    return marked_table(
        ["method"],
        [f"{metric} [{units[metric]}]" for metric in metrics],
        rows,
        [higher_is_better(metric) for metric in metrics],
        underline=underline,
    )


def _by_action(results: Mapping[str, Result], metric: str, *, underline: bool) -> str:
    actions = next(iter(results.values())).actions
    rows = []
    for name, result in results.items():
        values = result.tables[metric].groups.get("action", {})
        rows.append(([name], [*(values.get(action) for action in actions), mean_of_actions(result, metric)]))
    more = [higher_is_better(metric)] * (len(actions) + 1)
    return marked_table(["method"], [*short_actions(actions), "Avg"], rows, more, underline=underline)
