"""TOML and JSON from outside: numbers and nesting are judged here, once, before any caller sees them.

Python holds whole numbers of any size and lists nested to any depth, and later raises ``OverflowError``, ``RecursionError`` or an error
about 4300 digits, wherever the value is first used. What a parser of this module returns holds no whole number beyond 64 bits, no
decimal number too large for float64 and no nesting deeper than ``MAX_DEPTH``. Everything else is a ``ValueError``.
"""

from __future__ import annotations

import errno
import json
import re
import tomllib
from pathlib import Path
from typing import Any

#: A table of measurements nests six deep.
MAX_DEPTH = 32
#: TOML files are written by hand; the longest here is the table of published numbers, of some 100 kB.
MAX_TOML_BYTES = 4 * 2**20
#: Every decimal number of a shorter JSON text is judged. A longer one holds poses, which its reader checks as an array.
_SHORT = 4 * 2**20
_MAX_DIGITS = 20
_LONG_NAME = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}""")


def read_text(path: Path, max_bytes: int) -> str:
    """The UTF-8 text of a plain file.

    Raises:
        OSError: it cannot be read, or is a folder or a device.
        ValueError: it is longer than ``max_bytes``, or not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Is a directory" if path.is_dir() else "no plain file", str(path))
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"more than {max_bytes:,} bytes")
    return data.decode("utf-8")


def read_toml(path: Path, max_bytes: int = MAX_TOML_BYTES) -> dict[str, Any]:
    """The content of a TOML file; raises as :func:`read_text` and :func:`parse_toml`."""
    return parse_toml(read_text(path, max_bytes))


def read_json(path: Path, max_bytes: int) -> Any:
    """The content of a JSON file; raises as :func:`read_text` and :func:`parse_json`."""
    return parse_json(read_text(path, max_bytes))


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML text.

    Raises:
        ValueError: it is no TOML, or holds a number or nesting that is not read.

    Example:
        >>> parse_toml("seed = 0xFFFFFFFFFFFFFFFFFF")
        Traceback (most recent call last):
        ValueError: a whole number beyond 64 bits
    """
    if _LONG_NAME.search(text):  # the parser's time grows with the square of a name's parts
        raise ValueError(f"a name of more than {MAX_DEPTH} parts")
    # Line ends as tomllib.load reads them.
    content = _parsed(tomllib.loads, text.replace("\r\n", "\n"), parse_float=_decimal)
    _judge(content)
    return content  # type: ignore[no-any-return]


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. NaN and Infinity are read, as Python writes them.

    Raises:
        ValueError: it is no JSON, or holds a number or nesting that is not read.

    Example:
        >>> parse_json("1e400")
        Traceback (most recent call last):
        ValueError: a number beyond float64 (1e400)
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text))
    content = _parsed(json.loads, text, parse_int=_whole, parse_float=_decimal if len(text) <= _SHORT else None)
    _judge(content)
    return content


def _parsed(parser: Any, text: str, **hooks: Any) -> Any:
    try:
        return parser(text, **hooks)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text):,} digits")
    return int(text)


def _decimal(text: str) -> float:
    value = float(text)
    if value in (float("inf"), -float("inf")) and "inf" not in text:  # TOML writes infinity as inf
        raise ValueError(f"a number beyond float64 ({text[:20]})")
    return value


def _judge(content: Any) -> None:
    """Judge whole numbers and nesting, without recursion."""
    level = [content]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                # Most lists hold numbers, and JSON's have been judged.
                below.extend(item for item in value if type(item) is not float)
            elif isinstance(value, int) and not -(2**63) <= value < 2**64:
                raise ValueError("a whole number beyond 64 bits")
        if not below:
            return
        level = below
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
