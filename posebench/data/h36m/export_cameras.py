"""Writers of Human3.6M's four camera files, which :mod:`posebench.data.h36m.cameras` reads and describes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from posebench.base.cameras import Array, Camera, euler_from_rotation
from posebench.base.files import replacing, write_text
from posebench.data.h36m.cameras import Cameras
from posebench.data.h36m.names import CAMERAS, NUMBERED_ACTIONS

_ALL_SUBJECTS = [f"S{number}" for number in range(1, 12)]


def _quaternion(rotation: Array) -> Array:
    """The unit quaternion (w, x, y, z) with w >= 0 of a rotation (3, 3): Bar-Itzhack 2000, the eigenvector of the largest eigenvalue."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    form = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, yx + xy, xz + zx],
            [xz - zx, yx + xy, yy - xx - zz, zy + yz],
            [yx - xy, xz + zx, zy + yz, zz - xx - yy],
        ]
    )
    vector: Array = np.linalg.eigh(form).eigenvectors[:, -1]
    return vector if vector[0] >= 0 else -vector


def write_videopose3d(path: Path, cameras: Cameras) -> None:
    """``common/h36m_dataset.py``, only with its two camera literals."""
    lenses, places = [], {}
    for name in CAMERAS:
        lens = _lens(cameras, name)
        lenses.append(
            {
                "id": name,
                "center": lens.centre.tolist(),
                "focal_length": lens.focal.tolist(),
                "radial_distortion": lens.radial.tolist(),
                "tangential_distortion": lens.tangential[::-1].tolist(),
                "res_w": lens.size[0],
                "res_h": lens.size[1],
            }
        )
    for subject in _subjects(cameras):
        own = [cameras[subject, name] for name in CAMERAS]
        places[subject] = [{"orientation": _quaternion(c.rotation.T).tolist(), "translation": c.position.tolist()} for c in own]
    write_text(path, f"h36m_cameras_intrinsic_params = {lenses!r}\n\nh36m_cameras_extrinsic_params = {places!r}\n")


def write_martinez(path: Path, cameras: Cameras) -> None:
    """Martinez' ``cameras.h5``."""
    from posebench.base.readers.hdf5_writer import new_hdf5

    with replacing(path) as temporary, new_hdf5(temporary) as file:
        for (subject, name), camera in cameras.items():
            place = f"subject{subject[1:]}/camera{CAMERAS.index(name) + 1}"
            values = {"R": camera.rotation.T, "T": camera.position, "f": camera.focal, "c": camera.centre, "k": camera.radial}
            for key, value in (values | {"p": camera.tangential}).items():
                file[f"{place}/{key}"] = value if key == "R" else value.reshape(-1, 1)
            file[f"{place}/Name"] = np.array([[ord(letter)] for letter in name], dtype=np.uint16)


def write_mmpose(path: Path, cameras: Cameras) -> None:
    """Mmpose's ``cameras.pkl``."""
    table = {}
    for (subject, name), camera in cameras.items():
        columns = {"c": camera.centre, "f": camera.focal, "k": camera.radial, "p": camera.tangential, "T": camera.position / 1000.0}
        table[subject, name] = {
            "R": np.ascontiguousarray(camera.rotation.T),
            **{key: value.reshape(-1, 1) for key, value in columns.items()},
            "w": camera.size[0],
            "h": camera.size[1],
            "name": f"camera{CAMERAS.index(name) + 1}",
            "id": name,
        }
    with replacing(path) as temporary:
        temporary.write_bytes(pickle.dumps(table, protocol=4))


def write_metadata(path: Path, cameras: Cameras, mapped: Mapping[tuple[str, str, int], str]) -> None:
    """``metadata.xml``, only with what :mod:`posebench.data.h36m.metadata` reads: the table of names and the vector of cameras.

    The cameras of absent subjects are zeros.
    """
    w0: list[float] = []
    for name in CAMERAS:
        for subject in _ALL_SUBJECTS:
            camera = cameras.get((subject, name))
            w0 += [0.0] * 6 if camera is None else [*euler_from_rotation(camera.rotation).tolist(), *camera.position.tolist()]
    for name in CAMERAS:
        lens = _lens(cameras, name)
        w0 += np.concatenate([lens.focal, lens.centre, lens.radial, lens.tangential]).tolist()
    actions = list(dict.fromkeys([*NUMBERED_ACTIONS, *sorted({action for _, action, _ in mapped})]))
    rows = [["", "", *_ALL_SUBJECTS]]
    for action, number in sorted({(action, number) for _, action, number in mapped}):
        names = [mapped.get((subject, action, number), "") for subject in _ALL_SUBJECTS]
        rows.append([str(actions.index(action) + 2), str(number), *names])
    table = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    write_text(path, f"<metadata>\n<mapping>\n{table}\n</mapping>\n<w0>[{' '.join(map(repr, w0))}]</w0>\n</metadata>\n")


def _subjects(cameras: Cameras) -> list[str]:
    return list(dict.fromkeys(subject for subject, _ in cameras))


def _lens(cameras: Cameras, name: str) -> Camera:
    """The camera of this id of any subject, for its intrinsics, which all subjects share."""
    return next(camera for (_, other), camera in cameras.items() if other == name)
