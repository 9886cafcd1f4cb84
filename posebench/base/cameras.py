"""Cameras: world to camera to pixels and back, with Human3.6M's distortion model; and rotation matrices.

**Convention.** World and camera coordinates in millimetres; camera frame x right, y down, z forward; pixels from the top-left
corner. ``X_camera = R (X_world - position)``: ``R`` maps world axes to camera axes, ``position`` is the camera centre in the world
(Martinez' convention; mmpose stores ``R`` transposed and metres, VideoPose3D the camera-to-world quaternion and metres).

Sources: Martinez ``src/cameras.py``, VideoPose3D ``common/camera.py``; both agree to 3e-13 px once VideoPose3D's tangential
pair, stored swapped, is put in OpenCV order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

#: Focal length of a camera of which only the image's size is known, in longer sides of the image: some 49 degrees across.
NOMINAL_FOCAL = 1.1


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera.

    Attributes:
        rotation: (3, 3), world axes to camera axes.
        position: (3,) mm, camera centre in the world.
        focal: (2,) px.
        centre: (2,) px, principal point.
        size: (width, height) px.
        radial: (3,) k1 k2 k3.
        tangential: (2,) p1 p2 in OpenCV order (p1 goes with y in the factor, see :meth:`project`).

    Example:
        >>> import numpy as np
        >>> camera = Camera(np.eye(3), np.zeros(3), np.array([1000.0, 1000.0]), np.array([500.0, 500.0]), (1000, 1000))
        >>> camera.project(np.array([[100.0, 0.0, 2000.0]]))
        array([[550., 500.]])
    """

    rotation: Array
    position: Array
    focal: Array
    centre: Array
    size: tuple[int, int]
    radial: Array = field(default_factory=lambda: np.zeros(3))
    tangential: Array = field(default_factory=lambda: np.zeros(2))

    def to_camera(self, world: npt.ArrayLike) -> Array:
        """World points (..., 3) mm to camera points (..., 3) mm."""
        return (np.asarray(world, dtype=np.float64) - self.position) @ self.rotation.T

    def to_world(self, points: npt.ArrayLike) -> Array:
        """Camera points (..., 3) mm to world points (..., 3) mm."""
        return np.asarray(points, dtype=np.float64) @ self.rotation + self.position

    def project(self, points: npt.ArrayLike, *, clamp: bool = False) -> Array:
        """Camera points (..., 3) mm to pixels (..., 2).

        **Convention.** With xx = (x/z, y/z) and r2 = |xx|^2: factor = 1 + k1 r2 + k2 r2^2 + k3 r2^3 + p1 y + p2 x and
        pixel = focal (xx factor + (p2, p1) r2) + centre. This is H36M's own model: OpenCV's tangential term has a factor 2
        on the products. A point at z = 0 gives no finite pixel; a point behind the camera is mirrored, as in the field's other code.

        Args:
            points: (..., 3) mm.
            clamp: clip xx to [-1, 1] before distortion, as VideoPose3D does (+-45 degrees off axis).
        """
        points = np.asarray(points, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            xx = points[..., :2] / points[..., 2:]
            if clamp:
                xx = np.clip(xx, -1.0, 1.0)
            r2 = np.sum(xx**2, axis=-1, keepdims=True)
            k1, k2, k3 = self.radial
            factor = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3)) + xx @ self.tangential[::-1, None]
            out: Array = self.focal * (xx * factor + self.tangential[::-1] * r2) + self.centre
        return out

    def back_project(self, pixels: npt.ArrayLike, depth: npt.ArrayLike) -> Array:
        """Pixels (..., 2) at ``depth`` (...) mm along z to camera points (..., 3) mm; exact for a camera without distortion.

        Raises:
            ValueError: the camera has distortion (its inverse has no closed form).
        """
        if np.any(self.radial) or np.any(self.tangential):
            raise ValueError("back_project needs a camera without distortion")
        z = np.asarray(depth, dtype=np.float64)[..., None]
        xy = (np.asarray(pixels, dtype=np.float64) - self.centre) / self.focal * z
        return np.concatenate([xy, z], axis=-1)


def estimated_camera(size: tuple[int, int]) -> Camera:
    """A camera for an image (width, height) px of which nothing else is known.

    The principal point is the image's centre, the focal length :data:`NOMINAL_FOCAL` times its longer side.

    Example:
        >>> estimated_camera((1000, 500)).focal.tolist()
        [1100.0, 1100.0]
    """
    return Camera(np.eye(3), np.zeros(3), np.full(2, NOMINAL_FOCAL * max(size)), np.array(size) / 2.0, size)


