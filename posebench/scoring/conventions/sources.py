"""What is explained: prediction files with their truth, or the sums of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from posebench.base.errors import PosebenchError
from posebench.base.readers.text import read_json
from posebench.predictions.archive import Meta
from posebench.predictions.finding import Finding
from posebench.predictions.formats.registry import Reading as FileReading
from posebench.predictions.formats.registry import foreign_format
from posebench.scoring.checks import refuse
from posebench.scoring.checks.layout import layout_findings
from posebench.scoring.conventions.applying import Facts
from posebench.scoring.conventions.from_sums import FromSums
from posebench.scoring.conventions.one_pass import OnePass, RowSums
from posebench.scoring.conventions.reading import Reading, stated_reading
from posebench.scoring.protocol import Protocol, load_protocol, protocol_ids
from posebench.scoring.result import Result, load_result
from posebench.scoring.submission import Header, Scorable, Submission, loaded, open_submission
from posebench.scoring.sums import Row
from posebench.scoring.truth import TruthLocation

_MAX_JSON_BYTES = 64 * 2**20


class Evaluator(Interface):
    """Gives the sums of readings."""

    rows: list[Row]

    def evaluate(self, readings: Iterable[Reading]) -> dict[Reading, RowSums | str]:
        """The sums of each reading, or why there are none."""


@dataclass(frozen=True, eq=False)
class Source:
    """An input that is ready to be read.

    Attributes:
        name: the method, or the file's name.
        kind: ``files`` or ``sums``.
        facts: what is known of it.
        evaluator: gives the sums of readings.
        declared: what it states and no convention can change.
        checked: to be called after the poses were read: what the checks found; raises where it is an error.
        partial: how many poses of those that the protocol asks for there are, where not all.
        data: name and fingerprint of the data of a result; empty for files, which were read with one truth.
    """

    name: str
    kind: str
    facts: Facts
    evaluator: Evaluator
    declared: dict[str, str]
    checked: Callable[[], list[Finding]] = list
    partial: str = ""
    data: str = ""

    @property
    def protocol(self) -> Protocol:
        """The protocol that it is read under."""
        return self.facts.protocol


@dataclass(frozen=True)
class Opening:
    """How inputs are opened: the arguments of :func:`posebench.explain` that concern files."""

    protocol: str | os.PathLike[str] | Protocol | None
    location: TruthLocation
    allow_partial: bool = False
    from_format: str | FileReading | None = None
    header: Header | None = None
    progress: Callable[[int, int], None] | None = None

    @contextmanager
    def source(self, predictions: Scorable | Result) -> Iterator[Source]:
        """Open a prediction file, poses in memory, or a result.

        Raises:
            PosebenchError: as :func:`posebench.score`, or the protocol is missing or not the result's.
        """
        result = as_result(predictions)
        if result is not None:
            yield self._of_result(result)
            return
        assert not isinstance(predictions, Result)
        if self.protocol is None:
            raise PosebenchError(
                f"{_named(predictions)} without a protocol", "a protocol, or a result of posebench score -o", "add --protocol ID"
            )
        with self._submission(predictions, loaded(self.protocol)) as (submission, whole):
            refuse(findings := layout_findings(submission, allow_partial=self.allow_partial), submission)
            reader = OnePass(whole, self.progress)
            meta = submission.file.meta
            facts = Facts(
                submission.scope.protocol,
                reader.rows,
                submission.scope.source.fps or 0.0,
                meta.metric_scale,
                submission.hypotheses,
            )
            name = meta.method or Path(submission.file.path).name

            def checked() -> list[Finding]:
                refuse(found := findings + reader.findings, submission)
                return found

            partial = _partial(reader.poses_of(submission.clips), submission.scope.pose_count)
            yield Source(name, "files", facts, reader, _declared(meta), checked, partial)

    @contextmanager
    def _submission(self, predictions: Scorable, protocol: Protocol) -> Iterator[tuple[Submission, Submission]]:
        """The submission, and the same with the takes that the protocol excludes, where the file holds them."""
        foreign = isinstance(predictions, str | os.PathLike) and foreign_format(predictions, self._reading)
        # Another project's file may be read in the order of the protocol's clips, so that no take may be added.
        opened = protocol if foreign else replace(protocol, excluded={})
        with open_submission(predictions, opened, self.location, self.from_format, self.header) as whole:
            scope = replace(whole.scope, protocol=protocol)
            clips = {clip: info for clip, info in scope.clips.items() if info.take not in protocol.excluded}
            held = [clip for clip in whole.clips if clip in clips]
            stated = replace(whole, scope=replace(scope, clips=clips), clips=held)
            more = set(whole.readable_clips()) - set(clips)
            kept = [clip for clip in whole.clips if clip in clips or clip in more]
            yield stated, replace(whole, scope=scope, clips=kept) if more else stated

    @property
    def _reading(self) -> FileReading:
        return self.from_format if isinstance(self.from_format, FileReading) else FileReading(self.from_format)

    def _of_result(self, result: Result) -> Source:
        protocol = self._protocol_of(result)
        if not result.rows:
            advice = "load it with posebench.load_result(path), which reads them"
            raise PosebenchError("a result without its sums", "the .sums.npz that posebench score wrote with it", advice)
        stated = {metric.name: stated_reading(metric, protocol).quantity for metric in (*protocol.metrics, *protocol.diagnostics)}
        predictions = result.predictions
        fps = protocol.fps
        facts = Facts(protocol, result.rows, fps, predictions.scale != "unknown", predictions.hypotheses)
        declared = _declared_in(predictions.keypoints, predictions.provenance)
        name = predictions.method or predictions.file
        partial = _partial(result.coverage.poses, result.coverage.poses_wanted)
        data = f"{result.data.name} {result.data.fingerprint[:16]}"
        return Source(name, "sums", facts, FromSums(result, stated), declared, lambda: list(result.findings), partial, data)

    def _protocol_of(self, result: Result) -> Protocol:
        stated = result.protocol
        given = None if self.protocol is None else loaded(self.protocol)
        protocol = given or (load_protocol(stated.id) if stated.id in protocol_ids() else None)
        if protocol is None or protocol.digest != stated.digest:
            found = f"a result under {stated.id} v{stated.version} ({stated.digest})"
            found += "" if protocol is None else f" and protocol {protocol.id} v{protocol.version} ({protocol.digest})"
            raise PosebenchError(found, "the protocol that it was scored under", "give its file: --protocol FILE.toml")
        return protocol


def _partial(poses: int, wanted: int) -> str:
    return "" if poses == wanted else f"{poses:,} of {wanted:,} poses"


def as_result(predictions: Scorable | Result) -> Result | None:
    """A result, or the one in a JSON file; None for anything else. Other projects' predictions may be JSON too."""
    if isinstance(predictions, Result):
        return predictions
    if isinstance(predictions, str | os.PathLike) and Path(predictions).suffix == ".json":
        path = Path(predictions)
        try:
            content = read_json(path, _MAX_JSON_BYTES) if path.stat().st_size <= _MAX_JSON_BYTES else None
        except (OSError, ValueError):
            return load_result(path)  # says what is wrong
        kinds = ("posebench_result", "posebench_explanation", "posebench_diagnosis")
        if isinstance(content, dict) and any(kind in content for kind in kinds):
            return load_result(path)
    return None


def _named(predictions: Scorable) -> str:
    return "poses in memory" if isinstance(predictions, Mapping) else f"{predictions}"


def _declared(meta: Meta) -> dict[str, str]:
    return _declared_in(meta.keypoints, meta.provenance.as_dict() if meta.provenance else None)


def _declared_in(keypoints: str, provenance: Mapping[str, Any] | None) -> dict[str, str]:
    found = {"keypoints": keypoints or "unstated"}
    words = {True: "yes", False: "no"}
    for name, label in (
        ("flip_averaging", "flip averaging"),
        ("context", "context, frames"),
        ("trained_on", "trained on"),
        ("trained_keypoints", "trained on keypoints"),
        ("tta", "test-time augmentation"),
        ("oracle", "oracle"),
    ):
        value = (provenance or {}).get(name)
        if value not in (None, ""):
            found[label] = words[value] if isinstance(value, bool) else str(value)
    return found
