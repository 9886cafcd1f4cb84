"""Names of rungs, parts, oracles and dimensions, in the order of their tables, and what each does in words."""

from __future__ import annotations

from typing import NamedTuple

#: Rungs of the ladder, in their order.
RUNGS = ("start", "discrete", "set-scale", "clip-scale", "frame-scale", "rotation")
#: Decompositions of the squared error, and the parts of each, in their order.
PARTS: dict[str, tuple[str, ...]] = {
    "pose": ("placement", "size", "rotation", "mirror", "shape"),
    "ray": ("along", "across"),
    "axes": ("x", "y", "z"),
    "bones": ("length", "image-direction", "depth-direction"),
    "time": ("constant", "wander", "motion", "jitter"),
    "body": ("bias", "spread"),
}
#: Kinds of oracles: signs of depth, left and right, rotation about one axis, time, bones, offset by joint, convention of the frame.
KINDS = ("sign", "sides", "rotation", "time", "bones", "offset", "convention")
#: Dimensions along which poses are sliced.
DIMENSIONS = ("action", "camera", "facing", "elevation", "distance", "depth-share", "speed", "bone-depth")

#: Rungs of the ladder: what is done.
RUNG_TEXT = {
    "start": "none: roots at the origin",
    "discrete": "depth negated, left and right exchanged, or both, where that leaves less than half of the squared error",
    "set-scale": "one factor for all poses",
    "clip-scale": "one factor for each clip",
    "frame-scale": "one factor for each pose (N-MPJPE, if no pose needed a discrete fix)",
    "rotation": "rotation and place of each pose (PA-MPJPE, likewise); what is left is articulation",
}
#: The start and the rotation where the file's scale is unknown.
SCALED_START = "one factor for each pose, since the scale is unknown"


class OracleText(NamedTuple):
    """An oracle: its kind (:data:`KINDS`) and what is done."""

    kind: str
    fix: str


ORACLES = {
    "depth-sign": OracleText("sign", "z of the whole pose negated where predicted and true depths disagree (sum of z_P z_G below 0)"),
    "trunk-depth": OracleText("sign", "depth of the trunk's bones negated, likewise"),
    "left-arm-depth": OracleText("sign", "depth of the left arm's bones negated, likewise"),
    "right-arm-depth": OracleText("sign", "depth of the right arm's bones negated, likewise"),
    "left-leg-depth": OracleText("sign", "depth of the left leg's bones negated, likewise"),
    "right-leg-depth": OracleText("sign", "depth of the right leg's bones negated, likewise"),
    "limbs-depth": OracleText("sign", "all five of these at once"),
    "bones-depth": OracleText("sign", "depth of every single bone negated, likewise"),
    "sides-exchanged": OracleText("sides", "left and right exchanged in the poses where that leaves less than half of the squared error"),
    "arms-exchanged": OracleText("sides", "left and right arm exchanged, likewise"),
    "legs-exchanged": OracleText("sides", "left and right leg exchanged, likewise"),
    "elevation": OracleText("rotation", "each pose turned about the image's horizontal"),
    "azimuth": OracleText("rotation", "each pose turned about the image's vertical"),
    "roll": OracleText("rotation", "each pose turned about the line of sight; visible in the image, so it should be near 0"),
    "ray": OracleText("convention", "poses turned from a camera that looks at the person to the camera itself"),
    "jitter": OracleText("time", "the error above 6 Hz removed"),
    "lengths": OracleText("bones", "true length of every bone in every pose, predicted directions"),
    "clip-lengths": OracleText("bones", "true mean length of every bone in the clip, predicted directions"),
    "directions": OracleText("bones", "true directions, predicted lengths"),
    "offset": OracleText("offset", "mean error of each joint in the body frame subtracted, as fitted on the other half of the takes"),
}
