"""The commands on a page: each is one that posebench takes, and the last finds what the others have written."""

from __future__ import annotations

import html
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import posebench
from posebench.cli import main as cli
from posebench.predictions.provenance import Provenance

MADE = Provenance(
    recipe="paper", preset="quick", seed=3, trained_on="synthetic 1: S1 S5", trained_keypoints="gt", context=1, flip_averaging=False
)


def commands(result, *more):
    text = posebench.report([result, *more], names=[str(k) for k in range(1 + len(more))]).html
    block = re.search(r"<pre[^>]*><code>(.*?)</code></pre>", text, flags=re.DOTALL)[1]
    return [shlex.split(html.unescape(line)) for line in block.splitlines()]


def trained(result, **changes):
    made = replace(MADE, **changes).as_dict()
    return replace(result, predictions=replace(result.predictions, method="martinez", provenance=made))


@pytest.fixture
def parses(monkeypatch):
    """Whether the command line takes a command, without running it."""
    taken = []

    def run(words):
        for name in ("train", "predict", "score", "report"):
            monkeypatch.setattr(f"posebench.cli.commands.{name}.run", lambda args: taken.append(args) or 0)
        return cli.main(words)

    for name in ("train", "predict", "score", "report"):
        __import__(f"posebench.cli.commands.{name}")
    return run


@pytest.mark.parametrize("on", ["synthetic", "cmu"])
def test_a_trained_result_is_made_again_from_the_training_on(made, parses, on):
    result = trained(posebench.load_result(made.one), trained_on=f"{on} 1: some subjects")
    lines = commands(result, trained(result, seed=4))
    assert [words[:2] for words in lines][:: len(lines) - 1] == [["posebench", "train"], ["posebench", "report"]]
    written = {words[words.index("-o") + 1] for words in lines}
    for words in lines:
        assert parses(words[1:]) == 0
    scored = [words[words.index("score") + 1] for words in lines if "score" in words]
    results = [word for word in lines[-1] if word.endswith(".json")]
    assert set(results) <= written
    assert [Path(path).parent for path in results] == [Path(path).parent for path in scored], "predictions lie beside their result"
    assert lines[0][lines[0].index("--seed") :][:2] == ["--seed", "3"]


@pytest.mark.parametrize("changes", [{"recipe": "paper, width=64"}, {"preset": "mine"}])
def test_a_training_that_posebench_cannot_repeat_starts_with_the_file(made, changes):
    lines = commands(trained(posebench.load_result(made.one), **changes))
    assert [words[1] for words in lines] == ["score", "report"]
    assert lines[0][2] == "predictions.npz"
