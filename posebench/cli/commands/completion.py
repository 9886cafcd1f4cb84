"""The script by which a shell completes the command line."""

from __future__ import annotations

from argparse import Namespace

from posebench.cli.parser import Parser


def configure(parser: Parser) -> None:
    """The shell."""
    parser.example = (
        "source <(posebench completion bash)                                      # in ~/.bashrc\n"
        "source <(posebench completion zsh)                                       # in ~/.zshrc, after compinit\n"
        "posebench completion fish > ~/.config/fish/completions/posebench.fish"
    )
    parser.add_argument("shell", metavar="SHELL", choices=["bash", "zsh", "fish"], help="bash, zsh or fish")


def run(args: Namespace) -> int:
    """Print the script."""
    from posebench.cli.completion import script

    print(script(args.shell))
    return 0
