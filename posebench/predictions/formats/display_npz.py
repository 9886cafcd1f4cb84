"""``output_keypoints_3d.npz`` of the demos of StridedTransformer and P-STMO: made for display, so it is explained, not read."""

from __future__ import annotations

from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.readers.npz import Npz, open_zip

KEY = "reconstruction"
_SAVE = "posebench.save_predictions(path, {clip_id: poses}, unit='m', skeleton='h36m17')"


def explain(path: Path) -> None:
    """Raise for an archive whose one array is ``reconstruction``; nothing happens for any other.

    **Convention.** The demos turn the network's poses (T, 17, 3), metres, camera frame, into one fixed world frame, shift each to the
    floor and divide it by its largest coordinate, so that neither unit nor camera is left. Under the same name they save 2D keypoints,
    (1, T, 17, 2).
    Source: Vegetebird/StridedTransformer-Pose3D and paTRICK-swk/P-STMO, ``demo/vis.py``.

    Raises:
        PosebenchError: it is such an archive, or damaged.
    """
    with path.open("rb") as file, open_zip(path, file) as archive:
        if [name.removesuffix(".npy") for name in archive.namelist()] != [KEY]:
            return
        (shape, _), *_ = Npz(path, archive).shapes.values()
    if shape[-1:] == (2,):
        raise PosebenchError(
            f"{path}: one array '{KEY}' {shape}, the 2D keypoints that a demo of the StridedTransformer family saves",
            "3D poses (T, 17, 3) of a clip",
            f"save the poses that the network makes of them: {_SAVE}",
        )
    raise PosebenchError(
        f"{path}: one array '{KEY}' {shape}, as the demos of StridedTransformer and P-STMO save it for display: world axes, each pose moved"
        " to the floor and divided by its largest coordinate, so it has no unit and no camera frame",
        "poses in the camera frame, in metres or millimetres, and the id of their clip",
        f"in the demo's vis.py save the network's output before camera_to_world: {_SAVE}",
    )
