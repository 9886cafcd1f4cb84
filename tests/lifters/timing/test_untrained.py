"""Networks with drawn weights, timed at the size of a recipe."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="timing needs the extra [baselines]")
pytest.importorskip("safetensors", reason="runs need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="timing needs the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.board.pages.speed import record_document
from posebench.cli.main import main
from posebench.lifters.run import open_run
from posebench.lifters.timing.record import load_record
from posebench.lifters.timing.run import speed
from posebench.lifters.timing.untrained import judge_finite, network_of, write_untrained

FEW = {"batches": (1, 4), "rounds": 2, "seconds": 1e-6}


@pytest.fixture(scope="module")
def record(no_process_for_memory):  # noqa: ARG001 - a fixture of a fixture
    names = ["martinez+paper/smoke", "martinez/smoke", "martinez+tuned/smoke"]
    return speed([], untrained=names, track=True, **FEW)


def test_a_network_has_the_size_of_its_recipe_and_preset(tmp_path):
    """Two linear layers a block: 2 D in, 3 (J - 1) D out. Sizes as in the papers' own form: Martinez 4.29 M."""
    networks = map(network_of, ("martinez+paper", "martinez+paper/smoke"))
    paper, smoke = (open_run(write_untrained(network, tmp_path / network.preset)) for network in networks)
    sizes = [sum(value.numel() for value in one.method.lifter.parameters()) for one in (paper, smoke)]
    assert sizes[0] == 4_293_680 > sizes[1]
    assert paper.info.provenance.named("martinez") == "martinez+paper (untrained)"
    assert smoke.info.provenance.named("martinez") == "martinez+paper (untrained, smoke)"


def test_weights_are_the_same_each_time_and_other_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, other = (write_untrained(network_of("martinez/smoke"), tmp_path / name) for name in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    assert (one / "lifter.safetensors").read_bytes() == (other / "lifter.safetensors").read_bytes()


def test_untrained_networks_are_timed_in_every_way_and_marked(record):
    assert [one.name for one in record.lifters] == [
        "martinez+paper (untrained, smoke)",
        "martinez+tuned (untrained, smoke)",
    ]
    for one in record.lifters:
        assert one.untrained
        assert {(case.backend, case.batch) for case in one.cases} == {
            (name, batch) for name in ("eager", "inference", "bf16", "onnx") for batch in (1, 4)
        }
        assert one.parameters > 0
        assert one.multiply_adds > 0


def test_a_record_and_its_page_say_that_weights_were_drawn(record, tmp_path):
    record.save(tmp_path / "r.json")
    assert load_record(tmp_path / "r.json") == record
    text = record_document(record).markdown()
    assert "drawn weights; the time of a lift does not depend on its weights" in text
    assert "may end early" not in text
    assert str(tmp_path.anchor) + "tmp" not in text


def test_poses_of_drawn_weights_are_not_tracked(record):
    assert all(list(one.additions) == [] for one in record.lifters)
    assert all(any(note.startswith("tracked: drawn weights") for note in one.notes) for one in record.lifters)


@pytest.mark.parametrize("name", ["martine", "martinez+papper", "martinez/quik", "", "martinez+paper+tuned", "../martinez"])
def test_a_network_that_does_not_exist_is_refused_before_anything_is_timed(name, capsys):
    assert main(["speed", "--untrained", name, "--rounds", "1", "--seconds", "1e-6"]) == 2
    assert "one of" in capsys.readouterr().err


def test_poses_that_are_not_finite_are_refused():
    judge_finite("a", np.zeros((2, 17, 3)))
    with pytest.raises(PosebenchError, match="b gives poses that are not finite"):
        judge_finite("b", np.full((2, 17, 3), np.nan))


@pytest.mark.parametrize(("method", "windows"), [("motionagformer", "one after the other"), ("pose_machine", "overlapping")])
def test_a_network_of_windows_shows_all_that_it_sees_and_runs_in_bfloat16(method, windows, no_process_for_memory):  # noqa: ARG001 - a fixture
    """However little the other frames count at first: some networks start with branches of a hundred thousandth of their size."""
    one = speed([], untrained=[f"{method}/smoke"], batches=(1,), rounds=2, seconds=1e-6).lifters[0]
    seen = one.context // 2 if windows == "overlapping" else one.context - 1
    assert (one.back, one.ahead) == (seen, seen)
    assert one.context > 1
    assert "bf16" in {case.backend for case in one.cases}
