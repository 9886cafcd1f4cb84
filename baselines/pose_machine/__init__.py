"""The lifting part of 3D Human Pose Machines (Wang et al. 2019): poses from sequences, corrected by their own projection."""

from .method import PoseMachine, build
from .settings import Settings

__all__ = ["PoseMachine", "Settings", "build"]
