"""Mehraban, Adeli, Taati 2024 (MotionAGFormer): attention and graph convolutions side by side, over joints and over frames."""

from .method import MotionAGFormer, build
from .settings import Settings

__all__ = ["MotionAGFormer", "Settings", "build"]
