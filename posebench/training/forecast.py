"""What a training will take: steps, poses, and time from a few measured steps. Nothing is written, and nothing of a run is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from posebench.base.errors import PosebenchError
from posebench.data.clip import Dataset
from posebench.lifters.run import build
from posebench.networks.method import Method
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.training.checkpoint import TrainingState
from posebench.training.gather import split_takes
from posebench.training.job import Job
from posebench.training.loop import steps_in, take_step
from posebench.training.run import job_of_teacher, poses_seen, training_data
from posebench.training.teacher import open_teacher, taught

#: Steps are measured in this many epochs, spread evenly over the training: stages and warm-ups differ in cost.
_PLACES = 5
#: Steps in each place, after one that is not counted.
_STEPS = 2
#: Frames that are read to measure on, about, but no fewer takes than some recipes need: six own ones, and others.
_FRAMES = 20_000
_TAKES = 8


@dataclass(frozen=True)
class Forecast:
    """The work of a training, and its time.

    Attributes:
        name: method and recipe.
        preset: of the training.
        dataset: of the training.
        official: whether the copy is the official one; of another copy the numbers are its own.
        frames: training frames with keypoints.
        samples: samples in an epoch.
        epochs: passes over the samples.
        batch: samples in a step.
        steps: steps in all.
        poses: training poses seen in all, each time counted.
        step_s: seconds of a step, measured.
        measured: measured steps.
        preparation_s: seconds before the first step: the teacher's poses of all frames, statistics of the data, and initial weights where
            they are chosen.
        device: ``cpu`` or ``cuda``.
        threads: CPU threads.
        teacher: of the teacher, if it is trained first.
    """

    name: str
    preset: str
    dataset: str
    official: bool
    frames: int
    samples: int
    epochs: int
    batch: int
    steps: int
    poses: int
    step_s: float
    measured: int
    preparation_s: float
    device: str
    threads: int
    teacher: Forecast | None = None

    @property
    def own_seconds(self) -> float:
        """Seconds of the training without its teacher's."""
        return self.preparation_s + self.steps * self.step_s

    @property
    def seconds(self) -> float:
        """Seconds of the training, with its teacher's."""
        return self.own_seconds + (self.teacher.seconds if self.teacher else 0.0)

    @property
    def all_steps(self) -> int:
        """Steps of the training, with its teacher's."""
        return self.steps + (self.teacher.all_steps if self.teacher else 0)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        facts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "teacher"}
        return {**facts, "seconds": self.seconds, "teacher": self.teacher.as_dict() if self.teacher else None}


def forecast(job: Job, *, measured: bool = True) -> Forecast:
    """Work and time of a training that is not made. Steps are measured on some takes; only these are read.

    Args:
        job: of :func:`posebench.training.run.plan`.
        measured: whether to take steps; if False, the times are 0 and only the work is known.

    Raises:
        PosebenchError: data that cannot be trained on, or a loss that is not finite.
    """
    random_state = torch.get_rng_state()
    try:
        return _forecast(job, measured)[0]
    finally:
        torch.set_rng_state(random_state)


