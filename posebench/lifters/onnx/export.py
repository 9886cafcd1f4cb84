"""A finished run as an ONNX file with its TOML, for :mod:`posebench.lifters.onnx.model` and for whoever runs ONNX elsewhere."""

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
from posebench.lifters import Lifter
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.run import Trained, open_run
from posebench.networks.method import Method
from posebench.predictions.provenance import Provenance

#: Made-up poses on which the file must agree with the run before it is kept.
PROBES = 256
#: How far apart the two may be, as a share of the largest coordinate: some hundred times the precision of float32.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        network: the ONNX file.
        card: the TOML beside it.
        difference: largest, between the file in ONNX Runtime and the run in PyTorch on :data:`PROBES` made-up poses, as a share of the
            largest coordinate.
    """

    network: Path
    card: Path
    difference: float


def export_run(folder: str | Path, path: str | Path) -> Exported:
    """Write the lifter of a finished run as ``path`` (``.onnx``) and the TOML of the same name beside it.

    **Convention.** The network takes image coordinates of unit focal length, (px - principal point) / focal, (B, J, 2) float32, and gives
    poses (B, J, 3) as the run does, B free. Flips are averaged outside it, where the TOML says so. Both files are opened again and
    compared with the run before anything is put in place; the old TOML goes before the new network comes, so that at no moment a network
    stands beside what is said of another.

    Args:
        folder: of a finished run.
        path: the file to write, replaced if it is there.

    Raises:
        PosebenchError: no finished run, a method that looks at several frames, a path that cannot be written, or a network that ONNX
            cannot express to within :data:`TOLERANCE`.
    """
    path = Path(path)
    if path.suffix != ".onnx" or path.is_dir():
        raise PosebenchError(f"output {path}", "a file name that ends in .onnx", "posebench export RUN -o model.onnx")
    lifter = open_run(folder)
    trained = lifter.inner if isinstance(lifter, FlipAveraged) else lifter
    assert isinstance(trained, Trained)
    if trained.context > 1:
        raise PosebenchError(
            f"{folder}: a pose of {trained.id} is told from {trained.context} frames",
            "a lifter of single frames",
            f"use the run itself: posebench predict {folder} ...",
        )
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / path.name
        made.write_bytes(_network(trained.method, len(skeleton(trained.skeleton))))
        made.with_suffix(".toml").write_text(_card(lifter, trained.provenance, trained.about.nominal), encoding="utf-8")
        difference = _compare(lifter, open_onnx(made, threads=1), trained.about.nominal)
        if not difference <= TOLERANCE:  # NaN is not
            found = f"the export of {folder} differs from the run by {difference:.1e} of the largest coordinate"
            raise PosebenchError(
                found, f"at most {TOLERANCE:.0e} of it", f"use the run itself: posebench predict {folder} ...", exit_code=1
            )
        card = path.with_suffix(".toml")
        with replacing(card) as new_card, replacing(path) as new_network:
            shutil.copyfile(made, new_network)
            shutil.copyfile(made.with_suffix(".toml"), new_card)
            card.unlink(missing_ok=True)
    return Exported(path, card, difference)


class _Lift(nn.Module):
    """What the exporter follows: the way from keypoints to poses at test time."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, keypoints: Tensor) -> Tensor:
        return self.method.lift(keypoints)


def _network(method: Method, joints: int) -> bytes:
    """The ONNX file of a method's lift, weights within, nothing said of the machine it was made on."""
    batch = torch.export.Dim("batch")
    with _quiet():
        try:
            program = torch.onnx.export(
                _Lift(method).eval(),
                (torch.zeros(2, joints, 2),),
                dynamo=True,
                dynamic_shapes=({0: batch},),
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
    assert program is not None, "the exporter gives a program where it is given no path"
    model = program.model_proto
    for node in model.graph.node:
        # The exporter's notes hold stack traces, with the paths of whoever exports.
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says about itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns that torchvision, whose operators no lifter has, is not installed
    with warnings.catch_warnings():
        # torch 2.13 copies its own tree specifications, in a way that torch 2.13 calls out of date.
        warnings.filterwarnings("ignore", r".isinstance\(treespec, LeafSpec\). is deprecated", FutureWarning)
        try:
            yield
        finally:
            log.setLevel(level)


def _card(lifter: Lifter, made: Provenance, nominal: Camera) -> str:
    """The text of the TOML: the fields of ``docs/lifters.md``, and in comments what they cannot say."""
    focal, centre = (", ".join(f"{value:.6g}" for value in pair) for pair in (nominal.focal, nominal.centre))
    unit = "mm" if lifter.scale == "metric" else "unknown"
    return f"""\
# Written by `posebench export`; the fields are told in docs/lifters.md.
# Trained on {made.trained_on}; keypoints {made.trained_keypoints}; recipe {made.recipe}, preset {made.preset}, seed {made.seed}.
id = {json.dumps(lifter.id)}
supervision = {json.dumps(lifter.supervision)}
skeleton = {json.dumps(lifter.skeleton)}
window = 1
flip_averaging = {json.dumps(lifter.flip_averaging)}

# (px - principal point) / focal length; lens distortion stays in. A clip without a camera is refused; the run itself lifts it as
# if seen by a camera of focal length {focal} px and principal point {centre} px.
[input]
coordinates = "camera"
layout = "b j c"

# Root-relative: the root is the origin.
[output]
layout = "b j c"
unit = "{unit}"
"""


def _compare(run: Lifter, exported: Lifter, camera: Camera) -> float:
    """The largest difference between two lifters on made-up keypoints, as a share of the largest coordinate."""
    random = np.random.default_rng(0)
    body = random.normal(0.0, 0.1, (PROBES, len(skeleton(run.skeleton)), 2))
    place = random.normal(0.0, 0.2, (PROBES, 1, 2))
    keypoints = (body + place) * camera.focal + camera.centre
    ours, theirs = run.lift(keypoints, camera), exported.lift(keypoints, camera)
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())
