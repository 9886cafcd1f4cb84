"""posebench: score and compare monocular 3D human pose lifters under exactly stated protocols.

The functions below are the command line's verbs. They are looked up when first used, so that ``import posebench`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posebench.base.errors import PosebenchError
    from posebench.board.regeneration.regenerate import regenerate
    from posebench.data import open_dataset
    from posebench.display.gallery import draw
    from posebench.lifters import predict
    from posebench.lifters.choose import open_lifter
    from posebench.lifters.timing.record import load_record
    from posebench.lifters.timing.run import speed
    from posebench.predictions.archive import open_predictions, save_predictions
    from posebench.predictions.formats.registry import Reading, convert
    from posebench.predictions.provenance import Provenance
    from posebench.scoring.checks import check
    from posebench.scoring.comparison import compare
    from posebench.scoring.evaluate import score
    from posebench.scoring.protocol import find_protocols, load_protocol, protocol_ids
    from posebench.scoring.result import Result, load_result
    from posebench.training.run import train

__all__ = [
    "PosebenchError",
    "Provenance",
    "Reading",
    "Result",
    "check",
    "compare",
    "convert",
    "draw",
    "find_protocols",
    "load_protocol",
    "load_record",
    "load_result",
    "open_dataset",
    "open_lifter",
    "open_predictions",
    "predict",
    "protocol_ids",
    "regenerate",
    "save_predictions",
    "score",
    "speed",
    "train",
]

_HOME = {
    "PosebenchError": "base.errors",
    "Provenance": "predictions.provenance",
    "Reading": "predictions.formats.registry",
    "Result": "scoring.result",
    "check": "scoring.checks",
    "compare": "scoring.comparison",
    "convert": "predictions.formats.registry",
    "draw": "display.gallery",
    "find_protocols": "scoring.protocol",
    "load_protocol": "scoring.protocol",
    "load_record": "lifters.timing.record",
    "load_result": "scoring.result",
    "open_dataset": "data",
    "open_lifter": "lifters.choose",
    "open_predictions": "predictions.archive",
    "predict": "lifters",
    "protocol_ids": "scoring.protocol",
    "regenerate": "board.regeneration.regenerate",
    "save_predictions": "predictions.archive",
    "score": "scoring.evaluate",
    "speed": "lifters.timing.run",
    "train": "training.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'posebench' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"posebench.{_HOME[name]}"), name)
    # Looked up once: from now on the name is an attribute like any other.
    globals()[name] = value
    return value
