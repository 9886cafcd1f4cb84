"""The poses that a page shows: a few frames before and after each frame that a diagnosis names, true and predicted.

**Convention.** Poses are mm, camera frame (x right, y down, z forward), root-relative; those of unknown scale are at the scale that
N-MPJPE gives each pose. Several hypotheses are shown by their mean.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import Skeleton
from posebench.metrics.alignment import aligned
from posebench.metrics.position import root_relative
from posebench.scoring.submission import Submission

#: Bytes that all poses of a page may take, before they are written as text.
BUDGET = 450_000
#: Frames of a window: half of this before the frame, half after it.
LONGEST, SHORTEST = 61, 9
#: Largest number that a stored coordinate has: int16 in tenths of a millimetre.
_LARGEST = 32767
_BYTES = 2


class Moment(NamedTuple):
    """A frame that is worth a look.

    Attributes:
        clip: the clip id.
        place: its place among the clip's scored frames, from 0.
        result: number of the result that it was chosen for.
        kind: ``worst`` or ``median``.
        value: the error of that result at this frame, mm.
    """

    clip: str
    place: int
    result: int
    kind: str
    value: float


@dataclass(frozen=True, eq=False)
class Window:
    """Poses around a moment.

    Attributes:
        moment: the frame that it is about.
        at: its place in the window.
        numbers: (n,) frame numbers in the clip.
        fps: frames of the window per second.
        action: label of the take.
        truth: (n, J, 3) true poses.
        root: (n, 3) true places of the root, mm; None without a camera.
        keypoints: (n, J, 2) keypoints, mm right and down of the root in the plane at the root's depth; None where they are not known.
        predicted: number of a result to its poses (n, J, 3).
    """

    moment: Moment
    at: int
    numbers: npt.NDArray[np.int64]
    fps: float
    action: str
    truth: Array
    root: Array | None
    keypoints: Array | None
    predicted: dict[int, Array] = field(default_factory=dict)

    def around(self, length: int) -> Window:
        """The window, or that part of it around the moment which is ``length`` frames long."""
        part = _part(self.at, length, len(self.numbers))
        return replace(
            self,
            at=self.at - part.start,
            numbers=self.numbers[part],
            truth=self.truth[part],
            root=None if self.root is None else self.root[part],
            keypoints=None if self.keypoints is None else self.keypoints[part],
            predicted={number: poses[part] for number, poses in self.predicted.items()},
        )

    @property
    def name(self) -> str:
        """Clip and frame in words."""
        return f"{self.moment.clip}, frame {self.numbers[self.at]}"


def window_length(windows: int, results: int, joints: int, *, budget: float = BUDGET) -> int:
    """Frames that each of so many windows may have, odd, so that all poses stay within ``budget`` bytes.

    Example:
        >>> window_length(20, 1, 17), window_length(24, 8, 17)
        (61, 17)
    """
    per_frame = _BYTES * (joints * (3 * results + 3 + 2) + 3)
    most = int(budget // (max(1, windows) * per_frame))
    length = min(LONGEST, max(SHORTEST, most))
    return length - (1 - length % 2)


def read_windows(submissions: Mapping[int, Submission], moments: Sequence[Moment], fps: float) -> list[Window]:
    """The windows of the moments, each with the poses of all results; a clip is read once.

    Args:
        submissions: number of a result to its open predictions and truth.
        moments: the frames.
        fps: frames per second of the dataset's definition.
    """
    first = next(iter(submissions.values()))
    length = window_length(len(moments), len(submissions), len(first.scope.protocol.skeleton))
    found: dict[Moment, Window] = {}
    for clip in dict.fromkeys(moment.clip for moment in moments):
        of_clip = [moment for moment in moments if moment.clip == clip]
        for number, submission in submissions.items():
            pred, whole, numbers = submission.pair(clip)
            for moment in of_clip:
                part = _part(moment.place, length, len(numbers))
                at = numbers[part] // submission.scope.spacing
                if moment not in found:
                    found[moment] = _true_window(submission, moment, numbers[part], whole[at], moment.place - part.start, fps)
                window = found[moment]
                window.predicted[number] = _predicted(submission, pred[..., part, :, :], window.truth)
    return [found[moment] for moment in moments]


def _part(index: int, length: int, count: int) -> slice:
    """Where a window lies in its clip: the frame in the middle, unless the clip ends before."""
    start = max(0, min(index - length // 2, count - length))
    return slice(start, min(count, start + length))


def _true_window(
    submission: Submission, moment: Moment, numbers: npt.NDArray[np.int64], truth: npt.NDArray[np.floating], at: int, fps: float
) -> Window:
    protocol, clip = submission.scope.protocol, moment.clip
    poses = np.asarray(truth, dtype=np.float64)
    camera = submission.scope.camera(clip)
    root = poses[:, list(protocol.root_indices)].mean(axis=1) if camera is not None else None
    source = submission.file.meta.keypoints
    pixels = submission.scope.source.keypoints(clip, source) if camera is not None and source else None
    step = float(np.median(np.diff(numbers))) if len(numbers) > 1 else 1.0
    return Window(
        moment=moment,
        at=at,
        numbers=numbers,
        fps=fps / step if step > 0 else fps,
        action=submission.scope.clips[clip].action,
        truth=root_relative(poses, protocol.root_indices),
        root=root,
        keypoints=None
        if pixels is None or camera is None or root is None
        else in_root_plane(pixels[numbers // submission.scope.spacing], camera, root),
    )


def _predicted(submission: Submission, pred: npt.NDArray[np.floating], truth: Array) -> Array:
    """Predicted poses as they are compared: root-relative mm, at the scale of N-MPJPE where theirs is unknown. Invalid ones are NaN."""
    poses = np.asarray(pred if pred.ndim == 3 else pred.mean(axis=0), dtype=np.float64) * submission.file.meta.to_mm
    poses = root_relative(poses, submission.scope.protocol.root_indices)
    if submission.file.meta.metric_scale:
        return poses
    finite = np.isfinite(poses).all(axis=(1, 2))
    out = np.full_like(poses, np.nan)
    if finite.any():
        out[finite] = aligned(poses[finite], truth[finite], "scale")
    return out


def in_root_plane(pixels: npt.NDArray[np.floating], camera: Camera, root: Array) -> Array:
    """Keypoints (n, J, 2) px as mm right and down of the root (n, 3), in the plane at the root's depth. Lens distortion is left in."""
    rays = (np.asarray(pixels, dtype=np.float64) - camera.centre) / camera.focal
    out: Array = rays * root[:, None, 2:] - root[:, None, :2]
    return out


