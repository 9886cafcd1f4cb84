"""Measure the statistics table of ``synthetic``: ``python -m posebench.data.synthetic.study.table --root DIR``.

It reads the CMU **training** subjects only, and writes means, spreads, quantiles, covariances and band spectra: nothing from which a
take could be played back. Every take of an action weighs alike.

Method: Gaussian copula for the distribution of each angle (Nelsen, *An Introduction to Copulas*, section 2.3), Welch-style averaged
periodograms for power and phase relations, analytic-signal phase for gaits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist

import numpy as np

from posebench.data.cmu.dataset import SPLITS
from posebench.data.registry import DATASETS
from posebench.data.synthetic.angles import FPS, Captured, read_training_takes, rotation_vectors, swings
from posebench.data.synthetic.body import BALLS, CHANNELS, DIRECTIONS, HINGES, SKELETON, WELDED, Array, Shape, columns
from posebench.data.synthetic.motion import Action
from posebench.data.synthetic.spectrum import EDGES_HZ, covariance_in_time, fitted_filter, power_in_bands

#: Integers in the file, times this, are the numbers: so few people tell no more than a thousandth of a radian or of a score.
UNIT = 0.001
LEVELS = np.linspace(-2.5, 2.5, 17)
COMPONENTS = 14
HARMONICS = 4
#: Lower than this, mm, a foot stands, and how high is noise of the capture.
LOWEST_LIFT = 20.0
#: Higher leaps, mm, would need the laws of flight, which a random process does not know.
HIGHEST_LIFT = 300.0

#: Synthetic action to the captured takes that it is measured on: labels of ``posebench/data/cmu/takes.csv``, or trials.
SOURCES: dict[str, tuple[str, ...]] = {
    "Walking": (
        "03_01",
        "03_03",
        "05_01",
        "16_16",
        "16_21",
        "16_22",
        "16_31",
        "16_32",
        "16_33",
        "16_34",
        "16_47",
        "16_58",
        "131_01",
        "131_02",
    ),
    "Turning": ("walk",),
    "Running": ("run",),
    "Jumping": ("jump",),
    "Dancing": ("dance",),
    "Climbing": ("climb",),
    "Creeping": ("obstacle", "walk_style"),
    "Boxing": ("box",),
    "Mopping": ("14_13",),
    "Washing": ("clean",),
    "Drinking": ("drink",),
    "Gesturing": ("gesture",),
    "Exercising": ("exercise",),
    "Reaching": ("reach_pickup",),
    "Sitting": ("sit",),
}
GAITS = ("Walking", "Turning", "Running")
#: Where the capture leaves the flat floor, the height of the feet says nothing.
FLAT = ("Running", "Jumping", "Dancing", "Exercising", "Reaching", "Boxing")


def action_of(take: Captured) -> str:
    """The synthetic action that a take feeds: its trial's if one lists it, else its label's."""
    by = {source: action for action, sources in SOURCES.items() for source in sources}
    return by.get(take.take.trial) or by[take.take.action]


def measure(takes: Sequence[Captured]) -> dict[str, object]:
    """The table as JSON values."""
    rest = _rest(takes)
    bones = _bones(takes)
    person = Shape(_typical_lengths(bones), rest)
    grouped: dict[str, list[Array]] = {action: [] for action in SOURCES}
    bodies: dict[str, list[Array]] = {action: [] for action in SOURCES}
    for take in takes:
        values = take.free.copy()
        for name in BALLS:
            values[:, columns(name)] = rotation_vectors(rest[name].T @ take.relative(name))
        for name in DIRECTIONS:
            values[:, columns(name)] = swings(take.directions[name], rest[name])
        if action_of(take) not in FLAT:
            values[:, columns("lift")] = 0.0
        lift = values[:, columns("lift")]
        values[:, columns("lift")] = np.where(lift < LOWEST_LIFT, 0.0, np.minimum(lift, HIGHEST_LIFT))
        grouped[action_of(take)].append(values)
        bodies[action_of(take)].append((take.joints - take.joints[:, :1]).reshape(len(values), -1))
    ankles = [np.quantile(t.joints[:, [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")], 1].min(axis=1), 0.05) for t in takes]
    return {
        # Part of the dataset's fingerprint, hence worded as in the table that was measured first.
        "about": "statistics of joint angles and bones, measured by posebench.data.synthetic_table on the training subjects of cmu",
        "acknowledgment": DATASETS["cmu"].acknowledgement,
        "subjects": list(SPLITS["train"]),
        "unit": UNIT,
        "channels": list(CHANNELS),
        "levels": LEVELS.tolist(),
        "edges_hz": list(EDGES_HZ),
        "ankle_height": round(float(np.median(ankles)), 1),
        "rest": {name: np.round(frame, 12).tolist() for name, frame in rest.items()},
        "bones": bones,
        "actions": {action: _action(action, members, bodies[action], person) for action, members in grouped.items()},
    }


def _rest(takes: Sequence[Captured]) -> dict[str, Array]:
    """Mean rotation of each ball (chordal mean), a frame along each mean direction, and the spread of the welded ones."""
    rest: dict[str, Array] = {}
    for name in BALLS:
        u, _, vt = np.linalg.svd(sum(take.relative(name).mean(axis=0) for take in takes))
        rest[name] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    for name in DIRECTIONS:
        rest[name] = _along(np.mean([take.directions[name].mean(axis=0) for take in takes], axis=0))
    for name in WELDED:
        people = {take.take.subject: take.directions[name].mean(axis=0) for take in takes}
        rest[name] = _along(np.mean(list(people.values()), axis=0))
        rest[f"{name}_spread"] = swings(np.array(list(people.values())), rest[name]).std(axis=0, ddof=1)
    return rest


def _along(direction: Array) -> Array:
    """A frame whose third column is along ``direction``."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _bones(takes: Sequence[Captured]) -> dict[str, dict[str, list[float]]]:
    """For each bone: log length (mean, share of body size, spread beside it), half the log of left over right (mean, spread)."""
    people = {take.take.subject: take.joints for take in takes}
    logs: dict[str, Array] = {}
    for child, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            logs[SKELETON.joints[child]] = np.array(
                [np.log(np.linalg.norm(pose[:, child] - pose[:, parent], axis=1).mean()) for pose in people.values()]
            )
    names = list(dict.fromkeys(joint.removeprefix("l_").removeprefix("r_") for joint in logs))
    pairs = {name: (logs[f"l_{name}"], logs[f"r_{name}"]) if f"l_{name}" in logs else (logs[name], logs[name]) for name in names}
    means = {name: (left + right) / 2 for name, (left, right) in pairs.items()}
    size = np.mean([value - value.mean() for value in means.values()], axis=0)
    size /= size.std(ddof=1)
    out = {}
    for name, (left, right) in pairs.items():
        share = float(np.sum(size * (means[name] - means[name].mean())) / np.sum(size**2))
        beside = means[name] - means[name].mean() - share * size
        half = (left - right) / 2
        out[name] = {
            "log_length": [round(float(v), 4) for v in (means[name].mean(), share, beside.std(ddof=1))],
            "half_log_left_over_right": [round(float(v), 4) for v in (half.mean(), half.std(ddof=1))],
        }
    return out


