"""The second pass over the clips of a submission: what every fix leaves.

**Convention.** Poses are as in :mod:`posebench.scoring.decomposition.chunks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import block_size
from posebench.scoring.decomposition import shares, slices
from posebench.scoring.decomposition.body import Body
from posebench.scoring.decomposition.chunks import CHUNK, LONGEST_RUN, Chunk, Setting, Unit, chance_frames, chance_poses, chunks_of, scored
from posebench.scoring.decomposition.fixes import Bones, Fixed, Fixer, Poses, Scales, choose_discrete
from posebench.scoring.decomposition.survey import Survey

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
Given = npt.NDArray[np.floating]


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
    for chunk in chunks_of(unit, setting):
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
        chosen = chance_frames(chunk, setting)
        if len(chosen):
            noise = chance_poses(unit, chunk, chosen, start, setting)
            chance_codes, _ = choose_discrete(*scored(noise, chunk.truth[:, :, chosen], body), body)
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
    chunk: Chunk,
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
