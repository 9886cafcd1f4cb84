"""A picture of one clip over time: what the correction does to it, or any two prediction files side by side.

python -m posebench.baselines.pose_machine.study.over_time BEFORE.npz AFTER.npz --dataset cmu --root DIR --clip S09/09_02/c0 -o
over-time.png
"""

from __future__ import annotations

import argparse
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

SHOWN = ("l_wrist", "r_ankle")


def draw(files: Mapping[str, str | Path], dataset: Dataset, clip: str, picture: str | Path) -> None:
    """Draw each file's error over the frames of a clip, its velocity error, and the depths of two joints beside the true ones.

    Args:
        files: name to prediction file; each holds the clip whole, in mm.
        dataset: the opened dataset.
        clip: id.
        picture: image file; the ending chooses the format.

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
    figure = Figure(figsize=(10.0, 2.2 * (2 + len(SHOWN))), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(2 + len(SHOWN), 1, sharex=True)
    for name, pose in poses.items():
        rows[0].plot(mpjpe(pose, truth), label=f"{name}: mean {mpjpe(pose, truth).mean():.1f}", linewidth=1)
        speed = velocity_error(pose, truth).mean(axis=1)
        rows[1].plot(speed, label=f"{name}: mean {speed.mean():.1f}", linewidth=1)
    rows[0].set_ylabel("MPJPE [mm]")
    rows[1].set_ylabel("MPJVE [mm/frame]")
    for axes, joint in zip(rows[2:], SHOWN, strict=True):
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
    parser = argparse.ArgumentParser(
        prog="python -m posebench.baselines.pose_machine.study.over_time", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("predictions", metavar="PREDS", nargs="+", help="prediction files; a line each")
    parser.add_argument("--dataset", metavar="NAME", required=True)
    parser.add_argument("--root", metavar="DIR")
    parser.add_argument("--clip", metavar="ID", required=True)
    parser.add_argument("-o", "--output", metavar="PICTURE", required=True)
    args = parser.parse_args(words)
    try:
        draw({Path(path).stem: path for path in args.predictions}, open_dataset(args.dataset, args.root), args.clip, args.output)
    except PosebenchError as error:
        print(f"posebench: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.output}: {args.clip} under {len(args.predictions)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
