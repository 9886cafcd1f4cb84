"""Chen et al. 2019: lifting without any 3D pose, by self-consistency under random views and discriminators of 2D poses."""

from .method import Chen2019, build
from .settings import Settings

__all__ = ["Chen2019", "Settings", "build"]
