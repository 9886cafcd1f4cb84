"""The training loop: resuming to the same bytes, losses that are not finite, the moving average, the log."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from posebench.base.errors import PosebenchError
from posebench.training.gather import gather
from posebench.training.loop import CHECKPOINT, LOG, Hooks, Interrupted, fit, update_ema
from posebench.training.run import train

from .methods import Adversarial, AdversarialSettings

SETTINGS = {"epochs": 3, "batch": 64, "learning_rate": 1e-2, "decay": "cosine", "ema": 0.9}


def material(dataset):
    return gather(dataset, dataset.clip_ids("train"), "gt", with_poses=False)


def trained(dataset, folder, *, resume=False, **options):
    torch.manual_seed(7)
    torch.set_num_threads(1)
    method = Adversarial(AdversarialSettings(**SETTINGS))
    fit(method, material(dataset), method.settings, folder, resume=resume, **options)
    return method.lifter.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_after(steps):
    """A progress hook that presses Ctrl-C after so many steps."""

    def progress(done, _total):
        if done == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset, tmp_path):
    one, again = (trained(dataset, tmp_path / name) for name in ("a", "b") if (tmp_path / name).mkdir() is None)
    assert same(one, again)
    torch.manual_seed(8)
    method = Adversarial(AdversarialSettings(**SETTINGS))
    fit(method, material(dataset), method.settings, tmp_path / "a")
    assert not same(one, method.lifter.state_dict())


@pytest.mark.parametrize("step", [1, 7, 15, 16, 44])
def test_ctrl_c_saves_and_the_resumed_training_ends_with_the_same_bytes(dataset, tmp_path, step):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = trained(dataset, tmp_path / "whole")
    with pytest.raises(Interrupted, match=f"step {step}"):
        trained(dataset, tmp_path / "broken", hooks=Hooks(progress=stop_after(step)))
    resumed = trained(dataset, tmp_path / "broken", resume=True)
    assert same(whole, resumed)
    logs = [[line["losses"] for line in map(json.loads, (tmp_path / name / LOG).read_text().splitlines())] for name in ("whole", "broken")]
    assert logs[0] == logs[1]
    assert len(logs[0]) == SETTINGS["epochs"]


def test_the_handler_of_ctrl_c_is_restored_after_the_training(dataset, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    trained(dataset, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_nan_stops_with_step_term_and_last_good_checkpoint(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**SETTINGS, break_at=20))
    with pytest.raises(PosebenchError, match=r"'generator' of lifter is nan in step 19 \(epoch 1\).*checkpoint.safetensors") as caught:
        fit(method, material(dataset), method.settings, tmp_path, save_every_s=0.0)
    assert caught.value.exit_code == 1
    assert (tmp_path / CHECKPOINT).is_file()


def test_the_error_of_a_nan_says_if_there_is_no_checkpoint(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**SETTINGS, break_at=1))
    with pytest.raises(PosebenchError, match="no checkpoint had been written yet"):
        fit(method, material(dataset), method.settings, tmp_path)


def test_a_checkpoint_of_another_network_is_refused(dataset, tmp_path):
    trained(dataset, tmp_path)
    method = Adversarial(AdversarialSettings(**SETTINGS))
    method.critic = torch.nn.Linear(34, 1)
    with pytest.raises(PosebenchError, match="checkpoint of this recipe"):
        fit(method, material(dataset), method.settings, tmp_path, resume=True)


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_damaged_checkpoint_is_refused(dataset, tmp_path, keep):
    trained(dataset, tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    method = Adversarial(AdversarialSettings(**SETTINGS))
    with pytest.raises(PosebenchError, match="Wanted: a checkpoint of this recipe"):
        fit(method, material(dataset), method.settings, tmp_path, resume=True)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_moving_average_is_that_of_the_formula(steps):
    """decay = min(0.9, (1 + t) / (10 + t)) in step t; average = decay average + (1 - decay) weights."""
    lifter, average = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    expected = average.weight.detach().double().clone()
    for step in range(steps):
        torch.nn.init.constant_(lifter.weight, float(step))
        update_ema(average, lifter, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1.0 - decay) * step
    torch.testing.assert_close(average.weight.double(), expected, rtol=1e-5, atol=1e-6)
    assert not average.weight.requires_grad or average.weight.grad is None


def test_late_steps_move_the_average_by_one_minus_the_decay():
    lifter, average = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    torch.nn.init.constant_(lifter.weight, 10.0)
    torch.nn.init.constant_(average.weight, 0.0)
    update_ema(average, lifter, 0.9, step=10_000)
    assert average.weight.item() == pytest.approx(1.0)


def test_the_moving_average_is_what_is_kept(dataset, tmp_path):
    settings = AdversarialSettings(**{**SETTINGS, "ema": 0.0})
    torch.manual_seed(7)
    method = Adversarial(settings)
    fit(method, material(dataset), settings, tmp_path)
    (tmp_path / "mean").mkdir()
    kept = trained(dataset, tmp_path / "mean")
    assert not same(kept, method.lifter.state_dict())
    # The training itself is the same: the discriminator, which has no moving average, has the same weights.
    torch.manual_seed(7)
    other = Adversarial(AdversarialSettings(**SETTINGS))
    fit(other, material(dataset), other.settings, tmp_path / "mean")
    assert same(other.critic.state_dict(), method.critic.state_dict())


def test_the_log_has_a_line_an_epoch_with_every_loss_term_and_diagnostic(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**SETTINGS))
    fit(method, material(dataset), method.settings, tmp_path, hooks=Hooks(lambda now: {"training": float(now.lifter.training)}))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]["losses"]) == {"critic/real", "critic/fake", "lifter/generator", "lifter/small"}
    assert lines[0]["behaviour"] == {"training": 0.0}
    assert lines[-1]["rate"] == pytest.approx(0.0, abs=1e-12)


CHANGES = ("width=16", "epochs=6", "samples=1024", "batch=64")


def train_martinez(copies, output, **options):
    options = {"root": copies / "videopose3d", "preset": "smoke", "changes": CHANGES, "threads": 1, "save_every_s": 0.0, **options}
    return train("martinez", "h36m", output=output, **options)


@pytest.fixture(scope="module")
def uninterrupted(copies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "uninterrupted"
    train_martinez(copies, folder)
    return folder


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.6])
def test_a_killed_process_resumes_to_byte_identical_predictions(copies, uninterrupted, tmp_path, after_s):
    """SIGKILL at some moment after the first checkpoint; the files of the finished runs are compared."""
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "posebench", "train", "martinez", "--dataset", "h36m", "--root", str(copies / "videopose3d")]
    command += ["--preset", "smoke", "--threads", "1", "--save-every", "0", "-o", str(killed)]
    command += [word for change in CHANGES for word in ("--set", change)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(killed / CHECKPOINT, process)
    time.sleep(after_s)
    process.kill()
    process.wait()
    train_martinez(copies, killed, resume=True)
    for name in ("predictions.npz", "lifter.safetensors", "recipe.toml"):
        assert (uninterrupted / name).read_bytes() == (killed / name).read_bytes()


def test_a_resumed_run_tells_the_threads_of_every_part(copies, tmp_path):
    with pytest.raises(Interrupted):
        train_martinez(copies, tmp_path / "run", threads=2, progress=stop_after(40))
    with pytest.raises(Interrupted):
        train_martinez(copies, tmp_path / "run", threads=2, progress=stop_after(50), resume=True)
    result = train_martinez(copies, tmp_path / "run", threads=1, resume=True)
    assert result.training["steps"] == 96
    assert result.training["threads"] == "2 (50 steps), then 1 (46 steps)"


def test_a_checkpoint_of_an_earlier_version_has_a_part_of_unknown_threads(copies, tmp_path):
    with pytest.raises(Interrupted):
        train_martinez(copies, tmp_path / "run", progress=stop_after(40))
    path = tmp_path / "run" / CHECKPOINT
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["state"])
    del state["threads"]
    save_file(load_file(path), path, metadata={"state": json.dumps(state)})
    assert train_martinez(copies, tmp_path / "run", resume=True).training["threads"] == "unknown (40 steps), then 1 (56 steps)"


def wait_for(path: Path, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if path.is_file() or process.poll() is not None:
            return
        time.sleep(0.01)
    pytest.fail("no checkpoint within a minute")
