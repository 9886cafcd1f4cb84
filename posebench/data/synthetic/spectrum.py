"""Power and cross-spectra of motion in frequency bands: how the ``synthetic`` table describes movement over time.

**Convention.** Takes are (T, D) at a stated rate; densities are one-sided, per Hz, from Hann windows (Welch 1967), in the bands between
:data:`EDGES_HZ`. Every take has the same weight.
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
#: Length of a segment for measuring power, s.
SEGMENT_S = 6.0
#: Search for the filter: simulated takes per round, and rounds for angles and again for joints.
TRIALS, ROUNDS = 40, 4


def power_in_bands(takes: Sequence[Array], fps: float) -> Array:
    """Power density (D, B) of every column in every band, from segments of about :data:`SEGMENT_S` seconds; NaN in a band without data."""
    total, weights = np.zeros((takes[0].shape[1], len(EDGES_HZ) - 1)), np.zeros(len(EDGES_HZ) - 1)
    for take in takes:
        segments = np.array_split(take, max(1, round(len(take) / (SEGMENT_S * fps))))
        for segment in segments:
            window = np.hanning(len(segment) + 2)[1:-1]
            lines = np.abs(np.fft.rfft((segment - segment.mean(axis=0)) * window[:, None], axis=0)) ** 2 * 2.0 / (fps * np.sum(window**2))
            frequency = np.fft.rfftfreq(len(segment), 1.0 / fps)
            weight = len(segment) / len(take)
            for band, (low, high) in enumerate(pairwise(EDGES_HZ)):
                inside = (frequency >= low) & (frequency < high) & (frequency > 0)
                if inside.any():
                    total[:, band] += weight * lines[inside].mean(axis=0)
                    weights[band] += weight
    return np.where(weights > 0, total, np.nan) / np.where(weights > 0, weights, 1.0)


def fitted_filter(action: Action, levels: Array, person: Shape, angle_power: Array, joint_power: Array) -> Array:
    """Gains (D, B) with which simulated angles have the power (D, B) of captured angles, and joints the power (51, B) of captured joints.

    Two effects make the simulated power too large without a filter. The map from normal scores to angles is not linear, so that it adds
    overtones. And limbs compensate each other, as thighs do for a swaying pelvis, which a model of angles reproduces in part only. So the
    gains are found by simulation: first one per channel and band, from the angles, then one per band for all channels, from the joints.
    """
    gains = np.ones_like(angle_power)
    for round_number in range(2 * ROUNDS):
        filtered = replace(action, filter=gains)
        length = round(SEGMENT_S * MOTION_FPS)
        streams = [(np.random.RandomState(k), np.random.RandomState(1000 + k)) for k in range(TRIALS)]
        simulated = [angles(filtered, levels, np.array(EDGES_HZ), length, stream, manner) for stream, manner in streams]
        if round_number < ROUNDS:
            step = np.sqrt(angle_power / np.maximum(power_in_bands(simulated, MOTION_FPS), 1e-12))
        else:
            positions = []
            for values in simulated:
                heading = np.cumsum(values[:, columns("turn").start]) / MOTION_FPS
                positions.append(joints(person, values, heading).reshape(len(values), -1))
            step = np.sqrt(joint_power.sum(axis=0) / power_in_bands(positions, MOTION_FPS).sum(axis=0))[None]
        gains = np.clip(gains * np.where(np.isfinite(step), step, 1.0), 0.01, 1.5)
    return gains


def covariance_in_time(takes: Sequence[Array]) -> tuple[Array, list[Complex]]:
    """Factors of the covariance between take means, and of the one-sided cross-spectral density in each band."""
    means = np.stack([take.mean(axis=0) for take in takes])
    between = means.T @ means / len(takes)
    density = [np.zeros((means.shape[1],) * 2, dtype=np.complex128) for _ in EDGES_HZ[1:]]
    counts = np.zeros(len(density))
    for take, mean in zip(takes, means, strict=True):
        window = np.hanning(len(take) + 2)[1:-1]
        spectrum = np.fft.rfft((take - mean) * window[:, None], axis=0)
        frequency = np.fft.rfftfreq(len(take), 1.0 / FPS)
        for band, (low, high) in enumerate(pairwise(EDGES_HZ)):
            lines = spectrum[(frequency >= low) & (frequency < high) & (frequency > 0)]
            if len(lines):
                density[band] += 2.0 / (FPS * np.sum(window**2)) * (lines.T @ lines.conj()) / len(lines)
                counts[band] += 1.0
    bands = []
    for part, count, low in zip(density, counts, EDGES_HZ[:-1], strict=True):
        bands.append(_factor(part / max(count, 1e-9), 6 if low < 3.0 else 3))
    return _factor(between.astype(np.complex128), 6).real, bands


def _factor(matrix: Complex, rank: int) -> Complex:
    """F (K, rank) such that F F^H approximates the Hermitian matrix (K, K) and has the same trace."""
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = np.maximum(values[::-1][:rank], 0.0), vectors[:, ::-1][:, :rank]
    lost = np.trace(matrix).real / max(values.sum(), 1e-12) if values.sum() > 0 else 0.0
    out: Complex = vectors * np.sqrt(values * lost)
    return out
