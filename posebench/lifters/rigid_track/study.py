"""How the tracker was chosen: ``python -m posebench.lifters.rigid_track.study RUN --root DIR``, for a run made with ``--tune``.

Prints PA-MPJPE and N-MPJPE by frame, on ``cmu``'s tuning subject, of the run's predictions, of the tracked ones, and of trackers with one
setting changed, and what tracking costs. ``--predictions`` names other predictions of the run, such as those from noisy keypoints.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from posebench.base.skeletons import skeleton
from posebench.data import open_dataset
from posebench.lifters.rigid_track.track import Array, Settings, track
from posebench.metrics.position import n_mpjpe, pa_mpjpe
from posebench.predictions.archive import open_predictions

SUBJECT = "S131"
#: A setting and its values that were tried, besides that of the tracker.
TRIED = {"smooth": (5.0, 20.0), "lifted": (0.075, 0.3), "acceleration": (0.02, 0.08)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--root", required=True, help="folder of cmu")
    parser.add_argument("--keypoints", default="gt", help="2D source; it must be that of the run's predictions")
    parser.add_argument("--predictions", type=Path, help="a file of predictions in place of the run's own")
    args = parser.parse_args()
    dataset = open_dataset("cmu", args.root)
    clips: list[tuple[Array, Array, Array]] = []
    with open_predictions(args.predictions or args.run / "predictions.npz") as file:
        joints = skeleton(file.meta.skeleton)
        for id in (id for id in file.shapes if id.startswith(f"{SUBJECT}/")):
            clip = dataset.load(id)
            assert clip.camera is not None, "cmu has cameras"
            keypoints = (clip.keypoints(args.keypoints) - clip.camera.centre) / clip.camera.focal
            clips.append((np.asarray(file.poses(id), np.float64), keypoints, clip.pose - clip.pose[:, :1]))

    def shown(words: str, found: list[Array]) -> None:
        errors = [
            np.concatenate([of(a, truth) for a, (_, _, truth) in zip(found, clips, strict=True)]).mean() for of in (pa_mpjpe, n_mpjpe)
        ]
        print(f"{words:22} PA-MPJPE {errors[0]:6.2f}  N-MPJPE {errors[1]:6.2f}", flush=True)

    shown("as predicted", [poses for poses, _, _ in clips])
    began = time.process_time()
    tracked = [track(poses, keypoints, joints) for poses, keypoints, _ in clips]
    cost = 1000.0 * (time.process_time() - began) / sum(map(len, tracked))
    shown("tracked", tracked)
    print(f"{cost:.3f} ms of CPU time a pose")
    still = Settings(most_acceleration=0.0)
    shown("signs frame by frame", [track(poses, keypoints, joints, still) for poses, keypoints, _ in clips])
    for name, values in TRIED.items():
        for value in values:
            changed = Settings()._replace(**{name: value})
            shown(f"{name} = {value:g}", [track(poses, keypoints, joints, changed) for poses, keypoints, _ in clips])


if __name__ == "__main__":
    main()
