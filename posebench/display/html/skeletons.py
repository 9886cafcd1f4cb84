"""Skeletons of single frames: small pictures that need no script, and a place for the viewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posebench.base.skeletons import Skeleton
from posebench.display.html import charts
from posebench.display.html.elements import Markup, element, group, paragraph, section
from posebench.display.html.windows import Window, seen_by_camera

_KINDS = {"worst": "Largest errors", "median": "Around the median error"}


def skeletons_section(windows: Sequence[Window], names: Sequence[str], skeleton: Skeleton, metrics: Sequence[str]) -> Markup:
    """Each window's frame as the camera sees it and from above, true and predicted.

    Args:
        windows: what to show, in the order of the viewer's data.
        names: of the results.
        skeleton: joint order.
        metrics: by which the frames were chosen.
    """
    if not windows:
        return Markup("")
    scaled = " Poses of unknown scale are shown at the scale that N-MPJPE gives them." if "N-MPJPE" in metrics else ""
    about = (
        f"Frames were chosen by {' or '.join(metrics)}, not by hand: those with the largest error, and those around the median."
        " Grey is the true pose; the person\u2019s left is blue, right is orange. A view from above shows errors in depth, which the"
        " camera\u2019s view hides." + scaled
    )
    parts: list[Markup] = [paragraph(about), element("div", id="viewer", hidden=True)]
    for kind, title in _KINDS.items():
        chosen = [window for window in windows if window.moment.kind == kind]
        if chosen:
            shown = [_moment(window, names, skeleton) for window in chosen]
            parts += [element("h3", title), element("ul", *shown, class_="moments")]
    return section("skeletons", "Skeletons", *parts)


def _moment(window: Window, names: Sequence[str], skeleton: Skeleton) -> Markup:
    at, result = window.at, window.moment.result
    truth, pred = window.truth[at], window.predicted[result][at]
    root = None if window.root is None else window.root[at]
    finite = bool(np.isfinite(pred).all())
    views = [(truth, "truth"), *([(pred, "sides")] if finite else [])]
    reach = 1.08 * max(float(np.abs(points).max()) for points, _ in views) or 1.0
    camera = charts.pose([(seen_by_camera(points, root), kind) for points, kind in views], skeleton, reach, "as the camera sees it")
    above = charts.pose([(points[:, [0, 2]] * [1.0, -1.0], kind) for points, kind in views], skeleton, reach, "from above")
    who = [element("span", names[result], class_="who")] if len(names) > 1 else []
    caption = element(
        "figcaption",
        element("strong", f"{window.moment.value:,.0f} mm"),
        *who,
        element("span", f"{window.action}, {window.name}"),
        None if finite else element("span", "the predicted pose is not finite"),
    )
    return element("li", element("figure", group([camera, above]), caption, data_window=True))
