"""A page: sections, style sheet, scripts and data in one file that names no other file and no other host.

Its content security policy allows the style sheet and the scripts by their hashes and nothing else: should a name from a file become
markup all the same, it could neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from posebench.base.errors import printable
from posebench.display.html.breakdown import breakdown_section
from posebench.display.html.case import Content
from posebench.display.html.elements import Markup, element, group, paragraph, text
from posebench.display.html.origin import findings_section, provenance_section, repeat_section
from posebench.display.html.protocol import protocol_section
from posebench.display.html.scores import cards, comparison_section, curves_section, scores_section
from posebench.scoring.comparison import Comparison

#: Largest page, bytes.
LIMIT = 1_000_000


@cache
def _asset(name: str) -> str:
    """A file of this folder that goes into the page as it is."""
    return (files("posebench.display.html") / name).read_text(encoding="utf-8").strip()


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii") + "'"


def write_page(
    content: Content,
    comparisons: Sequence[Comparison],
    *,
    title: str = "",
    skeletons: Markup | None = None,
    causes: Markup | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """The whole file.

    Args:
        content: what it is about.
        comparisons: of the results, a metric each; empty for one result.
        title: of the page; by default the results' names and the protocol.
        skeletons: the section with the skeletons.
        causes: the section on where the error comes from.
        data: what the viewer of the skeletons reads.
    """
    *others, last = [case.name for case in content.cases]
    names = f"{', '.join(others)} and {last}" if 0 < len(others) < 4 else f"{1 + len(others)} results" if others else last
    title = title or f"{names} on {content.first.protocol.id}"
    sections = [
        scores_section(content, comparisons),
        comparison_section(comparisons),
        causes or Markup(""),
        skeletons or Markup(""),
        breakdown_section(content),
        curves_section(content),
        protocol_section(content),
        findings_section(content),
        provenance_section(content),
        repeat_section(content),
    ]
    body = [_header(content, title), _contents(sections), element("main", *sections, id="main"), _footer(content)]
    style, scripts = _asset("style.css"), [_asset("page.js"), *([_asset("viewer.js")] if data is not None else [])]
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; form-action 'none'"
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
    stored = [] if data is None else [Markup(f'<script type="application/json" id="skeleton-data">{json_text(data)}</script>')]
    ended = [*stored, *(Markup(f"<script>{script}</script>") for script in scripts)]
    return "\n".join(["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, *ended, "</body>", "</html>", ""])


def json_text(data: Mapping[str, Any]) -> str:
    r"""JSON that cannot end the element that it is in.

    Example:
        >>> json_text({"clip": "</script>"})
        '{"clip":"\\u003c/script>"}'
    """
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _header(content: Content, title: str) -> Markup:
    result = content.first
    link = Markup('<a href="#protocol">protocol</a> ')
    keypoints = f" with keypoints {result.predictions.keypoints or 'unstated'}, {result.coverage.poses:,} poses."
    about = group(
        ["3D human poses lifted from 2D joints, scored under ", link, f"{result.protocol.id} version {result.protocol.version}", keypoints]
    )
    partial = [case.name for case in content.cases if case.result.coverage.partial]
    warnings = sum(finding.severity == "warning" for case in content.cases for finding in case.result.findings)
    lines = [paragraph(about, class_="lead")]
    if partial:
        lines.append(paragraph("PARTIAL: not every pose that the protocol asks for was scored.", class_="alarm"))
    if warnings:
        link = Markup('<a href="#findings">see the findings</a>')
        lines.append(paragraph(f"The checks gave {warnings} warning{'s' if warnings > 1 else ''}: ", link, ".", class_="alarm"))
    said = [case.diagnosis.sentence for case in content.cases if case.diagnosis is not None]
    if not content.several and said:
        lines.append(paragraph(said[0], class_="finding"))
    lines += [] if content.several else [cards(content.cases[0])]
    skip = Markup('<a class="skip" href="#main">Skip to the content</a>')
    return element("header", skip, paragraph("posebench report", class_="brand"), element("h1", title), *lines)


def _contents(sections: Sequence[Markup]) -> Markup:
    """Links to the sections that are there."""
    links = []
    for shown in sections:
        if shown:
            id = shown.partition('id="')[2].partition('"')[0].removesuffix("-title")
            heading = shown.partition(">")[2].partition(">")[2].partition("</h2>")[0]
            links.append(element("li", Markup(f'<a href="#{id}">{heading}</a>')))
    return element("nav", element("ul", *links), aria_label="Contents")


def _footer(content: Content) -> Markup:
    lines = [paragraph(sentence) for sentence in content.missing]
    version = printable(content.first.environment.posebench)
    made = group([text(f"Made by posebench report; scored with posebench {version}. Nothing on this page is loaded from elsewhere.")])
    return element("footer", *lines, element("p", made))
