"""An explanation as a document to print: a table for each metric, what stays the same, and what cannot be computed."""

from __future__ import annotations

from collections.abc import Iterable

from posebench.display.document import Document, Paragraph, Table
from posebench.scoring.conventions.difference import SAME, Difference
from posebench.scoring.conventions.explanation import Explanation, Line, numbers


def explanation_text(found: Explanation) -> Document:
    """Everything that `posebench explain` prints."""
    parts: list[str | Paragraph | Table] = [_heading(found)]
    for difference in found.differences:
        parts += list(difference_text(difference))
    for metric, value in found.stated.items():
        parts += list(_of_metric(found, metric, value))
    if cannot := _cannot(found.lines):
        parts += ["Cannot be computed from this input:", cannot]
    parts += [Paragraph(f": {finding.name}: {finding.message}", finding.severity, hanging=2) for finding in found.findings]
    return Document.of(*parts)


def _heading(found: Explanation) -> Paragraph:
    protocol = found.protocol
    read = "the poses" if found.source == "files" else "the sums of a result"
    declared = ", ".join(f"{name} {value}" for name, value in found.declared.items())
    return Paragraph(
        f" under the neighbours of protocol {protocol['id']} v{protocol['version']} ({protocol['digest']}), from {read}.\n"
        f"Every value below but those under the protocol is {found.stamp}, and no entry of a leaderboard.\n"
        "Intervals are those of the change, 95 %, paired over takes.\n"
        + (f"PARTIAL: {found.partial}.\n" if found.partial else "")
        + f"Declared, and changed by no convention: {declared}",
        found.method,
    )


def _of_metric(found: Explanation, metric: str, value: float) -> Iterable[str | Paragraph | Table]:
    unit = found.units[metric]
    yield Paragraph(f" [{unit}] under the protocol, average {found.protocol['headline']}: {value:.2f}", metric)
    presets = [line for line in found.presets if line.metric == metric]
    if presets:
        yield _table(presets, unit, "preset")
        for line in presets:
            note = f"cannot be computed: {line.cannot}" if line.cannot else line.note
            yield Paragraph(f": {note}", line.text, hanging=2)
    lines = [line for line in found.of(metric) if line.value is not None]
    if changed := [line for line in lines if not line.same]:
        yield _table(changed, unit, "convention")
    if same := [line.text for line in lines if line.same]:
        yield Paragraph(f" (less than {SAME:g} {unit}): {'; '.join(same)}", "Same", hanging=2)


def _table(lines: list[Line], unit: str, head: str) -> Table:
    rows = []
    for line in lines:
        value, change, interval = numbers(line)
        shown = value if line.unit == unit else f"{value} {line.unit}"
        text = line.text + (" (oracle)" if line.oracle else "")
        if head == "convention" and line.note:
            text += f" ({line.note})"
        rows.append([text, line.who, shown, change, interval])
    return Table([head, "who", f"value [{unit}]", "change", "interval"], rows, [2, 3, 4])


def _cannot(lines: Iterable[Line]) -> Table | None:
    """Conventions without a value, those of one reason in a row."""
    reasons: dict[str, dict[str, None]] = {}
    for line in lines:
        if line.cannot:
            reasons.setdefault(line.cannot, {})[line.text] = None
    rows = [["; ".join(texts), reason] for reason, texts in reasons.items()]
    return Table(["convention", "why not"], rows) if rows else None


def difference_text(found: Difference) -> Iterable[str | Paragraph | Table]:
    """What explains the difference of two numbers."""
    yield Paragraph(f" {found.sentence}", "Difference.")
    if found.declared:
        yield Table(["declared", found.a, found.b], [[name, *values] for name, values in found.declared.items()])
    if found.combinations:
        rows = [
            [one.text, f"{one.value:.2f}", f"{one.other:.2f}", f"{one.left:+.2f}", f"{100.0 * one.share:.0f} %"]
            for one in found.combinations
        ]
        heads = ["conventions", found.a, found.b, f"left [{found.unit}]", "explained"]
        yield Table(heads, rows, [1, 2, 3, 4])
