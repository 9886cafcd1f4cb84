"""Targets as documents: the list, one target, and the sections of ``docs/reproduce.md``."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from posebench.board.published.tables import MARKS, cell, marks_legend, tags_legend
from posebench.board.published.types import DATASETS, TAGS
from posebench.board.targets.reader import load_targets
from posebench.board.targets.types import Expected, Section, Target, Targets
from posebench.display.document import Document, Table
from posebench.display.tables import markdown_table

#: No target has been reached or missed by this project: it holds no copy of either dataset.
STATUS = "never run here"
_HEADS = ["target", "protocol", "2D source", "expected", "tolerance", "steps", "hours, one CPU core", "hours, one GPU", "status"]
_BEGIN, _END = "<!-- made by: python -m posebench.board.targets.documents docs/reproduce.md -->", "<!-- end -->"


def listed(targets: Targets) -> Document:
    """Every target, a line each."""
    rows = [[text.replace("*", "") for text in _cells(targets, target)] for target in targets.targets]
    used = {expected.published.tag for target in targets.targets for expected in target.expected}
    tags = "; ".join(f"[{tag}] {meaning}" for tag, meaning in TAGS.items() if tag in used)
    letters = "; ".join(f"({mark}) {meaning}" for mark, meaning in MARKS.items())
    last = "`posebench reproduce show TARGET` prints its commands."
    return Document.of(Table(_HEADS, rows, right=range(5, 8)), f"{tags}. {letters}.", _hours_note(targets), last)


def shown(targets: Targets, target: Target) -> Document:
    """One target with its commands."""
    paper, row = next(section.paper for section in targets.sections if section.paper.id == target.row.paper), target.row
    facts = [
        ["paper", f"{paper.name}: {paper.title}, {paper.venue}"],
        ["row", f"{row.id}: {row.variant or 'as the paper puts it forward'}; {row.source}"],
        *([["row differs", row.differs]] if row.differs else []),
        *([["only recalled", value.recalled] for value in (e.published for e in target.expected) if value.recalled]),
        [
            "method",
            f"{target.method}, recipe {target.recipe}, {target.seeds} {'seed' if target.seeds == 1 else 'seeds, the median counts'}",
        ],
        ["trained on", f"{DATASETS[target.trained_on]}, keypoints {target.trained_keypoints}"],
        ["tested on", f"{DATASETS[target.tested_on]}, keypoints {target.keypoints}, protocol {target.protocol}"],
        *[["expected", _expected_in_words(expected)] for expected in target.expected],
        ["tolerance from", target.because],
        *[["stays different", text] for text in target.differs],
        ["work", f"{target.steps:,} steps, {target.poses:,} training poses"],
        ["hours", f"{_hours(target.cpu_hours)} on one CPU core; {_hours(targets.gpu_hours(target))} on one {targets.gpu.name}"],
        ["status", STATUS if target.comparable else f"{STATUS}; cannot be reproduced"],
    ]
    others = ", ".join(f"--seed {seed} with -s{seed} in the names" for seed in range(1, target.seeds))
    more = f"The other seeds: {others}. Give the check the results of all." if others else ""
    return Document.of(Table(["", target.id], facts), "\n".join(commands(target)), more, _hours_note(targets))


def commands(target: Target) -> list[str]:
    """The commands of a target, ready for a shell but for the words ``H36M`` and ``3DHP``."""
    return [f"posebench {shlex.join(words)}" for words in target.commands]


def as_json(targets: Targets, target: Target) -> dict[str, object]:
    """A target for programs."""
    return {
        "id": target.id,
        "paper": target.row.paper,
        "row": target.row.id,
        "method": target.method,
        "recipe": target.recipe,
        "trained_on": target.trained_on,
        "trained_keypoints": target.trained_keypoints,
        "tested_on": target.tested_on,
        "keypoints": target.keypoints,
        "protocol": target.protocol,
        "seeds": target.seeds,
        "expected": [
            {
                "metric": expected.metric,
                "average": expected.average,
                "value": expected.published.value,
                "tag": expected.published.tag,
                "tolerance": expected.tolerance,
            }
            for expected in target.expected
        ],
        "because": target.because,
        "differs": list(target.differs),
        "comparable": target.comparable,
        "steps": target.steps,
        "poses": target.poses,
        "cpu_hours": round(target.cpu_hours, 1),
        "gpu_hours": round(targets.gpu_hours(target), 1),
        "status": STATUS,
        "commands": commands(target),
    }


def _cells(targets: Targets, target: Target) -> list[str]:
    keypoints = (
        target.trained_keypoints if target.keypoints == target.trained_keypoints else f"{target.trained_keypoints}, {target.keypoints}"
    )
    return [
        target.id,
        target.protocol if target.tested_on == target.trained_on else f"{target.protocol}, trained on {target.trained_on}",
        keypoints,
        "; ".join(f"{expected.metric} {cell(expected.published)}" for expected in target.expected),
        "; ".join(f"{expected.tolerance:g}" for expected in target.expected) if target.comparable else "not judged",
        f"{target.steps:,}",
        _hours(target.cpu_hours),
        _hours(targets.gpu_hours(target)),
        STATUS,
    ]


def number(expected: Expected) -> str:
    """The published number with its letters and tag, as plain text."""
    return cell(expected.published).replace("*", "")


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}"


def _expected_in_words(expected: Expected) -> str:
    return f"{expected.metric} {number(expected)}, mean by {expected.average}, within {expected.tolerance:g}"


def _hours_note(targets: Targets) -> str:
    gpu, ratio = targets.gpu, targets.gpu_ratio
    return (
        f"Hours on one CPU core are extrapolated from measured steps: {targets.machine}. No training was measured on a GPU. One speed is"
        f" published: {gpu.step_ms:g} ms a step of {gpu.target} on a {gpu.name} ({gpu.source}). It is {ratio:.1f} times the speed of that"
        f" core, and the hours on one GPU are those of a {gpu.name} if every method gained as much."
    )


def section_of(targets: Targets, section: Section) -> str:
    """The section of a paper in ``docs/reproduce.md``."""
    chosen = targets.of(section)
    name = f"[{section.paper.title}]({section.paper.url})" if section.paper.url else section.paper.title
    parts = [f"## {section.paper.name}", f"{name}, {section.paper.venue}.", section.text.strip()]
    parts.append(markdown_table([_cells(targets, target) for target in chosen], _HEADS, right=range(5, 8)))
    if section.cannot:
        parts.append("Not to be reached:\n\n" + "\n".join(f"* {text}" for text in section.cannot))
    for target in chosen:
        parts += [f"### {target.id}", "```bash\n" + "\n".join(commands(target)) + "\n```", _remarks(target)]
    return "\n\n".join(parts)


def _remarks(target: Target) -> str:
    lines = [f"* Tolerance: {target.because}."] if target.comparable else []
    lines += [f"* Stays different: {text}." for text in target.differs]
    lines += [f"* The published number differs from its protocol: {target.row.differs}."] if target.row.differs else []
    lines += [f"* Only recalled: {expected.published.recalled}." for expected in target.expected if expected.published.recalled]
    return "\n".join(dict.fromkeys(lines))


def sections(targets: Targets) -> str:
    """The part of ``docs/reproduce.md`` that is made from the targets, with the two comments around it."""
    legend = f"Tags and letters of the expected numbers:\n\n{tags_legend()}\n{marks_legend()}"
    text = "\n\n".join([_hours_note(targets), legend, *(section_of(targets, section) for section in targets.sections)])
    return f"{_BEGIN}\n\n{text}\n\n{_END}"


def renewed(page: str, targets: Targets) -> str:
    """A page whose part between the two comments is made again."""
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: sections(targets), page, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the pages named."""
    parser = argparse.ArgumentParser(description="Renew the part of docs/reproduce.md that is made from leaderboard/reproduce.toml.")
    parser.add_argument("page", type=Path, nargs="+")
    for page in parser.parse_args(arguments).page:
        page.write_text(renewed(page.read_text(encoding="utf-8"), load_targets()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
