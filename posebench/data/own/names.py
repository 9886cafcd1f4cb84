"""Which points of a file are which joints of ``h36m17``, by the names that programs of motion capture give them.

**Convention.** Upper and lower case, blanks and signs do not count. The pelvis is the middle of the hips, as in Human3.6M. Markers lie on
the skin: what is made of them is near a joint, and the card says of which.

Sources: names in files of MotionBuilder and Mixamo (``LeftUpLeg``), the CMU conversions (``LHipJoint``), Rokoko and Xsens (``LeftThigh``),
OpenSim (``LHip``), and the markers of Vicon's Plug-in Gait (``LASI``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Joint without its side, to names without their side; the first that a file has. Several joined by + are averaged.
SIDED = {
    "hip": ("upleg", "thigh", "upperleg", "hip", "hjc", "asi+psi", "asis+psis"),
    "knee": ("leg", "shin", "calf", "lowerleg", "knee", "kjc", "kne"),
    "ankle": ("foot", "ankle", "ajc", "ank"),
    "shoulder": ("arm", "upperarm", "uparm", "shoulder", "sjc", "sho"),
    "elbow": ("forearm", "lowerarm", "elbow", "ejc", "elb"),
    "wrist": ("hand", "wrist", "wjc", "wra+wrb"),
}
#: The same for joints in the middle.
MIDDLE = {
    "spine": ("spine", "spine_mid", "abdomen", "torso", "spine1", "chest", "strn+t10"),
    "thorax": ("thorax", "neck", "neckbase", "c7+clav"),
    "neck_nose": ("neck_nose", "nose", "head", "neck1"),
    "head_top": ("head_top", "headtop", "head_end", "headend", "headsite", "headtopend", "topofhead"),
}
_SIDES = {"l": ("left", "l"), "r": ("right", "r")}


def guessed(labels: Sequence[str]) -> dict[str, list[str]]:
    """Joints of ``h36m17`` to the points of a file that they are made of, for those that its names tell.

    Example:
        >>> guessed(["LeftUpLeg", "RightUpLeg", "Head", "Head_end"])["pelvis"]
        ['LeftUpLeg', 'RightUpLeg']
    """
    plain: dict[str, str] = {}
    for label in labels:
        plain.setdefault(_plain(label), label)
    found: dict[str, list[str]] = {}
    for joint, names in MIDDLE.items():
        if points := _first([[_plain(part) for part in name.split("+")] for name in names], plain):
            found[joint] = points
    for side, prefixes in _SIDES.items():
        for joint, names in SIDED.items():
            ways = [
                [form.format(prefix, part) for part in name.split("+")]
                for name in names
                for prefix in prefixes
                for form in ("{0}{1}", "{1}{0}")
            ]
            if points := _first(ways, plain):
                found[f"{side}_{joint}"] = points
    if "l_hip" in found and "r_hip" in found:
        found["pelvis"] = [*found["l_hip"], *found["r_hip"]]
    return found


def _first(ways: Sequence[Sequence[str]], plain: dict[str, str]) -> list[str]:
    return next(([plain[part] for part in way] for way in ways if all(part in plain for part in way)), [])


def _plain(label: str) -> str:
    """A label without its namespace, signs and case: ``mixamorig:LeftUp_Leg`` is ``leftupleg``."""
    return re.sub(r"[^a-z0-9]", "", label.rpartition(":")[2].lower())
