"""Self-supervised correction at test time: each frame's pose is changed, through weights of its own, to project to its keypoints.

Source: Wang et al. 2019, equations 3 and 4 and the rule below them. For each frame the weights of the copy network (and of the projector)
start as trained, take a few steps on the error of the projection, give the corrected pose, and are discarded.
"""

from __future__ import annotations

import torch

from posebench.base.skeletons import Skeleton

from .corrector import Correction, Corrector
from .keypoints import VisibleKeypoints
from .network import PoseMachineLifter
from .published_corrector import PaperCorrector, ReleasedCorrector
from .settings import Settings

CORRECTORS: dict[str, type[Corrector]] = {"tuned": Corrector, "paper": PaperCorrector, "released": ReleasedCorrector}


def correct(
    lifter: PoseMachineLifter, joints: Skeleton, poses: torch.Tensor, keypoints: VisibleKeypoints, settings: Settings
) -> Correction:
    """Correct the poses of single frames by their own projection.

    Args:
        lifter: trained networks.
        joints: joint order.
        poses: (B, 3 K) of the lifting network, without unit; K is the number of ``lifter.others``.
        keypoints: the frames' keypoints (B, J, 2); hidden joints are left out of the error.
        settings: how to correct; ``correction`` is not ``none``.
    """
    # Tensors made under inference_mode cannot take part in gradients, not even as constants: they are copied outside of it.
    with torch.inference_mode(False), torch.enable_grad():
        poses = poses.double().clone()
        keypoints = VisibleKeypoints(*(values.clone() if values.dtype == torch.bool else values.double().clone() for values in keypoints))
        corrector = CORRECTORS[settings.variant](lifter, joints, settings)
        parts = []
        for first in range(0, len(poses), corrector.at_once):
            part = slice(first, first + corrector.at_once)
            parts.append(corrector.run(poses[part], VisibleKeypoints(*(values[part] for values in keypoints))))
    return Correction(*(torch.cat(values) for values in zip(*parts, strict=True)))
