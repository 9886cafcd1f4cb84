"""The choice between a pose and its depth flip without truth: by the cameras' tilt or by how limbs bend, with votes over time.

**Convention.** Points (B, J, 3) relative to the root in the axes of a camera that looks at it, x right, y down, z forward. In the depth
flip of a pose the relative depths are negated and joints stay on their rays, so that both have the same projection. A rule gives
each pose a number, its *evidence*; of pose and flip the one with more evidence is kept. A rule uses side information, which a method must
declare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from posebench.base.skeletons import Skeleton
from posebench.networks.root_camera import RootCamera
from posebench.networks.views import look_at_root

RULES = ("none", "tilt", "bends")
#: Upper joint, bending joint, lower joint, pair of joints that gives the bending axis, and the direction in which the joint bends.
LIMBS = (("hip", "knee", "ankle", "hip", 1.0), ("shoulder", "elbow", "wrist", "shoulder", -1.0))
#: Pairs of left and right joints that are about level most of the time.
LEVEL = ("hip", "shoulder")


@dataclass(frozen=True)
class DepthFlip:
    """A rule for choosing between pose and depth flip, and the number of frames that vote.

    Attributes:
        joints: of the poses.
        rule: ``none`` keeps every pose as it is; ``tilt``: bodies stand upright and hips and shoulders are level on average, and cameras
            look down by ``tilt``; ``bends``: knees bend forwards, elbows backwards.
        tilt: degrees by which the cameras look down, for ``tilt``.
        votes: frames whose evidence is summed, an odd number; 1 for each frame alone. Neighbours are compared first, to find out
            whether their depths have the same sign.
    """

    joints: Skeleton
    rule: str = "none"
    tilt: float = 0.0
    votes: int = 1

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"flip = {self.rule!r}; it must be one of {', '.join(RULES)}")
        if self.votes < 1 or self.votes % 2 == 0:
            raise ValueError(f"votes = {self.votes}; it must be an odd number of frames, 1 for each frame alone")
        if self.rule == "tilt" and not self.tilt:
            raise ValueError("flip = 'tilt' needs to know the tilt: flip_tilt = 6.2, say, in degrees")
        if self.rule == "none" and self.votes > 1:
            raise ValueError(f"votes = {self.votes}, and no rule to vote by; flip must be one of {', '.join(RULES[1:])}")

    @property
    def side_information(self) -> tuple[str, ...]:
        """The side information that the rule uses."""
        known = {"tilt": f"cameras look down by {self.tilt:g} degrees on average", "bends": "knees bend forwards, elbows backwards"}
        return (known[self.rule],) if self.rule in known else ()

    def signs(self, keypoints: Tensor, image: Tensor, depth: Tensor, camera: RootCamera) -> Tensor:
        """Signs (T, 1) by which to multiply each frame's depths: 1 keeps them, -1 flips them.

        Args:
            keypoints: (T, J, 2), unit focal length.
            image: (T, J, 2) their scaled view.
            depth: (T, J) predicted, relative to the root.
            camera: the root camera of the view.
        """
        if self.rule == "none":
            return torch.ones_like(depth[:, :1])
        evidence: Callable[[Tensor], Tensor]
        if self.rule == "bends":
            evidence = self._bends
        else:
            down = look_at_root(keypoints, camera.root, self.tilt).down

            def evidence(points: Tensor) -> Tensor:
                return self._upright(points, down)

        preference = evidence(camera.on_rays(image, depth)) - evidence(camera.on_rays(image, -depth))
        if self.votes > 1:
            preference = vote(preference, depth, self.votes)
        return torch.where(preference < 0, -1.0, 1.0)[:, None]

    def _bends(self, points: Tensor) -> Tensor:
        """How far knees bend forwards and elbows backwards, (B,): sum of the sines of the bends about the axis across the body."""
        total = points.new_zeros(len(points))
        for upper, joint, lower, across, sign in LIMBS:
            line = self._line(points, f"r_{across}", f"l_{across}")
            for side in "lr":
                above = self._line(points, f"{side}_{upper}", f"{side}_{joint}")
                below = self._line(points, f"{side}_{joint}", f"{side}_{lower}")
                total = total + sign * (torch.linalg.cross(above, below) * line).sum(dim=-1)
        return total

    def _upright(self, points: Tensor, down: Tensor) -> Tensor:
        """How upright and level a pose is, (B,): minus the squared sines of its deviations from that."""
        zero = torch.zeros_like(down)
        up = torch.stack([zero, -down.cos(), -down.sin()], dim=-1)
        ankles = (points[:, self.joints.index("l_ankle")] + points[:, self.joints.index("r_ankle")]) / 2.0
        head = next(name for name in ("head_top", "neck_nose", "thorax") if name in self.joints.joints)
        body = _unit(points[:, self.joints.index(head)] - ankles)
        # Leaning sideways is no evidence about depth, but the flip does not change it either.
        deviation = 1.0 - (body * up).sum(dim=-1).square() * (body * up).sum(dim=-1).sign()
        for name in LEVEL:
            deviation = deviation + (self._line(points, f"r_{name}", f"l_{name}") * up).sum(dim=-1).square()
        return -deviation

    def _line(self, points: Tensor, start: str, end: str) -> Tensor:
        return _unit(points[:, self.joints.index(end)] - points[:, self.joints.index(start)])


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    return unit


def vote(preference: Tensor, depth: Tensor, votes: int) -> Tensor:
    """Evidence (T,) for the sign of each frame's depths (T, J), summed over the ``votes`` frames about it, fewer at a clip's ends.

    A neighbour whose depths have the other sign votes with the other sign. Relative signs are followed from frame to frame by the
    correlation of the depths.

    Example:
        >>> depth = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]])
        >>> vote(torch.tensor([3.0, 1.0, 1.0]), depth, 3).tolist()
        [2.0, -3.0, 0.0]
    """
    centred = depth - depth.mean(dim=1, keepdim=True)
    same = torch.where((centred[1:] * centred[:-1]).sum(dim=1) < 0, -1.0, 1.0)
    sign = torch.cat([torch.ones_like(preference[:1]), same.cumprod(dim=0)])
    total = torch.cat([torch.zeros_like(preference[:1]), (sign * preference).double().cumsum(dim=0).to(preference.dtype)])
    frame = torch.arange(len(preference), device=preference.device)
    first, behind = (frame - votes // 2).clamp_min(0), (frame + votes // 2 + 1).clamp_max(len(preference))
    return sign * (total[behind] - total[first])
