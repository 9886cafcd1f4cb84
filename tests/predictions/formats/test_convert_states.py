import numpy as np

import posebench
from posebench.cli.main import main


def test_a_converted_file_states_method_and_keypoints_so_that_a_board_takes_it(tmp_path):
    body = np.random.default_rng(0).normal(0, 0.25, (4, 17, 3)).astype(np.float32)
    np.save(tmp_path / "walk.npy", body - body[:, :1])
    options = ["--clip", "S9/Walking 1/54138969", "--method", "mine", "--keypoints", "cpn", "--supervision", "paired 3D"]
    assert main(["convert", str(tmp_path / "walk.npy"), "-o", str(tmp_path / "p.npz"), *options]) == 0
    with posebench.open_predictions(tmp_path / "p.npz") as file:
        assert (file.meta.method, file.meta.keypoints, file.meta.supervision) == ("mine", "cpn", "paired 3D")
        np.testing.assert_array_equal(file.poses("S9/Walking 1/54138969"), body - body[:, :1])
