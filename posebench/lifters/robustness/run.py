"""``posebench robustness LIFTER ...``: every lifter under every condition of one or more protocols.

**Convention.** A task is one lifter under one condition. It holds the keypoints of one clip and the poses of one condition at a time, in
float32. Tasks are independent, and the file is written while they finish, so that the work may be killed at any moment and continued.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import refuse_other_kind
from posebench.base.workers import parallel
from posebench.data import open_dataset
from posebench.data.clip import Dataset
from posebench.data.corruption.conditions import Condition
from posebench.data.registry import needs_root
from posebench.lifters import Lifter, predict
from posebench.lifters.choose import lifter_maker
from posebench.lifters.robustness.identity import identity_of, label_of
from posebench.scoring.protocol import Protocol
from posebench.scoring.robustness.measured import Measured, measure, require_conditions
from posebench.scoring.robustness.record import Method, Robustness, Study, facts_of, load_robustness
from posebench.scoring.scope import selects
from posebench.scoring.submission import Header, loaded
from posebench.scoring.truth import TruthLocation

#: Protocols that are run where none is named.
DEFAULT_PROTOCOLS = ("cmu/noise", "cmu/camera")
#: Seconds from one writing of the file to the next, while tasks finish.
SAVE_S = 5.0
#: What joblib and dask raise where the death of a worker ends the work.
_DEATHS = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")


@dataclass(frozen=True)
class Task:
    """One lifter, by its name and its label in tables, under one condition; by names, so that other machines read their own copies.

    ``identity`` and ``fingerprint`` are those of lifter and data: a process that holds others opens these.
    """

    lifter: str
    label: str
    protocol: str
    root: str | None
    condition: str
    threads: int
    identity: str
    fingerprint: str


@dataclass(frozen=True)
class Done:
    """A finished task and its sums, or why it failed."""

    task: Task
    measured: Measured | None
    error: PosebenchError | None


def measure_robustness(
    lifters: Sequence[str],
    *,
    protocols: Sequence[str] = DEFAULT_PROTOCOLS,
    root: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    names: Sequence[str] = (),
    jobs: int = 1,
    dask: str | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Robustness:
    """Score lifters under every condition of some protocols.

    Args:
        lifters: names as for :func:`posebench.open_lifter`.
        protocols: ids or files of protocols with conditions, all of one dataset.
        root: the dataset's folder.
        output: the file to write, and to continue: what it holds of the same lifters is not measured again, and other methods in it stay.
        names: a name for each lifter in tables; by default its id, or its folder's or file's name.
        jobs: processes on this machine.
        dask: address of a dask scheduler, instead of ``jobs``; its workers need the same files under the same paths.
        threads: CPU threads of a lifter.
        progress: called with (conditions done, conditions in all).
        log: called with a line for each lifter that is complete or failed.

    Returns:
        The content of the file.

    Raises:
        PosebenchError: a lifter, protocol or dataset that cannot be used, two lifters of one name; or in the end, if a lifter failed
            under a condition. Other lifters are measured all the same, and what was measured is in the file.
    """
    if not lifters:
        raise PosebenchError("no lifter", "one or more: a run folder, model.onnx, module:function, flat, mean-pose", "name one")
    if jobs < 1:
        raise PosebenchError(f"{jobs} processes", "a whole number from 1", "correct --jobs")
    if names and len(names) != len(lifters):
        raise PosebenchError(f"{len(names)} names for {len(lifters)} lifters", "a name for each lifter", "give as many --name")
    # A wrong name is reported before a dataset is read.
    makers = {name: lifter_maker(name, threads=threads) for name in lifters}
    known = {protocol: require_conditions(loaded(protocol)) for protocol in dict.fromkeys(protocols)}
    location = None if root is None else str(Path(root).absolute())
    if location and not any(needs_root(protocol.dataset) for protocol in known.values()):
        raise PosebenchError(f"a folder for generated data: {root}", "none, since it is generated", "drop --root")
    found = _earlier(output, list(known.values()))
    tasks: dict[Task, tuple[Study, Method]] = {}
    total = 0
    for protocol_name, protocol in known.items():
        dataset = _dataset(protocol, location)
        study = found.study(protocol, (dataset.name, dataset.fingerprint), _takes(dataset, protocol))
        for method, lifter in _methods(lifters, makers, names, dataset):
            kept = study.methods.get(method.name)
            if kept is None or kept.identity != method.identity:
                study.methods[method.name] = kept = method
            absolute = str(Path(lifter).absolute()) if Path(lifter).exists() else lifter
            named = str(Path(protocol_name).absolute()) if protocol_name.endswith(".toml") else protocol_name
            for condition in study.missing(kept):
                its = _root(protocol, location), str(condition), threads, kept.identity, dataset.fingerprint
                tasks[Task(absolute, method.name, named, *its)] = (study, kept)
            total += len(study.conditions)
    _run(tasks, found, output, jobs, dask, total, progress, log)
    return found


def _earlier(output: str | os.PathLike[str] | None, protocols: Sequence[Protocol]) -> Robustness:
    """The content of the file that is continued."""
    if output is None:
        return Robustness()
    refuse_other_kind(output, "robustness")
    return load_robustness(output, {protocol.id: protocol for protocol in protocols}) if Path(output).exists() else Robustness()


def _dataset(protocol: Protocol, root: str | None) -> Dataset:
    return open_dataset(protocol.dataset, _root(protocol, root))


def _root(protocol: Protocol, root: str | None) -> str | None:
    """The folder of a protocol's dataset; None for one that is generated."""
    return root if needs_root(protocol.dataset) else None


