"""The end of a run: the trained lifter predicts the test split (or the tuning subject), and the predictions are scored."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.data.clip import Dataset
from posebench.data.registry import DATASETS, registered
from posebench.lifters import Lifter, joint_notes, predict
from posebench.lifters.run import open_run
from posebench.networks.weights import About, load_about
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.predictions.disclosure import FACTS
from posebench.scoring.diagnostic_frames import behaviour_of_file
from posebench.scoring.evaluate import score
from posebench.scoring.protocol import load_protocol, protocol_ids
from posebench.scoring.result import Result, load_result
from posebench.training.folder import PREDICTIONS, RESULT
from posebench.training.job import Job


def hold_out(dataset: Dataset, subject: str) -> Dataset:
    """The dataset with one training subject, or its own split for that (``val``), as its test split, and the other ones to train on.

    Raises:
        PosebenchError: it has neither.
    """
    if subject not in (*dataset.splits, *dataset.splits["train"]):
        wanted = f"a training subject, or a split, {subject} to tune on"
        raise PosebenchError(f"{dataset.name} without {subject}", wanted, "leave out --tune, or state the split in dataset.toml")
    if subject in dataset.splits:
        return replace(dataset, splits={"train": dataset.splits["train"], "test": dataset.splits[subject]})
    rest = tuple(other for other in dataset.splits["train"] if other != subject)
    return replace(dataset, splits={"train": rest, "test": (subject,)})


def check_protocol(id: str, dataset: Dataset) -> None:
    """Refuse a protocol that the predictions of a dataset's test split cannot be scored under, before anything is trained.

    Raises:
        PosebenchError: no such protocol, one of another dataset, or one of other subjects than those of the test split.
    """
    protocol, test = load_protocol(id), dataset.splits["test"]
    if protocol.dataset != dataset.name:
        known = [other for other in protocol_ids() if load_protocol(other).dataset == dataset.name]
        whose = "for files given with --truth" if protocol.dataset == "any" else f"of dataset {protocol.dataset}"
        wanted = f"a protocol of {dataset.name}: {', '.join(known)}, or a .toml file of your own"
        raise PosebenchError(f"--protocol {id}, {whose}", wanted, "correct --protocol")
    others = [subject for subject in protocol.subjects if subject not in test]
    if others:
        found = f"--protocol {id}, which scores {' '.join(others)}"
        raise PosebenchError(found, f"subjects of the test split: {' '.join(test)}", "choose another protocol")


def finish(
    job: Job,
    *,
    root: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    tune: bool = False,
    protocol: str | None = None,
) -> Result:
    """Predict and score with the lifter of a trained job.

    A run that has its result is left as it is, unless a protocol is stated and the result is of another one: its predictions are then
    scored again. Predictions of an earlier version, which do not state :data:`posebench.predictions.disclosure.FACTS`, are made again.

    Args:
        job: trained; its dataset's test split is the tuning subject if ``tune``.
        root: the user's folder of the dataset.
        cameras: file with its cameras.
        tune: score under a protocol of the tuning subject.
        protocol: id or .toml file; None for the dataset's usual one.
    """
    folder, dataset = job.folder, job.dataset
    chosen = protocol or DATASETS[registered(dataset.name)].protocol_for(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        if tune:
            chosen = _tuning_protocol(Path(scratch), chosen, dataset.splits["test"])
        if (folder / RESULT).is_file() and (folder / PREDICTIONS).is_file():
            result = load_result(folder / RESULT)
            if set(FACTS) <= set(result.predictions.provenance or {}):
                if protocol is None or result.protocol.digest == load_protocol(chosen).digest:
                    return result
                job.log(f"scoring the run's predictions under {chosen}")
                return _score(folder, dataset, chosen, root=root, cameras=cameras, about=load_about(folder))
            job.log("the run's predictions are of an earlier version and do not state what the method was given")
        about = load_about(folder)
        job.log(f"predicting {sum(dataset.infos[id].frames for id in dataset.clip_ids('test')):,} test poses")
        lifter = open_run(folder, device=job.device, threads=job.threads)
        return predict_and_score(
            lifter, folder, dataset, job.recipe.keypoints, chosen, root=root, cameras=cameras, about=about, log=job.log
        )


def predict_and_score(
    lifter: Lifter,
    folder: Path,
    dataset: Dataset,
    keypoints: str,
    protocol: str,
    *,
    root: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    about: About | None = None,
    log: Callable[[str], None] | None = None,
) -> Result:
    """Write ``predictions.npz`` of the test split and ``result.json`` into a run's folder.

    ``about`` is None without training; ``log`` is told which camera stands in for clips without one.
    """
    save_predictions(
        folder / PREDICTIONS,
        predict(lifter, dataset, keypoints=keypoints, log=log),
        skeleton=lifter.info.skeleton,
        unit=lifter.info.unit,
        scale=lifter.info.scale,
        method=lifter.info.id,
        keypoints=keypoints,
        supervision=lifter.info.supervision,
        provenance=lifter.info.provenance,
        joints=joint_notes(lifter.info, dataset, keypoints),
    )
    return _score(folder, dataset, protocol, root=root, cameras=cameras, about=about)


def _score(
    folder: Path,
    dataset: Dataset,
    protocol: str,
    *,
    root: str | os.PathLike[str] | None,
    cameras: str | os.PathLike[str] | None,
    about: About | None,
) -> Result:
    """Write ``result.json`` of the predictions in a run's folder."""
    path = folder / PREDICTIONS
    result = score(path, protocol, root=root, cameras=cameras)
    with open_predictions(path) as file:
        result = replace(result, behaviour=behaviour_of_file(file, dataset), training=about.training if about else {})
    result.save(folder / RESULT)
    return result


def _tuning_protocol(folder: Path, base: str, subjects: tuple[str, ...]) -> str:
    """A protocol over the tuning subject. No leaderboard knows it, so its results can never become entries."""
    path = folder / "tuning.toml"
    own = base.endswith(".toml")
    protocol = load_protocol(base)
    name, split = protocol.id, 'split = ""\n' if protocol.split else ""
    path.write_text(
        f"extends = {json.dumps(str(Path(base).resolve()) if own else base)}\nid = {json.dumps('tuning/' + name)}\nversion = 1\n"
        f"title = {json.dumps('Tuning: ' + ' '.join(subjects) + ', held out of the training split')}\n"
        f"[takes]\n{split}subjects = {json.dumps(list(subjects))}\n",
        encoding="utf-8",
    )
    return str(path)
