"""Settings of a training, and their strict reading from a recipe's table."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, TypeVar

from posebench.base.errors import PosebenchError, did_you_mean

#: Pools of unpaired supervision. ``disjoint``: no take is in both. ``shuffled``: every take is in both, as in RepNet's own experiments.
POOLS = ("disjoint", "shuffled")
DECAYS = ("none", "cosine", "exponential", "steps")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that every method has; each method adds its own fields in a subclass.

    Attributes:
        epochs: passes over the samples.
        batch: samples in a step.
        samples: samples in an epoch, drawn at random for each; 0 for all.
        learning_rate: in the first step.
        decay: its schedule: ``none``; ``cosine`` to zero at the end; ``exponential``: times ``decay_factor`` every ``decay_every`` epochs,
            smoothly; ``steps``: times ``decay_factor`` after each epoch of ``decay_at``.
        decay_factor: see ``decay``.
        decay_every: see ``decay``, in epochs.
        decay_at: see ``decay``.
        ema: decay of the exponential moving average of the lifter's weights, which is the lifter that is kept; 0 keeps the last weights.
        decay_from: share of the epochs before a ``cosine`` decay begins.
        pools: one of :data:`POOLS`, for the supervision ``unpaired 3D``.
        extra_data: name of a second dataset, one without a root folder, whose keypoints are trained on too; empty for none.
        bf16: losses are computed with bfloat16 autocast.
        flip_averaging: at test time, the mean of the lift and of the lift of the mirror image.
        test_time: names of the settings that no weight depends on; they can be changed for a finished run.
        one_of: allowed values of the method's own settings, by name.
        at_least: smallest values of the method's own settings, by name.
        at_most: largest values of settings, by the last word of their names.
    """

    test_time: ClassVar[tuple[str, ...]] = ()
    one_of: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    at_least: ClassVar[Mapping[str, int]] = {}
    #: Largest values of settings of these names, also behind an underscore (``critic_width``): far beyond any published network.
    at_most: ClassVar[Mapping[str, int]] = {
        "width": 2**14,
        "blocks": 2**8,
        "factor": 2**8,
        "bases": 2**12,
        "window": 2**12,
        "stride": 2**12,
    } | {
        "votes": 2**12,
        "rotations": 2**12,
        "steps": 2**12,
    }

    epochs: int
    batch: int
    samples: int = 0
    learning_rate: float
    decay: str = "none"
    decay_factor: float = 1.0
    decay_every: float = 1.0
    decay_at: tuple[int, ...] = ()
    decay_from: float = 0.0
    pools: str = "disjoint"
    extra_data: str = ""
    ema: float = 0.0
    bf16: bool = False
    flip_averaging: bool = False

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch": 2, "samples": 0, **self.at_least}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)}; it must be at least {least}")
        for name, choices in {"decay": DECAYS, "pools": POOLS, **self.one_of}.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} = {getattr(self, name)!r}; it must be one of {', '.join(choices)}")
        for field in fields(self):
            value = getattr(self, field.name)
            word = field.name.rpartition("_")[2]
            least, most = int(word in ("width", "bases")), self.at_most.get(word)
            if type(value) is int and most is not None and not least <= value <= most:
                raise ValueError(f"{field.name} = {value}; it must be from {least} to {most}")
            if field.name.endswith("dropout") and not 0.0 <= value < 1.0:
                raise ValueError(f"{field.name} = {value}; it must be from 0 to below 1")
        if not 0.0 <= self.decay_from < 1.0:
            raise ValueError(f"decay_from = {self.decay_from}; it must be from 0 to below 1")
        if not 0.0 <= self.ema < 1.0:
            raise ValueError(f"ema = {self.ema}; it must be from 0 to below 1")
        if not self.learning_rate > 0 or not self.decay_every > 0:
            raise ValueError("learning_rate and decay_every must be above 0")

    @property
    def teacher_baseline(self) -> tuple[str, str] | None:
        """Id and recipe of the baseline that this method learns from (its teacher); None if it needs no teacher."""
        return None

    @property
    def teacher_tracked(self) -> bool:
        """Whether the teacher's poses of each clip are tracked as one rigid body before the student sees them."""
        return False

    def rate(self, epoch: float) -> float:
        """Factor on the learning rate after ``epoch`` epochs, which need not be a whole number.

        Example:
            >>> Settings(epochs=10, batch=64, learning_rate=1e-3, decay="steps", decay_factor=0.1, decay_at=(6,)).rate(6.5)
            0.1
        """
        if self.decay == "cosine":
            share = max(0.0, min(epoch / self.epochs, 1.0) - self.decay_from) / (1.0 - self.decay_from)
            return 0.5 * (1.0 + math.cos(math.pi * share))
        if self.decay == "exponential":
            return float(self.decay_factor ** (epoch / self.decay_every))
        if self.decay == "steps":
            return float(self.decay_factor ** sum(epoch >= at for at in self.decay_at))
        return 1.0


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """A method's settings from a table; every value must have the type of its field.

    Raises:
        PosebenchError: an unknown or missing setting, or a value of another type; the message names it.
    """
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in values:
        if name not in known:
            advice = did_you_mean(name, known, "correct the setting's name")
            raise PosebenchError(f"{where}: setting {name!r}", "one of " + ", ".join(sorted(known)), advice)
    missing = [name for name, field in known.items() if name not in values and field.default is MISSING]
    if missing:
        raise PosebenchError(f"{where}: no {', '.join(missing)}", "every setting without a default", "add it to the recipe")
    try:
        return kind(**{name: _typed(name, value, hints[name]) for name, value in values.items()})
    except ValueError as error:
        raise PosebenchError(f"{where}: {error}", "settings that fit together", "correct the recipe or --set") from error


def _typed(name: str, value: Any, hint: Any) -> Any:
    """The value as a field of type ``hint`` holds it: whole numbers become floats where one is expected, lists become tuples."""
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} = {value!r}; it must be a list")
        types = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(types) != len(value):
            raise ValueError(f"{name} = {value!r}; it must be a list of {len(types)}")
        return tuple(_typed(name, item, type_) for item, type_ in zip(value, types, strict=True))
    if hint is float and type(value) is int and abs(value) < 10**300:
        value = float(value)
    if type(value) is not hint or (hint is float and not abs(value) < 1e300):
        raise ValueError(f"{name} = {value!r}; it must be of type {hint.__name__}")
    return value
