"""Findings from the poses: invalid or constant poses, copied truth, a wrong unit; and what the modules beside this one look for.

**Convention.** The checks see a sample of poses, evenly spaced in every clip, root-relative and in millimetres; counts of invalid poses
are of all poses. A mistake must show in most of the sample, so that a weak method is not taken for a broken file: `flat` and
`mean-pose` raise no error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from posebench import metrics
from posebench.base.cameras import Camera
from posebench.base.errors import first_ten
from posebench.metrics.alignment import residuals
from posebench.metrics.hypotheses import mean_pose
from posebench.predictions.archive import Meta
from posebench.predictions.finding import Finding
from posebench.scoring.checks.causes import likeliest_cause
from posebench.scoring.checks.names import START, repeated
from posebench.scoring.checks.sample import ClipSample, best_scale, rms
from posebench.scoring.checks.sequence import CLIPS, ClipTimes, clip_times, sequence_findings
from posebench.scoring.checks.transforms import same_place, transform_finding
from posebench.scoring.protocol import Protocol
from posebench.scoring.traversal import MeasuredClip

Array = npt.NDArray[np.float64]

#: Poses in the sample over all clips, but at least :data:`MIN_PER_CLIP` a clip.
SAMPLE, MIN_PER_CLIP = 2048, 4
#: Predicted over true size. A method may see people somewhat too small or too large; beyond this its unit is wrong.
SIZE_RATIO = (0.4, 2.5)
#: Predictions this near to the truth, mm, in every sampled joint of a clip are a copy of it.
COPIED = 1e-2
#: A predicted root further than this from the origin is worth a note, mm.
AT_ORIGIN = 1.0
#: Share of poses that point away from the truth above which axes or joints are wrong; of random poses half do.
ALL_AWAY = 0.9
#: Beyond these ratios a size is an error even where no unit fits. A network that was hardly trained may be off by a factor of ten.
PLAUSIBLE_RATIO = (1 / 30, 30.0)
#: Factor between the sizes of the largest and smallest tenth of the poses, relative to the true ones, beyond which a scale is unsteady.
UNEVEN = 3.0
#: How much worse the clips of one camera or subject must be than the others, for a mistake in them alone.
ODD_PART = 1.6
#: Cameras or subjects that are looked at one by one, at most.
MOST_PARTS = 8
#: Units that poses are written in by mistake, mm.
_UNITS = {"mm": 1.0, "cm": 10.0, "inches": 25.4, "dm": 100.0, "feet": 304.8, "metres": 1e3}
#: A unit fits if the people are right within this factor.
_UNIT_FITS = 1.6


class PoseSamples:
    """Samples poses clip by clip, in the pass that also scores; :meth:`findings` judges them at the end."""

    def __init__(self, protocol: Protocol, meta: Meta, clips: int) -> None:
        self._protocol = protocol
        self._meta = meta
        self._per_clip = max(MIN_PER_CLIP, SAMPLE // max(1, clips))
        self._samples: list[ClipSample] = []
        self._times: list[ClipTimes] = []
        # One clip in ``_step`` is looked at in time.
        self._step, self._seen = max(1, -(-clips // CLIPS)), 0

    def add(self, clip: MeasuredClip, camera: Camera | None) -> None:
        """Sample one clip."""
        frames = len(clip.truth)
        index = np.unique(np.linspace(0, frames - 1, min(self._per_clip, frames)).round().astype(int))
        pred = np.asarray(clip.pred[..., index, :, :], dtype=np.float64) * self._meta.to_mm
        pred = mean_pose(pred) if pred.ndim == 4 else pred
        valid = ~metrics.invalid_poses(pred)
        root = self._protocol.root_indices
        if self._seen % self._step == 0 and (times := self._in_time(clip)):
            self._times.append(times)
        self._seen += 1
        from_origin = np.linalg.norm(pred[valid][:, list(root)].mean(axis=1), axis=-1)
        self._samples.append(
            ClipSample(
                clip=clip.id,
                pred=metrics.root_relative(pred[valid], root),
                truth=metrics.root_relative(clip.truth[index][valid], root),
                frames=index[valid],
                length=frames,
                root_distance=float(from_origin.max(initial=0.0)),
                start=np.asarray(clip.pred[..., :START, :, :], dtype=np.float64) * self._meta.to_mm,
                counts=clip.counts,
                camera=camera,
            )
        )

    def _in_time(self, clip: MeasuredClip) -> ClipTimes | None:
        pred = clip.pred if clip.pred.ndim == 3 else clip.pred[0]  # any hypothesis shows the time
        if len(pred) and np.array_equal(pred, np.broadcast_to(pred[:1], pred.shape)):
            return None  # one pose for every frame shows no time
        return clip_times(clip.id, pred, clip.whole, clip.at, self._protocol.root_indices)

    def findings(self) -> list[Finding]:
        """All findings about the poses."""
        found = self._findings()
        counts = [sample.counts for sample in self._samples]
        away, total = sum(count.nonpositive_scale for count in counts), sum(count.poses for count in counts)
        if away > ALL_AWAY * total and not any(finding.severity == "error" for finding in found):
            # No other error explains it; a score of such poses says nothing.
            found = [replace(finding, severity="error") if finding.name == "n-scale" else finding for finding in found]
        return found

    def _findings(self) -> list[Finding]:
        samples = self._samples
        found = [
            *_invalid(samples),
            *_nonpositive_scale(samples),
            *_root(samples, " mm" if self._meta.metric_scale else ""),
            *_constant(samples),
        ]
        if not any(len(sample.pred) for sample in samples):
            return found
        pred, truth = (np.concatenate(poses) for poses in ([s.pred for s in samples], [s.truth for s in samples]))
        found += _leakage(samples, pred, truth)
        if self._meta.metric_scale:
            units = [*_unit(pred, truth, self._meta.to_mm)]
            found += units or _uneven_unit(samples)
        cause = likeliest_cause(self._protocol, self._meta.skeleton, samples, pred, truth)
        if cause:
            return [*found, cause.finding]
        if others := [*repeated(samples), *sequence_findings(self._times)]:
            return [*found, *others]
        if part := self._mistake_of_a_part():
            return [*found, part]
        if same := [*same_place(pred, self._protocol.skeleton)]:
            return [*found, *same]
        whole = transform_finding(pred, truth, self._protocol.skeleton, "mm" if self._meta.metric_scale else "")
        return [*found, whole] if whole else found

    def _mistake_of_a_part(self) -> Finding | None:
        """A mistake in all clips of one camera or of one subject."""
        for kind, place in (("camera", 2), ("subject", 0)):
            parts: dict[str, list[ClipSample]] = defaultdict(list)
            for sample in self._samples:
                names = sample.clip.split("/")
                if len(names) == 3 and len(sample.pred):
                    parts[names[place]].append(sample)
            if not 1 < len(parts) <= MOST_PARTS:
                continue
            errors = {name: np.concatenate([_errors(sample) for sample in part]) for name, part in parts.items()}
            for name, samples in parts.items():
                others = np.concatenate([of_part for other, of_part in errors.items() if other != name])
                if float(np.median(errors[name])) < ODD_PART * float(np.median(others)):
                    continue
                pred, truth = (np.concatenate(poses) for poses in ([s.pred for s in samples], [s.truth for s in samples]))
                cause = likeliest_cause(self._protocol, self._meta.skeleton, samples, pred, truth)
                if cause and cause.finding.severity == "error":
                    message = f"in the clips of {kind} {name}: {cause.finding.message}"
                    return replace(cause.finding, message=message, clips=tuple(sample.clip for sample in samples))
        return None


def _errors(sample: ClipSample) -> Array:
    """(n,) root mean square error of each pose over its joints, mm, after the best scale that is not negative."""
    return rms(best_scale(sample.pred, sample.truth) * sample.pred - sample.truth)


def _invalid(samples: Sequence[ClipSample]) -> Iterator[Finding]:
    total = sum(sample.counts.poses for sample in samples)
    fix = "predict finite poses with extent; an invalid pose is scored, not left out"
    for name, what, counts in (
        ("non-finite", "hold NaN or infinity", [sample.counts.nonfinite for sample in samples]),
        ("zero-extent", "have all joints in one point", [sample.counts.invalid - sample.counts.nonfinite for sample in samples]),
    ):
        clips = [sample.clip for sample, count in zip(samples, counts, strict=True) if count]
        if clips:
            severity = "error" if sum(counts) == total else "warning"
            message = f"{sum(counts):,} of {total:,} poses {what}; they are scored with every joint at the root ({first_ten(clips)})"
            yield Finding(name, severity, message, fix, tuple(clips))


def _nonpositive_scale(samples: Sequence[ClipSample]) -> Iterator[Finding]:
    clips = [sample.clip for sample in samples if sample.counts.nonpositive_scale]
    if clips:
        count, total = (sum(getattr(sample.counts, name) for sample in samples) for name in ("nonpositive_scale", "poses"))
        message = f"{count:,} of {total:,} poses point away from the truth: N-MPJPE scales them by zero or less ({first_ten(clips)})"
        fix = "look at the axes and the joint order; N-MPJPE does not see that a pose is mirrored through its root"
        yield Finding("n-scale", "warning", message, fix, tuple(clips))


def _root(samples: Sequence[ClipSample], unit: str) -> Iterator[Finding]:
    distance = max((sample.root_distance for sample in samples), default=0.0)
    if distance > AT_ORIGIN:
        message = f"the predicted root is up to {distance:,.0f}{unit} from the origin; it is subtracted before scoring"
        yield Finding("root", "note", message, "none needed: scores are root-relative")


def _constant(samples: Sequence[ClipSample]) -> Iterator[Finding]:
    def constant(poses: Array) -> bool:
        return len(poses) > 3 and bool(np.abs(poses - poses[0]).max() <= 1e-6 * np.abs(poses).max())

    clips = [sample.clip for sample in samples if constant(sample.pred)]
    if clips:
        message = f"in {len(clips)} clips all poses are the same ({first_ten(clips)})"
        yield Finding("constant", "warning", message, "expected of a mean pose only: is one array written for every frame?", tuple(clips))


def _leakage(samples: Sequence[ClipSample], pred: Array, truth: Array) -> Iterator[Finding]:
    """Clips whose predictions are the truth; if there are none, clips whose predictions are the truth times a scale."""
    errors = residuals(pred, truth, ["root", "scale"]).errors
    ends = np.cumsum([len(sample.pred) for sample in samples])[:-1]
    for alignment, what in (("root", "the truth"), ("scale", "the truth times a scale")):
        by_clip = zip(samples, np.split(errors[alignment], ends), strict=True)
        copied = [sample.clip for sample, error in by_clip if len(error) and error.max() < COPIED]
        if copied:
            message = f"in {len(copied)} clips the predictions equal {what} ({first_ten(copied)})"
            fix = "fine for a test of the scorer; otherwise the method has seen the truth"
            yield Finding("leakage", "warning", message, fix, tuple(copied))
            return


def _unit(pred: Array, truth: Array, to_mm: float) -> Iterator[Finding]:
    """Are the people of the size of the true ones? ``to_mm`` is the stated unit in mm."""
    size, true_size = (float(np.median(rms(pose - pose.mean(axis=1, keepdims=True)))) for pose in (pred, truth))
    ratio = size / true_size
    if SIZE_RATIO[0] <= ratio <= SIZE_RATIO[1]:
        return
    message = f"the poses are {ratio:.3g} times as large as the truth (joints {size:.4g} mm from their mean instead of {true_size:.0f} mm)"
    stated = next(name for name, length in _UNITS.items() if length == to_mm)
    if mistake := _unit_of(to_mm / ratio):
        # A file can state millimetres or metres only.
        how = "state the right unit" if mistake in ("mm", "metres") else "write the poses in mm or metres"
        yield Finding("unit", "error", f"{message}: this looks like {mistake} stated as {stated}", how)
        return
    severity = "warning" if PLAUSIBLE_RATIO[0] <= ratio <= PLAUSIBLE_RATIO[1] else "error"
    yield Finding("unit", severity, message, "state the right unit, or scale='unknown' if the method knows none")


def _uneven_unit(samples: Sequence[ClipSample]) -> Iterator[Finding]:
    """Are the people of some clips, or of some frames, of another size than those of the others?"""
    ratios = [rms(s.pred - s.pred.mean(axis=1, keepdims=True)) / rms(s.truth - s.truth.mean(axis=1, keepdims=True)) for s in samples]
    by_clip = np.array([np.median(ratio) if len(ratio) else np.nan for ratio in ratios])
    usual = float(np.nanmedian(by_clip))
    with np.errstate(invalid="ignore"):
        odd = (by_clip < SIZE_RATIO[0] * usual) | (by_clip > SIZE_RATIO[1] * usual)
    fix = "write all poses in one unit, or state scale='unknown' if the method knows none"
    if odd.any():
        clips = [sample.clip for sample, is_odd in zip(samples, odd, strict=True) if is_odd]
        worst = float(max(by_clip[odd] / usual, key=lambda ratio: abs(np.log(ratio))))
        message = f"in {len(clips)} clips people are of another size than in most, by a factor of {worst:.3g} at worst ({first_ten(clips)})"
        severity = "warning" if PLAUSIBLE_RATIO[0] <= worst <= PLAUSIBLE_RATIO[1] else "error"
        yield Finding("unit", severity, message, fix, tuple(clips))
        return
    low, high = np.quantile(np.concatenate(ratios), (0.1, 0.9))
    if high > UNEVEN * low:
        message = f"the size of people changes from pose to pose: a tenth of them is {high / low:.3g} times as large as another tenth"
        yield Finding("unit", "warning", message, fix)


def _unit_of(length: float) -> str:
    """The unit that is about ``length`` mm long; empty if none is."""
    unit = min(_UNITS, key=lambda name: abs(np.log(_UNITS[name] / max(length, 1e-300))))
    return unit if 1 / _UNIT_FITS < length / _UNITS[unit] < _UNIT_FITS else ""
