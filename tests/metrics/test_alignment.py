"""The blocked closed form against the plain reference, and the properties that an alignment must have."""

import ast
import doctest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from posebench.metrics import alignment as module
from posebench.metrics.alignment import ALIGNMENTS, aligned, procrustes, reference_transform, residuals
from posebench.metrics.kernel import blocked

N, J = 4000, 17
MIRROR = np.array([1.0, 1.0, -1.0])


def reference_errors(pred, truth, alignment="similarity"):
    """Errors (N, J) of the plain reference, in float64."""
    pred, truth = np.asarray(pred, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    moved = moved_by(reference_transform(pred, truth, alignment), pred)
    return np.linalg.norm(moved - truth, axis=-1)


def moved_by(transform, pred):
    scale, rotation, translation = transform
    return scale[:, None, None] * pred @ np.swapaxes(rotation, 1, 2) + translation[:, None]


def poses(seed=0, n=N, extent=300.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, J, 3)) * extent
    return truth - truth[:, :1], rng


def line(rng, n):
    """Poses with all joints on one line, at whole multiples of a whole direction: collinear without rounding."""
    return (rng.integers(-200, 200, size=(n, J, 1)) * rng.integers(1, 5, size=(n, 1, 3))).astype(np.float64)


def with_singular_values(rng, n, values):
    """Predictions and truths whose correlation has these singular values, with the sign of their product as its determinant's."""
    ones = np.ones((n, J, 1))
    patterns = np.linalg.qr(np.concatenate([ones, rng.normal(size=(n, J, 3))], axis=-1))[0][..., 1:]
    turns = np.linalg.qr(rng.normal(size=(2, n, 3, 3)))[0]
    turns *= np.sign(np.linalg.det(turns))[..., None, None]
    root = np.sqrt(np.abs(values))
    return patterns * (root * np.sign(values)) @ turns[0], patterns * root @ turns[1]


def hard_cases():
    truth, rng = poses()
    noise = rng.normal(size=truth.shape)
    pred = truth + 60.0 * noise
    flat = truth * [1.0, 1.0, 0.0]
    yield "noise of 60 mm", pred, truth, 1e-6
    yield "noise of 1 mm", truth + noise, truth, 1e-6
    yield "mirrored in depth", pred * MIRROR, truth, 1e-6
    yield "point-mirrored", -truth, truth, 1e-6
    yield "mirror image of the truth", truth * MIRROR, truth, 1e-6
    yield "pure noise", 300.0 * noise, truth, 1e-6
    yield "planar prediction", flat + 60.0 * noise * [1.0, 1.0, 0.0], truth, 1e-6
    yield "both planar", flat + 60.0 * noise * [1.0, 1.0, 0.0], flat, 1e-6
    yield "collinear prediction", line(rng, N), truth, 1e-6
    yield "both collinear", line(rng, N), line(rng, N), 1e-3
    yield "both collinear, off the line by float32", line(rng, N).astype(np.float32) * np.float32(1.1), line(rng, N) * 0.7, 1e-3
    yield "collapsed to zero", np.zeros_like(truth), truth, 1e-6
    yield "collapsed at five metres", np.broadcast_to(np.array([123.4, -567.8, 5012.3]), truth.shape), truth, 1e-6
    offset = np.array([310.7, -123.4, 5012.3])
    yield "five metres off centre, float32", (pred + offset).astype(np.float32), (truth + offset).astype(np.float32), 1e-6
    yield "metres read as millimetres", pred / 1e3, truth, 1e-6
    yield "a millionth of the size", pred * 1e-6, truth, 1e-6
    yield "a millionth of the size of both", pred * 1e-6, truth * 1e-6, 1e-12
    for epsilon in (1e-1, 1e-3, 5e-4, 1e-5):  # the closed form hands over to the decomposition at about 4e-4
        yield f"singular values 600, 200, -200 (1 + {epsilon})", *with_singular_values(rng, N, [6e5, 2e5 * (1 + epsilon), -2e5]), 1e-6
    yield "singular values 600, 200, 1e-9", *with_singular_values(rng, N, [6e5, 2e5, 1e-9]), 1e-6


