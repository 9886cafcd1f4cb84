"""Training on every layout of Human3.6M and 3DHP, through the command line."""

import pytest

import posebench
from posebench.cli.main import main
from posebench.data.registry import DATASETS, export_layouts

TINY = ["--set", "width=16", "--set", "epochs=1", "--set", "samples=256", "--threads", "1"]


@pytest.mark.parametrize("layout", export_layouts())
def test_a_baseline_trains_on_every_layout_of_licensed_data(copies, layout, tmp_path, capsys):
    dataset = next(name for name, spec in DATASETS.items() if layout in spec.layouts)
    run = tmp_path / "run"
    assert (
        main(["train", "martinez", "--dataset", dataset, "--root", str(copies / layout), "--preset", "smoke", *TINY, "-o", str(run)]) == 0
    )
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert result.data.name == dataset
    assert result.predictions.provenance["recipe"] == "tuned, width=16, epochs=1, samples=256"
    assert "MPJPE" in capsys.readouterr().out


@pytest.mark.parametrize("layout", ["videopose3d", "3dhp"])
@pytest.mark.parametrize("method", ["chen2019", "pose_machine", "repnet"])
def test_every_baseline_trains_on_licensed_data(copies, layout, method, tmp_path):
    dataset = {"videopose3d": "h36m"}.get(layout, layout)
    small = {
        "chen2019": ["width=16", "critic_width=16"],
        "pose_machine": ["width=16", "embedding_width=8", "copy_width=8", "projector_width=8"],
        "repnet": ["width=16", "critic_width=16", "critic_pose_width=16"],
    }
    size = [word for change in ("epochs=3", "samples=256", *small[method]) for word in ("--set", change)] + ["--threads", "1"]
    run = tmp_path / "run"
    assert main(["train", method, "--dataset", dataset, "--root", str(copies / layout), "--preset", "smoke", *size, "-o", str(run)]) == 0
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert result.data.name == dataset
    assert len((run / "log.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("method", "tiny"),
    [("ites_teacher", ["width=16", "epochs=1", "samples=256"]), ("ites", ["width=8", "blocks=1", "epochs=1", "samples=256"])],
)
def test_teacher_and_student_train_on_a_layout_of_licensed_data(copies, method, tiny, tmp_path, capsys):
    run = tmp_path / "run"
    given = ["--dataset", "h36m", "--root", str(copies / "videopose3d"), "--preset", "smoke", "--threads", "1", "-o", str(run)]
    assert main(["train", method, *given, *(word for change in tiny for word in ("--set", change))]) == 0
    result = posebench.load_result(run / "result.json")
    assert not result.coverage.partial
    assert result.predictions.supervision == "none"
    assert (run / "teacher" / "lifter.json").is_file() == (method == "ites")
    assert "flip-rate" in capsys.readouterr().out
