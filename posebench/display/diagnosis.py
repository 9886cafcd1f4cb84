"""A diagnosis as a document to print: ladder, shares, oracles, joints, slices, frames, and one sentence at the end."""

from __future__ import annotations

from collections.abc import Sequence

from posebench.display.document import Document, Paragraph, Table
from posebench.scoring.decomposition.differences import Differences, interval_text
from posebench.scoring.decomposition.record import DiagnosedFrame, Diagnosis, Slice

#: Oracles that change the error by less than this share of it are printed on request only.
_NOTABLE = 0.02
_RUNG_NAMES = {
    "start": "as it is",
    "discrete": "flips, sides",
    "set-scale": "one factor",
    "clip-scale": "factor by clip",
    "frame-scale": "factor by pose",
    "rotation": "rotation, place",
}


def diagnosis_text(diagnosis: Diagnosis, *, everything: bool = False) -> Document:
    """What ``posebench diagnose`` prints; with ``everything`` all oracles, bones, slices and single frames."""
    parts: list[str | Paragraph | Table] = [_heading(diagnosis)]
    parts += [Paragraph(f": {finding.name}: {finding.message}", finding.severity, hanging=2) for finding in diagnosis.findings]
    parts += [
        f"Ladder: {diagnosis.metric} after each fix on top of the ones before, mm ({diagnosis.protocol.headline} average). Every fix"
        " uses the truth. alone: what the fix gains without the others; chance: random noise of the same size after the same fixes.",
        _ladder(diagnosis),
    ]
    parts += [
        _discrete(diagnosis),
        "Shares of the squared error (not of the distances above); each group sums to 100 %:",
        _shares(diagnosis),
    ]
    parts += [
        Paragraph(f": {one.cannot or one.note}", f"{one.name}", hanging=2) for one in diagnosis.decompositions if one.cannot or one.note
    ]
    parts += [f"Further fixes, each alone{'' if everything else '; the notable ones'}:", _oracles(diagnosis, everything=everything)]
    parts += ["By joint, mm (error: mean distance; the others: root mean square):", _joints(diagnosis)]
    if everything:
        parts += ["By bone:", _bones(diagnosis)]
    shown = diagnosis.slices if everything else diagnosis.worst_slices
    if shown:
        parts += ["Slices, frame-weighted:" if everything else "The three worst slices, frame-weighted:", _slices(shown)]
    if everything:
        parts += ["The worst poses:", _frames(diagnosis.worst), "Poses around the median error:", _frames(diagnosis.median)]
    elif diagnosis.worst:
        first = diagnosis.worst[0]
        parts.append(f"The worst pose: {first.clip}, frame {first.frame}, {first.value:.1f} mm. --all lists ten, and every other table.")
    parts += list(diagnosis.notes)
    parts.append(Paragraph(diagnosis.sentence))
    return Document.of(*parts)


def _heading(diagnosis: Diagnosis) -> Paragraph:
    protocol, predictions, coverage = diagnosis.protocol, diagnosis.predictions, diagnosis.coverage
    partial = f", PARTIAL: of {coverage.poses_wanted:,}" if coverage.partial else ""
    invalid = f"\n{diagnosis.invalid.poses:,} invalid poses, with every joint at the root" if diagnosis.invalid.poses else ""
    text = (
        f", keypoints {predictions.keypoints or 'unstated'}, scale {predictions.scale}; protocol {protocol.id} v{protocol.version}"
        f" ({protocol.digest}); {coverage.poses:,} poses in {coverage.clips} clips{partial}{invalid}"
    )
    return Paragraph(text, predictions.method or predictions.file)


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.1f}"


def _limits(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.1f}, {high:.1f}]"


def _ladder(diagnosis: Diagnosis) -> Table:
    heads = ["fix", diagnosis.metric, "95 % interval", "gain", "beyond chance", "alone", "chance"]
    rows = []
    for rung in diagnosis.ladder:
        values = [_limits(rung.low, rung.high), *(_number(one) for one in (rung.gain, rung.beyond_chance, rung.alone, rung.chance))]
        rows.append([_RUNG_NAMES[rung.name], "cannot" if rung.cannot else _number(rung.error), *values])
    return Table(heads, rows, range(1, len(heads)))


