"""A method's network with drawn weights, as the folder of a run: its size can be timed before anyone has trained it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.lifters.run import build
from posebench.networks.recipe import Recipe, form_of, load_baseline, read_method, resolve
from posebench.networks.weights import About, save_weights
from posebench.predictions.forms import TUNED, present_recipe
from posebench.predictions.provenance import Provenance

#: What stands in the place of a run's preset.
UNTRAINED = "untrained"
#: The preset that has a recipe's own size of the network.
_OWN_SIZE = "full"
_SKELETON = "h36m17"


class Network(NamedTuple):
    """A network without weights: of which method and recipe, and the preset whose size it has."""

    method: str
    recipe: str
    preset: str


def network_of(name: str) -> Network:
    """The network that ``METHOD[+RECIPE][/PRESET]`` names: the recipe as in the names of a leaderboard's rows.

    Example:
        >>> tuple(network_of("repnet+paper")), tuple(network_of("repnet/quick"))
        (('repnet', 'paper', 'full'), ('repnet', 'tuned', 'quick'))
    """
    of_method, _, preset = name.partition("/")
    method, _, recipe = of_method.partition("+")
    return Network(method, present_recipe(recipe or TUNED), preset or _OWN_SIZE)


def write_untrained(network: Network, folder: Path) -> Path:
    """Write the folder of a run whose weights have been drawn and whose statistics are those of no data. It is for timing only.

    Args:
        network: what is drawn.
        folder: to write to; it is made.

    Returns:
        The folder.

    Raises:
        PosebenchError: no such method, recipe or preset.
    """
    method, recipe, preset = network
    content, where = read_method(method)
    settings = resolve(content, load_baseline(method).Settings, where=where, recipe=recipe, preset=preset)
    word = UNTRAINED if preset == _OWN_SIZE else f"{UNTRAINED}, {preset}"
    resolved = Recipe(
        method=method,
        recipe=recipe,
        preset=preset,
        seed=0,
        dataset={"name": "none", "version": "0", "fingerprint": "0" * 64},
        subjects=(),
        keypoints="none",
        skeleton=_SKELETON,
        settings=asdict(settings),
        form=form_of(content, recipe, where),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built = build(resolved)
    made = Provenance(recipe, word, 0, "nothing", "none", built.context, settings.flip_averaging, form=resolved.form)
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(resolved.dump(), encoding="utf-8")
    nominal = Camera(np.eye(3), np.zeros(3), np.ones(2), np.zeros(2), (0, 0))
    save_weights(folder, built.lifter, About(method, content["supervision"], nominal, made, {}))
    return folder


def judge_finite(name: str, poses: Array) -> None:
    """Refuse poses that are not finite: arithmetic on them may take another time than on those of a trained network.

    Raises:
        PosebenchError: a coordinate of ``poses`` is not finite.
    """
    if not np.isfinite(poses).all():
        raise PosebenchError(
            f"{name} gives poses that are not finite", "a network that runs with drawn weights", "train it, and time the run"
        )
