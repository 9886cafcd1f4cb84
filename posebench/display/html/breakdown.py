"""Errors by action, joint, camera, subject and take, as tables and heat maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from posebench.display.html.case import FURTHER, MAIN, Case, Content, number
from posebench.display.html.elements import Child, Markup, details, element, group, paragraph, section
from posebench.display.html.tables import Cell, Row, from_document, heat_map, table
from posebench.display.text import action_table
from posebench.scoring.protocol import higher_is_better
from posebench.scoring.result import Result, mean_of_actions
from posebench.scoring.sums import average

#: Groups that have a part of the section of their own.
_SHOWN = ("action", "joint", "take")
#: Takes of the table of those with the largest errors.
_TAKES = 10
#: Labels of one group that a page shows, at most: a truth file may have thousands of actions.
_LABELS = 60


def breakdown_section(content: Content) -> Markup:
    """Where the error is large: by action and joint, by camera and subject, by take."""
    metric = content.leading
    if not metric:
        return Markup("")
    parts: list[Child] = [paragraph(f"Means over frames; by joint the average by {content.first.protocol.headline}.")]
    actions = len(content.first.actions)
    if actions > _LABELS:
        parts.append(paragraph(f"Only {_LABELS} of {actions} actions are shown; posebench score --csv writes all.", class_="note"))
    parts += [_actions_side_by_side(content, metric) if content.several else _actions(content.first)]
    parts += [*_by_joint(content, metric), *_groups(content, metric)]
    return section("breakdown", "By action, joint and camera", *parts)


def _actions(result: Result) -> Markup:
    """The main metrics of one result by action."""
    found = action_table(result)
    if found is None:
        return Markup("")
    shown = found._replace(rows=[*found.rows[:-1][:_LABELS], found.rows[-1]])
    return from_document("By action; the last row is the mean of the actions", shown, last=True)


def _actions_side_by_side(content: Content, leading: str) -> Markup:
    """Results by action under each main metric; the one that all results have is shown, the others are folded."""
    shown, folded = [], []
    for metric in content.metrics(MAIN):
        values = {case.name: case.result.tables[metric].groups.get("action", {}) for case in content.cases}
        rows = [_best_bold(action, [of.get(action) for of in values.values()], metric) for action in content.first.actions[:_LABELS]]
        rows.append(_best_bold("average", [mean_of_actions(case.result, metric) for case in content.cases], metric))
        caption = f"{metric} [{content.unit(metric)}] by action; the last row is the mean of the actions"
        found = table(caption, ["action", *values], rows, range(1, 1 + len(values)), last=True)
        if metric == leading:
            shown.append(found)
        else:
            folded.append(details(f"{metric} by action", found))
    return group([*shown, *folded])


def _best_bold(label: str, values: Sequence[float | None], metric: str) -> Row:
    known = [value for value in values if value is not None]
    best = None if len(known) < 2 else max(known) if higher_is_better(metric) else min(known)
    return [label, *(Cell(number(value), value, "best" if value is not None and value == best else None) for value in values)]


def _by_joint(content: Content, metric: str) -> list[Child]:
    """Heat maps of action by joint on one scale of shades, and for several results one of result by joint."""
    unit = content.unit(metric)
    maps = {case.name: action_by_joint(case.result, metric) for case in content.cases}
    values = [value for _, rows in maps.values() for row in rows.values() for value in row]
    if not values:
        return []
    limits = (min(values), max(values))
    found: list[Child] = []
    if content.several:
        joints = next(iter(maps.values()))[0]
        of_joint = {case.name: _joint_values(case, metric, joints) for case in content.cases}
        found.append(heat_map(f"{metric} [{unit}] by joint", "result", joints, of_joint, limits))
    for place, (name, (joints, rows)) in enumerate(maps.items()):
        caption = f"{metric} [{unit}] by action and joint" + (f": {name}" if content.several else "")
        shown = heat_map(caption, "action", joints, rows, limits, total=True)
        found.append(details(caption, shown, opened=place == 0) if content.several else shown)
    return found


def _joint_values(case: Case, metric: str, joints: Sequence[str]) -> list[float | None]:
    groups = case.result.tables[metric].groups.get("joint", {})
    return [groups.get(joint) for joint in joints]


def action_by_joint(result: Result, metric: str) -> tuple[list[str], dict[str, list[float]]]:
    """Joints; and for each action its frame-weighted mean error by joint, in the order of :attr:`Result.actions`.

    The last row, ``all``, is the headline average. Empty where the metric has no sums by joint.
    """
    sums = result.sums.get(metric)
    if sums is None or not sums.parts or not sums.count.any():
        return [], {}
    rows: dict[str, list[float]] = {}
    labels = np.array([row.action for row in result.rows])
    for action in result.actions[:_LABELS]:
        chosen = labels == action
        count = float(sums.count[chosen].sum())
        if count:
            rows[action] = [float(total) / count for total in sums.total[chosen].sum(axis=0)]
    rows["all"] = [float(value) for value in average(result.rows, sums.total, sums.count, result.protocol.headline)]
    return list(sums.parts), rows


def _groups(content: Content, metric: str) -> list[Child]:
    """A table for each further group that results have, and one of the takes with the largest errors."""
    metrics = [metric] if content.several else content.metrics((*MAIN, *FURTHER[:2]))
    kinds = dict.fromkeys(kind for case in content.cases if (found := case.table(metric)) for kind in found.groups)
    tables = [_group_table(content, kind, metrics) for kind in kinds if kind not in _SHOWN]
    return [element("div", *tables, class_="columns"), _takes(content, metric)]


def _group_table(content: Content, kind: str, metrics: Sequence[str]) -> Markup:
    columns: Mapping[str, Mapping[str, float]]
    if content.several:
        columns = {case.name: case.result.tables[metrics[0]].groups.get(kind, {}) for case in content.cases}
        caption = f"{metrics[0]} [{content.unit(metrics[0])}] by {kind}"
    else:
        columns = {metric: content.first.tables[metric].groups.get(kind, {}) for metric in metrics}
        caption = f"By {kind}"
    labels = _distinct(label for values in columns.values() for label in values)
    if len(labels) > _LABELS:
        caption += f"; {_LABELS} of {len(labels)}"
    rows: list[Row] = []
    for label in labels[:_LABELS]:
        values = [of.get(label) for of in columns.values()]
        rows.append(_best_bold(label, values, metrics[0]) if content.several else [label, *(Cell(number(one), one) for one in values)])
    return table(caption, [kind, *columns], rows, range(1, 1 + len(columns)))


def _distinct(labels: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(labels))


def _takes(content: Content, metric: str) -> Markup | None:
    """The takes with the largest mean error over all results."""
    values = {case.name: case.result.tables[metric].groups.get("take", {}) for case in content.cases}
    takes = next(iter(values.values()))
    if len(takes) < 2:
        return None
    action = {row.take: row.action for row in content.first.rows}
    sign = 1.0 if higher_is_better(metric) else -1.0
    chosen = sorted(takes, key=lambda take: sign * sum(of.get(take, 0.0) for of in values.values()))[:_TAKES]
    rows: list[Row] = [
        [take, action.get(take, ""), *(Cell(number(of.get(take)), of.get(take)) for of in values.values())] for take in chosen
    ]
    heads = ["take", "action", *(values if content.several else [metric])]
    caption = f"The {len(chosen)} worst of {len(takes)} takes, {metric} [{content.unit(metric)}]"
    return details(caption, table(caption, heads, rows, range(2, len(heads))))
