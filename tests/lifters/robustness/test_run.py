"""Lifters under every condition: the numbers are those of `posebench score`, work is continued, and the kit gives the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.lifters.robustness import run as module
from posebench.lifters.robustness.run import measure_robustness
from posebench.scoring.robustness.kit import score_kit
from posebench.scoring.robustness.record import load_robustness
from posebench.scoring.robustness.summary import summarise

PROTOCOL = """
extends = "cmu/noise"
id = "few"
version = 1
title = "a few generated takes"
aliases = []
sources = ["a test"]
dataset = "synthetic"
conditions = ["white", "grid", "slow"]

[takes]
subjects = ["S9"]
actions = ["Walking"]
cameras = ["c0"]
"""


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A protocol with three kinds of conditions and two clips."""
    path = tmp_path_factory.mktemp("protocol") / "few.toml"
    path.write_text(PROTOCOL)
    return str(path)


@pytest.fixture(scope="module")
def flat(few):
    """The study of `flat`."""
    return measure_robustness(["flat"], protocols=[few]).studies["few"]


def test_clean_is_what_score_gives_for_gt_to_the_bit(flat, tmp_path):
    (tmp_path / "plain.toml").write_text(PROTOCOL.replace('id = "few"', 'id = "plain"').replace("conditions = [", "conditions = []  # ["))
    data = posebench.open_dataset("synthetic")
    lifter = posebench.open_lifter("flat", data)
    poses = {clip: lifter.lift(data.load(clip).keypoints("gt"), None).astype("f4") for clip in data.infos if "/Walking" in clip}
    wanted = {clip: pose for clip, pose in poses.items() if clip.startswith("S9/") and clip.endswith("c0")}
    result = posebench.score(wanted, str(tmp_path / "plain.toml"), scale="unknown", skeleton="h36m17")
    for metric in ("PA-MPJPE", "N-MPJPE"):
        sums = flat.methods["flat"].sets["clean"][metric]
        assert sums.total.tolist() == result.sums[metric].row_total.tolist()
        assert sums.count.tolist() == result.sums[metric].count.tolist()


def test_flat_rises_where_it_must_and_slow_scores_fewer_frames(flat):
    row = summarise(flat).rows[0]
    for kind in ("white", "grid"):
        assert list(row.curves[kind]) == sorted(row.curves[kind])
        assert row.curves[kind][0] >= row.clean.value - 0.01
    counts = [flat.methods["flat"].sets[f"slow/{severity}"]["PA-MPJPE"].count.sum() for severity in range(1, 6)]
    frames = flat.methods["flat"].sets["clean"]["PA-MPJPE"].count.sum()
    assert counts == pytest.approx([frames / step for step in range(2, 7)], abs=4)


