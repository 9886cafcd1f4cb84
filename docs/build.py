"""The documentation as a site: ``python docs/build.py -o DIR`` copies the pages together and builds them with Zensical, strictly.

The pages keep their places as in the checkout, so that links between them hold here and on a code host. ``README.md`` becomes the first
page. Files that pages link to and that are no pages are copied as they are. The page of the Python API names what ``import posebench``
exports.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import posebench

ROOT = Path(__file__).resolve().parents[1]
#: Sections of the navigation: title, and patterns of pages. A page is in the first section that names it.
SECTIONS: dict[str, list[str]] = {
    "Start": ["README.md", "docs/how-to/*.md"],
    "Guides": [
        f"docs/{name}.md"
        for name in ("files", "formats", "lifters", "lift", "training", "report", "explain", "diagnose", "speed", "reproduce")
    ],
    "Data and protocols": [
        "protocols/README.md",
        "docs/datasets.md",
        "docs/h36m.md",
        "docs/3dhp.md",
        "docs/own.md",
        "docs/synthetic.md",
        "docs/realism/*.md",
    ],
    "Leaderboard": [
        "leaderboard/README.md",
        "leaderboard/how-to-read.md",
        "leaderboard/published.md",
        "leaderboard/reconciliation.md",
        "leaderboard/speed.md",
    ],
    "Methods": ["baselines/*/README.md", "baselines/*/ABLATIONS.md"],
    "Reference": ["docs/api.md", "docs/*.md", "CONTRIBUTING.md", "CHANGELOG.md"],
    "Rows of the leaderboard": ["leaderboard/tables/**/*.md", "leaderboard/entries/**/*.md"],
}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, list[str]]:
    """Pages by section, by their path in the checkout."""
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for section, patterns in SECTIONS.items():
        names = [path.relative_to(ROOT).as_posix() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        names += ["docs/api.md"] if "docs/api.md" in patterns else []
        found[section] = [name for name in dict.fromkeys(names) if name not in taken]
        taken.update(found[section])
    return found


def api_page() -> str:
    """The page of what ``import posebench`` exports, in the words of its docstrings."""
    parts = ["# Python API\n", "What `import posebench` exports. [How it is used](python.md).\n"]
    for name in posebench.__all__:
        exported = getattr(posebench, name)
        module = import_module(exported.__module__)
        assert getattr(module, exported.__qualname__) is exported, name
        parts.append(f"::: {exported.__module__}.{exported.__qualname__}\n")
    return "\n".join(parts)


def links(text: str) -> list[str]:
    """Relative links of a page outside its code blocks, without their fragments."""
    found = (unquote(goal).partition("#")[0] for goal in _LINK.findall(_FENCE.sub("", text)))
    return [goal for goal in found if goal and ":" not in goal]


def copy_pages(folder: Path) -> dict[str, list[str]]:
    """Copy pages, and the files that they link to, into a folder; give the pages by section.

    Raises:
        SystemExit: a link that leads to no file, or out of the checkout.
    """
    sections = pages()
    listed = {name for names in sections.values() for name in names}
    for name in sorted(listed):
        text = api_page() if name == "docs/api.md" else (ROOT / name).read_text(encoding="utf-8")
        for goal in links(text):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(name), goal))
            path = ROOT / place
            if place.startswith("..") or not (path.exists() or place in listed):
                raise SystemExit(f"{name}: the link {goal} leads to no file of the checkout")
            if path.is_file() and place not in listed:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / place)
            elif path.is_dir():
                text = re.sub(rf"\[([^\]]*)\]\({re.escape(goal)}\)", r"\1", text)
        target = folder / ("index.md" if name == "README.md" else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_to_index(text, name), encoding="utf-8")
    return sections


def _to_index(text: str, name: str) -> str:
    """Links to the checkout's README lead to the first page of the site."""
    up = posixpath.relpath("README.md", posixpath.dirname(name) or ".")
    return text.replace(f"]({up}", f"]({posixpath.join(posixpath.dirname(up), 'index.md')}")


def navigation(sections: dict[str, list[str]]) -> str:
    """``nav`` for the configuration; rows of the leaderboard are reached from it and are not listed."""
    lines = []
    for section, names in sections.items():
        if section == "Rows of the leaderboard" or not names:
            continue
        shown = ", ".join(json.dumps("index.md" if name == "README.md" else name) for name in names)
        lines.append(f"  {{ {json.dumps(section)} = [{shown}] }},")
    return "nav = [\n" + "\n".join(lines) + "\n]\n"


def main() -> int:
    """Build the site; the exit code is that of Zensical."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write; it must not exist")
    output: Path = parser.parse_args().output.resolve()
    if output.exists():
        raise SystemExit(f"{output} exists. Name a new folder.")
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        sections = copy_pages(work / "pages")
        config = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
        (work / "zensical.toml").write_text(config.replace("[project]\n", "[project]\n" + navigation(sections), 1), encoding="utf-8")
        shutil.copyfile(ROOT / "docs" / "docstrings.py", work / "docstrings.py")
        code = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=work, check=False).returncode
        if code == 0:
            shutil.copytree(work / "site", output)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
