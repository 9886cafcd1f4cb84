"""Peak memory of a lifter, measured in a process of its own.

``python -m posebench.lifters.timing.memory LIFTER FOLDER THREADS [NAME=VALUE ...]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from posebench.base.cameras import Array, Camera
from posebench.base.errors import PosebenchError
from posebench.base.readers.npz import write_npz
from posebench.data import open_dataset

_STATUS = Path("/proc/self/status")


class Peak(NamedTuple):
    """Peak memory in MiB: after the lifter was opened, and after it has lifted the largest batch."""

    opened: float
    lifted: float


def peak_memory(name: str, keypoints: Array, camera: Camera | None, threads: int, changes: Sequence[str] = ()) -> Peak | None:
    """Open the lifter ``name`` in a fresh process and lift ``keypoints`` once; None on a system without ``/proc``.

    Raises:
        PosebenchError: the process failed, though this one opened the same lifter.
    """
    if not _STATUS.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"keypoints": keypoints} | ({} if camera is None else {"focal": camera.focal, "centre": camera.centre})
        write_npz(Path(folder) / "clip.npz", arrays.items())
        command = [sys.executable, "-m", "posebench.lifters.timing.memory", name, folder, str(threads), *changes]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise PosebenchError(
            f"{name} failed in a process of its own: {message[0]}", "a lifter that opens twice", "posebench predict shows more"
        )
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """Peak memory of this process in MiB. ``getrusage`` would include the process that started this one."""
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) / 2**10, 1)


def main(name: str, folder: str, threads: str, *changes: str) -> None:
    """Runs in the process of its own: prints the two peaks as JSON."""
    from posebench.lifters.choose import lifter_maker
    from posebench.lifters.onnx.model import open_onnx

    if name.endswith(".onnx"):
        lifter = open_onnx(Path(name), threads=int(threads), confined=False)
    else:
        lifter = lifter_maker(name, threads=int(threads), changes=changes)(open_dataset("synthetic"))
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(int(threads))
    with np.load(Path(folder) / "clip.npz", allow_pickle=False) as clip:
        keypoints = clip["keypoints"]
        camera = Camera(np.eye(3), np.zeros(3), clip["focal"], clip["centre"], (0, 0)) if "focal" in clip else None
    opened = peak_mib()
    lifter.lift(keypoints, camera)
    print(json.dumps([opened, peak_mib()]))


if __name__ == "__main__":
    main(*sys.argv[1:])
