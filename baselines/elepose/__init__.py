"""Wandt, Little, Rhodin 2022 (ElePose): depths and the camera's elevation from 2D alone, judged by a normalising flow over 2D poses."""

from .method import ElePose, build
from .settings import Settings

__all__ = ["ElePose", "Settings", "build"]
