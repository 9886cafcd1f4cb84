"""The list of conventions: what each changes, which metrics it concerns, and who uses it.

**Convention.** ``change`` maps fields of a reading to values (:func:`posebench.scoring.conventions.applying.applied`). ``of`` lists the
kinds of metric, such as ``root mean`` for MPJPE, ``similarity mean`` for PA-MPJPE; ``pck`` stands for PCK under any alignment.
Sources: the projects' code at the commits in ``docs/explain.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from posebench.data.h36m.names import CAMERAS

#: Joint sets by name, in the names of ``h36m17``.
_LIMBS = tuple(f"{side}_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist") for side in "rl")
JOINT_SETS: dict[str, tuple[str, ...]] = {
    "no nose": ("pelvis", *_LIMBS, "spine", "thorax", "head_top"),
    "no spine": ("pelvis", *_LIMBS, "thorax", "neck_nose", "head_top"),
    "lsp14": (*_LIMBS, "thorax", "head_top"),
    "ites14": (*(joint for joint in _LIMBS if not joint.endswith("hip")), "spine", "thorax", "neck_nose", "head_top"),
    "posebench3d14": ("pelvis", *_LIMBS, "thorax"),
    "limbs12": _LIMBS,
}

MEANS = ("root mean", "similarity mean", "scale mean")
ERRORS = (*MEANS, "pck", "auc")
EVERY = (*ERRORS, "cps", "velocity", "acceleration")


@dataclass(frozen=True)
class Convention:
    """One switch.

    Attributes:
        id: short name, as `--switch` and JSON have it.
        text: what is done.
        who: whose code does it.
        of: kinds of metric that it concerns.
        change: fields of a reading and their values.
        oracle: the truth chooses: not a score of the method.
    """

    id: str
    text: str
    who: str
    of: tuple[str, ...]
    change: Mapping[str, str] = field(hash=False)
    oracle: bool = False


def _listed() -> Iterable[Convention]:
    yield from _joints_and_roots()
    yield from _averages_and_takes()
    yield from _frames()
    yield from _alignments()
    yield from _thresholds()
    yield from _time()


def _joints_and_roots() -> Iterable[Convention]:
    yield Convention("no-root", "the root is not counted", "whoever averages 16 of 17 joints", ERRORS, {"scored": "no root"})
    aligned_without = "the root is neither aligned nor counted"
    yield Convention("no-root-aligned", aligned_without, "protocol h36m/s9s11-noroot", (*MEANS[1:], "pck", "auc"), {"joints": "no root"})
    yield Convention("16-joints", "16 joints, without neck/nose", "SemGCN, PoseAug, Martinez' 2D input", ERRORS, {"joints": "no nose"})
    yield Convention("lsp14", "14 joints of LSP, root unchanged", "Martinez predict_14, SPIN, 3DHP's PCK", ERRORS, {"joints": "lsp14"})
    yield Convention("posebench3d14", "14 joints: pelvis, legs, thorax, arms", "PoseBench3D", ERRORS, {"joints": "posebench3d14"})
    yield Convention("ites14", "14 joints, without pelvis and hips", "ITES, for PCK and AUC", ERRORS, {"joints": "ites14"})
    yield Convention("limbs12", "12 joints: the limbs", "3DPW's script", ERRORS, {"joints": "limbs12"})
    yield Convention("all-joints", "every joint of the skeleton", "mmpose, for 3DHP's PCK and AUC", ("pck", "auc"), {"joints": "all"})
    yield Convention("cps-all", "every joint counts, the spine too", "CanonPose's definition", ("cps",), {"scored": "all"})
    yield Convention(
        "hips-root", "the root is the midpoint of the hips", "HMR", ("root mean", "scale mean", "pck", "auc"), {"root": "hips"}
    )
    hips = {"root": "hips", "joints": "lsp14"}
    yield Convention("lsp14-hips", "14 joints of LSP, root the midpoint of the hips", "HMR", ("root mean", "scale mean"), hips)


def _averages_and_takes() -> Iterable[Convention]:
    for kind, text, who in (
        ("frame", "mean over frames", "mmpose, SPIN, ITES, ElePose"),
        ("action", "mean of the actions' means", "VideoPose3D, Martinez, P-STMO, MHFormer"),
        ("take", "mean of the takes' means", "this project's cmu; 3DHP tables by sequence"),
        ("clip", "mean of the clips' means", "evaluations by sequence"),
        ("clip in action", "mean of the clips' means by action, then of the actions", "HMR"),
        ("subject", "mean of the subjects' means", "tables by subject"),
        ("subject x action", "mean over subjects and actions", "HumanEva's tables"),
    ):
        yield Convention(f"average-{kind.replace(' ', '-')}", text, who, EVERY, {"average": kind})
    left_out = "takes that the protocol leaves out counted"
    yield Convention("excluded-in", left_out, "MotionBERT's file (S11 Directions)", EVERY, {"rows": "excluded takes"})
    three = f"{left_out}, but for camera {CAMERAS[0]}"
    yield Convention("excluded-in-3", three, "HMR, ProbFlows (S11 Directions)", EVERY, {"rows": f"excluded takes, but {CAMERAS[0]}"})
    yield Convention("undamaged", "three damaged takes of S9 left out", "MotionBERT, karfly", EVERY, {"rows": "undamaged"})
    yield Convention("first-trials", "the first trial of each action", "HMR Protocol 2", EVERY, {"rows": "first trials"})
    yield Convention("s11", "subject S11 alone", "integral, 3DMPPE_POSENET: Protocol 1", EVERY, {"rows": "subject S11"})


def camera_switches(cameras: Iterable[str]) -> Iterable[Convention]:
    """One camera alone, of those that the data have."""
    for camera in cameras:
        who = "HMR, SPIN: Protocol 2 (frontal)" if camera == CAMERAS[3] else "evaluations of one view"
        yield Convention(f"camera-{camera}", f"camera {camera} alone", who, EVERY, {"rows": f"camera {camera}"})


def _frames() -> Iterable[Convention]:
    yield Convention("every-5th", "every 5th frame", "mmpose, SPIN", EVERY, {"frames": "stride 5"})
    yield Convention("every-64th", "every 64th frame", "integral, 3DMPPE_POSENET, ElePose, h36m-fetch", ERRORS, {"frames": "stride 64"})
    yield Convention("10-hz", "frames at 10 Hz", "ASPset", EVERY, {"frames": "10 Hz"})
    for batch in (64, 1024):
        text = f"the last batch is dropped where it is not full, batch {batch}"
        yield Convention(f"drop-last-{batch}", text, "PoseBench3D (drop_last)", ERRORS, {"frames": f"drop_last {batch}"})
    for batch in (64, 512, 1024):
        yield Convention(f"batches-{batch}", f"mean of batch means, batch {batch}", "several loops", ERRORS, {"frames": f"batches {batch}"})
        text = f"every frame is credited with the mean of its batch, batch {batch}"
        yield Convention(f"credited-{batch}", text, "P-STMO, MHFormer: P2", ("similarity mean",), {"frames": f"credited {batch}"})
    yield Convention("cut-64", "each action cut to a multiple of 64 frames", "Martinez --evaluateActionWise", ERRORS, {"frames": "cut 64"})
    for length in (81, 243):
        text = f"the last chunk of {length} moved back: its overlap counts twice"
        yield Convention(f"chunks-{length}", text, "MixSTE", ERRORS, {"frames": f"chunks {length}"})
    for length in (27, 81, 243):
        text = f"no padding for {length} frames: the first and last {length // 2} of a clip are lost"
        yield Convention(f"unpadded-{length}", text, "valid convolutions", ERRORS, {"frames": f"unpadded {length}"})
    text = "the last chunk of 243 is filled with zeros, which count as right"
    yield Convention("zero-padded-243", text, "loaders that do not mask their padding", ("root mean",), {"frames": "zero_padded 243"})
    yield Convention("nonzero", "frames with an error of zero skipped", "MotionBERT", MEANS, {"frames": "nonzero"})


def _alignments() -> Iterable[Convention]:
    yield Convention(
        "n", "least-squares scale of each pose: N-MPJPE", "Rhodin, VideoPose3D, mmpose", ("root mean",), {"alignment": "scale"}
    )
    scaled = ("root mean", "scale mean")
    for id, text, who, prepared in (
        ("frobenius", "scale |G| / |P| of each pose", "ElePose", "frobenius"),
        ("ites-scale", "scale of a Procrustes fit with reflections, without its rotation", "ITES", "unsigned scale"),
        ("clip-scale", "one least-squares scale for a clip", "sequence-wise evaluations", "clip scale"),
        ("one-scale", "one least-squares scale for the set", "calibration once", "one scale"),
        ("median-scale", "the median of the poses' least-squares scales", "median scaling of monocular depth", "median scale"),
        ("torso-64", "mean torso of 520 mm in each batch of 64", "AdaptPose", "torso 64"),
        ("torso-1024", "mean torso of 520 mm in each batch of 1024", "AdaptPose", "torso 1024"),
        ("torso-clip", "mean torso of 520 mm in each clip", "AdaptPose", "torso clip"),
        ("extent-81", "the truth's largest x or y of 81 frames", "AthleticsPose", "extent"),
    ):
        yield Convention(id, text, who, scaled, {"prepared": prepared, "alignment": "root"})
    pa = ("similarity mean",)
    yield Convention("rigid", "rigid alignment, without scale", "3DMPPE_POSENET, Martinez' option", pa, {"alignment": "rigid"})
    reflection = "similarity with reflection allowed"
    yield Convention("reflection", reflection, "RepNet, ElePose, margipose", pa, {"alignment": "similarity+reflection"})
    yield Convention("aspset-pa", "the scale counts mirrored poses as if turned", "ASPset", pa, {"alignment": "aspset"})
    yield Convention("elepose-pa", "scale |G| / |P|, det corrected on the wrong side", "ElePose's batch code", pa, {"alignment": "elepose"})
    rerooted = "the root subtracted again after"
    yield Convention(
        "rigid-rerooted", f"{rerooted} a rigid alignment", "integral-human-pose", pa, {"prepared": "after rigid", "alignment": "root"}
    )
    yield Convention(
        "rerooted", f"{rerooted} the alignment", "integral-human-pose's form", pa, {"prepared": "after similarity", "alignment": "root"}
    )
    yield Convention("window-100", "one similarity for 100 frames (WA-MPJPE, root-relative)", "WHAM", pa, {"alignment": "window 100"})
    yield Convention("window-clip", "one similarity for a clip", "sequence-wise evaluations", pa, {"alignment": "window clip"})
    first = "absolute, after the similarity of the first two of 100 frames (W-MPJPE)"
    yield Convention("first-two", first, "WHAM", pa, {"alignment": "first 100"})
    axes = "axes turned from the optical axis to the ray of the root"
    yield Convention("ray", axes, "methods on crops, weak perspective", (*scaled, "pck", "auc"), {"axes": "ray"})
    yield Convention("flip-pose", "the better of pose and depth flip", "ITES", MEANS, {"oracle": "flip by pose"}, oracle=True)
    yield Convention("flip-joint", "the better of pose and depth flip by joint", "ITES", ERRORS, {"oracle": "flip by joint"}, oracle=True)
    for kind, text, who in (
        ("pose", "the best hypothesis of each pose", "best of N"),
        ("joint", "the best hypothesis of each joint", "D3DP J-Best"),
        ("clip", "the best hypothesis of each clip", "D3DP P-Best, with a clip for its batch"),
    ):
        yield Convention(f"best-{kind}", text, who, MEANS, {"oracle": f"best {kind}"}, oracle=True)
    yield Convention("float32", "float32 metres", "VideoPose3D, mmpose", ERRORS, {"prepared": "float32 m"})


def _thresholds() -> Iterable[Convention]:
    yield Convention("pck-inclusive", "errors at the threshold count (<=)", "3DPW, ASPset", ("pck",), {"statistic": "pck <= same"})
    yield Convention("pck-metres", "compared in metres, float64", "mmpose, PoseAug", ("pck",), {"statistic": "pck_metres < same"})
    for threshold in (100, 50):
        text = f"threshold {threshold} mm"
        yield Convention(f"pck-{threshold}", text, "tables with a tighter threshold", ("pck",), {"statistic": f"pck < {threshold}"})
    for id, text, who, statistic in (
        ("auc-30", "30 thresholds from 5 to 150 mm", "ports of the 3DHP script", "auc 5 150 5"),
        ("auc-40", "40 thresholds, 0 to 195 mm", "a port with arange(0, 200, 5)", "auc 0 195 5"),
        ("auc-trapezoid", "trapezoid rule over 0 to 150 mm", "metrabs", "trapezoid 150 5"),
        ("auc-integral", "exact area up to 150 mm", "the limit of many thresholds", "integral 150"),
        ("auc-3dpw", "0 to 199 mm by 1, <=, trapezoid rule", "3DPW's script", "auc_3dpw"),
    ):
        yield Convention(id, text, who, ("auc",), {"statistic": statistic})
    yield Convention("cps-elepose", "unaligned, thresholds 0 to 300, plain sum (at most 301)", "ElePose", ("cps",), ELEPOSE_CPS)


ELEPOSE_CPS = {"alignment": "root", "scored": "all", "statistic": "cps_elepose"}


def _time() -> Iterable[Convention]:
    differences = "weighted by differences, T - 1"
    yield Convention("by-differences", differences, "means over all differences", ("velocity",), {"frames": "differences"})
    joined = "clips concatenated: the step from one to the next counts"
    yield Convention("concatenated", joined, "evaluations of one long array", ("velocity",), {"frames": "concatenated"})
    yield Convention("zero-ends", "zero for the first and last frame", "SmoothNet", ("acceleration",), {"frames": "zero_ends"})
    yield Convention("per-second", "mm/s instead of mm/frame", "tables in mm/s", ("velocity",), {"rate": "1"})
    yield Convention("per-second-2", "mm/s^2 instead of mm/frame^2", "tables in mm/s^2", ("acceleration",), {"rate": "2"})


#: Every convention, in the order of the tables.
CONVENTIONS = tuple(_listed())
#: Forms of the above that presets need: a joint set that counts after all joints were aligned, sparse correct-pose scores.
FOR_PRESETS = (
    Convention("ites14-counted", "14 joints counted, without pelvis and hips", "ITES", ERRORS, {"scored": "ites14"}),
    Convention("every-64th-cps", "every 64th frame", "ElePose", ("cps",), {"frames": "stride 64"}),
)
