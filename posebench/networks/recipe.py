"""Recipes: what a training does, as a TOML file beside each method, and as one resolved table in each run.

A ``recipe.toml`` holds ``[settings]`` (the default recipe), ``[sources]`` (where each value comes from), ``[presets.*]`` (budgets:
``smoke``, ``quick``, ``full``) and ``[recipes.*]`` (named variants). A run resolves them in this order: settings, recipe, preset, then
the recipe's own values for that preset (``[recipes.NAME.PRESET]``), then single values given by hand. A recipe that says ``like = "NAME"``
begins with the values of that other one, its presets' too.
"""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError, needs
from posebench.networks.renames import present_names
from posebench.networks.settings import S, Settings, settings_of
from posebench.predictions.archive import SUPERVISIONS

PRESETS = ("smoke", "quick", "full")
_ADVICE = "posebench train --help"


@dataclass(frozen=True)
class Recipe:
    """A resolved training of a method on a dataset: everything that its weights depend on.

    Attributes:
        method: id of the baseline.
        recipe: name of the variant, ``default`` for the method's own; settings changed by hand stand behind it.
        preset: ``smoke``, ``quick`` or ``full``.
        seed: of all random numbers.
        dataset: name, version and fingerprint of the training data.
        subjects: whose clips it learns from.
        keypoints: 2D source.
        skeleton: joint order.
        settings: values of :class:`Settings` and of the method's own.
        teacher: the run that was named as teacher, with its weights' sha256; empty where none was, and then not written.
    """

    method: str
    recipe: str
    preset: str
    seed: int
    dataset: dict[str, str]
    subjects: tuple[str, ...]
    keypoints: str
    skeleton: str
    settings: dict[str, Any]
    teacher: str = ""

    def dump(self) -> str:
        """The text of a run's ``recipe.toml``."""
        content = asdict(self)
        tables = {name: content.pop(name) for name in ("dataset", "settings")}
        if not self.teacher:
            del content["teacher"]
        parts = ["# What this run does, as resolved; written by posebench train.", *_lines(content)]
        for name, table in tables.items():
            parts += ["", f"[{name}]", *_lines(table)]
        return "\n".join(parts) + "\n"

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a run's ``recipe.toml``.

        Raises:
            PosebenchError: it is missing, or not what a run writes.
        """
        wanted, advice = "the recipe.toml of a run", "name a folder that posebench train wrote"
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            own = cls(**content)
        except OSError as error:
            raise PosebenchError(f"{path}: {error.strerror}", wanted, advice) from error
        except (ValueError, TypeError, RecursionError) as error:
            raise PosebenchError(f"{path}: {error}", wanted, advice) from error
        texts = (own.method, own.recipe, own.preset, own.keypoints, own.skeleton, own.teacher)
        tables = isinstance(own.dataset, dict) and isinstance(own.settings, dict) and all(isinstance(v, str) for v in own.dataset.values())
        if (
            not all(isinstance(text, str) for text in texts)
            or type(own.seed) is not int
            or not tables
            or not isinstance(own.subjects, list)
        ):
            raise PosebenchError(f"{path}: a field of another kind", wanted, advice)
        settings = present_names(own.method, own.settings, str(path))
        return cls(**{**content, "subjects": tuple(map(str, own.subjects)), "settings": settings})


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(list(value) if isinstance(value, tuple) else value)}" for key, value in table.items()]


def _value(value: Any) -> str:
    # Strings, whole and broken numbers, flags and lists of them are written alike in JSON and TOML, but for two characters: TOML knows no
    # pairs of surrogates, and wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def baselines() -> list[str]:
    """Ids of the methods that can be trained: every folder of the baselines with a ``recipe.toml``."""
    return sorted(
        folder.name for folder in files("posebench.baselines").iterdir() if folder.is_dir() and (folder / "recipe.toml").is_file()
    )


def load_baseline(method: str) -> types.ModuleType:
    """The package of a baseline, by its id.

    Raises:
        PosebenchError: there is none of that name, or PyTorch is not installed.
    """
    known = baselines()
    if method not in known:
        raise PosebenchError(
            f"method {method!r}", f"one of {', '.join(known)}", "posebench train martinez --dataset synthetic --preset smoke"
        )
    with needs(f"the baseline {method}", extra="baselines"):
        return import_module(f"posebench.baselines.{method}")


def resolve(
    content: Mapping[str, Any], kind: type[S], *, where: str, recipe: str = "default", preset: str = "quick", changes: Sequence[str] = ()
) -> S:
    """The settings of one run out of a method's ``recipe.toml``.

    Args:
        content: the parsed file.
        kind: the method's own :class:`Settings`.
        where: the file, for messages.
        recipe: a name below ``[recipes]``, or ``default``.
        preset: a name below ``[presets]``.
        changes: ``name=value`` given by hand, values as in TOML.

    Raises:
        PosebenchError: an unknown table, recipe, preset or setting, or a value of another type.
    """
    unknown = set(content) - {"method", "supervision", "settings", "sources", "presets", "recipes"}
    if unknown:
        raise PosebenchError(f"{where}: unknown {', '.join(sorted(unknown))}", "settings, sources, presets and recipes", _ADVICE)
    presets, recipes = content.get("presets", {}), content.get("recipes", {})
    if preset not in presets:
        raise PosebenchError(f"preset {preset!r}", f"one of {', '.join(presets)}", "choose with --preset")
    if recipe != "default" and recipe not in recipes:
        raise PosebenchError(f"recipe {recipe!r}", f"one of {', '.join(['default', *recipes])}", "choose with --recipe")
    named, budget = _named(recipes, recipe, preset, where)
    layers = (content.get("settings", {}), named, presets[preset], budget, _by_hand(changes))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= present_names(content.get("method", ""), layer, where)
    return settings_of(kind, merged, where)


def _named(recipes: Mapping[str, Any], recipe: str, preset: str, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a recipe sets, whatever the preset and at this preset, behind what the one sets that it is like."""
    named = dict(recipes.get(recipe, {}))
    budget = {name: named.pop(name, {}) for name in PRESETS}[preset]
    named.pop("about", None)
    other = named.pop("like", None)
    if other is None:
        return named, budget
    if other not in recipes or other == recipe or "like" in recipes[other]:
        raise PosebenchError(
            f"{where}: recipe {recipe!r} is like {other!r}", "the name of a recipe that is like no other", "correct the recipe"
        )
    first, then = _named(recipes, other, preset, where)
    return {**first, **named}, {**then, **budget}


