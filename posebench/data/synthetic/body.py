"""The kinematic body of the ``synthetic`` dataset: joint angles to 17 joint positions relative to the pelvis.

**Convention.** World y up, right-handed, mm; a person who faces +z has the left side at +x. Every segment is placed relative to its
parent's frame by one of three joints: a *ball* (rotation vector, rad, away from a measured rest rotation), a *direction* (the bone's
swing, rad, away from a measured rest direction) or a *hinge* (flexion, rad; 0 is straight, positive bends a knee backwards and an elbow
forwards). Bones are rigid: their lengths are exact in every frame.

Joint angles are the ``channels`` of one frame, in the order of :data:`CHANNELS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import rotation_about, rotation_from_vector
from posebench.base.skeletons import skeleton

Array = npt.NDArray[np.float64]

SKELETON = skeleton("h36m17")

#: Ball joint, and the frame that turns with it, to its parent frame.
BALLS = {"torso": "pelvis", "l_arm": "torso", "r_arm": "torso", "l_leg": "pelvis", "r_leg": "pelvis"}
#: Joint at the far end of a bone that is placed by its direction, to the parent frame.
DIRECTIONS = {
    "spine": "pelvis",
    "thorax": "torso",
    "neck_nose": "torso",
    "head_top": "torso",
}
#: Joint with a fixed direction in its parent frame: shoulders do not move in CMU's skeletons, and differ by person only.
WELDED = {"l_shoulder": "torso", "r_shoulder": "torso"}
#: Hinge joint to the limb whose frame contains its axis.
HINGES = {"l_elbow": "l_arm", "r_elbow": "r_arm", "l_knee": "l_leg", "r_knee": "r_leg"}
#: Limb to its upper and lower bone, each by the joint at its far end.
LIMBS = {
    "l_arm": ("l_elbow", "l_wrist"),
    "r_arm": ("r_elbow", "r_wrist"),
    "l_leg": ("l_knee", "l_ankle"),
    "r_leg": ("r_knee", "r_ankle"),
}

#: ``pitch`` and ``roll`` of the pelvis (rad), ``turn`` of its heading (rad/s), ``lift`` of the lowest ankle off the ground (mm), joints.
CHANNELS = (
    *("pitch", "roll", "turn", "lift"),
    *(f"{name}_{axis}" for name in BALLS for axis in "xyz"),
    *(f"{name}_{axis}" for name in DIRECTIONS for axis in "ab"),
    *HINGES,
)


def columns(name: str) -> slice:
    """Columns of :data:`CHANNELS` of one joint, or of one of ``pitch``, ``roll``, ``turn``, ``lift``."""
    found = [k for k, channel in enumerate(CHANNELS) if channel == name or (channel.rpartition("_")[0] == name and channel not in HINGES)]
    return slice(found[0], found[-1] + 1)


@dataclass(frozen=True, eq=False)
class Shape:
    """The proportions of one person.

    Attributes:
        lengths: joint to the length in mm of the bone that ends there; no entry for the pelvis.
        rest: ball, direction or welded joint to its rest frame (3, 3); the third column is the direction of the bone at rest.
    """

    lengths: dict[str, float]
    rest: dict[str, Array]


def direction(swing: Array, rest: Array) -> Array:
    """Unit vectors (T, 3): the third column of ``rest`` (3, 3) swung by (T, 2) rad towards its first two columns."""
    size = np.linalg.norm(swing, axis=1, keepdims=True)
    out: Array = np.concatenate([swing * np.sinc(size / np.pi), np.cos(size)], axis=1) @ rest.T
    return out


def joints(shape: Shape, channels: Array, heading: Array) -> Array:
    """Joints (T, 17, 3) mm with the pelvis at the origin, from channels (T, D) and the heading (T,) rad about y (0 faces +z)."""

    def angles(name: str) -> Array:
        return channels[:, columns(name)]

    frames = {
        "pelvis": rotation_about(1, heading) @ rotation_about(2, angles("roll")[:, 0]) @ rotation_about(0, angles("pitch")[:, 0]),
    }
    for name, parent in BALLS.items():
        frames[name] = frames[parent] @ shape.rest[name] @ rotation_from_vector(angles(name))

    out = np.zeros((len(channels), len(SKELETON), 3))

    def place(joint: str, along: Array) -> None:
        index = SKELETON.index(joint)
        out[:, index] = out[:, SKELETON.parents[index]] + shape.lengths[joint] * along

    place("l_hip", frames["pelvis"][:, :, 0])
    place("r_hip", -frames["pelvis"][:, :, 0])
    for name, parent in DIRECTIONS.items():
        place(name, np.einsum("tij,tj->ti", frames[parent], direction(angles(name), shape.rest[name])))
    for name, parent in WELDED.items():
        place(name, frames[parent] @ shape.rest[name][:, 2])
    for hinge, limb in HINGES.items():
        upper, lower = LIMBS[limb]
        flexion = angles(hinge)
        straight, bent = -frames[limb][:, :, 1], -frames[limb][:, :, 2]
        place(upper, straight)
        place(lower, np.cos(flexion) * straight + np.sin(flexion) * bent)
    return out
