"""TOML and JSON from outside: numbers and nesting that would fail later are refused where the text is read."""

from __future__ import annotations

import doctest
import json
import math
import os
import time

import pytest

from posebench.base.errors import PosebenchError
from posebench.base.readers import text
from posebench.base.readers.text import parse_json, parse_toml, read_json, read_text

DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (f"a = {DIGITS}", "4300 digits"),
        (f"a = 0x{DIGITS}", "beyond 64 bits"),
        (f"a = [[[0b{'1' * 65}]]]", "beyond 64 bits"),
        ("a = 1e400", "beyond float64"),
        (f"a = -{DIGITS}.0", "beyond float64"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested deeper than 32"),
        ("a = " + "[" * 40 + "]" * 40, "nested deeper than 32"),
        ("a = " + "{a=" * 5000 + "1" + "}" * 5000, "nested deeper than 32"),
        ("a" + ".a" * 200_000 + " = 1", "a name of more than 32 parts"),
        ("[a" + " . 'a'" * 200_000 + "]", "a name of more than 32 parts"),
        ("a" * 1_000_000, "after a key"),
    ],
)
def test_toml_that_would_fail_or_hang_later_is_refused(content, found):
    started = time.process_time()
    with pytest.raises(ValueError, match=found):
        parse_toml(content)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (DIGITS, "a whole number of 5,000 digits"),
        ("[18446744073709551616]", "beyond 64 bits"),
        ('{"a": -1e400}', "beyond float64"),
        ("[" * 100_000, "nested deeper than 32"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested deeper than 32"),
        (b"\xff\xff", "codec"),
    ],
)
def test_json_that_would_fail_later_is_refused(content, found):
    with pytest.raises(ValueError, match=found):
        parse_json(content)


def test_honest_content_comes_back():
    value = {"a": [1, -(2**63), 2**64 - 1, 1.5, True, None, "\U0001f600"], "b": {"c": [[1e300]]}}
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode("utf-16")) == value
    assert math.isinf(parse_json("[Infinity]")[0])
    assert parse_toml('a = inf\nnote = "one. two. three"\r\n[b.c]\nd = 1979-05-27') == parse_toml(
        'a = inf\nnote = "one. two. three"\n[b.c]\nd = 1979-05-27'
    )


def test_only_plain_files_of_bounded_size_are_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}')
    assert read_json(path, 8) == {"a": 1}
    with pytest.raises(ValueError, match="more than 7 bytes"):
        read_text(path, 7)
    with pytest.raises(OSError, match="Is a directory"):
        read_text(tmp_path, 100)
    (tmp_path / "endless").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no plain file"):
        read_text(tmp_path / "endless", 100)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no plain file"):
        read_text(tmp_path / "pipe", 100)


@pytest.mark.parametrize("value", [f"0x{DIGITS}", "[" * 900 + "]" * 900, DIGITS, "1e400"])
def test_every_reader_of_toml_reports_such_a_value_in_one_paragraph(tmp_path, value):
    """A protocol and a grid; before, the first gave a traceback while it wrote its message."""
    from posebench.board.regeneration.grid import read_grid
    from posebench.scoring.protocol import load_protocol

    path = tmp_path / "x.toml"
    path.write_text(f"version = {value}\n")
    for read in (lambda: load_protocol(str(path)), lambda: read_grid(path)):
        with pytest.raises(PosebenchError) as caught:
            read()
        assert len(str(caught.value)) < 800


def test_the_examples_in_the_docstrings_run():
    assert doctest.testmod(text).failed == 0
    assert doctest.testmod(text).attempted > 0


@pytest.mark.parametrize("state", ["3", "null", "[1]", DIGITS, "[" * 100_000, '{"groups": 1e400}'])
def test_a_checkpoint_whose_json_is_no_table_is_refused(tmp_path, state):
    """Before, a number in its place gave ``AttributeError: 'int' object has no attribute 'pop'``."""
    torch = pytest.importorskip("torch", reason="checkpoints need the extra [baselines]")
    save_file = pytest.importorskip("safetensors.torch", reason="checkpoints need the extra [baselines]").save_file
    from posebench.training import checkpoint

    path = tmp_path / "checkpoint.safetensors"
    save_file({"order": torch.zeros(1)}, path, metadata={"state": state})
    with pytest.raises(PosebenchError, match="a checkpoint of this recipe"):
        checkpoint.load(path, torch.nn.Identity(), None, {}, "cpu")
