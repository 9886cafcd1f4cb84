"""Completion in real shells: what a press of TAB offers. Names are those of the library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from posebench.cli import choices
from posebench.cli.completion import SHELLS, script
from posebench.data.registry import DATASETS

#: A press of TAB after each line of stdin, as bash's readline does it.
BASH = """
source <(posebench completion bash)
export COMP_TYPE=9
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    COMPREPLY=()
    _python_argcomplete posebench
    echo "${COMPREPLY[@]}"
done
"""
FISH = """
posebench completion fish | source
while read line
    complete -C $line | string replace -r '\\t.*' '' | string join ' '
end
"""


def offered(shell, code, lines):
    """What a shell offers after each line."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [shell, "--norc", "-c", code] if shell == "bash" else [shell, "--no-config", "-c", code]
    done = subprocess.run(
        command, input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    assert done.stderr == ""
    found = [reply.split() for reply in done.stdout.splitlines()]
    assert len(found) == len(lines)
    return found


LINES = {
    "posebench da": ["data"],
    "posebench data ": ["list", "info", "new", "prepare", "export", "fetch"],
    "posebench score --pro": ["--protocol"],
    "posebench score p.npz --protocol h36m/s9s11-e": ["h36m/s9s11-every64"],
    "posebench train ": choices.methods(),
    "posebench -q train repnet --recipe no-": ["no-kcs", "no-camera", "no-reprojection"],
    "posebench train martinez --dataset ": list(DATASETS),
    "posebench train martinez --dataset cmu --keypoints ": list(choices.SIMULATED),
    "posebench data export synthetic --layout h36m": ["h36m-cdf", "h36m-fetch"],
    "posebench convert in.json --from mm": ["mmpose-result-json", "mmpose-demo-json"],
}


@pytest.mark.parametrize(("shell", "code"), [("bash", BASH), ("fish", FISH)])
def test_a_press_of_tab_offers_what_the_command_takes(shell, code):
    for line, found in zip(LINES, offered(shell, code, list(LINES)), strict=True):
        assert sorted(found) == sorted(LINES[line]), line


def test_zsh_loads_its_script():
    code = "autoload -U compinit; compinit -u -D; source <(posebench completion zsh); echo $_comps[posebench]"
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("_python_argcomplete\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_every_shell(shell):
    assert "posebench" in script(shell)


def test_names_and_paths_are_offered_where_both_may_be_given(tmp_path):
    (tmp_path / "flat.npz").touch()
    (tmp_path / ".hidden").touch()
    (found,) = offered("bash", f"cd '{tmp_path}'\n{BASH}", ["posebench predict "])
    assert sorted(found) == ["flat", "flat.npz", "mean-pose"]


def test_names_are_those_of_the_library():
    from posebench.data.simulation import SOURCES
    from posebench.lifters import simple_lifters
    from posebench.predictions.archive import SUPERVISIONS
    from posebench.predictions.formats.registry import FORMATS
    from posebench.scoring.protocol import protocol_ids

    assert choices.protocols() == protocol_ids()
    assert tuple(FORMATS) == choices.FORMATS
    assert SOURCES == choices.SIMULATED
    assert sorted(choices.SUPERVISIONS) == sorted(SUPERVISIONS)
    assert tuple(simple_lifters()) == choices.LIFTERS


def test_methods_and_recipes_are_those_of_the_library():
    pytest.importorskip("torch", reason="the library lists methods where PyTorch is installed")
    from importlib.resources import files

    from posebench.base.readers.text import parse_toml
    from posebench.networks.recipe import baselines

    assert choices.methods() == baselines()
    for method in choices.methods():
        content = parse_toml(files("posebench.baselines").joinpath(method, "recipe.toml").read_text(encoding="utf-8"))
        assert choices.recipes(method) == ["tuned", *content["recipes"]]
    assert choices.recipes("nothing") == choices.recipes("") == choices.recipes("..") == []


def test_keypoint_sources_of_human36m_are_those_of_the_copy(tmp_path):
    (tmp_path / "data_2d_h36m_mine.npz").touch()
    (tmp_path / "data_2d_h36m_gt.npz").touch()
    assert choices.keypoint_sources("h36m", str(tmp_path)) == ["gt", "mine"]
    assert choices.keypoint_sources("h36m")[:2] == ["gt", "cpn_ft_h36m_dbb"]
    assert choices.keypoint_sources("3dhp") == ["gt"]
    assert choices.keypoint_sources(None) == list(choices.SIMULATED)
