"""Files of 2D keypoints: what OpenPose, AlphaPose, mmpose and COCO's results write, and plain arrays.

| what | how it is told |
|---|---|
| OpenPose | a folder of ``*_keypoints.json``, a frame each: ``people``, ``pose_keypoints_2d``, ``person_id`` |
| AlphaPose, COCO results | a list of ``image_id``, ``keypoints`` (x, y, score ...), ``idx`` or ``track_id`` |
| mmpose | ``instance_info``, or a list of ``frame_id`` and ``instances`` with ``keypoints``, ``keypoint_scores`` |
| arrays | ``.npz`` with ``keypoints`` (T, J, 2) or (T, J, 3), and may be ``size`` and ``skeleton``; ``.npy`` alike |

Frames have the numbers of the file, those of image names where there are no others.

Sources: OpenPose ``doc/02_output.md``, AlphaPose ``docs/output.md``, mmpose ``MMPoseInferencer``, COCO's results format.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError, first_ten
from posebench.base.readers.npy import MAX_JSON_BYTES, npy_header, open_file, read_json, read_npy
from posebench.base.readers.npz import Npz, open_zip
from posebench.base.skeletons import SKELETONS
from posebench.data.detections.people import Detection, Detections, gathered

Array = npt.NDArray[np.float64]

#: Score below which a keypoint counts as missing: detectors give a place for what they did not see, with a score near 0.
LEAST_SCORE = 0.1
MAX_FRAMES = 2**20
#: Numbers of all detections of a file together.
_MAX_NUMBERS = 2**26
_ADVICE = "docs/lift.md lists the files that are read"
_WANTED = "keypoints of OpenPose, AlphaPose, mmpose or COCO's results, or an array keypoints (T, J, 2) or (T, J, 3)"
#: AlphaPose's 136 keypoints begin with the 26 of Halpe.
_FULL_BODY = {136: 26}


def read_detections(path: Path, *, skeleton: str = "", least: float = LEAST_SCORE, largest: bool = False) -> Detections:
    """The people in a file or folder of keypoints.

    Args:
        path: of the file, or of OpenPose's folder.
        skeleton: joint order; empty to tell it by the number of keypoints.
        least: score below which a keypoint is missing.
        largest: take the largest person of each frame.

    Raises:
        PosebenchError: it cannot be read, or holds something else; or several people that the file does not distinguish.
    """
    if skeleton and skeleton not in SKELETONS:
        raise PosebenchError(f"skeleton {skeleton!r}", "one of " + ", ".join(SKELETONS), "correct --skeleton")
    size: tuple[int, int] | None = None
    if path.is_dir():
        kind, found = "OpenPose's files", _openpose(path)
    elif path.suffix.lower() in (".npz", ".npy"):
        kind, (found, size, stated) = "an array", _arrays(path)
        skeleton = skeleton or stated
    else:
        kind, found = _json(path)
    _judge(found, path)
    return gathered(found, kind, skeleton, str(path), least=least, largest=largest, size=size)


def _wrong(path: Path, found: object) -> PosebenchError:
    return PosebenchError(f"{path}: {found}", _WANTED, _ADVICE)


def _judge(found: list[Detection], path: Path) -> None:
    if sum(one.points.size for one in found) > _MAX_NUMBERS or len({one.frame for one in found}) > MAX_FRAMES:
        raise _wrong(path, f"more than {_MAX_NUMBERS:,} numbers or {MAX_FRAMES:,} frames")
    frames = [one.frame for one in found]
    if found and max(frames) - min(frames) > MAX_FRAMES:
        raise _wrong(path, f"frames from {min(frames):,} to {max(frames):,}, more than {MAX_FRAMES:,} apart")


def _openpose(folder: Path) -> list[Detection]:
    files = sorted(folder.glob("*_keypoints.json"))
    if not files:
        raise _wrong(folder, "a folder without *_keypoints.json")
    if len(files) > MAX_FRAMES:
        raise _wrong(folder, f"{len(files):,} files")
    found: list[Detection] = []
    taken = 0
    for number, file in enumerate(files):
        try:
            taken += file.stat().st_size
        except OSError as error:
            raise _wrong(file, error.strerror or error) from error
        if taken > 4 * MAX_JSON_BYTES:
            raise _wrong(folder, f"more than {4 * MAX_JSON_BYTES:,} bytes")
        people = _field(read_json(file), "people", list, file)
        frame = _number(file.name.removesuffix("_keypoints.json"), number)
        for person in people:
            points = _triples(_field(person, "pose_keypoints_2d", list, file), file)
            if len(points):
                found.append(Detection(frame, _id(person.get("person_id")), points))
    return found


def _json(path: Path) -> tuple[str, list[Detection]]:
    content = read_json(path)
    if isinstance(content, dict) and "people" in content:
        return "a file of OpenPose", [
            Detection(_number(path.name.removesuffix("_keypoints.json"), 0), _id(person.get("person_id")), points)
            for person in _field(content, "people", list, path)
            if len(points := _triples(_field(person, "pose_keypoints_2d", list, path), path))
        ]
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        keys = first_ten([str(key) for key in content]) if isinstance(content, dict) else type(content).__name__
        raise _wrong(path, f"JSON of {keys}")
    if not content:
        return "an empty list", []
    if "instances" in content[0]:
        return "mmpose's predictions", _mmpose(path, content)
    if "keypoint_scores" in content[0]:
        return "mmpose's predictions of an image", _mmpose(path, [{"frame_id": 0, "instances": content}])
    if "image_id" in content[0]:
        return "a list of detections (AlphaPose, COCO's results)", _alphapose(path, content)
    raise _wrong(path, f"a list of {first_ten([str(key) for key in content[0]]) or 'nothing'}")


def _mmpose(path: Path, frames: list[dict[str, Any]]) -> list[Detection]:
    found = []
    for number, frame in enumerate(frames):
        at = frame.get("frame_id", number)
        if type(at) is not int or at < 0:
            raise _wrong(path, f"frame_id {at!r:.40}")
        for person in _field(frame, "instances", list, path):
            points = _array(_field(person, "keypoints", list, path), path)
            scores = _array(_field(person, "keypoint_scores", list, path), path)
            if points.ndim != 2 or points.shape[1] != 2 or scores.shape != points.shape[:1]:
                raise _wrong(path, f"keypoints {points.shape} with scores {scores.shape} in frame {at}")
            box = _array(person.get("bbox", []), path).ravel()
            area = float((box[2] - box[0]) * (box[3] - box[1])) if box.shape == (4,) else 0.0
            id = person.get("track_id", person.get("instance_id"))
            found.append(Detection(at, _id(id), np.column_stack([points, scores]), area))
    return found


def _alphapose(path: Path, items: list[dict[str, Any]]) -> list[Detection]:
    found, order = [], dict[str, int]()
    for item in items:
        image = item.get("image_id")
        if type(image) not in (int, str):
            raise _wrong(path, f"image_id {image!r:.40}")
        seen = order.setdefault(str(image), len(order))
        points = _triples(_field(item, "keypoints", list, path), path)
        points = points[: _FULL_BODY.get(len(points), len(points))]
        box = _array(item.get("box", item.get("bbox", [])), path).ravel()
        id = item.get("idx", item.get("track_id", item.get("person_id")))
        area = float(box[2] * box[3]) if box.shape == (4,) else 0.0
        found.append(Detection(_number(Path(str(image)).stem, seen), _id(id), points, area))
    return found


def _arrays(path: Path) -> tuple[list[Detection], tuple[int, int] | None, str]:
    size: tuple[int, int] | None = None
    stated = ""
    if path.suffix.lower() == ".npy":
        _require_points(path, *npy_header(path))
        values: npt.NDArray[Any] = read_npy(path)
    else:
        with open_file(path) as file, open_zip(path, file) as archive:
            npz = Npz(path, archive)
            if "keypoints" not in npz.shapes:
                raise _wrong(path, f"no keypoints among {first_ten(list(npz.shapes)) or 'its arrays'}")
            _require_points(path, *npz.shapes["keypoints"])
            values = npz.read("keypoints")
            if "size" in npz.shapes and npz.shapes["size"][0] == (2,) and npz.shapes["size"][1].kind in "iu":
                width, height = (int(side) for side in npz.read("size"))
                size = (width, height) if 0 < width < 2**16 and 0 < height < 2**16 else None
            if "skeleton" in npz.shapes:
                stated = npz.text("skeleton", 256)
                if stated not in SKELETONS:
                    raise _wrong(path, f"skeleton {stated!r}")
    points = np.array(values, dtype=np.float64)
    if points.shape[2] == 2:
        points = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
    return [Detection(frame, "", one) for frame, one in enumerate(points)], size, stated


def _require_points(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 3 or shape[2] not in (2, 3) or 0 in shape or dtype.kind not in "fiu":
        raise _wrong(path, f"{dtype} of shape {shape}")
    if int(np.prod(shape, dtype=object)) > _MAX_NUMBERS:
        raise _wrong(path, f"{shape}, more than {_MAX_NUMBERS:,} numbers")


def _field(item: object, key: str, kind: type, path: Path) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get(key), kind):
        raise _wrong(path, f"{key} missing, or no {kind.__name__}")
    return item[key]


def _array(value: object, path: Path) -> Array:
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _wrong(path, f"keypoints that are no numbers ({error})") from error


def _triples(value: list[Any], path: Path) -> Array:
    flat = _array(value, path)
    if flat.ndim != 1 or len(flat) % 3:
        raise _wrong(path, f"keypoints of shape {flat.shape}, where x, y and score in turn are wanted")
    return flat.reshape(-1, 3)


def _number(name: str, otherwise: int) -> int:
    """The last number in a name, such as that of an image; one of more than nine digits is none."""
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers and len(numbers[-1].lstrip("0")) <= 9 else otherwise


def _id(value: object) -> str:
    """A person's id; empty where the file knows none."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and value >= 0:
        return str(value)
    return value if isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,64}", value) else ""
