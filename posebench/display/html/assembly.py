"""From results to a page: names, protocol and comparison; and, where the true poses are at hand, what the predictions beside each show."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.data.registry import needs_root
from posebench.display.html.case import Case, Content
from posebench.display.html.causes import causes_section
from posebench.display.html.outcome import Report
from posebench.display.html.page import LIMIT, write_page
from posebench.display.html.skeletons import skeletons_section
from posebench.display.html.sources import Source, find_predictions, open_source
from posebench.display.html.windows import BUDGET, Moment, Window, as_json, read_windows, window_length
from posebench.predictions.formats.registry import Reading
from posebench.scoring.comparison import Comparison, Scored, compare
from posebench.scoring.decomposition.record import Diagnosis, load_diagnosis
from posebench.scoring.protocol import Protocol, load_protocol
from posebench.scoring.result import Result, distinct_names, load_result
from posebench.scoring.submission import IN_MEMORY, loaded
from posebench.scoring.truth import TruthLocation

#: Results on one page, at most.
MOST = 8
#: Frames of each kind, worst and median, of a page about several results.
_FRAMES = 12
#: Frames a second of clips that do not state it.
_RATE = 25.0
#: Base64 takes four letters for three bytes; some are left for what is around them.
_BYTES_PER_LETTER = 0.74

Progress = Callable[[int, int], None]


def report(
    results: Scored | Sequence[Scored],
    *more: Scored,
    predictions: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    root: str | os.PathLike[str] | None = None,
    truth: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    protocol: str | os.PathLike[str] | Protocol | None = None,
    diagnoses: Sequence[Diagnosis | str | os.PathLike[str]] = (),
    names: Sequence[str] | None = None,
    title: str = "",
    from_format: str | Reading | None = None,
    fps: float | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make one HTML file that shows results: numbers, intervals, comparison, where the error comes from, skeletons, provenance.

    **Convention.** The page loads nothing and needs no server. Numbers are those of the results. Where the true poses are at hand (``root``
    or ``truth``, or a dataset that needs no files), the prediction file beside each result is diagnosed, and its ten worst and ten median
    frames are shown; of several results fewer of each.

    Args:
        results: a result with its sums, or the path of its JSON file; or a list of up to eight that may be compared.
        more: further results.
        predictions: the prediction file of each result, in their order; by default the file with the digest that the result states, in
            the folder of the result.
        root: your folder of the protocol's dataset.
        truth: the truth file that the results were scored with, instead of a dataset.
        cameras: the file that holds the dataset's cameras, where the folder has none (Human3.6M).
        protocol: id or file of the results' protocol, where posebench does not come with it.
        diagnoses: finished diagnoses, or the paths of their JSON files; each belongs to one of the results.
        names: what the page calls each result; by default as :func:`posebench.compare`.
        title: of the page.
        from_format: how prediction files of another project are read.
        fps: frames a second of the clips of a truth file.
        progress: called with (clips done, clips in all).

    Returns:
        A :class:`Report`; ``report.save("report.html")`` writes it.

    Raises:
        PosebenchError: results that must not be compared; predictions, truth or a diagnosis that do not belong to a result; or a file that
            cannot be used.
    """
    given = [results, *more] if isinstance(results, Result | str | os.PathLike) else [*results, *more]
    if not 1 <= len(given) <= MOST:
        raise PosebenchError(
            f"{len(given)} results", f"1 to {MOST} on one page", "name fewer results, or compare them all with posebench compare"
        )
    read = [one if isinstance(one, Result) else load_result(one) for one in given]
    _require_sums(read)
    called = _names(given, read, names)
    comparisons = compare(read, names=called) if len(read) > 1 else []
    content = Content([Case(name, one) for name, one in zip(called, read, strict=True)], _protocol(protocol, read[0]))
    content = _with_diagnoses(content, diagnoses)
    location, missing = TruthLocation(root, truth, cameras), list[str]()
    windows: list[Window] = []
    if _has_truth(content, location):
        files = _prediction_files(given, read, predictions)
        content, windows, missing = _look(content, files, location, from_format, fps, progress, strict=bool(root or truth or predictions))
    elif predictions is not None:
        raise PosebenchError("predictions without true poses", "what they are held against", f"add {_truth_option(read[0])}")
    else:
        diagnosed = all(case.diagnosis is not None for case in content.cases)
        what = "Skeletons need" if diagnosed else "Skeletons, and where the error comes from, need"
        missing.append(f"{what} the true poses: add {_truth_option(read[0])} to posebench report.")
    content = replace(content, missing=tuple(missing))
    page = _page(content, comparisons, windows, title)
    found = {case.name: case.diagnosis for case in content.cases if case.diagnosis is not None}
    return Report(page, dict(zip(called, read, strict=True)), comparisons, found, tuple(missing))


