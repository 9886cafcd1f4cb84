"""Somebody's own Python function, or object with a method ``lift``, as a lifter. The user names it: it is their code and is run as that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, skeleton
from posebench.base.units import MM_PER_UNIT, mm_per
from posebench.data.clip import Dataset
from posebench.lifters import Lifter
from posebench.metrics.position import root_relative
from posebench.predictions.archive import SUPERVISIONS

T = TypeVar("T")
_ADVICE = "see docs/lifters.md: function(keypoints (T, J, 2) px, camera or None) -> poses (T, J, 3)"
#: What the function, class or object may state of itself.
ATTRIBUTES = ("id", "skeleton", "unit", "scale", "supervision", "context", "flip_averaging")


def open_function(name: str) -> Callable[[Dataset], Lifter]:
    """What makes the lifter out of ``module:function``, given the dataset whose skeleton it takes if it states none.

    **Convention.** The module is looked for in the current folder, then along ``sys.path``; the folder stays on ``sys.path``, so that
    the module may import its neighbours later. A class is called without arguments; of an object, ``lift`` is used. Attributes may
    state ``id`` (default: the function's name), ``skeleton`` (the dataset's), ``unit`` (``mm``), ``scale`` (``metric``),
    ``supervision`` (``unstated``), ``context`` (1) and ``flip_averaging`` (False; a statement: posebench averages nothing).

    Raises:
        PosebenchError: no such module or function, it fails when imported, or an attribute is wrong.
    """
    target = _find(name)
    if isinstance(target, type):
        target = _own(lambda: target(), name, "fails when made without arguments")
    lift = getattr(target, "lift", target)
    if not callable(lift):
        raise PosebenchError(f"{name} is a {type(target).__name__}", "a function, or a class or object with a method lift", _ADVICE)
    label = getattr(target, "__name__", type(target).__name__)
    fields = Fields({key: getattr(target, key) for key in ATTRIBUTES if hasattr(target, key)}, name, _ADVICE)
    id = fields.text("id", default=label)
    if not id.strip() or not id.isprintable():
        raise fields.wrong("id", id, "a name, printable and in one line")
    unit, scale = fields.choice("unit", MM_PER_UNIT, default="mm"), fields.choice("scale", ("metric", "unknown"), default="metric")
    given = fields.maybe_choice("skeleton", SKELETONS)
    supervision = fields.choice("supervision", SUPERVISIONS, default="unstated")
    context, flip_averaging = fields.whole("context", default=1), fields.flag("flip_averaging", default=False)
    to_mm = mm_per(unit) if scale == "metric" else 1.0
    return lambda dataset: FunctionLifter(name, lift, id, given or dataset.skeleton, supervision, scale, context, flip_averaging, to_mm)


@dataclass(frozen=True, eq=False)
class FunctionLifter:
    """A function with what it states of itself. ``name`` is how the user called it; ``to_mm`` the factor from its unit."""

    name: str
    function: Callable[[Array, Camera | None], Any]
    id: str
    skeleton: str
    supervision: str
    scale: str
    context: int
    flip_averaging: bool
    to_mm: float

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3) mm (any unit where the scale is unknown), root at the origin.

        Raises:
            PosebenchError: the function raised, or returned something else than finite or infinite numbers of that shape.
        """
        own = np.array(keypoints, dtype=np.float64)  # a copy: the caller's stay as they are, whatever the function does
        given = _own(lambda: np.asarray(self.function(own, camera)), self.name, f"fails on keypoints {own.shape}")
        wanted = (len(keypoints), len(skeleton(self.skeleton)), 3)
        if given.dtype.kind not in "fiu" or given.shape != wanted:
            found = f"{self.name} returned {given.dtype} of shape {given.shape}"
            raise PosebenchError(f"{found} for keypoints {keypoints.shape}", f"numbers of shape {wanted}", _ADVICE)
        with np.errstate(invalid="ignore", over="ignore"):  # poses that are not finite are passed on: the scorer counts them
            return root_relative(given.astype(np.float64) * self.to_mm, skeleton(self.skeleton).root_indices)


def _find(name: str) -> Any:
    """The object behind ``module:function``, or ``module:object.attribute``."""
    module_name, _, path = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise PosebenchError(f"lifter {name!r}", "module:function, both Python names", _ADVICE)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
        importlib.invalidate_caches()
    try:
        found: Any = _own(lambda: importlib.import_module(module_name), module_name, "fails when imported")
    except PosebenchError as error:
        cause = error.__cause__
        # A module that the user's own module lacks is told as that module's failure, not as a wrong name.
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{module_name}.".startswith(f"{cause.name}."):
            wanted = "a Python module in the current folder or on sys.path"
            raise PosebenchError(f"no module {module_name!r}", wanted, "go to its folder, or correct the name") from cause
        raise
    for part in path.split("."):
        if not hasattr(found, part):
            names = (
                [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
                if hasattr(found, "__dict__")
                else []
            )
            raise PosebenchError(f"{name}: no {part!r}", "one of " + (", ".join(names[:10]) or "its names"), "correct the name")
        found = getattr(found, part)
    return found


def _own(call: Callable[[], T], name: str, fails: str) -> T:
    """Run the user's code; whatever it raises is told in one paragraph."""
    try:
        return call()
    except (Exception, SystemExit) as error:  # a module may be a script that ends itself
        text = " ".join(str(error).split())[:500]
        raise PosebenchError(f"{name} {fails}: {type(error).__name__}: {text}", "code that runs", _ADVICE) from error
