"""A network over time that learns from the tracked poses of an unsupervised lifter, seen from everywhere."""

from .method import CalibratedStudent, build
from .settings import Settings

__all__ = ["CalibratedStudent", "Settings", "build"]
