"""RepNet: lifting by adversarial reprojection, from 2D poses and 3D poses that do not belong together."""

from .method import RepNet, build
from .settings import Settings

__all__ = ["RepNet", "Settings", "build"]
