"""Networks that see several frames: every frame gets its window."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="ONNX files need the extra [baselines]")
pytest.importorskip("onnxruntime", reason="ONNX files need the extra [baselines]")

from posebench.lifters.onnx.model import open_onnx

from .networks import HEAD, WEIGHTS5, about_root, edge, points, windowed


@pytest.mark.parametrize("frames", [1, 2, 5, 9, 1000])
def test_each_frame_gets_the_window_about_it_with_the_ends_repeated(network, frames):
    px = points(frames)
    padded = edge(px, 5)
    want = np.stack([np.tensordot(WEIGHTS5, padded[t : t + 5], axes=1) for t in range(frames)])
    lifter = open_onnx(windowed(network))
    assert lifter.info.context == 5
    given = lifter.lift(px, None)
    np.testing.assert_allclose(given[..., :2], about_root(want), rtol=1e-5, atol=0.01)


def test_a_network_of_a_fixed_batch_size_is_fed_whole_batches(network):
    px = points(10)
    free = open_onnx(windowed(network)).lift(px, None)
    for size in (1, 4):
        fixed = open_onnx(windowed(network, shape=(size, 5, 17, 2), out=(size, 1, 17, 3), name=f"fixed{size}"))
        np.testing.assert_array_equal(fixed.lift(px, None), free)


@pytest.mark.parametrize("frames", [1, 4, 6, 7, 12, 18, 1201])
def test_a_sequence_network_gives_every_frame_of_its_window_once(network, frames):
    """Each frame plus a number that grows along the window shows which place in a window a frame was taken from."""
    window = 6
    place = np.broadcast_to(np.arange(window, dtype=np.float32)[:, None, None] * np.arange(17)[:, None], (window, 17, 1)).astype(np.float32)
    nodes = [("Pad", ["x", "pads", "zero"], ["p"]), ("Add", ["p", "w"], ["y"])]
    weights = {
        "w": np.concatenate([np.zeros((window, 17, 2), np.float32), place], -1),
        "pads": np.array([0] * 7 + [1]),
        "zero": np.array(0, dtype=np.float32),
    }
    toml = f'{HEAD}window = {window}\n[input]\nlayout = "b t j c"\n[output]\nlayout = "b t j c"\nframes = "window"\nunit = "mm"\n'
    px = points(frames)
    given = open_onnx(network(toml, nodes, ["N", window, 17, 2], ["N", window, 17, 3], weights)).lift(px, None)
    np.testing.assert_allclose(given[..., :2], about_root(px), atol=1e-3)
    # Windows stand one after the other; the last one is moved back to the clip's end.
    start = np.arange(frames) // window * window
    start = np.minimum(start, max(frames - window, 0))
    np.testing.assert_allclose(given[:, 1, 2], np.arange(frames) - start)


@pytest.mark.parametrize("frames", [1, 3, 40, 2100])
def test_a_convolution_that_slides_gives_what_its_windows_give(network, frames):
    """A convolution over time of width 5 on (B, 34, T), without padding, run over the clip at once."""
    kernel = np.zeros((51, 34, 5), dtype=np.float32)
    for j in range(17):
        for c in range(2):
            kernel[3 * j + c, 2 * j + c] = WEIGHTS5
    nodes = [("Conv", ["x", "k"], ["y"])]
    toml = f'{HEAD}window = 5\n[input]\nlayout = "b (j c) t"\n[output]\nlayout = "b (j c) t"\nframes = "slide"\nunit = "mm"\n'
    path = network(toml, nodes, ["N", 34, "T"], ["N", 51, "T2"], {"k": kernel}, name="slide")
    px = points(frames)
    np.testing.assert_allclose(open_onnx(path).lift(px, None), open_onnx(windowed(network)).lift(px, None), rtol=1e-4, atol=0.01)


def test_a_clip_without_frames_gives_no_poses(network):
    assert open_onnx(windowed(network)).lift(np.empty((0, 17, 2)), None).shape == (0, 17, 3)
