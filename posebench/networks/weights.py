"""A trained lifter's files: ``lifter.safetensors`` (weights and statistics) and ``lifter.json`` (method, provenance, costs). No pickle."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.files import replacing, sha256_of, write_text
from posebench.base.readers.text import read_json
from posebench.base.schema import Fields
from posebench.predictions.archive import SUPERVISIONS
from posebench.predictions.provenance import Provenance, read_provenance

FORMAT = 1
WEIGHTS, ABOUT = "lifter.safetensors", "lifter.json"
_MAX_JSON_BYTES = 2**20
_MAX_WEIGHTS_BYTES = 2**32
_NEXT = "finish the run: posebench train ... -o RUN --resume"


@dataclass(frozen=True, eq=False)
class About:
    """The content of ``lifter.json``.

    Attributes:
        method: id of the baseline.
        supervision: the 3D that its training saw.
        nominal: the camera that is assumed for a clip without one.
        provenance: of the training; the same for every repetition of it.
        training: seconds, steps and machine.
    """

    method: str
    supervision: str
    nominal: Camera
    provenance: Provenance
    training: dict[str, Any]


def save_weights(folder: Path, lifter: nn.Module, about: About) -> None:
    """Write both files, the JSON last: a folder without it is an unfinished run."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in lifter.state_dict().items()}
    with replacing(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(tensors))  # safetensors' own save_file would make the file readable by its owner alone
    content = {
        "posebench_lifter": FORMAT,
        "method": about.method,
        "supervision": about.supervision,
        "nominal_camera": [*about.nominal.focal, *about.nominal.centre],
        "provenance": about.provenance.as_dict(),
        "training": about.training,
        "weights_sha256": sha256_of(folder / WEIGHTS),
    }
    write_text(folder / ABOUT, json.dumps(content, indent=1) + "\n")


def halve_weights(folder: Path) -> None:
    """Store the matrices of a lifter's weights as 16-bit floats, half the size; vectors, such as biases and statistics, stay as they are.

    They are loaded as 32-bit floats again. ``lifter.json`` is written anew with the digest of the smaller file.

    Raises:
        PosebenchError: the files are damaged, or a weight is beyond 65,504, the largest 16-bit float; then nothing is written.
    """
    import torch
    from safetensors.torch import load_file, save

    load_about(folder)
    tensors: dict[str, Tensor] = load_file(folder / WEIGHTS)
    smaller = {name: value.half() if value.ndim > 1 and value.dtype == torch.float32 else value for name, value in tensors.items()}
    for name, value in smaller.items():
        if not bool(value.isfinite().all()):
            found = f"{name} in {folder / WEIGHTS}, which has a number beyond 65,504"
            raise PosebenchError(found, "weights that are 16-bit floats", "add the run without --half")
    with replacing(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(smaller))
    content = read_json(folder / ABOUT, _MAX_JSON_BYTES)
    content["weights_sha256"] = sha256_of(folder / WEIGHTS)
    write_text(folder / ABOUT, json.dumps(content, indent=1) + "\n")


def load_about(folder: Path) -> About:
    """Read ``lifter.json``, and check that the weights in its folder are the ones it was written with.

    Raises:
        PosebenchError: a file is missing (an unfinished run), too large, or not what a run writes.
    """
    path = folder / ABOUT
    try:
        if path.stat().st_size > _MAX_JSON_BYTES or (folder / WEIGHTS).stat().st_size > _MAX_WEIGHTS_BYTES:
            raise PosebenchError(f"{folder}: files of this size", "the weights of a lifter, at most 4 GiB", _NEXT)
        content: Any = read_json(path, _MAX_JSON_BYTES)
    except OSError as error:
        raise PosebenchError(f"{error.filename}: {error.strerror}", "a finished run", _NEXT) from error
    except ValueError as error:
        raise PosebenchError(f"{path} is not JSON ({error})", "the lifter.json of a run", _NEXT) from error
    fields = Fields(content if isinstance(content, dict) else {}, str(path), _NEXT)
    if fields.whole("posebench_lifter") > FORMAT:
        raise fields.wrong("posebench_lifter", content["posebench_lifter"], f"format {FORMAT}; upgrade posebench")
    nominal = fields.nested("nominal_camera", [(4,)])
    if min(nominal[:2]) <= 0:
        raise fields.wrong("nominal_camera", nominal, "focal lengths above 0, then the principal point")
    fields.table("training")
    about = About(
        method=fields.text("method"),
        supervision=fields.choice("supervision", SUPERVISIONS),
        nominal=Camera(np.eye(3), np.zeros(3), np.array(nominal[:2]), np.array(nominal[2:]), (0, 0)),
        provenance=read_provenance(fields.table("provenance")),
        training={key: value for key, value in content.get("training", {}).items() if isinstance(value, str | int | float)},
    )
    digest = fields.text("weights_sha256")
    fields.finish()
    if sha256_of(folder / WEIGHTS) != digest:
        raise PosebenchError(f"{folder / WEIGHTS} is not the file that {ABOUT} was written with", "the two files of one run", _NEXT)
    return about


def count_weights(folder: Path) -> int:
    """How many numbers a run's weights are, from the head of their file.

    Raises:
        PosebenchError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise PosebenchError(f"{path}: {str(error).splitlines()[0]}", "the weights of the method that the run names", _NEXT) from error


def load_weights(folder: Path, lifter: nn.Module) -> None:
    """Load a run's weights into a network.

    Raises:
        PosebenchError: the file is damaged, or holds the weights of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    try:
        tensors: dict[str, Tensor] = load_file(path)
        lifter.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise PosebenchError(f"{path}: {str(error).splitlines()[0]}", "the weights of the method that the run names", _NEXT) from error
