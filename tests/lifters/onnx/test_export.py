"""A run as an ONNX file: the same poses, and a TOML that describes it."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="runs need the extra [baselines]")
pytest.importorskip("onnxscript", reason="export needs the extra [baselines]")

import torch

from posebench.base.errors import PosebenchError
from posebench.cli import main as cli
from posebench.lifters.onnx import export
from posebench.lifters.onnx.card import read_card
from posebench.lifters.onnx.export import _network, export_run
from posebench.lifters.onnx.model import open_onnx
from posebench.lifters.run import open_run
from posebench.networks.recipe import baselines, load_baseline, read_method, resolve
from posebench.predictions.archive import open_predictions

#: Between PyTorch and ONNX Runtime, as a share of the largest coordinate: float32 sums in another order.
CLOSE = 1e-5


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "run", flip_averaging=True)


@pytest.fixture(scope="module")
def export_process(run, tmp_path_factory):
    """The export command in a process of its own in which every warning is an error, and the file it wrote."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    command = [sys.executable, "-W", "error", "-m", "posebench", "export", str(run), "-o", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False), path


@pytest.fixture(scope="module")
def exported(export_process):
    done, path = export_process
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def as_exported(exported, monkeypatch):
    """The exporter of PyTorch, which takes seconds, replaced with what it gave once."""
    monkeypatch.setattr(export, "_network", lambda *_: exported.read_bytes())


@pytest.fixture(scope="module")
def clip(synthetic):
    return synthetic.load(synthetic.clip_ids("test")[0])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def close(theirs, ours):
    np.testing.assert_allclose(theirs, ours, rtol=0.0, atol=CLOSE * np.abs(ours).max())


def test_the_command_prints_one_line_and_no_message_of_pytorchs_exporter(export_process, run):
    done, path = export_process
    assert done.returncode == 0
    announced, *progress = done.stderr.splitlines()
    assert re.fullmatch(r"exporting .* \.\.\.", announced)
    assert all(re.fullmatch(r"exporting .*: \d+ s", line) for line in progress), "a line every ten seconds on a busy machine"
    assert done.stdout.startswith(f"{path} and {path.with_suffix('.toml')}: as {run} to within ")
    assert done.stdout.count("\n") == 1
    assert 0.0 < float(done.stdout.split()[-5]) < CLOSE
    assert sorted(contents(path.parent)) == ["model.onnx", "model.toml"]


def test_the_file_gives_the_predictions_of_the_run(exported, run, copies, tmp_path):
    data = ["--dataset", "h36m", "--root", str(copies / "videopose3d")]
    for lifter, name in ((run, "run"), (exported, "onnx")):
        assert cli.main(["predict", str(lifter), *data, "--threads", "1", "-o", str(tmp_path / f"{name}.npz")]) == 0
    with open_predictions(tmp_path / "run.npz") as ours, open_predictions(tmp_path / "onnx.npz") as theirs:
        assert theirs.meta == replace(ours.meta, provenance=None)
        assert list(ours.shapes) == list(theirs.shapes)
        for clip in ours.shapes:
            assert np.abs(ours.poses(clip)).max() > 500.0
            close(theirs.poses(clip), ours.poses(clip))


@pytest.mark.parametrize("frames", [1, 3, 1030])
def test_the_file_takes_any_number_of_poses(exported, run, clip, frames):
    points = np.resize(clip.keypoints("gt"), (frames, 17, 2))
    ours, theirs = open_run(run).lift(points, clip.camera), open_onnx(exported, threads=1).lift(points, clip.camera)
    assert theirs.shape == (frames, 17, 3)
    close(theirs, ours)


@pytest.mark.parametrize(("given", "wanted"), [([], 1), (["--threads", "3"], 3)])
def test_the_export_takes_one_thread_or_as_many_as_are_stated(run, tmp_path, monkeypatch, given, wanted):
    class Stop(Exception):  # noqa: N818 - no error
        pass

    def watched(*_):
        raise Stop(torch.get_num_threads())

    monkeypatch.setattr(export, "_network", watched)
    with pytest.raises(Stop, match=f"^{wanted}$"):
        cli.main(["export", str(run), *given, "-o", str(tmp_path / "model.onnx")])


def test_the_toml_describes_the_run(exported):
    path = exported.with_suffix(".toml")
    card = read_card(path)
    assert (card.id, card.supervision, card.skeleton.id, card.window, card.flip_averaging) == ("martinez", "paired 3D", "h36m17", 1, True)
    assert (card.input.coordinates, str(card.input.layout), card.input.mean, card.input.std) == ("camera", "b j c", 0.0, 1.0)
    assert (card.output.scale, card.output.to_mm, card.output.kind, str(card.output.layout)) == ("metric", 1.0, "pose", "b j c")
    text = path.read_text()
    assert "focal length 1100, 1150 px and principal point 500, 510 px" in text
    assert "Trained on walker 1; keypoints gt; recipe tuned, preset smoke, seed 0." in text


@pytest.mark.usefixtures("as_exported")
@pytest.mark.parametrize(("scale", "unit"), [("metric", "mm"), ("unknown", "unknown")])
@pytest.mark.parametrize("flip", [True, False])
def test_flips_and_unit_are_as_the_run_declares(make_run, monkeypatch, tmp_path, scale, unit, flip):
    folder = make_run(tmp_path / "run", flip_averaging=flip)
    monkeypatch.setattr("posebench.baselines.martinez.Martinez.scale", scale)
    done = export_run(folder, tmp_path / "m.onnx")
    assert f'unit = "{unit}"' in done.card.read_text()
    lifter = open_onnx(done.network, threads=1)
    assert (lifter.info.scale, lifter.info.flip_averaging) == (scale, flip)


