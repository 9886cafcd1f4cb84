"""The one exception that posebench raises for input it cannot accept."""

from __future__ import annotations


class PosebenchError(Exception):
    """Bad input, told in one paragraph: what was found, what was wanted, what to do next.

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


def first_ten(names: list[str]) -> str:
    """The first ten names, and a count of the rest: how every message of ours lists clips.

    Example:
        >>> first_ten(["a", "b"])
        'a, b'
    """
    listed = ", ".join(names[:10])
    return listed if len(names) <= 10 else f"{listed} and {len(names) - 10} more"
