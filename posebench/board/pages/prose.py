"""Paragraphs of generated pages."""

from __future__ import annotations

import textwrap

#: Characters of a line of prose in a generated page.
WIDTH = 140


def wrapped(text: str) -> str:
    """A paragraph in lines of at most :data:`WIDTH` characters, but for longer words such as links."""
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)
