"""One thing that a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """``name`` of the check, ``severity`` (error, warning, note), what was found, the likely fix, and the clips it concerns."""

    name: str
    severity: str
    message: str
    fix: str
    clips: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as a result file holds it: at most ten clips, since the message counts them all."""
        return {**asdict(self), "clips": list(self.clips[:10])}
