"""Who may import whom (docs/architecture.md), and what the command line keeps out of memory."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import posebench
from posebench.predictions.archive import save_predictions

LIBRARY = Path(posebench.__file__).parent
BASELINES = Path(__file__).parents[1] / "baselines"
DOCS = Path(__file__).parents[1] / "docs" / "architecture.md"

#: Low to high: a folder imports only folders before it. "scoring" may import "metrics", never "board".
FOLDERS = (
    "base",
    "metrics",
    "data",
    "predictions",
    "scoring",
    "networks",
    "lifters",
    "training",
    "display",
    "board",
    "cli",
)
#: Where torch may be imported when a module is loaded.
TORCH = ("networks", "lifters", "training")
#: Modules that are nothing without a package, and are themselves imported only where they are used.
MAY_LOAD = {"board": ("pandas",), "base.readers.hdf5_inside": ("h5py",), "base.readers.hdf5_writer": ("h5py",)}
HEAVY = ("torch", "scipy", "pandas", "matplotlib", "pydantic")

FILES = sorted(LIBRARY.rglob("*.py"))
PARTS = {path: path.relative_to(LIBRARY).with_suffix("").parts for path in FILES}
NAMES = {path: ".".join(parts) for path, parts in PARTS.items()}


def imported(tree: ast.AST) -> set[str]:
    """Dotted names of everything that a syntax tree imports, in whatever function."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # inside a baseline
                continue
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def on_loading(body: list[ast.stmt]) -> set[str]:
    """What is imported when a module is loaded: not in functions, not under TYPE_CHECKING."""
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            names |= on_loading(node.orelse)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= imported(node)
        else:
            for field in ("body", "orelse", "finalbody", "handlers"):
                names |= on_loading(getattr(node, field, []))
    return names


def test_every_module_is_in_one_of_the_folders():
    loose = {parts[0] for parts in PARTS.values() if len(parts) == 1}
    assert loose == {"__init__", "__main__"}
    assert {parts[0] for parts in PARTS.values() if len(parts) > 1} == set(FOLDERS)


@pytest.mark.parametrize("path", [path for path in FILES if len(PARTS[path]) > 1], ids=lambda path: NAMES[path])
def test_a_folder_imports_only_folders_before_it(path):
    allowed = FOLDERS[: FOLDERS.index(PARTS[path][0]) + 1]
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if name.startswith("posebench.") and not (PARTS[path][0] == "cli" and name.split(".")[1] in posebench.__all__):
            assert name.split(".")[1] in allowed, f"{NAMES[path]} imports {name}; {PARTS[path][0]} may import {', '.join(allowed)}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_it_knows_what_it_may_import_and_where_to_start(folder):
    text = ast.get_docstring(ast.parse((LIBRARY / folder / "__init__.py").read_text(encoding="utf-8")))
    assert text, f"posebench/{folder}/__init__.py has no docstring"
    assert re.search(r"^Imports? ", text, flags=re.MULTILINE)
    assert re.search(r"Start with ``[\w./]+``", text)


