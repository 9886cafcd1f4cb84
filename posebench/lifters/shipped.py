"""Trained lifters that come with posebench, in ``leaderboard/weights/``: the files of a run that lifting needs, and a list of digests.

``models.json`` names each model with what it was trained on, its number on the leaderboard, and the sha256 of its files. A model is used
only if its files have these digests.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from posebench.base.errors import PosebenchError, needs
from posebench.base.files import sha256_of, write_text
from posebench.base.readers.text import read_json
from posebench.base.schema import Fields
from posebench.lifters import simple_lifters

INDEX = "models.json"
FORMAT = 1
#: Bytes of all models together.
MAX_BYTES = 20_000_000
_FILES = ("recipe.toml", "lifter.json", "lifter.safetensors")
_MAX_INDEX = 2**22
_NAME = re.compile(r"[A-Za-z0-9][\w+@-]{0,63}")
_ADVICE = "get the checkout again, or add the run again: posebench models add RUN"


@dataclass(frozen=True)
class Model:
    """A trained lifter in the list.

    Attributes:
        name: what ``--with`` and ``posebench predict`` take.
        method, recipe, preset, seed, supervision, trained_on, keypoints: of the training.
        scale: of its poses.
        skeleton: joint order.
        protocol: that it was scored under; empty where the run has no result.
        values: headline values of that result.
        predictions: sha256 of the predictions that were scored; an entry of the leaderboard states that of its own.
        half: its matrices are stored as 16-bit floats, so that poses differ a little from those that were scored.
        bytes: of its files together.
        sha256: of each file.
    """

    name: str
    method: str
    recipe: str
    preset: str
    seed: int
    supervision: str
    trained_on: str
    keypoints: str
    scale: str
    skeleton: str
    protocol: str
    values: dict[str, float]
    predictions: str
    half: bool
    bytes: int
    sha256: dict[str, str]


@cache
def weights_folder() -> Path:
    """Where the models are: with the package, or in the checkout."""
    library = Path(str(files("posebench")))
    places = [base / "leaderboard" / "weights" for base in (library, library.parent)]
    return next((place for place in places if (place / INDEX).is_file()), places[-1])


def in_checkout() -> bool:
    """Whether this posebench runs from its checkout, which the models come with; an installed package has none."""
    return (weights_folder().parents[1] / "pyproject.toml").is_file()


def list_models(folder: Path | None = None) -> list[Model]:
    """Every model of the list; none where there is no list.

    Raises:
        PosebenchError: the list is damaged.
    """
    path = (folder or weights_folder()) / INDEX
    if not path.is_file():
        return []
    try:
        content = read_json(path, _MAX_INDEX)
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "the list of models", _ADVICE) from error
    fields = Fields(content if isinstance(content, dict) else {}, str(path), _ADVICE)
    if fields.whole("posebench_models") > FORMAT:
        raise fields.wrong("posebench_models", content["posebench_models"], f"format {FORMAT}; upgrade posebench")
    found = [_model(item) for item in fields.tables("models")]
    fields.finish()
    names = [model.name for model in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PosebenchError(f"{path}: {twice[0]} twice", "each model once", _ADVICE)
    return found


def _model(item: Fields) -> Model:
    values, digests = item.table("values"), item.table("sha256")
    texts = ("name", "method", "recipe", "preset", "supervision", "trained_on", "keypoints", "scale", "skeleton", "protocol", "predictions")
    stated: dict[str, Any] = {key: item.text(key) for key in texts}
    found = Model(
        **stated,
        seed=item.count("seed"),
        values={key: values.number(key) for key in values.names()},
        half=item.flag("half"),
        bytes=item.whole("bytes"),
        sha256={key: digests.text(key) for key in _FILES},
    )
    digests.finish()
    item.finish()
    if not _NAME.fullmatch(found.name):
        raise item.wrong("name", found.name, "letters, digits, _ + @ -")
    return found


def model_names() -> list[str]:
    """Names of the models."""
    return [model.name for model in list_models()]


def find_model(name: str, folder: Path | None = None) -> Path | None:
    """The folder of a model, with its digests checked; None if there is none of this name.

    Raises:
        PosebenchError: a file is missing or is not the one that was added.
    """
    folder = folder or weights_folder()
    model = next((model for model in list_models(folder) if model.name == name), None)
    if model is None:
        return None
    for file, digest in model.sha256.items():
        path = folder / name / file
        if not path.is_file() or sha256_of(path) != digest:
            found = f"{path}, which is {'not there' if not path.is_file() else 'not the file that the list states'}"
            raise PosebenchError(found, f"sha256 {digest[:16]}...", _ADVICE)
    return folder / name


def add_model(run: Path, *, name: str = "", half: bool = False, folder: Path | None = None) -> Model:
    """Add the lifter of a finished run to the models, in place of one of the same name, method and recipe.

    Args:
        run: its folder.
        name: of the model; by default ``<method>``, with ``+<recipe>`` where that is not ``tuned``.
        half: store matrices as 16-bit floats.
        folder: where the models are.

    Raises:
        PosebenchError: this is no checkout; the run is not finished or cannot lift; a name that cannot be a folder's, or is that of
            another lifter; or the models would take more than :data:`MAX_BYTES`.
    """
    if folder is None and not in_checkout():
        found = f"an installed posebench, {weights_folder().parents[1]}"
        raise PosebenchError(
            found, "a checkout, which the models come with", "lift with the run itself: posebench lift KEYPOINTS --with RUN"
        )
    folder = folder or weights_folder()
    with needs("models", extra="baselines"):
        from posebench.lifters.run import open_run
        from posebench.networks.recipe import Recipe
        from posebench.networks.weights import halve_weights
    lifter, recipe = open_run(run), Recipe.load(run / "recipe.toml")
    made = lifter.info.provenance
    assert made is not None
    name = name or recipe.method + ("" if recipe.recipe == "tuned" else f"+{recipe.recipe}")
    if not _NAME.fullmatch(name):
        raise PosebenchError(f"name {name!r}", "letters, digits, _ + @ -", "choose one with --name")
    there = next((model for model in list_models(folder) if model.name == name), None)
    if name in simple_lifters() or (there and (there.method, there.recipe) != (recipe.method, made.recipe)):
        kind = f"{there.method}, recipe {there.recipe}" if there else "a lifter that needs no training"
        raise PosebenchError(f"name {name}, which is {kind}", "a name of its own", "choose one with --name")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".adding-") as temporary:
        made_files = Path(temporary) / name
        made_files.mkdir()
        for file in _FILES:
            shutil.copyfile(run / file, made_files / file)
        if half:
            halve_weights(made_files)
        size = sum((made_files / file).stat().st_size for file in _FILES)
        others = [model for model in list_models(folder) if model.name != name]
        total = size + sum(model.bytes for model in others)
        if total > MAX_BYTES:
            found = f"{total:,} bytes of models with {name}, which has {size:,}"
            smaller = "" if half else ", store matrices in 16 bits with --half,"
            raise PosebenchError(found, f"at most {MAX_BYTES:,}", f"remove another one{smaller} or choose a smaller network")
        protocol, values, predictions = _scored(run)
        model = Model(
            name=name,
            method=recipe.method,
            recipe=made.recipe,
            preset=made.preset,
            seed=made.seed,
            supervision=lifter.info.supervision,
            trained_on=made.trained_on,
            keypoints=made.trained_keypoints,
            scale=lifter.info.scale,
            skeleton=lifter.info.skeleton,
            protocol=protocol,
            values=values,
            predictions=predictions,
            half=half,
            bytes=size,
            sha256={file: sha256_of(made_files / file) for file in _FILES},
        )
        target = folder / name
        target.mkdir(exist_ok=True)
        for file in _FILES:
            (made_files / file).replace(target / file)
    listed = sorted([*others, model], key=lambda one: one.name)
    write_text(folder / INDEX, json.dumps({"posebench_models": FORMAT, "models": [asdict(one) for one in listed]}, indent=1) + "\n")
    return model


def _scored(run: Path) -> tuple[str, dict[str, float], str]:
    """Protocol, headline values in mm and the predictions' sha256 of a run's result; empty without one."""
    from posebench.scoring.result import load_result

    if not (run / "result.json").is_file():
        return "", {}, ""
    result = load_result(run / "result.json")
    found = {name: result.tables[name].by.get(result.protocol.headline) for name in ("MPJPE", "PA-MPJPE") if name in result.tables}
    values: dict[str, float] = {name: round(float(value), 2) for name, value in found.items() if value is not None}
    return result.protocol.id, values, result.predictions.sha256
