"""A finished training run as a lifter: the network of a baseline with the run's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posebench.base.cameras import Array, Camera, estimated_camera
from posebench.base.errors import PosebenchError
from posebench.lifters import Lifter, LifterInfo, StatedCamera, nominal_words
from posebench.lifters.flip import FlipAveraged
from posebench.networks.machine import torch_threads
from posebench.networks.method import Method
from posebench.networks.recipe import Recipe, load_baseline, with_test_time_settings
from posebench.networks.samples import image_coordinates
from posebench.networks.settings import settings_of
from posebench.networks.weights import WEIGHTS, About, count_weights, load_about, load_weights

#: Numbers of all networks of a method together, 8 GiB.
_MAX_WEIGHTS = 2**31


@dataclass(frozen=True, eq=False, repr=False)
class Trained:
    """A trained method as a :class:`posebench.lifters.Lifter`: pixels in, float64 poses out, PyTorch in between.

    Attributes:
        method: the network, on the device, in evaluation mode.
        about: what ``lifter.json`` holds.
        skeleton: joint order.
        device: a torch device.
        mode: PyTorch context in which the network is called; timings call it in others than inference mode.
        threads: CPU threads of PyTorch while it lifts; 0 for as many as PyTorch is set to.
    """

    method: Method
    about: About
    skeleton: str
    device: str = "cpu"
    mode: Callable[[], AbstractContextManager[object]] = torch.inference_mode
    threads: int = 1

    def __repr__(self) -> str:
        return self.info.shown("Trained")

    @property
    def info(self) -> LifterInfo:
        """What the lifter is; flip averaging is added by :class:`posebench.lifters.flip.FlipAveraged` around this lifter."""
        return LifterInfo(
            id=self.about.method,
            skeleton=self.skeleton,
            supervision=self.about.supervision,
            scale=self.method.scale,
            context=self.method.context,
            provenance=self.about.provenance,
            nominal_camera=(*map(float, self.about.nominal.focal), *map(float, self.about.nominal.centre)),  # type: ignore[arg-type]
        )

    def lift(self, keypoints: Array, camera: StatedCamera) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3), camera frame, root at the origin; mm where the scale is metric.

        Args:
            keypoints: of one clip.
            camera: that of the clip; or the image's size (width, height) px; or ``"nominal"``, for the training's nominal camera.

        Raises:
            PosebenchError: no camera, and no word of what is to stand in for it.
        """
        with torch_threads(self.threads), self.mode():
            poses = self.method.lift(self.points(keypoints, camera))
        return poses.detach().cpu().double().numpy()

    def points(self, keypoints: Array, camera: StatedCamera) -> Tensor:
        """Keypoints (T, J, 2) px to image coordinates of unit focal length, float32, on the device."""
        points = image_coordinates(keypoints, self._camera(camera)).astype(np.float32)
        return torch.from_numpy(points).to(self.device)

    def _camera(self, stated: StatedCamera) -> Camera:
        if isinstance(stated, Camera):
            return stated
        if isinstance(stated, str) and stated == "nominal":
            return self.about.nominal
        if isinstance(stated, tuple) and len(stated) == 2 and all(isinstance(n, int | np.integer) and n > 0 for n in stated):
            return estimated_camera(stated)
        choices = "the camera of these keypoints; the image's size (width, height) px, to estimate one; or 'nominal' for "
        raise PosebenchError(
            "no camera" if stated is None else f"camera {stated!r}",
            choices + nominal_words(self.info),
            "lifter.lift(keypoints, (1920, 1080))",
        )


def open_run(folder: str | Path, *, device: str = "cpu", threads: int = 1, changes: Sequence[str] = ()) -> Trained | FlipAveraged:
    """The lifter of a finished run.

    Args:
        folder: of the run.
        device: a torch device.
        threads: CPU threads of PyTorch while it lifts; 0 for as many as PyTorch is set to.
        changes: test-time settings, ``name=value``, in place of the run's own; the provenance names them.

    Raises:
        PosebenchError: no run, an unfinished one, or files of two methods or versions; or a setting that the weights depend on.
    """
    folder = Path(folder)
    recipe = Recipe.load(folder / "recipe.toml")
    about = load_about(folder)
    if about.method != recipe.method:
        raise PosebenchError(f"{folder}: weights of {about.method}, a recipe of {recipe.method}", "the files of one run", "train it again")
    if changes:
        recipe = with_test_time_settings(recipe, load_baseline(recipe.method).Settings, changes)
    _judge_size(recipe, folder)
    method, made = build(recipe), about.provenance
    if changes:
        side_information = tuple(dict.fromkeys([*made.side_information, *method.side_information]))
        made = replace(made, recipe=recipe.recipe, context=method.context, side_information=side_information)
    # Runs of earlier versions state no facts, and a change of test-time settings may change them.
    facts: dict[str, Any] = method.facts(flip_averaging=made.flip_averaging)
    made = replace(made, form=recipe.form, **facts)
    about = replace(about, provenance=made)
    load_weights(folder, method.lifter)
    lifter = Trained(method.to(device).eval(), about, recipe.skeleton, device, threads=threads)
    return FlipAveraged(lifter) if about.provenance.flip_averaging else lifter


def _judge_size(recipe: Recipe, folder: Path) -> None:
    """Refuse a recipe of another network than that of the weights, before memory is taken for it."""
    with torch.device("meta"):
        method = build(recipe)
    described, stored = (sum(value.numel() for value in method.lifter.state_dict().values()), count_weights(folder))
    if described != stored or sum(value.numel() for value in method.state_dict().values()) > _MAX_WEIGHTS:
        found = f"{folder / WEIGHTS}: {stored:,} numbers, and a recipe.toml of a network of {described:,}"
        raise PosebenchError(found, "the files of one run", "train it again")


def without_flip_averaging(lifter: Lifter) -> Trained | None:
    """The trained network of a lifter, without its flip averaging; None for a lifter that is no training run."""
    inner = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    return inner if isinstance(inner, Trained) else None


def build(recipe: Recipe) -> Method:
    """The untrained method of a recipe; its weights are drawn from torch's global generator.

    Raises:
        PosebenchError: no such baseline, or settings that it does not have.
    """
    baseline = load_baseline(recipe.method)
    settings = settings_of(baseline.Settings, recipe.settings, "recipe.toml")
    try:
        method: Method = baseline.build(settings, recipe.skeleton)
    except (ValueError, RuntimeError, MemoryError) as error:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        raise PosebenchError(f"recipe.toml: {text}", f"settings that {recipe.method} can be built with", "correct the settings") from error
    return method
