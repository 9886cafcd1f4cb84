"""The report: sections, style sheet, scripts and data in one file that names no other file and no other host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from posebench.base.errors import printable
from posebench.display.html.breakdown import breakdown_section
from posebench.display.html.case import Content
from posebench.display.html.elements import Markup, element, group, paragraph, text
from posebench.display.html.frame import asset, framed
from posebench.display.html.origin import findings_section, provenance_section, repeat_section
from posebench.display.html.protocol import protocol_section
from posebench.display.html.scores import cards, comparison_section, curves_section, scores_section
from posebench.scoring.comparison import Comparison

#: Largest page, bytes.
LIMIT = 1_000_000


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
    stored = [] if data is None else [Markup(f'<script type="application/json" id="skeleton-data">{json_text(data)}</script>')]
    scripts = [asset("page.js"), *([asset("viewer.js")] if data is not None else [])]
    return framed(title, [*body, *stored], asset("style.css"), scripts)


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
