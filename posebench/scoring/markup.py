"""Tables as HTML, for notebooks, and as LaTeX, for papers. Every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from posebench.base.escape import latex_text


class Latex(str):
    """A cell that is LaTeX already, and is not escaped."""

    __slots__ = ()


def latex_table(rows: Sequence[Sequence[str]], heads: Sequence[str], left: int) -> str:
    """A ``tabular`` with the rules of the package booktabs; the first ``left`` columns are aligned left, the others right."""
    columns = "l" * left + "r" * (len(heads) - left)

    def line(cells: Sequence[str]) -> str:
        texts = [cell if isinstance(cell, Latex) else latex_text(cell) for cell in cells]
        # After the end of a row or a rule, a bracket would be read as its option, and a star as a part of the command.
        guard = "{}" if texts[0].startswith(("[", "*")) else ""
        return guard + " & ".join(texts) + r" \\"

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
