"""The one exception that posebench raises for input it cannot accept, and packages that are not installed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

#: Characters of what is found at most; the middle of a longer text is left out.
MAX_FOUND = 800
#: What is wanted and what to do next are posebench's own text, which may list every choice or hold a whole command.
MAX_OWN = 900


class PosebenchError(Exception):
    """Bad input, described in one paragraph: what was found, what was wanted, what to do next.

    The command line prints the message to stderr and exits with ``exit_code``: 2 for a wrong call or an
    unusable file, 1 for a file that was read and failed its check. Names and values in it come from files: characters that do not print are
    escaped, and a long part is cut in the middle.

    Example:
        >>> print(PosebenchError("T = 3", "T = 4", "posebench check p.npz --protocol cmu"))
        Found: T = 3. Wanted: T = 4. Next: posebench check p.npz --protocol cmu
    """

    def __init__(self, found: str, wanted: str, next_step: str = "", *, exit_code: int = 2) -> None:
        self.found = printable(found)
        self.wanted = printable(wanted, MAX_OWN)
        self.next_step = printable(next_step, MAX_OWN)
        self.exit_code = exit_code
        parts = [f"Found: {self.found.rstrip('.')}.", f"Wanted: {self.wanted.rstrip('.')}."]
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        super().__init__(" ".join(parts))


def printable(text: str, longest: int = MAX_FOUND) -> str:
    r"""``text`` on one line, other characters that do not print escaped, and its middle left out if it is longer than ``longest``.

    Example:
        >>> printable("S9/\x1b[31mWalk\n1")
        'S9/\\x1b[31mWalk 1'
    """
    if len(text) > longest:
        tail = longest // 4
        text = f"{text[: longest - tail - 5]} ... {text[-tail:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c in "\n\r\t" else ascii(c)[1:-1] for c in text)


@contextmanager
def needs(purpose: str, *, extra: str = "") -> Iterator[None]:
    """A block whose imports may be of packages that are not installed.

    Args:
        purpose: what the packages are needed for, e.g. ``training``.
        extra: the extra of posebench-lifting that installs them; several with commas; empty for a package without one.

    Raises:
        PosebenchError: a package is not installed; the message says how to install it. A missing module of posebench itself is not bad
            input but a defect, and is raised as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "posebench":
            raise
        wanted = f"the extra [{extra}]" if extra else f"an installed {package}"
        raise PosebenchError(f"no package {package}, which {purpose} needs", wanted, install_command(extra, package)) from error


@contextmanager
def drawing() -> Iterator[None]:
    """A block that imports matplotlib, which refuses to be imported where ``MPLBACKEND`` names no backend of it.

    Raises:
        PosebenchError: it does.
    """
    try:
        yield
    except ValueError as error:
        backend = os.environ.get("MPLBACKEND")
        if not backend or "backend" not in str(error):
            raise
        raise PosebenchError(f"MPLBACKEND={backend}", "a backend of matplotlib, such as agg", "unset MPLBACKEND") from error


def install_command(extra: str, package: str = "") -> str:
    """The command that installs an extra of posebench-lifting, or without one a ``package``."""
    if not extra:
        return f"pip install {package}"
    return f'in a checkout pip install -c constraints.txt -e ".[{extra}]", elsewhere pip install "posebench-lifting[{extra}]"'


def first_ten(names: list[str]) -> str:
    """The first ten names and how many more there are, for messages that list clips.

    Example:
        >>> first_ten(["a", "b"])
        'a, b'
    """
    listed = ", ".join(names[:10])
    return listed if len(names) <= 10 else f"{listed} and {len(names) - 10} more"


def nearest(name: str, choices: Iterable[str]) -> str:
    """The choice that a misspelt name probably means, or an empty text. Upper and lower case, ``-``, ``_`` and blanks do not count.

    Example:
        >>> nearest("h36n", ["cmu", "h36m"]), nearest("Mean_Pose", ["flat", "mean-pose"]), nearest("zzz", ["cmu"])
        ('h36m', 'mean-pose', '')
    """
    from difflib import get_close_matches

    def plain(text: str) -> str:
        return text.lower().replace("_", "-").replace(" ", "-")

    by_plain = {plain(choice): choice for choice in choices}
    found = get_close_matches(plain(name[:100]), by_plain, 1)
    return by_plain[found[0]] if found else ""


def did_you_mean(name: str, choices: Iterable[str], otherwise: str) -> str:
    """The next step after a name that is none of the choices: the nearest one, or else what is done otherwise.

    Example:
        >>> did_you_mean("smoke1", ["smoke", "quick"], "choose with --preset")
        'did you mean smoke? Otherwise choose with --preset'
    """
    near = nearest(name, choices)
    return f"did you mean {near}? Otherwise {otherwise}" if near else otherwise
