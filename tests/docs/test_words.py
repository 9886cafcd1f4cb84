"""Pages, code and messages use the terms of docs/glossary.md, and not the private words of an earlier draft."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Private word or phrase -> what to write instead. Matched in any case, as whole words, across line ends.
INSTEAD = {
    "a game": "adversarial training",
    "the game": "adversarial training",
    "players?": "network, optimiser",
    "fooled": "generator loss",
    "told apart|tells? apart": "discriminator, distinguish",
    "told (?:beside|from|by)": "side information; predicted from",
    "beside its supervision": "side information",
    "(?:goes|gone|go|going) on (?:with|from)": "resume, continue",
    "a heap|the heap": "unordered pool",
    "twins?": "depth-flipped copy",
    "hears? (?:of|from)": "receives",
    "strangers?'?": "other people's, untrusted",
    "nobody|somebody": "name who",
    "as far as": "if, where, up to",
    "the house": "the package",
    "rooms? of": "folder, buffer",
    "frames alike": "frame-weighted",
    "must stand": "required",
    "(?:speaks?) of": "is about",
    "stands? (?:on|in) the board": "is on the leaderboard",
}
WORDS = tuple(INSTEAD.values())
PRIVATE = re.compile(r"\b(?:" + "|".join(f"({phrase})" for phrase in INSTEAD).replace(" ", r"\s+") + r")\b", re.IGNORECASE)

PAGES = ("*.md", "docs/**/*.md", "docs/*.ipynb", "protocols/**/*.md", "protocols/**/*.toml", ".github/**/*.md")
CODE = (
    "posebench/**/*.py",
    "baselines/**/*.py",
    "baselines/**/*.toml",
    "baselines/**/*.md",
    "leaderboard/*.toml",
    "leaderboard/README.md",
    "leaderboard/reconciliation.md",
)


def found(text):
    """A line for each private word: where it is, and what to write instead."""
    return [f"line {text.count(chr(10), 0, at.start()) + 1}: {at[0]!r} -> {WORDS[at.lastindex - 1]}" for at in PRIVATE.finditer(text)]


@pytest.mark.parametrize("pattern", [*PAGES, *CODE])
def test_no_private_words(pattern):
    files = sorted(ROOT.glob(pattern))
    assert files, f"no file is named {pattern}"
    words = {file.relative_to(ROOT).as_posix(): found(file.read_text(encoding="utf-8")) for file in files}
    assert {file: lines for file, lines in words.items() if lines} == {}


def test_a_private_word_is_found_where_there_is_one():
    assert found("It goes on\nwith the heap.") == ["line 1: 'goes on\\nwith' -> resume, continue", "line 2: 'the heap' -> unordered pool"]
    assert found("A resumed training with twin_steps = 3.") == []
