"""Small networks for the tests of ONNX files, with the arithmetic of what they do."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.base.cameras import Camera
from posebench.base.skeletons import skeleton

JOINTS = skeleton("h36m17").joints


CAMERA = Camera(np.eye(3), np.zeros(3), np.array([1100.0, 1150.0]), np.array([490.0, 510.0]), (1000, 800))


HEAD = 'id = "theirs"\nsupervision = "paired 3D"\nskeleton = "h36m17"\n'


#: z = 0 for the keypoints as they are.
FLAT_NODES = [("Pad", ["x", "pads", "zero"], ["y"])]


FLAT_WEIGHTS = {"pads": np.array([0, 0, 0, 0, 0, 1]), "zero": np.array(0.0, dtype=np.float32)}


FLAT_TOML = 'id = "flat-onnx"\nsupervision = "none"\nskeleton = "h36m17"\n[input]\nlayout = "b j c"\ncentre = "root"\n' + (
    '[output]\nlayout = "b j c"\nunit = "unknown"\n'
)


def points(frames=7, seed=0):
    return np.random.default_rng(seed).uniform(50, 750, (frames, 17, 2))


def about_root(pose):
    return pose - pose[:, :1]


def edge(clip, window):
    """The clip with its first and last frame repeated, as VideoPose3D pads."""
    return np.concatenate([np.repeat(clip[:1], window // 2, 0), clip, np.repeat(clip[-1:], window // 2, 0)])


#: Weighs the frames of a window of five; not symmetric, so that time's direction shows.
WEIGHTS5 = np.array([1.0, 2.0, 4.0, 8.0, 16.0], dtype=np.float32)


def windowed(network, shape=("N", 5, 17, 2), layout="b t j c", out=("N", 1, 17, 3), **options):
    nodes = [("Mul", ["x", "w"], ["m"]), ("ReduceSum", ["m", "axis"], ["s"], {"keepdims": 1}), ("Pad", ["s", "pads", "zero"], ["y"])]
    weights = {"w": WEIGHTS5[:, None, None], "axis": np.array([1]), "pads": np.array([0] * 7 + [1]), "zero": np.array(0, dtype=np.float32)}
    toml = f'{HEAD}window = 5\n[input]\nlayout = "{layout}"\n[output]\nlayout = "b t j c"\nunit = "mm"\n'
    return network(toml, nodes, list(shape), list(out), weights, **options)
