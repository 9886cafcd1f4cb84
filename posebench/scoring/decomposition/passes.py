"""Two passes over the clips of a submission: what single factors and offsets follow from, then what every fix leaves.

**Convention.** Inside, poses are (3, J, n): component, joint, frame; root-relative, mm, camera axes, a few thousand frames at a time. A
file of unknown scale has each pose scaled to its truth first (N-MPJPE).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from posebench.metrics import hypotheses
from posebench.metrics.buffers import block_size
from posebench.metrics.position import root_relative_valid
from posebench.scoring.decomposition import shares, slices
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.fixes import Bones, Fixed, Fixer, Poses, Scales, apply_discrete, best_scale, choose_discrete
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
class _Chunk:
    """Poses (3, J, n) root-relative, and the true root (3, n), of the frames ``part`` of a unit."""

    pred: Array
    truth: Array
    root: Array
    part: slice


def _chunks(unit: Unit, setting: Setting) -> Iterator[_Chunk]:
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
            pred *= best_scale(*_scored(pred, truth, body))
        yield _Chunk(pred, truth, root, part)


def _scored(pred: Array, truth: Array, body: Body) -> tuple[Array, Array]:
    """Both poses restricted to the scored joints."""
    index = body.scored_index
    return (pred, truth) if index is None else (pred[:, index], truth[:, index])


def _products(pred: Array, truth: Array) -> Array:
    """(2,) <pred, truth> and <pred, pred>, from which a factor for many poses follows."""
    return np.array([np.vdot(pred, truth), np.vdot(pred, pred)])


def _chance_frames(chunk: _Chunk, setting: Setting) -> npt.NDArray[np.intp]:
    """Which frames of a chunk get a pose of the chance line."""
    return np.flatnonzero(np.arange(chunk.part.start, chunk.part.stop) % setting.every == 0)


def _chance_poses(unit: Unit, chunk: _Chunk, chosen: npt.NDArray[np.intp], errors: Array, setting: Setting) -> Array:
    """(3, J, m) the truth plus noise of the same error as each prediction has, ``errors`` (n,); scaled as the file's poses are."""
    first = zlib.crc32(unit.row.clip.encode())
    place = (first + chunk.part.start + chosen) % _NOISE_POSES
    truth = chunk.truth[:, :, chosen]
    poses: Array = truth + setting.noise[:, :, place] * errors[chosen]
    if not setting.metric_scale:
        poses *= best_scale(*_scored(poses, truth, setting.body))
    return poses


@dataclass(eq=False)
class Survey:
    """What the first pass finds in a unit.

    Attributes:
        start: (n,) error of each pose as it is, mm.
        codes: (n,) the discrete fix of each pose.
        pose: (n, 5) squared error by part of the pose, summed over joints, mm^2; ``pose_sum`` is its sum over frames.
        alone, fixed: products for a factor: of the poses as they are, and of those with their discrete fixes.
        chance_alone, chance_fixed: the same of the chance line.
        body: (3, J) sum of the errors in the body frame.
        body_square: (J,) sum of their squares.
        body_count: frames in these sums.
        lengths: (bones,) sum of the true lengths.
        nearest: mm, least distance of a true root from the camera; 0 where true poses have no place.
    """

    start: Array
    codes: npt.NDArray[np.int8]
    pose: npt.NDArray[np.float32]
    pose_sum: Array
    alone: Array
    fixed: Array
    chance_alone: Array
    chance_fixed: Array
    body: Array
    body_square: Array
    body_count: int
    lengths: Array
    nearest: float = np.inf


