"""Trained runs as teachers: a finished run predicts the training poses that another method, the student, learns from.

**Convention.** A method names its teacher's baseline in its settings (:attr:`posebench.networks.settings.Settings.taught_by`). The
teacher's frozen lifter predicts every training frame once (:attr:`posebench.networks.samples.TrainingData.teacher_poses`); no network
of the teacher is in the student. Teacher and student are trained on the same 2D: other data are refused.
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
from posebench.networks.recipe import Recipe
from posebench.networks.samples import TrainingData
from posebench.networks.weights import WEIGHTS
from posebench.predictions.provenance import Provenance, taught_by

#: Where a student's run keeps the teacher that was trained for it.
FOLDER = "teacher"


@dataclass(frozen=True, eq=False)
class Teacher:
    """A frozen lifter that teaches.

    Attributes:
        lifter: of the run; without flip averaging.
        recipe: what the run did.
        weights: sha256 of its weights.
    """

    lifter: Trained
    recipe: Recipe
    weights: str

    def __str__(self) -> str:
        """What a student's provenance says of it."""
        made = self.recipe
        return taught_by(made.method, made.recipe, made.preset, made.seed, self.weights)

    def names(self, student: Recipe, taught_by: tuple[str, str] | None) -> str:
        """The student's recipe; a teacher other than the one that would be trained for it stands behind, as a changed setting does."""
        made = self.recipe
        usual = (made.method, made.recipe) == taught_by and (made.preset, made.seed) == (student.preset, student.seed)
        return student.recipe if usual else f"{student.recipe}, teacher={made.recipe} {made.preset} seed {made.seed}"

    def tell(self, data: TrainingData) -> Tensor:
        """Poses (N, J, 3) of every training frame, camera frame, root at the origin; clip by clip, for some lifters look at neighbours."""
        starts = torch.unique(data.first).tolist()
        ends = [*starts[1:], len(data.keypoints)]
        with torch.inference_mode():
            told = [self.lifter.method.lift(data.keypoints[start:end]) for start, end in zip(starts, ends, strict=True)]
        return torch.cat(told).clone()

    def credited(self, student: Provenance) -> Provenance:
        """A student's provenance with the teacher in it, and with whatever the teacher knew beside 2D."""
        own = self.lifter.about.provenance
        return replace(
            student,
            teacher=str(self),
            side_information=tuple(dict.fromkeys([*student.side_information, *own.side_information])),
            extra_data=tuple(dict.fromkeys([*student.extra_data, *own.extra_data])),
        )

    def spent(self, student: dict[str, Any]) -> dict[str, Any]:
        """What student and teacher cost together, the teacher's share named, with the teacher's code; ``student`` is its own costs."""
        own, both = self.lifter.about.training, dict(student)
        for name in ("seconds", "cpu_seconds"):
            if name in own:
                both[f"teacher_{name}"] = float(own[name])
                both[name] = round(float(student[name]) + float(own[name]), 1)
        return {**both, "teacher_code": str(own.get("code", ""))}


def open_teacher(folder: Path, student: Recipe, method: str, device: str) -> Teacher:
    """The teacher of a student's run.

    Args:
        folder: of a finished run.
        student: what the student's run is to do.
        method: id of the baseline that teaches it.
        device: a torch device.

    Raises:
        PosebenchError: no finished run; one of another method; or one that was trained on other data, subjects, keypoints or joints.
    """
    trained = without_flip_averaging(open_run(folder, device=device))
    assert trained is not None
    made = Recipe.load(folder / "recipe.toml")
    wanted = {
        "method": (made.method, method),
        "skeleton": (made.skeleton, student.skeleton),
        "dataset": (_data(made), _data(student)),
        "training subjects": (" ".join(made.subjects), " ".join(student.subjects)),
        "keypoints": (made.keypoints, student.keypoints),
    }
    for name, (found, asked) in wanted.items():
        if found != asked:
            raise PosebenchError(
                f"--teacher {folder}, whose {name} is {found}",
                f"{asked}, as of the run that it is to teach",
                "train a teacher on the same data, or leave --teacher out: one is then trained first",
            )
    return Teacher(trained, made, sha256_of(folder / WEIGHTS))


def _data(recipe: Recipe) -> str:
    about = recipe.dataset
    return f"{about['name']} {about['version']} {about['fingerprint'][:16]}"


def recipe_of_teacher(student: Recipe, method: str, name: str, settings: dict[str, Any]) -> Recipe:
    """What a teacher does that is trained for a student: the same data, preset and seed."""
    return replace(student, method=method, recipe=name, settings=settings, teacher="")
