"""Martinez et al. 2017: a residual network from one frame's 2D joints to its 3D joints, trained on pairs of keypoints and poses."""

from .method import Martinez, build
from .settings import Settings

__all__ = ["Martinez", "Settings", "build"]
