"""The peers' own action-wise and frame-wise figures on the golden Human3.6M-like clips, through the public command."""

import json
from pathlib import Path

import numpy as np
import pytest

from posebench.cli.main import main
from posebench.metrics.peers import pstmo_average
from posebench.predictions.archive import save_predictions
from posebench.scoring.result import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
EXPECTED = json.loads((GOLDEN / "h36m_protocol_expected.json").read_text(encoding="utf-8"))
VIDEOPOSE3D = {"mpjpe_mm": "MPJPE", "p_mpjpe_mm": "PA-MPJPE", "n_mpjpe_mm": "N-MPJPE", "mpjve_mm_per_frame": "MPJVE"}
MMPOSE = {"mpjpe": "MPJPE", "p-mpjpe": "PA-MPJPE", "n-mpjpe": "N-MPJPE"}
SKIP_LIST = """
extends = "h36m/s9s11"
id = "h36m/s9s11-mmpose-skip"
version = 1
title = "What mmpose's MotionBERT configurations leave out, in mmpose's own file naming"
[takes]
excluded = [
    { take = "S9/Greeting", reason = "mmpose skip list" },
    { take = "S9/SittingDown", reason = "mmpose skip list; this is the good take" },
    { take = "S9/Waiting 1", reason = "mmpose skip list" },
]
"""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A function from a protocol to its result: the golden arrays as files, in metres, scored by `posebench score`."""
    folder = tmp_path_factory.mktemp("h36m")
    poses = {"gt": {}, "pred": {}}
    with np.load(GOLDEN / "h36m_protocol_cases.npz") as cases:
        for key in cases.files:
            subject, action, camera, kind = key.split("|")
            poses[kind][f"{subject}/{action}/{camera}"] = cases[key]
    for kind, clips in poses.items():
        save_predictions(folder / f"{kind}.npz", clips, unit="m", skeleton="h36m17", method="golden", keypoints="none")
    (folder / "skip.toml").write_text(SKIP_LIST, encoding="utf-8")

    def score(protocol, *options):
        out = folder / f"{Path(protocol).stem}.json"
        path = str(folder / protocol) if protocol.endswith(".toml") else protocol
        arguments = ["score", str(folder / "pred.npz"), "--protocol", path, "--truth", str(folder / "gt.npz"), "-o", str(out), *options]
        # Files hold more takes than the protocols that leave some out.
        assert main([*arguments, "--allow-partial"]) == 0
        return load_result(out)

    score.folder = folder
    return score


class Compared:
    """Counts what was compared, and the largest relative deviation."""

    def __init__(self):
        self.count, self.worst = 0, 0.0

    def check(self, ours, theirs, tolerance, what):
        deviation = abs(ours - theirs) / max(abs(theirs), 1.0)
        assert deviation <= tolerance, (what, ours, theirs)
        self.count += 1
        self.worst = max(self.worst, deviation)


def videopose3d(result, expected, tolerance, compared):
    for action, values in expected["per_action"].items():
        for key, value in values.items():
            metric = VIDEOPOSE3D[key]
            compared.check(result.metrics[metric].groups["action"][action], value, tolerance, (action, metric))
    for key, value in expected["action_wise_average"].items():
        compared.check(result.value(VIDEOPOSE3D[key], "action"), value, tolerance, key)
        assert result.value(VIDEOPOSE3D[key]) == result.value(VIDEOPOSE3D[key], "action")


def mmpose(result, expected, compared):
    for key, values in expected.items():
        metric = MMPOSE[key]
        for name, value in values.items():
            _, _, action = name.partition("_")
            ours = result.metrics[metric].groups["action"][action] if action else result.value(metric, "frame")
            compared.check(ours, value, 1e-9, name)


def test_every_figure_of_videopose3d_and_mmpose_comes_out_of_the_command(scored, capsys):
    compared = Compared()
    whole, clean, skipped = scored("h36m/s9s11"), scored("h36m/s9s11-clean"), scored("skip.toml")
    videopose3d(whole, EXPECTED["videopose3d run.py (float64 patched)"], 1e-9, compared)
    videopose3d(clean, EXPECTED["videopose3d run.py, damaged S9 clips removed (float64)"], 1e-9, compared)
    mmpose(whole, EXPECTED["mmpose1 MPJPE metric"], compared)
    mmpose(clean, EXPECTED["mmpose1 MPJPE metric, damaged S9 clips removed (Greeting, SittingDown 1, Waiting 1)"], compared)
    mmpose(skipped, EXPECTED["mmpose1 MPJPE metric with its MotionBERT skip_list"], compared)
    exact = compared.worst
    videopose3d(whole, EXPECTED["videopose3d run.py (float32 as released)"], 1e-5, compared)
    with capsys.disabled():
        print(f"\nH36M parity: {compared.count} values, largest deviation {exact:.1e}; {compared.worst:.1e} from VideoPose3D in float32")
    assert compared.count == 3 * 16 * 4 + (3 + 2 + 2) * 16


def test_the_batch_dependent_average_of_pstmo_is_a_compat_function(scored):
    result = scored("h36m/s9s11", "--per-frame")
    with np.load(scored.folder / "s9s11.sums.npz") as sums:
        frames = {key: sums[key] for key in sums.files if key.endswith("/PA-MPJPE") and key.startswith("frames/")}
    errors = np.concatenate([frames[f"frames/{row.clip}/PA-MPJPE"] for row in result.rows])
    actions = np.concatenate([[row.action] * len(frames[f"frames/{row.clip}/PA-MPJPE"]) for row in result.rows])
    for batch, expected in EXPECTED["pstmo accumulation"].items():
        ours = pstmo_average(errors, actions, int(batch.removeprefix("batch=")))
        assert ours == pytest.approx(expected["p2_macro_mm"], rel=1e-9)
        assert result.value("MPJPE", "action") == pytest.approx(expected["p1_macro_mm"], rel=1e-9)


def test_without_the_root_mpjpe_is_seventeen_sixteenths(scored):
    ratio = scored("h36m/s9s11-noroot").value("MPJPE") / scored("h36m/s9s11").value("MPJPE")
    assert ratio == pytest.approx(17 / 16, rel=1e-12)


@pytest.mark.parametrize(
    ("protocol", "clips"),
    [
        ("h36m/s9s11", 236),
        ("h36m/s9s11-clean", 224),
        ("h36m/s9s11-14j", 236),
        ("h36m/s9s11-16j", 236),
        ("h36m/s9s11-10fps", 236),
        ("h36m/s9s11-every64", 236),
        ("h36m/s11-every64-rigid", 116),
        ("h36m/frontal", 59),
        ("h36m/frontal-trial1", 30),
    ],
)
def test_each_protocol_scores_its_own_clips_with_a_finite_headline(scored, protocol, clips):
    result = scored(protocol)
    assert result.coverage.clips == clips
    assert all(np.isfinite(table.value) for table in result.metrics.values() if table.value is not None)
    assert result.value("PA-MPJPE") > 0


def test_the_first_trials_are_thirty_takes_one_an_action_and_subject(scored):
    rows = scored("h36m/frontal-trial1").rows
    assert len({(row.subject, row.action) for row in rows}) == len(rows) == 30
