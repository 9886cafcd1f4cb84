"""posebench: score and compare monocular 3D human pose lifters under exactly stated protocols.

The functions below are the command line's verbs. They are looked up when first used, so that ``import posebench`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posebench.checks import check
    from posebench.comparison import compare
    from posebench.data import open_dataset
    from posebench.errors import PosebenchError
    from posebench.evaluate import score
    from posebench.formats import Reading, convert
    from posebench.gallery import draw
    from posebench.lifters import predict
    from posebench.lifters.choose import open_lifter
    from posebench.predictions import open_predictions, save_predictions
    from posebench.protocol import find_protocols, load_protocol, protocol_ids
    from posebench.provenance import Provenance
    from posebench.result import Result, load_result
    from posebench.speeds import load_record
    from posebench.timing.run import speed
    from posebench.training.regeneration import regenerate
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
    "PosebenchError": "errors",
    "Provenance": "provenance",
    "Reading": "formats",
    "Result": "result",
    "check": "checks",
    "compare": "comparison",
    "convert": "formats",
    "draw": "gallery",
    "find_protocols": "protocol",
    "load_protocol": "protocol",
    "load_record": "speeds",
    "load_result": "result",
    "open_dataset": "data",
    "open_lifter": "lifters.choose",
    "open_predictions": "predictions",
    "predict": "lifters",
    "protocol_ids": "protocol",
    "regenerate": "training.regeneration",
    "save_predictions": "predictions",
    "score": "evaluate",
    "speed": "timing.run",
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
