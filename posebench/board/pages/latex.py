r"""Tables of a ranking for papers, in LaTeX: one of averages, and one by action for each position error.

**Convention.** As :mod:`posebench.scoring.latex`; a method is shown with its seed of median error, as in the other tables. Methods that are
shown aside are left out.
"""

from __future__ import annotations

import math
from pathlib import Path

from posebench.base.errors import printable
from posebench.board.entry import PRIMARY
from posebench.board.pages.tables import FURTHER, POSITION_ERRORS
from posebench.board.rank import Ranking
from posebench.data.h36m.names import ACTIONS, short_actions
from posebench.scoring.latex import marked_table
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.sums import group_means

_COMMAND = "% made by posebench board render --latex"
_UNDERLINED = f"{_COMMAND} --underline-second"


def as_latex(ranking: Ranking, *, underline: bool = False) -> str:
    """The tables of one ranking; the second best values underlined if asked for."""
    first, units = ranking.first, ranking.units
    metrics = [metric for metric in (PRIMARY, *POSITION_ERRORS, *FURTHER[:2]) if metric in units]
    records = ranking.frame.to_dict("records")
    rows = [([row["method"], row["supervision"]], [_value(row[metric]) for metric in metrics]) for row in records]
    heads = [f"{metric} [{units[metric]}]" for metric in metrics]
    protocol = f"{first.protocol['id']}, version {first.protocol['version']}, digest {first.protocol['digest']}"
    parts = [
        f"{_UNDERLINED if underline else _COMMAND}; needs \\usepackage{{booktabs}}",
        f"% {printable(protocol)}, keypoints {printable(first.keypoints)}; average by {printable(first.protocol['headline'])}",
        marked_table(["method", "supervision"], heads, rows, list(map(higher_is_better, metrics)), underline=underline),
    ]
    for metric in (PRIMARY, *POSITION_ERRORS):
        if metric in units and (table := _by_action(ranking, metric, underline=underline)):
            parts += [f"\n% {metric} [{units[metric]}] by action; frame-weighted within an action; Avg is the mean of the actions", table]
    return "\n".join([*parts, ""])


def _value(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _by_action(ranking: Ranking, metric: str, *, underline: bool) -> str:
    """The methods that have the metric, by action; empty where there is none."""
    found = dict.fromkeys(action for _, _, action in ranking.first.takes)
    actions = [action for action in ACTIONS if action in found] if found.keys() <= set(ACTIONS) else list(found)
    rows = []
    for entry, seed in zip(ranking.entries, ranking.shown, strict=True):
        if metric in entry.seeds[seed].sums:
            means = group_means(entry.rows, entry.seeds[seed].of(metric), "action")
            mean = sum(means.values()) / len(means) if means else None
            rows.append(([entry.label], [*(means.get(action) for action in actions), mean]))
    if not rows:
        return ""
    more = [higher_is_better(metric)] * (1 + len(actions))
    return marked_table(["method"], [*short_actions(actions), "Avg"], rows, more, underline=underline)


def made_tables(board: Path) -> dict[Path, bool]:
    """The LaTeX tables in a board's folder that :func:`as_latex` made; for each whether the second best values are underlined."""
    found = {}
    for path in sorted((board / "tables").rglob("*.tex")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if text.startswith(_COMMAND):
            found[path] = text.startswith(_UNDERLINED)
    return found


def stored_choice(board: Path) -> bool | None:
    """Whether the LaTeX tables in a board's folder underline the second best values; None where it has none."""
    tables = made_tables(board)
    return any(tables.values()) if tables else None
