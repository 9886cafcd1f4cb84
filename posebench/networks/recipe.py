"""Recipes: the settings of a training, in each method's ``recipe.toml`` and, resolved, in each run folder.

A ``recipe.toml`` holds ``[settings]`` (the recipe ``tuned``), ``[sources]`` (where each value comes from), ``[presets.*]`` (budgets:
``smoke``, ``quick``, ``full``) and ``[recipes.*]`` (named variants, each with what it is ``about`` and its ``form``). A run resolves them
in this order: settings, recipe, preset, then the recipe's own values for that preset (``[recipes.NAME.PRESET]``), then single changes
(``--set name=value``). A recipe with ``like = "NAME"`` inherits the values of that other recipe, also those of its presets, and its form.
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

from posebench.base.errors import PosebenchError, did_you_mean, needs
from posebench.base.readers.text import parse_toml, read_toml
from posebench.networks.renames import present_names
from posebench.networks.settings import S, Settings, settings_of
from posebench.predictions.archive import SUPERVISIONS
from posebench.predictions.forms import EARLIER_TUNED, FORMS, TUNED, implied_form, present_recipe

PRESETS = ("smoke", "quick", "full")
_ADVICE = "posebench train --help"


@dataclass(frozen=True)
class Recipe:
    """A resolved training of a method on a dataset: everything that its weights depend on.

    Attributes:
        method: id of the baseline.
        recipe: name of the variant, ``tuned`` for the method's own; single changes are appended to it.
        preset: ``smoke``, ``quick`` or ``full``.
        seed: of all random numbers.
        dataset: name, version and fingerprint of the training data.
        subjects: training subjects.
        keypoints: 2D source.
        skeleton: joint order.
        settings: all settings of the method, by name.
        teacher: the run that was named as teacher, with the sha256 of its weights; empty if none was, and then not written.
        form: one of :data:`posebench.predictions.forms.FORMS`; left out, the one that the recipe's name implies.
        measured: in words, each setting that was measured on the training split in place of the recipe's; empty if none, and then not
            written.
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
    form: str = ""
    measured: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) for text in (self.recipe, self.teacher, self.form)):
            raise TypeError("recipe, teacher or form is no text")
        if not isinstance(self.measured, list | tuple) or not all(isinstance(text, str) for text in self.measured):
            raise TypeError("measured is no list of texts")
        object.__setattr__(self, "measured", tuple(self.measured))
        object.__setattr__(self, "recipe", present_recipe(self.recipe))
        object.__setattr__(self, "teacher", present_recipe(self.teacher))
        object.__setattr__(self, "form", self.form or implied_form(self.recipe))

    def dump(self) -> str:
        """The text of a run's ``recipe.toml``."""
        content = asdict(self)
        tables = {name: content.pop(name) for name in ("dataset", "settings")}
        for name in ("teacher", "measured"):
            if not content[name]:
                del content[name]
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
            content = read_toml(path)
            recipe = cls(**content)
        except OSError as error:
            raise PosebenchError(f"{path}: {error.strerror}", wanted, advice) from error
        except (ValueError, TypeError) as error:
            raise PosebenchError(f"{path}: {error}", wanted, advice) from error
        texts = (recipe.method, recipe.preset, recipe.keypoints, recipe.skeleton)
        texts_fit = all(isinstance(text, str) for text in texts)
        tables_fit = isinstance(recipe.dataset, dict) and isinstance(recipe.settings, dict)
        if not (texts_fit and tables_fit and recipe.form in FORMS and type(recipe.seed) is int and isinstance(recipe.subjects, list)):
            raise PosebenchError(f"{path}: a field of another kind", wanted, advice)
        if not all(isinstance(value, str) for value in recipe.dataset.values()):
            raise PosebenchError(f"{path}: a field of another kind", wanted, advice)
        settings = present_names(recipe.method, recipe.settings, str(path))
        return cls(**{**content, "subjects": tuple(map(str, recipe.subjects)), "settings": settings})


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(list(value) if isinstance(value, tuple) else value)}" for key, value in table.items()]


def _value(value: Any) -> str:
    # JSON and TOML write strings, numbers, booleans and lists of them alike, with two exceptions: TOML has no surrogate pairs, and DEL
    # must be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def baselines() -> list[str]:
    """Ids of the baselines that can be trained: the folders with a ``recipe.toml``."""
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
        advice = did_you_mean(method, known, "posebench train martinez --dataset synthetic --preset smoke")
        raise PosebenchError(f"method {method!r}", f"one of {', '.join(known)}", advice)
    with needs(f"the baseline {method}", extra="baselines"):
        return import_module(f"posebench.baselines.{method}")


def resolve(
    content: Mapping[str, Any], kind: type[S], *, where: str, recipe: str = TUNED, preset: str = "quick", changes: Sequence[str] = ()
) -> S:
    """The settings of one run, from a method's ``recipe.toml``.

    Args:
        content: the parsed file.
        kind: the method's own :class:`Settings`.
        where: the file, for messages.
        recipe: a name below ``[recipes]``, or ``tuned``, or ``default``, which is the same.
        preset: a name below ``[presets]``.
        changes: single changes, ``name=value``, values as in TOML.

    Raises:
        PosebenchError: an unknown table, recipe, preset or setting, or a value of another type.
    """
    unknown = set(content) - {"method", "supervision", "settings", "sources", "presets", "recipes"}
    if unknown:
        raise PosebenchError(f"{where}: unknown {', '.join(sorted(unknown))}", "settings, sources, presets and recipes", _ADVICE)
    presets, recipes = content.get("presets", {}), content.get("recipes", {})
    if preset not in presets:
        raise PosebenchError(f"preset {preset!r}", f"one of {', '.join(presets)}", did_you_mean(preset, presets, "choose with --preset"))
    recipe = _known_recipe(recipes, recipe, where)
    own, own_for_preset = _own_values(recipes, recipe, preset, where)
    layers = (content.get("settings", {}), own, presets[preset], own_for_preset, _parse_changes(changes))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= present_names(content.get("method", ""), layer, where)
    return settings_of(kind, merged, where)


