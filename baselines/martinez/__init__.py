"""Martinez et al. 2017: a residual network from one frame's 2D joints to its 3D joints, trained on pairs."""

from .method import Martinez, Settings, build

__all__ = ["Martinez", "Settings", "build"]
