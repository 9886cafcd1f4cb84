"""Python's unpickler, restricted to plain data: each instruction is judged before it is executed (:mod:`posebench.base.readers.pickles`).

It subclasses Python's own ``pickle._Unpickler`` and replaces its private table ``dispatch``. A test names the Python version that
this was written for, and fails on a version whose unpickler works otherwise.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import IO, Any, cast

import numpy as np

#: An array takes about 40 instructions, an archive of all H36M clips about 40,000.
MAX_INSTRUCTIONS = 1_000_000
MAX_KEY = 200
#: Digits of a whole number in text: 64 bits have 20.
_MAX_DIGITS = 24

_INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 TUPLE EMPTY_TUPLE "
    "TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD MEMOIZE "
    "PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET BYTEARRAY8"
)


class Refused(Exception):  # noqa: N818 - the message says what was refused
    """The pickle contains something that is not read."""


class Replacement:
    """A function that is called in place of a global; it has no attributes that a pickle could set."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *args: object) -> object:
        """What the pickle gets in place of the global's own result."""
        return self._make(*args)

    def __setstate__(self, state: object) -> None:
        raise Refused("a state for a function")


class ArrayType:
    """Stands in for :class:`numpy.dtype`: numbers, strings, bytes and objects, no structures."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_align_and_copy: object) -> None:
        code = code[:40].decode("latin-1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{1,4}|O8?)", code):
            raise Refused(f"an array of type {code[:40]!r}" if isinstance(code, str) else f"an array whose type is a {type(code).__name__}")
        self.order, self.code = (code[0], code[1:]) if code[0] in "<>|=" else ("=", code)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(s is not None for s in state[2:5]):
            raise Refused("an array of structures")
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        """The numpy type that this stands for."""
        return np.dtype("O" if self.code[0] == "O" else self.order + self.code)


class ArrayParts:
    """The parts of an array before it is built: data, type, shape and memory order."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, data: object = b"", dtype: object = None, shape: object = (0,), order: object = "C") -> None:
        self.data, self.dtype, self.shape, self.order = data, dtype, shape, order

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Refused("an array with an unknown state")
        self.shape, self.dtype, fortran, self.data = state[-4:]
        self.order = "F" if fortran else "C"


class EncodedText:
    """Stands for ``_codecs.encode(text, "latin1")``, by which protocol 2 stores bytes as text; encoded when its array is built."""

    __slots__ = ("text",)

    def __init__(self, text: object, encoding: object = "latin1") -> None:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise Refused("_codecs.encode of something other than bytes")
        self.text = text


_GLOBALS: dict[tuple[str, str], Replacement] = {
    ("numpy", "ndarray"): Replacement(lambda *_: ArrayParts()),
    ("numpy", "dtype"): Replacement(ArrayType),
    ("_codecs", "encode"): Replacement(EncodedText),
    ("__builtin__", "bytes"): Replacement(lambda: b""),  # empty bytes in protocol 2
}
for _core in ("numpy.core", "numpy._core"):
    _GLOBALS[f"{_core}.multiarray", "_reconstruct"] = Replacement(lambda *_: ArrayParts())
    _GLOBALS[f"{_core}.multiarray", "scalar"] = Replacement(lambda dtype, data=b"": ArrayParts(data, dtype, None))
    _GLOBALS[f"{_core}.numeric", "_frombuffer"] = Replacement(ArrayParts)


class _Instructions(dict[int, Callable[[Any], None]]):
    """Instruction code to method, for the instructions that are executed; counts the look-ups, of which each instruction makes one."""

    def __init__(self, methods: dict[int, Callable[[Any], None]]) -> None:
        super().__init__(methods)
        self.executed = 0

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.executed += 1
        if self.executed > MAX_INSTRUCTIONS:
            raise Refused(f"more than {MAX_INSTRUCTIONS:,} instructions")
        if code not in self:
            raise Refused(f"the pickle instruction {bytes([code])!r}")
        return super().__getitem__(code)


