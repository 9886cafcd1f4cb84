"""ONNX files from untrusted sources."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.lifters.flat import Flat
from posebench.lifters.onnx import confined
from posebench.lifters.onnx.model import open_onnx

from .networks import FLAT_TOML, FLAT_WEIGHTS, points


def test_a_missing_network_is_told_with_its_name(tmp_path):
    with pytest.raises(PosebenchError, match=r"nowhere\.onnx: no such file"):
        open_onnx(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x09", b"PK\x03\x04" * 50])
def test_a_file_that_is_no_network_is_refused(flat, content):
    path = flat()
    path.write_bytes(content)
    with pytest.raises(PosebenchError, match=r"model\.onnx"):
        open_onnx(path)


def test_a_network_that_is_cut_off_is_refused(flat):
    path = flat()
    whole = path.read_bytes()
    for part in range(0, len(whole), 7):
        path.write_bytes(whole[:part])
        with pytest.raises(PosebenchError, match=r"model\.onnx"):
            open_onnx(path)


def test_a_huge_file_is_not_read(flat):
    path = flat()
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(PosebenchError, match="1,099,511,627,776 bytes"):
        open_onnx(path)


@pytest.mark.parametrize("name", [b"Steal", b"Ste\xffl"])
def test_an_operator_that_is_not_onnx_own_is_refused_in_one_paragraph(network, capfd, name):
    nodes = [("Steal", ["x"], ["y"], {}, "org.example")]
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], domains=[("org.example", 1)])
    path.write_bytes(path.read_bytes().replace(b"Steal", name))
    with pytest.raises(PosebenchError, match="ONNX's own operators") as error:
        open_onnx(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def outside(place):
    """Puts the weight ``w`` of a model into the file ``place``."""

    def change(model):
        from onnx import TensorProto

        tensors = [tensor for tensor in model.graph.initializer if tensor.name == "w"]
        tensors += [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
        (tensor,) = tensors
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place

    return change


IN_A_CONSTANT = "constant"


@pytest.mark.parametrize("where", ["initializer", IN_A_CONSTANT])
@pytest.mark.parametrize(
    "place", ["../secret.bin", "{folder}/secret.bin", "sub/../../secret.bin", "link.bin", "nowhere.bin", ".", "a\0b", "x" * 5000]
)
def test_weights_outside_the_networks_folder_are_not_read(network, tmp_path, monkeypatch, place, where):
    from onnx import numpy_helper

    secret = tmp_path.parent / "secret.bin"
    secret.write_bytes(np.ones(17 * 3, dtype=np.float32).tobytes())
    (tmp_path / "link.bin").symlink_to(secret)
    weight = np.ones((17, 3), dtype=np.float32)
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": weight}
    if where == IN_A_CONSTANT:
        nodes.insert(0, ("Constant", [], ["w"], {"value": numpy_helper.from_array(weight, "w")}))
        weights = FLAT_WEIGHTS
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside(place.format(folder=tmp_path.parent)))
    import onnxruntime

    def never(*_, **__):
        raise AssertionError("ONNX Runtime was given the file")

    monkeypatch.setattr(onnxruntime, "InferenceSession", never)
    with pytest.raises(PosebenchError, match="a file in"):
        open_onnx(path, confined=False)


def test_a_place_of_weights_that_is_no_text_is_refused(network):
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": np.ones((17, 3), dtype=np.float32)}
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside("secret.bin"))
    path.write_bytes(path.read_bytes().replace(b"secret.bin", b"secre\xff.bin"))
    with pytest.raises(PosebenchError, match="a file in"):
        open_onnx(path)


def test_a_name_that_is_no_text_is_refused(flat):
    path = flat()
    path.write_bytes(path.read_bytes().replace(b"N", b"\xff"))
    with pytest.raises(PosebenchError, match=r"model\.onnx"):
        open_onnx(path)


def test_weights_beside_the_network_are_read_as_torchs_exporter_leaves_them(network, tmp_path):
    (tmp_path / "model.onnx.data").write_bytes(np.full((17, 3), 2.0, dtype=np.float32).tobytes())
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Mul", ["p", "w"], ["y"])]
    weights = FLAT_WEIGHTS | {"w": np.ones((17, 3), dtype=np.float32)}
    path = network(FLAT_TOML, nodes, ["N", 17, 2], ["N", 17, 3], weights, change=outside("model.onnx.data"))
    np.testing.assert_allclose(open_onnx(path).lift(points(), None), 2 * Flat().lift(points(), None), rtol=1e-5, atol=1e-3)
    with (tmp_path / "model.onnx.data").open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(PosebenchError, match="bytes of weights"):
        open_onnx(path)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_onnx_runtime_one_paragraph_says_how_to_get_it(flat, monkeypatch, capsys, tmp_path, package):
    path = flat()
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})")
    monkeypatch.syspath_prepend(tmp_path / "missing")
    confined._child.end()  # another one has not imported the package
    assert cli.main(["predict", str(path), "--dataset", "synthetic", "-o", str(path.with_name("p.npz"))]) == 2
    err = capsys.readouterr().err
    assert f"no package {package}" in err
    assert 'pip install -c constraints.txt -e ".[baselines]"' in err
    assert err.count("\n") == 1
    assert not path.with_name("p.npz").exists()
    confined._child.end()


def test_a_wrong_number_of_threads_is_refused(flat, capsys):
    path = flat()
    assert cli.main(["predict", str(path), "--dataset", "synthetic", "--threads", "-1", "-o", "p.npz"]) == 2
    assert "--threads" in capsys.readouterr().err
    assert open_onnx(path, threads=1, confined=False).session.session.get_session_options().intra_op_num_threads == 1
