"""Power and phase relations of motion in bands of frequency: what the ``synthetic`` table keeps of time.

**Convention.** Takes are (T, D) at a stated rate; densities are one-sided, per Hz, from Hann windows (Welch 1967), in the bands between
:data:`EDGES_HZ`. Every take weighs alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from posebench.data.synthetic.angles import FPS
from posebench.data.synthetic.body import Array, Shape, columns, joints
from posebench.data.synthetic.motion import FPS as MOTION_FPS
from posebench.data.synthetic.motion import Action, Complex, angles

EDGES_HZ = (0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
#: Seconds over which power is measured, simulated takes a round, and rounds of the search for the filter.
PIECE, TRIALS, ROUNDS = 6.0, 40, 4


def power_in_bands(takes: Sequence[Array], fps: float) -> Array:
    """Power density (D, B) of every column in every band, from pieces of at most :data:`PIECE` seconds; NaN where nothing was seen."""
    total, seen = np.zeros((takes[0].shape[1], len(EDGES_HZ) - 1)), np.zeros(len(EDGES_HZ) - 1)
    for take in takes:
        pieces = np.array_split(take, max(1, round(len(take) / (PIECE * fps))))
        for piece in pieces:
            window = np.hanning(len(piece) + 2)[1:-1]
            lines = np.abs(np.fft.rfft((piece - piece.mean(axis=0)) * window[:, None], axis=0)) ** 2 * 2.0 / (fps * np.sum(window**2))
            frequency = np.fft.rfftfreq(len(piece), 1.0 / fps)
            weight = len(piece) / len(take)
            for band, (low, high) in enumerate(pairwise(EDGES_HZ)):
                inside = (frequency >= low) & (frequency < high) & (frequency > 0)
                if inside.any():
                    total[:, band] += weight * lines[inside].mean(axis=0)
                    seen[band] += weight
    return np.where(seen > 0, total, np.nan) / np.where(seen > 0, seen, 1.0)


def fitted_filter(action: Action, levels: Array, person: Shape, angle_power: Array, joint_power: Array) -> Array:
    """Gains (D, B) under which simulated angles have the power (D, B) of the captured ones, and joints that (51, B) of the captured.

    Where a person rests between two moves the small scores are noise and the large ones are not, and a score that is bent into an
    angle has overtones: power that is right for scores is too much for angles. And where limbs make up for each other, as thighs do
    for a swaying pelvis, power that is right for angles is too much for joints. So the filter is found by simulation: first a gain a
    channel and band, then one a band for all channels.
    """
    gains = np.ones_like(angle_power)
    for turn in range(2 * ROUNDS):
        trial = replace(action, filter=gains)
        made = [
            angles(trial, levels, np.array(EDGES_HZ), round(PIECE * MOTION_FPS), np.random.RandomState(k), np.random.RandomState(1000 + k))
            for k in range(TRIALS)
        ]
        if turn < ROUNDS:
            step = np.sqrt(angle_power / np.maximum(power_in_bands(made, MOTION_FPS), 1e-12))
        else:
            headings = [np.cumsum(values[:, columns("turn").start]) / MOTION_FPS for values in made]
            moved = [joints(person, values, heading).reshape(len(values), -1) for values, heading in zip(made, headings, strict=True)]
            step = np.sqrt(joint_power.sum(axis=0) / power_in_bands(moved, MOTION_FPS).sum(axis=0))[None]
        gains = np.clip(gains * np.where(np.isfinite(step), step, 1.0), 0.01, 1.5)
    return gains


def covariance_in_time(takes: Sequence[Array]) -> tuple[Array, list[Complex]]:
    """Factor of the covariance of take means, and of the cross-spectral density , one-sided, of each band."""
    means = np.stack([take.mean(axis=0) for take in takes])
    between = means.T @ means / len(takes)
    density = [np.zeros((means.shape[1],) * 2, dtype=np.complex128) for _ in EDGES_HZ[1:]]
    seen = np.zeros(len(density))
    for take, mean in zip(takes, means, strict=True):
        window = np.hanning(len(take) + 2)[1:-1]
        spectrum = np.fft.rfft((take - mean) * window[:, None], axis=0)
        frequency = np.fft.rfftfreq(len(take), 1.0 / FPS)
        for band, (low, high) in enumerate(pairwise(EDGES_HZ)):
            lines = spectrum[(frequency >= low) & (frequency < high) & (frequency > 0)]
            if len(lines):
                density[band] += 2.0 / (FPS * np.sum(window**2)) * (lines.T @ lines.conj()) / len(lines)
                seen[band] += 1.0
    bands = [_factor(part / max(count, 1e-9), 6 if low < 3.0 else 3) for part, count, low in zip(density, seen, EDGES_HZ[:-1], strict=True)]
    return _factor(between.astype(np.complex128), 6).real, bands


def _factor(matrix: Complex, rank: int) -> Complex:
    """(K, rank) F with F F^H near the Hermitian matrix, and of its trace."""
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = np.maximum(values[::-1][:rank], 0.0), vectors[:, ::-1][:, :rank]
    lost = np.trace(matrix).real / max(values.sum(), 1e-12) if values.sum() > 0 else 0.0
    out: Complex = vectors * np.sqrt(values * lost)
    return out
