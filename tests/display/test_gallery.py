"""Pictures of predictions: the same frames for every file, whatever the files hold."""

import numpy as np
import pytest

import posebench
from posebench.base.errors import PosebenchError
from posebench.cli.main import main
from posebench.display.gallery import draw


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """True poses in mm, and the same in metres, at unknown scale, and with a clip missing."""
    dataset = posebench.open_dataset("synthetic")
    poses = {clip.id: clip.pose for clip in dataset.clips("test")}
    folder = tmp_path_factory.mktemp("gallery")
    save = posebench.save_predictions
    save(folder / "mm.npz", poses, unit="mm", skeleton="h36m17")
    save(folder / "m.npz", {id: pose / 1000 for id, pose in poses.items()}, unit="m", skeleton="h36m17")
    save(folder / "unknown.npz", {id: pose * 3 for id, pose in poses.items()}, scale="unknown", skeleton="h36m17")
    save(folder / "missing.npz", dict(list(poses.items())[:1]), unit="mm", skeleton="h36m17")
    return folder


def drawn(monkeypatch, files, names, **options):
    """What would be drawn: (truth, rows, titles)."""
    seen = {}

    def keep(path, truth, rows, titles, skeleton):  # noqa: ARG001
        seen.update(truth=truth, rows=rows, titles=titles)

    monkeypatch.setattr("posebench.display.gallery.draw_poses", keep)
    draw({name: files / f"{name}.npz" for name in names}, posebench.open_dataset("synthetic"), "unused.png", **options)
    return seen


def test_files_in_any_unit_and_scale_show_the_same_poses(monkeypatch, files):
    seen = drawn(monkeypatch, files, ["mm", "m", "unknown"], count=5)
    assert len(seen["truth"]) == 5
    for name, poses in seen["rows"].items():
        assert name.endswith("MPJPE 0 mm\n(these 5 poses)"), "the mean of the drawn poses, not of the split"
        np.testing.assert_allclose(poses, seen["truth"], atol=1e-3)
    assert [name.partition("\n")[2].partition(" ")[0] for name in seen["rows"]] == ["MPJPE", "MPJPE", "N-MPJPE"]


def test_poses_in_memory_are_drawn_like_a_file_of_them(monkeypatch, files):
    dataset = posebench.open_dataset("synthetic")
    of_files = drawn(monkeypatch, files, ["m", "unknown"])
    seen = {}
    monkeypatch.setattr("posebench.display.gallery.draw_poses", lambda _path, truth, rows, *_rest: seen.update(truth=truth, rows=rows))
    metres = {clip.id: clip.pose / 1000 for clip in dataset.clips("test")}
    draw({"m": metres}, dataset, "unused.png", unit="m")
    assert list(seen["rows"]) == list(of_files["rows"])[:1]
    np.testing.assert_allclose(seen["rows"]["m\nMPJPE 0 mm\n(these 4 poses)"], next(iter(of_files["rows"].values())), atol=1e-3)
    draw(metres, dataset, "unused.png", scale="unknown")
    assert list(seen["rows"]) == ["poses\nN-MPJPE 0 mm\n(these 4 poses)"]
    draw(files / "mm.npz", dataset, "unused.png")
    assert list(seen["rows"]) == ["mm\nMPJPE 0 mm\n(these 4 poses)"]


@pytest.mark.parametrize(
    ("predictions", "found"), [({}, "no predictions"), (7, "a int as predictions"), ({"S1/W/c0": np.zeros((1, 17, 3))}, "no unit")]
)
def test_what_cannot_be_drawn_is_refused(tmp_path, predictions, found):
    with pytest.raises(PosebenchError, match=found):
        draw(predictions, posebench.open_dataset("synthetic"), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_the_choice_follows_the_seed(monkeypatch, files):
    one, again, other = (np.array(drawn(monkeypatch, files, ["mm"], seed=seed)["truth"]) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_file_without_a_chosen_clip_is_refused(monkeypatch, files):
    with pytest.raises(PosebenchError, match="missing"):
        drawn(monkeypatch, files, ["missing"])


def test_the_command_writes_a_picture(files, tmp_path, capsys):
    out = tmp_path / "poses.png"
    assert main(["draw", str(files / "mm.npz"), "--dataset", "synthetic", "--count", "2", "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "2 poses of synthetic test" in capsys.readouterr().out
    assert main(["draw", str(files / "mm.npz"), "--dataset", "synthetic", "--count", "1", "--threads", "1", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 1 pose of synthetic test, seed 0, predicted in 1 file\n"
    assert main(["draw", str(files / "mm.npz"), "--dataset", "synthetic", "--threads", "-1", "-o", str(out)]) == 2
    assert "-1 threads" in capsys.readouterr().err
