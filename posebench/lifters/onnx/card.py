"""The TOML file of an ONNX network: what the network takes and gives. ``docs/lifters.md`` explains every field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.readers.text import read_toml
from posebench.base.schema import Fields
from posebench.base.skeletons import SKELETONS, Skeleton
from posebench.base.units import MM_PER_UNIT, mm_per
from posebench.lifters.onnx.ends import Axes, Input, Output
from posebench.lifters.onnx.layout import Layout
from posebench.networks.windows import BATCHES
from posebench.predictions.archive import SUPERVISIONS

MAX_BYTES = 2**20
#: Ten times the longest published receptive field.
MAX_WINDOW = 4096
_ADVICE = "docs/lifters.md lists the fields, with an example for each kind of network"


@dataclass(frozen=True, eq=False)
class Card:
    """The content of the TOML.

    Attributes:
        id: as in :class:`posebench.lifters.LifterInfo`.
        supervision: as there.
        skeleton: joint order of the dataset's keypoints and of the poses.
        window: frames that the network sees for one window.
        flip_averaging: posebench lifts the mirror image too and takes the mean.
        input: preprocessing.
        output: postprocessing.
    """

    id: str
    supervision: str
    skeleton: Skeleton
    window: int
    flip_averaging: bool
    input: Input
    output: Output


def read_card(path: Path) -> Card:
    """Read and check the TOML at ``path``.

    Raises:
        PosebenchError: no such file, no TOML, or a field that is missing, unknown or wrong; the message names file and field.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PosebenchError(f"{path}: {path.stat().st_size:,} bytes", f"at most {MAX_BYTES:,}", _ADVICE)
        content = read_toml(path, MAX_BYTES)
    except OSError as error:
        wanted = "a TOML beside the ONNX file, of the same name, that states what the network takes and gives"
        raise PosebenchError(f"{path}: {error.strerror or error}", wanted, _ADVICE) from error
    except ValueError as error:  # a TOML error, or no UTF-8
        raise PosebenchError(f"{path}: {error}", "a TOML file", _ADVICE) from error
    fields = Fields(content, str(path), _ADVICE)
    id = fields.text("id")
    if not id.strip() or not id.isprintable():
        raise fields.wrong("id", id, "a name, printable and in one line")
    skeleton = SKELETONS[fields.choice("skeleton", SKELETONS)]
    window = fields.whole("window", default=1)
    if window > MAX_WINDOW:
        raise fields.wrong("window", window, f"at most {MAX_WINDOW} frames")
    card = Card(
        id=id,
        supervision=fields.choice("supervision", SUPERVISIONS),
        skeleton=skeleton,
        window=window,
        flip_averaging=fields.flag("flip_averaging", default=False),
        input=_input(fields.table("input"), skeleton, window),
        output=_output(fields.table("output"), skeleton, window),
    )
    fields.finish()
    return card


def _input(fields: Fields, skeleton: Skeleton, window: int) -> Input:
    joints = _joints(fields, skeleton)
    shapes = ((), (2,), (len(joints), 2))
    std = np.array(fields.nested("std", shapes, default=1.0), dtype=np.float64)
    if not (std > 0).all():
        raise fields.wrong("std", "zero or less", "numbers above 0")
    table = Input(
        coordinates=fields.choice("coordinates", ("pixels", "screen", "camera"), default="pixels"),
        centre=fields.choice("centre", ("none", "root", "mean"), default="none"),
        axes=_axes(fields, "xy"),
        scale=fields.choice("scale", ("none", "std", "norm"), default="none"),
        mean=np.array(fields.nested("mean", shapes, default=0.0), dtype=np.float64),
        std=std,
        joints=joints,
        confidence=fields.flag("confidence", default=False),
        layout=_layout(fields, "bjc" if window == 1 else "btjc"),
    )
    fields.finish()
    return table


def _output(fields: Fields, skeleton: Skeleton, window: int) -> Output:
    kind = fields.choice("kind", ("pose", "depth"), default="pose")
    frames = fields.choice("frames", BATCHES, default="centre")
    if frames != "window" and window % 2 == 0:
        raise fields.wrong("frames", frames, f"'window', since a window of {window} frames has no middle one")
    if frames != "centre" and window == 1:
        raise fields.wrong("frames", frames, "'centre', since the window is one frame")
    joints = _joints(fields, skeleton)
    left_out = {name for i, name in enumerate(skeleton.joints) if i not in joints}
    if left_out - ({skeleton.root} if kind == "pose" else set()):
        wanted = f"every joint of {skeleton.id}" + (", of which only the root may be left out" if kind == "pose" else "")
        raise fields.wrong("joints", f"none for {', '.join(sorted(left_out))}", wanted)
    unit = fields.choice("unit", (*MM_PER_UNIT, "unknown"))
    fields.choice("frame", ("camera",), default="camera")
    count = 1 if kind == "depth" else 3
    shapes = ((), (len(joints),)) if kind == "depth" else ((), (3,), (len(joints), 3))

    def vector(key: str, default: float) -> Array:
        value = np.array(fields.nested(key, shapes, default=default), dtype=np.float64)
        return value[:, None] if count == 1 and value.ndim == 1 else value

    layout = _layout(fields, ("bj" if kind == "depth" else "bjc") + ("t" if frames != "centre" else ""))
    table = Output(
        name=fields.text("name") if "name" in fields.names() else None,
        layout=layout,
        frames=frames,
        joints=joints,
        std=vector("std", 1.0),
        mean=vector("mean", 0.0),
        kind=kind,
        distance=fields.number("distance") if kind == "depth" else 0.0,
        axes=_axes(fields, "xyz"),
        to_mm=mm_per(unit) if unit in MM_PER_UNIT else 1.0,
        scale="unknown" if unit == "unknown" else "metric",
    )
    fields.finish()
    return table


def _joints(fields: Fields, skeleton: Skeleton) -> list[int]:
    """The field ``joints``, names in the network's order, as indices; the skeleton's own order if absent."""
    return [skeleton.index(name) for name in fields.texts("joints", skeleton.joints) or skeleton.joints]


def _layout(fields: Fields, needed: str) -> Layout:
    """The field ``layout``, which must name at least the axes ``needed``."""
    text = fields.text("layout")
    try:
        layout = Layout.parse(text)
    except ValueError as error:
        raise fields.wrong("layout", text, str(error)) from error
    missing = sorted(set(needed) - set(layout.names))
    if missing:
        raise fields.wrong("layout", text, "axes " + " ".join(needed) + "; missing: " + " ".join(missing))
    return layout


def _axes(fields: Fields, names: str) -> Axes:
    """The field ``axes``: a signed letter for each of right, down (and forward); no change if absent."""
    text: Any = fields.text("axes", default=" ".join(names))
    words = text.split()
    letters = [word.removeprefix("-") for word in words]
    if sorted(letters) != list(names) or not all(re.fullmatch(r"-?[xyz]", word) for word in words):
        raise fields.wrong(
            "axes", text, f"each of {', '.join(names)} once, with or without '-', such as '{' '.join(names).replace('y', '-y')}'"
        )
    return Axes([names.index(letter) for letter in letters], np.array([-1.0 if word[0] == "-" else 1.0 for word in words]))
