"""The poses of a clip in chunks, as both passes of a diagnosis read them, and the poses of the chance line.

**Convention.** Inside, poses are (3, J, n): component, joint, frame; root-relative, mm, camera axes, a few thousand frames at a time. A
file of unknown scale has each pose scaled to its truth first (N-MPJPE).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench.metrics import hypotheses
from posebench.metrics.buffers import block_size
from posebench.metrics.position import root_relative_valid
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.fixes import best_scale
from posebench.scoring.sums import Row

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
Given = npt.NDArray[np.floating]

#: Frames handled at a time: their arrays stay in the processor's cache.
CHUNK = 1024
#: A longer run of frames is cut for the bands of time, so that a long clip takes no more memory.
LONGEST_RUN = 2**14
#: Poses of the chance line, about: a few thousand give its averages to a percent.
CHANCE_POSES = 20_000
#: Poses that the oracles are computed on, at least, of a larger set: neighbouring frames differ little.
ORACLE_POSES = 100_000
_NOISE_POSES = 4096
_NOISE_SEED = 20190412


@dataclass(frozen=True, eq=False)
class Setting:
    """What both passes need.

    Attributes:
        body: skeleton, root and scored joints.
        metric_scale: the file has metric scale.
        to_mm: factor from the file's unit.
        stride: frames from one scored frame to the next.
        rate: scored frames a second; None where it is unknown.
        every: one of so many frames gets a pose of the chance line.
        oracle_every: oracles are computed on one of so many frames.
        placed: true poses have their place before the camera.
    """

    body: Body
    metric_scale: bool
    to_mm: float
    stride: int
    rate: float | None
    every: int
    oracle_every: int
    placed: bool

    @cached_property
    def noise(self) -> Array:
        """(3, J, N) random poses, isotropic and normal but for the root, which is zero; of mean length 1 over the scored joints."""
        random = np.random.RandomState(_NOISE_SEED)
        noise = random.standard_normal((_NOISE_POSES, len(self.body.skeleton), 3)).transpose(2, 1, 0).copy()
        root = list(self.body.root)
        if len(root) == 1:
            noise[:, root] = 0.0
        else:
            noise -= noise[:, root].mean(axis=1, keepdims=True)
        length = np.sqrt(np.einsum("cjn,cjn->jn", noise, noise))[list(self.body.scored)].mean(axis=0)
        noise /= length
        return noise


@dataclass(frozen=True, eq=False)
class Unit:
    """The frames of one action in one clip: what a row of sums is about.

    Attributes:
        row: its labels.
        pred: predicted poses (n, J, 3) or (H, n, J, 3), in the file's unit.
        truth: true poses (n, J, 3) mm.
        frames: (n,) frame numbers.
        index: (n,) places among the clip's scored frames.
        up: (3,) unit vector up in the camera's frame; None where it is unknown.
    """

    row: Row
    pred: Given
    truth: Given
    frames: Frames
    index: Frames
    up: Array | None


@dataclass(frozen=True, eq=False)
class Chunk:
    """Poses (3, J, n) root-relative, and the true root (3, n), of the frames ``part`` of a unit."""

    pred: Array
    truth: Array
    root: Array
    part: slice


def chunks_of(unit: Unit, setting: Setting) -> Iterator[Chunk]:
    """The poses of a unit, some frames at a time: so many that their arrays stay in the cache."""
    body = setting.body
    size = block_size(len(unit.truth), CHUNK)
    for start in range(0, len(unit.truth), size):
        part = slice(start, min(start + size, len(unit.truth)))
        true = np.ascontiguousarray(unit.truth[part].transpose(2, 1, 0), dtype=np.float64)
        root = true[:, list(body.root)].mean(axis=1)
        given = unit.pred[..., part, :, :]
        mean = hypotheses.mean_pose(given) if given.ndim == 4 else given
        pose = np.ascontiguousarray(mean.transpose(2, 1, 0), dtype=np.float64)
        if setting.to_mm != 1.0:
            pose *= setting.to_mm
        pred = np.empty_like(pose)
        root_relative_valid(pose.transpose(2, 1, 0), body.root, pred.transpose(2, 1, 0))
        truth = true - root[:, None]
        if not setting.metric_scale:
            pred *= best_scale(*scored(pred, truth, body))
        yield Chunk(pred, truth, root, part)


def scored(pred: Array, truth: Array, body: Body) -> tuple[Array, Array]:
    """Both poses restricted to the scored joints."""
    index = body.scored_index
    return (pred, truth) if index is None else (pred[:, index], truth[:, index])


def products(pred: Array, truth: Array) -> Array:
    """(2,) <pred, truth> and <pred, pred>, from which a factor for many poses follows."""
    return np.array([np.vdot(pred, truth), np.vdot(pred, pred)])


def chance_frames(chunk: Chunk, setting: Setting) -> npt.NDArray[np.intp]:
    """Which frames of a chunk get a pose of the chance line."""
    return np.flatnonzero(np.arange(chunk.part.start, chunk.part.stop) % setting.every == 0)


def chance_poses(unit: Unit, chunk: Chunk, chosen: npt.NDArray[np.intp], errors: Array, setting: Setting) -> Array:
    """(3, J, m) the truth plus noise of the same error as each prediction has, ``errors`` (n,); scaled as the file's poses are."""
    first = zlib.crc32(unit.row.clip.encode())
    place = (first + chunk.part.start + chosen) % _NOISE_POSES
    truth = chunk.truth[:, :, chosen]
    poses: Array = truth + setting.noise[:, :, place] * errors[chosen]
    if not setting.metric_scale:
        poses *= best_scale(*scored(poses, truth, setting.body))
    return poses
