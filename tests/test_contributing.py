"""The walk-throughs of CONTRIBUTING.md are run as written, and the files and names that they mention exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import posebench
from posebench.cli.main import main
from posebench.data.h36m.export import LAYOUTS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_baselines(in_folder, monkeypatch):
    """`posebench.baselines` is a copy of `baselines/` below the current folder, to which a method can be added."""
    folder = in_folder / "baselines"
    shutil.copytree(ROOT / "baselines", folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = importlib.util.spec_from_file_location("posebench.baselines", folder / "__init__.py", submodule_search_locations=[str(folder)])
    for name in [name for name in sys.modules if name.startswith("posebench.baselines")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "posebench.baselines", importlib.util.module_from_spec(spec))
    yield folder
    for name in [name for name in sys.modules if name.startswith("posebench.baselines.")]:
        del sys.modules[name]


@pytest.fixture
def small_copy(in_folder):
    """A copy of Human3.6M that holds generated motion: one take of three subjects. Trainings on it take a moment."""
    dataset = posebench.open_dataset("synthetic")
    few = {id: info for id, info in dataset.infos.items() if info.take in ("S1/Walking 1", "S9/Walking 1", "S11/Walking 1")}
    LAYOUTS["videopose3d"](replace(dataset, infos=few), in_folder / "copy")
    return in_folder / "copy"


def walk_through(title, old="", new=""):
    """Write the files and run the commands of one section, in the current folder. In commands ``old`` is replaced by ``new``."""
    ran = []
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", SECTIONS[title], flags=re.MULTILINE | re.DOTALL):
        if language == "bash":
            for line in block.splitlines():
                words = shlex.split(line.replace(old, new) if old else line, comments=True)
                run(words, line)
                ran.append(words)
        else:
            name = re.match(r"# (\S+)\n", block).group(1)
            Path(name).write_text(block, encoding="utf-8")
    return ran


def run(words, line):
    if words[0] == "posebench":
        assert main(words[1:]) == 0, line
    elif words[0] == "python":
        source = Path(words[1])
        exec(compile(source.read_text(encoding="utf-8"), source, "exec"), {})
    elif words[:2] == ["cp", "-r"]:
        shutil.copytree(*words[2:])
    elif words[:2] == ["sed", "-i"]:
        pattern, new = words[2].removeprefix("s/").removesuffix("/").split("/")
        file = Path(words[3])
        file.write_text(re.sub(pattern, new, file.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    else:
        raise AssertionError(f"a command that this test cannot run: {line}")


def test_an_entry_goes_on_a_board_of_ones_own_as_described(in_folder):
    ran = walk_through("Add an entry to a leaderboard")
    assert [words[:3] for words in ran if words[:2] == ["posebench", "board"]] == [
        ["posebench", "board", verb] for verb in ("add", "render", "check")
    ]
    (entry,) = in_folder.glob("my-board/entries/synthetic/*.json")
    assert entry.stem == "mine+own-gt-long"
    assert "mine" in (in_folder / "my-board" / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("in_folder")
def test_a_protocol_of_ones_own_is_shown_and_scored_as_described():
    dataset = posebench.open_dataset("synthetic")
    lifter = posebench.open_lifter("flat", dataset)
    poses = {clip.id: lifter.lift(clip.keypoints("gt"), clip.camera) for clip in map(dataset.load, dataset.clip_ids("test")[:8])}
    posebench.save_predictions("preds.npz", poses, scale="unknown", skeleton="h36m17")
    walk_through("Add a protocol")
    result = posebench.load_result("every-fifth.json")
    assert result.protocol.id == "my"
    frames = sum(len(range(0, len(pose), 5)) for pose in poses.values())
    assert result.coverage.poses == frames


def test_a_baseline_is_copied_trained_and_run_as_described(own_baselines, small_copy):
    pytest.importorskip("torch", reason="training needs the extra [baselines]")
    walk_through("Add a baseline", "--dataset synthetic", f"--dataset h36m --root {small_copy}")
    assert (own_baselines / "mymethod" / "recipe.toml").is_file()
    with posebench.open_predictions("mymethod.npz") as file:
        assert file.meta.method.startswith("mymethod")
        assert sorted(file.shapes) == sorted(posebench.open_dataset("h36m", small_copy).clip_ids("test"))


def steps():
    """(section, path, names in backticks) of every numbered step that begins with a path."""
    for title, text in SECTIONS.items():
        for step in re.findall(r"^\d\. (.*?)(?=^\d\. |^\n|\Z)", text, flags=re.MULTILINE | re.DOTALL):
            path, rest = re.match(r"`([^`]+)`:? ?(.*)", step, flags=re.DOTALL).groups()
            yield pytest.param(path, re.findall(r"`(\w+)`", rest), id=f"{title}, {path}")


@pytest.mark.parametrize(("path", "names"), list(steps()))
def test_files_and_names_of_a_step_exist(path, names):
    assert (ROOT / path).exists()
    files = sorted((ROOT / path).rglob("*.py")) if (ROOT / path).is_dir() else [ROOT / path]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files) if names else ""
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_paths_that_are_named_in_the_text_exist():
    paths = {path for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:toml|md|cff))`", PAGE) if not path.startswith("..")}
    assert len(paths) > 8
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_version_changelog_and_citation_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [found for found in versions if found != "Unreleased"][:1] == [version]


def test_hooks_run_the_commands_of_ci():
    """`.pre-commit-config.yaml` has the style and type checks of `.ci/run`, from the environment that `constraints.txt` pins."""
    hooks = re.findall(r"^ +entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    checks = re.findall(r"^(?:ruff|mypy).*$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(hooks) == sorted(checks)
    assert "bash .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
