"""The prediction file that belongs to a result: found by its digest, and opened next to the truth that the result was scored against."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from posebench.base.errors import PosebenchError
from posebench.base.files import sha256_of
from posebench.display.html.case import Case
from posebench.predictions.formats.registry import Reading
from posebench.scoring.decomposition.diagnosis import diagnose
from posebench.scoring.decomposition.record import Diagnosis
from posebench.scoring.protocol import Protocol
from posebench.scoring.result_parts import ScoredFile
from posebench.scoring.submission import Submission, open_submission
from posebench.scoring.truth import TruthLocation

_ENDINGS = (".npz", ".h5", ".hdf5")
#: Files of other names that are looked at: so many, and none larger than this.
_LOOKED_AT = 20
_LARGEST = 2**29


@dataclass(frozen=True, eq=False)
class Source:
    """The predictions of one result.

    Attributes:
        path: the file.
        case: whose it is.
        protocol: under which the result was scored.
        submission: the file, open next to its truth.
    """

    path: Path
    case: Case
    protocol: Protocol
    submission: Submission

    def diagnose(
        self,
        location: TruthLocation,
        from_format: str | Reading | None,
        fps: float | None,
        progress: Callable[[int, int], None] | None,
    ) -> Diagnosis:
        """Where the error of the file comes from."""
        return diagnose(
            self.path,
            self.protocol,
            root=location.root,
            truth=location.file,
            cameras=location.cameras,
            allow_partial=self.case.result.coverage.partial,
            from_format=from_format,
            fps=fps,
            progress=progress,
        )


def find_predictions(result: Path, stated: ScoredFile) -> Path | None:
    """The file with the digest that a result states, in the folder of the result; None where there is none.

    A file of the stated name is looked at first, then others that may hold predictions.
    """
    folder = result.parent
    named = folder / Path(stated.file).name
    try:
        others = sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.endswith(".sums.npz"))
        small = [path for path in others if path.stat().st_size <= _LARGEST]
    except OSError:
        small = []
    for path in dict.fromkeys([named, *small[:_LOOKED_AT]]):
        try:
            if path.is_file() and sha256_of(path) == stated.sha256:
                return path
        except OSError:
            continue
    return None


def open_source(
    stack: ExitStack,
    path: str | os.PathLike[str],
    case: Case,
    protocol: Protocol,
    location: TruthLocation,
    from_format: str | Reading | None,
) -> Source:
    """Open the predictions of a result.

    Raises:
        PosebenchError: the file or the data are not those that were scored.
    """
    submission = stack.enter_context(open_submission(path, protocol, location, from_format))
    scored, sha256 = case.result.predictions, submission.file.sha256()
    if sha256 != scored.sha256:
        raise PosebenchError(
            f"{path} of sha256 {sha256[:16]}..., which is not what {case.name}'s result was made from",
            f"{scored.file} of sha256 {scored.sha256[:16]}...",
            "name that file with --predictions, or score this one",
        )
    data, fingerprint = case.result.data, submission.scope.source.describe().fingerprint
    if fingerprint != data.fingerprint:
        raise PosebenchError(
            f"data of fingerprint {fingerprint[:16]}..., where {case.name}'s result was scored on {data.fingerprint[:16]}...",
            "the data that the result was scored on",
            "name that copy with --root (a truth file with --truth), or score the predictions on this one",
        )
    return Source(Path(path), case, protocol, submission)
