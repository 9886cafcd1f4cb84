"""The parser: commands, and verbs of a command; both print help where none is named, and name the nearest one where it is misspelt."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

Run = Callable[[argparse.Namespace], int]


class _Formatter(argparse.HelpFormatter):
    """argparse's, which does not break names at their hyphens."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest option or choice, and whose help ends with names to choose from and an example.

    Attributes:
        example: whole commands, one a line; they are printed as they are, so that they can be copied.
        listed: called when help is printed: title to names. Names that are read from files cost nothing unless they are shown.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter} | options)
        self.example = ""
        self.listed: Callable[[], Mapping[str, Sequence[str]]] = dict
        self._given: Sequence[str] = ()

    def format_help(self) -> str:
        """Usage, description, arguments, names to choose from, example."""
        parts = [super().format_help()]
        for title, names in self.listed().items():
            parts.append(f"\n{title}:\n{_filled(names)}\n")
        if self.example:
            parts.append("\nexample:\n" + "".join(f"  {line}\n" for line in self.example.splitlines()))
        return "".join(parts)

    # argparse's own signature has overloads that say nothing here.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse; what a command does not know is reported with that command's usage, not with that of ``posebench``."""
        self._given = list(sys.argv[1:] if args is None else args)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Print usage and the message, with the option or choice that was probably meant, and exit with 2."""
        option = self._unknown_option(message)
        if option:
            message = f"no option {option}{_nearest(option, self._option_string_actions)}"
        found = message.partition("invalid choice: '")[2].partition("'")[0]
        if found:
            choices = message.partition("(choose from ")[2].rstrip(")").replace("'", "").split(", ")
            message += _nearest(found, choices)
        super().error(message)

    def _unknown_option(self, message: str) -> str:
        """The first long option that this parser lacks; a misspelt one may otherwise only be reported as a missing one."""
        # What follows a command's name is for that command's own parser.
        words = message.removeprefix("unrecognized arguments: ").split() if self._subparsers else self._given
        for word in words:
            if word == "--":
                break
            name = word.partition("=")[0]
            if name.startswith("--") and not any(known.startswith(name) for known in self._option_string_actions):
                return name
        return ""


def _nearest(found: str, choices: Sequence[str] | Mapping[str, Any]) -> str:
    from posebench.base.errors import nearest

    name = nearest(found, choices)
    return f"; did you mean {name}?" if name else ""


def _filled(names: Sequence[str]) -> str:
    """Names in lines of the terminal's width; a name of several words, such as a method with its recipes, has its own lines."""
    import shutil
    import textwrap

    width = max(shutil.get_terminal_size().columns - 2, 20)
    single = all(" " not in name for name in names)
    paragraphs = [", ".join(names)] if single else names
    fill = textwrap.TextWrapper(width, initial_indent="  ", subsequent_indent="  " if single else " " * 6, break_on_hyphens=False).fill
    return "\n".join(map(fill, paragraphs))


class Verbs:
    """The verbs of a command, such as ``list`` of ``posebench data list``."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._added = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=Parser)

    def add(self, name: str, summary: str, run: Run) -> Parser:
        """One more verb; returns the parser that takes its options."""
        parser = self._added.add_parser(name, help=summary, description=sentence(summary))
        parser.set_defaults(run=run)
        add_verbosity(parser)
        return parser


def add_verbs(parser: Parser) -> Verbs:
    """Verbs for a command that does nothing by itself: without one it prints its help."""
    parser.set_defaults(run=lambda _: print_help(parser))
    return Verbs(parser)


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """``-q`` and ``-v``. They set ``quiet`` and ``verbose`` only where they are given, so that they may stand before a command as well."""
    one = parser.add_mutually_exclusive_group()
    quiet = "print results, warnings and errors only: no progress and no remarks"
    one.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=quiet)
    verbose = "say on stderr what the command took and ran on, and where an error was raised"
    one.add_argument("-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help=verbose)


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
