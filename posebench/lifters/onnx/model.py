"""A network in an ONNX file as a lifter: ONNX Runtime runs it in batches, with the pre- and postprocessing that its TOML states."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.lifters import Lifter, LifterInfo
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.onnx.card import Card, read_card
from posebench.lifters.onnx.confined import ConfinedSession
from posebench.lifters.onnx.layout import Layout
from posebench.lifters.onnx.session import LocalSession, Port, Session
from posebench.networks.windows import BATCHES

#: Input frames in a batch: the activations of a network 1024 wide then take some MiB a layer.
MAX_BATCH_FRAMES = 1024
#: An output of this many bytes is read, so that its shape can be told if it is wrong.
_LARGEST = 2**24
_ADVICE = "correct the TOML, or export the network again (docs/lifters.md)"
_TYPES: dict[str, npt.DTypeLike] = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def open_onnx(path: Path, *, threads: int = 1, confined: bool = True) -> Lifter:
    """The network at ``path`` as a lifter; the TOML file of the same name describes it.

    Args:
        path: the ONNX file.
        threads: for each operator; 0 for as many as there are cores.
        confined: the network runs in a child process with limits of time and memory. False is for files of which this is not needed.

    Raises:
        PosebenchError: ONNX Runtime is not installed; the TOML or the network cannot be used, or they do not fit together. The network
            has not been run then.
    """
    if threads < 0:
        raise PosebenchError(f"{threads} threads", "a whole number from 0", "correct --threads")
    if not path.is_file():
        raise PosebenchError(f"{path}: no such file", "an ONNX file", "correct the path")
    card = read_card(path.with_suffix(".toml"))
    session: Session = ConfinedSession(path, threads) if confined else LocalSession(path, threads)
    interface = _check_interface(path, card, session)
    lifter = OnnxLifter(path, card, session, *interface)
    return FlipAveraged(lifter) if card.flip_averaging else lifter


@dataclass(frozen=True, eq=False, repr=False)
class OnnxLifter:
    """An ONNX network with the pre- and postprocessing that its TOML states.

    Poses with a number that is not finite are passed on: the scorer counts them.

    Attributes:
        path: the ONNX file.
        card: its TOML.
        session: the loaded network.
        dtype: of the network's input.
        output: name of the output that holds the poses.
        batch: the network's batch size where it is fixed; None where it is free.
    """

    path: Path
    card: Card
    session: Session
    dtype: npt.DTypeLike
    output: str
    batch: int | None

    def __repr__(self) -> str:
        return self.info.shown("OnnxLifter")

    @property
    def info(self) -> LifterInfo:
        """What the TOML states; flip averaging is added by :class:`posebench.lifters.flip.FlipAveraged` around this lifter."""
        card = self.card
        return LifterInfo(card.id, card.skeleton.id, card.supervision, card.output.scale, context=card.window)

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:
        """Keypoints (T, J, 2) px of one clip to poses (T, J, 3) mm (any unit where the scale is unknown), root at the origin.

        Raises:
            PosebenchError: the network needs a camera and there is none; it failed, or gave an array of another shape than it should.
        """
        card, joints = self.card, self.card.skeleton
        # A pose without extent, or numbers too large for float32, give numbers that are not finite: the scorer counts those poses.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            points = card.input.normalised(keypoints, camera, joints)
            frames = card.input.array(points).astype(self.dtype)
            outputs = np.empty((len(frames), len(card.output.joints), card.output.coordinates))
            batch_frames = MAX_BATCH_FRAMES if self.batch is None else self.batch * card.window
            for batch in BATCHES[card.output.frames](len(frames), card.window, batch_frames):
                window, frame_in_window = batch.take.T
                outputs[batch.put] = self._run(frames[batch.frames], batch.given)[window, frame_in_window]
            return card.output.poses(outputs, points, joints)

    def _run(self, windows: npt.NDArray[Any], output_frames: int) -> npt.NDArray[Any]:
        """The network's output (B, T', J, C) for ``windows`` (B, T, J, C) of its input, T' = ``output_frames``."""
        if self.batch is not None:
            # A network of a fixed batch size: the last batch is filled up with copies of its last window, whose output is not used.
            windows = np.concatenate([windows, np.repeat(windows[-1:], self.batch - len(windows), axis=0)])
        output = self.card.output
        sizes = {"b": len(windows), "t": output_frames, "j": len(output.joints), "c": output.coordinates}
        packed = np.ascontiguousarray(self.card.input.layout.pack(windows))
        wanted = math.prod(n for n in output.layout.shape(sizes) if n is not None)
        array = self.session.run(self.output, self.session.inputs[0].name, packed, _LARGEST + 64 * wanted)
        if array.shape != output.layout.shape(sizes):
            raise PosebenchError(
                f"{self.path}: an output of shape {array.shape} for an input of shape {packed.shape}",
                f"shape {output.layout.shape(sizes)} for layout '{output.layout}'",
                "correct layout, joints, window or frames in the TOML (docs/lifters.md)",
            )
        return output.layout.unpack(array, sizes)


