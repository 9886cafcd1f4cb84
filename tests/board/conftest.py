"""Results that the board's tests put on boards."""

from dataclasses import replace

import numpy as np
import pytest

import posebench
from posebench.board import admission, entry
from posebench.lifters import simple_lifters
from posebench.scoring.protocol import load_protocol
from posebench.scoring.result_parts import ScoredData, ScoredProtocol


@pytest.fixture(scope="session")
def made():
    """How a trained row was made, but for its seed."""
    how = {"recipe": "wide", "preset": "quick", "trained_on": "cmu 1 a5: S01", "trained_keypoints": "gt"}
    how |= {"online": "yes", "tta": "flip", "test_time": "none", "input_filter": "none", "oracle": "none", "selection": "last epoch"}
    return how | {"context": 1, "flip_averaging": True, "epochs": 2, "poses_seen": 5, "parameters": 7}


@pytest.fixture(autouse=True)
def untrained(monkeypatch):
    """The methods of these results count as lifters of posebench that need no training: a board asks all others for provenance."""
    known = dict.fromkeys([*simple_lifters(), "good", "bad", "free"])
    for module in (entry, admission):
        monkeypatch.setattr(module, "simple_lifters", lambda: known)


def scored(folder, name, noise, *, seed=0, keypoints="gt", scale="metric"):
    """A result under `synthetic` on a few true clips: what a board sees, without the cost of the whole dataset."""
    rng = np.random.default_rng(7)
    body = rng.normal(0, 250, (17, 3))
    truth = {f"S9/{action} {i}/c0": body + rng.normal(0, 30, (20, 17, 3)) for action in ("Walk", "Sit", "Eat") for i in (1, 2, 3)}
    posebench.save_predictions(folder / "truth.npz", truth, unit="mm", skeleton="h36m17")
    other = np.random.default_rng([seed, noise])
    path = folder / f"{name}-{seed}-{keypoints}.npz"
    posebench.save_predictions(
        path,
        {clip: pose + other.normal(0, noise, pose.shape) for clip, pose in truth.items()},
        unit="mm" if scale == "metric" else None,
        scale=scale,
        skeleton="h36m17",
        method=name,
        keypoints=keypoints,
        supervision="none",
    )
    result = posebench.score(path, "pair-17j", truth=folder / "truth.npz")
    protocol = load_protocol("synthetic")
    return replace(
        result,
        protocol=ScoredProtocol(id="synthetic", version=protocol.version, digest=protocol.digest, headline=protocol.headline),
        data=ScoredData(name="synthetic", version="1", fingerprint="f" * 64, official=True, note=""),
    )


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    return {
        "good": scored(folder, "good", 20),
        "good2": scored(folder, "good", 21, seed=1),
        "good3": scored(folder, "good", 22, seed=2),
        "bad": scored(folder, "bad", 60),
        "free": scored(folder, "free", 30, scale="unknown"),
        "noisy": scored(folder, "good", 30, keypoints="gauss5"),
    }
