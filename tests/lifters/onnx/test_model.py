"""Networks in ONNX files as lifters: predictions, and networks that do not fit their TOML."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.data import open_dataset
from posebench.lifters import Lifter, predict
from posebench.lifters.flat import Flat
from posebench.lifters.onnx.model import open_onnx
from posebench.predictions.archive import open_predictions

from .networks import FLAT_NODES, FLAT_TOML, FLAT_WEIGHTS, points, windowed


def test_a_network_that_is_flat_gives_the_predictions_of_flat(network):
    dataset = open_dataset("synthetic")
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    lifter = open_onnx(path)
    clip = dataset.load(dataset.clip_ids("test")[0])
    ours, theirs = Flat().lift(clip.keypoints("gt"), clip.camera), lifter.lift(clip.keypoints("gt"), clip.camera)
    np.testing.assert_array_equal(theirs.astype(np.float32), ours.astype(np.float32))


def test_a_network_is_predicted_and_scored_from_the_command_line(network, synthetic_part, tmp_path, capsys, monkeypatch):
    import posebench

    few = synthetic_part(takes=["Walking 1", "Sitting 1"])
    monkeypatch.setattr(posebench, "open_dataset", lambda *_, **__: few)
    path = network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS)
    for lifter, output in ((str(path), "theirs"), ("flat", "ours")):
        file = str(tmp_path / f"{output}.npz")
        assert cli.main(["predict", lifter, "--dataset", "synthetic", "--threads", "1", "-o", file]) == 0
        score = ["score", file, "--protocol", "synthetic", "--allow-partial", "-o", str(tmp_path / f"{output}.json")]
        assert cli.main(score) == 0, capsys.readouterr().err
    with open_predictions(tmp_path / "theirs.npz") as theirs, open_predictions(tmp_path / "ours.npz") as ours:
        assert (theirs.meta.method, theirs.meta.scale, theirs.meta.unit) == ("flat-onnx", "unknown", None)
        assert len(theirs.shapes) == len(few.infos) * 2 // 7  # S9 and S11 of seven subjects
        for clip in ours.shapes:
            np.testing.assert_array_equal(theirs.poses(clip), ours.poses(clip))
    from posebench.scoring.result import load_result

    results = [load_result(tmp_path / f"{name}.json") for name in ("ours", "theirs")]
    assert results[0].value("PA-MPJPE") == results[1].value("PA-MPJPE") > 20


def test_what_the_toml_states_is_what_the_lifter_says(flat):
    lifter: Lifter = open_onnx(flat(output='unit = "m"'))
    assert (lifter.info.id, lifter.info.skeleton, lifter.info.supervision, lifter.info.scale) == ("theirs", "h36m17", "paired 3D", "metric")
    assert (lifter.info.context, lifter.info.flip_averaging) == (1, False)
    assert repr(lifter) == "<OnnxLifter 'theirs': h36m17, scale metric, supervision paired 3D>"


@pytest.mark.parametrize(
    ("shape", "out", "words"),
    [
        (["N", 16, 2], ["N", 16, 3], ["input 'x'", "(N, 16, 2)", "(any, 17, 2)"]),
        (["N", 17, 3], ["N", 17, 4], ["input 'x'", "(any, 17, 2)"]),
        ([1, "N", 17, 2], [1, "N", 17, 3], ["input 'x'", "'b j c'"]),
        ([17, 2], [17, 3], ["input 'x'", "(any, 17, 2)"]),
    ],
)
def test_a_network_of_another_shape_than_stated_is_refused_before_it_runs(network, shape, out, words):
    weights = FLAT_WEIGHTS | {"pads": np.array([0] * (2 * len(shape) - 1) + [1])}
    path = network(FLAT_TOML, FLAT_NODES, shape, out, weights)
    with pytest.raises(PosebenchError) as error:
        open_onnx(path)
    for word in words:
        assert word in str(error.value)


def test_an_output_of_another_shape_is_refused_before_it_runs(network):
    path = network(FLAT_TOML, [("Identity", ["x"], ["y"])], ["N", 17, 2], ["N", 17, 2])
    with pytest.raises(PosebenchError, match=r"output 'y' of shape \(N, 17, 2\).*\(any, 17, 3\)"):
        open_onnx(path)


def test_an_output_whose_shape_shows_only_when_it_runs_is_refused_with_the_clips_name(network):
    path = network(FLAT_TOML, [("Identity", ["x"], ["y"])], ["N", "J", "C"], ["N", "J", "D"])
    with pytest.raises(PosebenchError, match=r"clip S\d+/.*: .*model\.onnx: an output of shape \(\d+, 17, 2\).*17, 3\)"):
        next(predict(open_onnx(path), open_dataset("synthetic")))


def test_a_network_that_fails_when_it_runs_is_told_with_the_input(network):
    nodes = [("Gather", ["x", "far"], ["g"], {"axis": 0}), ("Add", ["x", "g"], ["a"]), ("Pad", ["a", "pads", "zero"], ["y"])]
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS | {"far": np.array([9000])})
    with pytest.raises(PosebenchError, match=r"failed on an input of shape \(7, 17, 2\)") as error:
        open_onnx(path).lift(points(), None)
    assert "\n" not in str(error.value)


def test_a_network_that_slides_must_be_free_in_time(network):
    path = windowed(network)
    toml = path.with_suffix(".toml")
    toml.write_text(toml.read_text() + 'frames = "slide"\n')
    with pytest.raises(PosebenchError, match=r"\(N, 5, 17, 2\).*\(any, any, 17, 2\)"):
        open_onnx(path)


def test_a_network_of_whole_numbers_is_refused(network):
    from onnx import TensorProto

    weights = FLAT_WEIGHTS | {"zero": np.array(0)}
    with pytest.raises(PosebenchError, match=r"tensor\(int64\).*tensor\(float\)"):
        open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], weights, kind=TensorProto.INT64))


def test_a_network_of_two_inputs_is_refused(network):
    from onnx import TensorProto, helper

    def second(model):
        model.graph.input.append(helper.make_tensor_value_info("camera", TensorProto.FLOAT, [9]))

    with pytest.raises(PosebenchError, match=r"'x', 'camera'.*one input"):
        open_onnx(network(FLAT_TOML, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS, change=second))
