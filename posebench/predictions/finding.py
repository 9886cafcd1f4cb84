"""One thing that a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

#: Order of findings in a list.
SEVERITIES = ("error", "warning", "note")
_LISTED = 10


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        name: of the check.
        severity: ``error`` (the file is refused), ``warning`` (shown with the score) or ``note`` (what the scorer does by itself).
        message: what was found.
        fix: what probably mends it.
        clips: ids of the clips it concerns.
    """

    name: str
    severity: str
    message: str
    fix: str
    clips: tuple[str, ...] = ()

    def shortened(self) -> Finding:
        """With at most ten clips, as a result file holds it; the message counts them all."""
        return replace(self, clips=self.clips[:_LISTED])

    def as_dict(self) -> dict[str, Any]:
        """Plain data of the shortened finding."""
        return {**asdict(self), "clips": list(self.clips[:_LISTED])}
