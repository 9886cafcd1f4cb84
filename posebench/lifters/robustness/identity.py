"""What a lifter was measured with, as a hash: conditions that were measured with the same one need not be measured again."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from posebench.base.files import sha256_of
from posebench.lifters import simple_lifters

#: Files of a run folder that its poses depend on.
_RUN_FILES = ("recipe.toml", "lifter.json", "lifter.safetensors")


def identity_of(name: str, data: str) -> str:
    """The hash of a lifter that opened without error.

    **Convention.** Of a run folder its recipe and weights; of an ONNX model the file and its TOML; of ``module:function`` the module's own
    file, but not what it imports or reads; of a lifter without a file its name and the data that it may be fitted to.

    Args:
        name: as for :func:`posebench.open_lifter`.
        data: fingerprint of the dataset.
    """
    path = Path(name)
    files: list[Path] = []
    if name in simple_lifters():
        return _hash(name, data)
    if path.suffix == ".onnx":
        files = [path, path.with_suffix(".toml")]
    elif path.is_dir():
        files = [path / file for file in _RUN_FILES]
        files += sorted(file for file in path.glob("*.safetensors") if file not in files and file.name != "checkpoint.safetensors")
    else:
        spec = importlib.util.find_spec(name.partition(":")[0])
        origin = Path(spec.origin) if spec is not None and spec.origin else None
        return _hash(name, sha256_of(origin) if origin is not None and origin.is_file() else "")
    return _hash("", *(f"{file.name} {sha256_of(file)}" for file in files if file.is_file()))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def label_of(name: str, id: str) -> str:
    """The name of a lifter in tables: of a run or model that of its folder or file, of any other its own.

    Example:
        >>> label_of("runs/martinez-cmu-gt-quick-s0", "martinez"), label_of("flat", "flat")
        ('martinez-cmu-gt-quick-s0', 'flat')
    """
    path = Path(name)
    if path.suffix == ".onnx":
        return path.stem
    return path.absolute().name if path.is_dir() else id
