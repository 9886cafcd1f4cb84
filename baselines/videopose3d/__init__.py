"""Pavllo et al. 2019 (VideoPose3D): dilated convolutions over time from keypoints to poses, trained on pairs of keypoints and poses."""

from .method import VideoPose3D, build
from .settings import Settings

__all__ = ["Settings", "VideoPose3D", "build"]
