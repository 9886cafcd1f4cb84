"""Results, comparisons and findings as text: what the command line prints, and the long table of ``--csv``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from posebench.display.table import table
from posebench.predictions.finding import Finding
from posebench.scoring.comparison import Comparison
from posebench.scoring.result import Result

_DIGITS = {"mm": 2, "%": 2, "mm/frame": 2, "mm/frame^2": 2}
#: Groups that every result has; a protocol may state others.
_USUAL = ("action", "subject", "camera", "take", "joint")
_SHOWN = ("MPJPE", "PA-MPJPE", "N-MPJPE", "PCK@150", "AUC")


def number(value: float | None, unit: str = "mm") -> str:
    """A value in its unit's digits, or an empty cell."""
    return "" if value is None else f"{value:.{_DIGITS.get(unit, 2)}f}"


def interval(metric: dict[str, Any]) -> str:
    """``[low, high]`` or an empty cell."""
    if metric["low"] is None:
        return ""
    return f"[{number(metric['low'], metric['unit'])}, {number(metric['high'], metric['unit'])}]"


def metric_table(result: Result, metrics: dict[str, dict[str, Any]]) -> str:
    """Metric, unit, headline value, interval, and every average."""
    headline = result.protocol["headline"]
    averages = list(next(iter(metrics.values()))["by"])
    rows = [
        [name, metric["unit"], number(metric["value"], metric["unit"]), interval(metric)]
        + [number(metric["by"].get(kind), metric["unit"]) for kind in averages]
        for name, metric in metrics.items()
    ]
    heads = ["metric", "unit", f"value ({headline})", "95 % interval", *(f"by {kind}" for kind in averages)]
    return table(rows, heads, right=range(2, len(heads)))


def action_table(result: Result) -> str:
    """The main metrics of each action, frame-weighted, with its number of poses; empty where none of them has a value."""
    names = [name for name in _SHOWN if result.metrics.get(name, {}).get("value") is not None]
    if not names:
        return ""
    poses: dict[str, float] = {}
    for row, count in zip(result.rows, result.sums[names[0]].count, strict=True):
        poses[row.action] = poses.get(row.action, 0.0) + count
    rows = [
        [action, f"{poses[action]:,.0f}", *(number(result.metrics[name]["groups"]["action"].get(action)) for name in names)]
        for action in sorted(poses)
    ]
    heads = ["action", "poses", *names]
    return table(rows, heads, right=range(1, len(heads)))


def group_table(result: Result, group: str) -> str:
    """The main metrics of each member of one group, frame-weighted."""
    names = [name for name in _SHOWN if result.metrics.get(name, {}).get("value") is not None]
    labels = list(result.metrics[names[0]]["groups"][group]) if names else []
    rows = [[label, *(number(result.metrics[name]["groups"][group].get(label)) for name in names)] for label in labels]
    return table(rows, [group, *names], right=range(1, 1 + len(names)))


def diagnostics_table(behaviour: dict[str, dict[str, float]]) -> str:
    """Diagnostics that need no ground truth, a column each for predicted and true poses."""
    names = dict.fromkeys(name for values in behaviour.values() for name in values)
    rows = [[name, *(f"{values[name]:.2f}" if name in values else "" for values in behaviour.values())] for name in names]
    return table(rows, ["diagnostic", *behaviour], right=range(1, 1 + len(behaviour)))


def report(result: Result) -> str:
    """What ``posebench score`` prints: what was scored, metrics, diagnostics, actions, other groups, findings."""
    protocol, data, predictions, coverage = result.protocol, result.data, result.predictions, result.coverage
    copy = "the official copy" if data["official"] else f"not the official copy ({data['note']})"
    stamp = f"PARTIAL: {coverage['poses']:,} of {coverage['poses wanted']:,} poses" if coverage["partial"] else "complete"
    lines = [
        f"{predictions['method'] or predictions['file']}, keypoints {predictions['keypoints'] or 'unstated'},"
        f" scale {predictions['scale']}; protocol {protocol['id']} v{protocol['version']} ({protocol['digest']})",
        f"{coverage['poses']:,} poses in {coverage['clips']} clips, {stamp}; data: {data['name']} {data['version']}, {copy}",
    ]
    if predictions["hypotheses"] > 1:
        lines.append(f"{predictions['hypotheses']} hypotheses a pose, scored as {predictions['scored as']}")
    if result.invalid["poses"]:
        lines.append(f"{result.invalid['poses']:,} invalid poses, scored with every joint at the root")
    lines += ["", metric_table(result, result.metrics)]
    if result.diagnostics:
        lines += ["", "Diagnostic metrics, never ranked:", "", metric_table(result, result.diagnostics)]
    if result.behaviour:
        lines += [
            "",
            "Diagnostics of the poses, without ground truth (docs/training.md):",
            "",
            diagnostics_table(result.behaviour),
        ]
    actions = action_table(result)
    if actions:
        lines += ["", "By action (frame-weighted):", "", actions]
    groups = dict.fromkeys(group for metric in result.metrics.values() for group in metric["groups"] if group not in _USUAL)
    for group in groups:
        lines += ["", f"By {group} (frame-weighted):", "", group_table(result, group)]
    if result.findings:
        lines += ["", *(f"{finding['severity']}: {finding['name']}: {finding['message']}" for finding in result.findings)]
    return "\n".join(lines)


def comparison_text(comparison: Comparison) -> str:
    """Methods, best first, with the letters of their tie groups; then each pair with its difference and verdict."""
    unit = comparison.unit
    ranked = [[name, number(value, unit), comparison.letters[name]] for name, value in comparison.values.items()]
    heads = ["method", f"{comparison.metric} [{unit}]", "group"]
    pairs = [
        [f"{pair.a} - {pair.b}", number(pair.value, unit), interval(asdict(pair)), _p_value(pair.p), pair.verdict]
        for pair in comparison.pairs
    ]
    return "\n".join(
        [
            table(ranked, heads, right=[1]),
            "",
            table(pairs, ["pair", "difference", "95 % interval", "p (Holm)", "verdict"]),
        ]
    )


def _p_value(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def findings_table(findings: list[Finding]) -> str:
    """Severity, check, what was found, likely fix."""
    if not findings:
        return "No findings."
    rows = [[finding.severity, finding.name, finding.message, finding.fix] for finding in findings]
    return table(rows, ["severity", "check", "found", "likely fix"], form="grid", widths=[None, None, 60, 50])


def long_table(result: Result) -> str:
    """CSV with one number per line: metric, unit, kind (``average`` or a group), key, value, low, high."""
    return table(list(_long_rows(result)), ["metric", "unit", "kind", "key", "value", "low", "high"], form="csv")


def _long_rows(result: Result) -> Iterator[list[Any]]:
    for name, metric in {**result.metrics, **result.diagnostics}.items():
        if metric["value"] is None:
            continue
        for kind, value in metric["by"].items():
            bounds = [metric["low"], metric["high"]] if kind == result.protocol["headline"] else ["", ""]
            yield [name, metric["unit"], "average", kind, repr(value), *bounds]
        for group, values in metric["groups"].items():
            for key, value in values.items():
                yield [name, metric["unit"], group, key, repr(value), "", ""]
