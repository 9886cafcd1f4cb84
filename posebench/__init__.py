"""posebench: score and compare monocular 3D human pose lifters under exactly stated protocols.

The commands of the command line are functions here:

* score: ``check``, ``score``, ``compare``, ``explain``, ``diagnose``, ``convert``
* lift: ``open_lifter``, ``predict``, ``lift``, ``speed``, ``measure_robustness``
* train: ``train``, ``regenerate``
* look: ``report``, ``draw``

Files and data: ``open_dataset``, ``open_predictions``, ``save_predictions``, ``load_result``, ``load_record``, ``load_robustness``,
``load_protocol``, ``find_protocols``, ``protocol_ids``. Types: ``Camera``, ``Clip``, ``Dataset``, ``Lifter``, ``Provenance``,
``Reading``, ``Result``; every error is a ``PosebenchError``.

Names are looked up when they are first used, so that ``import posebench`` loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posebench.base.cameras import Camera
    from posebench.base.errors import PosebenchError
    from posebench.board.regeneration.regenerate import regenerate
    from posebench.data import open_dataset
    from posebench.data.clip import Clip, Dataset
    from posebench.display.gallery import draw
    from posebench.display.html.assembly import report
    from posebench.lifters import Lifter, predict
    from posebench.lifters.choose import open_lifter
    from posebench.lifters.detected import lift
    from posebench.lifters.robustness.run import measure_robustness
    from posebench.lifters.timing.record import load_record
    from posebench.lifters.timing.run import speed
    from posebench.predictions.archive import open_predictions, save_predictions
    from posebench.predictions.formats.registry import Reading, convert
    from posebench.predictions.provenance import Provenance
    from posebench.scoring.checks import check
    from posebench.scoring.comparison import compare
    from posebench.scoring.conventions.explaining import explain
    from posebench.scoring.decomposition.diagnosis import diagnose
    from posebench.scoring.evaluate import score
    from posebench.scoring.protocol import find_protocols, load_protocol, protocol_ids
    from posebench.scoring.result import Result, load_result
    from posebench.scoring.robustness.record import load_robustness
    from posebench.training.run import train

    __version__: str

__all__ = [
    "Camera",
    "Clip",
    "Dataset",
    "Lifter",
    "PosebenchError",
    "Provenance",
    "Reading",
    "Result",
    "check",
    "compare",
    "convert",
    "diagnose",
    "draw",
    "explain",
    "find_protocols",
    "lift",
    "load_protocol",
    "load_record",
    "load_result",
    "load_robustness",
    "measure_robustness",
    "open_dataset",
    "open_lifter",
    "open_predictions",
    "predict",
    "protocol_ids",
    "regenerate",
    "report",
    "save_predictions",
    "score",
    "speed",
    "train",
]

#: Module below ``posebench`` that holds each public name.
_HOME = {
    "Camera": "base.cameras",
    "Clip": "data.clip",
    "Dataset": "data.clip",
    "Lifter": "lifters",
    "PosebenchError": "base.errors",
    "Provenance": "predictions.provenance",
    "Reading": "predictions.formats.registry",
    "Result": "scoring.result",
    "check": "scoring.checks",
    "compare": "scoring.comparison",
    "convert": "predictions.formats.registry",
    "diagnose": "scoring.decomposition.diagnosis",
    "draw": "display.gallery",
    "explain": "scoring.conventions.explaining",
    "find_protocols": "scoring.protocol",
    "lift": "lifters.detected",
    "load_protocol": "scoring.protocol",
    "load_record": "lifters.timing.record",
    "load_result": "scoring.result",
    "load_robustness": "scoring.robustness.record",
    "measure_robustness": "lifters.robustness.run",
    "open_dataset": "data",
    "open_lifter": "lifters.choose",
    "open_predictions": "predictions.archive",
    "predict": "lifters",
    "protocol_ids": "scoring.protocol",
    "regenerate": "board.regeneration.regenerate",
    "report": "display.html.assembly",
    "save_predictions": "predictions.archive",
    "score": "scoring.evaluate",
    "speed": "lifters.timing.run",
    "train": "training.run",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOME:
        from importlib import import_module

        value = getattr(import_module(f"posebench.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'posebench' has no attribute {name!r}")
    # The next lookup finds the name here, without this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("posebench-lifting")
    except PackageNotFoundError:  # run from a folder of sources
        return "not installed"
