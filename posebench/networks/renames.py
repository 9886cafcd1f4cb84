"""Renamed settings: recipes and run folders that hold a setting under its former name are read as if they held the present one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posebench.base.errors import PosebenchError

#: By baseline id: old name of a setting to its present name.
RENAMED_SETTINGS: dict[str, dict[str, str]] = {
    "chen2019": {},
    "ites": {},
    "ites_teacher": {},
    "martinez": {},
    "pose_machine": {},
    "repnet": {},
}


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
    return {renamed.get(name, name): value for name, value in values.items()}
