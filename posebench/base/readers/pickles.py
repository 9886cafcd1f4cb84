"""Pickles in dataset archives that the user names: read as plain data, without running anything in them.

**Convention.** Read are numpy arrays, numpy scalars, dicts, lists, tuples, strings, bytes and numbers. A pickle is a program for a
stack machine. This reader executes only the instructions that build those values, replaces every global that it knows by a function of
its own, and builds arrays by :func:`numpy.frombuffer` from checked sizes, not by numpy's own ``__setstate__``.

**What a small pickle may cost.** A pickle may refer to a value many times, and so describe in some hundred bytes what takes gigabytes to
build or hours to hash. Each instruction is therefore judged before it is executed: a read stays within the file, a whole number within
64 bits, and a key is short printable text, a number, or a tuple of these, before it is hashed. All arrays together hold no more bytes
than the pickle, and arrays of objects no more objects than it has instructions. Nesting is judged before anything is built from the
values.

It subclasses Python's own ``pickle._Unpickler`` and replaces its private table ``dispatch``. A test names the Python version that
this was written for, and fails on a version whose unpickler works otherwise.

Sources: the pickle protocol as Python's ``pickletools`` documents it; numpy's ``ndarray.__reduce__`` for protocols 2 to 5, under the
module paths of numpy 1 (``numpy.core``) and numpy 2 (``numpy._core``).
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.npy import open_file, read_array_header
from posebench.base.readers.npz import open_zip

#: Above the size of any known archive (2D joints of all H36M subjects: 0.3 GB); bounds what a zip bomb can expand to.
MAX_BYTES = 4 * 2**30
#: Poses and keypoints compress to a third at best. Above _SMALL_BYTES, an archive that expands more than this is no archive of poses.
MAX_EXPANSION = 50
_SMALL_BYTES = 64 * 2**20
#: An array takes about 40 instructions, an archive of all H36M clips about 40,000.
MAX_INSTRUCTIONS = 1_000_000
MAX_DEPTH = 32
MAX_KEY = 200
#: Digits of a whole number in text: 64 bits have 20.
_MAX_DIGITS = 24
_ADVICE = "get the archive again from its source; nothing in this one was run"

_INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 TUPLE EMPTY_TUPLE "
    "TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD MEMOIZE "
    "PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET BYTEARRAY8"
)


class _Refused(Exception):  # noqa: N818 - the message says what was refused
    """The pickle contains something that is not read."""


class _Replacement:
    """A function that is called in place of a global; it has no attributes that a pickle could set."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *args: object) -> object:
        return self._make(*args)

    def __setstate__(self, state: object) -> None:
        raise _Refused("a state for a function")


class _Dtype:
    """Stands in for :class:`numpy.dtype`: numbers, strings, bytes and objects, no structures."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_align_and_copy: object) -> None:
        code = code[:40].decode("latin-1") if isinstance(code, bytes) else code
        if not isinstance(code, str) or not re.fullmatch(r"[<>|=]?([biufc]\d{1,2}|[SU]\d{1,4}|O8?)", code):
            raise _Refused(
                f"an array of type {code[:40]!r}" if isinstance(code, str) else f"an array whose type is a {type(code).__name__}"
            )
        self.order, self.code = (code[0], code[1:]) if code[0] in "<>|=" else ("=", code)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "=") or any(s is not None for s in state[2:5]):
            raise _Refused("an array of structures")
        self.order = state[1]

    def dtype(self) -> np.dtype[Any]:
        return np.dtype("O" if self.code[0] == "O" else self.order + self.code)


class _Array:
    """The parts of an array before it is built: data, type, shape and memory order."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, data: object = b"", dtype: object = None, shape: object = (0,), order: object = "C") -> None:
        self.data, self.dtype, self.shape, self.order = data, dtype, shape, order

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise _Refused("an array with an unknown state")
        self.shape, self.dtype, fortran, self.data = state[-4:]
        self.order = "F" if fortran else "C"