def _own_values(recipes: Mapping[str, Any], recipe: str, preset: str, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A recipe's values for all presets, and those for this preset; both after the values of the recipe that it inherits from."""
    values = dict(recipes.get(recipe, {}))
    preset_values = {name: values.pop(name, {}) for name in PRESETS}[preset]
    values.pop("about", None)
    values.pop("form", None)
    other = values.pop("like", None)
    if other is None:
        return values, preset_values
    if other not in recipes or other == recipe or "like" in recipes[other]:
        raise PosebenchError(
            f"{where}: recipe {recipe!r} is like {other!r}", "the name of a recipe that is like no other", "correct the recipe"
        )
    inherited, inherited_for_preset = _own_values(recipes, other, preset, where)
    return {**inherited, **values}, {**inherited_for_preset, **preset_values}


def _known_recipe(recipes: Mapping[str, Any], recipe: str, where: str) -> str:
    """The present name of a recipe that a file has."""
    reserved = [name for name in (TUNED, EARLIER_TUNED) if name in recipes]
    if reserved:
        raise PosebenchError(f"{where}: [recipes.{reserved[0]}]", f"another name: {TUNED} is the recipe of [settings]", "rename the recipe")
    recipe = present_recipe(recipe)
    if recipe != TUNED and recipe not in recipes:
        known = [TUNED, *recipes]
        raise PosebenchError(f"recipe {recipe!r}", f"one of {', '.join(known)}", did_you_mean(recipe, known, "choose with --recipe"))
    return recipe


def form_of(content: Mapping[str, Any], recipe: str, where: str) -> str:
    """The form of a recipe: its own, or that of the recipe that it is ``like``; if neither states one, the one that its name implies.

    Args:
        content: the parsed ``recipe.toml``.
        recipe: a name below ``[recipes]``, or ``tuned``.
        where: the file, for messages.

    Raises:
        PosebenchError: no such recipe, or a form that is none of :data:`posebench.predictions.forms.FORMS`.
    """
    recipes = content.get("recipes", {})
    own = recipes.get(_known_recipe(recipes, recipe, where), {})
    form = own.get("form", recipes.get(own.get("like"), {}).get("form", implied_form(recipe)))
    if form not in FORMS:
        raise PosebenchError(f"{where}: form {form!r} of recipe {recipe!r}", f"one of {', '.join(FORMS)}", "correct the recipe")
    return str(form)


def with_test_time_settings(recipe: Recipe, kind: type[Settings], changes: Sequence[str]) -> Recipe:
    """The recipe of a finished run with other test-time settings (:attr:`Settings.test_time`).

    A run that then has all settings of another recipe of its method, at the same preset, is a run of that recipe, and bears its name.
    Otherwise the name lists the changes.

    Args:
        recipe: of the run's folder.
        kind: the method's own :class:`Settings`.
        changes: single changes, ``name=value``, values as in TOML.

    Raises:
        PosebenchError: not a test-time setting of the method.
    """
    values = present_names(recipe.method, _parse_changes(changes), "--set")
    for name in values:
        if name not in kind.test_time:
            known = ", ".join(kind.test_time) if kind.test_time else f"none: {recipe.method} has no such settings"
            raise PosebenchError(f"--set {name} for a finished run", f"settings that no weight depends on ({known})", "train another run")
    settings = settings_of(kind, {**recipe.settings, **values}, "--set")
    content, where = read_method(recipe.method)
    for name in content.get("recipes", {}):
        if settings == resolve(content, kind, where=where, recipe=name, preset=recipe.preset):
            return replace(recipe, recipe=name, settings=asdict(settings), form=form_of(content, name, where))
    return replace(recipe, recipe=", ".join([recipe.recipe, *changes]), settings={**recipe.settings, **values}, form=TUNED)


def _parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Settings by name; a value that is not TOML is taken as a string, so that quotes may be left out."""
    values: dict[str, Any] = {}
    for change in changes:
        name, _, text = change.partition("=")
        try:
            values |= parse_toml(f"{name} = {text}")
        except ValueError:
            try:
                values |= parse_toml(f"{name} = {json.dumps(text)}")
            except ValueError as error:
                raise PosebenchError(f"--set {change}", "name=value, such as dropout=0.25", "correct --set") from error
    return values


def read_method(method: str) -> tuple[dict[str, Any], str]:
    """The parsed ``recipe.toml`` of a baseline, and its name for messages.

    Raises:
        PosebenchError: no such method, or its file is not one of a method.
    """
    if method not in baselines():
        load_baseline(method)  # raises, naming the choices
    where = f"baselines/{method}/recipe.toml"
    content = tomllib.loads((files("posebench.baselines") / method / "recipe.toml").read_text(encoding="utf-8"))
    if content.get("method") != method or content.get("supervision") not in SUPERVISIONS:
        raise PosebenchError(f"{where}: method or supervision", f"method = {method!r} and what its training sees", "correct the file")
    return content, where
