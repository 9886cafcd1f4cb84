"""``posebench train``: from a method's name to a run folder with weights, predictions and result.

Read from top to bottom: ``train`` makes the job, ``learn`` trains it, and what follows are their parts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.data import open_dataset
from posebench.data.clip import Dataset
from posebench.data.registry import DATASETS, registered
from posebench.lifters import match_notes
from posebench.lifters.run import build
from posebench.networks.machine import machine, torch_threads
from posebench.networks.method import Method
from posebench.networks.recipe import Recipe, form_of, load_baseline, read_method, resolve
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.networks.weights import ABOUT, About, save_weights
from posebench.predictions.forms import TUNED
from posebench.predictions.provenance import Provenance
from posebench.scoring.diagnostic_frames import DiagnosticFrames, behaviour_on, diagnostic_frames
from posebench.scoring.result import Result
from posebench.training.cameras import fitted
from posebench.training.checkpoint import TrainingState
from posebench.training.curves import draw_curves
from posebench.training.finish import check_protocol, finish, hold_out
from posebench.training.folder import CURVES, RECIPE, claim, default_folder
from posebench.training.gather import gather, gather_poses, split_takes
from posebench.training.job import Job, Progress
from posebench.training.loop import CHECKPOINT, LOG, Hooks, fit
from posebench.training.teacher import FOLDER as TEACHER
from posebench.training.teacher import Teacher, open_teacher, recipe_of_teacher


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
    recipe: str = TUNED,
    changes: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int = 1,
    tune: bool = False,
    protocol: str | None = None,
    save_every_s: float = 60.0,
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Result:
    """Train a baseline on a dataset's training split, predict its test split, and score that.

    **Convention.** The run folder holds ``recipe.toml`` (as resolved), ``log.jsonl``, ``curves.png``, ``checkpoint.safetensors``,
    ``lifter.safetensors`` and ``lifter.json``, ``predictions.npz``, ``result.json``; each is written whole or not at all. A method whose
    supervision is ``none`` gets keypoints only. On the CPU the same call with the same number of threads gives the same predictions,
    byte for byte.

    Args:
        method: id of a baseline.
        dataset: name of a dataset.
        root: the user's folder of the dataset.
        cameras: file with its cameras, for a folder that has none (Human3.6M).
        teacher: for a method that learns from a teacher, the teacher's run folder. If none is given, a teacher is trained first, in
            ``teacher`` below the run's folder, with the same preset and seed, and its cost counts as the run's.
        keypoints: 2D source of training and prediction.
        seed: of all random numbers.
        preset: budget, ``smoke``, ``quick`` or ``full``.
        recipe: ``tuned``, the method's own recipe, or another one of its ``recipe.toml``. ``default`` is another name of ``tuned``.
        changes: single settings, ``name=value``.
        output: the run's folder; by default below ``runs``, named after method, recipe, dataset, keypoints, preset and seed.
        resume: continue an interrupted run; nothing of a finished one is repeated.
        device: ``cpu``, ``cuda``, or ``auto``: cuda if there is a device.
        threads: CPU threads of training and prediction; 0 for PyTorch's choice. PyTorch's own setting is restored afterwards.
        tune: leave the tuning subject (:class:`posebench.data.DatasetSpec`) out of the training and predict it instead of the test split.
        protocol: id of a protocol of the dataset, or a .toml file, to score under; None for the dataset's usual one
            (:meth:`posebench.data.DatasetSpec.protocol_for`). With ``resume``, a finished run is scored again if it was under another.
        save_every_s: seconds between checkpoints.
        progress: called with (steps done, steps in all).
        log: called with each line of the log.

    Returns:
        The result, with diagnostics of the lifter and the costs of the training.

    Raises:
        PosebenchError: an unknown method, recipe or setting; a folder that holds another run; data that cannot be trained on; or a loss
            that is not finite.
        posebench.training.loop.Interrupted: Ctrl-C; a checkpoint has been saved.
    """
    job = plan(
        method,
        dataset,
        root=root,
        cameras=cameras,
        teacher=teacher,
        keypoints=keypoints,
        seed=seed,
        preset=preset,
        recipe=recipe,
        changes=changes,
        output=output,
        resume=resume,
        device=device,
        threads=threads,
        tune=tune,
        protocol=protocol,
        save_every_s=save_every_s,
        progress=progress,
        log=log,
    )
    with torch_threads(threads):
        claim(job.folder, job.recipe, resume=resume)
        if not (job.folder / ABOUT).is_file():
            learn(job)
        return finish(job, root=root, cameras=cameras, tune=tune, protocol=protocol)


def plan(
    method: str,
    dataset: str,
    *,
    root: str | os.PathLike[str] | None = None,
    cameras: str | os.PathLike[str] | None = None,
    teacher: str | os.PathLike[str] | None = None,
    keypoints: str = "gt",
    seed: int = 0,
    preset: str = "quick",
    recipe: str = TUNED,
    changes: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    threads: int = 1,
    tune: bool = False,
    protocol: str | None = None,
    save_every_s: float = 60.0,
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Job:
    """The job of a call of :func:`train`, whose arguments these are. Everything is checked, and nothing is written."""
    content, where = read_method(method)
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset=preset, changes=changes)
    data = open_dataset(dataset, root, cameras=cameras)
    if protocol is not None:
        check_protocol(protocol, data)
    elif not DATASETS[registered(dataset)].protocol:
        check_protocol(DATASETS[registered(dataset)].protocol_for(data), data)
    if tune:
        data = hold_out(data, DATASETS[registered(dataset)].tuning_subject)
    settings, measured = fitted(settings, data, keypoints, changes)
    for line in measured:
        log(line)
    subjects_with_clips = {info.subject for info in data.infos.values()}
    resolved = Recipe(
        method=method,
        recipe=", ".join([recipe, *changes]),
        preset=preset,
        seed=seed,
        dataset={"name": data.name, "version": data.version, "fingerprint": data.fingerprint},
        subjects=tuple(subject for subject in data.splits["train"] if subject in subjects_with_clips),
        keypoints=keypoints,
        skeleton=data.skeleton,
        settings=asdict(settings),
        form=TUNED if changes else form_of(content, recipe, where),
        measured=measured,
    )
    device = _device(device)
    if teacher is not None:
        # Opened before anything is written, so that an unfit teacher leaves no folder.
        named_run = _named_teacher(Path(teacher), resolved, settings, device)
        recipe_name = named_run.recipe_name_of(resolved, settings.teacher_baseline)
        resolved = replace(resolved, recipe=recipe_name, teacher=str(named_run))
    elif settings.teacher_baseline:
        _judge_teachers_recipe(*settings.teacher_baseline)
    return Job(
        recipe=resolved,
        settings=settings,
        supervision=content["supervision"],
        dataset=data,
        folder=Path(output) if output else default_folder(resolved, tune=tune),
        teacher=None if teacher is None else Path(teacher),
        resume=resume,
        device=device,
        threads=threads,
        save_every_s=save_every_s,
        progress=progress,
        log=log,
    )


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise PosebenchError("--device cuda, and PyTorch finds no CUDA device", "cpu, or a machine with one", "use --device cpu")
    return name


def learn(job: Job) -> None:
    """Train a job's method, and its teacher first if it needs one; leaves log, curves and weights in the job's folder.

    Raises:
        PosebenchError: data that cannot be trained on, or a loss that is not finite.
        posebench.training.loop.Interrupted: Ctrl-C; a checkpoint has been saved.
    """
    recipe, settings, dataset, folder = job.recipe, job.settings, job.dataset, job.folder
    resume = job.resume and (folder / CHECKPOINT).is_file()  # killed before the first checkpoint: start again
    teacher = _teacher(job)
    clips, data = training_data(job)
    if not resume:
        (folder / LOG).unlink(missing_ok=True)

    wall_start, cpu_start = time.monotonic(), time.process_time()
    if teacher:
        job.log(f"taught by {teacher}")
        data = teacher.teach(data, settings)
    torch.manual_seed(recipe.seed)
    method = build(recipe).to(job.device)
    method.prepare(data)
    preparation = _Seconds(time.monotonic() - wall_start, time.process_time() - cpu_start)
    watched = diagnostic_frames(dataset, clips)
    hooks = Hooks(lambda trained: _diagnose(trained, data, watched, clips, dataset), job.progress, job.log)
    state = fit(method, data, settings, folder, resume=resume, save_every_s=job.save_every_s, hooks=hooks)

    title = f"{recipe.method} ({recipe.recipe}) on {dataset.name}, {recipe.keypoints}, seed {recipe.seed}"
    draw_curves(folder / LOG, folder / CURVES, title)
    provenance = _provenance(recipe, settings, method, state, len(method.samples(data)), _joints(dataset, clips, recipe.keypoints))
    costs = _costs(state, preparation, job.device)
    if teacher:
        provenance, costs = teacher.add_to_provenance(provenance), teacher.add_to_costs(costs)
    save_weights(folder, method.lifter, About(recipe.method, job.supervision, data.nominal, provenance, costs))


def training_data(job: Job) -> tuple[list[str], TrainingData]:
    """Read all that a job's method may learn from, but for its teacher's poses.

    Returns:
        The clips that keypoints come from, and the data.
    """
    dataset, keypoints, device = job.dataset, job.recipe.keypoints, job.device
    clips, posed_clips = dataset.clip_ids("train"), None
    if job.supervision == "unpaired 3D":
        clips, posed_clips = split_takes(dataset, clips, job.settings.pools)
    pool = gather_poses(dataset, posed_clips, device=device) if posed_clips is not None else None
    data = gather(dataset, clips, keypoints, with_poses=job.supervision == "paired 3D", device=device)
    data = replace(data, pool=pool)
    if job.settings.extra_data:
        other = open_dataset(job.settings.extra_data)
        data = replace(
            data, extra=gather(other, other.clip_ids("train"), keypoints, skeleton_id=dataset.skeleton, with_poses=False, device=device)
        )
    unpaired = f", and {len(pool.poses):,} unpaired 3D poses," if pool else ""
    threads = torch.get_num_threads()
    machine_words = f"{device}, {threads} thread{'' if threads == 1 else 's'}"
    job.log(f"{len(data.keypoints):,} training poses of {len(clips)} clips{unpaired} on {machine_words}")
    return clips, data


def _teacher(job: Job) -> Teacher | None:
    """The teacher that a job's settings ask for: the named one, or one that is trained first; None if they ask for none."""
    if not job.settings.teacher_baseline:
        return None
    folder = job.teacher or _train_teacher(job)
    return open_teacher(folder, job.recipe, job.settings.teacher_baseline[0], job.device)


