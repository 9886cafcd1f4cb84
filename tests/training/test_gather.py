"""Training data: what is read, what is never read, and what is refused."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.cameras import Camera
from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.data.clip import Clip, ClipInfo, Dataset
from posebench.networks.samples import NOMINAL_FOCAL, TrainingData, image_coordinates, nominal_camera
from posebench.training.gather import gather


def lens(focal, centre):
    return Camera(np.eye(3), np.zeros(3), np.array(focal, dtype=float), np.array(centre, dtype=float), (1000, 1000))


LENS = lens([1000.0, 1250.0], [500.0, 480.0])


class Blindfolded(Clip):
    """A clip whose poses must not be read."""

    def __getattribute__(self, name):
        if name == "pose":
            raise AssertionError("a pose was read")
        return super().__getattribute__(name)


@dataclass
class SmallDataset:
    """A dataset of some clips: pixels and poses drawn, the first pixel of the first joint counts the frames."""

    lengths: tuple = (3, 5)
    camera: Camera | None = LENS
    kind: type = Clip
    joints: int = 17

    def open(self, **changes):
        infos, clips = {}, {}
        for number, frames in enumerate(self.lengths):
            info = ClipInfo(f"A/{number}/c", "A", f"A/{number}", "c", "walk", frames)
            random = np.random.default_rng(number)
            pixels = random.uniform(0.0, 1000.0, (frames, self.joints, 2))
            pixels[:, 0, 0] = 100.0 * number + np.arange(frames)
            pose = random.normal(0.0, 300.0, (frames, self.joints, 3))
            infos[info.id] = info
            clips[info.id] = self.kind(info, pose, "h36m17", 30.0, self.camera, {"gt": lambda pixels=pixels: pixels})
        opened = Dataset("some", "1", "h36m17", 30.0, infos, "0" * 64, True, {"train": ("A",)}, ("gt",), clips.__getitem__)
        return replace(opened, **changes)


def gathered(dataset, *, with_poses=True, **options):
    return gather(dataset, list(dataset.infos), "gt", with_poses=with_poses, **options)


def test_image_coordinates_by_hand():
    pixels = np.array([[[500.0, 480.0], [1500.0, -770.0]]])
    assert image_coordinates(pixels, LENS).tolist() == [[[0.0, 0.0], [1.0, -1.0]]]


def test_the_frames_of_all_clips_are_concatenated():
    dataset = SmallDataset().open()
    data, clips = gathered(dataset), list(dataset.clips())
    wanted = np.concatenate([(clip.keypoints("gt") - [500.0, 480.0]) / [1000.0, 1250.0] for clip in clips])
    np.testing.assert_allclose(data.keypoints.numpy(), wanted, rtol=1e-6)
    np.testing.assert_allclose(data.poses.numpy(), np.concatenate([clip.pose for clip in clips]), rtol=1e-6)
    assert (data.keypoints.dtype, data.poses.dtype) == (torch.float32, torch.float32)
    assert data.first.tolist() == [0, 0, 0, 3, 3, 3, 3, 3]
    assert data.last.tolist() == [2, 2, 2, 7, 7, 7, 7, 7]
    assert data.usable.tolist() == list(range(8))
    assert (data.fps, data.skeleton.id) == (30.0, "h36m17")


def test_invalid_frames_are_kept_as_neighbours_only():
    data = gathered(SmallDataset().open(valid={"A/1/c": np.array([1, 4])}))
    assert data.usable.tolist() == [0, 1, 2, 4, 7]
    assert len(data.keypoints) == 8


def test_progress_counts_clips():
    calls = []
    gathered(SmallDataset((1, 2, 3)).open(), progress=lambda *now: calls.append(now))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    offsets=st.lists(st.integers(-12, 12), min_size=1, max_size=5),
    pick=st.data(),
)
def test_neighbours_never_cross_a_cut(lengths, offsets, pick):
    ends = np.cumsum(lengths)
    clip_of = np.repeat(np.arange(len(lengths)), lengths)
    first, last = (ends - lengths)[clip_of], ends[clip_of] - 1
    empty = torch.empty(0)
    tensors = (torch.from_numpy(first), torch.from_numpy(last))
    data = TrainingData(skeleton("h36m17"), empty, None, *tensors, empty, 30.0, LENS)
    frames = pick.draw(st.lists(st.integers(0, int(ends[-1]) - 1), min_size=1, max_size=6))
    found = data.neighbours(torch.tensor(frames), torch.tensor(offsets)).numpy()
    assert found.shape == (len(frames), len(offsets))
    for row, frame in zip(found, frames, strict=True):
        for neighbour, offset in zip(row, offsets, strict=True):
            assert clip_of[neighbour] == clip_of[frame]
            within = 0 <= frame + offset < ends[-1] and clip_of[frame + offset] == clip_of[frame]
            assert neighbour == (frame + offset if within else last[frame] if offset > 0 else first[frame])


def test_neighbours_of_gathered_frames_are_frames_of_the_same_clip():
    data = gathered(SmallDataset((4, 4)).open())
    pixels = data.keypoints[data.neighbours(torch.tensor([3, 4]), torch.tensor([-1, 0, 1]))][..., 0, 0] * 1000.0 + 500.0
    assert pixels.round().tolist() == [[2.0, 3.0, 3.0], [100.0, 100.0, 101.0]]


def test_without_supervision_no_pose_is_read():
    data = gathered(SmallDataset(kind=Blindfolded).open(), with_poses=False)
    assert data.poses is None
    assert len(data.keypoints) == 8
    with pytest.raises(AssertionError, match="a pose was read"):
        gathered(SmallDataset(kind=Blindfolded).open())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_keypoints_that_are_not_finite_are_refused_with_the_clip(bad):
    dataset = SmallDataset().open()
    dataset.load("A/1/c").keypoints("gt")[2, 5, 1] = bad
    with pytest.raises(PosebenchError, match=r"A/1/c: keypoints of gt that are not finite"):
        gathered(dataset, with_poses=False)


def test_a_pose_that_is_not_finite_is_refused_with_paired_supervision():
    dataset = SmallDataset().open()
    dataset.load("A/0/c").pose[0, 0, 0] = np.nan
    with pytest.raises(PosebenchError, match="A/0/c: a pose that is not finite"):
        gathered(dataset)
    assert gathered(dataset, with_poses=False).poses is None


@pytest.mark.parametrize(
    ("dataset", "source", "named"),
    [
        (SmallDataset(()).open(), "gt", "no training clips in this copy of some"),
        (SmallDataset(joints=16).open(), "gt", "16 joints in keypoint source gt of A/0/c.*the 17 of h36m17"),
        (SmallDataset().open(), "cpn", "keypoint source 'cpn'.*one of gt"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(dataset, source, named):
    with pytest.raises(PosebenchError, match=named):
        gather(dataset, list(dataset.infos), source, with_poses=False)


def test_the_nominal_camera_is_the_median_of_the_training_cameras():
    cameras = [lens([1000.0, 1100.0], [500.0, 510.0]), lens([1200.0, 1000.0], [520.0, 500.0]), lens([9000.0, 1050.0], [504.0, 900.0])]
    nominal = nominal_camera(cameras, 10_000.0)
    assert (nominal.focal.tolist(), nominal.centre.tolist(), nominal.size) == ([1200.0, 1050.0], [504.0, 510.0], (1008, 1020))
    assert gathered(SmallDataset().open()).nominal.focal.tolist() == LENS.focal.tolist()


@pytest.mark.parametrize(("largest", "width"), [(-50.0, 500.0), (499.0, 500.0), (500.0, 500.0), (500.1, 1000.0), (1920.0, 2000.0)])
def test_without_cameras_a_nominal_one_is_made_for_an_image_that_holds_the_joints(largest, width):
    nominal = nominal_camera([], largest)
    assert nominal.focal.tolist() == [NOMINAL_FOCAL * width] * 2
    assert nominal.centre.tolist() == [width / 2] * 2


def test_clips_without_a_camera_use_the_nominal_one():
    dataset = SmallDataset(camera=None).open()
    data = gathered(dataset)
    pixels = np.concatenate([clip.keypoints("gt") for clip in dataset.clips()])
    assert pixels.max() > 900.0
    np.testing.assert_allclose(data.keypoints.numpy(), (pixels - 500.0) / 1100.0, rtol=1e-5, atol=1e-6)


def test_cameras_of_one_take_share_its_number():
    dataset = SmallDataset(lengths=(3, 5, 2)).open()
    infos = {id: replace(info, take="A/0" if number < 2 else "A/2") for number, (id, info) in enumerate(dataset.infos.items())}
    assert gathered(replace(dataset, infos=infos)).take.tolist() == [0] * 8 + [1] * 2
