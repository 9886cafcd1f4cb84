"""Where the error comes from: the ladder of fixes, the shares of the squared error, oracles and slices of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.display.html import charts
from posebench.display.html.case import Case, Content, bounds, number
from posebench.display.html.differences import differences_of
from posebench.display.html.elements import Child, Markup, details, element, group, paragraph, section
from posebench.display.html.tables import Cell, Row, table
from posebench.scoring.decomposition.record import Decomposition, Diagnosis, Oracle, Rung

_RUNGS = {
    "start": "as it is",
    "discrete": "+ flips and sides",
    "set-scale": "+ one factor",
    "clip-scale": "+ a factor per clip",
    "frame-scale": "+ a factor per pose",
    "rotation": "+ rotation and place",
}
_DECOMPOSITIONS = {
    "pose": "pose",
    "ray": "line of sight",
    "axes": "axes of the camera",
    "bones": "bones",
    "time": "time",
    "body": "body frame",
}
_PARTS = {
    "image-direction": "direction in the image",
    "depth-direction": "direction in depth",
    "along": "along the ray (depth)",
    "across": "across the ray",
    "x": "x (right)",
    "y": "y (down)",
    "z": "z (depth)",
    "constant": "constant",
    "wander": "wander (below 1 Hz)",
    "motion": "motion (1 to 6 Hz)",
    "jitter": "jitter (above 6 Hz)",
    "bias": "bias of each joint",
    "spread": "spread about it",
}
#: Oracles, bones and slices that stand on the page at once; the others are folded away.
_FEW = 6


def causes_section(content: Content) -> Markup:
    """The diagnosis of each result that has one."""
    diagnosed = [case for case in content.cases if case.diagnosis is not None]
    if not diagnosed:
        return Markup("")
    about = (
        "Every fix here uses the true poses, so none of these numbers is a score. The ladder is in mean distances; shares are of squared"
        " errors, which a few outliers can own. Chance is what the same fixes leave of the truth with random noise of the same size: many"
        " free numbers explain something of anything."
    )
    parts: list[Child] = [paragraph(about)]
    if content.several:
        parts.append(_side_by_side(diagnosed))
    for place, case in enumerate(content.cases):
        if case.diagnosis is not None:
            found = _diagnosis(case.diagnosis, place if content.several else 0)
            parts += [details(case.name, *found, opened=case is diagnosed[0])] if content.several else found
    if len(diagnosed) == 2:
        parts.append(differences_of(*diagnosed))
    return section("causes", "Where the error comes from", *parts)


def _side_by_side(diagnosed: Sequence[Case]) -> Markup:
    """The ladders of several results, a column each, and the sentence of each."""
    said = [element("li", element("strong", case.name), f": {case.diagnosis.sentence}") for case in diagnosed if case.diagnosis]
    rows: list[Row] = []
    for place, name in enumerate(_RUNGS):
        errors = [case.diagnosis.ladder[place].error for case in diagnosed if case.diagnosis]
        rows.append([_RUNGS[name], *(Cell(number(error), error) for error in errors)])
    heads: list[Child] = ["fix, on top of those above"]
    heads += [group([case.name, element("small", f" {case.diagnosis.metric}")]) for case in diagnosed if case.diagnosis]
    caption = "Error left after each fix [mm]"
    return group([element("ul", *said), table(caption, heads, rows, range(1, len(heads)), sortable=False)])


def _diagnosis(diagnosis: Diagnosis, colour: int) -> list[Child]:
    return [
        _ladder(diagnosis, colour),
        _discrete(diagnosis),
        _shares(diagnosis),
        _slices(diagnosis),
        _oracles(diagnosis),
        _joints(diagnosis),
        _bones(diagnosis),
        element("ul", *(element("li", note) for note in diagnosis.notes), class_="note") if diagnosis.notes else None,
    ]


def _ladder(diagnosis: Diagnosis, colour: int) -> Markup:
    known = [value for rung in diagnosis.ladder for value in (rung.error, rung.high, rung.chance) if value is not None]
    scale = charts.padded(known or [1.0], zero=True)
    rows: list[Row] = []
    before: float | None = None
    for rung in diagnosis.ladder:
        rows.append(_rung(rung, before, scale, colour))
        before = before if rung.error is None else rung.error
    heads = ["fix, on top of those above", charts.axis(scale, "mm"), "left", "95 % interval", "gain", "alone", "chance"]
    caption = f"The ladder: {diagnosis.metric} left after each fix [mm]"
    note = (
        "Bar: what is left; pale: what the fix took away; dashed line: what it leaves of noise. \u201cAlone\u201d is the gain of the fix on"
        " the file as it is; where it differs much from the gain, causes are entangled."
    )
    shown = table(caption, heads, rows, range(2, len(heads)), sortable=False, class_="chart wide")
    fixes = [(_RUNGS[rung.name], rung.fix) for rung in diagnosis.ladder]
    words = element("dl", *(element("div", element("dt", name), element("dd", fix)) for name, fix in fixes))
    return group([shown, paragraph(note, class_="note"), details("What each fix does", words)])


def _rung(rung: Rung, before: float | None, scale: charts.Scale, colour: int) -> Row:
    if rung.error is None:
        return [_RUNGS[rung.name], Cell(element("span", rung.cannot or "no value", class_="note"), columns=6)]
    return [
        _RUNGS[rung.name],
        Cell(charts.fall(before, rung.error, rung.chance, scale, colour=colour), None, "plot"),
        Cell(number(rung.error), rung.error, "main"),
        bounds(rung.low, rung.high),
        number(rung.gain),
        number(rung.alone),
        number(rung.chance),
    ]


def _discrete(diagnosis: Diagnosis) -> Markup | None:
    """How many poses need a whole-body fix, in a sentence."""
    names = {"depth": "mirrored in depth", "sides": "with left and right exchanged", "both": "both"}
    needed = [one for one in diagnosis.discrete if one.poses]
    if not needed:
        return paragraph("No pose needs a whole-body fix: none fits much better mirrored in depth or with left and right exchanged.")
    parts = []
    for one in needed:
        share = f"{one.percent:.1f}" if one.percent >= 0.05 else "below 0.1"
        what = f"fit much better {names.get(one.name, one.name)}, with {one.switches:,} switches in time"
        parts.append(f"{one.poses:,} poses ({share} %) {what}")
    return paragraph("; ".join(parts) + ".")


def _shares(diagnosis: Diagnosis) -> Markup:
    rows: list[Row] = []
    missing: list[str] = []
    for one in diagnosis.decompositions:
        if not one.parts:
            missing.append(f"{_DECOMPOSITIONS[one.name]}: {one.cannot or 'no parts'}")
            continue
        rows.append(
            [
                _DECOMPOSITIONS[one.name],
                Cell(charts.stack([(_part(part.name), part.percent) for part in one.parts]), None, "plot"),
                _key(one),
            ]
        )
    chart = table("Shares of the squared error", ["decomposition", "0 to 100 %", "parts"], rows, sortable=False, class_="chart wide shares")
    numbers = [
        [
            f"{_DECOMPOSITIONS[one.name]}: {_part(part.name)}",
            *_numbers(part.percent, part.low, part.high),
            number(part.rms),
            number(part.median),
        ]
        for one in diagnosis.decompositions
        for part in one.parts
    ]
    heads = ["part", "share [%]", "95 % interval", "RMS [mm]", "median [mm]"]
    folded = details("Numbers", table("Shares of the squared error", heads, numbers, range(1, 5), sortable=False))
    notes = [element("li", f"{_DECOMPOSITIONS[one.name]}: {one.note}") for one in diagnosis.decompositions if one.note]
    notes += [element("li", text) for text in missing]
    return group([chart, folded, element("ul", *notes, class_="note") if notes else None])


def _numbers(percent: float, low: float | None, high: float | None) -> tuple[str, str]:
    return number(percent), bounds(low, high)


def _part(name: str) -> str:
    return _PARTS.get(name, name)


def _key(one: Decomposition) -> Markup:
    """The parts with their colours and percentages."""
    items = [
        element("li", charts.key(place), f" {_part(part.name)} ", element("strong", f"{part.percent:.1f} %"))
        for place, part in enumerate(one.parts)
    ]
    return element("ul", *items, class_="keys")


def _slices(diagnosis: Diagnosis) -> Markup | None:
    if not diagnosis.slices:
        return None
    heads = ["slice", f"{diagnosis.metric} [mm]", "95 % interval", "times the mean", "share of the poses [%]", "poses", "takes"]

    def rows(slices: Sequence) -> list[Row]:  # type: ignore[type-arg]
        return [
            [
                f"{one.dimension}: {one.label}",
                Cell(number(one.error), one.error),
                bounds(one.low, one.high),
                Cell(f"{one.ratio:.2f}", one.ratio),
                Cell(number(one.percent), one.percent),
                Cell(f"{one.poses:,}", one.poses),
                Cell(str(one.takes), one.takes),
            ]
            for one in slices
        ]

    worst = table("Slices with the largest error", heads, rows(diagnosis.worst_slices), range(1, 7), sortable=False)
    every = details(f"All {len(diagnosis.slices)} slices", table("All slices", heads, rows(diagnosis.slices), range(1, 7)))
    return group([worst if diagnosis.worst_slices else None, every])


def _oracles(diagnosis: Diagnosis) -> Markup | None:
    if not diagnosis.oracles:
        return None
    ordered = sorted(diagnosis.oracles, key=lambda one: -(one.beyond_chance if one.beyond_chance is not None else -1e9))
    few, rest = ordered[:_FEW], ordered[_FEW:]
    known = [bound for one in few for bound in (one.gain, one.gain_low, one.gain_high) if bound is not None]
    scale = charts.padded(known or [1.0], zero=True)
    heads: list[Child] = ["oracle", charts.axis(scale, "mm"), "gain [mm]", "95 % interval", "of noise", "changes [%]", "what it does"]
    shown = table(
        "Largest gains of one fix alone, less what noise gains",
        heads,
        [_oracle(one, scale) for one in few],
        range(2, 6),
        sortable=False,
        class_="chart wide prose",
    )
    scale = charts.padded(
        [bound for one in rest for bound in (one.gain, one.gain_low, one.gain_high) if bound is not None] or [1.0], zero=True
    )
    heads = [heads[0], charts.axis(scale, "mm"), *heads[2:]]
    others = table("Other oracles", heads, [_oracle(one, scale) for one in rest], range(2, 6), sortable=False, class_="chart wide prose")
    return group([shown, details(f"{len(rest)} other oracles", others) if rest else None])


def _oracle(one: Oracle, scale: charts.Scale) -> Row:
    if one.gain is None:
        return [one.name, Cell("", None, "plot"), "", "", "", "", f"{one.fix}: {one.cannot or 'no value'}"]
    fitted = (
        "" if one.amount is None else f"; median {number(one.amount)}" + ("" if one.spread is None else f" \u00b1 {number(one.spread)}")
    )
    return [
        one.name,
        Cell(charts.dot(one.gain, one.gain_low, one.gain_high, scale, zero=True), None, "plot"),
        Cell(number(one.gain), one.gain),
        bounds(one.gain_low, one.gain_high),
        number(one.chance),
        number(one.percent),
        f"{one.fix}{fitted}{f' {one.unit}' if fitted and one.unit else ''}",
    ]


def _joints(diagnosis: Diagnosis) -> Markup | None:
    if not diagnosis.joints:
        return None
    columns = ("error", "along", "across", "bias", "spread", "constant", "wander", "motion", "jitter")
    heads = ["joint", "mean error", "along the ray", "across", "bias", "spread", "constant", "wander", "motion", "jitter"]
    rows: list[Row] = [
        [joint.name, *(Cell(number(getattr(joint, name)), getattr(joint, name)) for name in columns)] for joint in diagnosis.joints
    ]
    caption = "By joint [mm]: mean distance, and root mean squares of its parts"
    return details("By joint", table(caption, heads, rows, range(1, len(heads))))


def _bones(diagnosis: Diagnosis) -> Markup | None:
    if not diagnosis.bones:
        return None
    heads = [
        "bone",
        "length [mm]",
        "too long by [mm]",
        "share [%]",
        "length [%]",
        "in the image [%]",
        "in depth [%]",
        "wrong sign of depth [%]",
    ]
    columns = ("length", "length_bias", "percent", "length_percent", "image_percent", "depth_percent", "wrong_depth_sign")
    rows: list[Row] = [
        [bone.name, *(Cell(number(getattr(bone, name)), getattr(bone, name)) for name in columns)] for bone in diagnosis.bones
    ]
    caption = "By bone: true length and bias, share of the squared error of all bones, and what it consists of; a coin has 50 % wrong signs"
    return details("By bone", table(caption, heads, rows, range(1, len(heads))))
