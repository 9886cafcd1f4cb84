"""Small truths, good predictions of them, and a check of files made of both."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.predictions.archive import save_predictions
from posebench.scoring.checks import check

TAKES, CAMERAS, FRAMES = 4, 4, 40


@pytest.fixture(scope="module")
def truth(walker):
    """True poses (T, 17, 3) mm of four takes seen by four cameras each."""
    return {f"S{take}/Walk {take}/c{camera}": walker(FRAMES, take, camera) for take in range(TAKES) for camera in range(CAMERAS)}


@pytest.fixture(scope="module")
def real(cmu):
    """True poses of real takes, thinned; every camera of two takes each of three subjects."""
    takes = []
    for subject in ("S07", "S09", "S135"):
        takes += list(dict.fromkeys(info.take for info in cmu.infos.values() if info.subject == subject))[:2]
    return {clip: cmu.load(clip).pose[::4] for clip, info in cmu.infos.items() if info.take in takes}


@pytest.fixture(scope="session")
def noisy():
    """Makes a good method's output: the truth with noise, the root at the origin."""

    def add_noise(truth, size=20.0):
        random = np.random.default_rng(7)
        pred = {clip: pose + random.normal(scale=size, size=pose.shape) for clip, pose in truth.items()}
        return {clip: pose - pose[:, :1] for clip, pose in pred.items()}

    return add_noise


@pytest.fixture
def findings(tmp_path):
    """Checks predictions against the truth, both given as mappings; gives each finding by the name of its check."""

    def run(pred, truth, *, truth_file=None, allow_partial=False, protocol="pair-17j", kind="npz", **stated):
        stated = {"unit": "mm", "skeleton": "h36m17"} | stated
        file = save_predictions(tmp_path / f"p.{kind}", pred, **stated)
        if truth_file is None:
            truth_file = save_predictions(tmp_path / "t.npz", truth, unit="mm", skeleton="h36m17")
        found = check(file, protocol, truth=truth_file, allow_partial=allow_partial)
        assert len({finding.name for finding in found}) == len(found), "a check gives one finding at most"
        for finding in found:
            assert finding.fix
            assert finding.severity in ("error", "warning", "note")
        order = [("error", "warning", "note").index(finding.severity) for finding in found]
        assert order == sorted(order), "errors first"
        return {finding.name: finding for finding in found}

    return run
