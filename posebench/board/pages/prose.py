"""Paragraphs of generated pages."""

from __future__ import annotations

import textwrap

#: Characters of a line of prose in a generated page.
WIDTH = 140


def wrapped(text: str) -> str:
    """A paragraph in lines of at most :data:`WIDTH` characters, but for longer words such as links."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def wrapped_markdown(text: str) -> str:
    """Markdown whose lines of prose are wrapped as by :func:`wrapped`; tables, headings, code and images stay."""
    lines, code = [], False
    for line in text.splitlines():
        code ^= line.startswith("```")
        if code or len(line) <= WIDTH or line.startswith(("|", "#", "!", "```")):
            lines.append(line)
        else:
            indent = "  " if line.startswith("* ") else ""
            lines.append(textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines)
