"""Two JSON formats of mmpose: the result file of a 0.x test run, and the display output of the 1.x demo and inferencer."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posebench.base.errors import PosebenchError
from posebench.base.readers.npy import read_json
from posebench.base.readers.npz import Npz, open_zip
from posebench.data.h36m.names import take_name
from posebench.predictions.archive import Meta
from posebench.predictions.formats.foreign import UNIT_WORDS, ForeignFile, KnownClips, Reading, in_memory, reading_note, stated_clip

MAX_IMAGES = 10_000_000
_MAX_NAME_BYTES = 4 * 256
_STATE_FIRST = (
    'list the first frame too, as {"frame_id": 0, "instances": []} if no person was found in it, or with 1 if frames count from 1'
)
_ADVICE = "see docs/formats.md for what mmpose writes"
_IMAGE = re.compile(r"(?P<subject>S\d+)_(?P<take>.+)\.(?P<camera>\d+)_(?P<number>\d+)\.\w+|(?P<sequence>TS\d)_(?P<index>\d+)\.\w+")
#: Undoes the demo's display axes (x, y, z) -> (-x, z, -y): each row gives one of the camera's axes from the stored numbers.
_DISPLAY_TO_CAMERA = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def read_result(path: Path, reading: Reading) -> ForeignFile:
    """``result_keypoints.json`` of 0.x: a list of {keypoints [17][3], target_id}; metres, camera frame, root-relative.

    **Convention.** ``target_id`` counts the rows of the annotation npz that the run was tested on (``--ids``), whose ``imgname`` gives clip
    and frame: ``S9_Greeting_1.54138969_000001.jpg`` is frame 0 of ``S9/Greeting 1/54138969``, ``TS1_000001.jpg`` frame 0 of ``TS1/TS1/0``.
    Human3.6M is h36m17, 3DHP mpi17. Source: open-mmlab/mmpose 0.29, ``tools/dataset_converters/``.

    Raises:
        PosebenchError: no ``--ids``, a row that it does not have or that comes twice, or poses of another shape.
    """
    if reading.ids is None:
        raise PosebenchError(
            f"{path}: poses with a target_id each, and no clip or frame",
            "the annotation npz whose rows the ids count, with imgname",
            "add --ids ANNOTATION.npz, the file that the test run named as ann_file",
        )
    content = read_json(path)
    poses = _poses(path, [_field(path, item, "keypoints") for item in _listed(path, content)])
    targets = [_field(path, item, "target_id") for item in content]
    names = _image_names(Path(reading.ids))
    rows: dict[str, dict[int, int]] = {}
    for row, target in enumerate(targets):
        if type(target) is not int or not 0 <= target < len(names):
            raise PosebenchError(
                f"{path}: target_id {target!r}", f"0 to {len(names) - 1}, the rows of {reading.ids}", "give the annotation file of that run"
            )
        clip, frame = image_frame(str(names[target]))
        if frame in rows.setdefault(clip, {}):
            raise PosebenchError(f"{path}: two poses for frame {frame} of {clip}", "one pose a frame", "score one run at a time")
        rows[clip][frame] = row
    orders = {"mpi17" if re.match(r"TS\d/", clip) else "h36m17" for clip in rows}
    if len(orders) != 1:
        raise PosebenchError(f"{path}: {'images of two datasets' if orders else 'no pose'}", "poses of one dataset", "split the file")
    (order,) = orders
    clips = {clip: in_memory(poses[[row for _, row in sorted(frames.items())]]) for clip, frames in rows.items()}
    numbers = {clip: np.array(sorted(frames), dtype=np.int64) for clip, frames in rows.items()}
    unit = reading.unit or "m"
    text = (
        f"{UNIT_WORDS[unit]}, {order}, camera frame; clips and frames by imgname of {Path(reading.ids).name},"
        f" whose image numbers count from 1; {len(clips)} clips"
    )
    return ForeignFile(Meta(order, unit), clips, reading_note("mmpose-result-json", text), numbers, used=("unit", "ids"))


def read_demo(path: Path, reading: Reading, known: KnownClips | None) -> ForeignFile:
    """What the 1.x demo saves, {meta_info, instance_info: [frame, ...]}, and what the inferencer saves of a video, the list alone.

    **Convention.** A frame is {frame_id, instances: [{keypoints [17][3], ...}]}. Made for display: the axes are (-x, z, -y) of the
    camera's, in metres, and every pose is shifted in height until its lowest joint is at 0. Permutation and signs are undone; the shift
    goes away with the root, which is subtracted here, so that nothing absolute is left. Frames count from the number of the first one that
    the file lists, 0 or 1, whether or not it shows a person. Source: open-mmlab/mmpose 1.3, ``demo/body3d_pose_lifter_demo.py`` and
    ``apis/inferencers/``; its issues 1051, 1978.

    Raises:
        PosebenchError: no clip id given, several people in a frame, frames whose first number is neither 0 nor 1 or could be either, or
            another shape.
    """
    clip = stated_clip(path, "mmpose-demo-json", reading, known)
    content = read_json(path)
    listed, numbers, keypoints = [], [], []
    for item in _listed(path, content if isinstance(content, list) else _field(path, content, "instance_info")):
        people = _field(path, item, "instances")
        number = _field(path, item, "frame_id")
        if type(number) is not int or not 0 <= number < MAX_IMAGES:
            raise PosebenchError(f"{path}: frame_id {number!r}", "whole numbers, from 0 or 1", "save the demo's output again")
        listed.append(number)
        people = [] if people is None else _listed(path, people)
        if len(people) > 1:
            raise PosebenchError(
                f"{path}: {len(people)} people in frame {number}",
                "one person, since the file does not identify people",
                "leave the one that the clip is of",
            )
        if people:
            numbers.append(number)
            keypoints.append(_field(path, people[0], "keypoints"))
    first = _first_number(path, listed, numbers, None if known is None or clip not in known.clips else known.clips[clip].frames)
    poses = _poses(path, keypoints) @ _DISPLAY_TO_CAMERA.T
    poses -= poses[:, :1].copy()
    unit = reading.unit or "m"
    every = len(numbers) == len(listed) and numbers == list(range(first, first + len(numbers)))
    sparse = {} if every else {clip: np.array(numbers, dtype=np.int64) - first}
    text = (
        f"{UNIT_WORDS[unit]}, h36m17, display axes (-x, z, -y) turned back into the camera frame; the height that"
        f" the demo shifts each pose by cannot be known and went with the root; frames count from {first}"
        + (f", and {len(listed) - len(numbers)} of them show no person" if len(numbers) < len(listed) else "")
        + f"; the clip is {clip}, as stated"
    )
    return ForeignFile(
        Meta("h36m17", unit), {clip: in_memory(poses)}, reading_note("mmpose-demo-json", text), sparse, used=("unit", "clip")
    )


def _first_number(path: Path, listed: list[int], shown: list[int], frames: int | None) -> int:
    """The number of a clip's first frame, 0 or 1, from the numbers of the frames that a file lists and of those that show a person.

    A file that lists frames without a person lists every frame, from the first. One that leaves them out may have left out the first:
    numbers 1 to n - 1 in a clip of n ``frames`` (None where that is not known) fit both ways of counting.
    """
    rising = all(a < b for a, b in pairwise(listed))
    if not shown or listed[0] > 1 or not rising:
        found = f"frames that begin with {', '.join(map(str, listed[:3]))}" if shown else "no pose"
        advice = _STATE_FIRST if shown and rising else "save the demo's output for the whole clip"
        raise PosebenchError(f"{path}: {found}", "frames that rise from 0 or 1", advice)
    if listed[0] == 1 and len(shown) == len(listed) and frames is not None and listed[-1] == frames - 1:
        raise PosebenchError(
            f"{path}: frames 1 to {listed[-1]} of a clip of {frames}, which are 0 to {listed[-1] - 1} if frames count from 1, and lack the"
            " first if they count from 0",
            "frames of which one can tell where they begin",
            f'list the frame without a person too: {{"frame_id": 0, "instances": []}} before the others, or {{"frame_id": {frames}, '
            '"instances": []} after them',
        )
    return listed[0]


def image_frame(name: str) -> tuple[str, int]:
    """Clip id and 0-based frame number of an image name of mmpose's annotation files.

    Raises:
        PosebenchError: a name of another form.

    Example:
        >>> image_frame("S9_Greeting_1.54138969_000001.jpg"), image_frame("S9/S9_Photo.55011271/TS2_000031.jpg")
        (('S9/Greeting 1/54138969', 0), ('TS2/TS2/0', 30))
    """
    found = _IMAGE.fullmatch(name.rpartition("/")[2])
    number = int((found["number"] or found["index"])[-9:]) if found else 0
    if found is None or number < 1:
        raise PosebenchError(
            f"imgname {name[:80]!r}", "S9_Greeting_1.54138969_000001.jpg or TS1_000001.jpg, numbered from 1", "give mmpose's annotation npz"
        )
    if found["sequence"]:
        return f"{found['sequence']}/{found['sequence']}/0", number - 1
    return f"{found['subject']}/{take_name(found['take'])}/{found['camera']}", number - 1


def _image_names(path: Path) -> npt.NDArray[np.str_]:
    """The column ``imgname`` of an annotation npz."""
    advice = "give mmpose's annotation npz, the ann_file of the test run"
    try:
        with path.open("rb") as file, open_zip(path, file) as archive:
            npz = Npz(path, archive)
            shape, dtype = npz.shapes.get("imgname", ((), np.dtype(float)))
            if dtype.kind != "U" or len(shape) != 1 or dtype.itemsize > _MAX_NAME_BYTES or shape[0] > MAX_IMAGES:
                raise PosebenchError(
                    f"{path}: imgname is {dtype} {shape}" if "imgname" in npz.shapes else f"{path}: no imgname", "image names", advice
                )
            return npz.read("imgname")
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror or error}", "an annotation npz", advice) from error


def _listed(path: Path, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise PosebenchError(f"{path}: a {type(value).__name__}", "a list of poses", _ADVICE)
    return value


def _field(path: Path, item: object, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        found = (
            f"a {type(item).__name__}" if not isinstance(item, dict) else f"only {', '.join(map(repr, list(item)[:6]))[:200] or 'nothing'}"
        )
        raise PosebenchError(f"{path}: {found} where {key} is wanted", f"an object with {key}", _ADVICE)
    return item[key]


def _poses(path: Path, keypoints: list[Any]) -> npt.NDArray[np.float64]:
    # Checked before numpy converts them: one string among the numbers would turn all of them into strings of its length.
    for number, pose in enumerate(keypoints):
        if not (
            isinstance(pose, list)
            and len(pose) == 17
            and all(isinstance(joint, list) and len(joint) == 3 and all(type(x) in (int, float) for x in joint) for joint in pose)
        ):
            raise PosebenchError(f"{path}: other keypoints in pose {number}", "17 joints of 3 numbers a pose", _ADVICE)
    try:
        return np.array(keypoints, dtype=np.float64).reshape(-1, 17, 3)
    except OverflowError as error:
        raise PosebenchError(f"{path}: {error}", "17 joints of 3 numbers a pose", _ADVICE) from error
