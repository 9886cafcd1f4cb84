"""Pictures of a diagnosis on matplotlib axes; matplotlib is imported when the first is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError, drawing
from posebench.base.escape import plot_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from posebench.scoring.decomposition.record import Diagnosis, Rung

#: Colours of the parts of a stacked bar, distinct in grey too.
COLOURS = ("#2b5c8a", "#6fa3cf", "#c9dcec", "#f0b27a", "#b9542c")
_RUNG_NAMES = {
    "start": "as it is",
    "discrete": "+ flips and sides",
    "set-scale": "+ one factor",
    "clip-scale": "+ factor per clip",
    "frame-scale": "+ factor per pose",
    "rotation": "+ rotation, place",
}
#: Percent of the axis that a letter takes, about.
_WIDTH_OF_LETTER = 1.2
_TITLES = {"pose": "pose", "ray": "ray", "axes": "axes", "bones": "bones", "time": "time", "body": "body frame"}


def plot_diagnosis(diagnosis: Diagnosis, axes: Axes | None = None, what: str = "ladder") -> Axes:
    """Draw the ``ladder`` beside its chance line, or the ``shares`` of the squared error as stacked bars.

    Args:
        diagnosis: what to draw.
        axes: where; new ones if None.
        what: ``ladder`` or ``shares``.

    Raises:
        PosebenchError: there is no such picture.
    """
    pictures = {"ladder": _ladder, "shares": _shares}
    if what not in pictures:
        raise PosebenchError(f"picture {what!r}", "one of " + ", ".join(pictures), "correct the name")
    if axes is None:
        with drawing():
            import matplotlib.backends.backend_agg as agg
            from matplotlib.figure import Figure

        figure = Figure(figsize=(7.0, 3.6), layout="constrained")
        agg.FigureCanvasAgg(figure)
        axes = figure.subplots()
    pictures[what](diagnosis, axes)
    return axes


def _ladder(diagnosis: Diagnosis, axes: Axes) -> None:
    rungs: list[tuple[Rung, float]] = [(rung, rung.error) for rung in diagnosis.ladder if rung.error is not None]
    places = range(len(rungs))
    errors = [error for _, error in rungs]
    below = [error - (rung.low if rung.low is not None else error) for rung, error in rungs]
    above = [(rung.high if rung.high is not None else error) - error for rung, error in rungs]
    axes.barh(places, errors, height=0.62, color=COLOURS[0], label="this file")
    axes.errorbar(errors, places, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=1.0, capsize=2.5)
    chance = [(rung.chance, place) for place, (rung, _) in enumerate(rungs) if rung.chance is not None]
    if chance:
        axes.plot(*zip(*chance, strict=True), "D", color=COLOURS[4], markersize=5, label="chance: noise of the same size")
    for place, (error, high) in enumerate(zip(errors, above, strict=True)):
        axes.annotate(f"{error:.1f}", (error + high, place), (5, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, [_RUNG_NAMES[rung.name] for rung, _ in rungs])
    axes.invert_yaxis()
    axes.set_xlim(
        0.0, 1.14 * max([1e-9, *(error + high for error, high in zip(errors, above, strict=True)), *(value for value, _ in chance)])
    )
    axes.set_xlabel(f"{diagnosis.metric} after each fix on top of the ones before, mm, {diagnosis.protocol.headline} average")
    axes.set_title(plot_text(diagnosis.predictions.method or diagnosis.predictions.file), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    # Above the bars, where it hides none.
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, borderpad=0.1)


def _shares(diagnosis: Diagnosis, axes: Axes) -> None:
    shown = [one for one in diagnosis.decompositions if one.parts and one.name != "axes"]
    for place, one in enumerate(shown):
        left = 0.0
        for number, part in enumerate(one.parts):
            colour = COLOURS[number]
            axes.barh(place, part.percent, left=left, height=0.62, color=colour, edgecolor="white", linewidth=0.8)
            text = f"{part.name.replace('-direction', '')} {part.percent:.0f}"
            if part.percent >= _WIDTH_OF_LETTER * len(text):
                ink = "white" if number in (0, 4) else "#1a1a1a"
                axes.text(left + part.percent / 2, place, text, ha="center", va="center", color=ink, fontsize=8)
            left += part.percent
    axes.set_yticks(range(len(shown)), [_TITLES[one.name] for one in shown])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel("share of the squared error, %")
    axes.set_title(plot_text(diagnosis.predictions.method or diagnosis.predictions.file), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
