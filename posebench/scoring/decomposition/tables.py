"""A diagnosis as rows of a long table: every number with its table, name and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from posebench.scoring.decomposition.record import Diagnosis


class Number(NamedTuple):
    """One number: its table (``ladder``, ``pose``, ``joint``, ``facing``, ...), whose it is, what it is, its value and interval."""

    table: str
    name: str
    column: str
    value: float
    low: float | None
    high: float | None


#: Columns with an interval, and the fields that hold it.
_LIMITS = {"error": ("low", "high"), "percent": ("low", "high"), "gain": ("gain_low", "gain_high")}
_OWN_LIMITS = {name for pair in _LIMITS.values() for name in pair}


def numbers(diagnosis: Diagnosis) -> Iterator[Number]:
    """Every number of a diagnosis but those of single frames; what has no value is left out."""
    for table, records in (
        ("ladder", diagnosis.ladder),
        ("discrete", diagnosis.discrete),
        ("oracle", diagnosis.oracles),
        ("joint", diagnosis.joints),
        ("bone", diagnosis.bones),
    ):
        for record in records:
            yield from _of(table, record.name, record)
    for one in diagnosis.decompositions:
        if one.rms is not None:
            yield Number(one.name, "whole", "rms", one.rms, None, None)
        for part in one.parts:
            yield from _of(one.name, part.name, part)
    for each in diagnosis.slices:
        yield from _of(each.dimension, each.label, each)


def _of(table: str, name: str, record: Any) -> Iterator[Number]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    for column, value in values.items():
        if column in _OWN_LIMITS or not isinstance(value, int | float):
            continue
        # An interval belongs to the error where a record has one, else to the share.
        first, second = _LIMITS.get(column, ("", ""))
        owned = first in values and not (column == "percent" and "error" in values)
        yield Number(table, name, column, float(value), values[first] if owned else None, values[second] if owned else None)
