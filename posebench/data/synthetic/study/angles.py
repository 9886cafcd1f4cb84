"""Joint angles and stance of poses of 17 joints: the quantities that :mod:`posebench.data.synthetic.study.realism` compares.

**Convention.** World y up, mm; a person who faces +z has the left side at +x. Pelvis and chest have axes left, up and forward: left
along the hips or shoulders, up as close to the spine as possible. *Forwards*, *outwards* and *sideways* are the angle of a bone with the
plane that is normal to that axis, from -90 to 90 degrees.
"""

from __future__ import annotations

import numpy as np

from posebench.data.synthetic.body import SKELETON, Array


def angles(poses: Array) -> dict[str, Array]:
    """Joint angles (N,) in degrees by name, of world poses (N, 17, 3)."""

    def at(joint: str) -> Array:
        out: Array = poses[:, SKELETON.index(joint)]
        return out

    def unit(vector: Array) -> Array:
        out: Array = vector / np.linalg.norm(vector, axis=1, keepdims=True)
        return out

    def between(a: Array, b: Array) -> Array:
        out: Array = np.degrees(np.arccos(np.clip(np.sum(unit(a) * unit(b), axis=1), -1.0, 1.0)))
        return out

    def towards(a: Array, axis: Array) -> Array:
        return 90.0 - between(a, axis)

    def frame(left: Array, up: Array) -> tuple[Array, Array, Array]:
        forward = unit(np.cross(left, up))
        return unit(left), np.cross(forward, unit(left)), forward

    vertical = np.broadcast_to((0.0, 1.0, 0.0), poses[:, 0].shape)
    hips = frame(at("l_hip") - at("r_hip"), at("spine") - at("pelvis"))
    chest = frame(at("l_shoulder") - at("r_shoulder"), at("thorax") - at("spine"))
    out = {
        "pelvis lean": between(at("spine") - at("pelvis"), vertical),
        "pelvis tilt forwards": towards(at("spine") - at("pelvis"), unit(hips[2] * (1.0, 0.0, 1.0))),
        "pelvis tilt sideways": towards(hips[0], vertical),
        "chest lean": between(at("thorax") - at("spine"), vertical),
        "chest over pelvis forwards": towards(chest[1], hips[2]),
        "chest over pelvis sideways": towards(chest[1], hips[0]),
        "chest over pelvis twist": towards(chest[0], hips[2]),
        "neck forwards": towards(at("neck_nose") - at("thorax"), chest[2]),
        "neck sideways": towards(at("neck_nose") - at("thorax"), chest[0]),
        "head forwards": towards(at("head_top") - at("neck_nose"), chest[2]),
        "head sideways": towards(at("head_top") - at("neck_nose"), chest[0]),
    }
    for side, sign in (("l", 1.0), ("r", -1.0)):
        arm, thigh = at(f"{side}_elbow") - at(f"{side}_shoulder"), at(f"{side}_knee") - at(f"{side}_hip")
        out[f"{side} upper arm raised"] = between(arm, -chest[1])
        out[f"{side} upper arm forwards"] = towards(arm, chest[2])
        out[f"{side} upper arm outwards"] = towards(arm, sign * chest[0])
        out[f"{side} elbow flexion"] = between(at(f"{side}_wrist") - at(f"{side}_elbow"), arm)
        out[f"{side} thigh raised"] = between(thigh, -hips[1])
        out[f"{side} thigh forwards"] = towards(thigh, hips[2])
        out[f"{side} thigh outwards"] = towards(thigh, sign * hips[0])
        out[f"{side} knee flexion"] = between(at(f"{side}_ankle") - at(f"{side}_knee"), thigh)
    return out


def stance(poses: Array) -> dict[str, Array]:
    """Distances (N,) mm by name, of world poses (N, 17, 3): what no single angle shows, such as feet at different heights."""
    left, right = poses[:, SKELETON.index("l_ankle")], poses[:, SKELETON.index("r_ankle")]
    centre_over_feet = poses.mean(axis=1) - (left + right) / 2
    hands = poses[:, [SKELETON.index("l_wrist"), SKELETON.index("r_wrist")]]
    trunk = poses[:, [SKELETON.index("pelvis"), SKELETON.index("spine"), SKELETON.index("thorax")]]
    return {
        "height difference of the feet": np.abs(left[:, 1] - right[:, 1]),
        "distance of the feet": np.linalg.norm((left - right)[:, [0, 2]], axis=1),
        "body's centre to the feet's, horizontal": np.linalg.norm(centre_over_feet[:, [0, 2]], axis=1),
        "pelvis above the lower ankle": poses[:, 0, 1] - np.minimum(left[:, 1], right[:, 1]),
        "distance of the hands": np.linalg.norm(hands[:, 0] - hands[:, 1], axis=1),
        "nearest of hands and trunk": np.linalg.norm(hands[:, :, None] - trunk[:, None], axis=3).min(axis=(1, 2)),
    }
