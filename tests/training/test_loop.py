"""The loop: what it may not forget, what it refuses, and that it tells."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from posebench.base.errors import PosebenchError
from posebench.training.gather import gather
from posebench.training.loop import CHECKPOINT, LOG, Hooks, Interrupted, fit

from .methods import Adversarial, AdversarialSettings

GAME = {"epochs": 3, "batch": 64, "learning_rate": 1e-2, "decay": "cosine", "ema": 0.9}


def material(dataset):
    return gather(dataset, dataset.clip_ids("train"), "gt", with_poses=False)


def trained(dataset, folder, *, resume=False, **options):
    torch.manual_seed(7)
    torch.set_num_threads(1)
    method = Adversarial(AdversarialSettings(**GAME))
    fit(method, material(dataset), method.settings, folder, resume=resume, **options)
    return method.lifter.state_dict()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_after(steps):
    """A ``tell`` that presses Ctrl-C when so many steps are done."""

    def tell(done, _total):
        if done == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return tell


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset, tmp_path):
    one, again = (trained(dataset, tmp_path / name) for name in ("a", "b") if (tmp_path / name).mkdir() is None)
    assert same(one, again)
    torch.manual_seed(8)
    method = Adversarial(AdversarialSettings(**GAME))
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
    assert len(logs[0]) == GAME["epochs"]


def test_ctrl_c_works_as_before_once_the_training_is_over(dataset, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    trained(dataset, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_nan_stops_with_step_term_and_last_good_checkpoint(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**GAME, break_at=20))
    with pytest.raises(PosebenchError, match=r"'fooled' of lifter is nan in step 19 \(epoch 1\).*checkpoint.safetensors") as caught:
        fit(method, material(dataset), method.settings, tmp_path, save_every_s=0.0)
    assert caught.value.exit_code == 1
    assert (tmp_path / CHECKPOINT).is_file()


def test_a_nan_before_any_checkpoint_says_that_there_is_none(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**GAME, break_at=1))
    with pytest.raises(PosebenchError, match="no checkpoint had been written yet"):
        fit(method, material(dataset), method.settings, tmp_path)


def test_a_checkpoint_of_another_network_is_refused(dataset, tmp_path):
    trained(dataset, tmp_path)
    method = Adversarial(AdversarialSettings(**GAME))
    method.critic = torch.nn.Linear(34, 1)
    with pytest.raises(PosebenchError, match="checkpoint of this recipe"):
        fit(method, material(dataset), method.settings, tmp_path, resume=True)


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_damaged_checkpoint_is_refused_with_a_paragraph(dataset, tmp_path, keep):
    trained(dataset, tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    method = Adversarial(AdversarialSettings(**GAME))
    with pytest.raises(PosebenchError, match="Wanted: a checkpoint of this recipe"):
        fit(method, material(dataset), method.settings, tmp_path, resume=True)


def test_the_running_mean_is_what_is_kept(dataset, tmp_path):
    settings = AdversarialSettings(**{**GAME, "ema": 0.0})
    torch.manual_seed(7)
    method = Adversarial(settings)
    fit(method, material(dataset), settings, tmp_path)
    (tmp_path / "mean").mkdir()
    kept = trained(dataset, tmp_path / "mean")
    assert not same(kept, method.lifter.state_dict())
    # The game itself is the same: the critic, which has no running mean, ends where it ended.
    torch.manual_seed(7)
    other = Adversarial(AdversarialSettings(**GAME))
    fit(other, material(dataset), other.settings, tmp_path / "mean")
    assert same(other.critic.state_dict(), method.critic.state_dict())


def test_the_log_has_a_line_an_epoch_with_every_term_and_what_was_seen(dataset, tmp_path):
    method = Adversarial(AdversarialSettings(**GAME))
    fit(method, material(dataset), method.settings, tmp_path, hooks=Hooks(lambda now: {"training": float(now.lifter.training)}))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]["losses"]) == {"critic/real", "critic/fake", "lifter/fooled", "lifter/small"}
    assert lines[0]["behaviour"] == {"training": 0.0}
    assert lines[-1]["rate"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.6])
def test_a_killed_process_resumes_to_byte_identical_predictions(copies, tmp_path, after_s):
    """SIGKILL at some moment after the first checkpoint, several times over; the files of the finished runs are compared."""
    command = [sys.executable, "-m", "posebench", "train", "martinez", "--dataset", "h36m", "--root", str(copies / "videopose3d")]
    command += ["--preset", "smoke", "--threads", "1", "--save-every", "0"]
    command += [word for change in ("width=64", "epochs=6", "samples=1024", "batch=64") for word in ("--set", change)]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, "-o", str(whole)], check=True, capture_output=True)
    process = subprocess.Popen([*command, "-o", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(killed / CHECKPOINT, process)
    time.sleep(after_s)
    process.kill()
    process.wait()
    subprocess.run([*command, "-o", str(killed), "--resume"], check=True, capture_output=True)
    for name in ("predictions.npz", "lifter.safetensors", "recipe.toml"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()


def wait_for(path: Path, process: subprocess.Popen) -> None:
    for _ in range(6000):
        if path.is_file() or process.poll() is not None:
            return
        time.sleep(0.01)
    pytest.fail("no checkpoint within a minute")