def survey(unit: Unit, setting: Setting, fixer: Fixer) -> Survey:
    """The first pass over a unit."""
    body, count = setting.body, len(unit.truth)
    joints = len(body.skeleton)
    found = Survey(
        start=np.empty(count),
        codes=np.empty(count, dtype=np.int8),
        pose=np.empty((count, 5), dtype=np.float32),
        pose_sum=np.zeros(5),
        alone=np.zeros(2),
        fixed=np.zeros(2),
        chance_alone=np.zeros(2),
        chance_fixed=np.zeros(2),
        body=np.zeros((3, joints)),
        body_square=np.zeros(joints),
        body_count=0,
        lengths=np.zeros(len(body.children)),
    )
    for chunk in _chunks(unit, setting):
        pred, truth = chunk.pred, chunk.truth
        error = pred - truth
        found.nearest = min(found.nearest, float(np.sqrt(np.einsum("cn,cn->n", chunk.root, chunk.root)).min()))
        found.start[chunk.part] = fixer.errors_of(error)
        p, g = _scored(pred, truth, body)
        codes, correlation = choose_discrete(p, g, body)
        found.codes[chunk.part] = codes
        parts = shares.pose_parts(correlation)
        found.pose[chunk.part] = parts.T
        found.pose_sum += parts.sum(axis=1)
        found.alone += _products(p, g)
        found.fixed += _products(*_scored(apply_discrete(pred, codes, body), truth, body)) if codes.any() else _products(p, g)
        bones = truth[:, body.children] - truth[:, body.parents]
        found.lengths += np.sqrt(np.einsum("cbn,cbn->bn", bones, bones)).sum(axis=1)
        if body.has_frame:
            in_frame = shares.in_body_frame(error, body.axes(truth))
            found.body += in_frame.sum(axis=2)
            found.body_square += np.einsum("cjn,cjn->j", error, error)
            found.body_count += error.shape[2]
        if setting.metric_scale:
            chosen = _chance_frames(chunk, setting)
            poses = _chance_poses(unit, chunk, chosen, found.start[chunk.part], setting)
            q, h = _scored(poses, truth[:, :, chosen], body)
            found.chance_alone += _products(q, h)
            chance_codes, _ = choose_discrete(q, h, body)
            found.chance_fixed += _products(*_scored(apply_discrete(poses, chance_codes, body), truth[:, :, chosen], body))
    return found


@dataclass(frozen=True, eq=False)
class Context:
    """What the second pass over a unit needs of all units.

    Attributes:
        scales: factors of the file's poses; None where its scale is unknown.
        chance_scales: of the chance line.
        offset: (3, J) mean error in the body frame, of the other half of the takes; None where there is none.
        lengths: (bones,) mean true lengths in the clip, mm.
    """

    scales: Scales | None
    chance_scales: Scales | None
    offset: Array | None
    lengths: Array


@dataclass(eq=False)
class Measured:
    """What the second pass finds in a unit: sums over frames by name, and numbers of single poses.

    Attributes:
        total: name to (K,) sums.
        count: name to the number of frames (poses, bones) in them.
        by_pose: name to values (n,), float32: root mean squares of a pose by part, and errors.
        changed: name of an oracle to (changed, of how many).
        amounts: name of an oracle to what it fits (n,), float32.
        clip_time: one row (4,) for each run of frames: root mean squares by band.
    """

    total: dict[str, Array] = field(default_factory=dict)
    count: dict[str, float] = field(default_factory=dict)
    by_pose: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    changed: dict[str, Array] = field(default_factory=dict)
    amounts: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    clip_time: list[Array] = field(default_factory=list)

    def add(self, name: str, total: Array, count: float) -> None:
        """Add sums over some frames."""
        self.total[name] = self.total[name] + total if name in self.total else np.asarray(total, dtype=np.float64)
        self.count[name] = self.count.get(name, 0.0) + count

    def add_errors(self, kind: str, fixed: Fixed) -> None:
        """Add the errors that fixes leave, under ``kind`` and their name."""
        for name, values in fixed.errors.items():
            self.add(f"{kind} {name}", values.sum(keepdims=True), len(values))

    def change(self, name: str, changed: float, of: float) -> None:
        """Count what an oracle changes."""
        self.changed[name] = self.changed.get(name, np.zeros(2)) + np.array([changed, of])


class _Gathered:
    """Poses of some frames of each chunk, handed on when they are as many as a chunk: numpy's calls cost as much for a few poses.

    Args:
        use: takes poses and the errors that they start from.
    """

    def __init__(self, use: Callable[[Poses, Array], None]) -> None:
        self._use = use
        self._poses: list[Poses] = []
        self._start: list[Array] = []

    def add(self, poses: Poses, start: Array) -> None:
        """Some more."""
        self._poses.append(poses)
        self._start.append(start)
        if sum(map(len, self._start)) >= CHUNK:
            self.finish()

    def finish(self) -> None:
        """Hand on what is there."""
        if sum(map(len, self._start)):
            self._use(Poses.joined(self._poses), np.concatenate(self._start))
        self._poses, self._start = [], []


