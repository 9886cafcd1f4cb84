"""Reader of the official ``metadata.xml``: the names of the takes and, in one vector of 300 numbers, the cameras.

**Convention.** ``w0`` holds six numbers for each camera and subject (camera-major, eleven subjects: three Euler angles in radians, the
position in mm) and from number 264 on nine for each camera (focal length 2, centre 2, radial 3, tangential 2 in OpenCV order). The
rotation is ``Rx(a) Ry(b) Rz(c)``, world axes to camera axes (una-dinosauria/3d-pose-baseline ``src/cameras.py``).
:func:`posebench.data.h36m.dataset.open_h36m` compares such cameras with the copy's own 2D joints, and refuses cameras that do not see
the subject.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posebench.base.cameras import Camera, rotation_from_euler
from posebench.base.errors import PosebenchError
from posebench.data.h36m.names import CAMERAS, SIZES, action_of, take_name

Array = npt.NDArray[np.float64]

_SUBJECTS = 11
_LENSES = 6 * _SUBJECTS * len(CAMERAS)
_MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Metadata:
    """The part of the file that is used.

    Attributes:
        w0: (300,) all camera parameters.
        mapped: (subject, action, sub-action number) to the take's name.
    """

    w0: Array
    mapped: dict[tuple[str, str, int], str]

    def cameras(self) -> dict[tuple[str, int], Camera]:
        """Subject and camera index (0 to 3) to the camera.

        Raises:
            PosebenchError: the vector has another length.
        """
        if self.w0.shape != (_LENSES + 9 * len(CAMERAS),):
            raise PosebenchError(
                f"w0 of {self.w0.size} numbers", f"the {_LENSES + 9 * len(CAMERAS)} of the official metadata.xml", "use an unchanged copy"
            )
        out = {}
        for index, name in enumerate(CAMERAS):
            lens = self.w0[_LENSES + 9 * index :][:9]
            for subject in range(_SUBJECTS):
                six = self.w0[6 * (index * _SUBJECTS + subject) :][:6]
                rotation = rotation_from_euler(six[:3])
                out[f"S{subject + 1}", index] = Camera(rotation, six[3:], lens[:2], lens[2:4], SIZES[name], lens[4:7], lens[7:9])
        return out


def read_metadata(path: Path) -> Metadata:
    """Read the file.

    Raises:
        PosebenchError: no such file, damaged, or not of this form.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES or b"<!" in data.replace(b"<!--", b""):
            raise ValueError("too large, or with a document type definition")
        root = ElementTree.fromstring(data)
        text = next((element.text or "" for element in root.iter("w0")), "")
        w0 = np.array([float(word) for word in text.strip(" \t\r\n[]").replace(",", " ").split()])
        mapped = {}
        table = next(iter(root.iter("mapping")), None)
        rows = [[(cell.text or "").strip() for cell in row] for row in table] if table is not None else []
        subjects = rows[0][2:] if rows else []
        for row in rows[1:]:
            number = row[1] if len(row) > 1 and row[1].isdigit() else "0"
            for subject, name in zip(subjects, row[2:], strict=False):
                # The calibration take _ALL is not an action.
                if name and not name.startswith("_"):
                    take = take_name(name)
                    mapped[subject, action_of(take), int(number)] = take
    except (OSError, ValueError, SyntaxError) as error:
        raise PosebenchError(
            f"{path}: {error}", "the official metadata.xml of Human3.6M", "use an unchanged copy, or another camera file"
        ) from error
    return Metadata(w0, mapped)
