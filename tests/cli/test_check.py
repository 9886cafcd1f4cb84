"""``posebench check``: what its exit code says."""

from __future__ import annotations

import pytest

from posebench.cli import main as cli
from posebench.predictions.archive import save_predictions


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_warnings_fail_a_strict_check_only(tmp_path, walker, capsys, strict, code):
    truth = {f"S1/Walk {take}/c0": walker(12, take) for take in (1, 2)}
    half = {clip: pose + 1.0 for clip, pose in list(truth.items())[:1]}
    for name, poses in (("truth", truth), ("half", half)):
        save_predictions(tmp_path / f"{name}.npz", poses, unit="mm", skeleton="h36m17")
    scope = ["--protocol", "pair-17j", "--truth", str(tmp_path / "truth.npz"), "--allow-partial"]
    assert cli.main(["check", str(tmp_path / "half.npz"), *scope, *strict]) == code
    shown = capsys.readouterr().out
    assert "warning" in shown
    assert "error" not in shown
