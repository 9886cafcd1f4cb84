"""Protocols as text for people: what ``posebench protocol show`` prints."""

from __future__ import annotations

from posebench.data.corruption.conditions import amounts
from posebench.scoring.protocol.definition import Protocol
from posebench.scoring.protocol.metric import Metric


def describe(protocol: Protocol) -> str:
    """Everything the protocol states, as text."""
    counted = "counts in the mean" if protocol.root_counted else "does not count"
    lines = [
        f"{protocol.id}, version {protocol.version}, digest {protocol.digest}",
        protocol.title,
        "",
        f"dataset    {protocol.dataset} {protocol.dataset_version}"
        + (f", annotation {protocol.annotation}" if protocol.annotation else ""),
        *([f"split      {protocol.split}"] if protocol.split else []),
        f"subjects   {', '.join(protocol.subjects) or 'all'}",
        f"actions    {', '.join(protocol.actions) or 'all'}",
        f"cameras    {', '.join(protocol.cameras) or 'all'}",
        *(f"excluded   {take}: {reason}" for take, reason in (protocol.excluded | protocol.excluded_clips).items()),
        *(f"required   {take}: a copy without it is refused" for take in protocol.required),
        f"frames     {_every(protocol.stride)}" + (f" at {protocol.fps:g} Hz" if protocol.fps else ""),
        *([f"space      {protocol.space}: projected px times the root's true mm per px (an oracle)"] if protocol.space != "camera" else []),
        f"skeleton   {protocol.skeleton.id}, {len(protocol.skeleton)} joints",
        f"root       {', '.join(protocol.root)}, {counted}",
        *(f"group      {name}: {label}: {', '.join(who)}" for name, labels in protocol.groups.items() for label, who in labels.items()),
        *(f"condition  {kind}: {', '.join(f'{amount:g}' for amount in amounts(kind))}" for kind in protocol.conditions),
        *([f"reference  {protocol.reference[0]}"] if protocol.reference else []),
        f"averages   {', '.join([f'{protocol.headline} (headline)', *protocol.also])}",
        "",
        *(f"metric     {describe_metric(metric)}" for metric in protocol.metrics),
        *(f"diagnostic {describe_metric(metric)}" for metric in protocol.diagnostics),
        "",
        *(f"cited as   {alias}" for alias in protocol.aliases),
        *(f"source     {source}" for source in protocol.sources),
    ]
    return "\n".join([*lines, "", protocol.notes.strip()]).rstrip()


def describe_metric(metric: Metric) -> str:
    """One line: name, unit, alignment, joints, statistic with its numbers."""
    sign = "<=" if metric.inclusive else "<"
    numbers = f" {sign} {metric.threshold:g} mm" if metric.threshold is not None else ""
    if metric.thresholds is not None:
        numbers = " at {:g}, ..., {:g} mm, every {:g}".format(*metric.thresholds)
    if metric.roots:
        numbers += "; each " + ", each ".join(f"{len(joints)} from {', '.join(root)}" for joints, root in metric.roots)
    align = "" if metric.statistic == "flip-rate" else f"; alignment {metric.alignment}"
    return f"{metric.name} [{metric.unit}]: {metric.statistic}{numbers}{align}; joints {metric.joint_set} ({len(metric.joints)})"


def _every(stride: int) -> str:
    return "every one" if stride == 1 else f"every {stride}th"
