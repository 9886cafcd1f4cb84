"""A network in an ONNX file as a lifter: run by ONNX Runtime in batches, between the ends that its TOML states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.lifters import Lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.onnx.card import Card, read_card
from posebench.lifters.onnx.layout import Layout
from posebench.lifters.onnx.session import one_line, open_session
from posebench.networks.windows import BATCHES

#: Poses (frames that go in) at a time: the activations of a network 1024 wide then take some MiB a layer.
TILE = 1024
_TYPES: dict[str, npt.DTypeLike] = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def open_onnx(path: Path, *, threads: int = 0) -> Lifter:
    """The network at ``path``, with the TOML of the same name beside it, as a lifter.

    Args:
        path: the ONNX file.
        threads: that one operator may use; 0 for as many as there are cores.

    Raises:
        PosebenchError: ONNX Runtime is not installed; the TOML or the file cannot be used, or do not agree; nothing has been run then.
    """
    if threads < 0:
        raise PosebenchError(f"{threads} threads", "a whole number from 0", "correct --threads")
    if not path.is_file():
        raise PosebenchError(f"{path}: no such file", "an ONNX file", "correct the path")
    card = read_card(path.with_suffix(".toml"))
    session = open_session(path, threads)
    try:
        found = _judge(path, card, session)
    except UnicodeDecodeError as error:  # raised where ONNX Runtime hands a name to Python
        raise PosebenchError(f"{path}: a name that is no text ({error})", "an ONNX file", "export the network again") from error
    lifter = OnnxLifter(path, card, session, *found)
    return FlipAveraged(lifter) if card.flip_averaging else lifter


@dataclass(frozen=True, eq=False)
class OnnxLifter:
    """A network between its two ends. Poses with a number that is not finite are passed on: the scorer counts them."""

    path: Path
    card: Card
    session: Any
    dtype: npt.DTypeLike
    output: str
    batch: int | None

    @property
    def id(self) -> str:  # noqa: D102
        return self.card.id

    @property
    def skeleton(self) -> str:  # noqa: D102
        return self.card.skeleton.id

    @property
    def supervision(self) -> str:  # noqa: D102
        return self.card.supervision

    @property
    def scale(self) -> str:  # noqa: D102
        return self.card.output.scale

    @property
    def context(self) -> int:  # noqa: D102
        return self.card.window

    @property
    def flip_averaging(self) -> bool:  # noqa: D102
        return False

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3) mm (any unit where the scale is unknown), root at the origin.

        Raises:
            PosebenchError: the network needs a camera and there is none; it failed, or gave an array of another shape than it should.
        """
        card, kind = self.card, self.card.skeleton
        # A pose without extent, or numbers too large for float32: not finite, and counted as that.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            points = card.input.points(keypoints, camera, kind)
            values = card.input.values(points).astype(self.dtype)
            given = np.empty((len(values), len(card.output.joints), card.output.coordinates))
            tile = TILE if self.batch is None else self.batch * card.window
            for batch in BATCHES[card.output.frames](len(values), card.window, tile):
                given[batch.put] = self._run(values[batch.frames], batch.given)[batch.take[:, 0], batch.take[:, 1]]
            return card.output.poses(given, points, kind)

    def _run(self, values: npt.NDArray[Any], frames: int) -> npt.NDArray[Any]:
        """What the network gives (B, T', J, C) for ``values`` (B, T, J, C), T' = ``frames``."""
        if self.batch is not None:
            # A network of a fixed batch size: the last batch is filled up with its last window, whose poses nobody takes.
            values = np.concatenate([values, np.repeat(values[-1:], self.batch - len(values), axis=0)])
        output = self.card.output
        sizes = {"b": len(values), "t": frames, "j": len(output.joints), "c": output.coordinates}
        name = self.session.get_inputs()[0].name
        packed = np.ascontiguousarray(self.card.input.layout.pack(values))
        try:
            (given,) = self.session.run([self.output], {name: packed})
        except Exception as error:  # ONNX Runtime has a dozen kinds, all straight from Exception
            raise PosebenchError(
                f"{self.path} failed on an input of shape {packed.shape}: {one_line(error)}",
                "a network that runs as its TOML states",
                "compare window, layout and joints with the network (docs/lifters.md)",
            ) from error
        if given.shape != output.layout.shape(sizes):
            raise PosebenchError(
                f"{self.path}: an output of shape {given.shape} for an input of shape {packed.shape}",
                f"shape {output.layout.shape(sizes)} for layout '{output.layout}'",
                "correct layout, joints, window or frames in the TOML (docs/lifters.md)",
            )
        return output.layout.unpack(given, sizes)


def _judge(path: Path, card: Card, session: Any) -> tuple[npt.DTypeLike, str, int | None]:
    """The input's type, the output's name and the batch size (None where it is free), after names, types and shapes were compared."""
    advice = "correct the TOML, or export the network again (docs/lifters.md)"
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise PosebenchError(f"{path}: inputs {_names(inputs)}", "one input, the keypoints", advice)
    named = [one for one in outputs if card.output.name in (None, one.name)]
    if len(named) != 1:
        wanted = "one output, or its name as `name` in [output]" if card.output.name is None else f"an output {card.output.name!r}"
        raise PosebenchError(f"{path}: outputs {_names(outputs)}", wanted, advice)
    for one, what in ((inputs[0], "input"), (named[0], "output")):
        if one.type not in _TYPES:
            raise PosebenchError(f"{path}: {what} {one.name!r} of type {one.type}", "one of " + ", ".join(_TYPES), advice)
    slides = card.output.frames == "slide"
    taken: dict[str, int | None] = {
        "b": None,
        "t": None if slides else card.window,
        "j": len(card.input.joints),
        "c": 3 if card.input.confidence else 2,
    }
    given = taken | {"t": {"slide": None, "window": card.window, "centre": 1}[card.output.frames]}
    given |= {"j": len(card.output.joints), "c": card.output.coordinates}
    free = {"t"} if slides else set()
    batch = _judge_shape(f"{path}: input {inputs[0].name!r}", inputs[0].shape, card.input.layout, taken, free, advice)
    _judge_shape(f"{path}: output {named[0].name!r}", named[0].shape, card.output.layout, given, free, advice)
    if slides and batch not in (None, 1):
        raise PosebenchError(f"{path}: a fixed batch of {batch}", "a free batch or one of 1, since frames = 'slide'", advice)
    return _TYPES[inputs[0].type], named[0].name, None if slides else batch


def _judge_shape(where: str, shape: list[Any], layout: Layout, sizes: Mapping[str, int | None], free: set[str], advice: str) -> int | None:
    """Compare a declared shape with a layout; a dimension with a name in place of a length agrees with all. The batch size is returned."""
    wanted = layout.shape(sizes)
    lengths = [n if isinstance(n, int) else None for n in shape]
    fits = len(lengths) == len(wanted) and all(None in (have, want) or have == want for have, want in zip(lengths, wanted, strict=True))
    fixed = [have for have, group in zip(lengths, layout.groups, strict=False) if have is not None and free & set(group)]
    if not fits or fixed:
        shown = ", ".join("any" if n is None else str(n) for n in wanted)
        raise PosebenchError(f"{where} of shape ({', '.join(map(str, shape))})", f"({shown}) for layout '{layout}'", advice)
    return lengths[layout.groups.index(("b",))]


def _names(values: Iterable[Any]) -> str:
    return ", ".join(repr(value.name) for value in values)