def _require_sums(results: Sequence[Result]) -> None:
    for result in results:
        if not result.rows:
            name = result.predictions.method or result.predictions.file
            raise PosebenchError(f"{name} without sums", "a result with its .sums.npz", "load it with posebench.load_result(path)")


def _names(given: Sequence[Scored], results: Sequence[Result], names: Sequence[str] | None) -> list[str]:
    if names is not None and (len(names) != len(results) or len(set(names)) != len(names) or not all(names)):
        raise PosebenchError(f"names {', '.join(names) or 'none'} for {len(results)} results", "a different name for each", "give as many")
    if names is not None:
        return list(names)
    paths = [str(number) if isinstance(one, Result) else one for number, one in enumerate(given, start=1)]
    file = results[0].predictions
    return [str(name) for name in distinct_names(results, paths)] if len(results) > 1 else [file.method or file.file or "result"]


def _protocol(protocol: str | os.PathLike[str] | Protocol | None, result: Result) -> Protocol | None:
    """The protocol of a result; None where it was not named and posebench has none with that digest."""
    if protocol is None:
        try:
            found = load_protocol(result.protocol.id)
        except PosebenchError:
            return None
        return found if found.digest == result.protocol.digest else None
    named = loaded(protocol)
    if named.digest != result.protocol.digest:
        raise PosebenchError(
            f"protocol {named.id} of digest {named.digest}",
            f"that of the result, {result.protocol.digest}",
            "name the file it was scored under",
        )
    return named


def _with_diagnoses(content: Content, diagnoses: Sequence[Diagnosis | str | os.PathLike[str]]) -> Content:
    """The cases with the diagnoses that belong to them."""
    cases = list(content.cases)
    for given in diagnoses:
        diagnosis = given if isinstance(given, Diagnosis) else load_diagnosis(given)
        places = [place for place, case in enumerate(cases) if _belongs(diagnosis, case.result)]
        if not places:
            name = repr(diagnosis.predictions.method or diagnosis.predictions.file) if isinstance(given, Diagnosis) else str(given)
            raise PosebenchError(
                f"diagnosis {name}, which belongs to none of the results",
                "the diagnosis of the predictions, protocol and data of a result",
                "posebench diagnose PREDS --protocol ID -o D.json, or leave it out",
            )
        for place in places:
            cases[place] = replace(cases[place], diagnosis=diagnosis)
    return replace(content, cases=cases)


def _belongs(diagnosis: Diagnosis, result: Result) -> bool:
    return (diagnosis.predictions.sha256, diagnosis.protocol.digest, diagnosis.data.fingerprint) == (
        result.predictions.sha256,
        result.protocol.digest,
        result.data.fingerprint,
    )


def _has_truth(content: Content, location: TruthLocation) -> bool:
    """Whether the true poses are named, or need no naming."""
    if location.root is not None or location.file is not None:
        if content.protocol is None:
            result = content.first
            raise PosebenchError(
                f"protocol {result.protocol.id} of digest {result.protocol.digest}, which posebench does not have",
                "the protocol that the results were scored under",
                "name its file with --protocol FILE",
            )
        return True
    data = content.first.data.name
    return content.protocol is not None and data == content.protocol.dataset and not needs_root(data)


def _truth_option(result: Result) -> str:
    return "--truth GT" if result.data.name == "file" else "--root DIR"


def _prediction_files(
    given: Sequence[Scored], results: Sequence[Result], predictions: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
) -> list[Path | None]:
    """The prediction file of each result: as named, or the one beside it; None where it is not there."""
    if predictions is None:
        return [
            None if isinstance(one, Result) else find_predictions(Path(one), result.predictions)
            for one, result in zip(given, results, strict=True)
        ]
    named = [predictions] if isinstance(predictions, str | os.PathLike) else list(predictions)
    if len(named) != len(results):
        raise PosebenchError(
            f"{len(named)} prediction files for {len(results)} results", "one for each, in the same order", "name all, or none of them"
        )
    return [Path(one) for one in named]


