"""Teachers: a finished run predicts poses of the training frames, and another method, the student, learns from them.

**Convention.** A method names its teacher's baseline in its settings (:attr:`posebench.networks.settings.Settings.teacher_baseline`).
The teacher's frozen lifter predicts every training frame once (:attr:`posebench.networks.samples.TrainingData.teacher_poses`); the
student contains no network of the teacher. Teacher and student must be trained on the same 2D.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of
from posebench.lifters.run import Trained, open_run, without_flip_averaging
from posebench.networks.method import Method
from posebench.networks.recipe import Recipe, read_method
from posebench.networks.samples import TrainingData
from posebench.networks.settings import Settings
from posebench.networks.weights import WEIGHTS
from posebench.predictions.provenance import Provenance, taught_by
from posebench.training.tracked import tracked_frames

#: Folder below a student's run that holds the teacher trained for it.
FOLDER = "teacher"


@dataclass(frozen=True, eq=False)
class Teacher:
    """The frozen lifter of a finished run, as teacher.

    Attributes:
        lifter: of the run; without flip averaging.
        recipe: of the run.
        weights: sha256 of its weights.
    """

    lifter: Trained
    recipe: Recipe
    weights: str

    def __str__(self) -> str:
        """The teacher in a student's provenance: method, recipe, preset, seed and start of the weights' digest."""
        own = self.recipe
        return taught_by(own.method, own.recipe, own.preset, own.seed, self.weights)

    def recipe_name_of(self, student: Recipe, default: tuple[str, str] | None) -> str:
        """The student's recipe name; as a changed setting does, a teacher other than the default one becomes part of it.

        Args:
            student: the student's recipe.
            default: method and recipe of the teacher that would be trained if none was named, with the student's preset and seed.
        """
        own = self.recipe
        is_default = (own.method, own.recipe) == default and (own.preset, own.seed) == (student.preset, student.seed)
        return student.recipe if is_default else f"{student.recipe}, teacher={own.recipe} {own.preset} seed {own.seed}"

    def teach(self, data: TrainingData, settings: Settings) -> TrainingData:
        """The training data of a student with these settings, with the teacher's poses of every frame."""
        return taught(self.lifter.method, data, settings)

    def add_to_provenance(self, student: Provenance) -> Provenance:
        """A student's provenance, with the teacher and with the side information and extra data of the teacher."""
        own = self.lifter.about.provenance
        return replace(
            student,
            teacher=str(self),
            side_information=tuple(dict.fromkeys([*student.side_information, *own.side_information])),
            extra_data=tuple(dict.fromkeys([*student.extra_data, *own.extra_data])),
        )

    def add_to_costs(self, student: dict[str, Any]) -> dict[str, Any]:
        """The costs of student and teacher together, with the teacher's share and code version; ``student`` is the student's costs."""
        own, both = self.lifter.about.training, dict(student)
        for name in ("seconds", "cpu_seconds"):
            if name in own:
                both[f"teacher_{name}"] = float(own[name])
                both[name] = round(float(student[name]) + float(own[name]), 1)
        return {**both, "teacher_code": str(own.get("code", ""))}


def taught(method: Method, data: TrainingData, settings: Settings) -> TrainingData:
    """The training data of a student with these settings, with its teacher's poses, tracked if it asks for that."""
    if settings.teacher_tracked:
        poses, margins = tracked_frames(method, data)
        return replace(data, teacher_poses=poses, teacher_margins=margins)
    return replace(data, teacher_poses=lift_frames(method, data))


def lift_frames(method: Method, data: TrainingData) -> Tensor:
    """A method's poses (N, J, 3) of every training frame.

    Each clip is lifted on its own: a lifter with a context must not look across a cut.
    """
    starts = torch.unique(data.first).tolist()
    ends = [*starts[1:], len(data.keypoints)]
    with torch.inference_mode():
        poses = [method.lift(data.keypoints[start:end]) for start, end in zip(starts, ends, strict=True)]
    return torch.cat(poses).clone()  # a clone is an ordinary tensor, which the student's autograd may use


def open_teacher(folder: Path, student: Recipe, method: str, device: str) -> Teacher:
    """Open a finished run as the teacher of a student.

    Args:
        folder: of a finished run.
        student: the student's recipe.
        method: id of the teacher's baseline that the student asks for.
        device: a torch device.

    Raises:
        PosebenchError: no finished run; one of another method or supervision; or one that was trained on other data, subjects, keypoints or
            joints.
    """
    trained = without_flip_averaging(open_run(folder, device=device))
    assert trained is not None
    own = Recipe.load(folder / "recipe.toml")
    wanted = {
        "method": (own.method, method),
        "skeleton": (own.skeleton, student.skeleton),
        "dataset": (_data(own), _data(student)),
        "training subjects": (" ".join(own.subjects), " ".join(student.subjects)),
        "keypoints": (own.keypoints, student.keypoints),
        # Else the student would have seen more than it states.
        "supervision": (trained.about.supervision, read_method(student.method)[0]["supervision"]),
    }
    for name, (found, asked) in wanted.items():
        if found != asked:
            raise PosebenchError(
                f"--teacher {folder}, whose {name} is {found}",
                f"{asked}, as in the run that it is to teach",
                "train a teacher on the same data, or leave --teacher out: one is then trained first",
            )
    return Teacher(trained, own, sha256_of(folder / WEIGHTS))


def _data(recipe: Recipe) -> str:
    about = recipe.dataset
    return f"{about['name']} {about['version']} {about['fingerprint'][:16]}"


def recipe_of_teacher(student: Recipe, method: str, name: str, settings: dict[str, Any], form: str) -> Recipe:
    """The recipe of a teacher that is trained for a student: the student's data, preset and seed, with the teacher's settings."""
    return replace(student, method=method, recipe=name, settings=settings, teacher="", form=form)
