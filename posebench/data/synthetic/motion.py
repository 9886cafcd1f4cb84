"""Motion of the ``synthetic`` dataset: random joint angles with the measured statistics of ``table.json``, and the walk over the ground.

The model of an action is a stationary Gaussian process of *scores*, one per channel of :mod:`posebench.data.synthetic.body`, and a
quantile function per channel that maps scores to angles (a Gaussian copula). So every angle has its measured distribution and stays in
its measured range. The process is the sum of a part that is constant in a take, of noise in frequency bands with measured power and
cross-spectra, and, for gaits, of a mean cycle at the phase of the legs.

**Convention.** World y up, mm, rad, 50 Hz. Random numbers come from ``numpy.random.RandomState``, whose stream numpy guarantees, seeded
by sha256(seed, words).
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

#: Period of the random process, frames: more than twice the longest take, so that no motion repeats within one.
PERIOD = 1024

#: Takes with a faster pelvis, mm/s, walk in circles, as subjects do in a capture studio.
WALKS = 400.0
#: Radius of the circle, mm, and the fastest turn, rad/s, that it may need.
CIRCLE, FASTEST_TURN = 1800.0, 1.8


@dataclass(frozen=True, eq=False)
class Action:
    """Statistics of one action; D channels, Q levels, K components, B bands, H harmonics, R the rank of a factor.

    Attributes:
        quantiles: (D, Q) channel values at the scores of :attr:`Table.levels`.
        components: (D, K), from component scores to channel scores.
        between: (K, R), factor of the covariance between takes.
        bands: for each band (K, R) complex, factor of the cross-spectral density per Hz.
        filter: (D, B) gain of each channel in each band, applied to the angles, since mapping scores to angles adds overtones.
        cycle: (D, 2 H) cosine and sine coefficients of the gait cycle; empty for other actions.
        cadence: mean and standard deviation over takes of log(strides per second); empty for other actions.
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
    """The content of ``table.json``, which ``python -m posebench.data.synthetic.study.table`` writes; ``bones`` as in the file."""

    levels: Array
    edges_hz: Array
    rest: dict[str, Array]
    bones: dict[str, dict[str, list[float]]]
    ankle_height: float
    actions: dict[str, Action]


