"""Dataclasses to JSON values and back, strictly: every field is there, is known, and is of the stated type.

**Convention.** A field's JSON key is its name, or ``metadata["key"]`` where the key is no Python name. A field with
``metadata["optional"]`` is written only where it holds something. A field with ``metadata["stored"] = False`` is not part of the JSON.
Numbers are kept as they are: a float may be read as an int.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any

#: No number of a result comes near it; keeps infinity and NaN out.
_MAX_NUMBER = 1e300
_NAMES: dict[type, str] = {str: "a string", bool: "true or false", int: "a whole number", float: "a finite number"}


class RecordError(ValueError):
    """A value does not fit; the message names its place, such as ``metrics.MPJPE.low``."""


def to_json(value: Any) -> Any:
    """Plain lists, dicts, numbers and strings of a dataclass, or of a container of dataclasses."""
    if is_dataclass(value):
        present = [field for field in _stored(type(value)) if not field.metadata.get("optional") or getattr(value, field.name)]
        return {_key(field): to_json(getattr(value, field.name)) for field in present}
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    return [to_json(inner) for inner in value] if isinstance(value, list | tuple) else value


def from_json(kind: Any, value: Any, place: str = "") -> Any:
    """The value as ``kind``: a dataclass, ``list[X]``, ``tuple[X, ...]``, ``dict[str, X]``, ``X | None``, a plain type or ``Any``.

    Args:
        kind: the type that is wanted.
        value: what the JSON file holds.
        place: path of the value in the file, for messages.

    Raises:
        RecordError: a field is missing, unknown or of another type, or a dataclass refuses its values.
    """
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _record(typing.cast("type", kind), value, place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else from_json(arguments[0], value, place)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(place, value, "a table")
        return {key: from_json(arguments[1], inner, f"{place}.{key}") for key, inner in value.items()}
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise _wrong(place, value, "a list")
        return origin(from_json(arguments[0], inner, f"{place}[{number}]") for number, inner in enumerate(value))
    return _plain(kind, value, place)


def _plain(kind: type, value: Any, place: str) -> Any:
    accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
    # In Python True is an int; in JSON it is no number.
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _wrong(place, value, _NAMES[kind])
    if isinstance(value, float | int) and not abs(value) < _MAX_NUMBER:
        raise _wrong(place, value, _NAMES[kind])
    return value


def _record(kind: type, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(place, value, "a table")
    types_of, known = _types(kind), {_key(field): field for field in _stored(kind)}
    prefix = f"{place}." if place else ""
    unknown = sorted(set(value) - set(known))
    missing = sorted(key for key, field in known.items() if key not in value and not field.metadata.get("optional"))
    if unknown or missing:
        raise RecordError("; ".join([*(f"{prefix}{key} is unknown" for key in unknown), *(f"{prefix}{key} is missing" for key in missing)]))
    read = {field.name: from_json(types_of[field.name], value[key], prefix + key) for key, field in known.items() if key in value}
    try:
        return kind(**read)
    except ValueError as error:
        raise RecordError(f"{place}: {error}") from error


def _wrong(place: str, value: Any, wanted: str) -> RecordError:
    found = repr(value)
    return RecordError(f"{place or 'the file'} is {found if len(found) <= 60 else found[:60] + ' ...'}, not {wanted}")


def _stored(kind: type) -> Iterable[Field[Any]]:
    return [field for field in fields(kind) if field.metadata.get("stored", True)]


def _key(field: Field[Any]) -> str:
    return str(field.metadata.get("key", field.name))


@cache
def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
