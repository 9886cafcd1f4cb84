"""A network that passes its keypoints through."""

import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")


from .networks import FLAT_NODES, FLAT_WEIGHTS, HEAD


@pytest.fixture
def flat(network):
    def write(input="", output="", head=HEAD, **options):
        """The keypoints as they come, with z = 0, under a TOML with these lines more."""
        unit = "" if "unit" in output else 'unit = "mm"\n'
        toml = f'{head}[input]\nlayout = "b j c"\n{input}\n[output]\nlayout = "b j c"\n{unit}{output}\n'
        return network(toml, FLAT_NODES, ["N", 17, 2], ["N", 17, 3], FLAT_WEIGHTS, **options)

    return write
