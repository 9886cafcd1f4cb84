"""Completion in the shell: the script that a shell loads, and the answer to a press of TAB.

The script runs ``posebench`` at each press of TAB with the line so far, and argcomplete answers from the parser: so what is offered is
always what the installed version takes, with the files of this machine.
"""

from __future__ import annotations

import os

from posebench.base.errors import needs
from posebench.cli.commands import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """What a shell of :data:`SHELLS` runs to complete ``posebench``."""
    with needs("completion"):
        from argcomplete.shell_integration import shellcode
    return str(shellcode(["posebench"], shell=shell))


def complete() -> None:
    """Print what may follow the line in ``COMP_LINE``, and end the process. Only the command that the line names is configured."""
    import argcomplete

    from posebench.cli.main import parser

    named = [word for word in os.environ.get("COMP_LINE", "").split() if word in COMMANDS]
    argcomplete.autocomplete(parser(named[:1]), always_complete_options=False)
