"""PoseBench3D's npz: rows without ids find their frames by the truth beside them, or the file is refused."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.predictions.formats.registry import recognise


def save(path, truth, poses, scale=1e-3, drop=0, **changes):
    targets = np.concatenate([pose - pose[:, :1] for pose in truth.values()]) * scale
    outputs = np.concatenate(list(poses.values())) * scale
    rows = slice(0, len(targets) - drop)
    arrays = {"inputs2D": np.zeros((len(targets), 17, 2))[rows], "targets3D": targets[rows], "outputs3D": outputs[rows]}
    np.savez(path, **({key: array.astype(np.float32) for key, array in arrays.items()} | changes))
    return path


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_rows_find_their_frames_by_the_truth_in_whatever_order_clips_come(tmp_path, poses, truth, same_as_ours, scale):
    turned = dict(reversed(truth.items()))
    path = save(tmp_path / "model.npz", turned, {clip: poses[clip] for clip in turned}, scale)
    assert recognise(path) == ["posebench3d-npz"]
    finding = same_as_ours(path, poses, truth, rel=1e-5, convert=False)
    for word in ("h36m17", "root-relative", "4 clips", "metres" if scale < 1 else "millimetres"):
        assert word in finding["message"]


def test_a_dropped_tail_is_missed_frame_by_frame(tmp_path, poses, truth, refused, same_as_ours):
    path = save(tmp_path / "model.npz", truth, poses, drop=3)
    assert "3 of 98 poses are missing" in refused(path, code=1)
    last = list(poses)[-1]
    some = poses | {last: poses[last][:-3]}
    same_as_ours(path, some, truth, rel=1e-5, convert=False, frames={last: np.arange(len(some[last]))})


def test_a_person_who_stands_still_is_matched_in_order(tmp_path, poses, truth, same_as_ours):
    still = {clip: np.repeat(pose[:1], len(pose), axis=0) for clip, pose in truth.items()}
    same_as_ours(save(tmp_path / "model.npz", still, poses), poses, still, rel=1e-5, convert=False)


def test_targets_that_are_not_the_truth_are_refused(tmp_path, poses, truth, refused):
    other = {clip: pose + np.where(np.arange(17)[:, None] == 5, 0.1, 0.0) for clip, pose in truth.items()}
    assert "row 0 is no true pose" in refused(save(tmp_path / "model.npz", other, poses))
    twice = np.concatenate([pose - pose[:, :1] for pose in truth.values()])[[3, 3]]
    assert "the same frame" in refused(save(tmp_path / "m.npz", truth, poses, targets3D=twice, outputs3D=twice))


def test_without_truth_it_cannot_be_converted(tmp_path, poses, truth, run):
    code, _, err = run("convert", save(tmp_path / "model.npz", truth, poses), "-o", tmp_path / "p.npz")
    assert code == 2
    assert "--from posebench3d-npz --protocol" in err


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs3D": np.zeros((98, 18, 3))},
        {"outputs3D": np.zeros((97, 17, 3))},
        {"targets3D": np.zeros((98, 17, 3), int)},
        {"targets3D": np.zeros((0, 17, 3))},
        {"inputs2D": np.array([{}], dtype=object)},
        {"targets3D": np.full((98, 17, 3), np.nan)},
    ],
)
def test_other_arrays_are_refused(tmp_path, poses, truth, refused, changes):
    refused(save(tmp_path / "model.npz", truth, poses, **changes))
