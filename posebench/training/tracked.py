"""A teacher whose poses of the training clips are tracked: each clip as one rigid body, with how sure its depths are.

**Convention.** As behind ``posebench predict --track``: keypoints are smoothed, lifted with flip averaging, and tracked
(:mod:`posebench.lifters.rigid_track`). Nothing but the clip's own keypoints is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posebench.lifters.rigid_track.signs import margins
from posebench.lifters.rigid_track.smooth import removed, smoothed
from posebench.lifters.rigid_track.track import Array, Settings, signs_of, track
from posebench.networks.method import Method
from posebench.networks.mirror import mirrored
from posebench.networks.samples import TrainingData


@dataclass
class _Watched:
    """The tracker's choice of signs; keeps the margins of each bone by the name of the joint at its end."""

    margins: dict[str, Array] = field(default_factory=dict)

    def __call__(self, values: Array, costs: Array, settings: Settings, children: list[str]) -> npt.NDArray[np.intp]:
        found = margins(values, costs, settings.acceleration, settings.most_acceleration)
        found[np.ptp(values, axis=2) < settings.lifted] = np.inf
        self.margins |= dict(zip(children, found, strict=True))
        return signs_of(values, costs, settings, children)


def tracked_frames(method: Method, data: TrainingData) -> tuple[Tensor, Tensor]:
    """A method's poses of every training frame, tracked clip by clip, and their margins.

    Returns:
        Poses (N, J, 3), camera frame, root at the origin, in the method's unit; and margins (N, J) of the bones that end in the joints: how
        much more the cheapest track with the bone's other place would cost. Infinite where a joint keeps the method's depth and where
        both places are alike; 0 in clips that cannot be tracked.
    """
    swap, joints = list(data.skeleton.mirror), data.skeleton
    poses, sure = torch.empty(*data.keypoints.shape[:2], 3), torch.full(data.keypoints.shape[:2], torch.inf)
    for first in torch.unique(data.first).tolist():
        clip = slice(first, int(data.last[first]) + 1)
        seen = data.keypoints[clip].double().cpu().numpy()
        smooth = smoothed(seen)
        given = torch.from_numpy(smooth).to(data.keypoints)
        with torch.inference_mode():
            lifted = 0.5 * (method.lift(given) + mirrored(method.lift(mirrored(given, swap)), swap))
        signs = _Watched()
        tracked = track(lifted.double().cpu().numpy(), smooth, joints, noise=removed(seen, smooth), signs=signs)
        poses[clip] = torch.from_numpy(tracked).float()
        if not signs.margins:
            sure[clip] = 0.0
        for child, found in signs.margins.items():
            sure[clip, joints.index(child)] = torch.from_numpy(found).float()
    return poses.to(data.keypoints.device), sure.to(data.keypoints.device)
