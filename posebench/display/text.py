"""Results, comparisons and findings as documents to print, and the long table of ``--csv``."""

from __future__ import annotations

from posebench.display.document import Document, Paragraph, Table
from posebench.display.tables import csv_table
from posebench.predictions.finding import Finding
from posebench.scoring.comparison import Comparison
from posebench.scoring.pairs import Difference
from posebench.scoring.result import Result, mean_of_actions
from posebench.scoring.result_parts import MetricValue

#: Groups that every result has; a protocol may state others.
_STANDARD_GROUPS = ("action", "subject", "camera", "take", "joint")
#: Metrics of the tables by action and by group.
_MAIN_METRICS = ("MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "AUC")


def number(value: float | None) -> str:
    """A value with two decimals; empty for None."""
    return "" if value is None else f"{value:.2f}"


def interval(table: MetricValue | Difference) -> str:
    """``[low, high]`` or an empty cell."""
    return "" if table.low is None else f"[{number(table.low)}, {number(table.high)}]"


def metric_table(result: Result, tables: dict[str, MetricValue]) -> Table:
    """Metric, unit, headline value, interval, and every average."""
    headline = result.protocol.headline
    averages = list(next(iter(tables.values())).by)
    rows = [
        [name, table.unit, number(table.value), interval(table)] + [number(table.by.get(kind)) for kind in averages]
        for name, table in tables.items()
    ]
    heads = ["metric", "unit", f"value ({headline})", "95 % interval", *(f"by {kind}" for kind in averages)]
    return Table(heads, rows, range(2, len(heads)))


def action_table(result: Result) -> Table | None:
    """The main metrics of each action, frame-weighted, the number of poses of each, and the mean of the actions.

    The order is that of :attr:`Result.actions`. None where no metric has a value.
    """
    names = [name for name in _MAIN_METRICS if name in result.metrics and result.metrics[name].value is not None]
    if not names:
        return None
    poses: dict[str, float] = {}
    for row, count in zip(result.rows, result.sums[names[0]].count, strict=True):
        poses[row.action] = poses.get(row.action, 0.0) + count
    rows = [
        [action, f"{poses.get(action, 0.0):,.0f}", *(number(result.metrics[name].groups.get("action", {}).get(action)) for name in names)]
        for action in dict.fromkeys([*result.actions, *poses])
    ]
    rows.append(["average", f"{sum(poses.values()):,.0f}", *(number(mean_of_actions(result, name)) for name in names)])
    heads = ["action", "poses", *names]
    return Table(heads, rows, range(1, len(heads)))


def group_table(result: Result, group: str) -> Table:
    """The main metrics of each label of one group, frame-weighted."""
    names = [name for name in _MAIN_METRICS if name in result.metrics and result.metrics[name].value is not None]
    labels = list(result.metrics[names[0]].groups[group]) if names else []
    rows = [[label, *(number(result.metrics[name].groups[group].get(label)) for name in names)] for label in labels]
    return Table([group, *names], rows, range(1, 1 + len(names)))


def diagnostics_table(behaviour: dict[str, dict[str, float]]) -> Table:
    """The label-free diagnostics of predicted and of true poses, one column each."""
    names = dict.fromkeys(name for values in behaviour.values() for name in values)
    rows = [[name, *(f"{values[name]:.2f}" if name in values else "" for values in behaviour.values())] for name in names]
    return Table(["diagnostic", *behaviour], rows, range(1, 1 + len(behaviour)))


def report(result: Result) -> Document:
    """Everything that ``posebench score`` prints: what was scored, the metrics, the diagnostics, the actions, the findings."""
    parts: list[str | Paragraph | Table] = [_heading(result), metric_table(result, result.metrics)]
    if result.diagnostics:
        parts += ["Diagnostics, never ranked:", metric_table(result, result.diagnostics)]
    if result.behaviour:
        parts += ["Diagnostics that need no true poses (docs/training.md explains them):", diagnostics_table(result.behaviour)]
    actions = action_table(result)
    if actions:
        parts += ["By action (frame-weighted; the average is the mean of the actions):", actions]
    groups = dict.fromkeys(group for table in result.metrics.values() for group in table.groups if group not in _STANDARD_GROUPS)
    for group in groups:
        parts += [f"By {group} (frame-weighted):", group_table(result, group)]
    if not result.data.official and result.data.note:
        parts.append(Paragraph(f": the data are not the official copy: {result.data.note}", "note", hanging=2))
    parts += [Paragraph(f": {finding.name}: {finding.message}", finding.severity, hanging=2) for finding in result.findings]
    return Document.of(*parts)


def _heading(result: Result) -> Paragraph:
    """Method, protocol, data, coverage; invalid poses if there are any."""
    protocol, data, predictions, coverage = result.protocol, result.data, result.predictions, result.coverage
    copy = "the official copy" if data.official else "not the official copy"
    stamp = f"PARTIAL: {coverage.poses:,} of {coverage.poses_wanted:,} poses" if coverage.partial else "complete"
    method = predictions.method or predictions.file
    lines = [
        f", keypoints {predictions.keypoints or 'unstated'}, scale {predictions.scale};"
        f" protocol {protocol.id} v{protocol.version} ({protocol.digest})",
        f"{coverage.poses:,} poses in {coverage.clips} clips, {stamp}; data: {f'{data.name} {data.version}'.strip()}, {copy}",
    ]
    if predictions.hypotheses > 1:
        lines.append(f"{predictions.hypotheses} hypotheses a pose, scored as {predictions.scored_as}")
    lines += predictions.joints
    if result.invalid.poses:
        lines.append(f"{result.invalid.poses:,} invalid poses, scored with every joint at the root")
    return Paragraph("\n".join(lines), method)


def comparison_text(comparison: Comparison) -> Document:
    """Methods, best first, with the letters of their tie groups; then their pairs with difference and verdict, unless there are many."""
    unit = comparison.unit
    ranked = [[name, number(value), comparison.letters[name]] for name, value in comparison.values.items()]
    pairs = [
        [f"{pair.a} - {pair.b}", number(pair.value), interval(pair), _p_value(pair.p), pair.verdict] for pair in comparison.shown_pairs
    ]
    return Document.of(
        Table(["method", f"{comparison.metric} [{unit}]", "group"], ranked, right=[1]),
        Table(["pair", "difference", "95 % interval", "p (Holm)", "verdict"], pairs, right=[1, 2, 3]),
        comparison.left_out.strip(),
    )


def _p_value(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def findings_text(findings: list[Finding]) -> Document:
    """Each finding: severity, check, what was found, and below it the likely fix."""
    if not findings:
        return Document.of("No findings: the file is sound.")
    counts = ", ".join(
        f"{count} {severity}{'' if count == 1 else 's'}"
        for severity in dict.fromkeys(finding.severity for finding in findings)
        if (count := sum(finding.severity == severity for finding in findings))
    )
    fixes = [f"\n  likely fix: {finding.fix}" if finding.fix else "" for finding in findings]
    parts = [
        Paragraph(f": {finding.name}: {finding.message}{fix}", finding.severity, hanging=2)
        for finding, fix in zip(findings, fixes, strict=True)
    ]
    return Document.of(*parts, counts)


def long_table(result: Result) -> str:
    """CSV with one number a line: metric, unit, kind (average or group), key, value, low, high."""
    rows = ([*row[:4], repr(row[4]), *row[5:]] for row in result.long_rows())
    return csv_table(rows, ["metric", "unit", "kind", "key", "value", "low", "high"])
