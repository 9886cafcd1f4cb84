"""Help: a sentence, an example that is accepted, and the names to choose from; the nearest name where one is misspelt."""

from __future__ import annotations

import argparse
import shlex

import pytest

from posebench.cli import choices
from posebench.cli import main as cli
from posebench.data.registry import DATASETS


def subparsers(parser):
    """Every parser below one, by its words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield (name,), below
                yield from (((name, *words), one) for words, one in subparsers(below))


PARSERS = dict(subparsers(cli.parser()))
#: Those that do something themselves.
LEAVES = {words: one for words, one in PARSERS.items() if one._subparsers is None}


@pytest.fixture
def said(capsys):
    """A run of the command: exit code, and all that it prints."""

    def call(*words):
        try:
            code = cli.main(list(words))
        except SystemExit as stop:
            code = stop.code
        return code, "".join(capsys.readouterr())

    return call


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_help_has_a_sentence_and_examples_that_are_accepted(words):
    one = LEAVES[words]
    assert one.description[0].isupper()
    assert one.description[-1] in ".?"
    assert one.example
    for line in one.example.splitlines():
        # `source <(posebench ...)` is the way in which a shell loads completion.
        command = line.partition("  #")[0].removeprefix("source <(").rstrip(") ").partition(" > ")[0]
        assert command.startswith("posebench " + " ".join(words))
        parsed = cli.parser(words[:1]).parse_args(shlex.split(command)[1:])
        assert callable(parsed.run)
        named = [("dataset", DATASETS), ("protocol", choices.protocols()), ("from_format", choices.FORMATS), ("method", choices.methods())]
        assert all(getattr(parsed, name, None) in (None, "", *known) for name, known in named), line
        assert line in one.format_help()


def test_every_argument_has_a_help_text():
    assert {words[0] for words in PARSERS} == set(cli.COMMANDS)
    for words, one in PARSERS.items():
        for action in one._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), (words, action.dest)


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_quiet_and_verbose_are_options_of_every_command(words):
    options = LEAVES[words]._option_string_actions
    assert {"-q", "--quiet", "-v", "--verbose"} <= set(options)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["train"], [*choices.methods(), "no-kcs", "paper-tilt", *DATASETS, *choices.SIMULATED]),
        (["score"], [*choices.protocols(), *choices.FORMATS]),
        (["check"], choices.protocols()),
        (["protocol", "show"], choices.protocols()),
        (["predict"], [*choices.LIFTERS, *DATASETS, *choices.SIMULATED]),
        (["data", "export"], [*DATASETS, "h36m-fetch", "p-stmo"]),
    ],
)
def test_help_lists_what_there_is_to_choose_from(said, words, names):
    code, text = said(*words, "--help")
    assert code == 0
    assert [name for name in names if name not in " ".join(text.split())] == []


@pytest.mark.parametrize(
    ("command", "near"),
    [
        ("scor p.npz", "score"),
        ("data prepar cmu", "prepare"),
        ("--versoin", "--version"),
        ("score p.npz --protocl cmu", "--protocol"),
        ("score p.npz --protocl=cmu", "--protocol"),
        ("score p.npz --protocol cmu --jsno", "--json"),
        ("train martinez --dataset synthetic --preset smok", "smoke"),
        ("data info h36n", "h36m"),
        ("predict flat --dataset Synthetic -o p.npz", "synthetic"),
        ("predict meanpose --dataset synthetic -o p.npz", "mean-pose"),
        ("predict flat --dataset synthetic --keypoints gaus5 -o p.npz", "gauss5"),
        ("predict flat --dataset synthetic --split tset -o p.npz", "test"),
        ("protocol show h36m/s9s11_14j", "h36m/s9s11-14j"),
        ("check p.npz --protocol cnu --truth t.npz", "cmu"),
        ("data export synthetic --layout videpose3d -o d", "videopose3d"),
        ("convert p.json --from mmpose-json -o p.npz", "mmpose-demo-json"),
        ("completion bsh", "bash"),
    ],
)
def test_the_nearest_name_is_given(said, tmp_path, monkeypatch, command, near):
    monkeypatch.chdir(tmp_path)
    code, text = said(*command.split())
    assert code == 2
    assert f"did you mean {near}?" in text


def test_methods_recipes_and_settings_have_a_nearest_name(said, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="training needs PyTorch")
    monkeypatch.chdir(tmp_path)
    for options, near in (("martines", "martinez"), ("martinez --recipe papr", "paper"), ("martinez --set widht=2", "width")):
        code, text = said("train", *options.split(), "--dataset", "synthetic", "--preset", "smoke")
        assert code == 2
        assert f"did you mean {near}?" in text


@pytest.mark.parametrize("command", ["zzz", "predict runs/flat --dataset synthetic -o p.npz", "score p.npz --qqqqqq", "data info qqqqqq"])
def test_a_name_that_is_near_none_is_not_guessed(said, command):
    code, text = said(*command.split())
    assert code == 2
    assert "did you mean" not in text


def test_what_a_command_does_not_know_is_reported_with_its_own_usage(said):
    for words in (["protocol", "list", "--jason5"], ["protocol", "list", "extra"]):
        code, text = said(*words)
        assert code == 2
        assert text.startswith("usage: posebench protocol list ")
        assert words[-1] in text


def test_help_fits_the_terminal(monkeypatch):
    for width in (60, 80, 100, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        for words, one in LEAVES.items():
            text = one.format_help()
            examples = {f"  {line}" for line in one.example.splitlines()}  # never broken, so that they can be copied
            assert [line for line in text.splitlines() if len(line) > width and line not in examples] == [], words
