"""The compiled kernel against numpy on random shapes, strides, types and values, on every instruction set of this processor.

``python tests/fuzz/fuzz_kernel.py 100000`` computes 100,000 cases and prints a line a kind of case; a failure names its number, which
``--only 17`` computes alone. ``--sanitize`` first builds the kernel with the address and undefined-behaviour sanitizers of gcc, and
``--tests`` runs the kernel's tests before the random cases. Takes minutes; CI does not run it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "posebench/metrics/kernel/pose_kernel.c"
MODULE = "posebench.metrics.kernel.pose_kernel"
TESTS = ("tests/metrics/kernel", "tests/scoring/test_fused.py", "tests/metrics/test_alignment.py", "tests/scoring/test_measure.py")
FLAGS = "-shared -fPIC -O1 -g -ffp-contract=off -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow"


def sanitized(arguments):
    """Build the kernel with sanitizers, and go on in a process that has them."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "pose_kernel.so"
        include = f"-I{sysconfig.get_paths()['include']}"
        subprocess.run(["gcc", *FLAGS.split(), "-fno-sanitize-recover=all", include, SOURCE, "-o", built], check=True)
        library = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True).stdout.strip()
        # Python keeps what it allocated to its end, so leaks are not looked for; its own allocator would hide reads beyond an array.
        extra = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc", "POSEBENCH_FUZZ_KERNEL": str(built)}
        return subprocess.run([sys.executable, __file__, *arguments], env=os.environ | extra, check=False).returncode


def load(path):
    """Take the place of the installed kernel."""
    loader = importlib.machinery.ExtensionFileLoader(MODULE, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(MODULE, loader, origin=path))
    loader.exec_module(module)
    sys.modules[MODULE] = module


def coordinates(random, shape):
    """Poses (..., J, 3) of some kind, and the kind's name."""
    pose = random.normal(scale=300.0, size=shape)
    kind = random.choice(["usual", "usual", "off centre", "tiny", "huge", "denormal", "planar", "line", "point", "zero", "steps", "bits"])
    if kind == "off centre":
        pose += random.normal(scale=5e3, size=3)
    elif kind == "tiny":
        pose *= 1e-6
    elif kind == "huge":
        pose *= 10.0 ** random.integers(6, 120)
    elif kind == "denormal":
        pose *= 5e-324 * 10.0 ** random.integers(0, 12)
    elif kind == "planar":
        pose[..., random.integers(3)] = 0.0
    elif kind == "line":
        pose = pose[..., :1] * random.normal(size=3)
    elif kind == "point":
        pose[...] = pose[..., :1, :]
    elif kind == "zero":
        pose[...] = 0.0
    elif kind == "steps":  # many equal errors, many exactly at thresholds
        pose = np.round(pose / 25.0) * 25.0
    elif kind == "bits":
        pose = np.frombuffer(random.bytes(8 * pose.size), dtype=np.float64).reshape(shape).copy()
    return pose, str(kind)


def spoilt(random, pose):
    """Some coordinates replaced by what is no number, or by extremes."""
    pose = pose.copy()
    for _ in range(int(random.choice([0, 0, 0, 1, 3]))):
        if pose.size:
            pose.reshape(-1)[random.integers(pose.size)] = random.choice(
                [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 1e140, 1e150, 0.0]
            )
    return pose


def stored(random, array):
    """The same numbers in another place and order in memory, and in another type."""
    kind = random.choice([np.float32, np.float64, np.float64, np.float16])
    with np.errstate(over="ignore"):
        array = array.astype(kind)
    how = random.choice(["one piece", "frames last", "every other", "backwards", "unaligned", "repeated", "read only", "big-endian"])
    axes = tuple(range(array.ndim))
    if how == "frames last":
        return np.ascontiguousarray(array.transpose(axes[::-1])).transpose(axes[::-1])
    if how == "every other":
        larger = np.full(tuple(2 * size + 1 for size in array.shape), np.nan, dtype=array.dtype)
        part = larger[tuple(slice(1, None, 2) for _ in axes)]
        part[...] = array
        return part
    if how == "backwards":
        back = tuple(slice(None, None, -1) for _ in axes)
        return np.ascontiguousarray(array[back])[back]
    if how == "unaligned":
        return np.frombuffer(b"\0" + array.tobytes(), dtype=np.uint8)[1:].view(array.dtype).reshape(array.shape)
    if how == "repeated" and array.size:
        return np.broadcast_to(array[:1], array.shape)
    if how == "read only":
        array.flags.writeable = False
    if how == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    return array


def outcome(function, *arguments):
    """What a function returns, or the message of its ValueError."""
    try:
        with np.errstate(all="ignore"):
            return function(*arguments), ""
    except ValueError as error:
        return None, str(error)


