"""Both kernels in one run: alignment, sums of every metric, hypotheses, the report, and the process ``posebench score``.

``pytest tests/bench/bench_kernels.py -s``; POSEBENCH_BENCH_POSES sets the number of poses (543,344 is Human3.6M's test set at 50 fps).
All times are CPU time, of all threads, and the best of several rounds: ratios hold while the machine has other work. No time is asserted.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posebench.metrics import kernel
from posebench.predictions.archive import save_predictions

POSES = int(os.environ.get("POSEBENCH_BENCH_POSES", "543344"))
ROUNDS = int(os.environ.get("POSEBENCH_BENCH_ROUNDS", "3"))
CLIPS = 236
KERNELS = ["c", "numpy"]
READ = """
import sys, numpy
for path in sys.argv[1:]:
    with numpy.load(path, allow_pickle=False) as file:
        print(sum(float(file[key].sum()) for key in file.files if key != "__meta__"))
"""
#: Runs a command and prints its CPU seconds and its peak memory in KiB.
CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A prediction and a truth file of 236 clips, stored, float32."""
    folder = tmp_path_factory.mktemp("kernels")
    random = np.random.default_rng(0)
    body = random.normal(0, 250, (17, 3))
    truth, pred = {}, {}
    for i, part in enumerate(np.array_split(np.empty(POSES), CLIPS)):
        clip = f"S9/Action{i // 4 % 15} {i // 60 + 1}/c{i % 4}"
        truth[clip] = (body + random.normal(0, 60, (len(part), 17, 3))).astype(np.float32)
        pred[clip] = (truth[clip] + random.normal(0, 40, (len(part), 17, 3))).astype(np.float32)
    paths = folder / "pred.npz", folder / "truth.npz"
    for path, poses in zip(paths, (pred, truth), strict=True):
        save_predictions(path, poses, unit="mm", skeleton="h36m17")
    return paths


def with_kernel(name):
    """The environment of a process that uses a kernel, and finds its modules compiled, as installed ones are."""
    if name == "c" and kernel.measure is None:
        pytest.skip("the compiled kernel was not built, or POSEBENCH_KERNEL=numpy")
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {"POSEBENCH_KERNEL": name}


def cpu(env, *command):
    """CPU seconds and peak KiB of a command."""
    out = subprocess.run([sys.executable, "-c", CHILD, *map(str, command)], env=env, check=True, capture_output=True, text=True).stdout
    seconds, peak = out.split()
    return float(seconds), int(peak)


@pytest.mark.parametrize("name", KERNELS)
def test_kernel(benchmark, files, name):
    command = [sys.executable, str(Path(__file__).with_name("kernel_times.py")), *map(str, files), str(ROUNDS)]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"env": with_kernel(name), "check": True, "capture_output": True, "text": True}, rounds=1
    )
    found = json.loads(done.stdout)
    spent = found["seconds"]
    ratios = {
        "alignment over read": spent["alignment"] / spent["read"],
        "float64 over alignment": spent["VideoPose3D, float64"] / spent["alignment"],
        "float32 over alignment": spent["VideoPose3D, float32"] / spent["alignment"],
        "sums over alignment": spent["sums"] / spent["alignment"],
        "hypotheses over one": spent["sums of 20 hypotheses"] / spent["sums of one"],
        "report over alignment": spent["report"] / spent["alignment"],
    }
    benchmark.extra_info.update(ratios, kernel=found["kernel"], seconds=spent)
    print(f"\n{found['kernel']}, {found['poses']:,} poses, {found['metrics']} metrics, CPU seconds, best of {ROUNDS}:")
    print(", ".join(f"{what} {seconds:.3f}" for what, seconds in spent.items()))
    print(", ".join(f"{what} {ratio:.1f} x" for what, ratio in ratios.items()))


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_CHILDREN"), reason="CPU time of child processes")
@pytest.mark.parametrize("name", KERNELS)
def test_process(benchmark, files, tmp_path, name):
    pred, truth = files
    env = with_kernel(name)
    score = [sys.executable, "-m", "posebench", "score", pred, "--protocol", "pair-17j", "--truth", truth, "-o", tmp_path / "r.json"]
    read_s, score_s, peaks = [], [], []

    def both():
        read_s.append(cpu(env, sys.executable, "-c", READ, pred, truth)[0])
        seconds, peak = cpu(env, *score)
        score_s.append(seconds)
        peaks.append(peak)

    benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=1)
    stored = sum(path.stat().st_size for path in files) / 2**20
    ratio, over = min(score_s) / min(read_s), max(peaks) / 2**10 - stored
    benchmark.extra_info.update(ratio=ratio, peak_over_files_mib=over)
    print(f"\n{name}: read {min(read_s):.2f} s, score {min(score_s):.2f} s of CPU, {ratio:.2f} x; peak {over:.0f} MiB over the files")


def test_start(benchmark):
    env = with_kernel("numpy")
    commands = {"python": ["-c", "pass"], "import": ["-c", "import posebench"], "help": ["-m", "posebench", "--help"]}
    spent = dict.fromkeys(commands, float("inf"))

    def all_of_them():
        for name, command in commands.items():
            spent[name] = min(spent[name], cpu(env, sys.executable, *command)[0])

    benchmark.pedantic(all_of_them, rounds=2 * ROUNDS, warmup_rounds=1)
    ratios = {f"{name} over python": spent[name] / spent["python"] for name in ("import", "help")}
    benchmark.extra_info.update(ratios)
    print("\n" + ", ".join(f"{what} {ratio:.1f} x" for what, ratio in ratios.items()))