def _named_teacher(folder: Path, recipe: Recipe, settings: Settings, device: str) -> Teacher:
    """The run that --teacher names.

    Raises:
        PosebenchError: the method learns from no teacher, or not from this one.
    """
    if not settings.teacher_baseline:
        raise PosebenchError(
            f"--teacher {folder} for {recipe.method}, recipe {recipe.recipe}",
            "a method that learns from a teacher, such as ites",
            "leave --teacher out",
        )
    return open_teacher(folder, recipe, settings.teacher_baseline[0], device)


def _judge_teachers_recipe(method: str, recipe: str) -> None:
    """Refuse a recipe that the baseline of a teacher does not have, before anything is written.

    Raises:
        PosebenchError: no such recipe.
    """
    content, where = read_method(method)
    try:
        form_of(content, recipe, where)
    except PosebenchError as error:
        raise PosebenchError(f"teacher {method}, {error.found}", error.wanted, "correct the setting teacher_recipe") from error


def job_of_teacher(job: Job) -> Job:
    """The training of a job's teacher, in ``teacher`` below its folder."""
    assert job.settings.teacher_baseline
    method, variant = job.settings.teacher_baseline
    content, where = read_method(method)
    if content["supervision"] != job.supervision:
        found = f"{method}, which sees {content['supervision']}, as teacher"
        raise PosebenchError(found, f"one that sees {job.supervision}", "choose another")
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=variant, preset=job.recipe.preset)
    settings, measured = fitted(settings, job.dataset, job.recipe.keypoints)
    recipe = recipe_of_teacher(job.recipe, method, variant, asdict(settings), form_of(content, variant, where))
    recipe = replace(recipe, measured=measured)
    return replace(job, recipe=recipe, settings=settings, folder=job.folder / TEACHER, teacher=None, resume=True)


