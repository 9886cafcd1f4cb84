"""The lifter that sees no depth: what a method must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton


@dataclass(frozen=True)
class Flat:
    """Zero relative depth under weak perspective: the keypoints themselves, root-relative, with z = 0. Its scale is unknown."""

    id: str = "flat"
    skeleton: str = "h36m17"
    supervision: str = "none"
    scale: str = "unknown"
    context: int = 1
    flip_averaging: bool = False

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:  # noqa: ARG002 - the interface of all lifters
        """Keypoints (T, J, 2) px to flat poses (T, J, 3) px, root at the origin.

        Example:
            >>> Flat().lift(np.zeros((4, 17, 2)), None).shape
            (4, 17, 3)
        """
        root = list(skeleton(self.skeleton).root_indices)
        plane = keypoints - keypoints[:, root].mean(axis=1, keepdims=True)
        return np.concatenate([plane, np.zeros_like(plane[..., :1])], axis=-1)
