"""CPU seconds of reading, aligning and summing poses with the kernel that POSEBENCH_KERNEL names, printed as JSON; for bench_kernels.py.

``python tests/bench/kernel_times.py PRED.npz TRUTH.npz REPEATS``: the best of REPEATS rounds, in each of which everything is measured once.
CPU time is that of all threads together, so that other work on the machine counts little.
"""

import json
import os
import sys
import time

import numpy as np
from bench_align import batched_decomposition

import posebench
from posebench.metrics import kernel
from posebench.metrics.alignment import residuals
from posebench.metrics.buffers import Buffers
from posebench.scoring import measure
from posebench.scoring.protocol import load_protocol

HYPOTHESES = 20
#: Poses of which hypotheses are measured; their time is scaled to all poses.
SOME = 20_000
#: Measured in the first round alone, since it takes longest.
ONCE = ("VideoPose3D, float64", "VideoPose3D, float32")


def main():
    files, repeats = sys.argv[1:3], int(sys.argv[3])
    clips = []
    for path in files:
        with posebench.open_predictions(path) as file:
            clips.append([file.poses(clip) for clip in file.shapes])
    pred, truth = (np.concatenate(arrays) for arrays in clips)
    protocol, buffers = load_protocol("h36m/s9s11"), Buffers()
    wanted = measure.scored_metrics(protocol, metric_scale=True)
    some = slice(0, min(SOME, len(pred)))
    share = len(pred) / len(pred[some])
    random = np.random.default_rng(0)
    several = pred[some] + random.normal(0.0, 30.0, (HYPOTHESES, *pred[some].shape)).astype(np.float32)

    def sums(pred, truth):
        size = max(1, len(clips[0][0]))
        for start in range(0, len(truth), size):
            frames = np.arange(start, min(start + size, len(truth)))
            part = slice(start, start + size)
            measure.measure_clip(protocol, wanted, pred[..., part, :, :], truth[part], frames, buffers=buffers)

    work = {
        "read": (1.0, lambda: (pred.sum(), truth.sum())),
        "alignment": (1.0, lambda: residuals(pred, truth, ["similarity"], buffers=buffers)),
        "VideoPose3D, float64": (1.0, lambda: batched_decomposition(pred.astype(np.float64), truth.astype(np.float64))),
        "VideoPose3D, float32": (1.0, lambda: batched_decomposition(pred, truth)),
        "sums": (1.0, lambda: sums(pred, truth)),
        "sums of one": (share, lambda: sums(pred[some], truth[some])),
        "sums of 20 hypotheses": (share, lambda: sums(several, truth[some])),
        "report": (1.0, lambda: posebench.score(files[0], "pair-17j", truth=files[1])),
    }
    best = dict.fromkeys(work, float("inf"))
    for turn in range(repeats):
        for name, (scaled, function) in work.items():
            if turn and name in ONCE:
                continue
            started = time.process_time()
            function()
            best[name] = min(best[name], scaled * (time.process_time() - started))
    print(json.dumps({"kernel": kernel.NAME, "poses": len(pred), "metrics": len(wanted), "threads": os.cpu_count(), "seconds": best}))


if __name__ == "__main__":
    main()