class BoundedStream:
    """A stream of which a pickle can read what is there: a count beyond its end fails before memory is taken."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, count: int = -1) -> bytes:
        """The next ``count`` bytes. Raises EOFError where fewer are left."""
        if not 0 <= count <= self._left:
            raise EOFError(f"it asks for {count:,} of {self._left:,} bytes")
        return self._counted(self._file.read(count))

    def readline(self) -> bytes:
        """The bytes to the end of the line, or to the end of the pickle."""
        return self._counted(self._file.readline(self._left))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        return data


def _bytearray(machine: Any) -> None:
    size = int.from_bytes(machine.read(8), "little")
    machine.append(machine.read(size))


def _whole_number(machine: Any) -> None:
    text = machine.readline().strip()
    if len(text) > _MAX_DIGITS:
        raise Refused(f"a whole number of {len(text):,} digits")
    # INT stores false and true as 00 and 01.
    machine.append(text == b"01" if text in (b"00", b"01") else int(text.removesuffix(b"L")))


def _long_number(machine: Any) -> None:
    size = machine.read(1)[0]
    if size > 9:  # 64 bits and a sign
        raise Refused(f"a whole number of {size:,} bytes")
    machine.append(int.from_bytes(machine.read(size), "little", signed=True))


def _set_item(machine: Any) -> None:
    judge_key(machine.stack[-2])
    machine.load_setitem()


def _set_items(machine: Any) -> None:
    for key in machine.stack[::2]:
        judge_key(key)
    machine.load_setitems()


def _dict(machine: Any) -> None:
    for key in machine.stack[::2]:
        judge_key(key)
    machine.load_dict()


def judge_key(key: object, *, inner: bool = False) -> None:
    """Refuse a key before it is hashed, unless it is a number, a short printable text, or a tuple of a few of these."""
    if isinstance(key, str | bytes):
        text = key if isinstance(key, str) else key[:MAX_KEY].decode("latin-1")
        if len(key) > MAX_KEY or not text.isprintable():
            shown = ascii(text[:40]) + (f" ... of {len(key):,} characters" if len(key) > 40 else "")
            raise Refused(f"the key {shown}, which is no short printable text")
    elif isinstance(key, tuple) and not inner and len(key) <= 4:
        for part in key:
            judge_key(part, inner=True)
    elif isinstance(key, int | np.integer):
        judge_number(int(key))
    elif not isinstance(key, float | np.floating | ArrayParts):  # of an array, its address is hashed; what is built from it is judged
        raise Refused(f"a key of type {type(key).__name__}")


def judge_number(value: int) -> None:
    """Refuse a whole number of more than 64 bits."""
    if not -(2**63) <= value < 2**64:
        raise Refused("a whole number beyond 64 bits")


class Unpickler(pickle._Unpickler):
    """Python's unpickler, restricted. The one in C has no table to restrict, and allocates a memo of any size that a pickle states."""

    def __init__(self, file: BoundedStream) -> None:
        super().__init__(cast(Any, file), encoding="latin1")
        codes = {name: cast(bytes, getattr(pickle, name))[0] for name in _INSTRUCTIONS.split()}
        known = cast(dict[int, Callable[[Any], None]], pickle._Unpickler.dispatch)
        judged: dict[str, Callable[[Any], None]] = {
            "BYTEARRAY8": _bytearray,
            "INT": _whole_number,
            "LONG": _whole_number,
            "LONG1": _long_number,
            "SETITEM": _set_item,
            "SETITEMS": _set_items,
            "DICT": _dict,
        }
        self.instructions = _Instructions({code: judged.get(name) or known[code] for name, code in codes.items()})
        setattr(self, "dispatch", self.instructions)  # noqa: B010 - a class variable in the type stubs

    def find_class(self, module: str, name: str) -> Any:
        """The function that is called in place of a global. Raises Refused for a global that is not known."""
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise Refused(f"the global {ascii(f'{module}.{name}'[:100])[1:-1]}") from None
