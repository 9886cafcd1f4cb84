"""Real motion for diagnoses: some takes of `synthetic` as a truth file, and faults that are injected into poses."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.cameras import rotation_xyz
from posebench.base.skeletons import skeleton
from posebench.predictions.archive import save_predictions
from posebench.scoring.decomposition.diagnosis import diagnose

BONES = skeleton("h36m17")


@pytest.fixture(scope="session")
def motion(synthetic_part):
    """True poses (T, 17, 3) mm by clip: six takes of two subjects, two cameras each, at 50 Hz."""
    dataset = synthetic_part(subjects=("S9", "S11"), takes=("Walking 1", "Sitting 1", "Turning 1"))
    return {clip.id: clip.pose for clip in dataset.clips() if clip.info.camera in ("c0", "c3")}


@pytest.fixture(scope="session")
def truth(motion, tmp_path_factory):
    """The same as a truth file."""
    return save_predictions(tmp_path_factory.mktemp("motion") / "truth.npz", motion, unit="mm", skeleton="h36m17")


@pytest.fixture(scope="session")
def diagnosed(truth):
    """A function that diagnoses poses in memory against the truth file."""

    def of(poses, protocol="pair-17j", **options):
        return diagnose(poses, protocol, **{"truth": truth, "unit": "mm", "skeleton": "h36m17", "fps": 50.0} | options)

    return of


def depth_flip(pose, random):
    """z negated in a share of 30 % of the frames, in runs of ten."""
    flipped = np.repeat(random.random(len(pose) // 10 + 1) < 0.3, 10)[: len(pose)]
    return np.where(flipped[:, None, None], pose * [1.0, 1.0, -1.0], pose)


def swapped_arms(pose, _):
    order = list(range(17))
    for joint in ("shoulder", "elbow", "wrist"):
        left, right = BONES.index(f"l_{joint}"), BONES.index(f"r_{joint}")
        order[left], order[right] = right, left
    return pose[:, order]


def too_small(pose, _):
    return 0.92 * pose


def turned(pose, _):
    return pose @ rotation_xyz([0.0, 10.0, 0.0]).T


def jitter(pose, random):
    """Noise above 6 Hz at 50 frames a second, of 15 mm before the filter."""
    spectrum = np.fft.rfft(random.normal(0.0, 15.0, pose.shape), axis=0)
    spectrum[np.fft.rfftfreq(len(pose), 1 / 50) <= 6.0] = 0.0
    noise = np.fft.irfft(spectrum, len(pose), axis=0)
    return pose + noise - noise[:, :1]


def mirrored_limb(pose, _):
    """The left forearm and upper arm mirrored in depth at the shoulder."""
    out = pose.copy()
    for joint in ("l_elbow", "l_wrist"):
        out[:, BONES.index(joint), 2] = 2 * pose[:, BONES.index("l_shoulder"), 2] - pose[:, BONES.index(joint), 2]
    return out


#: Fault -> what is named, and a word of the sentence.
FAULTS = {
    depth_flip: ("discrete", "mirrored in depth (face backwards)"),
    swapped_arms: ("arms-exchanged", "left and right arm are exchanged in 100 % of the poses"),
    too_small: ("set-scale", "wrong size by one factor"),
    turned: ("azimuth", "turned about the vertical, by +10.0 degrees"),
    jitter: ("jitter", "jitter above 6 Hz"),
    mirrored_limb: ("left-arm-depth", "the left arm is mirrored in depth"),
}


def injected(fault, motion, noise=0.0):
    """Root-relative poses with a fault, and random errors of each joint that change slowly, mm."""
    random = np.random.default_rng(0)
    made = {}
    for clip, pose in motion.items():
        error = noise * random.normal(size=(1, *pose.shape[1:]))
        error[:, 0] = 0.0
        made[clip] = fault(pose - pose[:, :1] + error, random)
    return made
