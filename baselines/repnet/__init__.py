"""RepNet (Wandt and Rosenhahn 2019): lifting by adversarial reprojection, from 2D poses and unpaired 3D poses."""

from .method import RepNet, build
from .settings import Settings

__all__ = ["RepNet", "Settings", "build"]
