"""Numbers of poses: a value per frame, and per joint where that makes sense. No files, no averages.

Imports ``base``.
Start with ``position.py`` (MPJPE and its variants) and ``alignment.py`` (what is removed before joints are compared).
"""

from posebench.metrics.alignment import ALIGNMENTS, aligned, procrustes, residuals
from posebench.metrics.bones import bone_length_error, bone_lengths, bone_symmetry_error, left_right_difference
from posebench.metrics.position import flipped, invalid_poses, mpjpe, n_mpjpe, norms, pa_mpjpe, root_relative, root_relative_valid
from posebench.metrics.temporal import acceleration_error, velocity_error
from posebench.metrics.thresholds import (
    AUC_THRESHOLDS,
    CPS_THRESHOLDS,
    auc,
    cps,
    pck,
    pck_curve,
    threshold_values,
    thresholds_passed,
)

__all__ = [
    "ALIGNMENTS",
    "AUC_THRESHOLDS",
    "CPS_THRESHOLDS",
    "acceleration_error",
    "aligned",
    "auc",
    "bone_length_error",
    "bone_lengths",
    "bone_symmetry_error",
    "cps",
    "flipped",
    "invalid_poses",
    "left_right_difference",
    "mpjpe",
    "n_mpjpe",
    "norms",
    "pa_mpjpe",
    "pck",
    "pck_curve",
    "procrustes",
    "residuals",
    "root_relative",
    "root_relative_valid",
    "threshold_values",
    "thresholds_passed",
    "velocity_error",
]
