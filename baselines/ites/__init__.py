"""The student of ITES (Xu et al. 2021): a graph network trained on a frozen teacher's depths and an equivariance cycle."""

from .method import Student, build
from .settings import Settings

__all__ = ["Settings", "Student", "build"]