def alignment_case(random):
    """One call of each alignment function on both kernels."""
    from posebench.metrics.alignment import ALIGNMENTS
    from posebench.metrics.buffers import Buffers
    from posebench.metrics.kernel import blocked, compiled

    count, joints = int(random.choice([0, 1, 2, 15, 16, 17, 33, 40])), int(random.choice([3, 4, 5, 14, 17, 17, 17, 28, 133]))
    truth, kind = coordinates(random, (count, joints, 3))
    pred = truth + random.normal(scale=random.choice([0.0, 1.0, 60.0, 900.0]), size=truth.shape)
    if random.integers(3) == 0:
        pred, other = coordinates(random, truth.shape)
        kind += f", {other}"
    if random.integers(3) == 0:
        pred = pred * [1.0, 1.0, -1.0]
    pred, truth = stored(random, spoilt(random, pred)), stored(random, spoilt(random, truth) if random.integers(8) == 0 else truth)
    (wanted, why), (found, why_too) = (outcome(m.residuals, pred, truth, ALIGNMENTS, Buffers()) for m in (blocked, compiled))
    alignment, scale = str(random.choice(ALIGNMENTS)), bool(random.integers(2))
    placed = [outcome(m.aligned, pred, truth, alignment)[0] for m in (blocked, compiled)]
    # Where a sum of true coordinates overflows, one kernel may see it before the other.
    overflows = not np.abs(np.asarray(truth, float)).max(initial=0.0) < 1e150
    assert overflows or (placed[0] is None) == (placed[1] is None), f"{kind}: {alignment} refuses on one kernel only"
    outcome(lambda: compiled.transforms(pred, truth, scale=scale))
    assert why == why_too or (overflows and why and why_too), f"{kind}: {why!r} and {why_too!r}"
    if wanted is None:
        return why
    (errors, flipped), (others, flipped_too) = wanted, found
    compare(kind, np.asarray(pred, float), np.asarray(truth, float), errors, others, flipped, flipped_too)
    return "agree"


def compare(kind, pred, truth, errors, others, flipped, flipped_too):
    """Errors agree where they are unique; where the rotation is not, their root mean square does."""
    with np.errstate(all="ignore"):
        pred = np.where(np.isfinite(pred).all(axis=(1, 2), keepdims=True), pred, 0.0)
        size = np.maximum(np.abs(truth).max(axis=(1, 2), initial=0.0), np.abs(pred).max(axis=(1, 2), initial=0.0))
        x, y = truth - truth.mean(axis=1, keepdims=True), pred - pred.mean(axis=1, keepdims=True)
        tidy = np.isfinite(size) & (size < 1e120) & (size > 1e-100)
        k = np.einsum("nji,njk->nik", x, y)
        k[~np.isfinite(k).all(axis=(1, 2)) | ~tidy] = 0.0
        values = np.linalg.svd(k, compute_uv=False)
        signed = values[:, 2] * np.where(np.linalg.det(k / np.maximum(values[:, :1, None], 1e-300)) < 0.0, -1.0, 1.0)
        unique = tidy & (values[:, 1] + signed > 1e-3 * values[:, 0]) & (np.abs(signed) > 1e-3 * values[:, 0])
    for alignment, error in errors.items():
        shares = [each[tidy] / size[tidy, None] for each in (error, others[alignment])]
        apart = np.abs(shares[1] - shares[0]).max(axis=1, initial=0.0)
        checked = slice(None) if alignment in ("root", "scale") else unique[tidy]
        assert apart[checked].max(initial=0.0) <= 1e-9, f"{kind}: {alignment} errors differ by {apart.max():.2g} of the pose's size"
        rms = [np.sqrt(np.mean(share * share, axis=1)) for share in shares]
        off = np.abs(rms[1] - rms[0]).max(initial=0.0)
        # Where it is nearly zero on a line, rounding counts by its square root.
        assert off <= 1e-4, f"{kind}: root mean square after {alignment} differs by {off:.2g}"
    unique &= size < 1e45  # the sixth power of the size is a number
    assert (flipped[unique] == flipped_too[unique]).all(), f"{kind}: flips"


