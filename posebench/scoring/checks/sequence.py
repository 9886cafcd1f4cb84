"""Predictions at the wrong time: shifted by some frames, reversed, at another rate, or in no order.

**Convention.** A shift of s frames means that the pose stored for frame t is that of frame t + s of the truth: s < 0 is a prediction
that comes late. Errors are the root mean square over joints, mm, after the best scale that is not negative, as in :mod:`.causes`. Some
frames of some clips are looked at, evenly spaced. A clip without motion has no say, since its error is the same at all times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.predictions.finding import Finding
from posebench.scoring.checks.sample import best_scale, rms

Array = npt.NDArray[np.float64]
Poses = npt.NDArray[np.floating]

#: The longest shift that is looked for, frames.
MAX_SHIFT = 10
#: Clips, and frames of each, that are looked at.
CLIPS, FRAMES = 64, 8
#: A clip has a say if the error at the worst shift is more than this share above the least.
MOVES = 0.03
#: Share of such clips whose own best shift is that of all, or next to it.
NEAR = 0.7
#: Share of the error that a shift explains: of a finding, and of an error.
GAIN, LARGE_GAIN = 0.004, 0.02
#: The share at the longest shift, where the best one may lie beyond.
END_GAIN = 0.1
#: Poses of a larger error than this, mm, fit at no time: a shift of theirs may be chance.
FITS = 120.0
#: How far the gain must exceed its standard error over the clips.
SIGNIFICANT = 4.0
#: A late file was shifted if its first poses are one pose again and again, later at most this share of successive poses are; or if its
#: first poses fit the end of the clip with less than this share of the error.
HELD, WRAPPED = 0.2, 0.98
#: Another time explains the poses if less than this share of the error is left; below so many mm there is nothing to explain.
EXPLAINED, GOOD = 0.6, 30.0
#: Share of a clip's frames that must agree on a longer shift.
AGREED = 0.7
#: How much worse every second frame is.
ALTERNATING = 2.5
#: Successive poses differ by more than this share of what poses far apart do, where frames are in no order.
NO_ORDER = 0.7


@dataclass(frozen=True, eq=False)
class ClipTimes:
    """Errors of one clip at its own time and at others.

    Attributes:
        clip: the clip id.
        curve: (2 MAX_SHIFT + 1,) mean error at each shift.
        padded: the frame before which all poses equal the first, in a file that does not hold poses elsewhere; else 0.
        start: (2, MAX_SHIFT + 1) summed error of the poses of the first s frames at their own time, and at the last s frames of the clip.
        own: (n,) error at the stored time of frames all over the clip.
        following: (n,) error of the frames after those.
        parity: (n,) 0 where a frame of ``own`` is an even one, 1 where the following one is.
        mapped: name of a map of time to the (n,) error of those frames.
        nearest: (n,) error at whichever time of the clip fits best.
        lag: by how many frames these times are later, in the median and modulo the length; the shorter way round.
        agreed: share of the frames that agree on the lag.
        order: distance of successive predicted poses over that of poses far apart, minus the same of the truth.
    """

    clip: str
    curve: Array
    padded: int
    start: Array
    own: Array
    following: Array
    parity: npt.NDArray[np.int64]
    mapped: dict[str, Array]
    nearest: Array
    lag: int
    agreed: float
    order: float


def clip_times(clip: str, pred: Poses, truth: Poses, at: npt.NDArray[np.int64], root: Sequence[int]) -> ClipTimes | None:
    """The errors of one clip; None for a clip too short to be shifted.

    Args:
        clip: the clip id.
        pred: (n, J, 3) predicted poses, finite or not, any unit.
        truth: (T, J, 3) true poses of the whole clip, mm.
        at: (n,) index into ``truth`` of each predicted pose, ascending.
        root: joints whose mean is the root.
    """
    length = len(truth)
    inner = np.flatnonzero((at >= MAX_SHIFT) & (at < length - MAX_SHIFT))
    if len(inner) < 2 or len(at) < 4:
        return None
    chosen = inner[np.unique(np.linspace(0, len(inner) - 1, FRAMES).round().astype(int))]
    everywhere = np.unique(np.linspace(0, len(at) - 2, FRAMES).round().astype(int))
    if not (np.isfinite(pred[chosen]).all() and np.isfinite(pred[everywhere]).all()):
        return None
    # Of size 1, so that squares are finite: no error here depends on the size.
    largest = float(np.abs(pred[everywhere]).max())
    if not largest or not np.isfinite(pred).all():
        return None
    pred = np.asarray(pred, dtype=np.float64) / largest
    poses, spread = _relative(pred[chosen], root), _relative(pred[everywhere], root)
    offsets = np.arange(-MAX_SHIFT, MAX_SHIFT + 1)
    times = at[chosen][:, None] + offsets
    near = _relative(truth[times].reshape(-1, *truth.shape[1:]), root).reshape(*times.shape, *truth.shape[1:])
    stacked = np.repeat(poses[:, None], near.shape[1], axis=1).reshape(-1, *poses.shape[1:])
    sizes = rms(near.reshape(stacked.shape)).reshape(near.shape[:2])
    errors = _errors(stacked, near.reshape(stacked.shape)).reshape(near.shape[:2])
    # Of one size of people: else the error of poses that fit nowhere would follow how far the person's joints are apart.
    curve = (errors / np.maximum(sizes, 1e-300)).mean(axis=0) * sizes.mean()

    now = at[everywhere]
    own = _errors(spread, _relative(truth[now], root))
    maps = {"reversed in time": length - 1 - now, "at half the speed": now // 2, "at twice the speed": np.minimum(2 * now, length - 1)}
    mapped = {name: _errors(spread, _relative(truth[there], root)) for name, there in maps.items()}
    step = max(1, length // 256)
    nearest, best = _nearest(spread, _relative(truth[::step], root))
    lags = (best * step - now) % length
    lag = int(np.median(lags))
    agreed = float((np.abs(lags - lag) <= max(3, 2 * step)).mean())
    lag -= length * (lag > length // 2)
    after = everywhere + 1
    following = _errors(_relative(pred[after], root), _relative(truth[at[after]], root)) if np.isfinite(pred[after]).all() else own
    return ClipTimes(
        clip,
        curve,
        _padded(pred, at),
        _start(pred, truth, at, root),
        own,
        following,
        everywhere % 2,
        mapped,
        nearest,
        lag,
        agreed,
        _order(pred, truth, at, root),
    )


def sequence_findings(clips: Sequence[ClipTimes]) -> list[Finding]:
    """At most one finding: the poses are those of other times."""
    if not clips:
        return []
    return _other_times(clips) or _alternating(clips) or _shift(clips)


def _shift(clips: Sequence[ClipTimes]) -> list[Finding]:
    """A constant shift, if nearly all clips with motion agree on it, beyond noise."""
    curves = np.stack([clip.curve for clip in clips])
    moving = curves.max(axis=1) > (1.0 + MOVES) * curves.min(axis=1)
    if not moving.any():
        return []
    curves, clips = curves[moving], [clip for clip, moves in zip(clips, moving, strict=True) if moves]
    best = int(curves.sum(axis=0).argmin())
    shift = best - MAX_SHIFT
    gains = curves[:, MAX_SHIFT] - curves[:, best]
    gain = float(gains.sum() / curves[:, MAX_SHIFT].sum())
    noise = float(gains.std() / np.sqrt(len(gains)))
    near = float((np.abs(curves.argmin(axis=1) - best) <= 1).mean())
    at_end = abs(shift) == MAX_SHIFT
    if shift == 0 or gain < (END_GAIN if at_end else GAIN) or near < NEAR or gains.mean() < SIGNIFICANT * noise:
        return []
    how, frames = ("late" if shift < 0 else "early"), f"{abs(shift)} frame{'s' * (abs(shift) > 1)}{' or more' * at_end}"
    before, after = (float(curves[:, k].mean()) for k in (MAX_SHIFT, best))
    back = "earlier" if shift < 0 else "later"
    message = f"the poses come {frames} {how}: moved {frames} {back} they would fit with {after:.1f} mm instead of {before:.1f} mm"
    message += f" (root mean square), and {near:.0%} of the clips agree"
    if gain < LARGE_GAIN or after > FITS or (shift < 0 and not _shifted(clips, -shift)):
        fix = "a filter that only looks back lags like this by nature; otherwise the padding or the window of the network is off"
        return [Finding("time-shift", "warning", message, fix)]
    fix = "store each pose under the frame that it shows: the padding or the window of the network is off"
    return [Finding("time-shift", "error", message, fix)]


def _padded(pred: Poses, at: npt.NDArray[np.int64]) -> int:
    flat = pred.reshape(len(pred), -1)
    moved = (flat[1:] != flat[:-1]).any(axis=1)
    first = int(moved.argmax())
    later = moved[first:]
    return int(at[first + 1]) if later.any() and 1.0 - later.mean() <= HELD else 0


def _start(pred: Poses, truth: Poses, at: npt.NDArray[np.int64], root: Sequence[int]) -> Array:
    out = np.zeros((2, MAX_SHIFT + 1))
    early = at[at < MAX_SHIFT]
    if not len(early):
        return out
    poses = _relative(pred[: len(early)], root)
    own = _errors(poses, _relative(truth[early], root))
    for shift in range(1, MAX_SHIFT + 1):
        if count := int((early < shift).sum()):
            wrapped = _relative(truth[len(truth) - shift + early[:count]], root)
            out[:, shift] = own[:count].sum(), _errors(poses[:count], wrapped).sum()
    return out


def _shifted(clips: Sequence[ClipTimes], late: int) -> bool:
    """Do the first poses show that whole arrays were shifted by ``late`` frames? A filter starts with the poses that it is given."""
    padded = float(np.mean([clip.padded > late for clip in clips]))
    own, wrapped = np.sum([clip.start[:, late] for clip in clips], axis=0)
    return padded >= NEAR or bool(wrapped < WRAPPED * own)


def _other_times(clips: Sequence[ClipTimes]) -> list[Finding]:
    """The poses of each clip in reverse, at another speed, or in no order."""
    own = np.concatenate([clip.own for clip in clips])
    before = float(np.median(own))
    if before <= GOOD:
        return []
    lefts = {name: float(np.median(np.concatenate([clip.mapped[name] for clip in clips]))) for name in clips[0].mapped}
    name = min(lefts, key=lambda key: lefts[key])
    if lefts[name] < EXPLAINED * before:
        message = f"the poses run {name}: they fit with {lefts[name]:.0f} mm instead of {before:.0f} mm (root mean square) so"
        return [Finding("time", "error", message, "store one pose for each frame of the truth, in its order and at its frame rate")]
    nearest = float(np.median(np.concatenate([clip.nearest for clip in clips])))
    order = float(np.median([clip.order for clip in clips]))
    fit = f"{nearest:.0f} mm instead of {before:.0f} mm (root mean square)"
    if order > NO_ORDER and nearest < EXPLAINED * before:
        message = f"the frames are in no order: neighbours differ as much as frames far apart; at other frames the poses fit with {fit}"
        return [Finding("time", "error", message, "store the poses in the order of the frames: is the data loader shuffled?")]
    agreed = [clip for clip in clips if clip.agreed >= AGREED and abs(clip.lag) > MAX_SHIFT]
    if len(agreed) >= NEAR * len(clips) and nearest < EXPLAINED * before:
        lag = int(np.median([clip.lag for clip in agreed]))
        when = f"{abs(lag)} frames (median of the clips) {'later' if lag > 0 else 'earlier'}"
        message = f"the poses of each clip are those of other frames of it, {when}: there they fit with {fit}"
        return [Finding("time", "error", message, "store one pose for each frame of the truth, in its order")]
    return []


def _alternating(clips: Sequence[ClipTimes]) -> list[Finding]:
    """Are the even frames right and the odd ones wrong, or the other way round?"""
    even = np.concatenate([np.where(clip.parity == 0, clip.own, clip.following) for clip in clips])
    odd = np.concatenate([np.where(clip.parity == 0, clip.following, clip.own) for clip in clips])
    worse, better = sorted((float(np.median(even)), float(np.median(odd))), reverse=True)
    if worse < ALTERNATING * better or worse < GOOD:
        return []
    message = f"every second frame is wrong: even frames fit with {np.median(even):.0f} mm, odd ones with {np.median(odd):.0f} mm"
    fix = "are two people or two sequences written in turn?"
    return [Finding("time", "error", f"{message} (root mean square)", fix)]


def _order(pred: Poses, truth: Poses, at: npt.NDArray[np.int64], root: Sequence[int]) -> float:
    """Distance of successive predicted poses over that of poses half a clip apart, minus the same of the truth."""
    start = np.unique(np.linspace(0, len(at) - 2, 2 * FRAMES).round().astype(int))
    far = (start + len(at) // 2) % len(at)
    ratios = []
    for poses, index in ((pred, (start, start + 1, far)), (truth, (at[start], at[start + 1], at[far]))):
        here, after, there = (_relative(poses[k], root) for k in index)
        ratios.append(float(rms(after - here).mean() / max(rms(there - here).mean(), 1e-300)))
    return ratios[0] - ratios[1]


def _nearest(pred: Array, truth: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """(n,) error of each pose at the true pose that fits it best, and the index of that pose."""
    flat, true = pred.reshape(len(pred), -1), truth.reshape(len(truth), -1)
    dot = np.maximum(flat @ true.T, 0.0)
    left = (true**2).sum(axis=1) - dot**2 / np.maximum((flat**2).sum(axis=1), 1e-300)[:, None]
    best = left.argmin(axis=1)
    return np.sqrt(np.maximum(left[np.arange(len(left)), best], 0.0) / pred.shape[1]), best


def _relative(poses: Poses, root: Sequence[int]) -> Array:
    exact = np.asarray(poses, dtype=np.float64)
    out: Array = exact - exact[:, list(root)].mean(axis=1, keepdims=True)
    return out


def _errors(pred: Array, truth: Array) -> Array:
    return rms(best_scale(pred, truth) * pred - truth)
