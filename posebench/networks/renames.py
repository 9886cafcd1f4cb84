"""Settings that have another name by now. Recipes and run folders written under the old name are read as if they had the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posebench.base.errors import PosebenchError

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
    "ites": {},
    "ites_teacher": {},
    "martinez": {},
    "pose_machine": {},
    "repnet": {"look": "look_at_root", "penalty": "gradient_penalty", "rays": "on_rays"},
}


def present_names(method: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings under their present names.

    Args:
        method: id of the baseline.
        values: settings by name, old or present.
        where: the file, for messages.

    Raises:
        PosebenchError: a setting stands under both of its names.
    """
    renamed = RENAMED_SETTINGS.get(method, {})
    for old, new in renamed.items():
        if old in values and new in values:
            raise PosebenchError(f"{where}: both {old!r} and {new!r}", f"{new!r} alone: {old!r} is its former name", f"remove {old!r}")
    return {renamed.get(name, name): value for name, value in values.items()}