HARD = {name: rest for name, *rest in hard_cases()}


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("case", HARD)
def test_the_kernel_agrees_with_the_reference_to_a_nanometre(case, alignment):
    pred, truth, tolerance = HARD[case]
    ours = residuals(pred, truth, [alignment]).errors[alignment].mean(axis=1)
    reference = reference_errors(pred, truth, alignment).mean(axis=1)
    assert np.isfinite(ours).all()
    worst = np.abs(ours - reference).max()
    print(f"\n{case}, {alignment}: {worst:.1e} mm")
    assert worst <= tolerance


def test_poses_of_the_closed_form_and_of_the_decomposition_share_a_block():
    """One block that holds a collapsed, a mirrored, a collinear and a usual pose gives each what it gets alone."""
    truth, rng = poses(n=8)
    pred = truth + 40.0 * rng.normal(size=truth.shape)
    pred[1] = 0.0
    pred[2] *= MIRROR
    pred[3] = line(rng, 1)[0]
    pred[4, 5, 1] = np.nan
    together = residuals(pred, truth)
    for i in range(8):
        alone = residuals(pred[i : i + 1], truth[i : i + 1])
        for alignment in ALIGNMENTS:
            np.testing.assert_allclose(together.errors[alignment][i], alone.errors[alignment][0], rtol=0, atol=1e-9)
        assert together.flipped[i] == alone.flipped[0]


@pytest.mark.parametrize("n", [0, 1, 2, blocked.BLOCK - 1, blocked.BLOCK, blocked.BLOCK + 1, 2 * blocked.BLOCK + 7])
def test_blocks_of_any_number_of_poses_join_without_a_seam(n):
    truth, rng = poses(n=n)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    got = residuals(pred, truth)
    for alignment in ("rigid", "similarity", "similarity+reflection"):
        assert got.errors[alignment].shape == (n, J)
        np.testing.assert_allclose(got.errors[alignment], reference_errors(pred, truth, alignment), rtol=0, atol=1e-9)
    np.testing.assert_allclose(got.errors["root"], np.linalg.norm(pred - truth, axis=-1), rtol=0, atol=1e-10)
    assert got.flipped.shape == (n,)


def test_residuals_are_the_same_whatever_the_block(monkeypatch):
    truth, rng = poses(n=200)
    pred = (truth + 60.0 * rng.normal(size=truth.shape)) * np.where(rng.random((200, 1, 1)) < 0.3, MIRROR, 1.0)
    whole = residuals(pred, truth)
    monkeypatch.setattr(blocked, "BLOCK", 7)
    small = residuals(pred, truth)
    for alignment in ALIGNMENTS:
        np.testing.assert_allclose(small.errors[alignment], whole.errors[alignment], rtol=0, atol=1e-9)
    assert (small.flipped == whole.flipped).all()


def test_earlier_results_survive_later_blocks():
    """Blocks share their memory: what was returned must not be part of it."""
    truth, rng = poses(n=3 * blocked.BLOCK)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    for alignment in ALIGNMENTS:
        first = aligned(pred[: blocked.BLOCK], truth[: blocked.BLOCK], alignment)
        np.testing.assert_allclose(aligned(pred, truth, alignment)[: blocked.BLOCK], first, rtol=0, atol=1e-9)


def side_by_side(pose):
    """The same poses, with the frames of a coordinate side by side in memory: these are not copied."""
    return np.ascontiguousarray(pose.T).T


@pytest.mark.parametrize("laid", [np.ascontiguousarray, side_by_side, lambda pose: np.repeat(pose, 2, axis=0)[::2]])
def test_inputs_are_not_changed_and_how_they_lie_in_memory_does_not_matter(laid):
    truth, rng = poses(n=9)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    pred[2], pred[3], pred[4] = np.nan, 7.0, -pred[4]
    before = pred.copy(), truth.copy()
    wanted = residuals(pred.astype(np.longdouble), truth.astype(np.longdouble))  # another type is always copied
    pred, truth = laid(pred), laid(truth)
    found = residuals(pred, truth)
    assert (found.flipped == wanted.flipped).all()
    for alignment in ALIGNMENTS:
        np.testing.assert_allclose(found.errors[alignment], wanted.errors[alignment], rtol=0, atol=1e-12)
        aligned(pred, truth, alignment)
    procrustes(pred, truth)
    np.testing.assert_array_equal(pred, before[0])
    np.testing.assert_array_equal(truth, before[1])


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_aligned_poses_lie_as_far_from_the_truth_as_residuals_say(alignment):
    truth, rng = poses(n=300)
    pred = (truth + 60.0 * rng.normal(size=truth.shape)) * np.where(rng.random((300, 1, 1)) < 0.3, MIRROR, 1.0) + [50.0, -20.0, 900.0]
    pred[7], pred[8, 3, 0], pred[9] = 0.0, np.inf, 55.5
    distance = np.linalg.norm(aligned(pred, truth, alignment) - truth, axis=-1)
    np.testing.assert_allclose(distance, residuals(pred, truth, [alignment]).errors[alignment], rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [True, False])
