"""Robustness as a document to print, and its curves as a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.base.errors import PosebenchError, drawing, needs
from posebench.base.escape import plot_text
from posebench.base.files import replacing
from posebench.data.corruption.cameras import SHIFTS
from posebench.data.corruption.conditions import SEVERITIES, amounts
from posebench.data.corruption.keypoints import CORRUPTIONS
from posebench.display.colours import COLOURS
from posebench.display.document import Document, Paragraph, Table
from posebench.scoring.robustness.across import Across
from posebench.scoring.robustness.record import Study
from posebench.scoring.robustness.summary import FLOOR, MethodRow, Summary, Value, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Of the methods but the floor, which is grey.
_COLOURS = (*COLOURS, "#8b5a2b")
#: Marks a method that was trained on keypoints with errors.
TRAINED_ON_ERRORS = "*"
#: Marks a cell of the dataset that the method was trained on.
OWN_DATA = "°"
#: Endings that matplotlib writes.
PICTURES = (".png", ".svg", ".pdf")


def robustness_text(study: Study, *, metric: str | None = None, everything: bool = False) -> Document:
    """The table of a study, what it means, and where `flat` is better.

    Args:
        study: with at least one complete method.
        metric: by default the one that methods are ranked by.
        everything: also each severity, and differences between methods.
    """
    summary = summarise(study, metric)
    parts: list[str | Paragraph | Table] = [_heading(summary, len(study.takes)), _main_table(summary), *_notes(summary)]
    if metric is None:
        parts += [_beside(study, summary)]
    if everything:
        parts += ["Error at each severity:", _severities(summary)]
        if summary.pairs:
            rows = [[f"{pair.a} - {pair.b}", f"{pair.value:.2f}", pair.verdict] for pair in summary.pairs]
            parts += ["Differences of mC, paired over takes:", Table(["pair", f"difference [{summary.unit}]", "verdict"], rows, right=[1])]
    return Document.of(*parts)


def _cell(value: Value) -> str:
    return f"{value.value:.1f}" + (f" ±{value.half:.1f}" if value.half is not None else "")


def _label(row: MethodRow) -> str:
    return row.name + (TRAINED_ON_ERRORS if row.trained_on_errors else "")


def _heading(summary: Summary, takes: int) -> Paragraph:
    return Paragraph(
        f" [{summary.unit}] under {summary.protocol}: mean over severities 1 to 5, ± half of the 95 % interval over {takes} takes.",
        summary.metric,
    )


def _main_table(summary: Summary) -> Table:
    group = ["group"] if summary.ranked and len(summary.rows) > 1 else []
    relative = ["CE %"] if summary.reference else []
    heads = ["method", "clean", *summary.kinds, "mC", *group, "rise", "ratio", "worst", *relative]
    rows = []
    for row in summary.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        mean_relative = row.mean_relative
        rows.append(
            [
                _label(row),
                f"{row.clean.value:.1f}",
                *(_cell(row.kinds[kind]) for kind in summary.kinds),
                _cell(row.mean),
                *([row.group] if group else []),
                f"{row.rise.value:+.1f}",
                ratio,
                row.worst,
                *([f"{mean_relative:.0f}" if mean_relative is not None else ""] if relative else []),
            ]
        )
    words = {heads.index("method"), heads.index("worst"), *([heads.index("group")] if group else [])}
    return Table(heads, rows, right=[number for number in range(len(heads)) if number not in words])


def _notes(summary: Summary) -> list[str | Paragraph]:
    notes: list[str | Paragraph] = []
    ranked = "Methods are in the order of mC" + (
        ", and those that share a letter are not separable (paired over takes, Holm-adjusted)." if len(summary.rows) > 1 else "."
    )
    about = (
        "mC is the mean over all columns, rise is mC minus clean; rise and ratio (mC / clean) reward a bad clean error, and rank nothing."
    )
    notes.append(f"{ranked if summary.ranked else 'Not ranked by this metric.'} {about}")
    if summary.reference:
        notes.append(f"CE %: errors summed over severities, in percent of those of {summary.reference}, mean over columns.")
    if any(row.trained_on_errors for row in summary.rows):
        notes.append(f"{TRAINED_ON_ERRORS} trained on keypoints with errors.")
    for row in summary.rows:
        if row.below_floor:
            kinds = ", ".join(kind + (f" from severity {first} on" if first > 1 else "") for kind, first in row.below_floor.items())
            notes.append(Paragraph(f": {FLOOR}, which predicts no depth, is better under {kinds}.", row.name, hanging=2))
    if not any(row.name == FLOOR for row in summary.rows):
        notes.append(f"Without {FLOOR}, the floor is not known: measure it too.")
    if summary.incomplete:
        shown = ", ".join(f"{name} ({done} of {count} conditions)" for name, (done, count) in summary.incomplete.items())
        notes.append(f"Left out, since not all conditions are measured: {shown}. The command that wrote the file continues it.")
    if summary.without:
        notes.append(f"Without {summary.metric}, since the scale is unknown: {', '.join(summary.without)}.")
    return notes


def _beside(study: Study, summary: Summary) -> Table:
    """Clean and corrupted values of the other metrics."""
    others = [one.name for one in (*study.protocol.metrics, *study.protocol.diagnostics) if one.name != summary.metric]
    tables = {}
    for name in others:
        found = summarise(study, name)
        tables[name] = ({row.name: f"{row.clean.value:.1f} → {row.mean.value:.1f}" for row in found.rows}, found.unit)
    heads = ["method", *(f"{name} [{unit}]" for name, (_, unit) in tables.items())]
    rows = [[_label(row), *(cells.get(row.name, "") for cells, _ in tables.values())] for row in summary.rows]
    return Table(["clean → corrupted", *heads[1:]], rows, right=range(1, len(heads)))


def _severities(summary: Summary) -> Table:
    rows = [
        [_label(row) if not number else "", kind, *(f"{value:.1f}" for value in row.curves[kind])]
        for row in summary.rows
        for number, kind in enumerate(summary.kinds)
    ]
    return Table(["method", "condition", *map(str, SEVERITIES)], rows, right=range(2, 2 + len(SEVERITIES)))


def across_text(found: Across) -> Document:
    """The table of datasets: a row for each lifter and what it was trained on, three columns for each dataset that it is tested on."""
    heads = ["method", "trained on"]
    for dataset in found.datasets:
        heads += [f"{dataset} MPJPE", "PA", "PA-offset"]
    rows = []
    for row in found.rows:
        cells: list[str] = []
        for dataset in found.datasets:
            one = row.cells[dataset]
            mark = OWN_DATA if dataset == row.trained_on else ""
            cells += ["" if one.mpjpe is None else f"{one.mpjpe:.1f}{mark}", f"{one.pa:.1f}{mark}", f"{one.pa_offset:.1f}{mark}"]
        rows.append([row.method, row.trained_on or "none", *cells])
    protocols = ", ".join(f"{dataset}: {protocol}" for dataset, protocol in found.protocols.items())
    return Document.of(
        Paragraph(f" [mm], test splits, keypoints {found.keypoints} in training and test ({protocols}).", "Across datasets"),
        Table(heads, rows, right=range(2, len(heads))),
        f"{OWN_DATA} tested on the dataset of its training. PA-offset is PA-MPJPE without the skeleton's offset: the mean error of each "
        "joint in the body's own frame, fitted on the other half of the test takes, is subtracted. It takes away how datasets place their "
        "joints, and any other constant lean. It is of least squares, and may raise a mean distance.",
    )


def curve_data(summary: Summary, names: Sequence[str] = ()) -> dict[str, Any]:
    """What :func:`draw_curves` draws, as plain data.

    Args:
        summary: what is drawn.
        names: the methods that are drawn; all if empty.

    Returns:
        ``axis``: metric and unit. ``floor``: the label of `flat`, or "". ``panels``: for each kind its name, unit, amounts, and the values
        of each method by label, clean and at severities 1 to 5.
    """
    # By name, so that a method has the same colour under every protocol.
    rows = sorted((row for row in summary.rows if not names or row.name in names), key=lambda row: row.name)
    panels = [
        {
            "kind": kind,
            "unit": (CORRUPTIONS.get(kind) or SHIFTS[kind]).unit,
            "amounts": [f"{amount:g}" for amount in amounts(kind)],
            "lines": {_label(row): [round(value, 2) for value in (row.clean.value, *row.curves[kind])] for row in rows},
        }
        for kind in summary.kinds
    ]
    floor = next((_label(row) for row in rows if row.name == FLOOR), "")
    return {"axis": f"{summary.metric}, {summary.unit}", "floor": floor, "panels": panels}


def draw_curves(figure: Figure, data: Mapping[str, Any]) -> None:
    """Error against severity, a panel for each kind, a line for each method; severity 0 is the clean error.

    Args:
        figure: what is drawn on; its size is set.
        data: of :func:`curve_data`.
    """
    kinds = data["panels"]
    columns = min(4, len(kinds))
    lines = -(-len(kinds) // columns)
    figure.set_size_inches(3.1 * columns, 2.5 * lines + 0.5)
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for panel, kind in zip(panels, kinds, strict=False):
        for number, (name, values) in enumerate(kind["lines"].items()):
            floor = name == data["floor"]
            panel.plot(
                (0, *SEVERITIES),
                values,
                color="#777777" if floor else _COLOURS[number % len(_COLOURS)],
                linestyle="--" if floor else ("-", "-.", ":")[number // len(_COLOURS) % 3],
                marker="" if floor else "o",
                markersize=3,
                label=name,
            )
        panel.set_xticks((0, *SEVERITIES), ["clean", *kind["amounts"]], fontsize=7)
        panel.set_title(f"{kind['kind']} [{kind['unit']}]", fontsize=9, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0.0)  # last, since it ends the automatic upper limit of all panels
    for panel in panels[len(kinds) :]:
        panel.set_visible(False)
    figure.supylabel(data["axis"], fontsize=9)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper left", ncols=4, fontsize=8, frameon=False)


def plot_curves(summary: Summary, path: str | os.PathLike[str], *, names: Sequence[str] = ()) -> Path:
    """:func:`draw_curves` into a file.

    Args:
        summary: what is drawn.
        path: a file that ends in one of :data:`PICTURES`.
        names: the methods that are drawn; all if empty.

    Raises:
        PosebenchError: another ending, or an ``MPLBACKEND`` that matplotlib lacks.
    """
    path = picture_path(path)
    with needs("plotting"), drawing():
        import matplotlib.backends.backend_agg as agg
        from matplotlib.figure import Figure
    figure = Figure(layout="constrained")
    agg.FigureCanvasAgg(figure)
    data = curve_data(summary, names)
    for panel in data["panels"]:
        panel["lines"] = {plot_text(name): values for name, values in panel["lines"].items()}
    draw_curves(figure, data)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def picture_path(path: str | os.PathLike[str]) -> Path:
    """The path of a picture.

    Raises:
        PosebenchError: matplotlib writes no file with its ending.
    """
    path = Path(path)
    if path.suffix not in PICTURES:
        raise PosebenchError(f"picture {path}", f"a name that ends in {', '.join(PICTURES)}", "correct --plot")
    return path
