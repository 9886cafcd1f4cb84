"""For methods that posebench cannot run: keypoints of every condition as files, and the scoring of what a method made of them.

**Convention.** A kit is a folder with one ``.npz`` a condition: ``clean.npz``, ``white-1.npz``, ... Each holds, by clip id, the keypoints
(T, J, 2) px, float32, and ``<clip id>#camera``, 18 float64: focal length (2) and principal point (2) in px, width and height of the image,
rotation (9, row by row, world axes to camera axes) and position (3) in mm. ``__meta__`` is a JSON text: protocol, digest, condition,
skeleton, joint names, frames a second. The arrays are plain: ``numpy.load`` reads them. Predictions come back as a folder of prediction
files of the same names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.files import replacing, sha256_of
from posebench.base.readers.npz import write_npz
from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.data.clip import Dataset
from posebench.data.corruption.conditions import Condition, conditions
from posebench.predictions.archive import META_KEY, open_predictions
from posebench.scoring.protocol import Protocol
from posebench.scoring.robustness.measured import measure, require_conditions
from posebench.scoring.robustness.record import Method, Robustness, facts_of
from posebench.scoring.scope import selects
from posebench.scoring.truth import TruthLocation

FORMAT = 1
CAMERA_SUFFIX = "#camera"
ENDINGS = (".npz", ".h5")


def file_stem(condition: Condition) -> str:
    """Name of a condition's file without its ending.

    Example:
        >>> file_stem(Condition("white", 3)), file_stem(Condition.read("clean"))
        ('white-3', 'clean')
    """
    return str(condition).replace("/", "-")


def export_kit(
    protocol: Protocol,
    folder: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the kit of a protocol; each file is complete or not there.

    Raises:
        PosebenchError: the protocol has no conditions, the dataset cannot be used, or a file cannot be written.
    """
    dataset = open_dataset(require_conditions(protocol).dataset, root)
    every, written = conditions(protocol.conditions), []
    for done, condition in enumerate(every, start=1):
        path = Path(folder) / f"{file_stem(condition)}.npz"
        with replacing(path) as temporary:
            write_npz(temporary, _arrays(condition, condition.of(dataset), protocol))
        written.append(path)
        if progress:
            progress(done, len(every))
    return written


def _arrays(condition: Condition, dataset: Dataset, protocol: Protocol) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    order = dataset.skeleton
    meta = {
        "posebench_keypoints": FORMAT,
        "protocol": protocol.id,
        "digest": protocol.digest,
        "condition": str(condition),
        "skeleton": order,
        "joints": list(skeleton(order).joints),
        "fps": dataset.fps,
        "predictions": f"save poses by clip id as {file_stem(condition)}.npz with posebench.save_predictions, all files in one folder",
    }
    yield META_KEY, np.array(json.dumps(meta))
    for id, info in dataset.infos.items():
        if not selects(protocol, info):
            continue
        clip = dataset.load(id)
        yield id, clip.keypoints_as(condition.keypoints, order).astype(np.float32)
        if (camera := clip.camera) is not None:
            parts = (camera.focal, camera.centre, camera.size, camera.rotation.ravel(), camera.position)
            yield id + CAMERA_SUFFIX, np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])


def score_kit(
    folder: str | os.PathLike[str],
    protocol: Protocol,
    *,
    root: str | os.PathLike[str] | None = None,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Robustness:
    """Score a folder of prediction files, one for each condition.

    Args:
        folder: holds ``clean.npz`` (or ``.h5``), ``white-1.npz``, ...
        protocol: that of the kit.
        root: the dataset's folder.
        name: of the method; by default what its files state, or the folder's name.
        progress: called with (conditions done, conditions in all).

    Raises:
        PosebenchError: a file is missing, damaged or incomplete, two files are of different methods, or a check found an error.
    """
    every = conditions(require_conditions(protocol).conditions)
    files = _files(Path(folder), every)
    header = _common_header(files)
    dataset = open_dataset(protocol.dataset, root)
    found, identity, method = Robustness(), hashlib.sha256(), Method("", "", {})
    for done, condition in enumerate(every, start=1):
        path = files[condition]
        measured = measure(path, protocol, TruthLocation(root, condition=condition, opened=dataset))
        study = found.study(protocol, (measured.data.name, measured.data.fingerprint), measured.takes)
        method.sets[str(condition)] = measured.sums
        identity.update(f"{condition} {sha256_of(path)}\n".encode())
        if progress:
            progress(done, len(every))
    method.name = name or header.pop("method") or Path(folder).absolute().name
    header.pop("method", None)
    method.facts, method.identity = header, identity.hexdigest()[:32]
    study.methods[method.name] = method
    return found


def _files(folder: Path, every: list[Condition]) -> dict[Condition, Path]:
    if not folder.is_dir():
        raise PosebenchError(
            f"{folder} is no folder", "a folder of prediction files, one for each condition", "posebench robustness export"
        )
    found = {condition: path for condition in every for ending in ENDINGS if (path := folder / f"{file_stem(condition)}{ending}").is_file()}
    if missing := [file_stem(condition) + ".npz" for condition in every if condition not in found]:
        raise PosebenchError(
            f"{folder} without {first_ten(missing)}", f"predictions for all {len(every)} conditions", "predict what is missing"
        )
    return found


def _common_header(files: dict[Condition, Path]) -> dict[str, str]:
    """What all files state of their method."""
    first: dict[str, str] = {}
    for condition, path in files.items():
        with open_predictions(path) as file:
            meta, made = file.meta, file.meta.provenance
        context = made.context if made else None
        stated = {"method": meta.method} | facts_of(meta.supervision, meta.scale, made, context)
        first = first or stated
        for name, value in stated.items():
            if value != first[name]:
                raise PosebenchError(
                    f"{path} ({condition}): {name} {value or 'not stated'}, where other files have {first[name] or 'none'}",
                    "files of one method",
                    "predict them all with the same method",
                )
    return first
