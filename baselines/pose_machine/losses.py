"""Loss terms of the pose machine, without their weights; each is a mean over the frames with known targets.

**Convention.** Windows (B, W, ...). ``known`` (B, W) marks frames whose 3D is known. Equations of Wang et al. 2019.
"""

from __future__ import annotations

from torch import Tensor

from posebench.base.skeletons import Skeleton

from .network import PoseMachineLifter

#: Distances are in units of this many mm, so that a step has the same order of magnitude as under squared errors.
UNIT = 100.0


def masked_mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of ``values`` (...) where ``counted`` (...); 0 if none is."""
    return (values * counted).sum() / counted.sum().clamp_min(1)


def pose_loss(error: Tensor, deviation: Tensor, known: Tensor, loss: str) -> Tensor:
    """Equation 6: error of the joints.

    Args:
        error: (B, W, J - 1, 3), without unit.
        deviation: (J - 1, 3) mm, the unit of each of these numbers.
        known: (B, W).
        loss: ``squared``: mean square, as in the paper; ``distance``: mean Euclidean distance in units of 100 mm.
    """
    if loss == "squared":
        return masked_mean(error.square().mean(dim=(-1, -2)), known)
    return masked_mean((error * deviation / UNIT).norm(dim=-1).mean(dim=-1), known)


def bone_loss(error: Tensor, lifter: PoseMachineLifter, joints: Skeleton, known: Tensor, loss: str) -> Tensor:
    """The same error of the vectors from parents to children, in 100 mm; ``SkelVector`` in the official code."""
    error_mm = lifter.with_root(error * lifter.pose.deviation)
    parents, children = zip(*joints.bones, strict=True)
    bones = (error_mm[..., children, :] - error_mm[..., parents, :]) / UNIT
    values = bones.square().mean(dim=(-1, -2)) if loss == "squared" else bones.norm(dim=-1).mean(dim=-1)
    return masked_mean(values, known)


def velocity_loss(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean distance of the changes from frame to frame of poses (B, W, J - 1, 3) mm, where both frames are known; not in the paper."""
    error = predicted - target
    return masked_mean(((error[:, 1:] - error[:, :-1]) / UNIT).norm(dim=-1).mean(dim=-1), known[:, 1:] & known[:, :-1])


def projection_loss(view: Tensor, target: Tensor, counted: Tensor, frames: Tensor) -> Tensor:
    """Second term of equation 2, and equation 7: mean square of the projection's error.

    Args:
        view: (B, W, 2 (J - 1)) projected keypoints, standardised.
        target: (B, W, J - 1, 2) the input keypoints, standardised.
        counted: (B, W, J - 1) joints that count.
        frames: (B, W) frames that count.
    """
    squares = (view.unflatten(-1, target.shape[-2:]) - target).square().sum(dim=-1)
    return masked_mean(squares, counted & frames[..., None])
