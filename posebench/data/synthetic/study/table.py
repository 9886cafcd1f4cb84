"""Measure the statistics table of ``synthetic``: ``python -m posebench.data.synthetic.study.table --root DIR``.

It reads the CMU **training** subjects only, and writes means, standard deviations, quantiles, covariances and band spectra, from which
no take can be reconstructed. Every take of an action has the same weight.

Method: Gaussian copula for the distribution of each angle (Nelsen, *An Introduction to Copulas*, section 2.3), averaged periodograms
(Welch) for power and cross-spectra, phase of the analytic signal for gaits.
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

#: Numbers are stored as integer multiples of this (rad or normal score); a finer unit would be noise, with so few people.
UNIT = 0.001
#: Normal scores at which quantiles are stored.
LEVELS = np.linspace(-2.5, 2.5, 17)
#: Principal components of the scores, and harmonics of the gait cycle.
COMPONENTS, HARMONICS = 14, 4
#: Smaller lifts are set to 0, mm: they are noise of the capture.
LOWEST_LIFT = 20.0
#: Lifts are cut off here, mm: higher leaps follow the laws of flight, which the random process does not model.
HIGHEST_LIFT = 300.0

#: Synthetic action to the captured takes that it is measured on: action labels of ``posebench/data/cmu/takes.csv``, or trials.
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
#: Actions in which both feet may leave the ground. In others the lift is 0: there, raised feet are on stairs or furniture.
AIRBORNE_ACTIONS = ("Running", "Jumping", "Dancing", "Exercising", "Reaching", "Boxing")


def action_of(take: Captured) -> str:
    """The synthetic action that is measured on a take: by its trial if :data:`SOURCES` lists it, else by its label."""
    by = {source: action for action, sources in SOURCES.items() for source in sources}
    return by.get(take.take.trial) or by[take.take.action]


def measure(takes: Sequence[Captured]) -> dict[str, object]:
    """The table as JSON values."""
    rest = _rest(takes)
    bones = _bones(takes)
    person = Shape(_typical_lengths(bones), rest)
    channels: dict[str, list[Array]] = {action: [] for action in SOURCES}
    positions: dict[str, list[Array]] = {action: [] for action in SOURCES}
    for take in takes:
        channels[action_of(take)].append(_channels(take, rest))
        positions[action_of(take)].append((take.joints - take.joints[:, :1]).reshape(len(take.joints), -1))
    ankles = [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")]
    standing_heights = [np.quantile(take.joints[:, ankles, 1].min(axis=1), 0.05) for take in takes]
    return {
        # The file is part of the dataset's fingerprint, so this text, with its former module name, must not change.
        "about": "statistics of joint angles and bones, measured by posebench.data.synthetic_table on the training subjects of cmu",
        "acknowledgment": DATASETS["cmu"].acknowledgement,
        "subjects": list(SPLITS["train"]),
        "unit": UNIT,
        "channels": list(CHANNELS),
        "levels": LEVELS.tolist(),
        "edges_hz": list(EDGES_HZ),
        "ankle_height": round(float(np.median(standing_heights)), 1),
        "rest": {name: np.round(frame, 12).tolist() for name, frame in rest.items()},
        "bones": bones,
        "actions": {action: _action(action, members, positions[action], person) for action, members in channels.items()},
    }


def _channels(take: Captured, rest: dict[str, Array]) -> Array:
    """Channels (T, D) of a take relative to the rest frames."""
    values = take.free.copy()
    for name in BALLS:
        values[:, columns(name)] = rotation_vectors(rest[name].T @ take.relative(name))
    for name in DIRECTIONS:
        values[:, columns(name)] = swings(take.directions[name], rest[name])
    lift = values[:, columns("lift")] if action_of(take) in AIRBORNE_ACTIONS else 0.0
    values[:, columns("lift")] = np.where(lift < LOWEST_LIFT, 0.0, np.minimum(lift, HIGHEST_LIFT))
    return values


def _rest(takes: Sequence[Captured]) -> dict[str, Array]:
    """Rest frame of each joint: the chordal mean rotation of a ball, else a frame along the mean direction.

    ``<name>_spread`` is the standard deviation over people of a welded direction, as a swing (2,) rad.
    """
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
    """A right-handed frame (3, 3) whose third column is along ``direction``."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _bones(takes: Sequence[Captured]) -> dict[str, dict[str, list[float]]]:
    """Statistics of each bone over people, from a model log length = mean + share * body size + residual.

    ``log_length``: mean, share, and standard deviation of the residual. ``half_log_left_over_right``: mean and standard deviation of half
    the log of the left length over the right length.
    """
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
        residual = means[name] - means[name].mean() - share * size
        half = (left - right) / 2
        out[name] = {
            "log_length": [round(float(v), 4) for v in (means[name].mean(), share, residual.std(ddof=1))],
            "half_log_left_over_right": [round(float(v), 4) for v in (half.mean(), half.std(ddof=1))],
        }
    return out