def test_the_transform_brings_the_prediction_where_aligned_puts_it(scale):
    truth, rng = poses(n=300)
    pred = (truth + 60.0 * rng.normal(size=truth.shape)) * MIRROR * 0.7 + [50.0, -20.0, 900.0]
    transform = procrustes(pred, truth, scale=scale)
    rotation = transform.rotation
    moved = moved_by(transform, pred)
    np.testing.assert_allclose(moved, aligned(pred, truth, "similarity" if scale else "rigid"), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 1, 2), np.broadcast_to(np.eye(3), (300, 3, 3)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf, 1e100, 1e200])
@pytest.mark.parametrize("alignment", ["rigid", "similarity", "similarity+reflection"])
def test_a_pose_that_is_not_finite_is_placed_at_the_truths_centroid(alignment, lost):
    truth, rng = poses(n=3)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    pred[1, 4, 2] = lost
    got = residuals(pred, truth, [alignment])
    centred = np.linalg.norm(truth[1] - truth[1].mean(axis=0), axis=-1)
    np.testing.assert_allclose(got.errors[alignment][1], centred, rtol=0, atol=1e-9)
    assert not got.flipped[1]


@pytest.mark.parametrize("lost", [np.nan, 0.0, 33.3])
def test_the_transform_of_a_pose_without_extent_is_finite_and_puts_it_at_the_centroid(lost):
    truth, _ = poses(n=3)
    pred = truth + 1.0
    pred[1] = lost
    s, rotation, translation = procrustes(pred, truth)
    assert s[1] == 0.0
    np.testing.assert_allclose(translation[1], truth[1].mean(axis=0), rtol=0, atol=1e-9)
    assert np.isfinite(rotation).all()
    assert np.isfinite(procrustes(pred, truth, scale=False).translation).all()


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e200])
def test_a_truth_that_is_not_finite_is_refused(lost):
    truth, _ = poses(n=3)
    pred = truth.copy()
    truth[1, 4, 2] = lost
    with pytest.raises(ValueError, match="not finite"):
        residuals(pred, truth)


@pytest.mark.parametrize(
    ("pred", "truth"), [((2, 17, 3), (2, 16, 3)), ((2, 17, 2), (2, 17, 2)), ((17, 3), (17, 3)), ((2, 0, 3), (2, 0, 3))]
)
def test_shapes_that_are_not_pairs_of_poses_are_refused(pred, truth):
    with pytest.raises(ValueError, match=r"\(N, J, 3\)"):
        residuals(np.zeros(pred), np.zeros(truth))


def test_an_unknown_alignment_is_refused_by_name():
    truth, _ = poses(n=1)
    with pytest.raises(ValueError, match="affine"):
        residuals(truth, truth, ["affine"])
    with pytest.raises(ValueError, match="affine"):
        aligned(truth, truth, "affine")


def test_only_poses_of_the_wrong_handedness_count_as_flipped():
    truth, rng = poses(n=500)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    wrong = rng.random(500) < 0.4
    pred[wrong] *= MIRROR
    assert (residuals(pred, truth, ()).flipped == wrong).all()


def test_planar_poses_count_as_not_flipped():
    truth, rng = poses(n=500)
    flat = (truth + 60.0 * rng.normal(size=truth.shape)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    u, s, vt = np.linalg.svd(flat - flat.mean(axis=1, keepdims=True), full_matrices=False)
    planar = (u * (s * [1.0, 1.0, 0.0])[:, None]) @ vt  # planar up to rounding, which has either sign
    assert not residuals(planar, truth, ()).flipped.any()
    assert not residuals(-planar, truth, ()).flipped.any()


def similarity(rng, n, reflect):
    rotation = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))[:, None, None]
    if reflect:
        rotation = rotation * MIRROR
    return rng.uniform(0.1, 10.0, size=(n, 1, 1)), rotation, rng.normal(size=(n, 1, 3)) * 1000.0


