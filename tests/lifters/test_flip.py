"""Flip averaging: what it must leave alone, and what it must change."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from posebench.base.cameras import Camera
from posebench.base.skeletons import SKELETONS, skeleton
from posebench.lifters import Lifter, LifterInfo
from posebench.lifters.flat import Flat
from posebench.lifters.flip import FlipAveraged

CAMERA = Camera(
    np.eye(3),
    np.zeros(3),
    focal=np.array([1100.0, 1150.0]),
    centre=np.array([490.0, 510.0]),
    size=(1000, 1002),
    radial=np.array([-0.2, 0.1, 0.0]),
    tangential=np.array([0.003, -0.002]),
)


@dataclass(frozen=True)
class Recorder(Flat):
    """Flat, and what it was asked."""

    asked: list = field(default_factory=list)

    def lift(self, keypoints, camera):
        self.asked.append((keypoints, camera))
        return super().lift(keypoints, camera)


@dataclass(frozen=True)
class Leaning(Flat):
    """A lifter that is not equivariant: every joint 10 to the right of where it is, the left wrist 8 deeper."""

    def lift(self, keypoints, camera):
        pose = super().lift(keypoints, camera) + np.array([10.0, 0.0, 0.0])
        pose[:, skeleton(self.info.skeleton).index("l_wrist"), 2] += 8.0
        return pose


def whole_points(joints, frames=7):
    """Keypoints with whole pixels, so that sums of them are exact."""
    return np.random.default_rng(3).integers(0, 1000, (frames, joints, 2)).astype(float)


@pytest.mark.parametrize("name", [name for name, kind in SKELETONS.items() if kind.pairs])
@pytest.mark.parametrize("camera", [None, CAMERA], ids=["no camera", "camera"])
def test_flip_averaging_changes_nothing_for_a_lifter_that_commutes_with_the_mirror(name, camera):
    points = whole_points(len(skeleton(name)), frames=8)
    flat = Flat(replace(Flat.info, skeleton=name))
    np.testing.assert_array_equal(FlipAveraged(flat).lift(points, camera), flat.lift(points, camera))


def test_what_leans_to_one_side_is_averaged_away():
    points = whole_points(17)
    pose, flat = FlipAveraged(Leaning()).lift(points, CAMERA), Flat().lift(points, CAMERA)
    np.testing.assert_allclose(pose[..., :2], flat[..., :2])
    wrists = [skeleton("h36m17").index(f"{side}_wrist") for side in "lr"]
    assert (pose[:, wrists, 2] == 4.0).all()  # half of the left wrist's 8, on either side
    assert (np.delete(pose[..., 2], wrists, axis=1) == 0.0).all()


def test_the_mirror_image_is_the_projection_of_the_mirrored_person(walker):
    truth = walker(5)
    swap = list(skeleton("h36m17").mirror)
    recorder = Recorder()
    FlipAveraged(recorder).lift(CAMERA.project(truth), CAMERA)
    (points, camera) = next((points, camera) for points, camera in recorder.asked if camera is not CAMERA)
    np.testing.assert_allclose(points, camera.project(truth[:, swap] * [-1.0, 1.0, 1.0]), atol=1e-9)
    assert camera.project(truth)[0, 0] != pytest.approx(CAMERA.project(truth)[0, 0], abs=1e-3)  # its lens is another


def test_without_a_camera_the_roots_motion_is_mirrored_too():
    points = whole_points(17)
    recorder = Recorder()
    FlipAveraged(recorder).lift(points, None)
    (mirrored,) = [asked for asked, _ in recorder.asked if asked is not points]
    np.testing.assert_allclose(np.diff(mirrored[:, 0, 0]), -np.diff(points[:, 0, 0]))
    assert mirrored[:, 0, 0].mean() == pytest.approx(points[:, 0, 0].mean())


def test_a_frame_without_a_root_spoils_no_other_frame():
    points = whole_points(17)
    points[2, 0] = np.nan
    pose = FlipAveraged(Flat()).lift(points, None)
    assert np.isnan(pose).any(axis=(1, 2)).tolist() == [frame == 2 for frame in range(7)]


def test_a_wrapped_lifter_keeps_its_info_but_for_flip_averaging():
    inner = Flat(LifterInfo("mine", "sh16", "paired 3D", "metric", context=27))
    lifter: Lifter = FlipAveraged(inner)
    assert lifter.info == LifterInfo("mine", "sh16", "paired 3D", "metric", context=27, flip_averaging=True)
    assert not inner.info.flip_averaging
