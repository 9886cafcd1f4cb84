"""A run's folder: what is in it, what it is called, and who may use it."""

from __future__ import annotations

from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.networks.recipe import Recipe

RECIPE, PREDICTIONS, RESULT, CURVES = "recipe.toml", "predictions.npz", "result.json", "curves.png"


def default_folder(recipe: Recipe, *, tune: bool) -> Path:
    """``runs/<method>[+recipe]-<dataset>-<keypoints>-<preset>-s<seed>``, with ``-tune`` behind it where the tuning subject is held out."""
    variant = "" if recipe.recipe == "default" else "+" + "".join(c if c.isalnum() or c in "._-=" else "_" for c in recipe.recipe)
    name = f"{recipe.method}{variant}-{recipe.dataset['name']}-{recipe.keypoints}-{recipe.preset}-s{recipe.seed}"
    return Path("runs") / (name + ("-tune" if tune else ""))


def claim(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make the run's folder, or see that it holds this very run."""
    path, text = folder / RECIPE, recipe.dump()
    if not folder.exists() or not any(folder.iterdir()):
        if resume:
            raise PosebenchError(f"--resume, and no run in {folder}", "the folder of an interrupted run", "train without --resume")
        write_text(path, text)
        return
    if not path.is_file():
        raise PosebenchError(f"{folder} holds something else", "an empty or new folder", "choose another with -o")
    if path.read_text(encoding="utf-8") != text:
        differing = _first_difference(path.read_text(encoding="utf-8"), text)
        raise PosebenchError(f"{folder} holds another run ({differing})", "the run that was asked for", "choose another folder with -o")
    if not resume:
        raise PosebenchError(
            f"{folder} holds this run already", "--resume to go on with it", "add --resume, or choose another folder with -o"
        )


def _first_difference(there: str, asked: str) -> str:
    for one, other in zip(there.splitlines(), asked.splitlines(), strict=False):
        if one != other:
            return f"there: {one}; asked for: {other}"
    return "of other settings"