@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0.0, 500.0), reflect=st.booleans(), flip=st.booleans())
@settings(max_examples=60, deadline=None)
def test_procrustes_ignores_similarities_of_the_prediction(seed, noise, reflect, flip):
    truth, rng = poses(seed, n=20)
    pred = (truth + noise * rng.normal(size=truth.shape)) * (MIRROR if flip else 1.0)
    s, rotation, shift = similarity(rng, 20, reflect)
    moved = s * pred @ rotation + shift
    names = ["similarity+reflection"] if reflect else ["similarity", "similarity+reflection"]
    before, after = residuals(pred, truth, names), residuals(moved, truth, names)
    for name in names:
        np.testing.assert_allclose(after.errors[name].mean(axis=1), before.errors[name].mean(axis=1), rtol=0, atol=1e-6)
    if noise < 100.0:
        assert (after.flipped == (before.flipped ^ reflect)).all()


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(-1e3, 1e3))
@settings(max_examples=60, deadline=None)
def test_the_least_squares_scale_undoes_any_scale(seed, factor):
    assume(abs(factor) > 1e-3)
    truth, rng = poses(seed, n=20)
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    before, after = (residuals(pose, truth, ["scale"]).errors["scale"] for pose in (pred, factor * pred))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_alignment_follows_a_common_order_of_the_joints(seed):
    truth, rng = poses(seed, n=20)
    pred = (truth + 60.0 * rng.normal(size=truth.shape)) * np.where(rng.random((20, 1, 1)) < 0.5, MIRROR, 1.0)
    order = rng.permutation(J)
    before, after = residuals(pred, truth), residuals(pred[:, order], truth[:, order])
    for alignment in ALIGNMENTS:
        np.testing.assert_allclose(after.errors[alignment], before.errors[alignment][:, order], rtol=0, atol=1e-7)
    assert (after.flipped == before.flipped).all()


@given(seed=st.integers(0, 2**32 - 1), parts=st.lists(st.integers(0, 30), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_frames_can_be_scored_in_pieces(seed, parts):
    truth, rng = poses(seed, n=sum(parts))
    pred = truth + 60.0 * rng.normal(size=truth.shape)
    cuts = np.cumsum(parts)[:-1]
    whole = residuals(pred, truth)
    pieces = [residuals(p, g) for p, g in zip(np.split(pred, cuts), np.split(truth, cuts), strict=True)]
    for alignment in ALIGNMENTS:
        joined = np.concatenate([piece.errors[alignment] for piece in pieces])
        np.testing.assert_allclose(joined, whole.errors[alignment], rtol=0, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_no_small_turn_or_stretch_fits_better_than_the_least_squares_one(seed):
    """The objective is the sum of squares: the mean distance, which is reported, may well be smaller elsewhere."""
    truth, rng = poses(seed, n=20)
    pred = (truth + 100.0 * rng.normal(size=truth.shape)) * np.where(rng.random((20, 1, 1)) < 0.5, MIRROR, 1.0)
    fitted = aligned(pred, truth, "similarity")
    least = ((fitted - truth) ** 2).sum(axis=(1, 2))
    centre = fitted.mean(axis=1, keepdims=True)
    for _ in range(5):
        x, y, z = rng.normal(size=3) * 0.01
        turn = np.array([[1.0, -z, y], [z, 1.0, -x], [-y, x, 1.0]])
        turn = np.linalg.qr(turn)[0] * np.sign(np.diag(np.linalg.qr(turn)[1]))
        other = (fitted - centre) @ turn * (1.0 + rng.normal() * 0.01) + centre + rng.normal(size=3)
        assert (((other - truth) ** 2).sum(axis=(1, 2)) >= least - 1e-6).all()


def test_the_kernel_is_imported_by_the_two_modules_that_define_what_it_computes():
    library = Path(module.__file__).parents[1]
    importers = set()
    for path in library.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "kernel" not in text:  # parsing every file takes a second
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                if any(name.startswith("posebench.metrics.kernel") for name in names):
                    importers.add(path.relative_to(library).as_posix())
    assert {name for name in importers if not name.startswith("metrics/kernel/")} == {"metrics/alignment.py", "scoring/fused.py"}


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 0