def measure(unit: Unit, setting: Setting, context: Context, surveyed: Survey, fixer: Fixer) -> Measured:
    """The second pass over a unit."""
    found, body, count = Measured(), setting.body, len(unit.truth)
    kept = {name: np.empty(count, dtype=np.float32) for name in _KEPT}
    amounts: dict[str, list[npt.NDArray[np.float32]]] = {}

    def add_oracles(poses: Poses, start: Array) -> None:
        fixed = fixer.oracles(poses, start)
        found.add_errors("fix", fixed)
        _count_changes(found, fixed)
        for name, values in fixed.amounts.items():
            amounts.setdefault(name, []).append(values.astype(np.float32))

    def add_chance(poses: Poses, _: Array) -> None:
        fixed = fixer.ladder(poses)
        found.add_errors("chance", fixed)
        found.add_errors("chance", fixer.oracles(poses, fixed.errors["start"]))

    oracles, chance = _Gathered(add_oracles), _Gathered(add_chance)
    bins = _speed_bins(unit, setting)
    runs = _runs(unit, setting)
    errors = np.empty((3, len(body.skeleton), count)) if runs else None
    for chunk in _chunks(unit, setting):
        part, size = chunk.part, chunk.truth.shape[2]
        ray = chunk.root / np.sqrt(np.einsum("cn,cn->n", chunk.root, chunk.root)) if setting.placed else None
        axes = body.axes(chunk.truth) if context.offset is not None else None
        codes, lengths = surveyed.codes[part], context.lengths
        poses = Poses(chunk.pred, chunk.truth, codes, setting.metric_scale, context.scales, ray, context.offset, axes, lengths)
        fixed = fixer.ladder(poses)
        start = fixed.errors["start"]
        for name in ("discrete", "rotation"):
            kept[name][part] = fixed.errors[name]
        found.change("flip-rate", float(fixed.flipped.sum()), float(size))
        found.add("joint", fixed.by_joint.sum(axis=1), size)
        found.add_errors("fix", fixed)
        some = slice(-part.start % setting.oracle_every, None, setting.oracle_every)
        oracles.add(poses if setting.oracle_every == 1 else poses.some(some), start[some])
        error = chunk.pred - chunk.truth
        if errors is not None:
            errors[:, :, part] = error
        bones = Bones.of(chunk.pred, chunk.truth, body)
        _add_shares(found, kept, part, error, bones, ray, body)
        _add_slices(found, chunk, start, bones, bins, ray, unit.up, setting)
        chosen = _chance_frames(chunk, setting)
        if len(chosen):
            noise = _chance_poses(unit, chunk, chosen, start, setting)
            chance_codes, _ = choose_discrete(*_scored(noise, chunk.truth[:, :, chosen], body), body)
            truth = np.ascontiguousarray(chunk.truth[:, :, chosen])
            chance.add(
                Poses(noise, truth, chance_codes, setting.metric_scale, context.chance_scales, None, None, None, lengths), start[chosen]
            )
    for gathered in (oracles, chance):
        gathered.finish()
    if errors is not None:
        _add_bands(found, errors, runs, setting, fixer)
    elif count:  # too short for bands: the same poses count, with their error as it is
        found.add("fix jitter", found.total["fix start"], count)
    found.by_pose = {name: values for name, values in kept.items() if setting.placed or name not in ("along", "across")}
    found.amounts = {name: np.concatenate(values) for name, values in amounts.items()}
    return found


#: What is kept of every pose: two errors, and root mean squares by part, mm.
_KEPT = ("discrete", "rotation", "along", "across", "x", "y", "z", "length", "image-direction", "depth-direction")


def _count_changes(found: Measured, fixed: Fixed) -> None:
    for name, changed in fixed.changed.items():
        found.change(name, *(changed if isinstance(changed, tuple) else (float(changed.sum()), float(len(changed)))))
    clear, wrong = fixed.bone_signs.sum(axis=2).astype(np.float64)
    found.add("bone sign", np.concatenate([wrong, clear]), 1.0)


