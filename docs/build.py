"""The documentation as a site: ``python docs/build.py -o DIR`` copies the pages together and builds them with Zensical, strictly.

The pages keep their places as in the checkout, so that links between them hold here and on a code host. ``README.md`` becomes the first
page. Files that pages link to and that are no pages are copied as they are. The page of the Python API names what ``import posebench``
exports; the quickstart is the notebook with its stored outputs; ``board/`` is the leaderboard as ``posebench board site`` writes it.
"""

from __future__ import annotations

import argparse
import inspect
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
from posebench.board.site.write import write_site

ROOT = Path(__file__).resolve().parents[1]
#: Sections of the navigation: title, and patterns of pages. A page is in the first section that names it.
SECTIONS: dict[str, list[str]] = {
    "Start": ["README.md", "docs/quickstart.md", "docs/how-to/score.md", "docs/how-to/run-your-lifter.md", "docs/how-to/*.md"],
    "Score": [f"docs/{name}.md" for name in ("files", "formats", "metrics", "coverage", "explain", "diagnose", "report")],
    "Lift and train": [f"docs/{name}.md" for name in ("lifters", "lift", "training", "speed", "robustness")],
    "Data and protocols": [
        "protocols/README.md",
        "docs/datasets.md",
        "docs/own.md",
        "docs/h36m.md",
        "docs/3dhp.md",
        "docs/synthetic.md",
        "docs/realism/*.md",
    ],
    "Leaderboard": [
        "leaderboard/README.md",
        "leaderboard/how-to-read.md",
        "leaderboard/published.md",
        "leaderboard/reconciliation.md",
        "leaderboard/speed.md",
        "leaderboard/robustness.md",
        "docs/board.md",
        "docs/site.md",
        "docs/reproduce.md",
        "docs/regenerate.md",
    ],
    "Methods": ["baselines/*/README.md"],
    "Ablations": ["baselines/*/ABLATIONS.md"],
    "Reference": [
        "docs/api.md",
        "docs/python.md",
        "docs/command-line.md",
        "docs/glossary.md",
        "docs/*.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ],
    "Rows of the leaderboard": ["leaderboard/tables/**/*.md", "leaderboard/entries/**/*.md"],
}
#: Pages that are made: their path, and the function of this file that makes them.
MADE = {"docs/api.md": "api_page", "docs/quickstart.md": "notebook_page"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, list[str]]:
    """Pages by section, by their path in the checkout."""
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for section, patterns in SECTIONS.items():
        names = [
            name
            for pattern in patterns
            for name in ([pattern] if pattern in MADE else [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern))])
        ]
        found[section] = [name for name in dict.fromkeys(names) if name not in taken]
        taken.update(found[section])
    return found


def exports() -> dict[str, list[str]]:
    """What ``import posebench`` exports, by the groups that its docstring names."""
    lines = re.sub(r"\n(?![*\n])", " ", posebench.__doc__)
    groups = re.findall(r"(\w[\w ]*): ((?:``\w+``(?:, )?)+)", lines)
    return {title.capitalize(): re.findall(r"\w+", names) for title, names in groups} | {"Errors": ["PosebenchError"]}


def api_page() -> str:
    """The page of what ``import posebench`` exports, in the words of its docstrings: a table by group, then every export."""
    head = ["# Python API\n", "What `import posebench` exports. [How it is used](python.md).\n"]
    body = []
    for title, names in exports().items():
        head.append(f"**{title}**\n\n| | |\n|---|---|")
        body.append(f"## {title}\n")
        for name in names:
            exported = getattr(posebench, name)
            module = import_module(exported.__module__)
            assert getattr(module, exported.__qualname__) is exported, name
            full = f"{exported.__module__}.{exported.__qualname__}"
            summary = (inspect.getdoc(exported) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
            head.append(f"| [`{name}`][{full}] | {summary} |")
            body.append(f"::: {full}\n")
        head.append("")
    return "\n".join([*head, *body])


def notebook_page() -> str:
    """The quickstart notebook as a page: its text, code and stored outputs."""
    cells = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            shown = "".join(data.get("text/html", "")) or f"```text\n{''.join(data['text/plain']).rstrip()}\n```"
            parts.append(shown)
    title, *rest = parts
    return "\n\n".join([title, "[This page as a notebook](quickstart.ipynb).", *rest]) + "\n"


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
        text = globals()[MADE[name]]() if name in MADE else (ROOT / name).read_text(encoding="utf-8")
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
        if name not in MADE:  # the notebook is read as a page, and the page offers the notebook
            text = text.replace("quickstart.ipynb)", "quickstart.md)")
        target.write_text(_to_index(text, name), encoding="utf-8")
    return sections


def add_board(folder: Path) -> None:
    """Write the leaderboard as ``posebench board site`` does into ``board/``, and a link to it on the leaderboard's page."""
    write_site(ROOT / "leaderboard", folder / "board")
    page = folder / "leaderboard" / "README.md"
    title, blank, rest = page.read_text(encoding="utf-8").partition("\n\n")
    page.write_text(f"{title}{blank}[Search, filter and sort these tables](../board/index.html){blank}{rest}", encoding="utf-8")


def _to_index(text: str, name: str) -> str:
    """Links to the checkout's README lead to the first page of the site."""
    up = posixpath.relpath("README.md", posixpath.dirname(name) or ".")
    return text.replace(f"]({up}", f"]({posixpath.join(posixpath.dirname(up), 'index.md')}")


def loaded_from_elsewhere(site: Path) -> list[str]:
    """What the pages of a site load from another host, with the page; links that a reader may follow are not loaded."""
    loading = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\s(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)")
    found = ((page, loading.findall(page.read_text(encoding="utf-8"))) for page in sorted(site.rglob("*.html")))
    return [f"{page.relative_to(site).as_posix()}: {address}" for page, addresses in found for address in addresses]


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
        add_board(work / "pages")
        config = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
        (work / "zensical.toml").write_text(config.replace("[project]\n", "[project]\n" + navigation(sections), 1), encoding="utf-8")
        shutil.copyfile(ROOT / "docs" / "docstrings.py", work / "docstrings.py")
        for name in ("theme.css", "iframe-worker.js"):
            shutil.copyfile(ROOT / "docs" / name, work / "pages" / name)
        code = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=work, check=False).returncode
        if foreign := loaded_from_elsewhere(work / "site"):
            raise SystemExit("\n".join(["Pages load from another host:", *foreign]))
        if code == 0:
            shutil.copytree(work / "site", output)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
