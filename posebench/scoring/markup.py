"""Tables as HTML, for notebooks, and as LaTeX, for papers. Every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from posebench.base.escape import latex_text


def latex_table(rows: Sequence[Sequence[str]], heads: Sequence[str], left: int) -> str:
    """A ``tabular`` with the rules of the package booktabs; the first ``left`` columns are aligned left, the others right."""
    columns = "l" * left + "r" * (len(heads) - left)

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(latex_text, cells)) + r" \\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *map(line, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def html_table(rows: Sequence[Sequence[str]], heads: Sequence[str], caption: str) -> str:
    """A table with a line of text above it.

    Example:
        >>> print(html_table([["<b>"]], ["method"], "one & all"))
        <p>one &amp; all</p>
        <table>
        <tr><th>method</th></tr>
        <tr><td>&lt;b&gt;</td></tr>
        </table>
    """

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "\n".join(
        [f"<p>{html.escape(caption)}</p>", "<table>", line(heads, "th"), *(line(row, "td") for row in rows), "</table>"],
    )
