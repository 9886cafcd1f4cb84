"""The one pass over the clips of a submission, for scoring and for checking alike."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.metrics.buffers import Buffers
from posebench.scoring.clip_sums import ClipSums, pose_counts
from posebench.scoring.fused import BLOCK, Run
from posebench.scoring.measure import measure_clip
from posebench.scoring.protocol import Metric
from posebench.scoring.submission import Submission

#: Threads that measure clips, at most: numpy releases the interpreter to them, but each holds a clip in memory.
MAX_THREADS = 4

Poses = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class MeasuredClip:
    """One clip and the sums of its metrics.

    Attributes:
        id: the clip id.
        pred: predicted poses (n, J, 3) or (H, n, J, 3), in the file's unit.
        truth: true poses (n, J, 3) mm.
        whole: true poses (T, J, 3) mm of the whole clip, also the frames that are not scored.
        at: (n,) index into ``whole`` of each pose.
        by_action: sums of each action of the clip; one, unless the dataset labels frames.
    """

    id: str
    pred: Poses
    truth: Poses
    whole: Poses
    at: npt.NDArray[np.int64]
    by_action: list[tuple[str, ClipSums]]

    @property
    def counts(self) -> ClipSums:
        """How many poses the clip has, and how many of them are invalid; no sums."""
        return pose_counts([sums for _, sums in self.by_action])


def measured(submission: Submission, metrics: list[Metric], clips: Sequence[str], *, per_frame: bool = False) -> Iterator[MeasuredClip]:
    """Measure readable clips of a submission, in the order of ``clips``.

    Clips are read one after the other by the caller's thread, and measured by a few threads at a time; so are the blocks of a long clip.
    The order of what is yielded, and so of all later sums, does not depend on the number of threads.

    Args:
        submission: an open prediction file.
        metrics: the metrics to sum; without any, only poses are counted.
        clips: ids out of :meth:`Submission.readable_clips`.
        per_frame: keep the value of every frame.
    """
    scope, to_mm = submission.scope, submission.file.meta.to_mm
    of_thread = threading.local()

    def measure(clip: str, pred: Poses, whole: Poses, frames: npt.NDArray[np.int64], run: Run = map) -> MeasuredClip:
        if not hasattr(of_thread, "buffers"):
            of_thread.buffers = Buffers()
        at = frames // scope.spacing
        truth = whole if len(at) == len(whole) else whole[at]
        by_action = []
        for action, part in scope.actions(clip, frames):
            sums = measure_clip(
                scope.protocol,
                metrics,
                pred[..., part, :, :],
                truth[part],
                frames[part],
                to_mm=to_mm,
                per_frame=per_frame,
                buffers=of_thread.buffers,
                run=run,
            )
            by_action.append((action, sums))
        return MeasuredClip(clip, pred, truth, whole, at, by_action)

    if not metrics:  # counting is less work than handing a clip to another thread
        yield from (measure(clip, *submission.pair(clip)) for clip in clips)
        return
    threads = min(MAX_THREADS, usable_cores())
    # Blocks have threads of their own: a clip that waits for its blocks holds one of the others.
    with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(threads) as of_blocks:
        # No more clips than threads wait here, so that memory does not grow with the file.
        pending: deque[Future[MeasuredClip]] = deque()
        for clip in clips:
            pair = submission.pair(clip)
            run: Run = of_blocks.map if threads > 1 and pair[0].shape[-3] > BLOCK else map
            pending.append(pool.submit(measure, clip, *pair, run))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
