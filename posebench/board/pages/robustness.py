"""The board's page of robustness: what happens to each method's error where keypoints, cameras and people are not those of its training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from posebench.base.errors import PosebenchError
from posebench.base.escape import markdown_text
from posebench.base.readers.text import read_text
from posebench.board.pages.plot_data import Data
from posebench.board.pages.prose import wrapped, wrapped_markdown
from posebench.data.corruption.conditions import CLEAN
from posebench.display.document import Document, Table
from posebench.display.robustness import curve_data, robustness_text
from posebench.display.tables import markdown_table
from posebench.networks.recipe import baselines
from posebench.scoring.robustness.record import Method, Study, merged
from posebench.scoring.robustness.summary import Value, rises, summarise

#: Where a board keeps files of `posebench robustness`, and its text of findings about them.
FOLDER, FINDINGS = "robustness", "findings.txt"
#: The largest text of findings, bytes.
_LARGEST = 100_000

_HEAD = """# Robustness

Made by `posebench board render` from the files in `robustness/`; do not edit by hand. [What is changed, and how it is
measured](../docs/robustness.md). A row is one training: its intervals cover other takes, not other seeds.
"""
_METHODS = "`frames`: how many one pose depends on. `keypoints`: those of the training, whose details are on the page of the method."
_TRAINING = """Error of the training on keypoints with errors minus error of the same training on exact ones, PA-MPJPE, paired over takes,
with the 95 % interval. Below 0, training on errors helps."""


class Pair(NamedTuple):
    """A method trained on exact keypoints, and the same method trained on keypoints with errors."""

    exact: Method
    noisy: Method

    @property
    def name(self) -> str:
        """Method and source."""
        return f"{self.exact.name}, trained on {self.noisy.facts['trained_keypoints']}"


def load_studies(board: Path) -> dict[str, Study]:
    """The studies of a board by protocol id; those of which no method is complete are left out.

    Raises:
        PosebenchError: a file is invalid, or two files do not agree.
    """
    studies = merged(sorted((board / FOLDER).glob("*.json"))).studies
    return {id: study for id, study in sorted(studies.items(), reverse=True) if study.complete}


def pairs(study: Study) -> list[Pair]:
    """Methods named ``NAME`` and ``NAME (SOURCE)``, of which the second was trained on the keypoints SOURCE."""
    complete = {method.name: method for method in study.complete}
    found = []
    for method in complete.values():
        exact = complete.get(method.name.removesuffix(f" ({method.facts.get('trained_keypoints', '')})"))
        if method.trained_on_errors and exact is not None and exact is not method and not exact.trained_on_errors:
            found.append(Pair(exact, method))
    return sorted(found, key=lambda pair: pair.name)


def robustness_page(board: Path, studies: dict[str, Study]) -> str:
    """The page: findings, the methods, and for each protocol its curves, tables, and what training on errors changes.

    Raises:
        PosebenchError: the findings are no text.
    """
    parts = [_HEAD, *_findings(board / FOLDER / FINDINGS), "## The methods\n", _methods(studies), ""]
    for id, study in studies.items():
        parts += [
            f"## `{id}`\n",
            f"![Error against severity]({_plot(id, 'curves')})\n",
            wrapped_markdown(robustness_text(study).markdown()),
            "",
        ]
        if found := _rises(study):
            parts += ["### Training on keypoints with errors\n", f"![Differences]({_plot(id, 'training')})\n"]
            parts += [wrapped(_TRAINING), "", Document.of(_differences(found)).markdown(), ""]
    files = " ".join(f"{board.resolve().name}/{FOLDER}/{path.name}" for path in sorted((board / FOLDER).glob("*.json")))
    parts += ["Each severity, and the differences between methods:\n", f"```bash\nposebench robustness show {files} --all\n```\n"]
    return "\n".join(parts)


def _findings(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        return [read_text(path, _LARGEST).strip() + "\n"]
    except (OSError, ValueError) as error:
        raise PosebenchError(f"{path}: {error}", "findings in markdown", "correct the file or remove it") from error


def robustness_plots(board: Path, studies: dict[str, Study]) -> Iterator[tuple[Path, str, Data]]:
    """Path, name and data of every plot of the page."""
    for id, study in studies.items():
        yield board / _plot(id, "curves"), "robustness", curve_data(summarise(study))
        if found := _rises(study):
            yield board / _plot(id, "training"), "training on errors", _training_data(study, found)


def _plot(id: str, kind: str) -> str:
    return f"plots/{FOLDER}/{id.replace('/', '-')}-{kind}.svg"


def _methods(studies: dict[str, Study]) -> str:
    """A row for each method of any study."""
    methods = {method.name: method for study in studies.values() for method in study.complete}
    rows = []
    for name in sorted(methods):
        facts, first = methods[name].facts, name.partition(" ")[0]
        label = markdown_text(name)
        if first in baselines():
            label = f"[{label}](../baselines/{first}/README.md)"
        rows.append([label, *(markdown_text(facts[fact]) for fact in ("form", "supervision", "context", "trained_keypoints"))])
    table = markdown_table(rows, ["method", "form", "3D seen", "frames", "keypoints"], right=[3])
    return f"{table}\n\n{wrapped(_METHODS)}"


def _rises(study: Study) -> dict[str, dict[str, Value]]:
    """Name of each pair to what training on errors changes, by kind."""
    return {pair.name: rises(study, pair.exact, pair.noisy) for pair in pairs(study)}


def _differences(found: dict[str, dict[str, Value]]) -> Table:
    """A row for each pair of methods, a column for each kind."""
    kinds = list(next(iter(found.values())))
    rows = [[name, *(_difference(value) for value in values.values())] for name, values in found.items()]
    return Table(["method", *kinds], rows, right=range(1, 1 + len(kinds)))


def _difference(value: Value) -> str:
    return f"{value.value:+.1f}" + (f" ±{value.half:.1f}" if value.half is not None else "")


def _training_data(study: Study, found: dict[str, dict[str, Value]]) -> Data:
    """For each pair and kind: the difference with its interval."""
    metric = study.protocol.metrics[0]

    def point(value: Value) -> Data:
        bounds = None if value.low is None or value.high is None else [round(value.low, 2), round(value.high, 2)]
        return {"value": round(value.value, 2), "interval": bounds}

    series = {name: [point(value) for value in values.values()] for name, values in found.items()}
    return {"axis": f"{metric.name} [{metric.unit}]", "kinds": [CLEAN, *study.protocol.conditions], "series": series}
