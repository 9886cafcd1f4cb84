"""Figures of the tracker: ``python -m posebench.display.tracking RUN --root DIR --idea idea.png --worst worst.png``.

Clips are those of ``cmu``'s tuning subject, for a run made with ``--tune``; see ``baselines/rigid_track/README.md``. ``--idea`` shows
what the tracker does to one bone; ``--worst`` shows the clips whose tracked poses have the largest PA-MPJPE.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import drawing
from posebench.base.files import replacing
from posebench.base.skeletons import Skeleton, skeleton
from posebench.data import open_dataset
from posebench.display.poses import draw_poses
from posebench.lifters.choose import lifter_maker
from posebench.lifters.rigid_track.study import SUBJECT, Case, case_of
from posebench.lifters.rigid_track.track import Settings, signs_of, track
from posebench.metrics.position import pa_mpjpe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: The joint at the end of the bone that the figure of the idea shows.
SHOWN = "l_wrist"
#: The clip of that figure.
CLIP = f"{SUBJECT}/131_08/c2"
#: Clips in the figure of the worst ones.
WORST = 4


def relative(case: Case) -> Array:
    """True poses (T, J, 3) mm with the root at the origin."""
    return case.truth - case.truth[:, :1]


def scaled(poses: Array, truth: Array) -> Array:
    """Poses (T, J, 3) in the size that fits each true pose best."""
    size = (poses * truth).sum(axis=(1, 2)) / np.maximum((poses**2).sum(axis=(1, 2)), 1e-12)
    fitted: Array = poses * size[:, None, None]
    return fitted


def two_depths(case: Case, joints: Skeleton) -> tuple[Array, Array, Array]:
    """Of the bone at :data:`SHOWN`: both depths (T, 2), the lifter's (T,), and the chosen ones (T,), in distances from root to head."""
    kept: dict[str, Array] = {}

    def remember(values: Array, costs: Array, settings: Settings, children: list[str]) -> Any:
        chosen = signs_of(values, costs, settings, children)
        if SHOWN in children:
            k = children.index(SHOWN)
            kept["both"], kept["chosen"] = values[k], np.take_along_axis(values[k], chosen[k][:, None], axis=1)[:, 0]
        return chosen

    poses = track(case.from_smooth, case.smooth, joints, noise=case.noise, signs=remember)
    child = joints.index(SHOWN)
    parent = next(start for start, end in joints.bones if end == child)
    unit = np.linalg.norm(poses[:, joints.index("head_top")], axis=1).mean()
    lifted = scaled(case.from_smooth, poses)
    return kept["both"], (lifted[:, child, 2] - lifted[:, parent, 2]) / unit, kept["chosen"]


def draw_idea(path: str, case: Case, joints: Skeleton) -> None:
    """The two places of a joint on its ray, and the depths of one bone over a clip."""
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    both, lifted, chosen = two_depths(case, joints)
    truth = relative(case)
    child = joints.index(SHOWN)
    parent = next(start for start, end in joints.bones if end == child)
    unit = np.linalg.norm(truth[:, joints.index("head_top")], axis=1).mean()
    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.9))
    _two_places(left)
    seconds = np.arange(len(both)) / 30.0
    right.plot(seconds, both, ".", color="#bbbbbb", markersize=3)
    right.plot([], [], ".", color="#bbbbbb", label="two places")
    right.plot(seconds, lifted, color="#d6604d", linewidth=1.2, label="lifter")
    right.plot(seconds, (truth[:, child, 2] - truth[:, parent, 2]) / unit, color="#4d4d4d", linewidth=1.2, linestyle="--", label="truth")
    right.plot(seconds, chosen, color="#2166ac", linewidth=1.6, label="chosen sequence")
    right.set_xlabel("s")
    right.set_ylabel("depth from elbow to wrist\n(distances from root to head)")
    right.legend(fontsize=8, ncols=4, loc="upper center")
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.2 * (high - low))
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.rpartition(".")[2], dpi=110)


