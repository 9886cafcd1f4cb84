"""The end of a run: the trained lifter predicts the test split (or the tuning subject), and the predictions are scored."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from posebench.data import DATASETS
from posebench.data.clip import Dataset
from posebench.lifters import Lifter, predict
from posebench.lifters.run import open_run
from posebench.networks.weights import About, load_about
from posebench.predictions.archive import open_predictions, save_predictions
from posebench.scoring.diagnostic_frames import behaviour_of_file
from posebench.scoring.evaluate import score
from posebench.scoring.result import Result, load_result
from posebench.training.folder import PREDICTIONS, RESULT
from posebench.training.job import Job


def hold_out(dataset: Dataset, subject: str) -> Dataset:
    """The dataset with one training subject as its test split and the other ones as its training split."""
    rest = tuple(other for other in dataset.splits["train"] if other != subject)
    return replace(dataset, splits={"train": rest, "test": (subject,)})


def finish(
    job: Job, *, root: str | os.PathLike[str] | None = None, cameras: str | os.PathLike[str] | None = None, tune: bool = False
) -> Result:
    """Predict and score with the lifter of a trained job; a run that has its result is left as it is.

    Args:
        job: trained; its dataset's test split is the tuning subject if ``tune``.
        root: the user's folder of the dataset.
        cameras: file with its cameras.
        tune: score under a protocol of the tuning subject.
    """
    folder, dataset = job.folder, job.dataset
    if (folder / RESULT).is_file() and (folder / PREDICTIONS).is_file():
        return load_result(folder / RESULT)
    about = load_about(folder)
    job.log(f"predicting {sum(dataset.infos[id].frames for id in dataset.clip_ids('test')):,} test poses")
    protocol = DATASETS[dataset.name].protocol_for(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        if tune:
            protocol = _tuning_protocol(Path(scratch), protocol, dataset.splits["test"])
        lifter = open_run(folder, device=job.device, threads=job.threads)
        return predict_and_score(
            lifter, folder, dataset, job.recipe.keypoints, protocol, root=root, cameras=cameras, about=about, log=job.log
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
    path = folder / PREDICTIONS
    save_predictions(
        path,
        predict(lifter, dataset, keypoints=keypoints, log=log),
        skeleton=lifter.info.skeleton,
        unit=lifter.info.unit,
        scale=lifter.info.scale,
        method=lifter.info.id,
        keypoints=keypoints,
        supervision=lifter.info.supervision,
        provenance=about.provenance if about else None,
    )
    result = score(path, protocol, root=root, cameras=cameras)
    with open_predictions(path) as file:
        result = replace(result, behaviour=behaviour_of_file(file, dataset), training=about.training if about else {})
    result.save(folder / RESULT)
    return result


def _tuning_protocol(folder: Path, base: str, subjects: tuple[str, ...]) -> str:
    """A protocol over the tuning subject. No leaderboard knows it, so its results can never become entries."""
    path = folder / "tuning.toml"
    path.write_text(
        f"extends = {json.dumps(base)}\nid = {json.dumps('tuning/' + base)}\nversion = 1\n"
        f"title = {json.dumps('Tuning: ' + ' '.join(subjects) + ', held out of the training split')}\n"
        f"[takes]\nsubjects = {json.dumps(list(subjects))}\n",
        encoding="utf-8",
    )
    return str(path)
