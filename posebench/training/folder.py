"""A run's folder: its files, its default name, and the check that it belongs to the run."""

from __future__ import annotations

from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.networks.recipe import Recipe

RECIPE, PREDICTIONS, RESULT, CURVES = "recipe.toml", "predictions.npz", "result.json", "curves.png"


def default_folder(recipe: Recipe, *, tune: bool) -> Path:
    """``runs/<method>[+recipe]-<dataset>-<keypoints>-<preset>-s<seed>``, with ``-tune`` appended if the tuning subject is held out."""
    variant = "" if recipe.recipe == "default" else "+" + "".join(c if c.isalnum() or c in "._-=" else "_" for c in recipe.recipe)
    name = f"{recipe.method}{variant}-{recipe.dataset['name']}-{recipe.keypoints}-{recipe.preset}-s{recipe.seed}"
    return Path("runs") / (name + ("-tune" if tune else ""))


def claim(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make the run's folder, or check that it holds this run.

    Raises:
        PosebenchError: it holds another run or something else; it holds this run, without ``resume``; or ``resume``, and no run.
    """
    path, wanted_text = folder / RECIPE, recipe.dump()
    if not folder.exists() or not any(folder.iterdir()):
        if resume:
            raise PosebenchError(f"--resume, and no run in {folder}", "the folder of an interrupted run", "train without --resume")
        write_text(path, wanted_text)
        return
    if not path.is_file():
        raise PosebenchError(f"{folder} holds something else", "an empty or new folder", "choose another with -o")
    found_text = path.read_text(encoding="utf-8")
    if found_text != wanted_text:
        differing = _first_difference(found_text, wanted_text)
        raise PosebenchError(f"{folder} holds another run ({differing})", "the run that was asked for", "choose another folder with -o")
    if not resume:
        raise PosebenchError(
            f"{folder} holds this run already", "--resume to continue it", "add --resume, or choose another folder with -o"
        )


def _first_difference(found: str, wanted: str) -> str:
    for found_line, wanted_line in zip(found.splitlines(), wanted.splitlines(), strict=False):
        if found_line != wanted_line:
            return f"there: {found_line}; asked for: {wanted_line}"
    return "of other settings"
