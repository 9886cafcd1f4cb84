"""What is around the content of every HTML page: head, style sheet, scripts, and a content security policy.

The policy allows the style sheet and the scripts by their hashes and nothing else: should a name from a file become markup all the same, it
could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from posebench.display.html.elements import Markup, element


@cache
def asset(name: str, package: str = "posebench.display.html") -> str:
    """A style sheet or script of a package, which goes into the page as it is."""
    return (files(package) / name).read_text(encoding="utf-8").strip()


def framed(title: str, body: Sequence[Markup], style: str, scripts: Sequence[str], *, images: bool = False) -> str:
    """The whole file.

    Args:
        title: of the page.
        body: its content.
        style: the style sheet.
        scripts: run after the content is there.
        images: images beside the page may be shown.
    """
    # For a page that is opened from a disk, 'self' does not cover the files beside it.
    pictures = "img-src 'self' file:; " if images else ""
    policy = (
        f"default-src 'none'; {pictures}style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup('<meta name="referrer" content="no-referrer">'),
        element("title", title),
        Markup(f"<style>{style}</style>"),
    ]
    ended = [Markup(f"<script>{script}</script>") for script in scripts]
    return "\n".join(["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, *ended, "</body>", "</html>", ""])


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii") + "'"
