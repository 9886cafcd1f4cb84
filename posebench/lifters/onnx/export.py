"""Export of a finished run: an ONNX file and its TOML, for :mod:`posebench.lifters.onnx.model` and for other programs."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter, LifterInfo
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.run import open_run, without_flip_averaging
from posebench.networks.machine import torch_threads
from posebench.networks.method import Method
from posebench.networks.weights import About
from posebench.predictions.provenance import WHOLE_CLIP

#: Random poses on which the exported network must agree with the run before it is kept.
CHECKED_POSES = 256
#: Largest difference of the two, as a share of the largest coordinate: some hundred times the precision of float32.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Exported:
    """The files of an export.

    Attributes:
        network: the ONNX file.
        card: its TOML.
        difference: largest difference between ONNX Runtime and PyTorch on :data:`CHECKED_POSES` random poses, as a share of the largest
            coordinate.
    """

    network: Path
    card: Path
    difference: float


def export_run(folder: str | Path, path: str | Path, *, threads: int = 1) -> Exported:
    """Write the lifter of a finished run as ``path`` (``.onnx``) and a TOML of the same name.

    **Convention.** The network takes image coordinates of unit focal length, (px - principal point) / focal, (B, J, 2) float32, and gives
    the run's poses (B, J, 3), B free; a convolution over time takes (1, T, J, 2) and gives (1, T - context + 1, J, 3), T free. Flip
    averaging is not part of the network; the TOML asks for it. Both files are opened again and compared with the run before they are put
    in place. The old TOML is removed before the new network is put in place, so that a network never has the TOML of another one.

    Args:
        folder: of a finished run.
        path: the file to write, replaced if it is there.
        threads: CPU threads of PyTorch and ONNX Runtime meanwhile; 0 for their own choice.

    Raises:
        PosebenchError: no finished run, a method with a context of several frames, a path that cannot be written, or a network that
            ONNX cannot express to within :data:`TOLERANCE`.
    """
    path = Path(path)
    if path.suffix != ".onnx" or path.is_dir():
        raise PosebenchError(f"output {path}", "a file name that ends in .onnx", "posebench export RUN -o model.onnx")
    with torch_threads(threads):
        return _export(Path(folder), path, threads)


def _export(folder: Path, path: Path, threads: int) -> Exported:
    """The work of :func:`export_run`, on the present number of PyTorch's threads."""
    lifter = open_run(folder, threads=threads)
    trained = without_flip_averaging(lifter)
    assert trained is not None
    context = trained.info.context
    if context != 1 and not trained.method.slides:
        frames = "all frames of its clip" if context == WHOLE_CLIP else f"{context} frames"
        raise PosebenchError(
            f"{folder}: a pose of {trained.info.id} depends on {frames}",
            "a lifter of single frames, or one that is a convolution over time",
            f"use the run itself: posebench predict {folder} ...",
        )
    with tempfile.TemporaryDirectory() as scratch:
        exported_network = Path(scratch) / path.name
        exported_network.write_bytes(_network(trained.method, len(skeleton(trained.skeleton))))
        exported_network.with_suffix(".toml").write_text(_card(lifter.info, trained.about), encoding="utf-8")
        difference = _largest_difference(lifter, open_onnx(exported_network, threads=threads, confined=False), trained.about.nominal)
        if not difference <= TOLERANCE:  # also where the difference is NaN
            found = f"the export of {folder} differs from the run by {difference:.1e} of the largest coordinate"
            raise PosebenchError(
                found, f"at most {TOLERANCE:.0e} of it", f"use the run itself: posebench predict {folder} ...", exit_code=1
            )
        card = path.with_suffix(".toml")
        with replacing(card) as new_card, replacing(path) as new_network:
            shutil.copyfile(exported_network, new_network)
            shutil.copyfile(exported_network.with_suffix(".toml"), new_card)
            card.unlink(missing_ok=True)
    return Exported(path, card, difference)


class _Lift(nn.Module):
    """The module that the exporter traces: a method's lift as ``forward``."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, keypoints: Tensor) -> Tensor:
        return self.method.lift(keypoints)


def _network(method: Method, joints: int) -> bytes:
    """Bytes of an ONNX file of a method's lift, or of its sliding lifter, with its weights, without any path of this machine."""
    if method.slides:
        part: nn.Module = method.lifter
        example, free = torch.zeros(1, method.context + 1, joints, 2), {1: torch.export.Dim("frames", min=method.context)}
    else:
        part, example, free = _Lift(method), torch.zeros(2, joints, 2), {0: torch.export.Dim("batch")}
    with _quiet():
        try:
            program = torch.onnx.export(
                part.eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=["keypoints"],
                output_names=["poses"],
                external_data=False,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise PosebenchError(
                f"a network that PyTorch cannot write as ONNX: {str(cause).splitlines()[0]}",
                "operations that ONNX has",
                "use the run itself: posebench predict RUN ...",
            ) from error
    assert program is not None, "the exporter returns a program if it is given no path"
    model = program.model_proto
    for node in model.graph.node:
        # The exporter's notes hold stack traces with paths of this machine.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's messages about itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns that torchvision is not installed, whose operators no lifter has
    with warnings.catch_warnings():
        # torch 2.13 uses a function of its own that it warns is deprecated.
        warnings.filterwarnings("ignore", r".isinstance\(treespec, LeafSpec\). is deprecated", FutureWarning)
        try:
            yield
        finally:
            log.setLevel(level)


def _card(info: LifterInfo, about: About) -> str:
    """The text of the TOML: the fields of ``docs/lifters.md``, and as comments what they cannot express."""
    provenance = about.provenance
    layout, frames = ("b t j c", 'frames = "slide"\n') if info.context > 1 else ("b j c", "")
    focal, centre = (", ".join(f"{value:.6g}" for value in pair) for pair in (about.nominal.focal, about.nominal.centre))
    return f"""\
# Written by `posebench export`; docs/lifters.md explains the fields.
# Trained on {provenance.trained_on}; keypoints {provenance.trained_keypoints}; \
recipe {provenance.recipe}, preset {provenance.preset}, seed {provenance.seed}.
id = {json.dumps(info.id)}
supervision = {json.dumps(info.supervision)}
skeleton = {json.dumps(info.skeleton)}
window = {info.context}
flip_averaging = {json.dumps(info.flip_averaging)}

# (px - principal point) / focal length; lens distortion is not removed. A clip without a camera is refused; the run itself assumes a
# camera of focal length {focal} px and principal point {centre} px for it.
[input]
coordinates = "camera"
layout = "{layout}"

# Root-relative: the root is the origin.
[output]
layout = "{layout}"
{frames}unit = "{info.unit or "unknown"}"
"""


def _largest_difference(run: Lifter, exported: Lifter, camera: Camera) -> float:
    """The largest difference between two lifters on random keypoints, as a share of the largest coordinate."""
    random = np.random.default_rng(0)
    body = random.normal(0.0, 0.1, (CHECKED_POSES, len(skeleton(run.info.skeleton)), 2))
    place = random.normal(0.0, 0.2, (CHECKED_POSES, 1, 2))
    keypoints = (body + place) * camera.focal + camera.centre
    expected, actual = run.lift(keypoints, camera), exported.lift(keypoints, camera)
    return float(np.abs(expected - actual).max() / np.abs(expected).max())