def seen_by_camera(poses: Array, root: Array | None) -> Array:
    """Where joints (..., J, 3) about the root (..., 3) appear in the plane at the root's depth, mm (..., J, 2).

    Without a root the view is orthographic.
    """
    if root is None:
        return poses[..., :2]
    x, y, z = (root[..., None, axis] for axis in range(3))
    scale = z / np.maximum(z + poses[..., 2], 100.0)
    return np.stack([(poses[..., 0] + x) * scale - x, (poses[..., 1] + y) * scale - y], axis=-1)


def as_json(windows: Sequence[Window], names: Sequence[str], skeleton: Skeleton) -> dict[str, Any]:
    """What the viewer reads: names, bones, and for each window base64 of little-endian int16.

    **Convention.** ``unit`` is the number of steps in a millimetre: 10, or 1 where a prediction is metres away from its root. The root is
    in millimetres. A joint that is not finite, or farther away than 32 m, has no place and is -32768.
    """
    sides = {"l_": 1, "r_": 2}
    return {
        "results": list(names),
        "joints": list(skeleton.joints),
        "bones": [[parent, child, sides.get(skeleton.joints[child][:2], 0)] for parent, child in skeleton.bones],
        "windows": [_window(window, len(names)) for window in windows],
    }


def _window(window: Window, results: int) -> dict[str, Any]:
    predicted = [window.predicted.get(number) for number in range(results)]
    unit = _unit([window.truth, *(poses for poses in predicted if poses is not None)])
    near = window.root is not None and float(np.abs(window.root).max()) <= _LARGEST
    return {
        "clip": window.moment.clip,
        "action": window.action,
        "kind": window.moment.kind,
        "chosen": window.moment.result,
        "at": window.at,
        "fps": round(window.fps, 2),
        "first": int(window.numbers[0]),
        "step": int(np.median(np.diff(window.numbers))) if len(window.numbers) > 1 else 1,
        "count": len(window.numbers),
        "unit": unit,
        "truth": quantised(window.truth, unit),
        "root": quantised(window.root, 1.0) if near and window.root is not None else None,
        "keypoints": quantised(window.keypoints, unit) if near and window.keypoints is not None else None,
        "predicted": [None if poses is None else quantised(poses, unit) for poses in predicted],
    }


def _unit(arrays: Sequence[Array]) -> float:
    """Steps a millimetre, as fine as the largest finite coordinate allows, but at least one."""
    largest = max(float(np.max(np.abs(array), where=np.isfinite(array), initial=0.0)) for array in arrays)
    return 10.0 if largest * 10.0 <= _LARGEST else 1.0


def quantised(values: Array, per_mm: float = 10.0) -> str:
    """Base64 of little-endian int16: ``values`` times ``per_mm``, rounded; -32768 for what is not finite or too large.

    Example:
        >>> quantised(np.array([0.0, 0.1, -0.1, np.nan, 1e9]))
        'AAABAP//AIAAgA=='
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(values * per_mm)
        kept = np.abs(scaled) <= _LARGEST
    whole = np.where(kept, scaled, -_LARGEST - 1.0)
    return base64.b64encode(np.ascontiguousarray(whole, dtype="<i2").tobytes()).decode("ascii")
