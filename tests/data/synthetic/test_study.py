"""The statistics table of ``synthetic``, and how it is measured on captured takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import posebench.data.synthetic.motion as motion
from posebench.data.cmu.dataset import SPLITS as CMU_SPLITS
from posebench.data.cmu.dataset import takes
from posebench.data.synthetic import angles as synthetic_angles
from posebench.data.synthetic.angles import read_training_takes, rotation_vectors, swings
from posebench.data.synthetic.body import BALLS, CHANNELS, DIRECTIONS, SKELETON, WELDED, Shape, columns, joints
from posebench.data.synthetic.study.table import SOURCES


def test_the_table_is_small_and_names_the_training_subjects_only():
    raw = motion.table_bytes()
    assert len(raw) < 300_000
    table = json.loads(raw)
    assert table["subjects"] == list(CMU_SPLITS["train"])
    assert table["channels"] == list(CHANNELS)
    assert "mocap.cs.cmu.edu" in table["acknowledgment"]


def test_the_table_holds_no_series_as_long_as_a_take():
    def longest(value):
        if isinstance(value, dict):
            return max(map(longest, value.values()))
        if isinstance(value, list):
            return max([len(value), *map(longest, value)])
        return 0

    assert longest(json.loads(motion.table_bytes())) <= len(CHANNELS)


def test_every_training_take_feeds_one_action_and_no_test_take_does():
    by = {source: action for action, sources in SOURCES.items() for source in sources}
    listed = {take.trial: take.subject for take in takes() if take.trial in by}
    assert set(listed.values()) <= set(CMU_SPLITS["train"])
    fed = {by.get(take.trial) or by[take.action] for take in takes() if take.subject in CMU_SPLITS["train"]}
    assert fed == set(motion.load_table().actions) == set(SOURCES)


def test_measuring_opens_no_file_of_a_test_subject(cmu_root, monkeypatch):

    opened = []
    for name in ("read_asf", "read_amc"):
        read = getattr(synthetic_angles, name)
        monkeypatch.setattr(
            synthetic_angles, name, lambda path, *a, read=read, **k: opened.append(Path(path).parent.name) or read(path, *a, **k)
        )
    measured = synthetic_angles.read_training_takes(cmu_root)
    assert next(measured).take.subject in CMU_SPLITS["train"]
    assert set(opened) == set(CMU_SPLITS["train"])


def lengths(pose):
    """Mean length of each bone, (16,) mm."""
    return np.array([np.linalg.norm(pose[:, child] - pose[:, parent], axis=1).mean() for parent, child in SKELETON.bones])


def test_measured_angles_rebuild_a_captured_take(cmu_root, monkeypatch):
    monkeypatch.setattr(synthetic_angles, "takes", lambda: [take for take in takes() if take.trial == "05_01"])
    (take,) = read_training_takes(cmu_root)
    rest = dict(motion.load_table().rest)
    values = take.free.copy()
    for name in BALLS:
        values[:, columns(name)] = rotation_vectors(rest[name].T @ take.relative(name))
    for name in DIRECTIONS:
        values[:, columns(name)] = swings(take.directions[name], rest[name])
    for name in WELDED:
        rest[name] = rest[name].copy()
        rest[name][:, 2] = take.directions[name].mean(axis=0)
    shape = Shape(dict(zip(SKELETON.joints[1:], lengths(take.joints), strict=True)), rest)
    left = take.joints[:, SKELETON.index("l_hip")] - take.joints[:, SKELETON.index("r_hip")]
    rebuilt = joints(shape, values, np.arctan2(-left[:, 2], left[:, 0]))
    assert np.linalg.norm(rebuilt - (take.joints - take.joints[:, :1]), axis=2).mean() < 5.0
