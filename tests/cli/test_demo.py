"""The demo, run once as a user runs it; its numbers are those that the file gives again."""

import json
import subprocess
import sys

import posebench


def test_the_demo_ends_with_a_board_and_a_picture_and_its_numbers_can_be_had_again(tmp_path):
    done = subprocess.run([sys.executable, "-m", "posebench", "demo"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [path.name for path in tmp_path.iterdir()] == ["posebench-demo"]
    folder = tmp_path / "posebench-demo"
    assert {"flat.npz", "flat.json", "flat.sums.npz", "board", "poses.png"} <= {path.name for path in folder.iterdir()}
    assert (folder / "poses.png").read_bytes().startswith(b"\x89PNG")
    for part in ("No findings: the file is sound", "noisy-truth is better by", "# Leaderboard", "\nPA-MPJPE  "):
        assert part in done.stdout
    again = posebench.score(folder / "noisy-truth.npz", "synthetic").as_dict()
    kept = json.loads((folder / "noisy-truth.json").read_text(encoding="utf-8"))
    assert again["metrics"] == kept["metrics"]
    for method in ("martinez", "chen2019"):
        posebench.score(folder / method / "predictions.npz", "synthetic")
        assert f"posebench train {method}" in done.stdout
    assert done.stdout.count("epoch 1 of") == 2
