"""The 2.5D image space in which MotionBERT, MotionAGFormer and mmpose's MotionBERT are scored, and what the truth contributes to it.

**Convention.** A pose in this space has the projected x and y of each joint in pixels, without lens distortion, times the true
millimetres per pixel at the depth of the root, and its depth behind the root in millimetres. So it is in millimetres, but perspective is
left in x and y: on people up to 1.2 m beside the optical axis at 4 to 6 m it lies 35 mm from the pose in the camera frame.

Millimetres per pixel are 2000 / (2000 f / Z + 1): a square of 2 m at the root's depth Z, with one pixel added. They need the **true** depth
of the root in each frame, which no lifter knows: an oracle of scale. Both truth and prediction are multiplied by it.

Sources: Walter0807/MotionBERT ``train.py`` (evaluate: ``pred *= factor``), open-mmlab/mmpose ``codecs/utils/camera_image_projection.py``
(the factor), which follows LCN's data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera

Array = npt.NDArray[np.float64]

#: What a prediction file states as its ``frame`` if its poses are in this space already.
IMAGE_SPACE = "image-2.5d"


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """The space of the frames of one clip.

    Attributes:
        camera: of the clip; its distortion is not used.
        root: (T, 3) mm, the true root in the camera frame: the oracle.
    """

    camera: Camera
    root: Array

    @classmethod
    def of(cls, camera: Camera, truth: npt.NDArray[np.floating], root: tuple[int, ...]) -> ImageSpace:
        """The space of a clip from its true poses (T, J, 3) mm, absolute, camera frame, and the joints whose mean is the root."""
        return cls(camera, np.asarray(truth[:, list(root)], dtype=np.float64).mean(axis=1))

    def at(self, rows: npt.NDArray[np.int64]) -> ImageSpace:
        """The space of some frames of the clip."""
        return ImageSpace(self.camera, self.root[rows])

    @property
    def mm_per_pixel(self) -> Array:
        """(T,) mm per px at the depth of the root: MotionBERT's ``2.5d_factor``."""
        out: Array = 2000.0 / (2000.0 * self.camera.focal[0] / self.root[:, 2] + 1.0)
        return out

    def of_absolute(self, poses: npt.NDArray[np.floating]) -> Array:
        """Absolute poses (..., T, J, 3) mm, camera frame, in this space."""
        poses = np.asarray(poses, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = self.camera.focal * (poses[..., :2] / poses[..., 2:]) + self.camera.centre
        depth = poses[..., 2] - self.root[:, None, 2]
        return np.concatenate([pixels * self.mm_per_pixel[:, None, None], depth[..., None]], axis=-1)

    def of_relative(self, poses: npt.NDArray[np.floating], root: tuple[int, ...]) -> Array:
        """Poses (..., T, J, 3) mm, camera frame, wherever their root is, put at the true root and seen in this space."""
        poses = np.asarray(poses, dtype=np.float64)
        return self.of_absolute(poses - poses[..., list(root), :].mean(axis=-2, keepdims=True) + self.root[:, None])

    def of_pixels(self, poses: npt.NDArray[np.floating]) -> Array:
        """Poses (..., T, J, 3), all three coordinates in px as MotionBERT's network gives them, in this space."""
        out: Array = np.asarray(poses, dtype=np.float64) * self.mm_per_pixel[:, None, None]
        return out
