"""The two files of a trained lifter: what they keep, and what is not taken for them."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="trained lifters need the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.lifters.run import build
from posebench.networks import weights
from posebench.networks.recipe import Recipe
from posebench.networks.weights import ABOUT, WEIGHTS, load_about, load_weights, save_weights


@pytest.fixture
def run(make_run, tmp_path):
    return make_run(tmp_path / "run")


def network(folder):
    """A network of the run's kind, with weights of its own."""
    torch.manual_seed(99)
    return build(Recipe.load(folder / "recipe.toml")).lifter


def rewrite(folder, change):
    content = json.loads((folder / ABOUT).read_text())
    change(content)
    (folder / ABOUT).write_text(json.dumps(content))


def test_what_was_saved_is_read_again(run, tmp_path):
    about, lifter = load_about(run), network(run)
    load_weights(run, lifter)
    (tmp_path / "copy").mkdir()
    save_weights(tmp_path / "copy", lifter, about)
    for name in (WEIGHTS, ABOUT):
        assert (run / name).read_bytes() == (tmp_path / "copy" / name).read_bytes()
    assert (about.method, about.supervision, about.training) == ("martinez", "paired 3D", {"seconds": 1.5, "device": "cpu"})
    assert (about.nominal.focal.tolist(), about.nominal.centre.tolist()) == ([1100.0, 1150.0], [500.0, 510.0])
    assert (about.provenance.preset, about.provenance.trained_on) == ("smoke", "walker 1")


def test_weights_and_statistics_are_those_of_the_file(run):
    lifter = network(run)
    drawn = {name: value.clone() for name, value in lifter.state_dict().items()}
    load_weights(run, lifter)
    torch.manual_seed(0)
    saved = build(Recipe.load(run / "recipe.toml")).lifter.state_dict()
    weight = "network.layers.0.weight"
    assert torch.equal(lifter.state_dict()[weight], saved[weight])
    assert not torch.equal(drawn[weight], saved[weight])
    assert lifter.pose.deviation.max() > 10.0


def test_a_folder_without_the_json_is_an_unfinished_run(make_run, tmp_path):
    with pytest.raises(PosebenchError, match=r"lifter\.json.*a finished run.*--resume"):
        load_about(make_run(tmp_path / "run", finished=False))


@pytest.mark.parametrize("keep", [0, 7, 500, -1])
def test_truncated_weights_are_refused(run, keep):
    path = run / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PosebenchError, match=r"not the file that lifter\.json was written with"):
        load_about(run)
    with pytest.raises(PosebenchError, match="the weights of the method that the run names"):
        load_weights(run, network(run))


def test_one_changed_bit_in_the_weights_is_noticed(run):
    content = bytearray((run / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (run / WEIGHTS).write_bytes(content)
    with pytest.raises(PosebenchError, match="the two files of one run"):
        load_about(run)


def test_weights_of_another_run_are_refused(run, make_run, tmp_path):
    other = make_run(tmp_path / "other", seed=1)
    (run / WEIGHTS).write_bytes((other / WEIGHTS).read_bytes())
    with pytest.raises(PosebenchError, match="the two files of one run"):
        load_about(run)


def test_weights_of_another_network_are_refused_in_one_line(run, make_run, tmp_path):
    other = make_run(tmp_path / "other", width=8)
    with pytest.raises(PosebenchError, match="Wanted: the weights of the method") as error:
        load_weights(other, network(run))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"text"', "\xff", "[" * 100_000])
def test_a_json_that_is_none_of_ours_is_refused(run, text):
    (run / ABOUT).write_bytes(text.encode("latin-1"))
    with pytest.raises(PosebenchError, match=r"lifter\.json"):
        load_about(run)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(extra=1), "extra"),
        (lambda c: c["provenance"].update(extra=1), "extra"),
        (lambda c: c.pop("method"), "no method"),
        (lambda c: c.pop("weights_sha256"), "weights_sha256"),
        (lambda c: c.update(posebench_lifter=2), "upgrade posebench"),
        (lambda c: c.update(nominal_camera=[1.0, 2.0, 3.0]), "nominal_camera"),
        (lambda c: c.update(nominal_camera=[0.0, 1.0, 2.0, 3.0]), "nominal_camera"),
        (lambda c: c.update(supervision="magic"), "supervision"),
        (lambda c: c.update(training=[]), "training"),
        (lambda c: c.update(provenance=3), "provenance"),
        (lambda c: c["provenance"].update(seed="0"), "seed"),
        (lambda c: c["provenance"].update(recipe="a\nb"), "recipe"),
    ],
)
def test_a_wrong_field_is_refused_by_name(run, change, named):
    rewrite(run, change)
    with pytest.raises(PosebenchError, match=named):
        load_about(run)


@pytest.mark.parametrize("limit", ["_MAX_JSON_BYTES", "_MAX_WEIGHTS_BYTES"])
def test_files_too_large_are_not_read(run, monkeypatch, limit):
    monkeypatch.setattr(weights, limit, 10)
    with pytest.raises(PosebenchError, match="files of this size"):
        load_about(run)


def test_a_folder_whose_weights_could_not_be_written_is_no_finished_run(run, monkeypatch, tmp_path):
    about, lifter = load_about(run), network(run)
    monkeypatch.setattr("safetensors.torch.save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    (tmp_path / "full").mkdir()
    with pytest.raises(PosebenchError, match="No space left"):
        save_weights(tmp_path / "full", lifter, about)
    assert list((tmp_path / "full").iterdir()) == []


def test_names_that_share_storage_are_saved_each_with_its_own(run, tmp_path):
    about = load_about(run)
    twice = torch.nn.ModuleDict({"one": torch.nn.Linear(2, 2)})
    twice["other"] = twice["one"]
    save_weights(tmp_path, twice, about)
    fresh = torch.nn.ModuleDict({"one": torch.nn.Linear(2, 2), "other": torch.nn.Linear(2, 2)})
    load_weights(tmp_path, fresh)
    np.testing.assert_array_equal(fresh["other"].weight.detach(), twice["one"].weight.detach())