def test_the_documented_folders_are_these():
    documented = re.findall(r"^\| \d+ \| `(\w+)/` \|", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert tuple(documented) == FOLDERS


@pytest.mark.parametrize("path", sorted(BASELINES.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_method_is_built_from_metrics_and_networks(path):
    """Commands that measure trained runs stand in a method's ``study`` folder and may import more."""
    folders = {name.split(".")[1] for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith("posebench.")}
    assert folders <= {"base", "metrics", "networks"}


def test_no_folder_carries_the_name_of_a_public_function():
    """Importing the folder would replace the function."""
    assert not set(FOLDERS) & set(posebench.__all__)


@pytest.mark.parametrize("path", FILES, ids=NAMES.values())
def test_torch_is_loaded_only_where_it_may_live(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if PARTS[path][0] not in TORCH:
        assert "torch" not in {name.split(".")[0] for name in imported(tree)}
    loaded = {name.split(".")[0] for name in on_loading(tree.body)}
    heavy = {"scipy", "pandas", "pydantic", "rich", "pooch", "requests", "h5py", "matplotlib"}
    heavy -= set(MAY_LOAD.get(PARTS[path][0], ())) | set(MAY_LOAD.get(NAMES[path], ()))
    assert not loaded & heavy, "import heavy packages where they are used"


@pytest.mark.parametrize("path", FILES, ids=NAMES.values())
def test_a_baseline_is_reached_by_name_only(path):
    assert not [name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith("posebench.baselines")]


def test_the_reader_of_imports_sees_what_it_should():
    """The rules above would hold of anything if the reader saw nothing."""
    tree = ast.parse(
        "import a.b\nfrom c import d\nif TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "try:\n    import g\nexcept ImportError:\n    import h\n"
        "class X:\n    import i\ndef y():\n    import j\nwith z:\n    import k\n"
    )
    assert imported(tree) == {"a.b", "c.d", *"efghijk"}
    assert on_loading(tree.body) == {"a.b", "c.d", *"fghik"}


def modules_after(code: str, *arguments: object) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh interpreter after ``code``."""
    script = f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


RUN = """
from posebench.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
assert code == 0, code
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory, walker):
    """Paths of a small prediction and truth file, as npz and h5."""
    folder = tmp_path_factory.mktemp("pair")
    truth = {f"S1/Walk {take}/c{camera}": walker(12, take, camera) for take in range(2) for camera in range(2)}
    random = np.random.default_rng(0)
    pred = {clip: pose + random.normal(scale=20.0, size=pose.shape) for clip, pose in truth.items()}
    paths = {}
    for kind in ("npz", "h5"):
        for name, poses in (("pred", pred), ("truth", truth)):
            paths[name, kind] = save_predictions(folder / f"{name}.{kind}", poses, unit="mm", skeleton="h36m17")
    return paths


def test_importing_posebench_costs_nothing():
    loaded = modules_after("import posebench")
    assert not loaded & {"numpy", *HEAVY}
    assert "numpy" in modules_after("import posebench; posebench.score"), "the names are there when they are used"


@pytest.mark.parametrize(
    "command", [["--help"], ["score", "--help"], ["explain", "--help"], ["check", "--help"], ["protocol", "--help"], ["data", "--help"]]
)
def test_help_leaves_numpy_out(command):
    assert not modules_after(RUN, *command) & {"numpy", "h5py", "rich", *HEAVY}


@pytest.mark.parametrize(
    "command", [["protocol", "list"], ["protocol", "show", "cmu"], ["protocol", "find", "cmu"], ["data", "list", "--json"]]
)
def test_protocols_and_the_list_of_data_leave_heavy_packages_out(command):
    assert not modules_after(RUN, *command) & set(HEAVY)


@pytest.mark.parametrize("verb", ["check", "score", "explain", "diagnose"])
@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_check_score_and_diagnose_leave_heavy_packages_out(pair, verb, kind, tmp_path):
    output = ["-o", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--per-frame"] if verb == "score" else []
    output = ["-o", tmp_path / "d.json", "--fps", "30"] if verb == "diagnose" else output
    loaded = modules_after(RUN, verb, pair["pred", kind], "--protocol", "pair-17j", "--truth", pair["truth", kind], *output)
    assert not loaded & {"h5py", *HEAVY}


def test_compare_leaves_heavy_packages_out(pair, tmp_path):
    truth = pair["truth", "npz"]
    for name in ("pred", "truth"):
        modules_after(RUN, "score", pair[name, "npz"], "--protocol", "pair-17j", "--truth", truth, "-o", tmp_path / f"{name}.json")
    assert not modules_after(RUN, "compare", tmp_path / "pred.json", tmp_path / "truth.json") & set(HEAVY)


def test_a_kit_is_exported_scored_and_shown_without_heavy_packages(tmp_path):
    protocol = tmp_path / "one.toml"
    protocol.write_text(
        'extends = "cmu/noise"\nid = "one"\nversion = 1\ntitle = "one"\naliases = []\nsources = ["a test"]\ndataset = "synthetic"\n'
        'conditions = ["grid"]\n[takes]\nsubjects = ["S9"]\nactions = ["Walking"]\ncameras = ["c0"]\n'
    )
    kit, preds = tmp_path / "kit", tmp_path / "preds"
    assert not modules_after(RUN, "robustness", "export", "--protocol", protocol, "-o", kit) & set(HEAVY)
    for file in kit.glob("*.npz"):
        with np.load(file) as keypoints:
            clips = [clip for clip in keypoints.files if clip.endswith("c0")]
            poses = {clip: np.pad(keypoints[clip] - keypoints[clip][:, :1], ((0, 0), (0, 0), (0, 1))) for clip in clips}
        save_predictions(preds / file.name, poses, scale="unknown", skeleton="h36m17")
    words = ["robustness", "score", preds, "--protocol", protocol, "-o", tmp_path / "r.json"]
    assert not modules_after(RUN, *words) & set(HEAVY)
    assert not modules_after(RUN, "robustness", "show", tmp_path / "r.json", "--protocol", protocol) & set(HEAVY)


@pytest.mark.parametrize("dataset", ["check", "score"])
def test_real_data_are_scored_without_heavy_packages(cmu, cmu_root, tmp_path, dataset):
    protocol = tmp_path / "one.toml"
    protocol.write_text('extends = "cmu"\nid = "one"\nversion = 1\ntitle = "one subject"\n[takes]\nsubjects = ["S07"]\n')
    poses = {clip: cmu.load(clip).pose + 5.0 * np.eye(17, 3) for clip, info in cmu.infos.items() if info.subject == "S07"}
    file = save_predictions(tmp_path / "p.npz", poses, unit="mm", skeleton="h36m17")
    assert not modules_after(RUN, dataset, file, "--protocol", protocol, "--root", cmu_root) & set(HEAVY)
