"""Renamed settings: recipes and run folders that hold a setting under its former name are read as if they held the present one.

So are the former names of recipes that a setting names. A setting that was removed may stay where it does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posebench.base.errors import PosebenchError
from posebench.predictions.forms import present_recipe

#: By baseline id: old name of a setting to its present name.
RENAMED_SETTINGS: dict[str, dict[str, str]] = {
    "chen2019": {
        "adapter_size": "adapter_penalty",
        "bones": "bone_vectors",
        "critic_blocks": "discriminator_blocks",
        "critic_width": "discriminator_width",
        "gan": "gan_loss",
        "largest": "view_limit",
        "r1": "r1_penalty",
        "r1_every": "r1_interval",
        "self_2d": "consistency_2d",
        "self_3d": "consistency_3d",
    },
    "ites": {"views": "rotation_axis"},
    "ites_teacher": {
        "narrowing": "bottleneck_factor",
        "sizes": "predict_size",
        "rotation": "rotation_axis",
        "views": "rotations",
        "largest": "view_limit",
        "warm_up": "warm_up_epochs",
        "starts": "initialisations",
        "start_steps": "initialisation_steps",
        "twin_steps": "flip_check_steps",
        "twin_at": "flip_check_at",
        "growth": "reprojection_growth",
        "grow_from": "growth_from",
        "grow_to": "growth_to",
        "rooted": "root_centred",
    },
    "martinez": {},
    "pose_machine": {
        "hidden": "hidden_joints",
        "withheld": "unlabelled_takes",
        "clip": "gradient_clip",
        "running": "inference",
        "hop": "inference_stride",
        "steps": "correction_steps",
        "stop": "correction_stop",
        "reject": "correction_reject",
    },
    "repnet": {"look": "look_at_root", "penalty": "gradient_penalty", "rays": "on_rays"},
}
#: By baseline id: settings that there were, and the only value that the method still has.
REMOVED_SETTINGS: dict[str, dict[str, Any]] = {"heap_pairs": {"noise": 0.0}}
#: Settings whose value is the name of a recipe.
_NAMING_RECIPES = ("teacher_recipe",)


def present_names(method: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings under their present names.

    Args:
        method: id of the baseline.
        values: settings by name, old or present.
        where: the file, for messages.

    Raises:
        PosebenchError: a setting is given under both of its names.
    """
    renamed = RENAMED_SETTINGS.get(method, {})
    for old, new in renamed.items():
        if old in values and new in values:
            raise PosebenchError(f"{where}: both {old!r} and {new!r}", f"{new!r} alone: {old!r} is its former name", f"remove {old!r}")
    removed = REMOVED_SETTINGS.get(method, {})
    values = {name: value for name, value in values.items() if name not in removed or value != removed[name]}
    present = {renamed.get(name, name): value for name, value in values.items()}
    return {name: present_recipe(value) if name in _NAMING_RECIPES else value for name, value in present.items()}