def table_bytes() -> bytes:
    """The bytes of ``table.json``, which are part of the dataset's fingerprint."""
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
    """The random number generator for these words and :data:`SEED`."""
    digest = hashlib.sha256("\0".join([str(SEED), *words]).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


@cache
def shapes() -> dict[str, Shape]:
    """The seven subjects, with the measured spread of bone lengths over people and of left against right."""
    numbers = 1 + 2 * len(load_table().bones) + 2 * len(WELDED)
    draws = random_numbers("shapes").standard_normal((len(SUBJECTS), numbers))
    # Standardised, so that the seven subjects have exactly the measured spread.
    draws = (draws - draws.mean(axis=0)) / draws.std(axis=0, ddof=1)
    return {subject: _shape(draw) for subject, draw in zip(SUBJECTS, draws, strict=True)}


def _shape(draw: Array) -> Shape:
    """A person from standard normal numbers: body size; own length of each bone; its left over right; two swings of each shoulder."""
    table = load_table()
    count = len(table.bones)
    size, own_lengths, sides, swings = draw[0], draw[1 : 1 + count], draw[1 + count : 1 + 2 * count], draw[1 + 2 * count :]
    lengths: dict[str, float] = {}
    for bone, own, side in zip(table.bones, own_lengths, sides, strict=True):
        stats = table.bones[bone]
        mean, with_size, spread = stats["log_length"]
        side_mean, side_spread = stats["half_log_left_over_right"]
        log = mean + with_size * size + spread * own
        difference = side_mean + side_spread * side
        if f"l_{bone}" in SKELETON.joints:
            lengths[f"l_{bone}"], lengths[f"r_{bone}"] = float(np.exp(log + difference)), float(np.exp(log - difference))
        else:
            lengths[bone] = float(np.exp(log))
    rest = {name: table.rest[name] for name in (*BALLS, *DIRECTIONS)}
    for name, pair in zip(WELDED, swings.reshape(-1, 2), strict=True):
        rest[name] = table.rest[name].copy()
        rest[name][:, 2] = direction((table.rest[f"{name}_spread"] * pair)[None], table.rest[name])[0]
    return Shape(lengths, rest)


def angles(
    action: Action, levels: Array, edges_hz: Array, frames: int, stream: np.random.RandomState, manner: np.random.RandomState
) -> Array:
    """Channels (frames, D) of one take of an action.

    Args:
        action: statistics of the action.
        levels: (Q,) normal scores of the quantiles.
        edges_hz: (B + 1,) edges of the frequency bands.
        frames: length of the take.
        stream: random numbers of this take.
        manner: random numbers of this subject and action; they set half of the variance between takes.
    """
    frequency = np.arange(PERIOD // 2 + 1) * FPS / PERIOD
    scores = _component_scores(action, edges_hz, frequency, stream, manner) @ action.components.T
    if action.cadence:
        scores += _gait_scores(action, stream)
    values = np.stack([np.interp(scores[:, k], levels, action.quantiles[k]) for k in range(len(CHANNELS))], axis=1)
    centres = np.sqrt(edges_hz[:-1] * edges_hz[1:])
    gain = np.stack([np.interp(frequency, [0.0, *centres[1:], 15.0], [1.0, *row[1:], 0.0]) for row in action.filter], axis=1)
    values = np.fft.irfft(np.fft.rfft(values, axis=0) * gain, n=PERIOD, axis=0)
    # Gait phases do not match at both ends of the period, and the filter is periodic: so the take is the middle of the period.
    start = (PERIOD - frames) // 2
    return np.clip(values[start : start + frames], action.quantiles[:, 0], action.quantiles[:, -1])


def _component_scores(
    action: Action, edges_hz: Array, frequency: Array, stream: np.random.RandomState, manner: np.random.RandomState
) -> Array:
    """Scores (PERIOD, K) of the components: a constant of the take plus band-limited noise with the measured cross-spectra."""
    components = action.components.shape[1]
    constant = action.between @ (_normal(stream, action.between.shape[1]) + _normal(manner, action.between.shape[1])) * np.sqrt(0.5)
    noise = _normal(stream, len(frequency), components, 2) @ np.array([1.0, 1.0j]) * np.sqrt(0.5)
    spectrum = np.zeros((len(frequency), components), dtype=np.complex128)
    for low, high, factor in zip(edges_hz[:-1], edges_hz[1:], action.bands, strict=True):
        inside = (frequency >= low) & (frequency < high) & (frequency > 0)
        spectrum[inside] = noise[inside, : factor.shape[1]] @ factor.T
    out: Array = np.fft.irfft(spectrum, n=PERIOD, axis=0) * np.sqrt(0.5 * FPS * PERIOD) + constant
    return out


def _gait_scores(action: Action, stream: np.random.RandomState) -> Array:
    """Scores (PERIOD, D) of the mean gait cycle, at a random cadence and start."""
    mean, spread = action.cadence
    strides_per_second = np.exp(mean + spread * stream.standard_normal())
    phase = 2 * np.pi * (stream.uniform() + strides_per_second * np.arange(PERIOD) / FPS)
    harmonics = np.arange(1, action.cycle.shape[1] // 2 + 1) * phase[:, None]
    out: Array = np.concatenate([np.cos(harmonics), np.sin(harmonics)], axis=1) @ action.cycle.T
    return out


def _normal(stream: np.random.RandomState, *shape: int) -> Array:
    out: Array = stream.standard_normal(shape)
    return out


def world_pose(name: str, subject: str, take: str, frames: int) -> Array:
    """Joints (frames, 17, 3) mm in the world, y up, of a take of the action ``name``."""
    table = load_table()
    manner = random_numbers("manner", subject, name)
    values = angles(table.actions[name], table.levels, table.edges_hz, frames, random_numbers("take", take), manner)
    stream = random_numbers("path", take)
    first_heading, circle_side = stream.uniform(-np.pi, np.pi), stream.uniform(-1.0, 1.0)
    shape = shapes()[subject]
    turn = values[:, columns("turn").start]
    lift = flights(values[:, columns("lift").start])
    heading = first_heading + np.cumsum(turn) / FPS
    pose = joints(shape, values, heading)
    path = ground_path(pose, lift)
    speed = np.median(np.linalg.norm(np.diff(path, axis=0), axis=1)) * FPS
    if speed > WALKS:
        # A circle to the side that the take turns to anyway; if it hardly turns, to a random side.
        side = np.sign(turn.mean() + 0.1 * circle_side)
        heading += side * min(speed / CIRCLE, FASTEST_TURN) * np.arange(frames) / FPS
        pose = joints(shape, values, heading)
        path = ground_path(pose, lift)
    pose[:, :, [0, 2]] += path[:, None]
    pose[:, :, 1] += pelvis_height(pose, lift, table.ankle_height)[:, None]
    return pose
