"""What may be done beyond lifting, as backends of their own: tracking, and the correction of a lifter at test time, which is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posebench.base.errors import PosebenchError
from posebench.lifters import Lifter
from posebench.lifters.rigid_track.lifter import Tracked
from posebench.lifters.run import open_run, without_flip_averaging
from posebench.lifters.timing.backends import Backend, plain_backend
from posebench.lifters.timing.clip import TimingClip
from posebench.lifters.timing.record import TRACKED, UNCORRECTED

#: The test-time setting that leaves a correction out.
_NO_CORRECTION = "correction=none"
#: Frames on which it is tried whether a lifter can be tracked.
_TRIED = 8


def without_correction(path: str, lifter: Lifter, *, device: str, threads: int, changes: Sequence[str]) -> tuple[list[Backend], list[str]]:
    """A run without the correction that it does at test time, none for a lifter without one; and a note if it cannot be left out.

    Args:
        path: of the run.
        lifter: the lifter opened from it.
        device: the PyTorch device that it is on.
        threads: of PyTorch.
        changes: test-time settings, ``name=value``, that it was opened with.
    """
    trained = without_flip_averaging(lifter)
    if trained is None or trained.method.test_time == "none":
        return [], []
    try:
        plain = open_run(path, device=device, threads=threads, changes=[*changes, _NO_CORRECTION])
    except PosebenchError as error:
        return [], [f"{UNCORRECTED}: {error.found}"]
    return [replace(plain_backend(UNCORRECTED, plain), lift=None)], []


def with_tracking(lifter: Lifter, clip: TimingClip, *, untrained: bool) -> tuple[list[Backend], list[str]]:
    """A lifter with tracking, at batches of more than one frame; or a note that says why it is not tracked."""
    if untrained:
        return [], [f"{TRACKED}: drawn weights give no body that could be tracked"]
    tracked = Tracked(lifter)
    try:
        tracked.info  # noqa: B018 - refuses a lifter that corrects its poses
        tracked.lift(clip.frames(_TRIED), clip.camera)
    except PosebenchError as error:
        return [], [f"{TRACKED}: {error.found}"]
    return [replace(plain_backend(TRACKED, tracked), lift=None, batches=lambda batch: batch > 1)], []
