"""The grid, ``grid.toml``: every training that the board's rows are made of.

**Convention.** A *cell* is one training (or one lifter that needs none) on one dataset, keypoint source and seed. Cells that differ only in
their seed become one *entry* of the board. A cell is named as its run folder; an entry's name is the same without the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posebench.base.errors import PosebenchError, did_you_mean, first_ten
from posebench.base.readers.text import read_toml
from posebench.base.schema import Fields
from posebench.data import DATASETS
from posebench.lifters import simple_lifters
from posebench.networks.recipe import PRESETS, baselines, read_method
from posebench.predictions.forms import TUNED, present_recipe
from posebench.training.folder import present_or_earlier

_ADVICE = "correct the grid: docs/regenerate.md"


@dataclass(frozen=True)
class Cell:
    """One training, or one lifter without training.

    Attributes:
        method: id of a baseline, or ``flat`` or ``mean-pose``.
        dataset: the dataset of training and test.
        keypoints: keypoint source of training and test.
        recipe: name of the recipe.
        preset: training budget; empty where nothing is trained.
        seed: None where nothing is trained.
    """

    method: str
    dataset: str
    keypoints: str
    recipe: str = TUNED
    preset: str = ""
    seed: int | None = None

    @property
    def trained(self) -> bool:
        """Whether the cell needs a training."""
        return bool(self.preset)

    @property
    def entry(self) -> str:
        """Name of its entry."""
        rest = f"-{self.dataset}-{self.keypoints}"
        return f"{self.method}+{self.recipe}{rest}-{self.preset}" if self.trained else self.method + rest

    @property
    def name(self) -> str:
        """Name of the cell and of its run folder, as ``posebench train`` names it by default.

        Example:
            >>> Cell("chen2019", "cmu", "gt", "blind", "quick", 0).name, Cell("flat", "cmu", "gt").name
            ('chen2019+blind-cmu-gt-quick-s0', 'flat-cmu-gt')
        """
        return self.entry + (f"-s{self.seed}" if self.trained else "")

    @property
    def earlier_name(self) -> str:
        """Its name in earlier versions, which leave out the recipe ``tuned``."""
        return self.name.replace(f"+{TUNED}-", "-", 1)

    def folder(self, runs: Path) -> Path:
        """Its run folder below ``runs``."""
        return present_or_earlier(runs, self.name, self.earlier_name)


def read_grid(path: Path) -> list[Cell]:
    """The cells of a grid file, in its order.

    A ``[[grid]]`` table expands to every combination of its lists ``methods``, ``recipes`` (``tuned`` if absent), ``datasets``,
    ``keypoints``, ``presets`` and ``seeds``; the last two are absent where its methods need no training.

    Raises:
        PosebenchError: it cannot be read, names something unknown, or names a cell twice.
    """
    try:
        content = read_toml(path)
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or error
        raise PosebenchError(f"{path}: {found}", "a grid in TOML", "name one, such as leaderboard/grid.toml") from error
    whole = Fields(content, str(path), _ADVICE)
    cells = [cell for table in whole.tables("grid") for cell in _cells(table)]
    whole.finish()
    if not cells:
        raise PosebenchError(f"{path}: no cells", "at least one [[grid]] table", _ADVICE)
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PosebenchError(f"{path}: {first_ten(twice)} named twice", "every cell once", _ADVICE)
    return cells


def _cells(table: Fields) -> list[Cell]:
    simple = list(simple_lifters())
    methods = _at_least_one(table, "methods", [*baselines(), *simple])
    datasets, keypoints = _at_least_one(table, "datasets", list(DATASETS)), _at_least_one(table, "keypoints")
    untrained = [method for method in methods if method in simple]
    if untrained:
        if len(untrained) < len(methods):
            raise table.wrong("methods", list(methods), f"a separate table for {', '.join(untrained)}, which need no training")
        table.finish()
        return [Cell(method, dataset, source) for method in methods for dataset in datasets for source in keypoints]
    recipes = tuple(map(present_recipe, table.texts("recipes"))) or (TUNED,)
    for method in methods:
        known = [TUNED, *read_method(method)[0].get("recipes", {})]
        for recipe in recipes:
            if recipe not in known:
                raise table.wrong("recipes", recipe, f"recipes of {method}: {', '.join(known)}")
    presets, seeds = _at_least_one(table, "presets", PRESETS), table.counts("seeds")
    if not seeds:
        raise table.wrong("seeds", [], "at least one")
    table.finish()
    return [
        Cell(method, dataset, source, recipe, preset, seed)
        for method in methods
        for recipe in recipes
        for dataset in datasets
        for source in keypoints
        for preset in presets
        for seed in seeds
    ]


def _at_least_one(table: Fields, key: str, choices: Sequence[str] | None = None) -> tuple[str, ...]:
    values = table.texts(key, choices)
    if not values:
        raise table.wrong(key, [], "at least one" + ("" if choices is None else " of " + ", ".join(choices)))
    return values


def select(cells: Sequence[Cell], names: Sequence[str] = (), dataset: str | None = None) -> list[Cell]:
    """The cells with these names (all if none are given) and of this dataset.

    Raises:
        PosebenchError: a name is not in the grid, or no cell is left.
    """
    known = [cell.name for cell in cells]
    present = {earlier: name for cell in cells for earlier, name in ((cell.earlier_name, cell.name), (cell.name, cell.name))}
    for name in names:
        if name not in present:
            advice = did_you_mean(name, known, "posebench regenerate --list")
            raise PosebenchError(f"cell {name!r}", f"one of {first_ten(known)}", advice)
    asked = {present[name] for name in names}
    chosen = [cell for cell in cells if (not names or cell.name in asked) and dataset in (None, cell.dataset)]
    if not chosen:
        found = ", ".join(sorted({cell.dataset for cell in cells}))
        raise PosebenchError(f"no cell of dataset {dataset!r}", f"one of {found}", "posebench regenerate --list")
    return chosen