def _typical_lengths(bones: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    return {joint: float(np.exp(bones[joint.removeprefix("l_").removeprefix("r_")]["log_length"][0])) for joint in SKELETON.joints[1:]}


def _action(action: str, takes: list[Array], positions: list[Array], person: Shape) -> dict[str, object]:
    """Statistics of one action as JSON values.

    Args:
        action: its name.
        takes: channels (T, D) of each take.
        positions: joint positions (T, 51) mm relative to the pelvis, of each take.
        person: the typical person, on whom the filter is fitted.
    """
    phases: list[Array] = []
    if action in GAITS:
        takes, positions, phases = _walking_only(takes, positions)
    weights = np.concatenate([np.full(len(take), 1.0 / len(take)) for take in takes])
    weights /= weights.sum()
    pooled = np.concatenate(takes)
    quantiles, scores = _copula(pooled, weights)
    cycle, cadence = np.zeros((len(CHANNELS), 0)), []
    if phases:
        cycle, scores = _gait_cycle(np.concatenate(phases), scores, weights)
        cadence = _cadence(phases)

    covariance = (scores * weights[:, None]).T @ scores
    components = np.linalg.eigh(covariance).eigenvectors[:, ::-1][:, :COMPONENTS]
    reduced = np.split(scores @ components, np.cumsum([len(take) for take in takes])[:-1])
    between, bands = covariance_in_time(reduced)
    # The model lacks the variance of the dropped components, and of the frequencies between the lines of a short take's spectrum.
    # Scaling the components gives each channel its full variance.
    in_bands = sum((factor @ factor.conj().T).real * (high - low) for factor, (low, high) in zip(bands, pairwise(EDGES_HZ), strict=True))
    modelled = np.sqrt(np.einsum("dk,kl,dl->d", components, between @ between.T + in_bands, components))
    components = components * (np.sqrt(np.diag(covariance)) / np.maximum(modelled, 1e-9))[:, None]
    no_filter = np.ones((len(CHANNELS), len(EDGES_HZ) - 1))
    model = Action(quantiles, components, between, bands, no_filter, cycle, tuple(cadence))
    gains = fitted_filter(model, LEVELS, person, power_in_bands(takes, FPS), power_in_bands(positions, FPS))
    return {
        "takes": len(takes),
        "seconds": round(len(pooled) / FPS, 1),
        "quantiles": _integers(quantiles),
        "components": _integers(components),
        "between": _integers(between),
        "filter": _integers(gains),
        "bands": [[_integers(factor.real), _integers(factor.imag)] for factor in bands],
        "cycle": _integers(cycle),
        "cadence": cadence,
    }


def _walking_only(takes: list[Array], positions: list[Array]) -> tuple[list[Array], list[Array], list[Array]]:
    """Of each take of a gait, the longest stretch of walking: channels, positions, and phase (T,) of the stride.

    A frame walks if the amplitude of the stride is more than half the median; takes with less than half a second of that are left out.
    One stretch per take, so that its frames stay evenly spaced in time.
    """
    strides = [_stride(take) for take in takes]
    typical = np.median(np.concatenate([amplitude for _, amplitude in strides]))
    walking = [amplitude > 0.5 * typical for _, amplitude in strides]
    kept = [k for k, mask in enumerate(walking) if mask.sum() > FPS / 2]
    spans = {k: _longest(walking[k]) for k in kept}
    return [takes[k][spans[k]] for k in kept], [positions[k][spans[k]] for k in kept], [strides[k][0][spans[k]] for k in kept]


def _gait_cycle(phase: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Coefficients (D, 2 H) of the mean cycle, by weighted least squares on the phase (N,), and the scores (N, D) without it."""
    harmonics = np.arange(1, HARMONICS + 1) * phase[:, None]
    design = np.concatenate([np.cos(harmonics), np.sin(harmonics)], axis=1)
    root = np.sqrt(weights)[:, None]
    cycle: Array = np.linalg.lstsq(design * root, scores * root, rcond=None)[0].T
    return cycle, scores - design @ cycle.T


def _cadence(phases: list[Array]) -> list[float]:
    """Mean and standard deviation over takes of log(strides per second)."""
    pace = np.log([(phase[-1] - phase[0]) / (2 * np.pi * (len(phase) - 1) / FPS) for phase in phases])
    return [round(float(pace.mean()), 4), round(float(pace.std()), 4)]


def _copula(pooled: Array, weights: Array) -> tuple[Array, Array]:
    """Quantiles (D, Q) at :data:`LEVELS` and normal scores (N, D) of every channel of ``pooled`` (N, D), with weights (N,)."""
    grid = np.linspace(-4.0, 4.0, 801)
    probabilities = np.array([NormalDist().cdf(z) for z in grid])
    wanted = np.array([NormalDist().cdf(z) for z in LEVELS])
    quantiles, scores = np.empty((len(CHANNELS), len(LEVELS))), np.empty_like(pooled)
    for k, name in enumerate(CHANNELS):
        order = np.argsort(pooled[:, k], kind="stable")
        below = np.cumsum(weights[order]) - 0.5 * weights[order]
        quantiles[k] = np.interp(wanted, below, pooled[order, k])
        # Equal values get the mean of their ranks.
        _, tied = np.unique(pooled[order, k], return_inverse=True)
        middle = np.bincount(tied, weights[order] * below) / np.bincount(tied, weights[order])
        scores[order, k] = np.interp(middle, probabilities, grid)[tied]
        if name in HINGES:
            quantiles[k] = np.maximum(quantiles[k], 0.0)
    return quantiles, scores


def _stride(take: Array) -> tuple[Array, Array]:
    """Unwrapped phase (T,) and amplitude (T,) of the stride: the analytic signal of the left thigh's angle minus the right's."""
    swing = take[:, columns("l_leg").start] - take[:, columns("r_leg").start]
    steps = np.arange(len(swing))
    swing = swing - np.polyval(np.polyfit(steps, swing, 1), steps)
    frequency = np.fft.fftfreq(len(swing), 1.0 / FPS)
    analytic = np.fft.ifft(np.where((frequency > 0.3) & (frequency < 2.5), 2.0, 0.0) * np.fft.fft(swing))
    return np.unwrap(np.angle(analytic)), np.abs(analytic)


def _longest(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> slice:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    best = int(np.argmax(stops - starts))
    return slice(int(starts[best]), int(stops[best]))


def _integers(values: Array) -> list[list[int]]:
    """Multiples of :data:`UNIT`."""
    out: list[list[int]] = np.rint(values / UNIT).astype(int).tolist()
    return out


def main() -> None:
    """Write ``table.json`` of the dataset, or the file named by ``-o``."""
    parser = argparse.ArgumentParser(description="Measure the statistics table of the synthetic dataset on the cmu training subjects.")
    parser.add_argument("--root", required=True, help="folder of the CMU files")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "table.json")
    args = parser.parse_args()
    table = measure(list(read_training_takes(args.root)))
    args.output.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{args.output}: {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
