"""Supervised training on pairs made from unpaired poses: the plain reference that a method with unpaired 3D has to beat."""

from .method import HeapPairs, build
from .settings import Settings

__all__ = ["HeapPairs", "Settings", "build"]