def rotation_from_quaternion(quaternion: npt.ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) in (w, x, y, z) order, normalised first.

    Example:
        >>> rotation_from_quaternion([1.0, 0.0, 0.0, 0.0]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    q = np.asarray(quaternion, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_xyz(degrees: npt.ArrayLike) -> Array:
    """Rotations (..., 3, 3) about the fixed x, then y, then z axis: ``Rz Ry Rx``, from angles (..., 3) in degrees.

    This is ASF/AMC's ``XYZ`` order (CMU's Acclaim format).

    Example:
        >>> (rotation_xyz([0.0, 0.0, 90.0]) @ [1.0, 0.0, 0.0]).round(12).tolist()
        [0.0, 1.0, 0.0]
    """
    angles = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    (sx, sy, sz), (cx, cy, cz) = np.moveaxis(np.sin(angles), -1, 0), np.moveaxis(np.cos(angles), -1, 0)
    rows = [
        [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
        [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
        [-sy, sx * cy, cx * cy],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_from_euler(angles: npt.ArrayLike) -> Array:
    """``Rx(a) Ry(b) Rz(c)`` (3, 3) of angles (3,) in radians, each a counter-clockwise turn about its axis (Human3.6M's metadata).

    Example:
        >>> (rotation_from_euler([0.0, 0.0, np.pi / 2]) @ [1.0, 0.0, 0.0]).round(12).tolist()
        [0.0, 1.0, 0.0]
    """
    (ca, cb, cc), (sa, sb, sc) = np.cos(np.asarray(angles, dtype=np.float64)), np.sin(np.asarray(angles, dtype=np.float64))
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, ca, -sa], [0.0, sa, ca]])
    about_y = np.array([[cb, 0.0, sb], [0.0, 1.0, 0.0], [-sb, 0.0, cb]])
    about_z = np.array([[cc, -sc, 0.0], [sc, cc, 0.0], [0.0, 0.0, 1.0]])
    out: Array = about_x @ about_y @ about_z
    return out


def euler_from_rotation(rotation: npt.ArrayLike) -> Array:
    """Angles (3,) in radians such that :func:`rotation_from_euler` gives ``rotation`` (3, 3) again."""
    r = np.asarray(rotation, dtype=np.float64)
    return np.array([np.arctan2(-r[1, 2], r[2, 2]), np.arctan2(r[0, 2], np.hypot(r[0, 0], r[0, 1])), np.arctan2(-r[0, 1], r[0, 0])])


def rotation_from_vector(vector: npt.ArrayLike) -> Array:
    """Rotations (..., 3, 3) of rotation vectors (..., 3), rad (Rodrigues).

    Example:
        >>> rotation_from_vector([0.0, 0.0, np.pi / 2]).round(12).tolist()
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    vector = np.asarray(vector, dtype=np.float64)
    x, y, z = np.moveaxis(vector, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack(row, axis=-1) for row in ([zero, -z, y], [z, zero, -x], [-y, x, zero])], axis=-2)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    out: Array = np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)
    return out


def rotation_about(axis: int, angle: Array) -> Array:
    """Rotations (T, 3, 3) by ``angle`` (T,) rad about x (0), y (1) or z (2)."""
    vector = np.zeros((len(angle), 3))
    vector[:, axis] = angle
    return rotation_from_vector(vector)


def look_at(position: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike) -> Array:
    """Rotation (3, 3), world axes to camera axes, of a camera at ``position`` that looks at ``target`` with image y down.

    **Convention.** ``up`` is the world's up direction; all three (3,), mm. Camera x points to the image's right.

    Raises:
        ValueError: the line of sight is parallel to ``up``.
    """
    forward = np.asarray(target, dtype=np.float64) - np.asarray(position, dtype=np.float64)
    right = np.cross(forward, np.asarray(up, dtype=np.float64))
    if not np.linalg.norm(right) > 0:
        raise ValueError("the line of sight is parallel to up")
    down = np.cross(forward, right)
    return np.stack([axis / np.linalg.norm(axis) for axis in (right, down, forward)])


def screen_coordinates(pixels: npt.ArrayLike, size: tuple[int, int]) -> Array:
    """Pixels (..., 2) to VideoPose3D's screen coordinates: both axes divided by the **width**, x in [-1, 1].

    Example:
        >>> screen_coordinates([[1000.0, 500.0]], (1000, 1000)).tolist()
        [[1.0, 0.0]]
    """
    width, height = size
    out: Array = np.asarray(pixels, dtype=np.float64) / width * 2 - np.array([1.0, height / width])
    return out


def vector_from_rotation(rotation: npt.ArrayLike) -> Array:
    """Rotation vector (3,), rad, such that :func:`rotation_from_vector` gives ``rotation`` (3, 3) again.

    Example:
        >>> vector_from_rotation([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).round(6).tolist()
        [0.0, 0.0, 1.570796]
    """
    r = np.asarray(rotation, dtype=np.float64)
    # Through the quaternion with the largest part first, which is stable for every angle.
    trace = np.array([np.trace(r), r[0, 0], r[1, 1], r[2, 2]])
    skew = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    largest = int(trace.argmax())
    if largest == 0:
        quaternion = np.array([1.0 + trace[0], *skew])
    else:
        axis = largest - 1
        part = r[axis] + r[:, axis]
        part[axis] = 1.0 + 2.0 * r[axis, axis] - trace[0]
        quaternion = np.array([skew[axis], *part])
    quaternion /= np.linalg.norm(quaternion)
    length = float(np.linalg.norm(quaternion[1:]))
    angle = 2.0 * np.arctan2(length, quaternion[0])
    out: Array = quaternion[1:] * (angle / length if length > 1e-12 else 2.0)
    return out
