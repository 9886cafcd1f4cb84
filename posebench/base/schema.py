"""Strict reading of a table of a TOML or JSON file: every field is requested by name and type, and unknown fields are errors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from posebench.base.errors import PosebenchError

_MISSING: Any = object()


#: Characters of a value that a message shows.
_LONGEST = 200


class Fields:
    """One table of a file.

    A method named after a type returns the field ``key``, or raises :class:`PosebenchError`, which names the field, if it is missing or of
    another type. Call :meth:`finish` when all fields have been requested: it raises if the table has any other field.

    Args:
        content: the table as the file's parser returns it.
        where: file, and table in it, for messages.
        advice: what messages say to do next.
    """

    def __init__(self, content: dict[str, Any], where: str, advice: str) -> None:
        self._content = content
        self._where = where
        self._advice = advice
        self._requested: set[str] = set()

    def wrong(self, key: str, found: object, wanted: str) -> PosebenchError:
        """The error for a field that holds ``found``."""
        shown = repr(found)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} ..."
        return PosebenchError(
            f"{self._where}: {key} = {shown}" if found is not _MISSING else f"{self._where}: no {key}", wanted, self._advice
        )

    def names(self) -> list[str]:
        """Names of all fields in the table."""
        return list(self._content)

    def present(self, key: str) -> bool:
        """Whether the table has the field, and not as null; counts as requesting it."""
        self._requested.add(key)
        return self._content.get(key) is not None

    def value(self, key: str, kind: type | tuple[type, ...], wanted: str, default: Any = _MISSING) -> Any:
        """A value of a Python type; ``wanted`` describes it in messages. True and false are no numbers."""
        self._requested.add(key)
        value = self._content.get(key, default)
        if value is _MISSING or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, value, wanted)
        return value

    def text(self, key: str, default: Any = _MISSING) -> str:
        """A string."""
        return str(self.value(key, str, "a string", default))

    def flag(self, key: str, default: Any = _MISSING) -> bool:
        """True or false."""
        return bool(self.value(key, bool, "true or false", default))

    def whole(self, key: str, default: Any = _MISSING) -> int:
        """A whole number from 1."""
        value = int(self.value(key, int, "a whole number from 1", default))
        if value < 1:
            raise self.wrong(key, value, "a whole number from 1")
        return value

    def count(self, key: str) -> int:
        """A whole number from 0."""
        value = int(self.value(key, int, "a whole number from 0"))
        if value < 0:
            raise self.wrong(key, value, "a whole number from 0")
        return value

    def number(self, key: str, default: Any = _MISSING) -> float:
        """A finite number."""
        value = self.value(key, (int, float), "a number", default)
        if not abs(value) < 1e300:  # also refuses nan
            raise self.wrong(key, value, "a number")
        return float(value)

    def positive(self, key: str) -> float:
        """A finite number above 0."""
        value = self.number(key)
        if value <= 0.0:
            raise self.wrong(key, value, "a number above 0")
        return value

    def positives(self, key: str) -> tuple[float, ...]:
        """A list, not empty, of finite numbers above 0."""
        wanted = "a list of numbers above 0"
        values = self.value(key, list, wanted)
        if not values or not all(type(value) in (int, float) and 0.0 < value < float("inf") for value in values):
            raise self.wrong(key, values, wanted)
        return tuple(float(value) for value in values)

    def choice(self, key: str, choices: Iterable[str], default: Any = _MISSING) -> str:
        """One of ``choices``."""
        choices = list(choices)
        value = str(self.value(key, str, "one of " + ", ".join(choices), default))
        if value not in choices:
            raise self.wrong(key, value, "one of " + ", ".join(choices))
        return value

    def maybe_choice(self, key: str, choices: Iterable[str]) -> str | None:
        """One of ``choices``, or None where the field is absent or null."""
        self._requested.add(key)
        return None if self._content.get(key) is None else self.choice(key, choices)

    def texts(self, key: str, choices: Collection[str] | None = None) -> tuple[str, ...]:
        """A list of different strings, each of ``choices`` if given; empty if the field is absent."""
        wanted = "a list of different strings" + ("" if choices is None else " out of " + ", ".join(choices))
        values = self.value(key, list, wanted, [])
        if not all(isinstance(value, str) and (choices is None or value in choices) for value in values) or len(set(values)) != len(values):
            raise self.wrong(key, values, wanted)
        return tuple(values)

    def counts(self, key: str) -> tuple[int, ...]:
        """A list of different whole numbers from 0; empty if the field is absent."""
        wanted = "a list of different whole numbers from 0"
        values = self.value(key, list, wanted, [])
        if not all(type(value) is int and value >= 0 for value in values) or len(set(values)) != len(values):
            raise self.wrong(key, values, wanted)
        return tuple(values)

    def grid(self, key: str) -> tuple[float, float, float]:
        """Thresholds as a table with ``first``, ``last`` and ``step``."""
        part = self.table(key)
        first, last, step = part.number("first"), part.number("last"), part.number("step")
        part.finish()
        count = (last - first) / step if step > 0 else 0.0
        if count < 1 or abs(count - round(count)) > 1e-9:
            raise self.wrong(key, (first, last, step), "first < last, a whole number of steps apart")
        return first, last, step

    def nested(self, key: str, shapes: Collection[tuple[int, ...]], default: Any = _MISSING) -> Any:
        """Finite numbers in nested lists of one of ``shapes``; the shape ``()`` is a single number."""
        wanted = "finite numbers: " + " or ".join(f"lists of shape {shape}" if shape else "a number" for shape in shapes)
        value = self.value(key, (int, float, list), wanted, default)
        if _shape(value) not in shapes:
            raise self.wrong(key, value if not isinstance(value, list) else "other numbers", wanted)
        return value

    def table(self, key: str) -> Fields:
        """A table; empty if the field is absent."""
        return Fields(self.value(key, dict, "a table", {}), f"{self._where}: [{key}]", self._advice)

    def tables(self, key: str) -> list[Fields]:
        """A list of tables; empty if the field is absent."""
        items = self.value(key, list, "a list of tables", [])
        if not all(isinstance(item, dict) for item in items):
            raise self.wrong(key, items, "a list of tables")
        return [Fields(item, f"{self._where}: {key}[{i}]", self._advice) for i, item in enumerate(items)]

    def finish(self) -> None:
        """Raise if the table has a field that was not requested."""
        unknown = sorted(set(self._content) - self._requested)
        if unknown:
            raise PosebenchError(
                f"{self._where}: unknown {', '.join(unknown)}", "only " + (", ".join(sorted(self._requested)) or "no fields"), self._advice
            )


def _shape(value: Any) -> tuple[int, ...] | None:
    """Shape of nested lists of finite numbers; None if they contain anything else or lists of different lengths."""
    if not isinstance(value, list):
        return () if type(value) in (int, float) and abs(value) < float("inf") else None
    parts = {_shape(item) for item in value}
    if len(parts) != 1 or None in parts:
        return None
    return (len(value), *(parts.pop() or ()))
