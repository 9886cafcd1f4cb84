"""A plot of one clip over time: errors and depths in prediction files, for example with and without correction.

python -m posebench.baselines.pose_machine.study.over_time A.npz B.npz --dataset cmu --root DIR --clip S09/09_02/c0 -o over-time.png
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from posebench.base.cameras import Array
from posebench.base.errors import PosebenchError
from posebench.base.files import replacing
from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.data.clip import Dataset
from posebench.metrics import mpjpe, root_relative, velocity_error
from posebench.predictions.archive import open_predictions

from ...studies import add_dataset_options, exit_code, study_parser

#: Joints whose depth is drawn.
DRAWN_JOINTS = ("l_wrist", "r_ankle")


def draw(files: Mapping[str, str | Path], dataset: Dataset, clip: str, picture: str | Path) -> None:
    """Draw each file's error and velocity error over the frames of a clip, and the depths of two joints with the true ones.

    Args:
        files: name to prediction file; each has all frames of the clip, in mm.
        dataset: the opened dataset.
        clip: id.
        picture: image file; its suffix chooses the format.

    Raises:
        PosebenchError: the dataset or a file has no such clip, or the file has no metric scale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if clip not in dataset.infos:
        raise PosebenchError(f"clip {clip}", f"a clip of {dataset.name}, such as {dataset.clip_ids('test')[0]}", "correct --clip")
    joints = skeleton(dataset.skeleton)
    truth = root_relative(dataset.load(clip).pose, joints.root_indices)
    poses = {name: _poses(path, clip, len(truth), joints.root_indices) for name, path in files.items()}
    figure = Figure(figsize=(10.0, 2.2 * (2 + len(DRAWN_JOINTS))), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2 + len(DRAWN_JOINTS), 1, sharex=True)
    for name, pose in poses.items():
        rows[0].plot(mpjpe(pose, truth), label=f"{name}: mean {mpjpe(pose, truth).mean():.1f}", linewidth=1)
        speed = velocity_error(pose, truth).mean(axis=1)
        rows[1].plot(speed, label=f"{name}: mean {speed.mean():.1f}", linewidth=1)
    rows[0].set_ylabel("MPJPE [mm]")
    rows[1].set_ylabel("MPJVE [mm/frame]")
    for axes, joint in zip(rows[2:], DRAWN_JOINTS, strict=True):
        axes.plot(truth[:, joints.index(joint), 2], color="black", label="true", linewidth=1)
        for name, pose in poses.items():
            axes.plot(pose[:, joints.index(joint), 2], label=name, linewidth=1)
        axes.set_ylabel(f"{joint}, depth\nbehind root [mm]")
    for axes in rows:
        axes.legend(fontsize=8, loc="upper right")
        axes.grid(alpha=0.3)
    rows[-1].set_xlabel(f"frame of {clip} ({dataset.infos[clip].action}, {dataset.fps:g} Hz)")
    with replacing(Path(picture)) as temporary:
        figure.savefig(temporary, format=Path(picture).suffix[1:] or "png", dpi=110)


def _poses(path: str | Path, clip: str, frames: int, root: tuple[int, ...]) -> Array:
    with open_predictions(path) as file:
        shape = file.shapes.get(clip)
        if shape is None or shape[0] != frames or not file.meta.metric_scale:
            wanted = f"all {frames} frames of {clip} in mm"
            raise PosebenchError(f"{path}: {clip} {shape or 'missing'}", wanted, "posebench predict RUN --dataset NAME -o PREDS")
        return root_relative(np.asarray(file.poses(clip), dtype=np.float64) * file.meta.to_mm, root)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 2 for a wrong call."""
    parser = study_parser("posebench.baselines.pose_machine.study.over_time", __doc__)
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a line each")
    add_dataset_options(parser)
    parser.add_argument("--clip", metavar="ID", required=True)
    parser.add_argument("-o", "--output", metavar="PICTURE", required=True)
    args = parser.parse_args(words)

    def command() -> None:
        files = {Path(path).stem: path for path in args.predictions}
        draw(files, open_dataset(args.dataset, args.root), args.clip, args.output)
        print(f"{args.output}: {args.clip} in {len(files)} files")

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
