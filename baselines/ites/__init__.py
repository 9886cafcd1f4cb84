"""The student of ITES (Xu et al. 2021): a graph network, taught by a frozen teacher and by rotations about the vertical."""

from .method import Student, build
from .settings import Settings

__all__ = ["Settings", "Student", "build"]
