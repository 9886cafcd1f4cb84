"""Several conventions at once: what a project prints for its metrics.

**Convention.** ``by`` maps a kind of metric to the conventions that the project applies to it, by id; kinds that it does not print are
left out. ``beyond`` names what no prediction file allows to be computed. Where a preset fixes a batch, it is its code's or a common one.
Sources: the projects' code at the commits in ``docs/explain.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from posebench.base.errors import PosebenchError, did_you_mean


@dataclass(frozen=True)
class Preset:
    """What a project does.

    Attributes:
        id: as ``--as`` takes it.
        who: the project.
        by: kind of metric to ids of conventions, in the order in which they are applied.
        beyond: what it does besides, which a prediction file does not allow to be computed.
    """

    id: str
    who: str
    by: Mapping[str, tuple[str, ...]]
    beyond: tuple[str, ...] = ()


def _same(conventions: tuple[str, ...], *kinds: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(kinds, conventions)


_MPJPE, _PA, _N = "root mean", "similarity mean", "scale mean"

PRESETS: dict[str, Preset] = {
    preset.id: preset
    for preset in (
        Preset(
            "videopose3d", "VideoPose3D", _same(("float32", "average-action"), _MPJPE, _PA, _N) | _same(("average-action",), "velocity")
        ),
        Preset("martinez", "Martinez et al. 2017, --evaluateActionWise", _same(("cut-64", "average-action"), _MPJPE, _PA)),
        Preset(
            "mmpose",
            "mmpose",
            _same(("every-5th", "average-frame"), _MPJPE, _PA, _N)
            | {"pck": ("all-joints", "pck-metres", "every-5th", "average-frame"), "auc": ("all-joints", "every-5th", "average-frame")},
            ("its 3DHP truth is annot3, not univ_annot3",),
        ),
        Preset(
            "motionbert-family",
            "MotionBERT, MotionAGFormer",
            _same(("undamaged", "nonzero", "average-action"), _MPJPE, _PA),
            ("the truth in its 2.5D image frame", "overlapping clips averaged frame by frame"),
        ),
        Preset("p-stmo", "P-STMO, MHFormer", {_MPJPE: ("average-action",), _PA: ("credited-512", "average-action")}),
        Preset("mixste", "MixSTE", _same(("chunks-243", "average-action"), _MPJPE, _PA)),
        Preset(
            "spin-p1", "SPIN, Protocol 1", _same(("lsp14", "every-5th", "average-frame"), _MPJPE, _PA), ("the regressed pelvis as root",)
        ),
        Preset(
            "spin-p2",
            "SPIN, GraphCMR, Protocol 2",
            {_PA: ("lsp14", "camera-60457274", "every-5th", "average-frame")},
        ),
        Preset("hmr-p1", "HMR, Protocol 1", {_MPJPE: ("lsp14-hips", "average-clip-in-action"), _PA: ("lsp14", "average-clip-in-action")}),
        Preset("hmr-p2", "HMR, Protocol 2", {_PA: ("lsp14", "camera-60457274", "first-trials", "average-clip-in-action")}),
        Preset(
            "integral-p1",
            "integral-human-pose, Protocol 1",
            {_PA: ("rigid-rerooted", "s11", "every-64th", "average-frame")},
        ),
        Preset("integral-p2", "integral-human-pose, 3DMPPE_POSENET, Protocol 2", {_MPJPE: ("every-64th", "average-frame")}),
        Preset("posenet-p1", "3DMPPE_POSENET, Protocol 1", {_PA: ("rigid", "s11", "every-64th", "average-frame")}),
        Preset(
            "ites",
            "ITES",
            {
                _MPJPE: ("ites-scale", "flip-pose", "average-frame"),
                _N: ("ites-scale", "flip-pose", "average-frame"),
                _PA: ("flip-pose", "average-frame"),
                "pck": ("ites-scale", "flip-joint", "ites14-counted", "average-frame"),
                "auc": ("ites-scale", "flip-joint", "ites14-counted", "average-frame"),
            },
            ("its 2D scale uses the mean of the whole test set",),
        ),
        Preset(
            "elepose",
            "ElePose",
            {
                _MPJPE: ("frobenius", "every-64th", "average-frame"),
                _N: ("frobenius", "every-64th", "average-frame"),
                _PA: ("reflection", "every-64th", "average-frame"),
                "pck": ("frobenius", "every-64th", "average-frame"),
                "auc": ("frobenius", "every-64th", "average-frame"),
                "cps": ("cps-elepose", "every-64th-cps", "average-frame"),
            },
        ),
        Preset("repnet", "RepNet", {_PA: ("reflection", "average-frame")}, ("it mean-centres 16 joints of Stacked Hourglass",)),
        Preset(
            "posebench3d",
            "PoseBench3D",
            _same(("posebench3d14", "drop-last-64", "average-frame"), _MPJPE, _PA),
            ("its batch, taken as 64 here",),
        ),
        Preset(
            "adaptpose", "AdaptPose", {_MPJPE: ("torso-1024", "average-frame"), _PA: ("average-frame",)}, ("its batch, taken as 1024 here",)
        ),
        Preset(
            "3dpw", "3DPW's script", {"pck": ("limbs12", "pck-inclusive", "average-frame"), "auc": ("limbs12", "auc-3dpw", "average-frame")}
        ),
        Preset("aspset", "ASPset-510", {_MPJPE: ("10-hz", "average-frame"), _PA: ("aspset-pa", "10-hz", "average-frame")}),
        Preset("d3dp", "D3DP, P-Best", _same(("best-clip", "average-action"), _MPJPE, _PA), ("a clip stands for its batch",)),
        Preset("wham", "WHAM, WA-MPJPE", {_PA: ("window-100", "average-frame")}),
    )
}


def preset(id: str) -> Preset:
    """The preset with this id.

    Raises:
        PosebenchError: there is none.
    """
    if id not in PRESETS:
        raise PosebenchError(f"preset {id!r}", "one of " + ", ".join(PRESETS), did_you_mean(id, PRESETS, "correct the name"))
    return PRESETS[id]
