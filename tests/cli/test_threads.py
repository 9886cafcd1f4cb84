"""``--threads`` reaches the work of every command that runs a network; one thread unless told otherwise."""

from __future__ import annotations

import pytest

import posebench
from posebench.cli.main import main

COMMANDS = {
    "predict": (["runs/none", "--dataset", "synthetic", "-o", "p.npz"], "posebench.lifters.choose.lifter_maker"),
    "train": (["martinez", "--dataset", "synthetic"], "train"),
    "export": (["runs/none", "-o", "m.onnx"], "posebench.lifters.onnx.export.export_run"),
    "speed": (["flat"], "speed"),
    "regenerate": ([], "posebench.board.regeneration.regenerate.regenerate"),
}


class Called(Exception):  # noqa: N818
    """Raised in place of the work."""


@pytest.mark.parametrize(("options", "wanted"), [([], 1), (["--threads", "3"], 3), (["--threads", "0"], 0)])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_stated_threads_and_one_by_default(monkeypatch, command, options, wanted):
    for package in ("torch", "onnx", "onnxruntime", "onnxscript", "joblib"):
        pytest.importorskip(package, reason=f"{command} needs {package}")
    words, target = COMMANDS[command]

    def work(*_, threads=None, context=None, **__):
        raise Called(context.threads if context is not None else threads)

    if "." in target:
        monkeypatch.setattr(target, work)
    else:  # a public name, which posebench looks up at its first use
        monkeypatch.setitem(vars(posebench), target, work)
    with pytest.raises(Called) as called:
        main(["-q", command, *words, *options])
    assert called.value.args == (wanted,)
