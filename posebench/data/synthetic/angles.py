"""Joint angles of captured CMU takes: the inverse of :mod:`posebench.data.synthetic.body`, used to measure its statistics.

**Convention.** As in the body: world y up, mm, rad. Takes are read at 60 Hz, half the rate of the capture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from posebench.base.cameras import rotation_about, rotation_xyz
from posebench.data.cmu.acclaim import Body, Bone, forward_kinematics
from posebench.data.cmu.amc import read_amc
from posebench.data.cmu.asf import read_asf
from posebench.data.cmu.dataset import SPLITS, Take, find_files, takes, world_pose
from posebench.data.synthetic.body import BALLS, CHANNELS, DIRECTIONS, HINGES, LIMBS, SKELETON, WELDED, Array, columns

STRIDE = 2
FPS = 60.0

#: Frame of the body to the ASF bone that turns with it.
CARRIERS = {
    "pelvis": "root",
    "torso": "thorax",
    "l_arm": "lhumerus",
    "r_arm": "rhumerus",
    "l_leg": "lfemur",
    "r_leg": "rfemur",
}
#: Limb to the ASF bone whose first axis is the axis of the hinge.
HINGE_OF = {"l_arm": "lradius", "r_arm": "rradius", "l_leg": "ltibia", "r_leg": "rtibia"}


@dataclass(frozen=True, eq=False)
class Captured:
    """One captured take, expressed in the frames of the body.

    Attributes:
        take: subject, trial and action.
        joints: (T, 17, 3) mm, world.
        frames: ``pelvis`` or ball joint to its frame (T, 3, 3), axes in the world as columns.
        directions: joint to the unit direction (T, 3) of its bone in the parent frame.
        free: (T, D), the channels that do not refer to a rest pose: pelvis and hinges. The other columns are 0.
    """

    take: Take
    joints: Array
    frames: dict[str, Array]
    directions: dict[str, Array]
    free: Array

    def relative(self, name: str) -> Array:
        """The frame (T, 3, 3) of a ball joint relative to its parent frame."""
        return np.swapaxes(self.frames[BALLS[name]], 1, 2) @ self.frames[name]


def read_training_takes(root: str | PathLike[str]) -> Iterator[Captured]:
    """Every take of the ``cmu`` training subjects; files of the test subjects are not opened."""
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
        # The sign of an ASF axis differs between files. A hinge flexes far more than it extends, so flexion is taken to be positive.
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
    """World axes (T, 3, 3) of the frames in :data:`CARRIERS`.

    Three bones of 1 mm, one per axis, are added to each carrier; their ends after forward kinematics give the axes.
    """
    probes: list[Bone] = []
    for name, carrier in CARRIERS.items():
        index = body.index(carrier)
        along = np.eye(3)
        if name in HINGE_OF:
            along = rotation_xyz(body.bones[body.index(HINGE_OF[name])].axis)
        probes += [Bone(f"{name} {k}", index, tuple(along[:, k]), 1.0 / body.mm_per_unit, (0.0, 0.0, 0.0), ()) for k in range(3)]
    ends = forward_kinematics(replace(body, bones=(*body.bones, *probes)), values)
    out = {}
    for place, (name, carrier) in enumerate(CARRIERS.items()):
        first = len(body.bones) + 3 * place
        out[name] = np.moveaxis(ends[:, first : first + 3] - ends[:, [body.index(carrier)]], 1, 2)
    return out


def _unit(vectors: Array) -> Array:
    out: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return out


def _frame(x: Array, y: Array) -> Array:
    """Right-handed axes (T, 3, 3) as columns: x as given, y as close to the given one as possible."""
    z = _unit(np.cross(x, y))
    return np.stack([x, np.cross(z, x), z], axis=2)


def rotation_vectors(rotations: Array) -> Array:
    """Rotation vectors (T, 3), rad, of length at most pi, of rotations (T, 3, 3)."""
    from scipy.spatial.transform import Rotation

    out: Array = Rotation.from_matrix(rotations).as_rotvec()
    return out


def swings(directions: Array, rest: Array) -> Array:
    """Swings (T, 2), rad, that turn the third column of ``rest`` (3, 3) to ``directions`` (T, 3).

    The inverse of :func:`posebench.data.synthetic.body.direction`.
    """
    local = directions @ rest
    sine = np.linalg.norm(local[:, :2], axis=1)
    out: Array = local[:, :2] * (np.arctan2(sine, local[:, 2]) / np.maximum(sine, 1e-12))[:, None]
    return out
