"""The one exception that posebench raises for input it cannot accept, and packages that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PosebenchError(Exception):
    """Bad input, described in one paragraph: what was found, what was wanted, what to do next.

    The command line prints the message to stderr and exits with ``exit_code``: 2 for a wrong call or an
    unusable file, 1 for a file that was read and failed its check.

    Example:
        >>> print(PosebenchError("T = 3", "T = 4", "posebench check p.npz --protocol cmu"))
        Found: T = 3. Wanted: T = 4. Next: posebench check p.npz --protocol cmu
    """

    def __init__(self, found: str, wanted: str, next_step: str = "", *, exit_code: int = 2) -> None:
        self.found = found
        self.wanted = wanted
        self.next_step = next_step
        self.exit_code = exit_code
        parts = [f"Found: {found.rstrip('.')}.", f"Wanted: {wanted.rstrip('.')}."]
        if next_step:
            parts.append(f"Next: {next_step}")
        super().__init__(" ".join(parts))


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


def install_command(extra: str, package: str = "") -> str:
    """The command that installs an extra of posebench-lifting, or without one a ``package``."""
    if not extra:
        return f"pip install {package}"
    return f'pip install "posebench-lifting[{extra}]", or in a checkout pip install -c constraints.txt -e ".[{extra}]"'


def first_ten(names: list[str]) -> str:
    """The first ten names and how many more there are, for messages that list clips.

    Example:
        >>> first_ten(["a", "b"])
        'a, b'
    """
    listed = ", ".join(names[:10])
    return listed if len(names) <= 10 else f"{listed} and {len(names) - 10} more"
