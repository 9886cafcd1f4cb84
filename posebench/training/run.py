"""``posebench train``: from a method's name to a run folder with weights, predictions and result."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.data import DATASETS, open_dataset
from posebench.data.clip import Dataset
from posebench.lifters.run import build
from posebench.networks.machine import machine
from posebench.networks.method import Method
from posebench.networks.recipe import Recipe, load_baseline, read_method, resolve
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.networks.weights import ABOUT, About, save_weights
from posebench.predictions.provenance import Provenance
from posebench.scoring.diagnostic_frames import DiagnosticFrames, behaviour_on, diagnostic_frames
from posebench.scoring.result import Result
from posebench.training.checkpoint import TrainingState
from posebench.training.curves import draw_curves
from posebench.training.finish import finish, hold_out
from posebench.training.folder import CURVES, RECIPE, claim, default_folder
from posebench.training.gather import gather, gather_poses, part
from posebench.training.loop import CHECKPOINT, LOG, fit
from posebench.training.teacher import FOLDER as TEACHER
from posebench.training.teacher import Teacher, open_teacher, recipe_of_teacher

Progress = Callable[[int, int], None]


def train(
    method: str,
    dataset: str,
    *,
    root: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    teacher: str | os.PathLike[str] | None = None,
    keypoints: str = "gt",
    seed: int = 0,
    preset: str = "quick",
    recipe: str = "default",
    changes: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int = 0,
    tune: bool = False,
    save_every_s: float = 60.0,
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Result:
    """Train a baseline on a dataset's training split, predict its test split, and score that.

    **Convention.** The run folder holds ``recipe.toml`` (as resolved), ``log.jsonl``, ``curves.png``, ``checkpoint.safetensors``,
    ``lifter.safetensors`` and ``lifter.json``, ``predictions.npz``, ``result.json``; each is written whole or not at all. A method whose
    supervision is ``none`` is handed keypoints only. On the CPU the same call with the same count of threads gives the same predictions,
    byte for byte.

    Args:
        method: id of a baseline.
        dataset: name of a dataset.
        root: the owner's folder of the dataset.
        cameras: the file that holds its cameras, where the folder has none (Human3.6M).
        teacher: folder of the run that teaches a method which wants a teacher; without one, it is trained first, in ``teacher`` below the
            run's folder, at the same preset and seed. What it cost counts as the run's.
        keypoints: 2D source of training and prediction.
        seed: of all random numbers.
        preset: budget, ``smoke``, ``quick`` or ``full``.
        recipe: a variant that the method's ``recipe.toml`` names.
        changes: settings changed by hand, ``name=value``.
        output: the run's folder; by default below ``runs``, named after all that makes the run.
        resume: go on with an interrupted run; of a finished one nothing is done again.
        device: ``cpu``, ``cuda``, or ``auto``: cuda where there is one.
        threads: of the CPU; 0 takes PyTorch's choice.
        tune: leave the tuning subject (:class:`posebench.data.DatasetSpec`) out of the training and predict it instead of the test split.
        save_every_s: seconds between checkpoints.
        progress: called with (steps done, steps in all).
        log: called with a line now and then.

    Returns:
        The result, with what the lifter does beside its errors and how the training went.

    Raises:
        PosebenchError: an unknown method, recipe or setting; a folder that holds another run; data that cannot be learnt from; or a
            loss that is no longer finite.
        posebench.training.loop.Interrupted: Ctrl-C; everything is saved.
    """
    content, where = read_method(method)
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset=preset, changes=changes)
    data = open_dataset(dataset, root, cameras=cameras)
    if tune:
        data = hold_out(data, DATASETS[dataset].tuning_subject)
    if changes:
        recipe = ", ".join([recipe, *changes])
    resolved = Recipe(
        method=method,
        recipe=recipe,
        preset=preset,
        seed=seed,
        dataset={"name": data.name, "version": data.version, "fingerprint": data.fingerprint},
        subjects=tuple(subject for subject in data.splits["train"] if any(info.subject == subject for info in data.infos.values())),
        keypoints=keypoints,
        skeleton=data.skeleton,
        settings=asdict(settings),
    )
    device = _device(device)
    if teacher is not None:
        named_run = _named_teacher(Path(teacher), resolved, settings, device)
        resolved = replace(resolved, recipe=named_run.names(resolved, settings.taught_by), teacher=str(named_run))
    folder = Path(output) if output else default_folder(resolved, tune=tune)
    claim(folder, resolved, resume=resume)
    if threads:
        torch.set_num_threads(threads)
    if not (folder / ABOUT).is_file():
        named = None if teacher is None else Path(teacher)
        _learn(resolved, settings, content["supervision"], data, folder, resume, device, save_every_s, progress, log, named)
    return finish(folder, data, root, cameras, keypoints, device, tune=tune, log=log)


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise PosebenchError("--device cuda, and PyTorch finds no CUDA device", "cpu, or a machine with one", "use --device cpu")
    return name


def _learn(
    recipe: Recipe,
    settings: Settings,
    supervision: str,
    dataset: Dataset,
    folder: Path,
    resume: bool,
    device: str,
    save_every_s: float,
    progress: Progress | None,
    log: Callable[[str], None],
    named_teacher: Path | None = None,
) -> None:
    resume = resume and (folder / CHECKPOINT).is_file()  # killed before the first checkpoint: begin again
    teacher = None
    if settings.taught_by:
        at = named_teacher or _own_teacher(recipe, settings, supervision, dataset, folder, device, save_every_s, progress, log)
        teacher = open_teacher(at, recipe, settings.taught_by[0], device)
    clips, pool = dataset.clip_ids("train"), None
    if supervision == "unpaired 3D":
        clips, posed = part(dataset, clips, settings.pools)
        pool = gather_poses(dataset, posed, device=device)
    data = replace(gather(dataset, clips, recipe.keypoints, with_poses=supervision == "paired 3D", device=device), pool=pool)
    if settings.extra_data:
        other = open_dataset(settings.extra_data)
        data = replace(data, extra=gather(other, other.clip_ids("train"), recipe.keypoints, with_poses=False, device=device))
    if teacher:
        log(f"taught by {teacher}")
        data = replace(data, teacher_poses=teacher.tell(data))
    watched = diagnostic_frames(dataset, clips)
    beside = f", and {len(pool.poses):,} unpaired 3D poses," if pool else ""
    log(f"{len(data.keypoints):,} training poses of {len(clips)} clips{beside} on {device}, {torch.get_num_threads()} threads")
    if not resume:
        (folder / LOG).unlink(missing_ok=True)
    torch.manual_seed(recipe.seed)
    method = build(recipe).to(device)
    clock, cpu_clock = time.monotonic(), time.process_time()
    method.prepare(data)
    prepared = (time.monotonic() - clock, time.process_time() - cpu_clock)
    state = fit(
        method,
        data,
        settings,
        folder,
        resume=resume,
        save_every_s=save_every_s,
        look=lambda now: _look(now, data, watched, clips, dataset),
        progress=progress,
        log=log,
    )
    draw_curves(
        folder / LOG, folder / CURVES, f"{recipe.method} ({recipe.recipe}) on {dataset.name}, {recipe.keypoints}, seed {recipe.seed}"
    )
    made, spent = _provenance(recipe, settings, method, state, len(method.samples(data))), _training(state, prepared, device)
    if teacher:
        made, spent = teacher.credited(made), teacher.spent(spent)
    save_weights(folder, method.lifter, About(recipe.method, supervision, data.nominal, made, spent))


def _named_teacher(folder: Path, recipe: Recipe, settings: Settings, device: str) -> Teacher:
    """The run that --teacher names, seen to fit before anything is written."""
    if not settings.taught_by:
        raise PosebenchError(
            f"--teacher {folder} for {recipe.method}, recipe {recipe.recipe}",
            "a method that is taught, such as ites",
            "leave --teacher out",
        )
    return open_teacher(folder, recipe, settings.taught_by[0], device)


def _own_teacher(
    recipe: Recipe,
    settings: Settings,
    supervision: str,
    dataset: Dataset,
    folder: Path,
    device: str,
    save_every_s: float,
    progress: Progress | None,
    log: Callable[[str], None],
) -> Path:
    """The folder of a teacher that is trained for this run alone, or gone on with."""
    assert settings.taught_by
    method, variant = settings.taught_by
    content, where = read_method(method)
    if content["supervision"] != supervision:
        raise PosebenchError(f"{method}, which sees {content['supervision']}, as teacher", f"one that sees {supervision}", "choose another")
    chosen = resolve(content, load_baseline(method).Settings, where=where, recipe=variant, preset=recipe.preset)
    made, at = recipe_of_teacher(recipe, method, variant, asdict(chosen)), folder / TEACHER
    if not (at / RECIPE).is_file():
        write_text(at / RECIPE, made.dump())
    claim(at, made, resume=True)
    if not (at / ABOUT).is_file():
        log(f"first its teacher, {method} ({variant}), in {at}")
        _learn(made, chosen, supervision, dataset, at, True, device, save_every_s, progress, log)
    return at


def _look(method: Method, data: TrainingData, watched: DiagnosticFrames, clips: list[str], dataset: Dataset) -> dict[str, float]:
    """What the lifter does on training frames: it is shown whole clips where it looks at several frames, single frames otherwise."""
    starts = dict(zip(clips, np.cumsum([0, *(dataset.infos[id].frames for id in clips)])[:-1].tolist(), strict=True))

    def lifted(id: str, frames: Any) -> Any:
        clip = data.keypoints[starts[id] : starts[id] + dataset.infos[id].frames]
        poses = method.lift(clip) if method.context > 1 else method.lift(clip[torch.from_numpy(frames).to(clip.device)])
        return (poses[torch.from_numpy(frames).to(clip.device)] if method.context > 1 else poses).cpu().numpy()

    return {**behaviour_on(watched, dataset.skeleton, lifted), **method.diagnostics(data)}


def _provenance(recipe: Recipe, settings: Settings, method: Method, state: TrainingState, samples: int) -> Provenance:
    about = recipe.dataset
    return Provenance(
        recipe=recipe.recipe,
        preset=recipe.preset,
        seed=recipe.seed,
        trained_on=f"{about['name']} {about['version']} {about['fingerprint'][:16]}: {' '.join(recipe.subjects)}",
        trained_keypoints=recipe.keypoints,
        context=method.context,
        flip_averaging=settings.flip_averaging,
        side_information=method.side_information,
        extra_data=(f"2D of {settings.extra_data}",) if settings.extra_data else (),
        epochs=state.epoch,
        poses_seen=min(settings.samples or samples, samples) * state.epoch * method.poses_per_sample + method.poses_beside,
        parameters=sum(parameter.numel() for parameter in method.lifter.parameters()),
    )


def _training(state: TrainingState, prepared: tuple[float, float], device: str) -> dict[str, Any]:
    """What it cost; ``prepared`` are the seconds and CPU seconds before the first step."""
    seconds, cpu_seconds = state.seconds + prepared[0], state.cpu_seconds + prepared[1]
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "steps": state.step, **machine(device)}