class _Text:
    """Stands for ``_codecs.encode(text, "latin1")``, by which protocol 2 stores bytes as text; encoded when its array is built."""

    __slots__ = ("text",)

    def __init__(self, text: object, encoding: object = "latin1") -> None:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise _Refused("_codecs.encode of something other than bytes")
        self.text = text


_GLOBALS: dict[tuple[str, str], _Replacement] = {
    ("numpy", "ndarray"): _Replacement(lambda *_: _Array()),
    ("numpy", "dtype"): _Replacement(_Dtype),
    ("_codecs", "encode"): _Replacement(_Text),
    ("__builtin__", "bytes"): _Replacement(lambda: b""),  # empty bytes in protocol 2
}
for _core in ("numpy.core", "numpy._core"):
    _GLOBALS[f"{_core}.multiarray", "_reconstruct"] = _Replacement(lambda *_: _Array())
    _GLOBALS[f"{_core}.multiarray", "scalar"] = _Replacement(lambda dtype, data=b"": _Array(data, dtype, None))
    _GLOBALS[f"{_core}.numeric", "_frombuffer"] = _Replacement(_Array)


class _Instructions(dict[int, Callable[[Any], None]]):
    """Instruction code to method, for the instructions that are executed; counts the look-ups, of which each instruction makes one."""

    def __init__(self, methods: dict[int, Callable[[Any], None]]) -> None:
        super().__init__(methods)
        self.left = MAX_INSTRUCTIONS

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.left -= 1
        if self.left < 0:
            raise _Refused(f"more than {MAX_INSTRUCTIONS:,} instructions")
        if code not in self:
            raise _Refused(f"the pickle instruction {bytes([code])!r}")
        return super().__getitem__(code)


class _Bounded:
    """A stream of which a pickle can read what is there: a count beyond its end fails before memory is taken."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= self._left:
            raise EOFError(f"it asks for {count:,} of {self._left:,} bytes")
        return self._counted(self._file.read(count))

    def readline(self) -> bytes:
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
        raise _Refused(f"a whole number of {len(text):,} digits")
    # INT stores false and true as 00 and 01.
    machine.append(text == b"01" if text in (b"00", b"01") else int(text.removesuffix(b"L")))


def _long_number(machine: Any) -> None:
    size = machine.read(1)[0]
    if size > 9:  # 64 bits and a sign
        raise _Refused(f"a whole number of {size:,} bytes")
    machine.append(int.from_bytes(machine.read(size), "little", signed=True))


def _set_item(machine: Any) -> None:
    _judge_key(machine.stack[-2])
    machine.load_setitem()


def _set_items(machine: Any) -> None:
    for key in machine.stack[::2]:
        _judge_key(key)
    machine.load_setitems()


def _dict(machine: Any) -> None:
    for key in machine.stack[::2]:
        _judge_key(key)
    machine.load_dict()


def _judge_key(key: object, *, inner: bool = False) -> None:
    """Refuse a key before it is hashed, unless it is a number, a short printable text, or a tuple of a few of these."""
    if isinstance(key, str | bytes):
        text = key if isinstance(key, str) else key[:MAX_KEY].decode("latin-1")
        if len(key) > MAX_KEY or not text.isprintable():
            shown = ascii(text[:40]) + (f" ... of {len(key):,} characters" if len(key) > 40 else "")
            raise _Refused(f"the key {shown}, which is no short printable text")
    elif isinstance(key, tuple) and not inner and len(key) <= 4:
        for part in key:
            _judge_key(part, inner=True)
    elif isinstance(key, int | np.integer):
        _judge_number(int(key))
    elif not isinstance(key, float | np.floating | _Array):  # of an array, its address is hashed; what is built from it is judged
        raise _Refused(f"a key of type {type(key).__name__}")


def _judge_number(value: int) -> None:
    if not -(2**63) <= value < 2**64:
        raise _Refused("a whole number beyond 64 bits")


class _Reader(pickle._Unpickler):
    """Python's unpickler, restricted. The one in C has no table to restrict, and allocates a memo of any size that a pickle states."""

    def __init__(self, file: _Bounded) -> None:
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
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise _Refused(f"the global {ascii(f'{module}.{name}'[:100])[1:-1]}") from None


