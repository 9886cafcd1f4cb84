"""Ways of storing the same poses, each read whole through posebench, against numpy's own reading of the stored archive.

``pytest tests/bench/bench_load.py``; POSEBENCH_BENCH_POSES sets the number of poses. No time is asserted; that all give the same poses is.
"""

import math
import os

import numpy as np
import pytest

import posebench

POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
CLIPS = 236


def through_posebench(path):
    with posebench.open_predictions(path) as file:
        return math.fsum(float(file.poses(clip).sum(dtype=np.float64)) for clip in file.shapes)


def through_numpy(path):
    with np.load(path, allow_pickle=False) as file:
        return math.fsum(float(file[key].sum(dtype=np.float64)) for key in file.files if key != "__meta__")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The poses stored, deflated, and in HDF5."""
    folder = tmp_path_factory.mktemp("load")
    random = np.random.default_rng(0)
    each = -(-POSES // CLIPS)
    poses = {f"S9/Action {i // 4}/c{i % 4}": random.normal(0, 250, (each, 17, 3)).astype(np.float32) for i in range(CLIPS)}
    paths = {"stored": folder / "stored.npz", "hdf5": folder / "poses.h5", "deflated": folder / "deflated.npz"}
    for name in ("stored", "hdf5"):
        posebench.save_predictions(paths[name], poses, unit="mm", skeleton="h36m17")
    with np.load(paths["stored"], allow_pickle=False) as file:
        np.savez_compressed(paths["deflated"], **file)
    paths["numpy"] = paths["stored"]
    return paths


@pytest.mark.parametrize("kind", ["numpy", "stored", "hdf5", "deflated"])
def test_reading_every_pose(benchmark, files, kind):
    read = through_numpy if kind == "numpy" else through_posebench
    assert benchmark.pedantic(read, (files[kind],), rounds=5, warmup_rounds=1) == through_numpy(files["stored"])
