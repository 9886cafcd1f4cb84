"""Poses of a prediction file in motion: a GIF, or a page in which they can be turned.

**Convention.** Camera frame (x right, y down, z forward), the root in the middle of each picture. Poses of unknown scale are drawn in units
of their largest extent. The person's left is blue, right is red. No truth is shown: a figure that looks right may have a wrong depth.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError, did_you_mean, drawing, first_ten
from posebench.base.files import replacing, write_text
from posebench.base.skeletons import Skeleton, skeleton
from posebench.display.html.elements import Markup, element, paragraph
from posebench.display.html.frame import asset, framed
from posebench.display.html.page import json_text
from posebench.display.html.windows import quantised
from posebench.display.poses import COLOURS
from posebench.metrics.position import root_relative
from posebench.predictions.archive import Meta, Predictions, open_predictions

#: Pictures of a GIF, and frames of a page, of all clips together.
MOST_PICTURES, MOST_FRAMES = 400, 20_000
#: Clips in one GIF.
MOST_ROWS = 4
SUFFIXES = (".gif", ".html")
#: Tilt of the turned view, degrees; the camera's own view is beside it.
_TURN, _TILT = 50.0, 15.0


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip as it is drawn: (n, J, 3) root-relative poses, at most 1000 from the root where the scale is unknown, and frame numbers."""

    clip: str
    poses: Array
    frames: npt.NDArray[np.int64]


