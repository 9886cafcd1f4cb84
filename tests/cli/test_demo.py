"""The demo, run once as a user runs it; its numbers are those that its commands give again."""

import json
import re
import shlex
import subprocess
import sys

import pytest

import posebench
from posebench.cli.main import parser


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    place = tmp_path_factory.mktemp("demo")
    done = subprocess.run([sys.executable, "-m", "posebench", "demo"], cwd=place, check=True, capture_output=True, text=True)
    return place, done.stdout


def test_the_demo_writes_one_folder_with_a_page_to_open(demo):
    place, printed = demo
    assert [path.name for path in place.iterdir()] == ["posebench-demo"]
    folder = place / "posebench-demo"
    assert {"flat.npz", "flat.json", "flat.sums.npz", "swapped.npz", "board", "poses.png"} <= {path.name for path in folder.iterdir()}
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert printed.endswith("Open posebench-demo/index.html\n")
    assert "http" not in page
    assert "<td>martinez</td>" in page
    assert "if left and right are swapped" in page
    assert 'src="data:image/png;base64,iVBORw0KGgo' in page


def test_it_prints_a_screen_with_one_table_best_first_and_a_meaning_for_each_row(demo):
    printed = demo[1].splitlines()
    assert len(printed) <= 26
    rule = next(k for k, line in enumerate(printed) if line.startswith("---"))
    rows = [re.split(r"\s{2,}", line) for line in printed[rule + 1 : rule + 4]]
    assert [row[0] for row in rows] == ["martinez", "flat", "mean-pose"]
    values = [float(row[1].split()[0]) for row in rows]
    assert values == sorted(values)
    assert values[0] < 70 < 95 < values[1]
    assert all(len(row) == 4 and len(row[3].split()) > 5 for row in rows)


def test_each_printed_step_is_a_command_that_gives_the_same_numbers_again(demo, monkeypatch):
    place, printed = demo
    monkeypatch.chdir(place)
    commands = [shlex.split(line[2:]) for line in printed.splitlines() if line.startswith("$ ")]
    assert [words[1] for words in commands] == [
        "train",
        "predict",
        "predict",
        "check",
        "score",
        "score",
        "compare",
        "board",
        "board",
        "draw",
    ]
    for words in commands:
        assert words[0] == "posebench"
        parser(words[1:2]).parse_args(words[1:])
    again = posebench.score("posebench-demo/mean-pose.npz", "synthetic").as_dict()
    kept = json.loads((place / "posebench-demo" / "mean-pose.json").read_text(encoding="utf-8"))
    assert again["metrics"] == kept["metrics"]
    with pytest.raises(posebench.PosebenchError) as refused:
        posebench.score("posebench-demo/swapped.npz", "synthetic")
    assert refused.value.exit_code == 1


def test_without_pytorch_nothing_is_trained_and_the_demo_says_how_to_add_it(tmp_path):
    script = (
        "import importlib.util as util, sys\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "from posebench.cli.main import main\n"
        "code = main(['demo'])\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "posebench train" not in done.stdout
    assert "To add one: in a checkout pip install" in done.stdout
    assert (tmp_path / "posebench-demo" / "index.html").is_file()