def _two_places(axes: Axes) -> None:
    """A camera, a ray, and the two places on it at the length of a bone from its parent."""
    parent, length = np.array([3.0, 0.25]), 0.8
    ray = np.array([1.0, 0.28])
    along = ray @ parent / (ray @ ray)
    reach = np.sqrt(along**2 - (parent @ parent - length**2) / (ray @ ray))
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    axes.plot(parent[0] + length * np.cos(angle), parent[1] + length * np.sin(angle), ":", color="#999999")
    axes.plot([0.0, 4.2], [0.0, 4.2 * ray[1]], color="#999999", linewidth=1)
    for place, words in ((along - reach, "near"), (along + reach, "far")):
        x, y = place * ray
        axes.plot([parent[0], x], [parent[1], y], color="#2166ac", linewidth=2)
        axes.plot(x, y, "o", color="#2166ac")
        axes.annotate(words, (x, y), xytext=(-4, 7), textcoords="offset points", fontsize=9, ha="right")
    axes.plot(*parent, "o", color="#4d4d4d")
    axes.annotate("parent", (parent[0], parent[1]), xytext=(4, -12), textcoords="offset points", fontsize=9)
    axes.plot(0.0, 0.0, "s", color="#4d4d4d")
    axes.annotate("camera", (0.0, 0.0), xytext=(0, -14), textcoords="offset points", fontsize=9)
    axes.set_aspect("equal")
    axes.set_axis_off()


def draw_worst(path: str, ids: Sequence[str], cases: Sequence[Case], joints: Skeleton) -> None:
    """One frame, that of the median error, of each of the clips whose tracked poses are worst; a row lifted, a row tracked."""
    tracked = [track(case.from_smooth, case.smooth, joints, noise=case.noise) for case in cases]
    errors = [pa_mpjpe(poses, relative(case)) for poses, case in zip(tracked, cases, strict=True)]
    worst = sorted(range(len(cases)), key=lambda n: -float(errors[n].mean()))[:WORST]
    frames = [int(errors[n].argsort()[len(errors[n]) // 2]) for n in worst]
    before = [pa_mpjpe(cases[n].lifted, relative(cases[n])).mean() for n in worst]
    titles = [f"{ids[n]}\n{old:.0f} to {errors[n].mean():.0f} mm" for n, old in zip(worst, before, strict=True)]

    def shown(poses: Sequence[Array]) -> list[Array]:
        return [scaled(poses[n], relative(cases[n]))[frame] for n, frame in zip(worst, frames, strict=True)]

    rows = {"lifted": shown([case.lifted for case in cases]), "tracked": shown(tracked)}
    draw_poses(path, [relative(cases[n])[frame] for n, frame in zip(worst, frames, strict=True)], rows, titles, joints)


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("lifter", help="a run, or another lifter: docs/lifters.md")
    parser.add_argument("--root", required=True, help="folder of cmu")
    parser.add_argument("--clip", default=CLIP, help="clip of the figure of the idea (default: %(default)s)")
    parser.add_argument("--idea", metavar="FILE", help="figure of the idea, .png, .pdf or .svg")
    parser.add_argument("--worst", metavar="FILE", help="figure of the worst clips")
    args = parser.parse_args()
    dataset = open_dataset("cmu", args.root)
    lifter = lifter_maker(args.lifter, threads=1)(dataset)
    joints = skeleton(lifter.info.skeleton)
    ids = [id for id in dataset.infos if id.startswith(f"{SUBJECT}/")]
    if args.idea:
        draw_idea(args.idea, case_of(lifter, dataset.load(args.clip), "gt"), joints)
    if args.worst:
        draw_worst(args.worst, ids, [case_of(lifter, dataset.load(id), "gt") for id in ids], joints)


if __name__ == "__main__":
    main()
