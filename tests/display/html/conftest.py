"""Small results with their predictions beside them, and pages on one and on two of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import posebench
from posebench.predictions.archive import save_predictions

#: A name that would run, load or break something wherever it was written as it is.
HOSTILE = "<img src=x onerror=alert(1)></script><b>\"'&"
PROTOCOL = """
extends = "synthetic"
id = "part"
version = 1
title = "Part of the generated motion"

[takes]
subjects = ["S9"]
actions = ["Walking", "Sitting"]
cameras = ["c0", "c2"]

[frames]
stride = 10
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Two results of a part of ``synthetic``: noise, and 40 % of the poses mirrored in depth at unknown scale, with a hostile name."""
    folder = tmp_path_factory.mktemp("pages")
    protocol = folder / "part.toml"
    protocol.write_text(PROTOCOL)
    dataset = posebench.open_dataset("synthetic")
    wanted = [
        info.id
        for info in dataset.infos.values()
        if info.subject == "S9" and info.action in ("Walking", "Sitting") and info.camera in ("c0", "c2")
    ]
    random = np.random.default_rng(0)
    truth = {clip: dataset.load(clip).pose for clip in wanted}
    noisy = {clip: pose + random.normal(scale=30.0, size=pose.shape) for clip, pose in truth.items()}
    flipped = {}
    for clip, pose in truth.items():
        relative = pose - pose[:, :1]
        flipped[clip] = np.where((random.random(len(pose)) < 0.4)[:, None, None], relative * [1.0, 1.0, -1.0], relative)
    folders = {}
    for name, poses, scale in (("noisy", noisy, "metric"), (HOSTILE, flipped, "unknown")):
        where = folder / name[:5].strip("<")
        where.mkdir()
        save_predictions(where / "predictions.npz", poses, unit="mm", skeleton="h36m17", method=name, keypoints="gt", scale=scale)
        posebench.score(where / "predictions.npz", protocol, per_frame=False).save(where / "result.json")
        folders[name] = where
    one, two = (where / "result.json" for where in folders.values())
    return SimpleNamespace(folder=folder, protocol=protocol, one=one, two=two, truth=truth, dataset=dataset)


@pytest.fixture(scope="session")
def page(made):
    """A page on one result, with its diagnosis and its skeletons."""
    return posebench.report(made.one, protocol=made.protocol)


@pytest.fixture(scope="session")
def both(made, page):
    """A page on two results."""
    return posebench.report([made.one, made.two], protocol=made.protocol, diagnoses=list(page.diagnoses.values()))
