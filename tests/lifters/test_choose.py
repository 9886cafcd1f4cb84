"""From what stands on the command line to a lifter."""

import sys
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.lifters.choose import lifter_maker, open_lifter
from posebench.lifters.flat import Flat
from posebench.lifters.flip import FlipAveraged
from posebench.lifters.mean_pose import MeanPose


@pytest.fixture(scope="module")
def dataset(synthetic_part):
    return synthetic_part(takes=["Walking 1"])


def test_the_simple_lifters_have_their_names(dataset):
    assert isinstance(open_lifter("flat", dataset), Flat)
    assert isinstance(open_lifter("mean-pose", dataset), MeanPose)


def test_a_path_that_ends_in_onnx_is_a_network(dataset, network):
    toml = (
        'id = "net"\nsupervision = "none"\nskeleton = "h36m17"\n[input]\nlayout = "b j c"\n[output]\nlayout = "b j c"\nunit = "unknown"\n'
    )
    weights = {"pads": np.array([0, 0, 0, 0, 0, 1]), "zero": np.array(0.0, dtype=np.float32)}
    path = network(toml, [("Pad", ["x", "pads", "zero"], ["y"])], ["N", 17, 2], ["N", 17, 3], weights)
    assert open_lifter(str(path), dataset).info.id == "net"
    path.with_suffix(".toml").write_text("flip_averaging = true\n" + toml)
    assert isinstance(open_lifter(str(path), dataset), FlipAveraged)


def test_a_module_and_a_name_are_a_function(dataset):
    assert open_lifter("posebench.lifters.flat:Flat", dataset).info.scale == "unknown"


def test_a_folder_with_a_recipe_is_a_run(dataset, tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Run(Flat):
        path: object = None
        device: str = ""

    module = ModuleType("posebench.lifters.run")
    module.open_run = lambda path, device, threads, changes=(): Run(replace(Flat.info, id="run"), path, device)  # noqa: ARG005 - the real one has it
    monkeypatch.setitem(sys.modules, "posebench.lifters.run", module)
    (tmp_path / "recipe.toml").write_text("")
    for device in ("cpu", "cuda"):
        lifter = open_lifter(str(tmp_path), dataset, device=device)
        assert (lifter.info.id, lifter.path, lifter.device) == ("run", tmp_path, device)


def test_without_torch_a_run_is_told_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "recipe.toml").write_text("")
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith(("posebench.lifters.run", "posebench.training"))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(PosebenchError, match=r"no package torch.*\[baselines\]"):
        lifter_maker(str(tmp_path))


@pytest.mark.parametrize("name", ["best", "", "model.pt", "./flat"])
def test_an_unknown_name_is_told_with_all_choices(name):
    with pytest.raises(PosebenchError) as error:
        lifter_maker(name)
    for word in (repr(name), "flat, mean-pose", "training run", "model.onnx", "module:function"):
        assert word in str(error.value)


def test_a_folder_that_is_no_run_is_told_what_it_lacks(tmp_path):
    with pytest.raises(PosebenchError, match=r"a folder without recipe\.toml"):
        lifter_maker(str(tmp_path))


def test_a_wrong_lifter_is_told_before_a_wrong_dataset(capsys, tmp_path):
    assert cli.main(["predict", "nowhere.onnx", "--dataset", "cmu", "--root", str(tmp_path / "nowhere"), "-o", "p.npz"]) == 2
    assert "nowhere.onnx: no such file" in capsys.readouterr().err


def test_choosing_a_lifter_loads_no_runtime():
    """ONNX Runtime and torch are loaded where such a lifter is opened, and not before."""
    import subprocess

    code = "import sys; import posebench.lifters.choose, posebench.lifters.onnx.model, posebench.lifters.function; "
    code += "posebench.lifters.choose.lifter_maker('flat'); assert not {'onnx', 'onnxruntime', 'torch'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
