"""Poses from a detector's file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from posebench.base.errors import PosebenchError
from posebench.cli import choices
from posebench.cli.options import completed
from posebench.cli.parser import Parser
from posebench.cli.printing import log, remark

if TYPE_CHECKING:
    from posebench.base.cameras import Camera


def configure(parser: Parser) -> None:
    """The file, the lifter, and what the file does not state."""
    parser.example = "posebench lift keypoints.json --with flat --size 1920x1080 -o lifted.npz"
    what = "2D joints: a file of AlphaPose, mmpose or COCO's results, OpenPose's folder, or .npz or .npy; docs/lift.md"
    parser.add_argument("keypoints", metavar="KEYPOINTS", help=what)
    who = "a model of `posebench models`, a run folder, model.onnx, module:function, or flat"
    completed(
        parser.add_argument("--with", dest="lifter", metavar="LIFTER", required=True, help=who), lambda _: choices.LIFTERS, or_path=True
    )
    parser.add_argument("--size", metavar="WxH", help="size of the images in pixels, from which a camera is estimated")
    parser.add_argument("--camera", metavar="FILE", help="the calibrated camera, in a table of Anipose or Pose2Sim; FILE:NAME of several")
    parser.add_argument(
        "--skeleton", metavar="ID", default="", help="joint order of the file, where the number of keypoints does not tell it"
    )
    least = "score below which a keypoint is missing (default: %(default)s)"
    parser.add_argument("--min-score", metavar="S", type=float, default=0.1, help=least)
    gap = "frames of a gap that is filled on a straight line; at a longer one the clip is cut (default: %(default)s)"
    parser.add_argument("--gap", metavar="N", type=int, default=10, help=gap)
    parser.add_argument("--largest", action="store_true", help="take the largest person of each frame, whatever its id")
    parser.add_argument("-o", "--output", metavar="PREDS", required=True, help=".npz or .h5")


def run(args: Namespace) -> int:
    """Lift and save."""
    from posebench import lift, save_predictions
    from posebench.base.progress import progress

    if args.size and args.camera:
        raise PosebenchError("--size and --camera", "one of the two", "leave --size out: a calibrated camera states it")
    size = _size(args.size) if args.size else None
    camera = _camera(args.camera) if args.camera else None
    with progress(f"lifting with {args.lifter}"):
        found = lift(
            args.keypoints,
            args.lifter,
            size=size,
            camera=camera,
            skeleton=args.skeleton,
            least=args.min_score,
            longest=args.gap,
            largest=args.largest,
        )
    info = found.info
    save_predictions(
        args.output,
        found.poses,
        frames=found.frames,
        skeleton=info.skeleton,
        unit=info.unit,
        scale=info.scale,
        method=info.id,
        supervision=info.supervision,
        provenance=info.provenance,
        joints=found.joints,
        notes=found.notes,
    )
    for line in (*found.notes, *found.joints):
        log(line)
    count = sum(len(poses) for poses in found.poses.values())
    people = f"{len(found.poses)} {'person' if len(found.poses) == 1 else 'people'}"
    remark(f"{args.output}: {count:,} poses of {people} by {info.id}, scale {info.scale}\nNext: posebench draw {args.output} -o lifted.gif")
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) < 2**16 and 0 < int(height) < 2**16):
        raise PosebenchError(f"--size {text}", "width and height of the images in pixels", "--size 1920x1080")
    return int(width), int(height)


def _camera(text: str) -> Camera:
    from posebench.data.own.cameras import read_cameras

    name = ""
    if not Path(text).exists() and ":" in text:
        text, _, name = text.rpartition(":")
    known = read_cameras(Path(text), 1.0).common
    if name and name in known:
        return known[name]
    if not name and len(known) == 1:
        return next(iter(known.values()))
    found = f"camera {name}" if name else f"{len(known)} cameras in {text}"
    raise PosebenchError(found, f"one of {', '.join(known)}", f"--camera {text}:{next(iter(known), 'NAME')}")
