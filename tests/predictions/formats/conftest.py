"""A small truth, predictions of it, and the command line: what every test of a foreign format starts from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posebench.cli import main as cli
from posebench.predictions.archive import save_predictions


@pytest.fixture(scope="session")
def truth(walker):
    """True poses (T, 17, 3) mm by clip id: two takes, two cameras each."""
    return {
        f"S9/{take}/{camera}": walker(24 + n, n, c)
        for n, take in enumerate(("Greeting 1", "Photo"))
        for c, camera in enumerate((54138969, 55011271))
    }


@pytest.fixture(scope="session")
def poses(truth):
    """Predictions of the truth, root-relative, mm."""
    random = np.random.default_rng(3)
    noisy = {clip: pose + random.normal(scale=20.0, size=pose.shape) for clip, pose in truth.items()}
    return {clip: pose - pose[:, :1] for clip, pose in noisy.items()}


@pytest.fixture
def run(capsys):
    """A run of the command: exit code, stdout, stderr."""

    def call(*arguments):
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(run, tmp_path, truth):
    """What score says of a file that it does not take; the message has the form that every message has."""

    def call(path, *options, protocol="pair-17j", code=2):
        against = save_predictions(tmp_path / "truth-of-refused.npz", truth, unit="mm", skeleton="h36m17")
        found, out, err = run("score", path, "--protocol", protocol, "--truth", against, *options)
        assert (found, out) == (code, ""), err
        assert err.startswith("posebench: Found: ")
        for word in ("Wanted: ", "Next: "):
            assert word in err
        assert err.count("\n") == 1
        return err

    return call


@pytest.fixture
def scored(run, tmp_path):
    """The result of ``posebench score --json`` of a file against a truth, both given, with further options."""

    def call(path, truth, *options, skeleton="h36m17"):
        against = save_predictions(tmp_path / "truth-of-scored.npz", truth, unit="mm", skeleton=skeleton)
        code, out, err = run("score", path, "--protocol", "pair-17j", "--truth", against, "--json", *options)
        assert (code, err) == (0, ""), err
        return json.loads(out)

    return call


@pytest.fixture
def same_as_ours(scored, run, tmp_path):
    """Asserts that a foreign file scores as the same poses in our format do, directly and after ``posebench convert``."""

    def call(path, poses, truth, *options, rel=1e-12, unit="mm", skeleton="h36m17", convert=True, frames=None, empty=False):
        stated = {"scale": "unknown"} if unit is None else {"unit": unit}
        ours = save_predictions(tmp_path / "ours.npz", poses, skeleton=skeleton, frames=frames, **stated)
        # A clip or frame that neither file has shall not stand in the way.
        wanted = scored(ours, truth, "--allow-partial", skeleton=skeleton)
        found = scored(path, truth, "--allow-partial", *options, skeleton=skeleton)
        files = [found]
        if convert:
            code, out, err = run("convert", path, "-o", tmp_path / "converted.npz", *options)
            assert (code, err) == (0, "")
            assert "read as " in out
            files.append(scored(tmp_path / "converted.npz", truth, "--allow-partial", skeleton=skeleton))
        for result in files:
            assert result["coverage"] == wanted["coverage"]
            assert result["metrics"].keys() == wanted["metrics"].keys()
            for name, table in wanted["metrics"].items():
                if table["value"] is None:
                    assert result["metrics"][name] == table
                else:
                    assert result["metrics"][name]["by"] == pytest.approx(table["by"], rel=rel, abs=1e-9), name
        assert (wanted["metrics"]["MPJPE"]["value"] is None) == empty
        (finding,) = [finding for finding in found["findings"] if finding["name"] == "format"]
        assert found["predictions"]["file"] == path.name
        return finding

    return call