def _discrete(diagnosis: Diagnosis) -> str:
    words = {"depth": "mirrored in depth", "sides": "with left and right exchanged", "both": "both"}
    found = [f"{one.percent:.1f} % {words[one.name]} ({one.switches:,} switches in time)" for one in diagnosis.discrete if one.poses]
    depth = next((one for one in diagnosis.oracles if one.name == "depth-sign" and one.percent is not None), None)
    signs = "" if depth is None else f", {depth.percent:.1f} % with depths on the wrong side of the root"
    return f"Whole poses: {', '.join(found) or 'none mirrored or exchanged'}; flip-rate {diagnosis.flip_rate:.1f} %{signs}."


def _shares(diagnosis: Diagnosis) -> Table:
    rows = [
        [
            one.name if number == 0 else "",
            part.name,
            _number(part.percent),
            _limits(part.low, part.high),
            _number(part.rms),
            _number(part.median),
        ]
        for one in diagnosis.decompositions
        for number, part in enumerate(one.parts)
    ]
    return Table(["of", "part", "%", "95 % interval", "RMS mm", "median mm"], rows, range(2, 6))


def _oracles(diagnosis: Diagnosis, *, everything: bool) -> Table:
    heads = ["fix", f"{diagnosis.metric}", "gain", "95 % interval", "chance gain", "changed %", "median"]
    rows = []
    for one in diagnosis.oracles:
        if not everything and (one.gain is None or abs(one.gain) < _NOTABLE * diagnosis.value):
            continue
        amount = "" if one.amount is None else f"{one.amount:+.1f} +- {one.spread:.1f} {one.unit}"
        values = [_number(one.gain), _limits(one.gain_low, one.gain_high), _number(one.chance), _number(one.percent), amount]
        rows.append([one.name, "cannot" if one.cannot else _number(one.error), *values])
    return Table(heads, rows, range(1, len(heads)))


def _joints(diagnosis: Diagnosis) -> Table:
    names = ("along", "across", "bias", "spread", "constant", "wander", "motion", "jitter")
    used = [name for name in names if any(getattr(joint, name) is not None for joint in diagnosis.joints)]
    rows = [[joint.name, _number(joint.error), *(_number(getattr(joint, name)) for name in used)] for joint in diagnosis.joints]
    return Table(["joint", "error", *used], rows, range(1, 2 + len(used)))


def _bones(diagnosis: Diagnosis) -> Table:
    heads = ["bone", "length mm", "bias mm", "% of all", "length %", "image %", "depth %", "wrong sign %"]
    fields = ("length", "length_bias", "percent", "length_percent", "image_percent", "depth_percent", "wrong_depth_sign")
    rows = [[bone.name, *(_number(getattr(bone, name)) for name in fields)] for bone in diagnosis.bones]
    return Table(heads, rows, range(1, len(heads)))


def _slices(slices: Sequence[Slice]) -> Table:
    rows = [
        [
            one.dimension,
            one.label,
            _number(one.error),
            _limits(one.low, one.high),
            f"{one.ratio:.2f}",
            _number(one.percent),
            f"{one.takes}",
        ]
        for one in slices
    ]
    return Table(["by", "slice", "mm", "95 % interval", "of the mean", "% of poses", "takes"], rows, range(2, 7))


def _frames(frames: Sequence[DiagnosedFrame]) -> Table:
    rows = [
        [
            one.clip,
            one.frame,
            *map(_number, (one.value, one.fixed, one.aligned)),
            one.fix,
            max(one.shares, key=lambda part: one.shares[part]),
        ]
        for one in frames
    ]
    return Table(["clip", "frame", "mm", "fixed", "aligned", "fix", "largest share"], rows, range(1, 5))


def differences_text(differences: Differences) -> Document:
    """The paired differences of two files."""
    names = [f"a = {differences.a}", f"b = {differences.b}"]
    rows = [
        [
            row.table,
            row.name,
            row.unit,
            *map(_number, (row.a, row.b)),
            _number(row.value, "+"),
            interval_text(row),
            "*" if row.separable else "",
        ]
        for row in differences.rows
    ]
    return Document.of(
        f"Differences a - b, paired over {differences.takes} takes: {names[0]}, {names[1]}. A star: the interval excludes zero; it is not"
        " adjusted for the number of rows.",
        Table(["table", "part", "unit", "a", "b", "a - b", "95 % interval", ""], rows, range(3, 7)),
    )
