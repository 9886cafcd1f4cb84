"""Seeded changes of files: of their bytes, of the members of an archive, and of the values in a text."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import warnings
import zipfile

NUMBERS = [
    "0",
    "-1",
    "1",
    "1e308",
    "1e400",
    "-1e400",
    "nan",
    "inf",
    "-0.0",
    "4294967296",
    "9223372036854775808",
    "1" + "0" * 5000,
    "0x7f",
    "1.5",
]
WORDS = [
    '""',
    '"\\u0000"',
    '"\\u001b[31m"',
    '"' + "x" * 3000 + '"',
    "true",
    "null",
    "[]",
    "{}",
    "[[[[[[]]]]]]",
    "[" * 3000,
    '"../../x"',
    '"$x$"',
]
NAMES = ["", "../x", "/etc/x", "a\\b", "x" * 300, "__meta__", "S9/Walk/c0", "\u202e", "con", "x/", "a\n b"]
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**400,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "x" * 5000,
    "\x1b[31m",
    [],
    {},
    [[]],
    [None],
    {"": 1},
]


def mutated(name: str, data: bytes, chance: random.Random) -> bytes:
    """The bytes of the file ``name`` with one to four changes."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        data = _changed(name, data, chance)
    return data


def _changed(name: str, data: bytes, chance: random.Random) -> bytes:
    ways = [_bits, _bits, _bytes, _cut, _spliced, _extreme]
    if name.endswith((".npz", ".zip")) and data[:2] == b"PK":
        ways += [_members] * 6
    elif name.endswith(".json"):
        ways += [_text] * 3 + [_value] * 6
    elif name.endswith((".toml", ".py", ".xml", ".asf", ".amc", ".calibration")):
        ways += [_text] * 8
    return chance.choice(ways)(data, chance)


def _place(data: bytes, chance: random.Random) -> int:
    """A place in the data; headers are changed more often than what follows."""
    return chance.randrange(min(len(data), 512) if chance.random() < 0.5 else len(data))


def _bits(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\0"
    out = bytearray(data)
    out[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(out)


def _bytes(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return b"\xff"
    out = bytearray(data)
    out[_place(data, chance)] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    return bytes(out)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _spliced(data: bytes, chance: random.Random) -> bytes:
    at, start = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
    return data[:at] + data[start : start + chance.choice([1, 4, 16, 256, 4096])] + data[at + chance.choice([0, 0, 1, 16, 256]) :]


def _extreme(data: bytes, chance: random.Random) -> bytes:
    """A number in the machine's form, over what is there."""
    form, values = chance.choice(
        [("<I", [0, 1, 2**31 - 1, 2**31, 2**32 - 1]), ("<Q", [0, 2**31, 2**63 - 1, 2**64 - 1]), ("<d", [0.0, 1e300, float("nan")])]
    )
    number = struct.pack(form, chance.choice(values))
    at = _place(data, chance) if data else 0
    return data[:at] + number + data[at + len(number) :]


def _text(data: bytes, chance: random.Random) -> bytes:
    """A number, word or line of a text changed, doubled, moved or left out."""
    text = data.decode("utf-8", "replace")
    kind = chance.randrange(6)
    if kind < 3:
        pattern = r"-?\d+(?:\.\d+)?(?:e-?\d+)?" if kind == 0 else r'"[^"\n]*"' if kind == 1 else r"\w+"
        found = list(re.finditer(pattern, text))
        if found:
            one = chance.choice(found)
            return (text[: one.start()] + chance.choice(NUMBERS + WORDS) + text[one.end() :]).encode("utf-8", "replace")
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    if kind == 3:
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif kind == 4:
        del lines[at]
    else:
        other = chance.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines).encode("utf-8", "replace")


def _value(data: bytes, chance: random.Random) -> bytes:
    """A value somewhere in a JSON text replaced, doubled, left out or renamed."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return _bits(data, chance)
    places = []
    pending = [content]
    while pending:
        inner = pending.pop()
        if isinstance(inner, dict | list):
            places += [(inner, key) for key in (inner if isinstance(inner, dict) else range(len(inner)))]
            pending += inner.values() if isinstance(inner, dict) else inner
    if not places:
        return json.dumps(chance.choice(VALUES)).encode()
    inner, key = chance.choice(places[: 60 if chance.random() < 0.5 else None])
    kind = chance.randrange(4)
    if kind == 0:
        del inner[key]
    elif kind == 1 and isinstance(inner, dict):
        inner[chance.choice([*NAMES, key + "x"])] = inner.pop(key)
    elif kind == 2 and isinstance(inner, list):
        inner.insert(0, inner[key])
    else:
        old = inner[key]
        inner[key] = old * 10**12 if isinstance(old, float) and chance.random() < 0.5 else chance.choice(VALUES)
    return json.dumps(content).encode()


def _members(data: bytes, chance: random.Random) -> bytes:
    """A member of an archive changed, renamed, doubled or left out; checksums fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(one.filename, archive.read(one)) for one in archive.infolist()]
    except Exception:
        return _bits(data, chance)
    if not members:
        return _bits(data, chance)
    at = chance.randrange(len(members))
    name, content = members[at]
    kind = chance.randrange(8)
    if kind == 0:
        members[at] = (chance.choice(NAMES) + chance.choice(["", ".npy"]), content)
    elif kind == 1:
        members.append((name, chance.choice(members)[1]))
    elif kind == 2:
        del members[at]
    elif kind == 3:
        members[at] = (name, chance.choice(members)[1])
    elif kind == 4:
        members[at] = (name, _array_header(content, chance))
    else:
        members[at] = (name, chance.choice([_bits, _bytes, _cut, _spliced, _extreme])(content, chance))
    out = io.BytesIO()
    way = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # a name twice is meant
        for one, content in members:
            archive.writestr(zipfile.ZipInfo(one or "x"), content, way)
    return out.getvalue()


def _array_header(data: bytes, chance: random.Random) -> bytes:
    """The text in the header of an npy file changed, its length kept."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return _bits(data, chance)
    size = struct.unpack_from("<H", data, 8)[0]
    text = _text(data[10 : 10 + size], chance)[:size]
    return data[:10] + text.ljust(size - 1)[: size - 1] + b"\n" + data[10 + size :]
