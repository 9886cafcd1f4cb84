"""Every goal of docs/performance.md with what this machine measures, as a markdown table.

``python tests/bench/goals.py [PYTEST OPTION ...]`` runs the files ``bench_*.py`` beside it and reads what they measured.
POSEBENCH_BENCH_POSES, POSEBENCH_BENCH_ROUNDS and POSEBENCH_BENCH_STEPS make it shorter, ``-k kernels`` measures the kernels alone. Where
two kernels are shown, ratios are those of CPU time; the others are medians of alternating runs. Use one thread (``OMP_NUM_THREADS=1``).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: Goal, test of ``bench_*.py``, key of what it measured, which way is better, bound; and that of the numpy kernel, if it has another.
#: Of a test that ends in ``[]`` each kernel has its own.
GOALS = (
    ("PA alignment against one read of both arrays", "test_kernel[]", "alignment over read", "<=", 6.0, None),
    ("against VideoPose3D's way in float64", "test_kernel[]", "float64 over alignment", ">=", 100.0, 10.0),
    ("against it in float32, as released", "test_kernel[]", "float32 over alignment", ">=", None, 10.0),
    ("(against a loop over poses)", "blocked_alignment", "loop, wall", ">=", None),
    ("its extra memory, MiB", "blocked_alignment", "extra_mib", "<=", 32.0),
    ("sums of every metric against the alignment alone", "test_kernel[]", "sums over alignment", "<=", 3.0),
    ("full report with 1000 resamples, files read, against it", "test_kernel[]", "report over alignment", "<=", 3.0),
    ("20 hypotheses against one", "test_kernel[]", "hypotheses over one", "<=", 8.0, None),
    ("score against python, numpy, load and sum", "test_process[]", "ratio", "<=", 2.0, 6.0),
    ("its peak memory less the two files, MiB", "test_process[]", "peak_over_files_mib", "<=", 64.0, 128.0),
    ("(import posebench against python)", "test_start", "import over python", "<=", None),
    ("(posebench --help against python)", "test_start", "help over python", "<=", None),
    ("explain, every convention, against score", "explain_process", "ratio", "<=", 3.0),
    ("the same, CPU time", "explain_process", "ratio_cpu", "<=", 3.0),
    ("its peak memory beyond that of score, MiB", "explain_process", "more_mib", "<=", 128.0),
    ("diagnose against score", "diagnose_process", "ratio, wall", "<=", 5.0),
    ("the same, CPU time", "diagnose_process", "ratio, CPU", "<=", 5.0),
    ("its peak memory less the two files, MiB", "diagnose_process", "peak_over_files_mib", "<=", 128.0),
    ("ONNX Runtime against eager, batch 1024", "same_network[1024]", "onnx_over_eager", ">=", 2.0),
    ("(inference mode against eager)", "same_network[1024]", "inference_over_eager", ">=", None),
    ("(bf16 against eager)", "same_network[1024]", "bf16_over_eager", ">=", None),
    ("(ONNX Runtime against eager, batch 1)", "same_network[1]", "onnx_over_eager", ">=", None),
    ("whole sequence against windows of 27 frames", "windows_of_it[27 frames]", "ratio", ">=", 4.0),
    ("whole sequence against windows of 243 frames", "windows_of_it[243 frames]", "ratio", ">=", 10.0),
    ("(graph network, fused against plain: a step of training)", "plain_graph_network[tuned]", "step", ">=", None),
    ("(the same: a lift)", "plain_graph_network[tuned]", "lift", ">=", None),
    ("(the same at the paper's size: a step)", "plain_graph_network[paper]", "step", ">=", None),
    ("training against a DataLoader loop, batch 64", "dataloader_loop[64]", "ratio_wall", ">=", 1.2),
    ("the same, CPU time", "dataloader_loop[64]", "ratio_CPU", ">=", 1.2),
    ("training against a DataLoader loop, batch 256", "dataloader_loop[256]", "ratio_wall", ">=", 1.2),
    ("the same, CPU time", "dataloader_loop[256]", "ratio_CPU", ">=", 1.2),
)


def measured(options):
    """What each test measured, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "benchmarks.json"
        command = [sys.executable, "-m", "pytest", *map(str, sorted(HERE.glob("bench_*.py"))), f"--benchmark-json={told}", *options]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if not told.exists() or not told.read_text():
            sys.exit(done.returncode or 1)
        return {one["name"]: one["extra_info"] for one in json.loads(told.read_text())["benchmarks"]}


def judged(found, test, key, better, bound):
    """What is wanted of a test, and what it measured; bold where the goal is missed."""
    values = [facts[key] for name, facts in found.items() if name.endswith(test) or test in name.partition("[")[0]]
    if not values:
        return "", "not measured"
    (value,) = values
    if bound is None:
        return "", f"{value:.2f}"
    met = value >= bound if better == ">=" else value <= bound
    return f"{better} {bound:g}", f"{value:.2f}" if met else f"**{value:.2f}**"


def main():
    load = os.getloadavg()
    found = measured(sys.argv[1:])
    after = os.getloadavg()
    print(f"Processes that ran or waited, mean of a minute: {load[0]:.1f} before, {after[0]:.1f} after; {os.cpu_count()} cores.\n")
    print("| goal | wanted | measured, C | wanted | measured, numpy |\n|---|---|---|---|---|")
    for goal, test, key, better, *bounds in GOALS:
        names = [test.replace("[]", "[c]"), test.replace("[]", "[numpy]")] if test.endswith("[]") else [test]
        pairs = zip(names, (bounds[0], bounds[-1]), strict=False)
        cells = [cell for name, bound in pairs for cell in judged(found, name, key, better, bound)]
        print(f"| {goal} | " + " | ".join([*cells, "", ""][:4]) + " |")
    print("\nTested, not timed: accuracy of the alignment (tests/metrics/test_alignment.py), imports of commands (tests/test_imports.py).")


if __name__ == "__main__":
    main()
