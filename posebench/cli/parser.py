"""The parser: commands, and verbs of a command; both print help where none is named, and name the nearest one where it is misspelt."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest choice."""

    def error(self, message: str) -> NoReturn:
        """Print usage and the message, with the choice that was probably meant, and exit with 2."""
        found = message.partition("invalid choice: '")[2].partition("'")[0]
        if found:
            from difflib import get_close_matches

            choices = message.partition("(choose from ")[2].rstrip(")").replace("'", "").split(", ")
            near = get_close_matches(found, choices, 1)
            message += f"; did you mean {near[0]}?" if near else ""
        super().error(message)


class Verbs:
    """The verbs of a command, such as ``list`` of ``posebench data list``."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=Parser)

    def add(self, name: str, summary: str, run: Run) -> argparse.ArgumentParser:
        """One more verb; returns the parser that takes its options."""
        parser = self._added.add_parser(name, help=summary, description=sentence(summary))
        parser.set_defaults(run=run)
        return parser


def add_verbs(parser: argparse.ArgumentParser) -> Verbs:
    """Verbs for a command that does nothing by itself: without one it prints its help."""
    parser.set_defaults(run=lambda _: print_help(parser))
    return Verbs(parser)


def sentence(summary: str) -> str:
    """A summary as a sentence.

    Example:
        >>> sentence("download a free dataset")
        'Download a free dataset.'
    """
    return summary[0].upper() + summary[1:] + ("" if summary.endswith("?") else ".")


def print_help(parser: argparse.ArgumentParser) -> int:
    """Print a parser's help; returns the exit code 0."""
    parser.print_help()
    return 0