def _takes(dataset: Dataset, protocol: Protocol) -> tuple[str, ...]:
    """The takes that the protocol scores, in the dataset's order."""
    return tuple(dict.fromkeys(info.take for info in dataset.infos.values() if selects(protocol, info)))


def _methods(
    lifters: Sequence[str], makers: Mapping[str, Callable[[Dataset], Lifter]], names: Sequence[str], dataset: Dataset
) -> list[tuple[Method, str]]:
    """A method for each lifter, without sums."""
    found: list[tuple[Method, str]] = []
    for place, name in enumerate(lifters):
        lifter = makers[name](dataset)
        label = names[place] if names else label_of(name, lifter.info.id)
        if label in {method.name for method, _ in found}:
            raise PosebenchError(f"two lifters named {label}", "a name for each", "name them with --name, one for each lifter in order")
        info = lifter.info
        facts = facts_of(info.supervision, info.scale, info.provenance, info.context)
        found.append((Method(label, identity_of(name, dataset.fingerprint), facts), name))
    return found


def _run(
    tasks: Mapping[Task, tuple[Study, Method]],
    found: Robustness,
    output: str | os.PathLike[str] | None,
    jobs: int,
    dask: str | None,
    total: int,
    progress: Callable[[int, int], None] | None,
    log: Callable[[str], None],
) -> None:
    """Run the tasks, and write the file every few seconds and in the end, whatever ends the work."""
    done, saved = total - len(tasks), time.monotonic()
    if done:
        log(f"{done} of {total} conditions were measured before")
    failed: dict[str, PosebenchError] = {}
    try:
        for finished in _finished(tasks, failed, jobs, dask):
            study, method = tasks[finished.task]
            if finished.measured is None:
                assert finished.error is not None
                # The first error tells what is wrong; other conditions of the lifter most likely fail in the same way.
                if method.name not in failed:
                    failed[method.name] = _named(finished.error, f"{method.name} under {finished.task.condition} of {study.protocol.id}")
                    log(f"{method.name}: failed under {finished.task.condition}")
                continue
            if finished.measured.takes != study.takes:
                raise PosebenchError(
                    f"{len(finished.measured.takes)} takes", f"the {len(study.takes)} of {study.protocol.id}", "whole data"
                )
            method.sets[finished.task.condition] = finished.measured.sums
            done += 1
            if progress:
                progress(done, total)
            if not study.missing(method):
                log(f"{method.name}: {study.protocol.id} is complete")
            if output is not None and time.monotonic() - saved > SAVE_S:
                found.save(output)
                saved = time.monotonic()
    finally:
        if output is not None and any(method.sets for study in found.studies.values() for method in study.methods.values()):
            found.save(output)
    if failed:
        raise next(iter(failed.values()))


def _named(error: PosebenchError, what: str) -> PosebenchError:
    """The error with what it happened to in front."""
    return PosebenchError(f"{what}: {error.found}", error.wanted, error.next_step, exit_code=error.exit_code)


def _finished(tasks: Iterable[Task], failed: Collection[str], jobs: int, dask: str | None) -> Iterator[Done]:
    """Run the tasks; those of a lifter that failed are left out where they have not begun."""
    if dask is None and jobs == 1:
        yield from (run_task(task) for task in tasks if task.label not in failed)
        return
    try:
        yield from parallel([partial(run_task, task) for task in tasks], jobs, dask)
    except Exception as error:
        if type(error).__name__ not in _DEATHS:
            raise
        found = f"a worker that died ({type(error).__name__}), perhaps for want of memory"
        wanted = "workers that live; what was measured is kept where -o names a file"
        raise PosebenchError(found, wanted, "repeat the command, with fewer --jobs") from error


def run_task(task: Task) -> Done:
    """Lift and score one condition, in whatever process."""
    try:
        protocol = loaded(task.protocol)
        condition = Condition.read(task.condition)
        dataset = _opened(protocol.dataset, task.root, task.fingerprint)
        lifter = _lifter(task.lifter, protocol.dataset, task.root, task.threads, task.identity, task.fingerprint)
        seen = scored_part(condition.of(dataset), protocol)
        poses = dict(predict(lifter, seen, keypoints=condition.keypoints, log=lambda _: None))
        info = lifter.info
        header = Header(info.unit, info.skeleton, info.scale, info.id, condition.keypoints)
        return Done(task, measure(poses, protocol, TruthLocation(task.root, condition=condition, opened=dataset), header), None)
    except PosebenchError as error:
        return Done(task, None, error)


@lru_cache(maxsize=2)
def _opened(dataset: str, root: str | None, fingerprint: str) -> Dataset:
    """The dataset of a process, opened once.

    Raises:
        PosebenchError: it is another copy than the one that the work began with.
    """
    opened = open_dataset(dataset, root)
    if opened.fingerprint != fingerprint:
        raise PosebenchError(
            f"dataset {dataset} with fingerprint {opened.fingerprint}", f"the copy of {fingerprint}", "give all workers one"
        )
    return opened


@lru_cache(maxsize=8)
def _lifter(name: str, dataset: str, root: str | None, threads: int, identity: str, fingerprint: str) -> Lifter:  # noqa: ARG001 - in the key
    """The lifter of a process, opened or fitted once."""
    return lifter_maker(name, threads=threads)(_opened(dataset, root, fingerprint))


def scored_part(dataset: Dataset, protocol: Protocol) -> Dataset:
    """The dataset whose test split is what the protocol scores."""
    infos = {id: info for id, info in dataset.infos.items() if selects(protocol, info)}
    return replace(dataset, infos=infos, splits={"test": tuple(dict.fromkeys(info.subject for info in infos.values()))})
