"""The places of HumanEva-I's three colour cameras, from the calibration of the dataset.

**Convention.** Camera-to-world quaternion (w, x, y, z) and position in mm, by subject and camera; world z up. Intrinsics are not in this
layout. Source: VideoPose3D ``common/humaneva_dataset.py``. S4 has none there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import rotation_from_quaternion

Array = npt.NDArray[np.float64]

CAMERAS = ("C1", "C2", "C3")
_PLACES = {
    "S1": (
        ((0.424207, -0.4983646, -0.5802981, 0.4847012), (4062.227, 663.2477, 1528.397)),
        ((0.6503354, -0.7481602, -0.0919284, 0.0941766), (844.8131, -3805.2092, 1504.9929)),
        ((0.0664734, -0.0690535, 0.7416416, -0.6639132), (-797.67377, 3916.3174, 1433.6602)),
    ),
    "S2": (
        ((0.4214752, -0.4961493, -0.5838273, 0.4851187), (4112.9121, 626.4929, 1545.2988)),
        ((0.6501393, -0.7476588, -0.0954617, 0.0959808), (923.5740, -3877.9243, 1504.5518)),
        ((0.0699353, -0.0712403, 0.7421637, -0.662742), (-781.4915, 3838.8853, 1444.9929)),
    ),
    "S3": (
        ((0.424207, -0.4983646, -0.5802981, 0.4847012), (4062.2271, 663.2477, 1528.3970)),
        ((0.6503354, -0.7481602, -0.0919284, 0.0941766), (844.8131, -3805.2092, 1504.9929)),
        ((0.0664734, -0.0690535, 0.7416416, -0.6639132), (-797.6738, 3916.3174, 1433.6602)),
    ),
}
SUBJECTS = tuple(_PLACES)


def place(subject: str, camera: str) -> tuple[Array, Array]:
    """Rotation (3, 3), world axes to camera axes, and position (3,) mm in the world."""
    quaternion, position = _PLACES[subject][CAMERAS.index(camera)]
    return rotation_from_quaternion(quaternion).T, np.array(position)