def _forecast(job: Job, measured: bool) -> tuple[Forecast, Method]:
    """The forecast, and the method: built and prepared, not trained."""
    settings, teacher, teaching = job.settings, None, None
    part = replace(job, dataset=_part(job.dataset), log=lambda _: None)
    if settings.teacher_baseline and job.teacher:
        teaching = open_teacher(job.teacher, job.recipe, settings.teacher_baseline[0], job.device).lifter.method
    elif settings.teacher_baseline:
        teacher, teaching = _forecast(job_of_teacher(job), measured)
    _, data = training_data(part)
    clock = _clock(job)
    started = clock()
    if teaching:
        data = taught(teaching, data, settings)
    teaching_s = clock() - started
    torch.manual_seed(job.recipe.seed)
    method = build(job.recipe).to(job.device)
    started = clock()
    method.prepare(data)
    preparation_s = clock() - started
    whole = _index(job, data)
    preparation_s += teaching_s * len(whole.first) / len(data.first)  # as many frames as the whole split has
    samples = len(method.samples(whole))
    of_epoch = min(settings.samples or samples, samples)
    steps = settings.epochs * steps_in(of_epoch, settings.batch)
    if not steps:
        raise PosebenchError(f"{samples} training samples", "at least two", "add clips of training subjects to the copy")
    count, step_s = _time_of_step(method, data, settings, job) if measured else (0, 0.0)
    found = Forecast(
        name=f"{job.recipe.method} ({job.recipe.recipe})",
        preset=job.recipe.preset,
        dataset=job.dataset.name,
        official=job.dataset.official,
        frames=len(whole.first),
        samples=of_epoch,
        epochs=settings.epochs,
        batch=settings.batch,
        steps=steps,
        poses=poses_seen(settings, method, samples, settings.epochs),
        step_s=step_s,
        measured=count,
        preparation_s=preparation_s if measured else 0.0,
        device=job.device,
        threads=torch.get_num_threads(),
        teacher=teacher,
    )
    return found, method.eval()


def _part(dataset: Dataset) -> Dataset:
    """The dataset with some of its training takes, spread evenly over them."""
    clips = dataset.clip_ids("train")
    takes = list(dict.fromkeys(dataset.infos[id].take for id in clips))
    frames = sum(dataset.infos[id].frames for id in clips)
    step = max(1, min(len(takes) // _TAKES, -(-frames // _FRAMES)))
    chosen = set(takes[::step])
    return replace(dataset, infos={id: info for id, info in dataset.infos.items() if info.take in chosen})


def _index(job: Job, data: TrainingData) -> TrainingData:
    """Which frames the whole training has, without their keypoints and poses."""
    dataset, clips = job.dataset, job.dataset.clip_ids("train")
    if job.supervision == "unpaired 3D":
        clips, _ = split_takes(dataset, clips, job.settings.pools)
    counts = torch.tensor([dataset.infos[id].frames for id in clips])
    starts = torch.cumsum(counts, 0) - counts
    usable = [
        start + torch.as_tensor(dataset.valid[id]) if id in dataset.valid else torch.arange(start, start + count)
        for id, start, count in zip(clips, starts.tolist(), counts.tolist(), strict=True)
    ]
    first, last = (torch.repeat_interleave(ends, counts).to(job.device) for ends in (starts, starts + counts - 1))
    takes = torch.tensor(np.unique([dataset.infos[id].take for id in clips], return_inverse=True)[1])
    return replace(
        data,
        keypoints=data.keypoints[:1].expand(len(first), -1, -1),
        poses=None if data.poses is None else data.poses[:1].expand(len(first), -1, -1),
        first=first,
        last=last,
        usable=torch.cat(usable).to(job.device),
        take=torch.repeat_interleave(takes, counts).to(job.device),
    )


def _clock(job: Job) -> Callable[[], float]:
    """Seconds of the process on one CPU thread, which other work on the machine does not lengthen; else of the wall."""
    return time.process_time if job.device == "cpu" and torch.get_num_threads() == 1 else time.monotonic


def _time_of_step(method: Method, data: TrainingData, settings: Settings, job: Job) -> tuple[int, float]:
    """Number of measured steps, and seconds of one: the faster of each place, mean over places spread over the training."""
    optimisers, samples = method.optimisers(), method.samples(data)
    method.train()
    clock, fastest = _clock(job), []
    for place in range(_PLACES):
        state, times = TrainingState(), []
        state.epoch = int((place + 0.5) / _PLACES * settings.epochs)
        for _ in range(1 + _STEPS):
            frames = samples[torch.randint(len(samples), (settings.batch,), device=samples.device)]
            started = clock()
            take_step(method, data, frames, settings, optimisers, state, job.folder)
            if job.device == "cuda":
                torch.cuda.synchronize()
            times.append(clock() - started)
            state.step += 1
        fastest.append(min(times[1:]))
    return _PLACES * _STEPS, sum(fastest) / _PLACES
