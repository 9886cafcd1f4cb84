"""A user's Python function, or object with a method ``lift``, as a lifter. It is the user's own code, and is run as such."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, skeleton
from posebench.base.units import MM_PER_UNIT, mm_per
from posebench.data.clip import Dataset
from posebench.lifters import Lifter, LifterInfo
from posebench.metrics.position import root_relative
from posebench.predictions.archive import SUPERVISIONS
from posebench.predictions.provenance import Provenance

T = TypeVar("T")
_ADVICE = "see docs/lifters.md: function(keypoints (T, J, 2) px, camera or None) -> poses (T, J, 3)"
#: Attributes by which the function, class or object may describe itself.
ATTRIBUTES = ("id", "skeleton", "unit", "scale", "supervision", "context", "flip_averaging")


def open_function(name: str) -> Callable[[Dataset], Lifter]:
    """A function that makes the lifter ``module:function`` for a dataset; the dataset's skeleton is the default one.

    **Convention.** The module is looked for in the current folder, then along ``sys.path``; the folder stays on ``sys.path``, so that
    the module can import its neighbours later. A class is called without arguments; of an object, ``lift`` is used. Optional attributes:
    ``id`` (default: the function's name), ``skeleton`` (the dataset's), ``unit`` (``mm``), ``scale`` (``metric``), ``supervision``
    (``unstated``), ``context`` (1), ``flip_averaging`` (False) and ``provenance`` (none; a leaderboard wants it). They
    describe what the function does: with ``flip_averaging``
    the function itself has averaged. An object with a :class:`posebench.lifters.LifterInfo` as ``info`` is described by that instead.

    Raises:
        PosebenchError: no such module or function, it fails when imported, or an attribute is wrong.
    """
    target = _find(name)
    if isinstance(target, type):
        target = _run_users_code(lambda: target(), name, "fails when made without arguments")
    function = getattr(target, "lift", target)
    if not callable(function):
        raise PosebenchError(f"{name} is a {type(target).__name__}", "a function, or a class or object with a method lift", _ADVICE)
    stated_info = getattr(target, "info", None)
    if isinstance(stated_info, LifterInfo):
        return lambda _: FunctionLifter(name, function, stated_info)
    default_id = getattr(target, "__name__", type(target).__name__)
    fields = Fields({key: getattr(target, key) for key in ATTRIBUTES if hasattr(target, key)}, name, _ADVICE)
    stated_skeleton = fields.maybe_choice("skeleton", SKELETONS)
    unit = fields.choice("unit", MM_PER_UNIT, default="mm")
    info = LifterInfo(
        id=fields.text("id", default=default_id),
        skeleton=stated_skeleton or "",
        supervision=fields.choice("supervision", SUPERVISIONS, default="unstated"),
        scale=fields.choice("scale", ("metric", "unknown"), default="metric"),
        context=fields.whole("context", default=1),
        flip_averaging=fields.flag("flip_averaging", default=False),
        provenance=_provenance(target, name),
    )
    if not info.id.strip() or not info.id.isprintable():
        raise fields.wrong("id", info.id, "a name, printable and in one line")
    to_mm = mm_per(unit) if info.scale == "metric" else 1.0
    return lambda dataset: FunctionLifter(name, function, replace(info, skeleton=stated_skeleton or dataset.skeleton), to_mm)


def _provenance(target: object, name: str) -> Provenance | None:
    """What the function states of its training; None if it states nothing."""
    stated = getattr(target, "provenance", None)
    if stated is not None and not isinstance(stated, Provenance):
        raise PosebenchError(f"{name}.provenance is a {type(stated).__name__}", "posebench.Provenance(...)", _ADVICE)
    return stated


@dataclass(frozen=True, eq=False)
class FunctionLifter:
    """A user's function and its description. ``name`` is how the user called it; ``to_mm`` the factor from its unit."""

    name: str
    function: Callable[[Array, Camera | None], Any]
    info: LifterInfo
    to_mm: float = 1.0

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3) mm (any unit where the scale is unknown), root at the origin.

        Raises:
            PosebenchError: the function raised, or did not return numbers of that shape. Numbers that are not finite are allowed.
        """
        joints = skeleton(self.info.skeleton)
        copy = np.array(keypoints, dtype=np.float64)  # the function may overwrite its argument
        poses = _run_users_code(lambda: np.asarray(self.function(copy, camera)), self.name, f"fails on keypoints {copy.shape}")
        wanted = (len(keypoints), len(joints), 3)
        if poses.dtype.kind not in "fiu" or poses.shape != wanted:
            found = f"{self.name} returned {poses.dtype} of shape {poses.shape}"
            raise PosebenchError(f"{found} for keypoints {keypoints.shape}", f"numbers of shape {wanted}", _ADVICE)
        with np.errstate(invalid="ignore", over="ignore"):  # poses that are not finite are passed on: the scorer counts them
            return root_relative(poses.astype(np.float64) * self.to_mm, joints.root_indices)


def _find(name: str) -> Any:
    """The object behind ``module:function``, or ``module:object.attribute``."""
    module_name, _, path = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise PosebenchError(f"lifter {name!r}", "module:function, both Python names", _ADVICE)
    try:
        here = str(Path.cwd())
    except OSError as error:
        raise PosebenchError(
            f"no current folder ({error.strerror})", f"the folder of {module_name}.py", "cd to a folder that exists"
        ) from error
    if here not in sys.path:
        sys.path.insert(0, here)
        importlib.invalidate_caches()
    try:
        found: Any = _run_users_code(lambda: importlib.import_module(module_name), module_name, "fails when imported")
    except PosebenchError as error:
        cause = error.__cause__
        # If the user's module exists and cannot import another one, the name on the command line is not what is wrong.
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


def _run_users_code(call: Callable[[], T], name: str, fails: str) -> T:
    """Call the user's code; whatever it raises becomes a PosebenchError of one line."""
    try:
        return call()
    except (Exception, SystemExit) as error:  # SystemExit: the module may be a script that calls sys.exit
        text = " ".join(str(error).split())[:500]
        raise PosebenchError(f"{name} {fails}: {type(error).__name__}: {text}", "code that runs", _ADVICE) from error
