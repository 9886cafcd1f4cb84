"""Joint angles of captured CMU takes: the inverse of :mod:`posebench.data.synthetic.body`, for measuring only.

**Convention.** As the body: world y up, mm, rad. Takes are read at 60 Hz, half of the capture's rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from posebench.base.cameras import rotation_xyz
from posebench.data.cmu.acclaim import Body, Bone, forward_kinematics
from posebench.data.cmu.amc import read_amc
from posebench.data.cmu.asf import read_asf
from posebench.data.cmu.dataset import SPLITS, Take, find_files, takes, world_pose
from posebench.data.synthetic.body import BALLS, CHANNELS, DIRECTIONS, HINGES, LIMBS, SKELETON, WELDED, Array, columns, rotation_about

STRIDE = 2
FPS = 60.0

#: The ASF bone whose axes turn with each frame, and for limbs the bone whose first axis is the hinge.
TURNS_WITH = {
    "pelvis": "root",
    "torso": "thorax",
    "l_arm": "lhumerus",
    "r_arm": "rhumerus",
    "l_leg": "lfemur",
    "r_leg": "rfemur",
}
HINGE_OF = {"l_arm": "lradius", "r_arm": "rradius", "l_leg": "ltibia", "r_leg": "rtibia"}


@dataclass(frozen=True, eq=False)
class Captured:
    """One take in the body's frames.

    Attributes:
        take: subject, trial and action.
        joints: (T, 17, 3) mm, world.
        frames: name of a ball's or the pelvis' frame to (T, 3, 3), its axes in the world.
        directions: joint to (T, 3), unit bone directions in their parent's frame.
        free: (T, D), the channels that need no rest: pelvis and hinges; the others are 0.
    """

    take: Take
    joints: Array
    frames: dict[str, Array]
    directions: dict[str, Array]
    free: Array

    def relative(self, name: str) -> Array:
        """(T, 3, 3), the frame of a ball relative to its parent's."""
        return np.swapaxes(self.frames[BALLS[name]], 1, 2) @ self.frames[name]


def read_training_takes(root: str | PathLike[str]) -> Iterator[Captured]:
    """Every take of the ``cmu`` training subjects; the test subjects' files are not opened."""
    files = find_files(Path(root))
    bodies = {subject: read_asf(files[subject]) for subject in SPLITS["train"]}
    for take in takes():
        if take.subject in bodies:
            body = bodies[take.subject]
            yield _capture(take, body, read_amc(files[take.id], body, any_numbers=True).values[::STRIDE])


def _capture(take: Take, body: Body, values: Array) -> Captured:
    joints = world_pose(body, values)
    axes = _axes(body, values)

    def direction(joint: str) -> Array:
        index = SKELETON.index(joint)
        return _unit(joints[:, index] - joints[:, SKELETON.parents[index]])

    left = _unit(joints[:, SKELETON.index("l_hip")] - joints[:, SKELETON.index("r_hip")])
    frames = {"pelvis": _frame(left, axes["pelvis"][:, :, 1]), "torso": axes["torso"]}
    free = np.zeros((len(values), len(CHANNELS)))
    for hinge, limb in HINGES.items():
        upper, lower = (direction(joint) for joint in LIMBS[limb])
        axis = axes[limb][:, :, 0]
        axis = _unit(axis - np.sum(axis * upper, axis=1, keepdims=True) * upper)
        across = np.cross(axis, upper)
        # Which end of the ASF axis is which is a habit of the file: a hinge flexes far more than it extends.
        sign = 1.0 if np.sum(across * lower) > 0 else -1.0
        across *= sign
        frames[limb] = np.stack([sign * axis, -upper, -across], axis=2)
        free[:, columns(hinge).start] = np.arctan2(np.sum(across * lower, axis=1), np.sum(upper * lower, axis=1))

    heading = np.unwrap(np.arctan2(-left[:, 2], left[:, 0]))
    level = np.swapaxes(rotation_about(1, heading), 1, 2) @ frames["pelvis"]
    free[:, columns("roll").start] = np.arctan2(level[:, 1, 0], level[:, 0, 0])
    free[:, columns("pitch").start] = np.unwrap(np.arctan2(level[:, 2, 1], level[:, 2, 2]))
    free[:, columns("turn").start] = np.gradient(heading) * FPS
    ankles = joints[:, [SKELETON.index("l_ankle"), SKELETON.index("r_ankle")], 1].min(axis=1)
    free[:, columns("lift").start] = ankles - np.quantile(ankles, 0.05)
    local = {joint: np.einsum("tji,tj->ti", frames[parent], direction(joint)) for joint, parent in (DIRECTIONS | WELDED).items()}
    return Captured(take, joints, frames, local, free)


def _axes(body: Body, values: Array) -> dict[str, Array]:
    """World axes (T, 3, 3) of the frames in :data:`TURNS_WITH`: probes of 1 mm, welded to the bones, show how these have turned."""
    probes: list[Bone] = []
    for name, carrier in TURNS_WITH.items():
        index = body.index(carrier)
        along = np.eye(3)
        if name in HINGE_OF:
            along = rotation_xyz(body.bones[body.index(HINGE_OF[name])].axis)
        probes += [Bone(f"{name} {k}", index, tuple(along[:, k]), 1.0 / body.mm_per_unit, (0.0, 0.0, 0.0), ()) for k in range(3)]
    ends = forward_kinematics(replace(body, bones=(*body.bones, *probes)), values)
    out = {}
    for place, (name, carrier) in enumerate(TURNS_WITH.items()):
        first = len(body.bones) + 3 * place
        out[name] = np.moveaxis(ends[:, first : first + 3] - ends[:, [body.index(carrier)]], 1, 2)
    return out


def _unit(vectors: Array) -> Array:
    out: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return out


def _frame(x: Array, y: Array) -> Array:
    """Right-handed axes (T, 3, 3): x as given, y as near as that allows."""
    z = _unit(np.cross(x, y))
    return np.stack([x, np.cross(z, x), z], axis=2)


def rotation_vectors(rotations: Array) -> Array:
    """Rotation vectors (T, 3), rad, at most half a turn long, of rotations (T, 3, 3)."""
    from scipy.spatial.transform import Rotation

    out: Array = Rotation.from_matrix(rotations).as_rotvec()
    return out


def swings(directions: Array, rest: Array) -> Array:
    """Swings (T, 2), rad, that bring the third column of ``rest`` (3, 3) to ``directions`` (T, 3)."""
    local = directions @ rest
    sine = np.linalg.norm(local[:, :2], axis=1)
    out: Array = local[:, :2] * (np.arctan2(sine, local[:, 2]) / np.maximum(sine, 1e-12))[:, None]
    return out
