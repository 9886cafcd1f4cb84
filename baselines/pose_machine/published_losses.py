"""Loss terms as published, without their weights: sums of squares over all numbers of a frame, divided by twice the number of frames.

**Convention.** Poses in min-max units, views in sides of the person's box; frames in rows. Source: Caffe's ``EuclideanLoss`` and the
authors' ``SkelVectorLoss``. Equations of Wang et al. 2019.
"""

from __future__ import annotations

from torch import Tensor

from posebench.base.skeletons import Skeleton


def half_square(error: Tensor, counted: Tensor | None = None) -> Tensor:
    """Equations 2, 6 and 7, each term: errors (N, J, D) of N frames to one number; joints not ``counted`` (N, J) have none."""
    squares = error.square() if counted is None else error.square() * counted[..., None]
    return squares.sum() / (2 * max(len(error), 1))


def bone_half_square(error: Tensor, joints: Skeleton, counted: Tensor | None = None) -> Tensor:
    """The same of the vectors from joints to their parents; a bone counts if both of its joints do."""
    parents, children = map(list, zip(*joints.bones, strict=True))
    both = None if counted is None else counted[:, children] & counted[:, parents]
    return half_square(error[:, children] - error[:, parents], both)