def draw_motion(
    predictions: str | os.PathLike[str], path: str | os.PathLike[str], *, clips: Sequence[str] = (), fps: float = 30.0
) -> tuple[str, ...]:
    """Draw the poses of a file in motion.

    Args:
        predictions: the file.
        path: ``.gif`` or ``.html``.
        clips: ids of the clips to draw; all, or for a GIF the first :data:`MOST_ROWS`, where none are named.
        fps: frames a second of the poses.

    Returns:
        What was left out.

    Raises:
        PosebenchError: the file has no such clip or no finite pose, or the path another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        wanted = "a name that ends with .gif or .html; pictures of single poses need --dataset"
        raise PosebenchError(f"{path}", wanted, "rename the output")
    if not 0.0 < fps <= 1000.0:
        raise PosebenchError(f"{fps:g} frames a second", "a number from above 0 to 1000", "correct --fps")
    with open_predictions(predictions) as file:
        motions, notes = _motions(file, clips, MOST_ROWS if suffix == ".gif" else None)
        meta = file.meta
    joints = skeleton(meta.skeleton)
    if suffix == ".gif":
        return (*notes, *_gif(Path(path), motions, joints, fps))
    page, left = _page(Path(predictions).name, motions, joints, meta, fps)
    write_text(path, page)
    return (*notes, *left)


def _motions(file: Predictions, wanted: Sequence[str], most: int | None) -> tuple[list[Motion], list[str]]:
    unknown = [clip for clip in wanted if clip not in file.shapes]
    if unknown:
        known = first_ten(list(file.shapes))
        raise PosebenchError(
            f"{file.path}: no clip {unknown[0]}", f"one of {known}", did_you_mean(unknown[0], file.shapes, "correct --clip")
        )
    chosen = list(wanted) or list(file.shapes)
    notes = []
    if most is not None and len(chosen) > most:
        notes.append(f"{len(chosen) - most} of {len(chosen)} clips are not drawn: choose with --clip")
        chosen = chosen[:most]
    root = skeleton(file.meta.skeleton).root_indices
    found = []
    for clip in chosen:
        stored = np.asarray(file.poses(clip), dtype=np.float64) * file.meta.to_mm
        poses = root_relative(stored if stored.ndim == 3 else stored.mean(axis=0), root)
        numbers = file.frames(clip)
        finite = np.isfinite(poses)
        if not finite.all(axis=(1, 2)).any():
            notes.append(f"{clip} has no finite pose")
            continue
        reach = float(np.abs(poses[finite]).max())
        if not file.meta.metric_scale and reach > 0.0:
            poses = poses * (1000.0 / reach)
        found.append(Motion(clip, poses, np.arange(len(poses)) if numbers is None else numbers))
    if not found:
        raise PosebenchError(f"{file.path}: no clip with a finite pose", "poses to draw", "lift the keypoints again")
    return found, notes


def turned(poses: Array, turn: float, tilt: float) -> Array:
    """Poses (..., 3) as (..., 2) right and down, seen from a camera that went ``turn`` degrees around and ``tilt`` degrees up."""
    a, e = np.deg2rad([turn, tilt])
    x, y, z = np.moveaxis(poses, -1, 0)
    across, away = np.cos(a) * x + np.sin(a) * z, np.cos(a) * z - np.sin(a) * x
    return np.stack([across, np.cos(e) * y - np.sin(e) * away], axis=-1)


def _gif(path: Path, motions: Sequence[Motion], joints: Skeleton, fps: float) -> tuple[str, ...]:
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import LineCollection
        from matplotlib.figure import Figure
    from PIL import Image

    first, last = min(int(one.frames[0]) for one in motions), max(int(one.frames[-1]) for one in motions)
    # Browsers show a GIF at 50 pictures a second at most, and the file grows with each.
    step = max(1, round(fps / 25.0), -(-(last - first + 1) // MOST_PICTURES))
    times = np.arange(first, last + 1, step)
    figure = Figure(figsize=(5.6, 0.35 + 2.8 * len(motions)), dpi=80, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(motions), 2, squeeze=False)
    bones = np.array(joints.bones)
    colours = [COLOURS.get(joints.joints[child][:2], COLOURS[""]) for _, child in joints.bones]
    lines = []
    for row, one in zip(grid, motions, strict=True):
        finite = one.poses[np.isfinite(one.poses).all(axis=(1, 2))]
        reach = 1.08 * max(float(np.linalg.norm(finite, axis=-1).max()), 1e-9)
        for axes, (turn, tilt, name) in zip(row, ((0.0, 0.0, "camera"), (_TURN, _TILT, "turned")), strict=True):
            drawn = LineCollection([], colors=colours, linewidths=2.4, capstyle="round")
            axes.add_collection(drawn)
            axes.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal", xticks=[], yticks=[], xlabel=name)
            lines.append((one, drawn, turn, tilt))
        row[0].set_ylabel(one.clip[-40:], fontsize=8)
    title = figure.suptitle(" ", fontsize=9)
    pictures = []
    for time in times:
        title.set_text(f"frame {time}; blue: the person's left, red: right")
        for one, drawn, turn, tilt in lines:
            at = int(np.searchsorted(one.frames, time))
            there = at < len(one.frames) and one.frames[at] - time < step and bool(np.isfinite(one.poses[at]).all())
            drawn.set_segments(list(turned(one.poses[at], turn, tilt)[bones]) if there else [])
        canvas.draw()  # type: ignore[no-untyped-call]
        pictures.append(Image.fromarray(_pixels(canvas)).quantize(32))
    with replacing(path) as temporary:
        pictures[0].save(
            temporary, format="GIF", save_all=True, append_images=pictures[1:], duration=max(20, round(1000.0 * step / fps)), loop=0
        )
    return (f"every {step}th frame is drawn",) if step > 1 else ()


def _pixels(canvas: Any) -> npt.NDArray[np.uint8]:
    """What is drawn, (height, width, 3)."""
    return np.array(np.asarray(canvas.buffer_rgba())[..., :3], dtype=np.uint8)


def _page(name: str, motions: Sequence[Motion], joints: Skeleton, meta: Meta, fps: float) -> tuple[str, tuple[str, ...]]:
    sides = {"l_": 1, "r_": 2}
    left, shown, count = [], [], 0
    for one in motions:
        room = MOST_FRAMES - count
        if room < 1:
            left.append(one.clip)
            continue
        part = Motion(one.clip, one.poses[:room], one.frames[:room])
        count += len(part.poses)
        shown.append(part)
    cut = len(motions[len(shown) - 1].poses) - len(shown[-1].poses)
    data: dict[str, Any] = {
        "bones": [[parent, child, sides.get(joints.joints[child][:2], 0)] for parent, child in joints.bones],
        "joints": len(joints),
        "fps": fps,
        "clips": [
            {"id": one.clip, "frames": one.frames.tolist(), "reach": _reach(one.poses), "poses": quantised(one.poses, 1.0)} for one in shown
        ],
    }
    scale = "in millimetres" if meta.metric_scale else "of unknown size: the method cannot know it"
    lines = [f"{meta.method or 'unnamed method'}; {joints.id}; {scale}.", *meta.notes, *meta.joints]
    warning = "There is no truth here: a figure that looks right may still have a wrong depth."
    body = [
        element("header", element("h1", f"Poses of {name}"), *(paragraph(line) for line in lines), paragraph(warning)),
        element("main", id="figure"),
        Markup(f'<script type="application/json" id="motion-data">{json_text(data)}</script>'),
    ]
    notes = [f"only the first {len(shown[-1].poses):,} frames of {shown[-1].clip} are in the page"] if cut else []
    notes += [f"not in the page: {first_ten(left)}"] if left else []
    return framed(f"Poses of {name}", body, asset("motion.css"), [asset("motion.js")]), tuple(notes)


def _reach(poses: Array) -> float:
    finite = poses[np.isfinite(poses).all(axis=(1, 2))]
    return round(1.08 * float(np.linalg.norm(finite, axis=-1).max()), 1) or 1.0
