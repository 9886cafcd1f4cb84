"""Names and texts from other people's files, made safe for what they are written into: one function for each medium.

For the terminal that is :func:`posebench.base.errors.printable`, for HTML :func:`html.escape`.
"""

from __future__ import annotations

import re

from posebench.base.errors import printable

#: Longest text from a file in a page, table or plot.
_LONGEST = 2000
#: What markdown would read as markup wherever it stands; an underscore only at the edge of a word. ``markdown_table`` escapes ``|``.
_MARKDOWN = re.compile(r"[\\`*\[\]~$]|(?<![^\W_])_|_(?![^\W_])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def markdown_text(text: str) -> str:
    r"""Text that markdown shows as it is: no links, emphasis, HTML or formulas.

    Example:
        >>> print(markdown_text("pose_machine [x](y) <b> $z$"))
        pose_machine \[x\](y) &lt;b&gt; \$z\$
    """
    plain = printable(text, _LONGEST).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\g<0>", plain)


def markdown_code(text: str) -> str:
    """Text in a span of code, in which a backtick becomes an apostrophe.

    Example:
        >>> markdown_code("a`b")
        "`a'b`"
    """
    return f"`{printable(text, _LONGEST).replace('`', chr(39))}`"


def csv_text(text: str) -> str:
    """A cell that no spreadsheet runs as a formula: an apostrophe stands before a text, other than a number, that could begin one.

    Example:
        >>> csv_text("=1+1"), csv_text("-1.5"), csv_text("martinez")
        ("'=1+1", '-1.5', 'martinez')
    """
    plain = printable(text, _LONGEST)
    try:
        float(plain)
    except ValueError:
        return "'" + plain if plain.lstrip().startswith(("=", "+", "-", "@")) else plain
    return plain


def plot_text(text: str) -> str:
    r"""Text that matplotlib draws as it is: no formulas, and a label that begins with an underscore stays in the legend.

    Example:
        >>> plot_text("$x$")
        '\\$x\\$'
    """
    plain = printable(text, _LONGEST).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def latex_text(text: str) -> str:
    r"""Text that LaTeX sets as it is.

    Example:
        >>> latex_text("my_net 50%")
        'my\\_net 50\\%'
    """
    return "".join(_LATEX.get(character, character) for character in printable(text, _LONGEST))
