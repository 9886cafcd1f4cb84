"""Export to the layouts of Human3.6M: what is written is read back, to the precision of the layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.h36m.dataset import open_h36m
from posebench.data.h36m.export import LAYOUTS

#: Layout to its largest error: pose in mm, keypoints in px.
PRECISION = {
    "videopose3d": (1e-3, 1e-4),
    "h36m-cdf": (1e-3, 1e-4),
    "mmpose": (1e-9, 1e-9),
    "martinez": (1e-9, 1e-9),
    "h36m-fetch": (1e-9, 1e-9),
}


def kept(layout, frames, pose, subject):
    """Frames that a layout holds of a clip, by the rules that docs/h36m.md states."""
    if layout == "mmpose":
        return np.arange(0, frames, 5)
    if layout == "h36m-fetch" and subject == "S9":
        return np.arange(0, frames, 64)
    if layout == "h36m-fetch":
        out = [0]
        for k in range(1, frames):
            if np.linalg.norm(pose[k] - pose[out[-1]], axis=1).max() > 40.0:
                out.append(k)
        return np.array(out)
    return np.arange(frames)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_returns_the_clips_that_were_written(small, written, layout):
    opened = open_h36m(written / layout)
    assert set(opened.infos) == set(small.infos)
    assert (opened.name, opened.version) == ("h36m", "1")
    assert opened.skeleton == "h36m17"
    mm, px = PRECISION[layout]
    for clip in opened.clips():
        wrote = small.load(clip.id)
        frames = kept(layout, wrote.info.frames, wrote.pose, wrote.info.subject)
        assert clip.info == replace(wrote.info, frames=len(frames))
        np.testing.assert_allclose(clip.pose, wrote.pose[frames], atol=mm, rtol=0)
        np.testing.assert_allclose(clip.keypoints("gt"), wrote.keypoints("gt")[frames], atol=px, rtol=0)
        for name in ("rotation", "position", "focal", "centre", "radial", "tangential"):
            np.testing.assert_allclose(getattr(clip.camera, name), getattr(wrote.camera, name), atol=1e-9, rtol=0)
        assert clip.camera.size == wrote.camera.size


def test_an_export_needs_an_empty_folder_and_states_that_it_is_not_human36m(small, written):
    assert "Not the Human3.6M dataset" in (written / "martinez" / "SYNTHETIC.txt").read_text()
    with pytest.raises(PosebenchError, match="an empty or new folder"):
        LAYOUTS["martinez"](small, written / "martinez")


def test_a_copy_can_be_exported_to_another_layout(written, tmp_path):
    opened = open_h36m(written / "videopose3d")
    LAYOUTS["martinez"](opened, tmp_path / "out")
    again = open_h36m(tmp_path / "out")
    assert again.fingerprint == opened.fingerprint
    for id in ("S1/Sitting 2/60457274", "S9/Walking 1/54138969"):
        np.testing.assert_allclose(again.load(id).pose, opened.load(id).pose, atol=1e-9)


def test_resimulated_takes_share_the_cameras_of_their_subject_and_stay_in_the_image(small):
    positions = {}
    for clip in small.clips():
        positions.setdefault((clip.info.subject, clip.info.camera), set()).add(tuple(clip.camera.position))
        assert clip.pose[..., 2].min() > 1000.0
        pixels = clip.keypoints("gt")
        assert pixels.min() > -200.0
        assert pixels.max() < 1200.0
        head_above_feet = pixels[:, 10, 1] < pixels[:, 3, 1]
        assert head_above_feet.mean() > 0.95
    assert all(len(places) == 1 for places in positions.values())


def test_subjects_that_human36m_does_not_have_cannot_be_exported(small, tmp_path):
    unknown = {id: replace(info, subject="S99") for id, info in small.infos.items()}
    with pytest.raises(PosebenchError, match="S99"):
        LAYOUTS["martinez"](replace(small, infos=unknown), tmp_path)