class _Builder:
    """Builds the arrays among the values of a pickle of ``size`` bytes that was read with some number of ``instructions``."""

    def __init__(self, size: int, instructions: int) -> None:
        self._bytes_left = size
        self._objects_left = instructions
        # By the id of each original: the original, kept alive so that its id stays unique, and what was built from it. A value that is
        # referred to many times is built once.
        self._done: dict[int, tuple[object, object]] = {}

    def build(self, value: object, depth: int = 0) -> object:
        """The value with its arrays built."""
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
                raise _Refused("text with half a character (a surrogate)")
            return value
        if isinstance(value, bytes | float | complex | bool | None):
            return value
        if isinstance(value, int):
            _judge_number(value)
            return value
        if depth > MAX_DEPTH:
            raise _Refused(f"values nested deeper than {MAX_DEPTH}")
        if id(value) in self._done:
            return self._done[id(value)][1]
        built: object
        if isinstance(value, _Array):
            built = self._array(value, depth)
        elif isinstance(value, _Text):
            built = self._encoded(value.text)
        elif isinstance(value, dict):
            built = {self._key(key): self.build(item, depth + 1) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            built = type(value)(self.build(item, depth + 1) for item in value)
        else:
            raise _Refused(f"a value of type {type(value).__name__}")
        self._done[id(value)] = (value, built)
        return built

    def _key(self, key: object) -> object:
        built = self.build(key, MAX_DEPTH - 1)
        _judge_key(built)
        return built

    def _spend(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _Refused("arrays that together hold more bytes than it")

    def _encoded(self, text: str) -> bytes:
        self._spend(len(text))
        return text.encode("latin-1")

    def _array(self, parts: _Array, depth: int) -> object:
        if not isinstance(parts.dtype, _Dtype):
            raise _Refused("an array without a type")
        dtype = parts.dtype.dtype()
        shape = () if parts.shape is None else (parts.shape,) if isinstance(parts.shape, int) else parts.shape
        if not isinstance(shape, tuple) or len(shape) > 16 or not all(isinstance(n, int) and 0 <= n < 2**40 for n in shape):
            raise _Refused("an array with an impossible shape")
        size = math.prod(shape)
        order: Any = "F" if parts.order == "F" else "C"
        if dtype.hasobject:
            if not isinstance(parts.data, list) or len(parts.data) != size:
                raise _Refused("an array of objects without its objects")
            self._objects_left -= size
            if self._objects_left < 0:
                raise _Refused("arrays of more objects than it has instructions")
            flat = np.empty(size, dtype=object)
            for k, item in enumerate(parts.data):
                flat[k] = self.build(item, depth + 1)
            return flat.reshape(shape, order=order)
        text = parts.data.text if isinstance(parts.data, _Text) else parts.data
        if not isinstance(text, bytes | bytearray | str) or len(text) != size * dtype.itemsize or (dtype.itemsize == 0 and shape):
            raise _Refused(f"an array {shape} {dtype} without its {size * dtype.itemsize:,} bytes")
        self._spend(len(text))
        data = text.encode("latin-1") if isinstance(text, str) else text
        if dtype.kind == "U" and len(data):
            codes = np.frombuffer(data, dtype=dtype.byteorder.replace("|", "=") + "u4")
            if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
                raise _Refused("an array of text with characters that do not exist")
        array = np.frombuffer(data, dtype=dtype).reshape(shape, order=order) if len(data) else np.empty(shape, dtype)
        return array[()] if parts.shape is None else array


def _read(file: IO[bytes], size: int, place: str) -> object:
    """The value in the next ``size`` bytes of ``file``."""
    try:
        reader = _Reader(_Bounded(file, size))
        value = reader.load()
        return _Builder(size, MAX_INSTRUCTIONS - reader.instructions.left).build(value)
    except _Refused as refused:
        raise PosebenchError(
            f"{place} holds a pickle with {refused}",
            "numpy arrays, dicts, lists, tuples, strings, bytes and numbers, and nothing else",
            _ADVICE,
        ) from None
    except Exception as error:  # EOFError, UnpicklingError, KeyError, zlib.error ...: damaged bytes
        raise PosebenchError(f"{place} is damaged ({type(error).__name__}: {error})", "a whole pickle", "copy the file again") from error


def read_pickle(path: Path, *, max_bytes: int = 64 * 2**20) -> object:
    """The value in a pickle file of at most ``max_bytes``.

    **Convention.** Arrays are read-only views of the file's bytes; numpy scalars stay numpy scalars.

    Raises:
        PosebenchError: it is too large, damaged, or contains anything but plain data (the message names it; nothing is run).
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise PosebenchError(f"{path}: {size:,} bytes", f"a pickle of at most {max_bytes:,} bytes", "name the right file")
        with path.open("rb") as file:
            return _read(file, size, str(path))
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "a file that can be read", "check the path") from error


def read_object(path: Path, key: str, *, max_bytes: int = MAX_BYTES) -> object:
    """The value of a 0-d object array in an npz archive, such as VideoPose3D's ``positions_3d``: read as :func:`read_pickle` does.

    Raises:
        PosebenchError: no such archive or key, no 0-d object array, too large, damaged, or not plain data.
    """
    with open_file(path) as file, open_zip(path, file) as archive:
        name = f"{key}.npy"
        if name not in archive.namelist():
            have = ", ".join(entry.removesuffix(".npy") for entry in archive.namelist()[:10])
            raise PosebenchError(f"{path} with {have or 'no arrays'}", key, "name an archive of this layout")
        entry = archive.getinfo(name)
        if entry.compress_type not in (0, 8) or entry.file_size > max_bytes:
            raise PosebenchError(
                f"{path}: {key} of {entry.file_size:,} bytes, compressed by method {entry.compress_type}",
                f"at most {max_bytes:,} bytes, stored or deflated",
                _ADVICE,
            )
        if entry.file_size > max(_SMALL_BYTES, MAX_EXPANSION * entry.compress_size):
            found = f"{path}: {key} of {entry.file_size:,} bytes out of {entry.compress_size:,} compressed ones"
            raise PosebenchError(found, f"arrays that expand at most {MAX_EXPANSION} times", _ADVICE)
        try:
            with archive.open(entry) as stream:
                header = read_array_header(stream)
                if header.shape != () or header.dtype != np.dtype(object):
                    found = f"{path}: {key} is {header.dtype} {header.shape}"
                    raise PosebenchError(found, "one object (a dict)", "name an archive of this layout")
                value = _read(stream, entry.file_size - stream.tell(), f"{path}: {key}")
                # numpy pickles the array, not the object in it.
                return value[()] if isinstance(value, np.ndarray) and value.shape == () else value
        except PosebenchError:
            raise
        except Exception as error:  # zipfile, zlib and numpy's parser raise a dozen kinds on damaged bytes
            raise PosebenchError(f"{path}: {key} is damaged ({error})", "a whole npz archive", "copy the file again") from error


def numbers(value: object, shape: tuple[int | None, ...], place: str) -> npt.NDArray[np.floating]:
    """``value`` as an array of numbers of this shape (None: any length).

    Raises:
        PosebenchError: it is something else; ``place`` names it.
    """
    array = value if isinstance(value, np.ndarray) else np.empty(0, dtype=object)
    fits = array.ndim == len(shape) and all(want is None or have == want for have, want in zip(array.shape, shape, strict=True))
    if array.dtype.kind not in "fiu" or not fits:
        found = f"{array.dtype} {array.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        want = "(" + ", ".join("n" if n is None else str(n) for n in shape) + ")"
        raise PosebenchError(f"{place}: {found}", f"numbers of shape {want}", "get the file again from its source")
    return array