def _add_shares(
    found: Measured, kept: dict[str, npt.NDArray[np.float32]], part: slice, error: Array, bones: Bones, ray: Array | None, body: Body
) -> None:
    size, scored = error.shape[2], list(body.scored)
    parts: list[tuple[str, tuple[str, ...], Array]] = [("axes", ("x", "y", "z"), (error * error)[:, scored])]
    if ray is not None:
        parts.append(("ray", ("along", "across"), shares.ray_parts(error if body.scored_index is None else error[:, scored], ray)))
    parts.append(("bones", ("length", "image-direction", "depth-direction"), shares.bone_parts(*bones)))
    for name, columns, squares in parts:
        found.add(name, squares.sum(axis=2).ravel(), size)
        for column, square in zip(columns, squares, strict=True):
            kept[column][part] = np.sqrt(square.mean(axis=0))
    found.add("bone length", np.concatenate([bones.pred_length.sum(axis=1), bones.truth_length.sum(axis=1)]), size)


def _add_slices(
    found: Measured,
    chunk: _Chunk,
    start: Array,
    bones: Bones,
    speeds: npt.NDArray[np.intp] | None,
    ray: Array | None,
    up: Array | None,
    setting: Setting,
) -> None:
    body = setting.body
    by_pose, by_bone = slices.depth_shares(bones.truth, bones.truth_length)
    bins: dict[str, npt.NDArray[np.intp] | None] = {
        "facing": slices.facing(chunk.truth, chunk.root if setting.placed else 0.0 * chunk.root, body),
        "elevation": None if ray is None or up is None else slices.elevation(ray, up),
        "distance": slices.distance(chunk.root) if setting.placed else None,
        "depth-share": by_pose,
        "speed": None if speeds is None else speeds[chunk.part],
    }
    for name, bin_of in bins.items():
        if bin_of is not None:
            _add_bins(found, name, bin_of, start)
    moved = bones.pred - bones.truth
    _add_bins(found, "bone-depth", by_bone.ravel(), np.sqrt(np.einsum("cbn,cbn->bn", moved, moved)).ravel())


def _add_bins(found: Measured, name: str, bins: npt.NDArray[np.intp], values: Array) -> None:
    count = len(slices.LABELS[name])
    found.add(f"slice {name}", np.bincount(bins, values, count).astype(np.float64), 0.0)
    found.add(f"slice count {name}", np.bincount(bins, minlength=count).astype(np.float64), 0.0)


def _speed_bins(unit: Unit, setting: Setting) -> npt.NDArray[np.intp] | None:
    if setting.rate is None or len(unit.frames) < 2:
        return None
    return slices.speed(unit.truth, unit.frames, setting.stride, setting.rate)


def _runs(unit: Unit, setting: Setting) -> list[slice]:
    """Frames without a gap that are long enough for bands of time; no longer than :data:`LONGEST_RUN`, and of a fast length.

    So the last few frames of a run may be left out.
    """
    if setting.rate is None or not len(unit.frames):
        return []
    breaks = np.flatnonzero(np.diff(unit.frames) != setting.stride) + 1
    runs = []
    for first, last in zip([0, *breaks.tolist()], [*breaks.tolist(), len(unit.frames)], strict=True):
        size = block_size(last - first, LONGEST_RUN)
        runs += [slice(at, at + shares.fast_length(min(size, last - at))) for at in range(first, last, size)]
    return [run for run in runs if run.stop - run.start >= shares.SHORTEST_S * setting.rate]


def _add_bands(found: Measured, errors: Array, runs: list[slice], setting: Setting, fixer: Fixer) -> None:
    """Bands of time, and the error without the highest one; frames outside of the runs keep theirs."""
    assert setting.rate is not None
    scored, inside = list(setting.body.scored), 0
    smooth, start = 0.0, 0.0
    for run in runs:
        size = run.stop - run.start
        parts, left = shares.band_parts(errors[:, :, run], setting.rate)
        found.add("time", parts[:, scored].ravel(), size)
        found.clip_time.append(np.sqrt(parts[:, scored].mean(axis=1) / size))
        smooth += float(fixer.errors_of(left).sum())
        start += float(fixer.errors_of(errors[:, :, run]).sum())
        inside += size
    count = found.count["fix start"]
    found.add("fix jitter", found.total["fix start"] - start + smooth, count)
