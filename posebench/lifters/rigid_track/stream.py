"""The tracker for frames that arrive one after the other: poses come a stated number of frames late."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter, LifterInfo
from posebench.lifters.rigid_track.lifter import intrinsics_for, tracked_provenance
from posebench.lifters.rigid_track.smooth import removed, smoothed
from posebench.lifters.rigid_track.track import track

#: Frames before the newest one that are tracked again with it, and how many new frames are waited for in between.
MEMORY, STEP = 150, 5
#: Largest lag, frames.
LONGEST = 1000


def _judge(lag: int, memory: int, step: int) -> None:
    """Refuse a stream that would lose poses, or wait for ever."""
    if not 0 <= lag <= LONGEST:
        raise PosebenchError(f"a lag of {lag} frames", f"0 to {LONGEST}", "such as --lag 5, or leave --lag out for whole clips")
    if memory < 1 or step < 1:
        raise PosebenchError(f"a stream with memory {memory} and step {step}", "at least 1 each", f"memory={MEMORY}, step={STEP}")


def frames_seen(context: int, lag: int, memory: int, step: int) -> int:
    """The most frames that a pose of a :class:`Stream` depends on, itself included, for a lifter of this ``context``.

    Example:
        >>> frames_seen(1, 5, 150, 5), frames_seen(27, 5, 150, 5)
        (310, 160)
    """
    # A lifter of several frames lifts all that are kept anew. One of single frames has lifted the oldest of them with the others of
    # their step, whose first came up to step - 1 frames earlier.
    earlier = memory + -memory % step if context == 1 else 0
    return earlier + memory + step + lag


@dataclass
class Stream:
    """One clip whose frames arrive in order; each is lifted, and the last ``memory`` of them are tracked, every ``step`` frames.

    A pose depends on ``lag`` to ``lag + step - 1`` frames after it. Of the frames before it, it is tracked together with the last
    ``memory``; poses of a lifter of single frames were lifted when they were new, from keypoints that were smoothed over as many frames
    before them: :func:`frames_seen` counts both.

    Attributes:
        inner: the lifter. One that sees several frames lifts all that are kept, each time.
        camera: of the clip; None for the lifter's nominal one.
        lag: fewest frames after a pose that it is predicted from.
        memory: frames that are kept.
        step: poses that are given out together.
    """

    inner: Lifter
    camera: Any
    lag: int
    memory: int = MEMORY
    step: int = STEP
    _given: list[Array] = field(default_factory=list, init=False)
    _lifted: list[Array] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        _judge(self.lag, self.memory, self.step)
        self._focal, self._centre = intrinsics_for(self.inner.info, self.camera)
        self._joints = skeleton(self.inner.info.skeleton)

    def push(self, keypoints: Array) -> Array:
        """Take keypoints (J, 2) px of the next frame; give the poses (N, J, 3) that are ready, in order: none, or ``step``."""
        self._given.append(np.array(keypoints, np.float64))
        if len(self._given) - len(self._lifted) < self.lag + self.step:
            return np.empty((0, len(self._joints), 3))
        return self._next(self.step)

    def finish(self) -> Array:
        """The poses (N, J, 3) of the frames that are left, after the last one of the clip."""
        left = len(self._given) - len(self._lifted)
        return self._next(left) if left else np.empty((0, len(self._joints), 3))

    def _next(self, count: int) -> Array:
        """The poses of the next ``count`` frames; frames that are older than the memory are forgotten."""
        done, given = len(self._lifted), np.stack(self._given)
        smooth = smoothed(given)
        if self.inner.info.context == 1 and done:
            poses = np.concatenate([self._lifted, np.asarray(self.inner.lift(smooth[done:], self.camera), np.float64)])
        else:
            poses = np.asarray(self.inner.lift(smooth, self.camera), np.float64)
        noise = removed(given, smooth) / self._focal.mean()
        tracked = track(poses, (smooth - self._centre) / self._focal, self._joints, noise=noise)
        self._lifted.extend(poses[done : done + count])
        old = max(0, len(self._lifted) - self.memory)
        del self._given[:old], self._lifted[:old]
        return tracked[done : done + count]


@dataclass(frozen=True)
class TrackedStream:
    """A lifter whose poses are tracked as :class:`Stream` does, whatever the length of a clip.

    Attributes:
        inner: the lifter.
        lag: see :class:`Stream`.
        memory: see :class:`Stream`.
        step: see :class:`Stream`.
    """

    inner: Lifter
    lag: int
    memory: int = MEMORY
    step: int = STEP

    def __post_init__(self) -> None:
        _judge(self.lag, self.memory, self.step)

    @property
    def info(self) -> LifterInfo:
        """That of the inner lifter, with the frames that a pose depends on; the provenance says what was added, and the lag."""
        info = self.inner.info
        made = None if info.provenance is None else tracked_provenance(info.provenance, self.context, self.lag)
        return replace(info, id=info.id if made else f"{info.id}+track", context=self.context, provenance=made)

    @property
    def context(self) -> int:
        """The most frames that a pose depends on."""
        return frames_seen(self.inner.info.context, self.lag, self.memory, self.step)

    def lift(self, keypoints: Array, camera: Any) -> Array:
        """Keypoints (T, J, 2) px of one clip to tracked poses (T, J, 3), camera frame, root at the origin, in the inner lifter's unit.

        Raises:
            PosebenchError: no camera, and no nominal one of the inner lifter.
        """
        stream = Stream(self.inner, camera, self.lag, self.memory, self.step)
        return np.concatenate([*(stream.push(frame) for frame in keypoints), stream.finish()])
