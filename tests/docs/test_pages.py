"""What the pages name exists: linked files and headings, commands with their options, Python names, paths of the repository."""

from __future__ import annotations

import argparse
import ast
import functools
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

import posebench
from posebench.cli.main import main

ROOT = Path(__file__).parents[2]
LIBRARY = Path(posebench.__file__).parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("leaderboard/*.md"), *ROOT.glob(".github/**/*.md")]
    + [page for folder in ("docs", "baselines", "protocols") for page in ROOT.glob(f"{folder}/**/*.md")]
)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", flags=re.MULTILINE | re.DOTALL)
#: Values to parse in place of words that stand for one.
PLACEHOLDERS = {"PRESET": "quick", "SEED": "0", "N": "1"}
INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", flags=re.MULTILINE)


@functools.cache
def text_of(page):
    return page.read_text(encoding="utf-8")


@functools.cache
def prose_of(page):
    """A page without its fenced blocks."""
    return FENCED.sub("", text_of(page))


# --- links -------------------------------------------------------------------------------------------------------------------------


@functools.cache
def anchors(page):
    """The fragments that GitHub gives to a page's headings: lower case, blanks to hyphens, other punctuation dropped."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose_of(page), flags=re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(f"{slug}-{number}" if number else slug)
    return found


@EVERY_PAGE
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^()\s]+(?:\([^()]*\))?[^()\s]*)\)", re.sub(r"`[^`\n]*`", "", prose_of(page))):
        if re.match(r"\w+:", target):
            continue
        name, _, fragment = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (fragment and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_the_index_lists_every_page():
    linked = {
        (ROOT / "docs" / target.partition("#")[0]).resolve()
        for target in re.findall(r"\]\(([^)]+)\)", text_of(ROOT / "docs" / "README.md"))
    }
    wanted = {
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "baselines").glob("*/README.md"),
        ROOT / "protocols" / "README.md",
        ROOT / "CONTRIBUTING.md",
    }
    assert {page.relative_to(ROOT).as_posix() for page in wanted - linked} == {"docs/README.md"}


# --- commands ----------------------------------------------------------------------------------------------------------------------


class Parsed(Exception):  # noqa: N818
    """Raised in place of running a command."""


@pytest.fixture
def parse_only(monkeypatch):
    """`main` parses its arguments, and raises :class:`Parsed` or SystemExit instead of running."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, *args, **options):
        parse(self, *args, **options)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)


def whole_commands(page):
    """Commands of shell blocks, as a user would type them; synopses with [brackets] or ... are left out."""
    blocks = [block for _, language, block in FENCED.findall(text_of(page)) if language in ("", "bash", "console")]
    blocks += INDENTED.findall(prose_of(page))
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        without_comment = re.sub(r"(^|\s)#\s.*", "", line)
        for command in re.findall(r"(?:^\s*|\$ |\$\(|&& |; |\.venv/bin/)posebench( [^|;&)>]*)", without_comment):
            words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command)]
            if not any(word.startswith("[") or "..." in word for word in words):
                yield words


@EVERY_PAGE
@pytest.mark.usefixtures("parse_only")
def test_every_command_of_a_code_block_is_accepted(page, capsys):
    refused = []
    for words in whole_commands(page):
        try:
            main(words)
        except Parsed:
            continue
        except SystemExit as error:
            if error.code:
                refused.append(f"posebench {shlex.join(words)}: {capsys.readouterr().err.splitlines()[-1]}")
    assert refused == []


@functools.cache
def help_of(*words):
    """(sub-commands, options) of a command, from its own help; None where there is no such command."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        try:
            main([*words, "--help"])
        except SystemExit as error:
            if error.code:
                return None
    text = out.getvalue()
    return set(re.findall(r"^ {4}(\w+)(?: |$)", text, flags=re.MULTILINE)), set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


@EVERY_PAGE
def test_every_command_in_a_sentence_exists_with_its_options(page):
    groups = ("board", "data", "protocol")
    wrong = []
    for command in re.findall(r"`posebench ([^`|]+)", prose_of(page)):
        words = command.split()
        own = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)][: 2 if words[0] in groups else 1]
        known = help_of(*own)
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        if known is None or options - known[1]:
            wrong.append(command)
    assert wrong == []


# --- names -------------------------------------------------------------------------------------------------------------------------


@functools.cache
def names_in(file):
    """What a module defines or imports, with the members of its classes as ``Class.member``."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def resolves(name):
    """Whether ``posebench.a.b.C.d`` is a module, or names of one. Files are read and not imported: some of them need PyTorch."""
    at, parts = LIBRARY, name.split(".")[1:]
    if parts[:1] in (["baselines"], ["protocols"]):
        at, parts = ROOT / parts[0], parts[1:]
    while parts and ((at / parts[0]).is_dir() or (at / f"{parts[0]}.py").is_file()):
        at, parts = at / parts[0], parts[1:]
    file = at.with_suffix(".py") if at.with_suffix(".py").is_file() else at / "__init__.py"
    return set(parts) <= names_in(file)


@EVERY_PAGE
def test_every_python_name_exists(page):
    named = {name.rstrip(".") for name in re.findall(r"(?<![\w/@.-])posebench(?:\.\w+)+", text_of(page))}
    assert sorted(name for name in named if not resolves(name)) == []


@EVERY_PAGE
def test_every_path_of_the_repository_exists(page):
    folders = "baselines|docs|leaderboard|posebench|protocols|tests"
    named = re.findall(rf"(?<![\w./-])(?:{folders})/[\w./+*-]*[\w*/]", re.sub(r"\]\([^)]*\)", "", text_of(page)))
    missing = [path for path in named if "*" not in path and "mymethod" not in path and not (ROOT / path).exists()]
    assert sorted(set(missing)) == []


def test_the_checks_see_what_they_should(tmp_path):
    """The tests above would pass on any page if nothing were found in it."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`, c\n\n```bash\nposebench score p.npz --protocol cmu && posebench board check\nx=$(posebench data list | head)\n```\n"
        "\n    posebench protocol show cmu\n\n`posebench train`\n"
    )
    assert list(whole_commands(page)) == [
        ["score", "p.npz", "--protocol", "cmu"],
        ["board", "check"],
        ["data", "list"],
        ["protocol", "show", "cmu"],
    ]
    assert anchors(page) == {"a-b-c"}
    assert help_of("nothing") is None
    assert "--protocol" in help_of("score")[1]
    assert "--layout" in help_of("data", "export")[1]
    assert resolves("posebench.score")
    assert resolves("posebench.base.cameras.Camera")
    assert not resolves("posebench.geometry.Camera")
    assert not resolves("posebench.base.cameras.Kamera")
    assert sum(len(list(whole_commands(page))) for page in PAGES) > 60