def lifted_with(recipe: Recipe, kind: type[Settings], changes: Sequence[str]) -> Recipe:
    """The recipe of a finished run with other settings of the kind that no weight depends on; they stand behind its name.

    Args:
        recipe: as the run's folder holds it.
        kind: the method's own :class:`Settings`.
        changes: ``name=value`` given by hand, values as in TOML.

    Raises:
        PosebenchError: a setting that the weights depend on, or none at all.
    """
    values = present_names(recipe.method, _by_hand(changes), "--set")
    for name in values:
        if name not in kind.at_test:
            known = ", ".join(kind.at_test) if kind.at_test else f"none: {recipe.method} has no such settings"
            raise PosebenchError(f"--set {name} for a finished run", f"settings that no weight depends on ({known})", "train another run")
    return replace(recipe, recipe=", ".join([recipe.recipe, *changes]), settings={**recipe.settings, **values})


def _by_hand(changes: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        try:
            values |= tomllib.loads(f"{name} = {text}")
        except tomllib.TOMLDecodeError:
            try:
                values |= tomllib.loads(f"{name} = {json.dumps(text)}")
            except tomllib.TOMLDecodeError as error:
                raise PosebenchError(f"--set {change}", "name=value, such as dropout=0.25", "correct --set") from error
    return values


def read_method(method: str) -> tuple[dict[str, Any], str]:
    """The parsed ``recipe.toml`` of a baseline, and its name for messages.

    Raises:
        PosebenchError: no such method, or its file is not what one holds.
    """
    if method not in baselines():
        load_baseline(method)  # raises, naming the choices
    where = f"baselines/{method}/recipe.toml"
    content = tomllib.loads((files("posebench.baselines") / method / "recipe.toml").read_text(encoding="utf-8"))
    if content.get("method") != method or content.get("supervision") not in SUPERVISIONS:
        raise PosebenchError(f"{where}: method or supervision", f"method = {method!r} and what its training sees", "correct the file")
    return content, where