def _train_teacher(job: Job) -> Path:
    """Train the teacher of a job, or resume that training; returns the teacher's folder."""
    first = job_of_teacher(job)
    folder, recipe = first.folder, first.recipe
    if not (folder / RECIPE).is_file():
        write_text(folder / RECIPE, recipe.dump())
    claim(folder, recipe, resume=True)
    if not (folder / ABOUT).is_file():
        job.log(f"first its teacher, {recipe.method} ({recipe.recipe}), in {folder}")
        learn(first)
    return folder


def _diagnose(method: Method, data: TrainingData, watched: DiagnosticFrames, clips: list[str], dataset: Dataset) -> dict[str, float]:
    """Diagnostics of the lifter on some training frames, and the method's own ones."""
    clip_starts = np.cumsum([0, *(dataset.infos[id].frames for id in clips)])[:-1].tolist()
    start_of = dict(zip(clips, clip_starts, strict=True))

    def lift(id: str, frames: Any) -> Any:
        clip = data.keypoints[start_of[id] : start_of[id] + dataset.infos[id].frames]
        indices = torch.from_numpy(frames).to(clip.device)
        return method.lift_some(clip, indices).cpu().numpy()

    return {**behaviour_on(watched, dataset.skeleton, lift), **method.diagnostics(data)}


