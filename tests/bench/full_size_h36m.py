"""Writes generated motion of Human3.6M's full size in VideoPose3D's layout, to measure loading and scoring on.

    python tests/bench/full_size_h36m.py DIR
    posebench data prepare h36m --root DIR
    posebench score DIR/noisy.npz --protocol h36m/s9s11 --root DIR

Takes, names and frame counts are those of the dataset's test set (543,344 frames) and about those of its training set; the motion is
one walk of `synthetic` a subject, to and fro. Nothing of Human3.6M is in it.
"""

import sys
from pathlib import Path

import numpy as np

import posebench
from posebench.data.h36m import export_cameras
from posebench.data.h36m.export import to_h36m32
from posebench.data.h36m.names import ACTIONS, CAMERAS, SPLITS, TEST_FRAMES, take_of_subaction
from posebench.data.h36m.resimulation import resimulate
from posebench.data.synthetic.dataset import open_synthetic

TRAIN_FRAMES = 1_559_752 // 4 // 150  # a take; 150 takes, four cameras


def takes():
    """(subject, take, frames) of every take."""
    for action, total in TEST_FRAMES.items():
        names = [
            (subject, take_of_subaction(subject, action, k))
            for subject in SPLITS["test"]
            for k in (1, 2)
            if (subject, action, k) != ("S11", "Directions", 2)
        ]
        frames = total // 4
        for i, (subject, name) in enumerate(names):
            yield subject, name, frames // len(names) + (frames % len(names) if i == 0 else 0)
    for subject in SPLITS["train"]:
        for action in ACTIONS:
            for k in (1, 2):
                yield subject, f"{action} {k}", TRAIN_FRAMES


def write(folder):
    """The copy, its cameras, and a submission of truth and noise."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset, random = resimulate(open_synthetic()), np.random.default_rng(0)
    world, pixels, cameras = {}, {}, {}
    for subject, name, frames in takes():
        clips = [dataset.load(f"{subject}/Walking 1/{camera}") for camera in CAMERAS]
        pose = clips[0].camera.to_world(clips[0].pose)
        period = 2 * len(pose) - 2
        order = np.abs((np.arange(frames) + len(pose) - 1) % period - (len(pose) - 1))
        world.setdefault(subject, {})[name] = (to_h36m32(pose)[order] / 1000).astype(np.float32)
        pixels.setdefault(subject, {})[name] = [clip.keypoints("gt")[order].astype(np.float32) for clip in clips]
        cameras |= {(subject, clip.info.camera): clip.camera for clip in clips}
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=np.array(world, dtype=object))
    about = np.array({"layout_name": "h36m", "num_joints": 17}, dtype=object)
    np.savez_compressed(folder / "data_2d_h36m_gt.npz", positions_2d=np.array(pixels, dtype=object), metadata=about)
    export_cameras.write_videopose3d(folder / "h36m_dataset.py", cameras)
    opened = posebench.open_dataset("h36m", folder)
    poses = ((clip.id, (clip.pose + random.normal(0, 20, clip.pose.shape)).astype(np.float32)) for clip in opened.clips("test"))
    posebench.save_predictions(folder / "noisy.npz", poses, unit="mm", skeleton="h36m17", method="noisy", keypoints="gt")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
