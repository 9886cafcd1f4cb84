"""Loss terms of the pose machine; each is a mean over the frames that it is told to count."""

from __future__ import annotations

from torch import Tensor

from posebench.base.skeletons import Skeleton

from .network import Lifter

#: Distances are counted in this many mm, so that a step is of the same order as under squared errors.
UNIT = 100.0


def over(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of ``values`` (...) where ``counted`` (...); 0 where nothing is."""
    return (values * counted).sum() / counted.sum().clamp_min(1)


def pose_error(error: Tensor, deviation: Tensor, known: Tensor, loss: str) -> Tensor:
    """``distance``: mean distance of joints; ``squared``: mean square. Of errors (B, W, J - 1, 3) without unit, where ``known`` (B, W)."""
    if loss == "squared":
        return over(error.square().mean(dim=(-1, -2)), known)
    return over((error * deviation / UNIT).norm(dim=-1).mean(dim=-1), known)


def bone_error(error: Tensor, lifter: Lifter, joints: Skeleton, known: Tensor, loss: str) -> Tensor:
    """The same of the vectors from parents to children: of ``SkelVector`` in the paper's code."""
    whole = lifter.whole(error * lifter.pose.deviation)
    parents, children = zip(*joints.bones, strict=True)
    lines = (whole[..., children, :] - whole[..., parents, :]) / UNIT
    values = lines.square().mean(dim=(-1, -2)) if loss == "squared" else lines.norm(dim=-1).mean(dim=-1)
    return over(values, known)


def velocity_error(told: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Mean distance of the changes from frame to frame of poses (B, W, J - 1, 3) mm, both frames known."""
    error = told - wanted
    return over(((error[:, 1:] - error[:, :-1]) / UNIT).norm(dim=-1).mean(dim=-1), known[:, 1:] & known[:, :-1])


def projection_error(view: Tensor, wanted: Tensor, counted: Tensor, frames: Tensor) -> Tensor:
    """Mean square of views (B, W, 2 (J - 1)) against (B, W, J - 1, 2), over counted joints (B, W, J - 1) of counted frames (B, W)."""
    squares = (view.unflatten(-1, wanted.shape[-2:]) - wanted).square().sum(dim=-1)
    return over(squares, counted & frames[..., None])
