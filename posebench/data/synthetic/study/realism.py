"""How real is ``synthetic``: ``python -m posebench.data.synthetic.study.realism --root DIR -o docs/realism``.

Measures the distance of the dataset from the CMU training takes, on which its statistics were measured. The yardstick is the distance of
the CMU test takes from them: the difference that other people and other actions make. Writes ``report.md``, ``angles.png`` and
``spectrum.png``.

**Convention.** World y up, mm, degrees. Actions of a set have equal weights, and so have takes of an action. A ratio is the distance of
``synthetic`` over the yardstick; above :data:`LIMIT` it counts as a defect.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from posebench.data.clip import Dataset
from posebench.data.cmu.dataset import open_cmu
from posebench.data.synthetic.body import SKELETON, Array
from posebench.data.synthetic.dataset import open_synthetic
from posebench.data.synthetic.study.angles import angles, stance
from posebench.metrics.alignment import residuals

#: Poses per set, and how many of them are compared with their nearest neighbour in another set.
POSES, QUERIES = 3000, 600
EDGES_HZ = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0)
LIMIT = 2.0
#: Title of a comparison to the actions of the captured and of the synthetic takes; empty for all actions.
COMPARISONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "All actions": ((), ()),
    "Walking only": (("walk",), ("Walking", "Turning")),
}
#: Actions with less captured time, s, are left out: they are a single pose (on a motorcycle), which would inflate the yardstick.
SHORTEST_S = 5.0


@dataclass(frozen=True, eq=False)
class Sample:
    """One set of takes.

    Attributes:
        name: for the legends.
        poses: (N, 17, 3) mm, world.
        spectrum: mean power in the bands of :data:`EDGES_HZ`.
        speeds: name to quantiles (M,) mm/s.
        bones: bone lengths (S, 16) mm of each subject.
    """

    name: str
    poses: Array
    spectrum: Array
    speeds: dict[str, Array]
    bones: Array


@dataclass(frozen=True)
class Row:
    """One line of the report: distances of both sets from the CMU training takes."""

    quantity: str
    unit: str
    yardstick: float
    synthetic: float

    @property
    def ratio(self) -> float:
        """Distance of synthetic over the yardstick."""
        return self.synthetic / self.yardstick if self.yardstick else float("inf")


def sample(dataset: Dataset, split: str | None, name: str, actions: tuple[str, ...] = ()) -> Sample:
    """Poses and motion of a split, or of some of its actions; each action and each take of an action with equal weight."""
    stream = np.random.RandomState(0)
    by_action: dict[str, list[str]] = {}
    for id in dataset.clip_ids(split):
        info = dataset.infos[id]
        if info.camera == "c0" and (not actions or info.action in actions):
            by_action.setdefault(info.action, []).append(id)
    poses, spectra = [], []
    speeds: dict[str, list[Array]] = {}
    bones: dict[str, Array] = {}
    for members in by_action.values():
        if sum(dataset.infos[id].frames for id in members) < SHORTEST_S * dataset.fps:
            continue
        # Expected number of poses per take: the integer part, and one more with the probability of the rest.
        share = POSES / len(by_action) / len(members)
        spectrum = []
        moved: dict[str, list[Array]] = {}
        for id in members:
            clip = dataset.load(id)
            assert clip.camera is not None
            world = clip.camera.to_world(clip.pose)
            count = int(share) + int(stream.uniform() < share % 1.0)
            poses.append(world[stream.randint(0, len(world), count)])
            relative = world - world[:, :1]
            spectrum.append(_spectrum(relative, dataset.fps))
            for kind, speed in _speeds(world, dataset.fps).items():
                moved.setdefault(kind, []).append(np.quantile(speed, (np.arange(20) + 0.5) / 20))
            bones.setdefault(clip.info.subject, _lengths(world).mean(axis=0))
        spectra.append(_mean(spectrum))
        for kind, values in moved.items():
            speeds.setdefault(kind, []).append(np.quantile(np.concatenate(values), (np.arange(60) + 0.5) / 60))
    return Sample(
        name,
        np.concatenate(poses),
        _mean(spectra),
        {kind: np.concatenate(parts) for kind, parts in speeds.items()},
        np.stack(list(bones.values())),
    )


def _speeds(world: Array, fps: float) -> dict[str, Array]:
    """Speeds (T - 1,) mm/s by name, of world poses (T, 17, 3): of joints about the pelvis (mean), of the pelvis, of the lower ankle."""
    steps = np.diff(world, axis=0) * fps
    ankles = [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")]
    lower = np.argmin(world[:-1, ankles, 1], axis=1)
    return {
        "joints about the pelvis": np.linalg.norm(steps - steps[:, :1], axis=2).mean(axis=1),
        "pelvis, horizontal": np.linalg.norm(steps[:, 0, [0, 2]], axis=1),
        "pelvis, vertical": np.abs(steps[:, 0, 1]),
        "lower ankle, horizontal": np.linalg.norm(steps[:, ankles][np.arange(len(steps)), lower][:, [0, 2]], axis=1),
    }


def _lengths(poses: Array) -> Array:
    """Bone lengths (N, 16) mm."""
    return np.stack([np.linalg.norm(poses[:, child] - poses[:, parent], axis=1) for parent, child in SKELETON.bones], axis=1)


def _spectrum(relative: Array, fps: float) -> Array:
    """Power of the joints' velocity, (mm/s)^2/Hz, in the bands of :data:`EDGES_HZ`; NaN in a band without a line."""
    velocity = np.diff(relative, axis=0).reshape(len(relative) - 1, -1) * fps
    window = np.hanning(len(velocity) + 2)[1:-1]
    frequency = np.fft.rfftfreq(len(velocity), 1.0 / fps)
    power = (np.abs(np.fft.rfft((velocity - velocity.mean(axis=0)) * window[:, None], axis=0)) ** 2).sum(axis=1)
    power *= 2.0 / (fps * np.sum(window**2)) / len(SKELETON)
    out = np.full(len(EDGES_HZ) - 1, np.nan)
    for band, (low, high) in enumerate(pairwise(EDGES_HZ)):
        lines = power[(frequency >= low) & (frequency < high)]
        if len(lines):
            out[band] = lines.mean()
    return out