def _provenance(
    recipe: Recipe, settings: Settings, method: Method, state: TrainingState, samples: int, joints: tuple[str, ...]
) -> Provenance:
    about = recipe.dataset
    return Provenance(
        recipe=recipe.recipe,
        preset=recipe.preset,
        seed=recipe.seed,
        trained_on=f"{about['name']} {about['version']} {about['fingerprint'][:16]}: {' '.join(recipe.subjects)}",
        trained_keypoints=recipe.keypoints,
        context=method.context,
        flip_averaging=settings.flip_averaging,
        side_information=(*method.side_information, *recipe.measured),
        extra_data=(f"2D of {settings.extra_data}",) if settings.extra_data else (),
        epochs=state.epoch,
        poses_seen=poses_seen(settings, method, samples, state.epoch),
        parameters=sum(parameter.numel() for parameter in method.lifter.parameters()),
        form=recipe.form,
        joints=joints,
        **method.facts(flip_averaging=settings.flip_averaging),
    )


def poses_seen(settings: Settings, method: Method, samples: int, epochs: int) -> int:
    """Training poses that a method has seen after some epochs over ``samples`` samples, each time counted."""
    return min(settings.samples or samples, samples) * epochs * method.poses_per_sample + method.extra_poses


def _joints(dataset: Dataset, clips: Sequence[str], keypoints: str) -> tuple[str, ...]:
    """How training keypoints of other joints than the poses' were matched with them."""
    match = dataset.load(clips[0]).matched(keypoints, dataset.skeleton)
    return match_notes(match.words, f"keypoints {keypoints} of {dataset.name}", match.source, dataset.skeleton)


class _Seconds(NamedTuple):
    wall: float
    cpu: float


def _costs(state: TrainingState, preparation: _Seconds, device: str) -> dict[str, Any]:
    """Time of the loop and of the preparation before it, steps, and the machine, with the threads of every part of a resumed training."""
    return {
        "seconds": round(state.seconds + preparation.wall, 1),
        "cpu_seconds": round(state.cpu_seconds + preparation.cpu, 1),
        "steps": state.step,
        **machine(device),
        **({"threads": state.threads_in_words} if state.threads else {}),
    }