def test_work_that_was_stopped_is_continued_where_it_stopped(few, flat, tmp_path, monkeypatch):
    done = []
    run_task = module.run_task

    def killed_at_the_tenth(task):
        if len(done) == 10:
            raise KeyboardInterrupt
        done.append(task)
        return run_task(task)

    monkeypatch.setattr(module, "run_task", killed_at_the_tenth)
    with pytest.raises(KeyboardInterrupt):
        measure_robustness(["flat"], protocols=[few], output=tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    assert len(content["studies"][0]["methods"][0]["sets"]) == 10

    again = []
    monkeypatch.setattr(module, "run_task", lambda task: (again.append(task), run_task(task))[1])
    steps, lines = [], []
    measure_robustness(["flat"], protocols=[few], output=tmp_path / "r.json", progress=lambda *step: steps.append(step), log=lines.append)
    assert not set(again) & set(done)
    assert len(again) == 6
    assert steps[0] == (11, 16)
    assert steps[-1] == (16, 16)
    assert lines[0] == "10 of 16 conditions were measured before"
    continued = load_robustness(tmp_path / "r.json", {"few": flat.protocol}).studies["few"]
    assert summarise(continued).as_dict() == summarise(flat).as_dict()


def test_of_several_hypotheses_the_mean_pose_counts(flat, synthetic, tmp_path):
    clips = ("S9/Walking 1/c0", "S9/Walking 2/c0")
    for condition in flat.conditions:
        data = condition.of(synthetic)
        poses = {}
        for id in clips:
            points = data.load(id).keypoints(condition.keypoints)
            one = np.concatenate([points - points[:, :1], 0 * points[..., :1]], axis=-1)
            poses[id] = np.stack([one - 0.5 * one * [0, 1, 0], one + 0.5 * one * [0, 1, 0]])
        posebench.save_predictions(tmp_path / f"{str(condition).replace('/', '-')}.npz", poses, scale="unknown", skeleton="h36m17")
    found = score_kit(tmp_path, flat.protocol, name="two")
    again = load_robustness(found.save(tmp_path / "r.json"), {"few": flat.protocol})
    assert summarise(again.studies["few"]).rows[0].mean.value == pytest.approx(summarise(flat).rows[0].mean.value, abs=1e-3)


def test_several_processes_give_the_same_numbers(few, flat):
    pytest.importorskip("joblib", reason="several processes need the extra [scale]")
    study = measure_robustness(["flat"], protocols=[few], jobs=2).studies["few"]
    assert summarise(study).as_dict() == summarise(flat).as_dict()


LIFTER = """
import numpy as np

def mine(keypoints, camera):
    relative = (keypoints - keypoints[:, :1]) * 4.0
    return np.concatenate([relative, CHANGE * np.sin(relative[..., :1] / 99)], axis=-1)
"""


def test_a_strangers_function_is_measured_and_again_when_its_file_changes(few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "strange_lifter.py").write_text(LIFTER.replace("CHANGE", "90"))
    first = measure_robustness(["strange_lifter:mine"], protocols=[few], output="r.json").studies["few"]
    lines = []
    measure_robustness(["strange_lifter:mine"], protocols=[few], output="r.json", log=lines.append)
    assert lines == ["16 of 16 conditions were measured before"]
    (tmp_path / "strange_lifter.py").write_text(LIFTER.replace("CHANGE", "10"))
    sys.modules.pop("strange_lifter")
    lines.clear()
    second = measure_robustness(["strange_lifter:mine"], protocols=[few], output="r.json", log=lines.append).studies["few"]
    assert lines == ["mine: few is complete"]
    assert summarise(second).rows[0].clean.value != summarise(first).rows[0].clean.value


def test_a_lifter_that_fails_is_named_with_the_condition(few, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "failing_lifter.py").write_text(
        "import numpy as np\n\ndef mine(keypoints, camera):\n    if len(keypoints) < 150:\n        raise ValueError('too short')\n"
        "    return np.concatenate([keypoints * 4.0, 0 * keypoints[..., :1]], axis=-1)\n"
    )
    with pytest.raises(PosebenchError, match=r"mine under slow/1 of few: clip S9/Walking 1/c0: .*too short"):
        measure_robustness(["failing_lifter:mine", "flat"], protocols=[few], output="r.json")
    methods = json.loads((tmp_path / "r.json").read_text())["studies"][0]["methods"]
    assert [len(method["sets"]) for method in methods] == [11, 16], "the other lifter is measured all the same"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lifters": []}, "no lifter"),
        ({"lifters": ["flat", "flat"]}, "two lifters named flat"),
        ({"lifters": ["flat"], "names": ["a", "b"]}, "2 names for 1 lifters"),
        ({"lifters": ["flat"], "jobs": 0}, "0 processes"),
        ({"lifters": ["flta"]}, "did you mean flat"),
        ({"lifters": ["flta"], "protocols": ["cmu/noise"]}, "did you mean flat"),
        ({"lifters": ["flat"], "protocols": ["cmu/noise"]}, "no folder for dataset cmu"),
        ({"lifters": ["flat"], "root": "somewhere"}, "a folder for generated data: somewhere"),
        ({"lifters": ["flat"], "protocols": ["synthetic"]}, "synthetic, which has no conditions"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_lifted(few, options, message):
    with pytest.raises(PosebenchError, match=message):
        measure_robustness(**{"protocols": [few]} | options)


def test_one_file_is_not_scored_under_a_protocol_with_conditions(few, tmp_path):
    for verb in (posebench.score, posebench.check, posebench.diagnose):
        with pytest.raises(PosebenchError, match=r"all its conditions .*white.*posebench robustness score"):
            verb(
                {"S9/Walking 1/c0": np.zeros((9, 17, 3))}, few, scale="unknown", skeleton="h36m17"
            ) if verb is not posebench.diagnose else (
                verb(posebench.save_predictions(tmp_path / "p.npz", {"a/b/c": np.ones((9, 17, 3))}, unit="mm", skeleton="h36m17"), few)
            )


#: A program that knows numpy and the kit's page, and nothing of posebench.
OUTSIDE = """
import json, sys
from pathlib import Path
import numpy as np

kit, out = map(Path, sys.argv[1:])
out.mkdir()
for file in sorted(kit.glob("*.npz")):
    with np.load(file) as archive:
        assert json.loads(str(archive["__meta__"]))["joints"][0] == "pelvis"
        poses = {}
        for clip in archive.files:
            if clip == "__meta__" or clip.endswith("#camera"):
                continue
            points, camera = archive[clip], archive[clip + "#camera"]
            assert camera.shape == (18,) and camera[0] > 300
            flat = points - points[:, :1]
            poses[clip] = np.concatenate([flat, np.zeros_like(flat[..., :1])], axis=-1)
    meta = {"posebench": 1, "skeleton": "h36m17", "scale": "unknown", "method": "outside", "supervision": "none"}
    np.savez(out / file.name, __meta__=json.dumps(meta), **poses)
assert "posebench" not in sys.modules
"""


def test_a_kit_is_used_by_a_program_outside_the_project(few, flat, tmp_path, capsys):
    kit, out = tmp_path / "kit", tmp_path / "out"
    assert main(["robustness", "export", "--protocol", few, "-o", str(kit)]) == 0
    assert len(list(kit.glob("*.npz"))) == 16
    (tmp_path / "outside.py").write_text(OUTSIDE)
    subprocess.run([sys.executable, str(tmp_path / "outside.py"), str(kit), str(out)], check=True, cwd=tmp_path)
    capsys.readouterr()
    assert main(["robustness", "score", str(out), "--protocol", few, "-o", str(tmp_path / "mine.json"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]["rows"][0]
    assert row["name"] == "outside"
    expected = summarise(flat).rows[0]
    # Keypoints of a kit are float32.
    assert row["mean"]["value"] == pytest.approx(expected.mean.value, abs=1e-3)
    assert [*row["curves"]["slow"]] == pytest.approx(list(expected.curves["slow"]), abs=1e-3)

    (out / "white-3.npz").unlink()
    assert main(["robustness", "score", str(out), "--protocol", few]) == 2
    assert "without white-3.npz" in capsys.readouterr().err


def test_the_command_measures_shows_and_draws(few, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--protocol", few, "-o", "r.json"]
    assert main(["-q", "robustness", "flat", "flat", "--name", "flat", "--name", "again", *words, "--plot", "curves.png"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    head = next(line for line in out.splitlines() if line.startswith("method"))
    assert head.split() == ["method", "clean", "white", "grid", "slow", "mC", "group", "rise", "ratio", "worst"]
    assert [line.split()[0] for line in out.splitlines()[4:6]] == ["again", "flat"]
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert main(["-q", "robustness", "flat", "--protocol", few, "-o", "r.json", "--plot", "curves.gif"]) == 2
    assert "ends in" in capsys.readouterr().err
    assert main(["-q", "robustness", "flat", "--protocol", few, "-o", "curves.json", "--metric", "PCK"]) == 2
    assert main(["-q", "robustness", "show", "r.json"]) == 2
    assert "posebench robustness show --protocol FILE.toml" in capsys.readouterr().err
    assert main(["-q", "robustness", "show", "r.json", "--protocol", few]) == 0
    assert capsys.readouterr().out == out
    with pytest.raises(SystemExit):
        main(["robustness", "shwo", "r.json"])
    assert "did you mean show?" in capsys.readouterr().err
    (tmp_path / "d.json").write_text('{"posebench_diagnosis": 1}')
    assert main(["-q", "robustness", "flat", "--protocol", few, "-o", "d.json"]) == 2
    assert "is of the kind diagnosis" in capsys.readouterr().err
