"""The whole job on embedded data."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from posebench.cli.parser import Parser


def configure(parser: Parser) -> None:
    """No options."""
    parser.example = "posebench demo"


def run(args: Namespace) -> int:  # noqa: ARG001 - every command takes the parsed arguments
    """Run it in ``./posebench-demo``."""
    from posebench.cli.demo import run_demo

    return run_demo(Path("posebench-demo"))
