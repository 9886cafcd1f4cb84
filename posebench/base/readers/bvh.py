"""Joints of BVH files (Biovision hierarchies): the tree of joints, and their places in every frame by forward kinematics.

**Convention.** Right-handed, in the file's own unit, which it does not state. A joint's channels are applied in the order of the file: the
rotation of ``Zrotation Yrotation Xrotation`` is ``Rz Ry Rx``, angles in degrees. An end site is a point of its own, ``<joint>_end``.
Position channels replace a joint's offset, as in Blender and upc-pymotion.

Source: the University of Wisconsin's page on the format. The tests hold places that upc-pymotion computed.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import rotation_about
from posebench.base.errors import PosebenchError
from posebench.base.readers.points import PointFile

#: An hour at 120 Hz of 60 joints takes some 0.5 GB as text.
MAX_BYTES = 2**29
MAX_JOINTS = 1000
MAX_NUMBERS = 2**25
_AXES = {"x": 0, "y": 1, "z": 2}
_CHANNEL = re.compile(r"([XYZ])(position|rotation)", re.IGNORECASE)
_ADVICE = "export the motion again as BVH, or name a file of another format"


class _Joint(NamedTuple):
    name: str
    parent: int
    offset: npt.NDArray[np.float64]
    channels: tuple[tuple[str, int], ...]


def read_bvh(path: Path) -> PointFile:
    """The joints and end sites of a BVH file, plain or ``.gz``.

    Raises:
        PosebenchError: it is missing, too large, cut off, or no BVH file.
    """
    try:
        text = _text(path)
    except (OSError, EOFError, zlib.error) as error:
        raise PosebenchError(
            f"{path}: {getattr(error, 'strerror', None) or error}", "a BVH file that can be read", "check the path"
        ) from error
    try:
        head, _, motion = text.partition("MOTION")
        joints = _hierarchy(head)
        values, rate = _motion(motion, sum(len(joint.channels) for joint in joints))
        return PointFile(tuple(joint.name for joint in joints), _places(joints, values), rate, "")
    except (ValueError, IndexError, OverflowError) as error:
        raise PosebenchError(f"{path}: {error}", "a whole BVH file: HIERARCHY, then MOTION", _ADVICE) from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if data[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        data = unpacker.decompress(data, MAX_BYTES + 1)
        if not unpacker.eof and len(data) <= MAX_BYTES:
            raise EOFError("compressed data that is cut off")
    if len(data) > MAX_BYTES:
        raise OSError(f"more than {MAX_BYTES:,} bytes")
    return data.decode("utf-8", "replace")


def _hierarchy(text: str) -> list[_Joint]:
    words = text.split()
    if not words or words[0].upper() != "HIERARCHY":
        raise ValueError("no HIERARCHY at the start")
    joints: list[_Joint] = []
    parents: list[int] = [-1]
    pending, at = "", 1
    opened: list[int] = []
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            pending = words[at + 1] if word != "END" else f"{joints[opened[-1]].name}_end" if opened else "end"
            at += 2
        elif word == "{":
            if not pending or len(joints) >= MAX_JOINTS:
                raise ValueError(f"a joint without a name, or more than {MAX_JOINTS} joints")
            joints.append(_Joint(pending, parents[-1], np.zeros(3), ()))
            opened.append(len(joints) - 1)
            parents.append(opened[-1])
            pending, at = "", at + 1
        elif word == "}":
            if not opened:
                raise ValueError("a } without its {")
            opened.pop()
            parents.pop()
            at += 1
        elif word == "OFFSET" and opened:
            offset = np.array([float(number) for number in words[at + 1 : at + 4]])
            if offset.shape != (3,) or not np.isfinite(offset).all():
                raise ValueError(f"the offset of {joints[opened[-1]].name} is not three numbers")
            joints[opened[-1]] = joints[opened[-1]]._replace(offset=offset)
            at += 4
        elif word == "CHANNELS" and opened:
            count = int(words[at + 1])
            named = [_CHANNEL.fullmatch(channel) for channel in words[at + 2 : at + 2 + count]]
            if not 0 <= count <= 6 or len(named) != count or not all(named):
                raise ValueError(f"channels of {joints[opened[-1]].name} that are no positions and rotations")
            channels = tuple((found[2].lower(), _AXES[found[1].lower()]) for found in named if found)
            joints[opened[-1]] = joints[opened[-1]]._replace(channels=channels)
            at += 2 + count
        else:
            raise ValueError(f"the word {words[at]!r:.40} in the hierarchy")
    if opened or not joints:
        raise ValueError("a hierarchy that is cut off" if opened else "no joint")
    names = [joint.name for joint in joints]
    if len(set(names)) < len(names):
        raise ValueError("two joints of one name")
    return joints


def _motion(text: str, channels: int) -> tuple[npt.NDArray[np.float64], float]:
    """Channels (T, C), and frames per second."""
    found = re.match(r"\s*Frames:\s*(\d{1,9})\s+Frame\s+Time:\s*([0-9.eE+-]{1,40})", text, re.IGNORECASE)
    if not found:
        raise ValueError("no MOTION with Frames: and Frame Time:")
    frames, step = int(found[1]), float(found[2])
    if not frames or not channels or not 1e-5 < step < 1e3:
        raise ValueError(f"{frames} frames of {channels} channels, {step:g} s apart")
    if frames * channels > MAX_NUMBERS:
        raise ValueError(f"{frames:,} frames of {channels} channels, more than {MAX_NUMBERS:,} numbers")
    body = text[found.end() :]
    if len(body) < 2 * frames * channels - 1:  # before memory is taken for what the head claims
        raise ValueError(f"cut off: {frames:,} frames of {channels} channels are stated")
    words = body.split()
    if len(words) != frames * channels:
        raise ValueError(f"{len(words):,} numbers, where {frames:,} frames of {channels} channels are stated")
    values = np.array(words, dtype=np.float64).reshape(frames, channels)
    if not np.isfinite(values).all():
        raise ValueError("a channel that is not finite")
    return values, 1.0 / step


def _places(joints: list[_Joint], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Places (T, N, 3) of all joints."""
    places = np.empty((len(values), len(joints), 3))
    rotations: list[npt.NDArray[np.float64]] = []
    column = 0
    for index, joint in enumerate(joints):
        own = np.broadcast_to(joint.offset, (len(values), 3)).copy()
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for kind, axis in joint.channels:
            if kind == "position":
                own[:, axis] = values[:, column]
            else:
                turn = turn @ rotation_about(axis, np.deg2rad(values[:, column]))
            column += 1
        if joint.parent < 0:
            places[:, index] = own
            rotations.append(turn)
        else:
            before = rotations[joint.parent]
            places[:, index] = places[:, joint.parent] + np.einsum("tij,tj->ti", before, own)
            rotations.append(before @ turn)
    return places
