"""A run's folder: its files, its default name, and the check that it belongs to the run."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.readers.text import parse_toml
from posebench.networks.recipe import Recipe, load_baseline
from posebench.networks.settings import settings_of
from posebench.predictions.forms import TUNED

RECIPE, PREDICTIONS, RESULT, CURVES = "recipe.toml", "predictions.npz", "result.json", "curves.png"


def default_folder(recipe: Recipe, *, tune: bool) -> Path:
    """``runs/<method>+<recipe>-<dataset>-<keypoints>-<preset>-s<seed>``, with ``-tune`` appended if the tuning subject is held out."""
    variant = "".join(c if c.isalnum() or c in "._-=" else "_" for c in recipe.recipe)
    rest = f"-{recipe.dataset['name']}-{recipe.keypoints}-{recipe.preset}-s{recipe.seed}" + ("-tune" if tune else "")
    name = f"{recipe.method}+{variant}{rest}"
    return present_or_earlier(Path("runs"), name, f"{recipe.method}{rest}" if recipe.recipe == TUNED else name)


def present_or_earlier(runs: Path, name: str, earlier: str) -> Path:
    """The folder ``name`` below ``runs``; if there is none, and one under the name that earlier versions gave it, then that one."""
    return runs / earlier if (runs / earlier).is_dir() and not (runs / name).exists() else runs / name


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
    found_text = _as_written_now(path, recipe.form)
    if found_text != wanted_text:
        differing = _first_difference(found_text, wanted_text)
        raise PosebenchError(f"{folder} holds another run ({differing})", "the run that was asked for", "choose another folder with -o")
    if not resume:
        raise PosebenchError(
            f"{folder} holds this run already", "--resume to continue it", "add --resume, or choose another folder with -o"
        )


def _as_written_now(path: Path, form: str) -> str:
    """The text of a run's recipe, as this version writes it.

    A recipe that states no form counts as one of ``form``; a setting that it lacks has its default, which is what the method did before it
    had the setting.
    """
    text = path.read_text(encoding="utf-8")
    try:
        known = Recipe.load(path)
        known = replace(known, settings=asdict(settings_of(load_baseline(known.method).Settings, known.settings, str(path))))
        return (known if "form" in parse_toml(text) else replace(known, form=form)).dump()
    except (PosebenchError, ValueError):
        return text  # of no recipe: the comparison tells where it differs


def _first_difference(found: str, wanted: str) -> str:
    """The first line in which two texts of a recipe differ; a line such as ``teacher`` may be missing from one of them."""
    there, asked = ({line.partition(" = ")[0]: line for line in text.splitlines()} for text in (found, wanted))
    for name in dict.fromkeys([*there, *asked]):
        if there.get(name) != asked.get(name):
            return f"there: {there.get(name, f'no {name}')}; asked for: {asked.get(name, f'no {name}')}"
    return "of other settings"
