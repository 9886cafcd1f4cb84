"""A finished run as a lifter: the network of a baseline, filled with the run's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.lifters.flip import FlipAveraged
from posebench.networks.method import Method
from posebench.networks.recipe import Recipe, lifted_with, load_baseline
from posebench.networks.samples import image_coordinates
from posebench.networks.settings import settings_of
from posebench.networks.weights import About, load_about, load_weights
from posebench.predictions.provenance import Provenance


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained method as a :class:`posebench.lifters.Lifter`: pixels in, float64 out, torch in between.

    ``mode`` is what PyTorch is in meanwhile; timings have others than predictions.
    """

    method: Method
    about: About
    skeleton: str
    device: str = "cpu"
    mode: Callable[[], AbstractContextManager[object]] = torch.inference_mode

    @property
    def id(self) -> str:
        """The baseline's id."""
        return self.about.method

    @property
    def supervision(self) -> str:
        """What its training saw."""
        return self.about.supervision

    @property
    def scale(self) -> str:
        """``metric`` or ``unknown``."""
        return self.method.scale

    @property
    def context(self) -> int:
        """Frames that one pose is told from."""
        return self.method.context

    @property
    def flip_averaging(self) -> bool:
        """False: :class:`posebench.lifters.flip.FlipAveraged` adds it around this one."""
        return False

    @property
    def provenance(self) -> Provenance:
        """How the training went."""
        return self.about.provenance

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3), camera frame, root at the origin; mm where the scale is metric."""
        with self.mode():
            poses = self.method.lift(self.points(keypoints, camera))
        return poses.detach().cpu().double().numpy()

    def points(self, keypoints: Array, camera: Camera | None) -> Tensor:
        """Keypoints (T, J, 2) px as the method takes them: unit focal length, float32, on the device."""
        points = image_coordinates(keypoints, camera or self.about.nominal).astype(np.float32)
        return torch.from_numpy(points).to(self.device)


def open_run(folder: str | Path, *, device: str = "cpu", changes: Sequence[str] = ()) -> Trained | FlipAveraged:
    """The lifter of a finished run.

    Args:
        folder: of the run.
        device: a torch device.
        changes: settings that no weight depends on, ``name=value``, in place of the run's own; the provenance names them.

    Raises:
        PosebenchError: no run, an unfinished one, or one of another method or version; or a change that needs other weights.
    """
    folder = Path(folder)
    recipe = Recipe.load(folder / "recipe.toml")
    about = load_about(folder)
    if about.method != recipe.method:
        raise PosebenchError(f"{folder}: weights of {about.method}, a recipe of {recipe.method}", "the files of one run", "train it again")
    if changes:
        recipe = lifted_with(recipe, load_baseline(recipe.method).Settings, changes)
    method = build(recipe)
    if changes:
        told = tuple(dict.fromkeys([*about.provenance.side_information, *method.side_information]))
        made = replace(about.provenance, recipe=recipe.recipe, context=method.context, side_information=told)
        about = replace(about, provenance=made)
    load_weights(folder, method.lifter)
    lifter = Trained(method.to(device).eval(), about, recipe.skeleton, device)
    return FlipAveraged(lifter) if about.provenance.flip_averaging else lifter


def build(recipe: Recipe) -> Method:
    """The untrained method of a recipe, its weights drawn from torch's global generator.

    Raises:
        PosebenchError: no such baseline, or settings that it does not have.
    """
    baseline = load_baseline(recipe.method)
    settings = settings_of(baseline.Settings, recipe.settings, "recipe.toml")
    method: Method = baseline.build(settings, recipe.skeleton)
    return method
