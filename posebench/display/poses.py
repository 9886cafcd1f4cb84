"""Pictures of poses. matplotlib is imported when the first is drawn; no display is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import drawing
from posebench.base.files import replacing
from posebench.base.skeletons import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of the body's left, right and middle.
COLOURS = {"l_": "#2166ac", "r_": "#d6604d", "": "#4d4d4d"}
TRUTH = "#b8b8b8"


def draw_poses(
    path: str | os.PathLike[str],
    truth: Sequence[Array],
    predictions: Mapping[str, Sequence[Array]],
    titles: Sequence[str],
    skeleton: Skeleton,
    *,
    grey: str = "truth",
) -> None:
    """Draw predicted over true skeletons: a row per method, and two columns per pose (front and side view).

    **Convention.** Poses (J, 3) mm, camera frame, root-relative: the front view is what the camera sees (x right, y down), the side view
    looks along x (depth to the right). The person's left is blue, right is red; the true pose is grey.

    Args:
        path: image file; its suffix gives the format.
        truth: one pose for each pair of columns.
        predictions: method name to its poses, in the same order.
        titles: label of each pose.
        skeleton: joint order of all poses.
        grey: name of the grey poses, in the title.
    """
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    columns = 2 * len(truth)
    figure = Figure(figsize=(1.75 * columns, 1.85 * len(predictions) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(predictions), columns, squeeze=False)
    reach = 1.05 * max(float(np.abs(pose).max()) for poses in (truth, *predictions.values()) for pose in poses)
    for row, (name, poses) in zip(grid, predictions.items(), strict=True):
        for i, (pose, true) in enumerate(zip(poses, truth, strict=True)):
            for axes, (across, view) in zip(row[2 * i : 2 * i + 2], ((0, "front"), (2, "side")), strict=True):
                _skeleton(axes, true[:, [across, 1]], skeleton, TRUTH)
                _skeleton(axes, pose[:, [across, 1]], skeleton)
                axes.set_xlim(-reach, reach)
                axes.set_ylim(reach, -reach)
                axes.set_aspect("equal")
                axes.set_xticks([])
                axes.set_yticks([])
                axes.set_xlabel(f"{titles[i]}, {view}", fontsize=8)
        row[0].set_ylabel(name, fontsize=9)
    # The labels of the lowest row apply to all rows.
    for axes in grid[:-1].flat:
        axes.set_xlabel("")
    figure.suptitle(f"grey: {grey}; blue: the person's left, red: right", fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=str(path).rpartition(".")[2], dpi=110)


def _skeleton(axes: Axes, plane: Array, skeleton: Skeleton, colour: str = "") -> None:
    for parent, child in skeleton.bones:
        side = skeleton.joints[child][:2]
        axes.plot(*plane[[parent, child]].T, color=colour or COLOURS.get(side, COLOURS[""]), linewidth=2.2, solid_capstyle="round")
