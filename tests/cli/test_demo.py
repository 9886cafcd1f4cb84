import subprocess
import sys


def run(folder):
    out = subprocess.run([sys.executable, "-m", "posebench", "demo"], cwd=folder, check=True, capture_output=True, text=True)
    return out.stdout


def test_the_demo_ends_with_a_board_and_a_picture_and_gives_the_same_numbers_twice(tmp_path):
    first = run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["posebench-demo"]
    made = {path.name for path in (tmp_path / "posebench-demo").iterdir()}
    assert {"flat.npz", "flat.json", "flat.sums.npz", "board", "poses.png"} <= made
    assert (tmp_path / "posebench-demo" / "poses.png").read_bytes().startswith(b"\x89PNG")
    for part in ("No findings: the file is sound", "noisy-truth is better by", "# Leaderboard", "| PA-MPJPE"):
        assert part in first
    again = run(tmp_path)
    # The last lines tell the seconds, which differ.
    assert first.split("A picture of")[0] == again.split("A picture of")[0]