def _look(
    content: Content,
    files: Sequence[Path | None],
    location: TruthLocation,
    from_format: str | Reading | None,
    fps: float | None,
    progress: Progress | None,
    *,
    strict: bool,
) -> tuple[Content, list[Window], list[str]]:
    """Diagnose what can be diagnosed, and read the poses around the frames that the diagnoses name."""
    assert content.protocol is not None
    cases, missing = list(content.cases), []
    with ExitStack() as stack:
        sources: dict[int, Source] = {}
        for place, (case, file) in enumerate(zip(cases, files, strict=True)):
            if file is None:
                missing.append(_no_file(case, several=content.several))
                continue
            sources[place] = open_source(stack, file, case, content.protocol, location, from_format)
        if strict and not sources:
            if content.first.predictions.file == IN_MEMORY:
                raise PosebenchError(
                    f"{content.cases[0].name}, scored from poses in memory",
                    "a result of a prediction file",
                    "write the poses with posebench.save_predictions, score the file, and name its result",
                )
            raise PosebenchError(
                f"no prediction file beside {content.cases[0].name}'s result",
                f"the file {content.first.predictions.file} of sha256 {content.first.predictions.sha256[:16]}...",
                "name it with --predictions PREDS",
            )
        todo = [place for place in sources if cases[place].diagnosis is None]
        for number, place in enumerate(todo):
            shown = _part_of(progress, number, len(todo))
            cases[place] = replace(cases[place], diagnosis=sources[place].diagnose(location, from_format, fps, shown))
        moments = _moments(cases, list(sources))
        first = next(iter(sources.values()), None)
        rate = first.submission.scope.source.fps or fps or _RATE if first else _RATE
        windows = read_windows({place: source.submission for place, source in sources.items()}, moments, rate) if moments else []
    return replace(content, cases=cases), windows, missing


def _no_file(case: Case, *, several: bool) -> str:
    file = case.result.predictions
    if file.file == IN_MEMORY:
        return f"{case.name} was scored from poses in memory: for skeletons, save them with posebench.save_predictions and score the file."
    whose = f" of {case.name}" if several else ""
    causes = ", and where the error comes from," if case.diagnosis is None else ""
    return (
        f"Skeletons{whose}{causes} need the prediction file {file.file} (sha256 {file.sha256[:16]}...):"
        " put it next to the result, or name it with --predictions."
    )


def _part_of(progress: Progress | None, number: int, of: int) -> Progress | None:
    """Progress of one of several equal pieces of work."""
    if progress is None:
        return None

    def shown(done: int, total: int) -> None:
        progress(number * total + done, of * total)

    return shown


def _moments(cases: Sequence[Case], places: Sequence[int]) -> list[Moment]:
    """The frames that the diagnoses name: all of one result, and equally many of each of several."""
    each = _FRAMES if len(places) == 1 else max(1, _FRAMES // max(1, len(places)))
    found: list[Moment] = []
    for kind in ("worst", "median"):
        for place in places:
            diagnosis = cases[place].diagnosis
            frames = () if diagnosis is None else diagnosis.worst if kind == "worst" else diagnosis.median
            found += [Moment(frame.clip, frame.index, place, kind, frame.value) for frame in frames[:each]]
    return found


def _page(content: Content, comparisons: Sequence[Comparison], windows: Sequence[Window], title: str) -> str:
    """The page, with windows as long as the limit of its size allows."""
    causes = causes_section(content)
    if not windows or content.protocol is None:
        return write_page(content, comparisons, title=title, causes=causes)
    names, skeleton = [case.name for case in content.cases], content.protocol.skeleton
    metrics = list(dict.fromkeys(case.diagnosis.metric for case in content.cases if case.diagnosis is not None))
    skeletons = skeletons_section(windows, names, skeleton, metrics)

    def page(shown: Sequence[Window]) -> str:
        return write_page(content, comparisons, title=title, causes=causes, skeletons=skeletons, data=as_json(shown, names, skeleton))

    room = _BYTES_PER_LETTER * (LIMIT - len(page([window.around(1) for window in windows]).encode()))
    length = window_length(len(windows), len(windows[0].predicted), len(skeleton), budget=min(BUDGET, max(0.0, room)))
    return page([window.around(length) for window in windows])
