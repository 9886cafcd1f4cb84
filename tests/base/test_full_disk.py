"""A full disk gives one paragraph and no half file. A limit on the size of files stands for it: the system call fails as on a full disk."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("resource", reason="only Unix limits the size of files")

PREDICTIONS = """
import numpy as np
from posebench.predictions.archive import save_predictions
poses = {f"S1/Walk {n}/c0": np.random.default_rng(n).normal(size=(200, 17, 3)).astype(np.float32) for n in range(40)}
limit()
save_predictions(path + "/p.h5", poses, unit="mm", skeleton="h36m17")
"""
COMMAND = """
limit()
from posebench.cli.main import main
sys.exit(main({words} + [path + "/out"]))
"""


def run(tmp_path, body, limit):
    code = f"import resource, sys\npath = {str(tmp_path)!r}\n"
    code += f"def limit(): resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    return subprocess.run([sys.executable, "-c", code + body], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("limit", [100, 100_000, 1_500_000])
def test_an_hdf5_file_of_predictions_is_not_written_by_half_and_the_process_lives(tmp_path, limit):
    """Before: exit code -11, a segmentation fault, and ``.p.h5.PID.tmp`` left over."""
    done = run(tmp_path, PREDICTIONS, limit)
    assert done.returncode == 1, done.stderr[-500:]
    assert done.stderr.splitlines()[-1].startswith("posebench.base.errors.PosebenchError: Found: ")
    assert "p.h5: File too large. Wanted: a file that can be written." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_hdf5_files_that_fit_are_read_back(tmp_path):
    assert run(tmp_path, PREDICTIONS, 10**8).returncode == 0
    from posebench.predictions.archive import open_predictions

    with open_predictions(tmp_path / "p.h5") as predictions:
        assert len(predictions.shapes) == 40
        np.testing.assert_array_equal(predictions.poses("S1/Walk 3/c0"), np.random.default_rng(3).normal(size=(200, 17, 3)).astype("f4"))


@pytest.mark.parametrize("layout", ["martinez", "h36m-fetch", "h36m-cdf", "videopose3d", "p-stmo", "3dhp"])
def test_an_export_says_that_the_disk_is_full(tmp_path, layout):
    """Before, martinez and h36m-cdf gave tracebacks."""
    done = run(tmp_path, COMMAND.format(words=["data", "export", "synthetic", "--layout", layout, "-o"]), 5000)
    assert done.returncode == 2, done.stderr[-1500:]
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]


def test_a_training_says_that_the_disk_is_full(tmp_path):
    """Before, a traceback of safetensors."""
    pytest.importorskip("torch", reason="training needs the extra [baselines]")
    words = ["train", "martinez", "--dataset", "synthetic", "--preset", "smoke", "-o"]
    done = run(tmp_path, COMMAND.format(words=words), 100_000)
    assert done.returncode == 2, done.stderr[-1500:]
    assert "Traceback" not in done.stderr
    assert "checkpoint.safetensors: " in done.stderr.splitlines()[-1]
    assert "File too large" in done.stderr.splitlines()[-1]
