"""A small set of files with several subjects, actions, cameras and clips of different lengths."""

import numpy as np
import pytest

import posebench


@pytest.fixture(scope="session")
def files(walker, tmp_path_factory):
    """Paths of predictions and truth: 2 subjects x 2 actions x 2 trials, two cameras, 90 to 150 frames; poses keep their place."""
    folder = tmp_path_factory.mktemp("explained")
    random = np.random.default_rng(0)
    truth, pred = {}, {}
    for number in range(8):
        subject, action, trial = ("S9", "S11")[number % 2], ("Walk", "Sit")[number // 2 % 2], number // 4 + 1
        for camera in range(2):
            clip = f"{subject}/{action} {trial}/c{camera}"
            truth[clip] = walker(90 + 7 * number, seed=number, camera=camera)
            noise = random.normal(size=truth[clip].shape) * [25.0, 25.0, 60.0] + random.normal(size=(1, 17, 3)) * 20.0
            pred[clip] = (truth[clip] + noise) * (0.9 + 0.02 * number)
            if number == 3:  # half of a take's poses are mirrored in depth
                root = pred[clip][:, :1]
                pred[clip][::2] = ((pred[clip] - root) * [1.0, 1.0, -1.0] + root)[::2]
    return tuple(
        posebench.save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method="noisy", keypoints="gt")
        for name, poses in (("pred", pred), ("truth", truth))
    )


@pytest.fixture(scope="session")
def poses(files):
    """(clip, predicted, true) root-relative poses in mm, float64, in file order."""
    with posebench.open_predictions(files[0]) as pred, posebench.open_predictions(files[1]) as truth:
        pairs = [(clip, *(np.float64(file.poses(clip)) for file in (pred, truth))) for clip in truth.shapes]
    return [(clip, p - p[:, :1], g - g[:, :1]) for clip, p, g in pairs]


@pytest.fixture(scope="session")
def explained(files):
    """Every default metric of the files, under every convention."""
    return posebench.explain(files[0], "pair-17j", truth=files[1], presets=["ites", "elepose", "wham", "aspset", "adaptpose"])
