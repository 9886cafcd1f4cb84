"""Changes of training poses: axes along gravity, and bones of other lengths.

**Convention.** Camera frames have x right, y down, z forward; rotations (B, 3, 3) act on column vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posebench.base.skeletons import Skeleton


def levelled(up: Tensor) -> Tensor:
    """The shortest rotations (B, 3, 3) that turn directions (B, 3) of unit length to the camera's own up, (0, -1, 0).

    A direction that points straight down has no shortest rotation; its result is half a turn about x.
    """
    x, y, z = up.unbind(dim=-1)
    # Rodrigues' formula for the axis up x (0, -1, 0) and the cosine -y.
    scale = 1.0 / (1.0 - y).clamp_min(1e-6)
    turn = torch.stack(
        [
            torch.stack([1.0 - x * x * scale, x, -x * z * scale], dim=-1),
            torch.stack([-x, -y, -z], dim=-1),
            torch.stack([-x * z * scale, z, 1.0 - z * z * scale], dim=-1),
        ],
        dim=-2,
    )
    half_turn = turn.new_tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    return torch.where((y > 1.0 - 1e-6)[:, None, None], half_turn, turn)


def scaled_bones(poses: Tensor, joints: Skeleton, reach: float) -> Tensor:
    """Poses (B, ..., J, 3) with bones of other lengths: each factor is drawn once for each of the B, from 1 - ``reach`` to 1 + ``reach``.

    Bones that mirror each other share their factor. Joints without a parent stay where they are.
    """
    position = {bone: n for n, bone in enumerate(joints.bones)}
    partner = [min(n, position.get((joints.mirror[a], joints.mirror[b]), n)) for n, (a, b) in enumerate(joints.bones)]
    factors = (1.0 + reach * (2.0 * torch.rand(len(poses), len(partner), device=poses.device, dtype=poses.dtype) - 1.0))[:, partner]
    placed: dict[int, Tensor] = {joint: poses[..., joint, :] for joint, parent in enumerate(joints.parents) if parent < 0}
    waiting = list(enumerate(joints.bones))
    while waiting:
        n, (parent, child) = waiting.pop(0)
        if parent in placed:
            placed[child] = placed[parent] + factors[:, n].reshape(-1, *[1] * (poses.ndim - 2)) * (
                poses[..., child, :] - poses[..., parent, :]
            )
        else:
            waiting.append((n, (parent, child)))
    return torch.stack([placed[joint] for joint in range(len(joints))], dim=-2)
