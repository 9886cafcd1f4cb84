"""``posebench.explain``: a score under the conventions of other projects."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from posebench.base.errors import PosebenchError
from posebench.predictions.formats.registry import Reading as FileReading
from posebench.scoring.conventions.explanation import Explanation, Line
from posebench.scoring.conventions.lines import Values, base_reading, explained_metrics, filled, valued, wanted_lines, wanted_preset
from posebench.scoring.conventions.presets import Preset, preset
from posebench.scoring.conventions.search import Search, to_second
from posebench.scoring.conventions.sources import Opening, Source, as_result
from posebench.scoring.protocol import Protocol
from posebench.scoring.result import Result
from posebench.scoring.submission import Header, Scorable
from posebench.scoring.truth import TruthLocation


def explain(
    predictions: Scorable | Result,
    protocol: str | os.PathLike[str] | Protocol | None = None,
    other: Scorable | Result | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    presets: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    target: Mapping[str, float] | None = None,
    allow_partial: bool = False,
    from_format: str | FileReading | None = None,
    unit: str | None = None,
    skeleton: str | None = None,
    scale: str | None = None,
    method: str = "",
    keypoints: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """The score under every neighbouring convention that the input allows: root, joints, frames, takes, alignment, average, ...

    **Convention.** Each line changes one thing of the protocol; a preset changes several, as a project does. Values are no scores under
    the protocol, and a leaderboard refuses them. Intervals are those of the change, paired over takes.

    Args:
        predictions: a prediction file, poses in memory, or a result (or its ``.json``), whose sums allow fewer conventions.
        protocol: as :func:`posebench.score` takes it; not needed for a result, unless its protocol is a file of yours.
        other: a second file or result: which conventions explain the difference to the first?
        root: as :func:`posebench.score` takes it, like ``truth`` and ``cameras``.
        truth: a truth file instead of a dataset.
        cameras: the dataset's camera file.
        presets: ids of :data:`posebench.scoring.conventions.presets.PRESETS`, such as ``videopose3d``.
        metrics: names of metrics; by default those of :data:`DEFAULT_METRICS` that have a value.
        target: a number for a metric, such as one from a paper: which conventions give it?
        allow_partial: accept a file in which clips or frames are missing.
        from_format: as :func:`posebench.score` takes it, like what follows, which is for poses in memory.
        unit: their unit.
        skeleton: their joint order.
        scale: ``metric`` or ``unknown``.
        method: name of the method.
        keypoints: keypoint source that the method was given.
        progress: called with (clips done, clips in all).

    Raises:
        PosebenchError: as :func:`posebench.score`; or no such preset or metric.

    Example:
        >>> import numpy as np, posebench, tempfile
        >>> truth = {"S1/Walk 1/c0": np.random.default_rng(0).normal(0, 300, (9, 17, 3))}
        >>> file = posebench.save_predictions(tempfile.mkdtemp() + "/truth.npz", truth, unit="mm", skeleton="h36m17")
        >>> poses = {clip: 1.1 * pose for clip, pose in truth.items()}
        >>> found = posebench.explain(poses, "pair-17j", truth=file, unit="mm", skeleton="h36m17", method="mine")
        >>> round(found.stated["MPJPE"], 2), round(found.line("MPJPE", "no-root").value, 2)
        (52.97, 56.28)
    """
    chosen = [preset(id) for id in ([presets] if isinstance(presets, str) else presets)]
    names = [metrics] if isinstance(metrics, str) else metrics
    header = Header(unit, skeleton, scale, method, keypoints)
    opening = Opening(protocol, TruthLocation(root, truth, cameras), allow_partial, from_format, header, progress)
    inputs = [predictions] if other is None else [predictions, other]
    if (root or truth or cameras) and all(as_result(one) is not None for one in inputs):
        wanted = "a prediction file with the truth, or a result alone"
        raise PosebenchError("true poses for a result, which keeps sums only", wanted, "give the prediction file, or leave the truth out")
    with ExitStack() as stack:
        source = stack.enter_context(opening.source(predictions))
        second = None if other is None else stack.enter_context(opening.source(other))
        return _explained(source, names, chosen, second, dict(target or {}))


def _explained(
    source: Source, names: Sequence[str], presets: Sequence[Preset], second: Source | None, target: dict[str, float]
) -> Explanation:
    if second is not None and target:
        raise PosebenchError("a second input and a target", "one of them", "leave one out")
    metrics = explained_metrics(source, [*names, *target])
    bases = {metric.name: base_reading(metric, source) for metric in metrics}
    wanted = {metric.name: wanted_lines(metric, source) for metric in metrics}
    as_presets = {metric.name: [line for one in presets if (line := wanted_preset(one, metric, source))] for metric in metrics}
    readings = [*bases.values()]
    readings += [one.reading for lines in (*wanted.values(), *as_presets.values()) for one in lines if one.reading is not None]
    searches = [Search(metric, source, wanted[metric.name]) for metric in metrics if second is not None or metric.name in target]
    readings += [reading for search in searches for reading in search.readings]
    values = Values(source, source.evaluator.evaluate(readings))
    findings = source.checked()
    bases = valued(bases, values, [*names, *target])
    searches = [search for search in searches if search.metric.name in bases]
    lines: list[Line] = []
    preset_lines: list[Line] = []
    for name, base in bases.items():
        lines += filled(wanted[name], base, values)
        preset_lines += filled(as_presets[name], base, values)
    if second is None:
        differences = [search.to_number(values, target[search.metric.name]) for search in searches]
    else:
        differences = to_second(searches, values, source, second)
    protocol = source.protocol
    return Explanation(
        stamp=f"not {protocol.id}",
        protocol={"id": protocol.id, "version": str(protocol.version), "digest": protocol.digest, "headline": protocol.headline},
        method=source.name,
        source=source.kind,
        stated={name: values.value(base) for name, base in bases.items()},
        units={metric.name: metric.unit for metric in metrics if metric.name in bases},
        lines=tuple(lines),
        presets=tuple(preset_lines),
        declared=source.declared,
        differences=tuple(differences),
        partial=source.partial,
        findings=tuple(finding.shortened() for finding in findings),
    )
