"""The compiled kernel computes what the numpy kernel computes, on every instruction set of this processor."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.metrics import kernel
from posebench.metrics.alignment import ALIGNMENTS
from posebench.metrics.buffers import Buffers
from posebench.metrics.kernel import blocked

compiled = pytest.importorskip("posebench.metrics.kernel.compiled", reason="the compiled kernel was not built: no C compiler")


def available():
    for name in ("avx512", "avx2", "plain"):
        try:
            compiled.use(name)
        except ValueError:
            continue
        yield name
    compiled.use()


INSTRUCTIONS = list(available())


@pytest.fixture(params=INSTRUCTIONS)
def instructions(request):
    compiled.use(request.param)
    yield request.param
    compiled.use()


def both(pred, truth):
    """(errors, flipped) of the numpy and of the compiled kernel."""
    return tuple(module.residuals(pred, truth, ALIGNMENTS, Buffers()) for module in (blocked, compiled))


def poses(count=300, joints=17, seed=0, noise=60.0):
    random = np.random.default_rng(seed)
    truth = random.normal(scale=300.0, size=(count, joints, 3))
    return truth + random.normal(scale=noise, size=truth.shape), truth


MIRROR = np.array([1.0, 1.0, -1.0])
CASES = {
    "noise": lambda p, t: (p, t),
    "mirrored in depth": lambda p, t: (p * MIRROR, t),
    "planar": lambda p, t: (p * [1.0, 1.0, 0.0], t),
    "both planar": lambda p, t: (p * [1.0, 1.0, 0.0], t * [1.0, 1.0, 0.0]),
    "collinear": lambda p, t: (p[..., :1] * [0.6, 0.0, 0.8], t),
    "both collinear": lambda p, t: (p[..., :1] * [0.6, 0.0, 0.8], t[..., :1] * [0.0, 1.0, 0.0]),
    "collapsed": lambda p, t: (0.0 * p, t),
    "collapsed at five metres": lambda p, t: (0.0 * p + [12.3, -45.6, 5012.3], t),
    "five metres off centre": lambda p, t: (p + np.array([300.0, -100.0, 5e3]), t + np.array([310.0, -90.0, 5010.0])),
    "tiny": lambda p, t: (1e-6 * p, t),
    "denormal": lambda p, t: (1e-310 * p, t),
    "huge": lambda p, t: (1e9 * p, 1e9 * t),
    "float32": lambda p, t: (p.astype(np.float32), t.astype(np.float32)),
    "float16, which it does not read": lambda p, t: (p.astype(np.float16), t),
    "single joint": lambda p, t: (p[:, :1], t[:, :1]),
    "three joints": lambda p, t: (p[:, :3], t[:, :3]),
    "no poses": lambda p, t: (p[:0], t[:0]),
    "one pose": lambda p, t: (p[:1], t[:1]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("instructions")
def test_errors_and_flips_agree(case):
    pred, truth = CASES[case](*poses())
    (errors, flipped), (other, flipped_too) = both(pred, truth)
    size = max(1.0, float(np.abs(truth).max(initial=0.0)) / 1e3)
    for alignment in ALIGNMENTS:
        assert other[alignment].shape == errors[alignment].shape
        np.testing.assert_allclose(other[alignment], errors[alignment], rtol=0, atol=1e-9 * size, err_msg=alignment)
    np.testing.assert_array_equal(flipped, flipped_too)


@pytest.mark.usefixtures("instructions")
def test_predictions_that_differ_from_a_point_in_one_coordinate_are_turned_to_the_truth():
    random = np.random.default_rng(0)
    count = 2000
    truth = random.normal(size=(count, 28, 3)) * 10.0 ** random.integers(-6, 3, size=(count, 1, 1))
    pred = np.broadcast_to(random.normal(scale=300.0, size=(count, 1, 3)), truth.shape).copy()
    pred[np.arange(count), random.integers(28, size=count), random.integers(3, size=count)] = 0.0
    y, x = (pose - pose.mean(axis=1, keepdims=True) for pose in (pred, truth))
    u, _, vt = np.linalg.svd(np.einsum("nji,njk->nik", x, y))
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
    wanted = np.linalg.norm(y @ (u @ vt).transpose(0, 2, 1) - x, axis=-1)
    for module in (blocked, compiled):
        found = module.residuals(pred, truth, ["rigid"], Buffers())[0]["rigid"]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("instructions")
def test_133_joints_agree():
    (errors, _), (other, _) = both(*poses(40, 133))
    for alignment in ALIGNMENTS:
        np.testing.assert_allclose(other[alignment], errors[alignment], rtol=0, atol=1e-9)


def stored(array, how):
    """The same numbers in another place in memory."""
    if how == "frames side by side":
        return np.ascontiguousarray(array.transpose(2, 1, 0)).transpose(2, 1, 0)
    if how == "every other of a larger array":
        larger = np.full((2 * len(array), array.shape[1] + 2, 5), np.nan, dtype=array.dtype)
        larger[::2, 1:-1, 1:4] = array
        return larger[::2, 1:-1, 1:4]
    if how == "backwards":
        return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    if how == "unaligned":
        return np.frombuffer(b"\0" + array.tobytes(), dtype=np.uint8)[1:].view(array.dtype).reshape(array.shape)
    return np.ascontiguousarray(array)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("how", ["frames side by side", "every other of a larger array", "backwards", "unaligned"])
@pytest.mark.usefixtures("instructions")
def test_the_place_in_memory_does_not_matter(how, kind):
    pred, truth = (array.astype(kind) for array in poses(53))
    errors, flipped = compiled.residuals(pred, truth, ALIGNMENTS, Buffers())
    other, flipped_too = compiled.residuals(stored(pred, how), stored(truth, how), ALIGNMENTS, Buffers())
    for alignment in ALIGNMENTS:
        assert other[alignment].tobytes() == errors[alignment].tobytes()
    assert flipped.tobytes() == flipped_too.tobytes()


@pytest.mark.usefixtures("instructions")
def test_a_pose_has_the_same_bits_whatever_poses_are_computed_with_it():
    pred, truth = poses(100, noise=400.0)
    errors, _ = compiled.residuals(pred, truth, ALIGNMENTS, Buffers())
    for start, stop in ((0, 1), (3, 20), (17, 99)):
        part, _ = compiled.residuals(pred[start:stop], truth[start:stop], ALIGNMENTS, Buffers())
        for alignment in ALIGNMENTS:
            assert part[alignment].tobytes() == errors[alignment][start:stop].tobytes()


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.usefixtures("instructions")
def test_aligned_poses_and_transforms_agree(alignment):
    pred, truth = poses(70)
    np.testing.assert_allclose(compiled.aligned(pred, truth, alignment), blocked.aligned(pred, truth, alignment), rtol=0, atol=1e-9)
    for scale in (True, False):
        for one, other in zip(blocked.transforms(pred, truth, scale=scale), compiled.transforms(pred, truth, scale=scale), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.usefixtures("instructions")
def test_a_prediction_that_is_not_finite_spoils_no_other_and_a_true_pose_is_refused(value):
    pred, truth = poses(40)
    pred[7, 3, 1] = value
    (errors, _), (other, _) = both(pred, truth)
    for alignment in ALIGNMENTS:
        np.testing.assert_allclose(other[alignment], errors[alignment], rtol=0, atol=1e-9)
    truth[5, 0, 0] = value
    with pytest.raises(ValueError, match="true pose is not finite"):
        compiled.residuals(pred, truth, ALIGNMENTS, Buffers())
    for module in (blocked, compiled):
        with pytest.raises(ValueError, match="a true pose is not finite"):
            module.residuals(np.zeros((40, 17, 3)), np.full((40, 17, 3), 1e308), ALIGNMENTS, Buffers())
    with pytest.raises(ValueError, match="not finite when squared"):
        compiled.residuals(poses(40)[0], np.full((40, 17, 3), 1e200) * np.arange(17)[:, None], ALIGNMENTS, Buffers())


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(0, 40),
    joints=st.integers(1, 20),
    noise=st.floats(0.0, 2000.0),
    seed=st.integers(0, 2**32 - 1),
    mirrored=st.booleans(),
)
def test_any_shape_and_noise_agrees(count, joints, noise, seed, mirrored):
    pred, truth = poses(count, joints, seed, noise)
    (errors, flipped), (other, flipped_too) = both(pred * MIRROR if mirrored else pred, truth)
    # Where two singular values nearly cancel, the rotation itself is barely determined.
    for alignment in ALIGNMENTS:
        tolerance = 1e-6 if alignment in ("rigid", "similarity") and joints > 3 else 1e-9
        if joints > 3 or alignment not in ("rigid", "similarity", "similarity+reflection"):
            np.testing.assert_allclose(other[alignment], errors[alignment], rtol=0, atol=tolerance, err_msg=alignment)
    if joints > 3:
        np.testing.assert_array_equal(flipped, flipped_too)


@pytest.mark.parametrize(
    ("wanted", "name"), [("numpy", "numpy"), ("c plain", "c plain"), ("c", f"c {INSTRUCTIONS[0]}"), ("", f"c {INSTRUCTIONS[0]}")]
)
def test_the_environment_variable_chooses_the_kernel_and_results_name_it(wanted, name):
    code = "from posebench.scoring.result_parts import Environment; print(Environment.current().kernel)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"POSEBENCH_KERNEL": wanted}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == name


@pytest.mark.parametrize("wanted", ["fortran", "c mmx", "numpy avx2"])
def test_an_unknown_kernel_is_refused(wanted):
    with pytest.raises(PosebenchError, match="POSEBENCH_KERNEL"):
        kernel._chosen(wanted)