class _Interface(NamedTuple):
    """What is left to know of a network whose card fits."""

    dtype: npt.DTypeLike
    output: str
    batch: int | None


def _check_interface(path: Path, card: Card, session: Session) -> _Interface:
    """Compare names, types and shapes of a network's input and output with its card.

    Raises:
        PosebenchError: they differ.
    """
    taken, given = _only_input(path, session.inputs), _chosen_output(path, session.outputs, card.output.name)
    for port, what in ((taken, "input"), (given, "output")):
        if port.type not in _TYPES:
            raise PosebenchError(f"{path}: {what} {port.name!r} of type {port.type}", "one of " + ", ".join(_TYPES), _ADVICE)
    slides = card.output.frames == "slide"
    input_sizes: dict[str, int | None] = {
        "b": None,
        "t": None if slides else card.window,
        "j": len(card.input.joints),
        "c": 3 if card.input.confidence else 2,
    }
    output_sizes: dict[str, int | None] = {
        "b": None,
        "t": {"slide": None, "window": card.window, "centre": 1}[card.output.frames],
        "j": len(card.output.joints),
        "c": card.output.coordinates,
    }
    must_be_free = {"t"} if slides else set()
    batch = _check_shape(f"{path}: input {taken.name!r}", taken.shape, card.input.layout, input_sizes, must_be_free)
    _check_shape(f"{path}: output {given.name!r}", given.shape, card.output.layout, output_sizes, must_be_free)
    if slides and batch not in (None, 1):
        raise PosebenchError(f"{path}: a fixed batch of {batch}", "a free batch or one of 1, since frames = 'slide'", _ADVICE)
    return _Interface(_TYPES[taken.type], given.name, None if slides else batch)


def _only_input(path: Path, inputs: Sequence[Port]) -> Port:
    if len(inputs) != 1:
        raise PosebenchError(f"{path}: inputs {_names(inputs)}", "one input, the keypoints", _ADVICE)
    return inputs[0]


def _chosen_output(path: Path, outputs: Sequence[Port], name: str | None) -> Port:
    """The output called ``name``; the only one where it is None."""
    chosen = [output for output in outputs if name in (None, output.name)]
    if len(chosen) != 1:
        wanted = "one output, or its name as `name` in [output]" if name is None else f"an output {name!r}"
        raise PosebenchError(f"{path}: outputs {_names(outputs)}", wanted, _ADVICE)
    return chosen[0]


def _check_shape(where: str, shape: list[Any], layout: Layout, sizes: Mapping[str, int | None], must_be_free: set[str]) -> int | None:
    """Compare a declared shape with a layout, and return its batch size, None where it is free.

    A dimension with a name in place of a length is free: it fits every length. Axes of ``must_be_free`` may not have a fixed one.
    """
    wanted = layout.shape(sizes)
    lengths = [n if isinstance(n, int) else None for n in shape]
    fits = len(lengths) == len(wanted) and all(None in (have, want) or have == want for have, want in zip(lengths, wanted, strict=True))
    fixed = any(have is not None and must_be_free & set(group) for have, group in zip(lengths, layout.groups, strict=False))
    if not fits or fixed:
        shown = ", ".join("any" if n is None else str(n) for n in wanted)
        raise PosebenchError(f"{where} of shape ({', '.join(map(str, shape))})", f"({shown}) for layout '{layout}'", _ADVICE)
    return lengths[layout.groups.index(("b",))]


def _names(values: Iterable[Port]) -> str:
    return ", ".join(repr(value.name) for value in values)
