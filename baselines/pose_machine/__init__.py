"""Wang et al. 2019: 3D Human Pose Machines, the lifting part: poses from sequences, corrected by their own projection."""

from .method import PoseMachine, build
from .settings import Settings

__all__ = ["PoseMachine", "Settings", "build"]