def _mean(spectra: list[Array]) -> Array:
    """Mean over takes in each band, over those that have a line in it."""
    stacked = np.stack(spectra)
    has_line = np.isfinite(stacked)
    out: Array = np.where(has_line, stacked, 0.0).sum(axis=0) / np.where(has_line.any(axis=0), has_line.sum(axis=0), np.nan)
    return out


def wasserstein(a: Array, b: Array) -> float:
    """First Wasserstein distance of two samples: the mean absolute difference of their quantiles."""
    levels = (np.arange(500) + 0.5) / 500
    return float(np.mean(np.abs(np.quantile(a, levels) - np.quantile(b, levels))))


def nearest(queries: Array, reference: Array) -> Array:
    """PA-MPJPE (N,) mm of each query pose against its nearest neighbour in ``reference``."""
    out = np.empty(len(queries))
    for k, pose in enumerate(queries):
        truth = np.broadcast_to(pose, reference.shape)
        out[k] = residuals(reference, truth, ["similarity"]).errors["similarity"].mean(axis=1).min()
    return out


def compare(train: Sample, test: Sample, synthetic: Sample) -> list[Row]:
    """Every line of the report."""
    rows = []

    def add(quantity: str, unit: str, distance: Callable[[Sample], float]) -> None:
        rows.append(Row(quantity, unit, distance(test), distance(synthetic)))

    queries = slice(0, None, max(1, POSES // QUERIES))
    add("nearest neighbour in CMU train, PA", "mm", lambda other: float(nearest(other.poses[queries], train.poses).mean()))
    add("nearest neighbour of CMU train, PA", "mm", lambda other: float(nearest(train.poses[queries], other.poses).mean()))
    joint_angles = {sample.name: angles(sample.poses) for sample in (train, test, synthetic)}
    for name, values in joint_angles[train.name].items():
        add(f"angle: {name}", "deg", lambda other, name=name, values=values: wasserstein(joint_angles[other.name][name], values))  # type: ignore[misc]
    stances = {sample.name: stance(sample.poses) for sample in (train, test, synthetic)}
    for name, values in stances[train.name].items():
        add(f"stance: {name}", "mm", lambda other, name=name, values=values: wasserstein(stances[other.name][name], values))  # type: ignore[misc]
    pairs = np.array(SKELETON.bone_pairs)
    add("bones: mean length", "mm", lambda other: float(np.abs(other.bones.mean(axis=0) - train.bones.mean(axis=0)).mean()))
    add("bones: spread over subjects", "mm", lambda other: float(np.abs(other.bones.std(axis=0) - train.bones.std(axis=0)).mean()))

    def asymmetry(of: Sample) -> Array:
        out: Array = np.abs(of.bones[:, pairs[:, 0]] - of.bones[:, pairs[:, 1]]).mean(axis=0)
        return out

    add("bones: left against right", "mm", lambda other: float(np.abs(asymmetry(other) - asymmetry(train)).mean()))
    for name, values in train.speeds.items():
        add(f"speed: {name}", "mm/s", lambda other, name=name, values=values: wasserstein(other.speeds[name], values))  # type: ignore[misc]
    add(
        "spectrum of the joints' velocity about the pelvis",
        "dB",
        lambda other: float(np.sqrt(np.mean((10 * np.log10(other.spectrum / train.spectrum)) ** 2))),
    )
    return rows


def report(tables: dict[str, tuple[list[Row], list[Sample]]]) -> str:
    """The report as markdown: a table for each title."""
    lines = [
        "# How real is `synthetic`?",
        "",
        "Written by `python -m posebench.data.synthetic.study.realism --root DIR -o docs/realism`.",
        "Every number is the distance of a set from the CMU training takes. The yardstick is the distance of the CMU test takes, which",
        "have other people and other actions. Angles, stance and speed: first Wasserstein distance. Actions have equal weights, and so",
        f"have the takes of an action; actions with less than {SHORTEST_S:g} s of captured motion are left out.",
    ]
    for title, (rows, samples) in tables.items():
        angle_rows = [row for row in rows if row.quantity.startswith("angle")]
        defects = [row for row in rows if row.ratio > LIMIT]
        lines += [
            "",
            f"## {title}",
            "",
            f"{len(rows)} quantities, {len(defects)} above {LIMIT:g} times the yardstick"
            + (": " + ", ".join(f"{row.quantity} ({row.ratio:.2f})" for row in defects) if defects else "")
            + f". Mean over the {len(angle_rows)} angles: yardstick {np.mean([row.yardstick for row in angle_rows]):.2f} deg, synthetic"
            f" {np.mean([row.synthetic for row in angle_rows]):.2f} deg. Poses: "
            + ", ".join(f"{sample.name} {len(sample.poses):,}" for sample in samples)
            + f"; {QUERIES} of each searched for their nearest neighbour.",
            "",
            "| quantity | unit | yardstick | synthetic | ratio |",
            "|---|---|---:|---:|---:|",
        ]
        lines += [f"| {row.quantity} | {row.unit} | {row.yardstick:.2f} | {row.synthetic:.2f} | {row.ratio:.2f} |" for row in rows]
    lines += ["", "## Plots", "", "![distributions of the angles](angles.png)", "", "![spectrum of the joints' velocity](spectrum.png)", ""]
    return "\n".join(lines)


def draw(samples: list[Sample], folder: Path) -> None:
    """``angles.png``: the density of each angle; ``spectrum.png``: power of velocity over frequency."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    joint_angles = [angles(sample.poses) for sample in samples]
    colours = ("black", "tab:blue", "tab:orange")
    figure = Figure(figsize=(18, 15), layout="constrained")
    for axis, name in zip(figure.subplots(-(-len(joint_angles[0]) // 6), 6).ravel(), [*joint_angles[0]], strict=False):
        pooled = np.concatenate([item[name] for item in joint_angles])
        low, high = np.quantile(pooled, (0.001, 0.999))
        bins = np.linspace(low, high, 50)
        for sample, item, colour in zip(samples, joint_angles, colours, strict=True):
            axis.hist(item[name], bins=bins, density=True, histtype="step", color=colour, label=sample.name)
        axis.set_title(f"{name} (deg)", fontsize=10)
        axis.set_yticks([])
    figure.axes[0].legend(fontsize=8)
    for axis in figure.axes[len(joint_angles[0]) :]:
        axis.set_axis_off()
    figure.savefig(folder / "angles.png", dpi=60)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    middle = np.sqrt(np.array(EDGES_HZ[:-1]) * EDGES_HZ[1:])
    for sample, colour in zip(samples, colours, strict=True):
        axis.loglog(middle, sample.spectrum, color=colour, label=sample.name)
    axis.set_xlabel("Hz")
    axis.set_ylabel("power of joint velocity, (mm/s)²/Hz")
    axis.legend()
    figure.savefig(folder / "spectrum.png", dpi=80)


def main() -> None:
    """Write the report and its plots."""
    parser = argparse.ArgumentParser(description="Compare the synthetic dataset with captured motion.")
    parser.add_argument("--root", required=True, help="folder of the CMU files")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    cmu, generated = open_cmu(args.root), open_synthetic()
    tables = {}
    for title, (captured_actions, synthetic_actions) in COMPARISONS.items():
        samples = [
            sample(cmu, "train", "CMU train", captured_actions),
            sample(cmu, "test", "CMU test", captured_actions),
            sample(generated, None, "synthetic", synthetic_actions),
        ]
        tables[title] = compare(*samples), samples
    text = report(tables)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "report.md").write_text(text, encoding="utf-8")
    draw(tables["All actions"][1], args.output)
    print(text)


if __name__ == "__main__":
    main()
