"""The lifter that predicts no depth: the least that a method must beat."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.skeletons import skeleton
from posebench.data.clip import Dataset
from posebench.lifters import LifterInfo

_FLAT = LifterInfo("flat", "h36m17", supervision="none", scale="unknown")


def flat_for(dataset: Dataset | None) -> Flat:
    """The flat lifter for a dataset's skeleton; for ``h36m17`` where there is no dataset."""
    return Flat() if dataset is None else Flat(replace(_FLAT, skeleton=dataset.skeleton))


@dataclass(frozen=True)
class Flat:
    """Zero relative depth under weak perspective: the keypoints themselves, root-relative, with z = 0. Its scale is unknown.

    It lifts any skeleton: ``info.skeleton`` says which.
    """

    info: LifterInfo = _FLAT

    def lift(self, keypoints: Array, camera: Camera | None) -> Array:  # noqa: ARG002 - the interface of all lifters
        """Keypoints (T, J, 2) px of the skeleton to flat poses (T, J, 3) px, root at the origin.

        Example:
            >>> Flat().lift(np.zeros((4, 17, 2)), None).shape
            (4, 17, 3)
        """
        root = list(skeleton(self.info.skeleton).root_indices)
        plane = keypoints - keypoints[:, root].mean(axis=1, keepdims=True)
        return np.concatenate([plane, np.zeros_like(plane[..., :1])], axis=-1)
