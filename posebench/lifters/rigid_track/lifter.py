"""Any lifter with smoothed keypoints before it and :func:`posebench.lifters.rigid_track.track.track` behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.lifters import Lifter, LifterInfo
from posebench.lifters.rigid_track.smooth import FILTER, removed, smoothed
from posebench.lifters.rigid_track.track import DEFAULT, Settings, track
from posebench.predictions.provenance import WHOLE_CLIP, Provenance, tracked_recipe

#: What tracking uses besides the lifter's own supervision, in the words of a provenance.
KNOWN = "rigid symmetric body within a clip"


@dataclass(frozen=True)
class Tracked:
    """A lifter that is given smoothed keypoints, and whose poses are tracked over each clip.

    Attributes:
        inner: the lifter; it may average flips itself.
        settings: of the tracker.
    """

    inner: Lifter
    settings: Settings = DEFAULT

    @property
    def info(self) -> LifterInfo:
        """That of the inner lifter; a pose depends on the whole clip, and the provenance says what was added."""
        info = self.inner.info
        made = None if info.provenance is None else tracked_provenance(info.provenance)
        # Without provenance nothing but the name tells it from the lifter itself.
        name = info.id if made else f"{info.id}+track"
        return replace(info, id=name, context=WHOLE_CLIP, provenance=made)

    def lift(self, keypoints: Array, camera: Any) -> Array:
        """Keypoints (T, J, 2) px of one clip to tracked poses (T, J, 3), camera frame, root at the origin, in the inner lifter's unit.

        Raises:
            PosebenchError: no camera, and no nominal one of the inner lifter.
        """
        focal, centre = intrinsics_for(self.inner.info, camera)
        smooth = smoothed(keypoints)
        poses = self.inner.lift(smooth, camera)
        noise = removed(keypoints, smooth) / focal.mean()
        return track(poses, (smooth - centre) / focal, skeleton(self.inner.info.skeleton), self.settings, noise=noise)


def intrinsics_for(info: LifterInfo, camera: Any) -> tuple[Array, Array]:
    """Focal length and centre (2,) px of a clip's camera, or of the lifter's nominal one where the clip has none.

    Raises:
        PosebenchError: neither is known.
    """
    if isinstance(camera, Camera):
        return camera.focal, camera.centre
    if info.nominal_camera is None:
        raise PosebenchError("no camera", "the camera of these keypoints: tracking needs their rays", "leave --track out")
    return np.array(info.nominal_camera[:2]), np.array(info.nominal_camera[2:])


def tracked_provenance(made: Provenance, context: int = WHOLE_CLIP, lag: int | None = None) -> Provenance:
    """The provenance of a lifter, tracked: another recipe and context, smoothed keypoints, calibration at test time.

    Args:
        made: that of the lifter.
        context: the most frames that a pose depends on.
        lag: of a stream, frames; None for whole clips.

    Raises:
        PosebenchError: the lifter works at test time itself.
    """
    before = "" if made.test_time in ("", "none") else made.test_time
    if before:
        found = f"{made.recipe}, which does this at test time: {before}"
        leave = "leave --track out" + (", or --set correction=none" if before.startswith("optimisation") else "")
        raise PosebenchError(found, "a lifter that does nothing at test time", leave)
    return replace(
        made,
        recipe=tracked_recipe(made.recipe, lag),
        context=context,
        online="no",
        test_time="calibration, own clip",
        input_filter=FILTER if made.input_filter in ("", "none") else f"{made.input_filter} + {FILTER}",
        side_information=tuple(dict.fromkeys([*made.side_information, KNOWN])),
    )