def protocol_of(random, joints):
    """A protocol of every statistic over a made-up skeleton."""
    from posebench.base.skeletons import Skeleton
    from posebench.scoring.protocol import Metric, load_protocol

    names = ("root", *(f"{side}_j{n}" for n in range(joints // 2) for side in "lr"))[:joints]
    parents = (-1, *(max(0, n - 2) for n in range(1, joints)))
    skeleton = Skeleton(f"made up {joints}", names, parents, "root")
    some = tuple(name for name in names if random.integers(3)) or names[:1]

    def metric(statistic, **more):
        placed = (
            ["absolute", "root", "scale", "rigid", "similarity", "similarity+reflection"] if statistic in "mean pck auc cps" else ["root"]
        )
        which = names if random.integers(2) else some
        return Metric(str(random.choice(placed)), statistic, "made up", which, **more)

    span = (0.0, float(random.choice([0.0, 150.0, 300.0])), float(random.choice([0.1, 5.0, 7.0])))
    metrics = [metric("mean") for _ in range(4)] + [metric("pck", threshold=t, inclusive=i) for t, i in ((150.0, False), (25.0, True))]
    metrics += [metric("auc", thresholds=span), metric("cps", thresholds=span), metric("velocity"), metric("acceleration")]
    metrics += [
        metric(statistic) for statistic in ("bone-length", "bone-symmetry", "flip-rate") if statistic != "bone-symmetry" or joints > 4
    ]
    by_name = {one.name: one for one in metrics}
    base = load_protocol("cmu")
    root = tuple(names[n] for n in sorted({0, int(random.integers(joints))}))
    stride = int(random.choice([1, 1, 2, 5]))
    return dataclasses.replace(
        base, skeleton=skeleton, root=root, stride=stride, metrics=tuple(by_name.values()), diagnostics=(), groups={}
    )


def sums_case(random):
    """The sums of a clip on both kernels."""
    import pytest

    from posebench.scoring import fused, measure

    joints = int(random.choice([3, 4, 5, 14, 17, 17, 28, 133]))
    protocol = protocol_of(random, joints)
    count, hypotheses = int(random.choice([0, 1, 2, 3, 15, 16, 17, 40, 70])), int(random.choice([0, 0, 1, 3]))
    truth, kind = coordinates(random, (count, joints, 3))
    kind = "usual" if kind in ("bits", "denormal", "huge") else kind
    truth = truth if kind != "usual" else random.normal(scale=300.0, size=truth.shape)
    pred = truth + random.normal(
        scale=random.choice([0.0, 1.0, 60.0, 900.0]), size=(hypotheses, *truth.shape) if hypotheses else truth.shape
    )
    pred[random.integers(0, 9, size=pred.shape[:-2]) == 0] *= [1.0, 1.0, -1.0]
    frames = np.cumsum(random.choice([1, 1, 1, 2, 5], size=count)).astype(np.int64) * protocol.stride
    if count and random.integers(4) == 0:
        frames[random.integers(count) :] += random.choice([2**62, -(2**63), 2**63 - 2**20])
    pred, truth = stored(random, spoilt(random, pred)), stored(random, spoilt(random, truth) if random.integers(12) == 0 else truth)
    wanted = list(protocol.metrics)
    options = {"to_mm": float(random.choice([1.0, 1000.0])), "per_frame": bool(random.integers(2))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "BLOCK", int(random.choice([16, 33, 16384])))
        found, why = outcome(lambda: measure.measure_clip(protocol, wanted, pred, truth, frames, **options))
        patch.setattr(measure, "is_fused", lambda _metric: False)
        plain, why_too = outcome(lambda: measure.measure_clip(protocol, wanted, pred, truth, frames, **options))
    assert bool(why) == bool(why_too), f"{kind}: {why!r} and {why_too!r}"
    if plain is None:
        return why_too
    assert (found.poses, found.nonfinite, found.invalid) == (plain.poses, plain.nonfinite, plain.invalid), kind
    assert found.count == plain.count, kind
    return "agree" if agree(kind, found, plain, pred, truth) else "computed"


def agree(kind, found, plain, pred, truth):
    """Whether poses were plain enough for sums to be compared, which are then alike."""
    size = max(np.abs(np.asarray(pred, float)).max(initial=0.0), np.abs(np.asarray(truth, float)).max(initial=0.0))
    if kind not in ("usual", "off centre") or not size < 1e5:
        return False
    for name, total in plain.total.items():
        if "PCK" in name or "AUC" in name or "CPS" in name or "flip" in name:
            continue  # a last digit changes counts
        np.testing.assert_allclose(found.total[name], total, rtol=1e-8, atol=1e-6 * max(1.0, plain.count[name]), err_msg=f"{kind}, {name}")
    return True


def run(cases, seed, only, seconds):
    from posebench.metrics.kernel import compiled

    codes = []
    for name in ("avx512", "avx2", "plain"):
        try:
            compiled.use(name)
            codes.append(name)
        except ValueError as error:
            print(error)
    tally, began, failed = Counter(), time.perf_counter(), 0
    for number in [only] if only is not None else range(cases):
        if time.perf_counter() - began > seconds:
            break
        code = codes[number % len(codes)]
        compiled.use(code)
        random = np.random.default_rng([seed, number])
        kind = sums_case if number // len(codes) % 8 == 0 else alignment_case
        try:
            with np.errstate(all="ignore"):
                tally[code, kind.__name__.removesuffix("_case"), kind(random)] += 1
        except AssertionError as error:
            failed += 1
            print(f"case {number}, {code}, {kind.__name__}: {error}", flush=True)
            if failed == 10:
                break
    for (code, kind, ended), count in sorted(tally.items()):
        print(f"{code:8} {kind:10} {count:7,}  {ended}")
    print(f"{sum(tally.values()):,} cases, {failed} failed, {time.perf_counter() - began:.0f} s", flush=True)
    return failed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, whatever is left")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--tests", action="store_true")
    options = parser.parse_args()
    if options.sanitize:
        return sanitized([argument for argument in sys.argv[1:] if argument != "--sanitize"])
    if built := os.environ.get("POSEBENCH_FUZZ_KERNEL"):
        load(built)
        print("kernel with", FLAGS.rpartition("=")[2], "sanitizers", flush=True)
    if options.tests:
        import pytest

        if failed := pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", *(str(ROOT / name) for name in TESTS)]):
            return failed
    return run(options.cases, options.seed, options.only, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
