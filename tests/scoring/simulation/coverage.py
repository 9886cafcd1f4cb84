"""How often do 95 % intervals hold the truth? A simulation with a known truth, takes resampled against frames resampled.

    python tests/scoring/simulation/coverage.py > docs/coverage.md
    python tests/scoring/simulation/coverage.py flat.sums.npz      # the spread in a result of `posebench score --per-frame`

The spread is that of `flat` on the `cmu` test takes (PA-MPJPE by frame, `posebench score --per-frame`): takes differ with a standard
deviation of 12.7 mm, cameras of one take with 4.0 mm, frames of one clip with 18.0 mm and a correlation of 0.93 from one to the next.
Take lengths are those of the 39 test takes.
"""

from __future__ import annotations

import csv
import sys
from importlib import resources

import numpy as np

from posebench.scoring import intervals as stats
from posebench.scoring.sums import Row, average

TRUTH, TAKE, CAMERA, FRAME, LAG = 99.3, 12.7, 4.0, 18.0, 0.93
TEST = ("S07", "S09", "S29", "S35", "S135")
TRIALS = 1000
CAMERAS = 4


def cmu_lengths() -> list[int]:
    """Frames at 30 Hz of the 39 test takes of `cmu`."""
    with resources.files("posebench.data.cmu").joinpath("takes.csv").open(encoding="utf-8") as file:
        return [-(-int(row["frames"]) // 4) for row in csv.DictReader(file) if row["subject"] in TEST]


def simulate(random: np.random.Generator, lengths: list[int], actions: list[float]) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums (takes,), counts (takes,) and the variance of all frames, of one simulated test set; ``actions`` are known offsets."""
    total, count, squares, mean = [], [], 0.0, 0.0
    for length, action in zip(lengths, actions, strict=True):
        values = np.empty((CAMERAS, length))
        noise = random.normal(0.0, FRAME * np.sqrt(1 - LAG**2), (CAMERAS, length))
        noise[:, 0] = random.normal(0.0, FRAME, CAMERAS)
        values[:, 0] = noise[:, 0]
        for t in range(1, length):
            values[:, t] = LAG * values[:, t - 1] + noise[:, t]
        values += TRUTH + action + random.normal(0.0, TAKE) + random.normal(0.0, CAMERA, (CAMERAS, 1))
        total.append(values.sum())
        count.append(values.size)
        squares += (values**2).sum()
        mean += values.sum()
    n = sum(count)
    return np.array(total), np.array(count, dtype=float), squares / n - (mean / n) ** 2


def coverage(lengths: list[int], labels: list[str], kind: str, trials: int) -> tuple[float, float, float, float]:
    """Share of intervals that hold the truth, and their mean width: takes resampled, then frames resampled."""
    random = np.random.default_rng(0)
    names = sorted(set(labels))
    offsets = dict(zip(names, np.linspace(-15, 15, len(names)) if len(names) > 1 else [0.0], strict=True))
    actions = [float(offsets[label]) for label in labels]
    rows = [Row("", "", str(i), "", label) for i, label in enumerate(labels)]
    draw = stats.resample(rows, kind)
    held, widths = np.zeros(2), np.zeros(2)
    expected = average(rows, TRUTH * np.array(lengths, float) + np.array(actions) * lengths, np.array(lengths, float), kind)
    for _ in range(trials):
        total, count, variance = simulate(random, lengths, actions)
        low, high = stats.interval(rows, total, count, kind, draw)
        value = float(average(rows, total, count, kind))
        # So many frames resampled one by one give the normal interval; weights follow the average's own.
        weights = _frame_weights(rows, count, kind)
        half = 1.96 * np.sqrt(variance * (weights**2 * count).sum())
        for i, (a, b) in enumerate(((low, high), (value - half, value + half))):
            held[i] += a <= expected <= b
            widths[i] += (b - a) / trials
    return held[0] / trials, widths[0], held[1] / trials, widths[1]


def _frame_weights(rows: list[Row], count: np.ndarray, kind: str) -> np.ndarray:
    """Weight of a single frame of each take in the average."""
    if kind == "frame":
        return np.full(len(count), 1 / count.sum())
    if kind == "take":
        return 1 / (count * len(count))
    labels = np.array([row.action for row in rows])
    return np.array([1 / (count[labels == label].sum() * len(set(labels))) for label in labels])


def measured(path: str, metric: str = "PA-MPJPE") -> str:
    """The spread of a metric in the sums of a result that kept its frames, in words."""
    takes: dict[str, list[np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as sums:
        for key in sums.files:
            if key.startswith("frames/") and key.endswith("/" + metric):
                clip = key.removeprefix("frames/").removesuffix("/" + metric)
                takes.setdefault(clip.rsplit("/", 1)[0], []).append(sums[key])
    means = [[clip.mean() for clip in clips] for clips in takes.values()]
    clips = [clip for clips in takes.values() for clip in clips if clip.std() > 0]
    return (
        f"{len(takes)} takes, mean {np.mean([np.mean(m) for m in means]):.1f}: standard deviation of takes "
        f"{np.std([np.mean(m) for m in means], ddof=1):.1f}, of cameras {np.mean([np.std(m, ddof=1) for m in means]):.1f}, "
        f"of frames {np.mean([clip.std() for clip in clips]):.1f}; correlation of neighbours "
        f"{np.mean([np.corrcoef(clip[:-1], clip[1:])[0, 1] for clip in clips]):.2f}"
    )


def main() -> None:
    """Print the page."""
    lengths = cmu_lengths()
    h36m_like = [200] * 60
    actions = [f"action {i // 4}" for i in range(60)]
    designs = [
        ("`cmu`: 39 takes, average `take` (its headline)", lengths, [""] * 39, "take"),
        ("`cmu`: 39 takes, average `frame` (7 takes of S29 hold half of the frames)", lengths, [""] * 39, "frame"),
        ("`synthetic`-like: 15 actions x 4 takes, average `action`", h36m_like, actions, "action"),
        ("10 takes of 200 frames, average `take`", [200] * 10, [""] * 10, "take"),
        *((f"{n} takes of 200 frames, average `take`", [200] * n, [""] * n, "take") for n in (8, 6, 4, 3, 2)),
        ("15 actions x 2 takes, average `action`", [200] * 30, actions[::2], "action"),
        ("3 takes of 100, 300 and 1000 frames, average `frame`", [100, 300, 1000], [""] * 3, "frame"),
    ]
    rows = []
    for name, frames, labels, kind in designs:
        take, take_width, frame, frame_width = coverage(frames, labels, kind, TRIALS)
        rows.append(f"| {name} | {100 * take:.1f} % | {take_width:.1f} | {100 * frame:.1f} % | {frame_width:.2f} |")
    print("# Coverage of the intervals\n")
    print(
        "Made by `python tests/scoring/simulation/coverage.py > docs/coverage.md`; numpy "
        + np.__version__
        + f", {TRIALS} simulated test sets a row.\n"
    )
    print(__doc__.split("\n\n", 2)[2].strip() + "\n")
    print("An interval should contain the true average in 95 % of the cases (with 1000 trials, 93.6 to 96.4 % is within chance).\n")
    print("| design | over takes: coverage | width mm | frames resampled: coverage | width mm |")
    print("|---|---:|---:|---:|---:|")
    print("\n".join(rows))
    print(
        "\nUp to 7 takes (more, where the average is over actions with 2 or 3 takes each) the interval is Student's t with the"
        "\njackknife's standard error over takes; above, the bootstrap's. With few takes of very different length the average by frame"
        "\ndepends on one or two of them, and the interval is too narrow."
        "\n\nResampling frames gives far too narrow intervals, because frames and cameras of one take are strongly correlated."
        "\nResampling takes covers the variation between takes like these. The variation between subjects is not in these intervals."
    )


if __name__ == "__main__":
    print(measured(sys.argv[1])) if len(sys.argv) > 1 else main()
