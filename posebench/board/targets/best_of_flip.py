"""The official numbers of ITES, which choose the better of a pose and its depth flip against the truth, of a prediction file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.metrics import auc, pck, thresholds_passed
from posebench.metrics.peers import ites_best_of_flip
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result import Result
from posebench.scoring.submission import open_submission
from posebench.scoring.truth import TruthLocation

#: Names of what :func:`best_of_flip` gives.
METRICS = ("best-of-flip MPJPE", "best-of-flip PA-MPJPE", "best-of-flip PCK@150", "best-of-flip AUC")


def best_of_flip(
    file: Path, result: Result, root: str | os.PathLike[str] | None, cameras: str | os.PathLike[str] | None = None
) -> dict[str, float]:
    """Means over all frames of :func:`posebench.metrics.peers.ites_best_of_flip`, by the names of :data:`METRICS`.

    Args:
        file: the result file; its predictions lie beside it, as ``posebench train`` and ``posebench score -o`` leave them.
        result: its content.
        root: the folder of the dataset.
        cameras: the file with its cameras, where the folder has none.

    Raises:
        PosebenchError: no ``root``, or no predictions beside the result that are those that were scored.
    """
    own = file.with_name(f"{file.stem}.npz")
    predictions = own if own.is_file() else file.with_name("predictions.npz")
    if root is None:
        found = f"{file.name}: a number that chooses the better flip against the truth, without --root"
        raise PosebenchError(found, f"the folder of {result.data.name}", "add --root DIR")
    if not predictions.is_file():
        raise PosebenchError(f"no {predictions}", "the predictions beside their result", "restore the file")
    protocol = load_protocol(result.protocol.id)
    order = [protocol.skeleton.index(joint) for joint in _joints(protocol.skeleton.id)]
    pelvis = skeleton("h36m17").index("pelvis")
    totals, frames = np.zeros(len(METRICS)), 0
    with open_submission(predictions, protocol, TruthLocation(root, None, cameras)) as submission:
        if submission.file.sha256() != result.predictions.sha256:
            raise PosebenchError(f"{predictions} is not what {file.name} was made of", "the scored predictions", "score them again")
        for clip in submission.readable_clips():
            pred, whole, numbers = submission.pair(clip)
            truth = whole[numbers // submission.scope.spacing][:, order]
            pose = np.asarray(pred, dtype=np.float64)[:, order]
            best = ites_best_of_flip(pose - pose[:, [pelvis]], truth - truth[:, [pelvis]])
            joints = best.joint_errors
            parts = (best.mpjpe, best.pa_mpjpe, pck(joints), auc(thresholds_passed(joints)))
            totals += [float(part.sum()) for part in parts]
            frames += len(pose)
    if not frames:
        raise PosebenchError(f"{predictions} without a scored frame", "predictions of the protocol's clips", "predict again")
    return dict(zip(METRICS, (totals / frames).tolist(), strict=True))


def _joints(skeleton_id: str) -> list[str]:
    """The joints of ``h36m17`` by their names in a skeleton; MPI-INF-3DHP's neck and head stand for thorax and neck_nose."""
    names = {"thorax": "neck", "neck_nose": "head"} if skeleton_id == "mpi17" else {}
    return [names.get(joint, joint) for joint in skeleton("h36m17").joints]