def test_a_clip_without_a_camera_is_refused_where_the_run_has_a_nominal_one(exported, run, clip):
    points = clip.keypoints("gt")[:3]
    assert np.isfinite(open_run(run).lift(points, "nominal")).all()
    with pytest.raises(PosebenchError, match="no camera"):
        open_onnx(exported, threads=1).lift(points, None)


def test_the_file_contains_no_path_of_this_machine(exported):
    content = exported.read_bytes()
    assert b".py" not in content
    assert str(Path(export.__file__).parents[2]).encode() not in content
    assert str(Path.home()).encode() not in content


@pytest.mark.usefixtures("as_exported")
def test_a_network_that_is_not_the_runs_is_not_kept(make_run, tmp_path):
    folder = make_run(tmp_path / "other", seed=1, flip_averaging=True)
    out = tmp_path / "out"
    with pytest.raises(PosebenchError, match="differs from the run") as error:
        export_run(folder, out / "m.onnx")
    assert error.value.exit_code == 1
    assert not out.exists()


@pytest.mark.usefixtures("as_exported")
@pytest.mark.parametrize("part", [1, 2])
def test_where_a_file_cannot_be_written_both_old_ones_stay(run, monkeypatch, tmp_path, part):
    (tmp_path / "m.onnx").write_bytes(b"old network")
    (tmp_path / "m.toml").write_bytes(b"old card")
    before, calls = contents(tmp_path), []

    def copyfile(source, target):
        calls.append(source)
        if len(calls) == part:
            Path(target).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        copied(source, target)

    copied = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(PosebenchError, match="No space left on device"):
        export_run(run, tmp_path / "m.onnx")
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("as_exported")
def test_a_network_never_has_the_toml_of_another(run, exported, monkeypatch, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"old network")
    (tmp_path / "m.toml").write_bytes(b"old card")
    moved = Path.replace

    def killed(self, target):
        if Path(target).suffix == ".toml":
            raise KeyboardInterrupt
        return moved(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        export_run(run, tmp_path / "m.onnx")
    assert contents(tmp_path) == {"m.onnx": exported.read_bytes()}


@pytest.mark.parametrize("name", ["model", "model.pt", "folder.onnx"])
def test_an_output_that_is_no_onnx_file_is_refused(run, tmp_path, name):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(PosebenchError, match=r"ends in \.onnx"):
        export_run(run, tmp_path / name)


def test_an_unfinished_run_is_refused(make_run, tmp_path):
    folder = make_run(tmp_path / "run", finished=False)
    with pytest.raises(PosebenchError, match=r"lifter\.json.*a finished run.*--resume"):
        export_run(folder, tmp_path / "m.onnx")


@pytest.mark.parametrize(("context", "words"), [(27, "27 frames"), (0, "all frames of its clip")])
def test_a_method_with_a_context_of_several_frames_is_refused(run, monkeypatch, tmp_path, context, words):
    monkeypatch.setattr("posebench.baselines.martinez.Martinez.context", context)
    with pytest.raises(PosebenchError, match=f"depends on {words}.*a lifter of single frames"):
        export_run(run, tmp_path / "m.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_without_a_package_the_command_says_how_to_get_it(run, monkeypatch, capsys, package, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    assert cli.main(["export", str(run), "-o", str(tmp_path / "m.onnx")]) == 2
    assert f"no package {package}" in (said := capsys.readouterr().err)
    assert "[baselines]" in said


@pytest.mark.parametrize("method", baselines())
def test_every_baseline_of_single_frames_or_that_slides_gives_the_same_in_onnx_runtime(method):
    import onnxruntime
    import torch

    content, where = read_method(method)
    kind = load_baseline(method).Settings
    names = {field.name for field in fields(kind)}
    smallest = [change for change in ("width=8", "blocks=1") if change.partition("=")[0] in names]
    settings = resolve(content, kind, where=where, preset="smoke", changes=smallest)
    torch.manual_seed(0)
    made = load_baseline(method).build(settings, "h36m17").eval()
    if made.context != 1 and not made.slides:
        pytest.skip(f"{method} has a context of several frames")
    session = onnxruntime.InferenceSession(_network(made, 17), providers=["CPUExecutionProvider"])
    lift = made.lifter if made.slides else made.lift
    for frames in (0, 5):
        keypoints = 0.1 * (torch.randn(1, made.context + frames, 17, 2) if made.slides else torch.randn(frames + 1, 17, 2))
        with torch.no_grad():
            exported = torch.from_numpy(session.run(None, {"keypoints": keypoints.numpy()})[0])
            torch.testing.assert_close(exported, lift(keypoints), atol=1e-2, rtol=1e-3)


def test_an_operation_that_onnx_lacks_is_named_in_the_error():
    import torch

    class Odd(torch.nn.Module):
        slides = False

        def lift(self, keypoints):
            return torch.hypot(keypoints, keypoints)

    with pytest.raises(PosebenchError, match=r"cannot write as ONNX: .*hypot"):
        _network(Odd(), 17)
