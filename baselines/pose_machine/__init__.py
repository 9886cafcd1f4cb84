"""The lifting part of 3D Human Pose Machines (Wang et al. 2019): poses from sequences, corrected by their own projection."""

from posebench.base.skeletons import skeleton

from .method import PoseMachine
from .published_method import PublishedMachine
from .settings import Settings

__all__ = ["PoseMachine", "PublishedMachine", "Settings", "build"]


def build(settings: Settings, skeleton_id: str) -> PoseMachine:
    """The untrained method.

    Raises:
        PosebenchError: no such skeleton.
    """
    kind = PoseMachine if settings.variant == "tuned" else PublishedMachine
    return kind(settings, skeleton(skeleton_id))
