"""Motion of the ``synthetic`` dataset: random joint angles with the statistics of :data:`TABLE`, and the walk over the ground.

An action class is a stationary Gaussian process of *scores*, one a channel of :mod:`posebench.data.synthetic.body`, and a quantile
function a channel that turns scores into angles (a Gaussian copula). So every angle has its measured distribution, and none leaves
its measured range. The process is a sum of a part that is constant in a take, of bands of frequencies with measured power and
measured phase relations between the angles, and, in gaits, of a mean cycle locked to the phase of the legs.

**Convention.** World y up, mm, rad, 50 frames a second. Random numbers come from ``numpy.random.RandomState``, seeded by
sha256(seed, words), because its stream is guaranteed.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from posebench.data.synthetic.body import BALLS, CHANNELS, DIRECTIONS, SKELETON, WELDED, Array, Shape, columns, direction, joints
from posebench.data.synthetic.ground import flights, ground_path, pelvis_height

Complex = npt.NDArray[np.complex128]

FPS = 50.0
SEED = 20
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")

#: Frames after which the random process would repeat: well over twice the longest take.
PERIOD = 1024

#: A walker circles with this radius, mm, as the subjects of a capture room do.
CIRCLE = 1800.0


@dataclass(frozen=True, eq=False)
class Action:
    """Statistics of one class; D channels, Q levels, K components, B bands.

    Attributes:
        quantiles: (D, Q) channel values at the scores of :attr:`Table.levels`.
        components: (D, K), from component scores to channel scores.
        between: (K, R), factor of the covariance between takes.
        bands: per band (K, R) complex, factor of the cross-spectral density in 1/Hz.
        filter: (D, B) gain of each channel in each band, after scores have become angles: a bent score has overtones.
        cycle: (D, 2 H) cosine and sine coefficients of the gait's harmonics; empty where there is no gait.
        cadence: mean and spread of the logarithm of strides a second, over takes; empty likewise.
    """

    quantiles: Array
    components: Array
    between: Array
    bands: list[Complex]
    filter: Array
    cycle: Array
    cadence: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """What ``python -m posebench.data.synthetic.study.table`` measured; ``bones`` as it stands in the file."""

    levels: Array
    edges_hz: Array
    rest: dict[str, Array]
    bones: dict[str, dict[str, list[float]]]
    ankle_height: float
    actions: dict[str, Action]


def table_bytes() -> bytes:
    """The table's file, which is part of the dataset's fingerprint."""
    return (importlib.resources.files("posebench.data.synthetic") / "table.json").read_bytes()


@cache
def load_table() -> Table:
    """The statistics table of the package."""
    raw = json.loads(table_bytes())

    def scaled(values: object) -> Array:
        out: Array = np.asarray(values, dtype=np.float64) * raw["unit"]
        return out

    actions = {}
    for name, item in raw["actions"].items():
        actions[name] = Action(
            quantiles=scaled(item["quantiles"]),
            components=scaled(item["components"]),
            between=scaled(item["between"]),
            filter=scaled(item["filter"]),
            bands=[scaled(real) + 1j * scaled(imaginary) for real, imaginary in item["bands"]],
            cycle=scaled(item["cycle"]),
            cadence=tuple(item["cadence"]),
        )
    return Table(
        levels=np.array(raw["levels"]),
        edges_hz=np.array(raw["edges_hz"]),
        rest={name: np.array(frame) for name, frame in raw["rest"].items()},
        bones=raw["bones"],
        ankle_height=raw["ankle_height"],
        actions=actions,
    )


def random_numbers(*words: str) -> np.random.RandomState:
    """The stream that belongs to these words under :data:`SEED`."""
    digest = hashlib.sha256("\0".join([str(SEED), *words]).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


@cache
def shapes() -> dict[str, Shape]:
    """The seven subjects: bones with the measured spread over people and the measured difference of left and right."""
    table = load_table()
    names = list(table.bones)
    draws = random_numbers("shapes").standard_normal((len(SUBJECTS), 1 + 2 * len(names) + 2 * len(WELDED)))
    # Seven draws would miss the measured spread by chance, so they are made to have it.
    draws = (draws - draws.mean(axis=0)) / draws.std(axis=0, ddof=1)
    out = {}
    for subject, draw in zip(SUBJECTS, draws, strict=True):
        lengths: dict[str, float] = {}
        for bone, own, side in zip(names, draw[1:], draw[1 + len(names) :], strict=False):
            stats = table.bones[bone]
            mean, with_size, spread = stats["log_length"]
            log = mean + with_size * draw[0] + spread * own
            difference = stats["half_log_left_over_right"][0] + stats["half_log_left_over_right"][1] * side
            if f"l_{bone}" in SKELETON.joints:
                lengths[f"l_{bone}"], lengths[f"r_{bone}"] = float(np.exp(log + difference)), float(np.exp(log - difference))
            else:
                lengths[bone] = float(np.exp(log))
        rest = {name: table.rest[name] for name in (*BALLS, *DIRECTIONS)}
        for k, name in enumerate(WELDED):
            swing = table.rest[f"{name}_spread"] * draw[-2 * len(WELDED) + 2 * k :][:2]
            rest[name] = table.rest[name].copy()
            rest[name][:, 2] = direction(swing[None], table.rest[name])[0]
        out[subject] = Shape(lengths, rest)
    return out


def angles(
    action: Action, levels: Array, edges_hz: Array, frames: int, stream: np.random.RandomState, manner: np.random.RandomState
) -> Array:
    """Channels (frames, D) of one take of an action; takes that share ``manner`` share half of what sets takes apart."""
    components = action.components.shape[1]
    constant = action.between @ (_normal(stream, action.between.shape[1]) + _normal(manner, action.between.shape[1])) * np.sqrt(0.5)
    frequency = np.arange(PERIOD // 2 + 1) * FPS / PERIOD
    noise = _normal(stream, len(frequency), components, 2) @ np.array([1.0, 1.0j]) * np.sqrt(0.5)
    spectrum = np.zeros((len(frequency), components), dtype=np.complex128)
    for low, high, factor in zip(edges_hz[:-1], edges_hz[1:], action.bands, strict=True):
        inside = (frequency >= low) & (frequency < high) & (frequency > 0)
        spectrum[inside] = noise[inside, : factor.shape[1]] @ factor.T
    scores = (np.fft.irfft(spectrum, n=PERIOD, axis=0) * np.sqrt(0.5 * FPS * PERIOD) + constant) @ action.components.T
    if action.cadence:
        mean, spread = action.cadence
        pace = np.exp(mean + spread * stream.standard_normal())
        phase = 2 * np.pi * (stream.uniform() + pace * np.arange(PERIOD) / FPS)
        harmonics = np.arange(1, action.cycle.shape[1] // 2 + 1) * phase[:, None]
        scores += np.concatenate([np.cos(harmonics), np.sin(harmonics)], axis=1) @ action.cycle.T
    values = np.stack([np.interp(scores[:, k], levels, action.quantiles[k]) for k in range(len(CHANNELS))], axis=1)
    centres = np.sqrt(edges_hz[:-1] * edges_hz[1:])
    gain = np.stack([np.interp(frequency, [0.0, *centres[1:], 15.0], [1.0, *row[1:], 0.0]) for row in action.filter], axis=1)
    values = np.fft.irfft(np.fft.rfft(values, axis=0) * gain, n=PERIOD, axis=0)
    # A gait does not close its circle at the end of the period, so the take is cut from the middle.
    start = (PERIOD - frames) // 2
    return np.clip(values[start : start + frames], action.quantiles[:, 0], action.quantiles[:, -1])


def _normal(stream: np.random.RandomState, *shape: int) -> Array:
    out: Array = stream.standard_normal(shape)
    return out


def world_pose(name: str, subject: str, take: str, frames: int) -> Array:
    """Joints (frames, 17, 3) mm in the world, y up, of one take."""
    table = load_table()
    manner = random_numbers("manner", subject, name)
    values = angles(table.actions[name], table.levels, table.edges_hz, frames, random_numbers("take", take), manner)
    stream = random_numbers("path", take)
    start, side = stream.uniform(-np.pi, np.pi), stream.uniform(-1.0, 1.0)
    shape = shapes()[subject]
    turn = values[:, columns("turn").start]
    lift = flights(values[:, columns("lift").start])
    heading = start + np.cumsum(turn) / FPS
    pose = joints(shape, values, heading)
    path = ground_path(pose, lift)
    speed = np.median(np.linalg.norm(np.diff(path, axis=0), axis=1)) * FPS
    if speed > 400.0:
        side = np.sign(turn.mean() + 0.1 * side)
        heading += side * min(speed / CIRCLE, 1.8) * np.arange(frames) / FPS
        pose = joints(shape, values, heading)
        path = ground_path(pose, lift)
    pose[:, :, [0, 2]] += path[:, None]
    pose[:, :, 1] += pelvis_height(pose, lift, table.ankle_height)[:, None]
    return pose