def _typical_lengths(bones: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    return {joint: float(np.exp(bones[joint.removeprefix("l_").removeprefix("r_")]["log_length"][0])) for joint in SKELETON.joints[1:]}


def _action(action: str, takes: list[Array], bodies: list[Array], person: Shape) -> dict[str, object]:
    phases = [_stride(take) for take in takes] if action in GAITS else []
    if phases:
        typical = np.median(np.concatenate([amplitude for _, amplitude in phases]))
        walking = [amplitude > 0.5 * typical for _, amplitude in phases]
        kept = [k for k, mask in enumerate(walking) if mask.sum() > FPS / 2]
        # The longest stretch without a stop, so that time stays even.
        spans = [_longest(walking[k]) for k in kept]
        takes = [takes[k][span] for k, span in zip(kept, spans, strict=True)]
        bodies = [bodies[k][span] for k, span in zip(kept, spans, strict=True)]
        phases = [(phases[k][0][span], phases[k][1][span]) for k, span in zip(kept, spans, strict=True)]
    weights = np.concatenate([np.full(len(take), 1.0 / len(take)) for take in takes])
    weights /= weights.sum()
    pooled = np.concatenate(takes)
    quantiles, scores = _copula(pooled, weights)

    cycle = np.zeros((len(CHANNELS), 0))
    cadence: list[float] = []
    if phases:
        phase = np.concatenate([phase for phase, _ in phases])
        harmonics = np.arange(1, HARMONICS + 1) * phase[:, None]
        design = np.concatenate([np.cos(harmonics), np.sin(harmonics)], axis=1)
        cycle = np.linalg.lstsq(design * np.sqrt(weights)[:, None], scores * np.sqrt(weights)[:, None], rcond=None)[0].T
        scores = scores - design @ cycle.T
        pace = np.log([(phase[-1] - phase[0]) / (2 * np.pi * (len(phase) - 1) / FPS) for phase, _ in phases])
        cadence = [round(float(pace.mean()), 4), round(float(pace.std()), 4)]

    covariance = (scores * weights[:, None]).T @ scores
    components = np.linalg.eigh(covariance).eigenvectors[:, ::-1][:, :COMPONENTS]
    reduced = np.split(scores @ components, np.cumsum([len(take) for take in takes])[:-1])
    between, bands = covariance_in_time(reduced)
    # Each channel gets back what the dropped components and the gaps between the lines of a short take held.
    power = between @ between.T + sum(
        (factor @ factor.conj().T).real * (high - low) for factor, (low, high) in zip(bands, pairwise(EDGES_HZ), strict=True)
    )
    modelled = np.sqrt(np.einsum("dk,kl,dl->d", components, power, components))
    components = components * (np.sqrt(np.diag(covariance)) / np.maximum(modelled, 1e-9))[:, None]
    bent = np.ones((len(CHANNELS), len(EDGES_HZ) - 1))
    model = Action(quantiles, components, between, bands, bent, cycle, tuple(cadence))
    bent = fitted_filter(model, LEVELS, person, power_in_bands(takes, FPS), power_in_bands(bodies, FPS))
    return {
        "takes": len(takes),
        "seconds": round(len(pooled) / FPS, 1),
        "quantiles": _integers(quantiles),
        "components": _integers(components),
        "between": _integers(between),
        "filter": _integers(bent),
        "bands": [[_integers(factor.real), _integers(factor.imag)] for factor in bands],
        "cycle": _integers(cycle),
        "cadence": cadence,
    }


def _copula(pooled: Array, weights: Array) -> tuple[Array, Array]:
    """Quantiles (D, Q) at :data:`LEVELS` and normal scores (N, D) of every channel."""
    grid = np.linspace(-4.0, 4.0, 801)
    shares = np.array([NormalDist().cdf(z) for z in grid])
    wanted = np.array([NormalDist().cdf(z) for z in LEVELS])
    quantiles, scores = np.empty((len(CHANNELS), len(LEVELS))), np.empty_like(pooled)
    for k, name in enumerate(CHANNELS):
        order = np.argsort(pooled[:, k], kind="stable")
        below = np.cumsum(weights[order]) - 0.5 * weights[order]
        quantiles[k] = np.interp(wanted, below, pooled[order, k])
        # Equal values share the middle of their ranks.
        _, tied = np.unique(pooled[order, k], return_inverse=True)
        middle = np.bincount(tied, weights[order] * below) / np.bincount(tied, weights[order])
        scores[order, k] = np.interp(middle, shares, grid)[tied]
        if name in HINGES:
            quantiles[k] = np.maximum(quantiles[k], 0.0)
    return quantiles, scores


def _stride(take: Array) -> tuple[Array, Array]:
    """Unwrapped phase (T,) of the stride, and its amplitude (T,): the analytic signal of left less right thigh."""
    swing = take[:, columns("l_leg").start] - take[:, columns("r_leg").start]
    steps = np.arange(len(swing))
    swing = swing - np.polyval(np.polyfit(steps, swing, 1), steps)
    frequency = np.fft.fftfreq(len(swing), 1.0 / FPS)
    analytic = np.fft.ifft(np.where((frequency > 0.3) & (frequency < 2.5), 2.0, 0.0) * np.fft.fft(swing))
    return np.unwrap(np.angle(analytic)), np.abs(analytic)


def _longest(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    best = int(np.argmax(stops - starts))
    return slice(int(starts[best]), int(stops[best]))


def _integers(values: Array) -> list[list[int]]:
    out: list[list[int]] = np.rint(values / UNIT).astype(int).tolist()
    return out


def main() -> None:
    """Write the table next to this module, or to ``-o``."""
    parser = argparse.ArgumentParser(description="Measure the statistics table of the synthetic dataset on the cmu training subjects.")
    parser.add_argument("--root", required=True, help="folder of the CMU files")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "table.json")
    args = parser.parse_args()
    table = measure(list(read_training_takes(args.root)))
    args.output.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
