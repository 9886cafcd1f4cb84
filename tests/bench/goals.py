"""Every goal of docs/performance.md with what this machine measures, as a markdown table.

``python tests/bench/goals.py [PYTEST OPTION ...]`` runs the files ``bench_*.py`` beside it and reads what they measured.
POSEBENCH_BENCH_POSES and POSEBENCH_BENCH_STEPS make it shorter. Ratios are medians of alternating runs; where the machine has other work,
those of CPU time on one thread (``OMP_NUM_THREADS=1``) are sounder.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: Goal, test of ``bench_*.py``, key of what it measured, which way is better, bound.
GOALS = (
    ("PA alignment against VideoPose3D's way in float64", "blocked_alignment", "decomposition_float64, wall", ">=", 10.0),
    ("the same, CPU time", "blocked_alignment", "decomposition_float64, CPU", ">=", 10.0),
    ("against it in float32, as released", "blocked_alignment", "batched_decomposition, wall", ">=", 10.0),
    ("the same, CPU time", "blocked_alignment", "batched_decomposition, CPU", ">=", 10.0),
    ("(against a loop over poses)", "blocked_alignment", "loop, wall", ">=", 0.0),
    ("its extra memory, MiB", "blocked_alignment", "extra_mib", "<=", 32.0),
    ("full report with 1000 resamples against the alignment alone", "full_report", "ratio", "<=", 3.0),
    ("score against python, numpy, load and sum", "score_process", "ratio", "<=", 6.0),
    ("its peak memory less the two files, MiB", "score_process", "peak_over_files_mib", "<=", 128.0),
    ("explain, every convention, against score", "explain_process", "ratio", "<=", 3.0),
    ("the same, CPU time", "explain_process", "ratio_cpu", "<=", 3.0),
    ("its peak memory beyond that of score, MiB", "explain_process", "more_mib", "<=", 128.0),
    ("diagnose against score", "diagnose_process", "ratio, wall", "<=", 5.0),
    ("the same, CPU time", "diagnose_process", "ratio, CPU", "<=", 5.0),
    ("its peak memory less the two files, MiB", "diagnose_process", "peak_over_files_mib", "<=", 128.0),
    ("ONNX Runtime against eager, batch 1024", "same_network[1024]", "onnx_over_eager", ">=", 2.0),
    ("(inference mode against eager)", "same_network[1024]", "inference_over_eager", ">=", 0.0),
    ("(bf16 against eager)", "same_network[1024]", "bf16_over_eager", ">=", 0.0),
    ("(ONNX Runtime against eager, batch 1)", "same_network[1]", "onnx_over_eager", ">=", 0.0),
    ("whole sequence against windows of 27 frames", "windows_of_it[27 frames]", "ratio", ">=", 4.0),
    ("whole sequence against windows of 243 frames", "windows_of_it[243 frames]", "ratio", ">=", 10.0),
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


def main():
    load = os.getloadavg()
    found = measured(sys.argv[1:])
    after = os.getloadavg()
    print(f"Processes that ran or waited, mean of a minute: {load[0]:.1f} before, {after[0]:.1f} after; {os.cpu_count()} cores.\n")
    print("| goal | wanted | measured | |\n|---|---|---|---|")
    for goal, test, key, better, bound in GOALS:
        values = [facts[key] for name, facts in found.items() if name.endswith(test) or test in name.partition("[")[0]]
        if not values:
            print(f"| {goal} | | not measured | |")
            continue
        (value,) = values
        met = value >= bound if better == ">=" else value <= bound
        print(f"| {goal} | {f'{better} {bound:g}' if bound else ''} | {value:.2f} | {('met' if met else '**missed**') if bound else ''} |")
    print("\nTested, not timed: accuracy of the alignment (tests/metrics/test_alignment.py), imports of commands (tests/test_imports.py).")


if __name__ == "__main__":
    main()
