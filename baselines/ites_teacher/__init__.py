"""The teacher of ITES (Xu et al. 2021): a pose dictionary, trained on 2D by reprojection and a rotation-invariance cycle."""

from .method import Teacher, build
from .settings import Settings

__all__ = ["Settings", "Teacher", "build"]
