"""A prediction file, opened next to the truth that it is scored against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import joint_map
from posebench.predictions.archive import Predictions, open_predictions
from posebench.predictions.finding import Finding
from posebench.predictions.formats.registry import Reading, foreign_format, read_foreign
from posebench.scoring.protocol import Protocol
from posebench.scoring.scope import Scope, open_scope
from posebench.scoring.truth import TruthLocation


@dataclass(frozen=True, eq=False)
class Submission:
    """An open prediction file and the scope that it is scored in.

    Attributes:
        file: the prediction file.
        scope: clips and frames that the protocol scores, with their truth.
        clips: ids of the clips that both have, in the scope's order.
        joints: for each joint of the protocol its index in the file's skeleton.
        hypotheses: hypotheses a pose; 1 for a file of single poses.
        reading: how a file of another project's format was read; empty for posebench's own format.
    """

    file: Predictions
    scope: Scope
    clips: list[str]
    joints: list[int]
    hypotheses: int
    reading: tuple[Finding, ...] = ()

    def numbers(self, clip: str) -> npt.NDArray[np.int64] | None:
        """Frame number of each stored pose; None where their count fits neither the clip nor the protocol's frames."""
        stored = self.file.shapes[clip][-3]
        frames = self.file.frames(clip)
        if frames is not None:
            return frames
        if stored in (0, self.scope.clips[clip].frames):
            return np.arange(stored) * self.scope.spacing
        wanted = self.scope.frames(clip)
        return wanted if stored == len(wanted) else None

    def misnumbered(self, clip: str) -> str:
        """What is wrong with the frame numbers that the file states for a clip; empty where nothing is."""
        numbers = self.file.frames(clip)
        if numbers is None or not len(numbers):
            return ""
        last = (self.scope.clips[clip].frames - 1) * self.scope.spacing
        if numbers.min() < 0 or numbers.max() > last:
            return f"frame numbers reach from {numbers.min()} to {numbers.max()} where the clip has 0 to {last}"
        return "frame numbers do not rise" if (np.diff(numbers) <= 0).any() else ""

    def readable_clips(self) -> list[str]:
        """The clips whose poses can be matched with true ones."""
        return [clip for clip in self.clips if self.numbers(clip) is not None and not self.misnumbered(clip)]

    def pair(self, clip: str) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating], npt.NDArray[np.int64]]:
        """The protocol's frames that the file holds of a readable clip.

        Returns:
            Predicted poses (n, J, 3) or (H, n, J, 3) in the file's unit, true poses (n, J, 3) mm, and frame numbers (n,).
        """
        numbers = self.numbers(clip)
        assert numbers is not None  # the checks refuse the file otherwise
        pred, truth = self.file.poses(clip), self.scope.truth(clip)
        if self.joints != list(range(pred.shape[-2])):
            pred = pred[..., self.joints, :]
        keep = np.isin(numbers, self.scope.frames(clip))
        if not keep.all():
            pred, numbers = pred[..., keep, :, :], numbers[keep]
        return pred, truth if len(numbers) == len(truth) else truth[numbers // self.scope.spacing], numbers


@contextmanager
def open_submission(
    predictions: str | os.PathLike[str],
    protocol: Protocol,
    location: TruthLocation,
    from_format: str | Reading | None = None,
) -> Iterator[Submission]:
    """Open a prediction file and the truth that it is scored against; only headers are read.

    Raises:
        PosebenchError: a file is missing, damaged or of another format, or its skeleton lacks joints of the protocol.
    """
    reading = from_format if isinstance(from_format, Reading) else Reading(from_format)
    format = foreign_format(predictions, reading)
    with ExitStack() as stack:
        findings: tuple[Finding, ...] = ()
        if format is None:
            file = stack.enter_context(open_predictions(predictions))
            scope = stack.enter_context(open_scope(protocol, location))
        else:
            scope = stack.enter_context(open_scope(protocol, location))
            file, finding = read_foreign(predictions, format, reading, scope)
            findings = (finding,)
        joints = list(joint_map(file.meta.skeleton, protocol.skeleton.id))
        clips = [clip for clip in scope.clips if clip in file.shapes]
        hypotheses = max((shape[0] for shape in file.shapes.values() if len(shape) == 4), default=1)
        yield Submission(file, scope, clips, joints, hypotheses, findings)
