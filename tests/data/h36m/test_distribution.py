"""Exports with what hides in real copies: official names, second trials, detections of 16 joints, a video that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.cli.main import main
from posebench.data.h36m.dataset import open_h36m
from posebench.data.h36m.distribution import CPN, HOURGLASS, SURPLUS, UNDETECTED, as_distributed, file_name
from posebench.data.h36m.export import LAYOUTS
from posebench.data.h36m.names import ACTIONS


@pytest.fixture(scope="module")
def named(synthetic_part):
    """Two actions of one training subject and of both test subjects, under official names."""
    return as_distributed(synthetic_part(subjects=("S1", "S9", "S11"), actions=("Walking", "Turning")))


@pytest.fixture(scope="module")
def written(named, tmp_path_factory):
    """The folder of it in a layout."""
    base = tmp_path_factory.mktemp("distributed")

    def folder(layout):
        if not (base / layout).is_dir():
            LAYOUTS[layout](named, base / layout)
        return base / layout

    return folder


def test_takes_have_official_names_and_every_action_its_two_trials(synthetic):
    dataset = as_distributed(synthetic)
    takes = {info.take for info in dataset.infos.values()}
    assert len(takes) == 210
    assert {info.action for info in dataset.infos.values()} == set(ACTIONS)
    assert {"S9/SittingDown 1", "S11/Phoning 3", "S11/Greeting 2", "S5/Discussion 3", "S7/Waiting 2", "S1/Photo", "S11/Directions"} <= takes
    assert not {"S11/Phoning", "S11/Smoking 1", "S5/Discussion 1"} & takes
    assert file_name("S1", "WalkDog 1") == "WalkingDog 1"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_it_is_read_back(named, written, layout):
    opened = open_h36m(written(layout))
    missing = {id for id in named.infos if id.startswith("S11/Directions/")} if layout == "videopose3d" else set()
    assert set(opened.infos) == set(named.infos) - missing
    clip = named.load("S9/Directions 1/54138969")
    frames = slice(0, None, {"mmpose": 5, "h36m-fetch": 64}.get(layout, 1))
    np.testing.assert_allclose(opened.load(clip.id).pose, clip.pose[frames], atol=1e-3)


def test_detections_have_16_joints_where_the_detector_has_and_are_cut_to_the_motion_capture(written):
    copy = written("videopose3d")
    with np.load(copy / f"data_2d_h36m_{HOURGLASS}.npz", allow_pickle=True) as file:
        stored = file["positions_2d"].item()["S9"]["Directions 1"][0]
        assert file["metadata"].item()["num_joints"] == 16
    opened = open_h36m(copy)
    clip = opened.load("S9/Directions 1/54138969")
    assert stored.shape == (clip.info.frames + SURPLUS, 16, 2)
    assert opened.keypoint_sources == ("gt", CPN, HOURGLASS)
    assert clip.keypoints(CPN).shape == (clip.info.frames, 17, 2)


def test_the_unreadable_video_has_motion_capture_and_no_detections(named, written):
    assert HOURGLASS not in named.load(UNDETECTED).sources
    copy = written("martinez")
    detections = {path.name for path in (copy / "S11" / "StackedHourglassFineTuned240").glob("Directions.*")}
    assert len(detections) == 3
    assert "Directions.54138969.h5" not in detections
    assert UNDETECTED in open_h36m(copy).infos


def test_other_layouts_have_no_such_names(tmp_path, capsys):
    words = ["data", "export", "synthetic", "--layout", "p-stmo", "--as-distributed", "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "leave --as-distributed out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
