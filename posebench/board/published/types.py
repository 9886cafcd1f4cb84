"""Published numbers: the types and vocabularies of ``leaderboard/published.toml``.

**Convention.** A row is one line of a paper's result table: one method, 2D source, dataset and training set, with a value for each
metric. ``metric`` and ``alignment`` state what was computed, which is not always what the paper or a site calls it. The head of the file
explains every field.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Tag -> source of the value.
TAGS = {
    "C": "read in the official code or its documentation",
    "T": "read in the text of a paper",
    "2": "read in a secondary source: another paper's table, a mirror of a results site, a README, an issue",
    "R": "read in a third party's re-implementation",
    "M": "recalled from the paper, not checked against it",
    "L": "general knowledge, not checked",
}
#: Values with these tags appear on the reconciliation page only.
UNVERIFIED = ("M", "L")
CONFIDENCES = ("high", "medium", "low")
_SCALES = ("scale: least squares", "scale: norm ratio", "scale: Procrustes", "scale: head to root")
_SIMILARITIES = ("similarity", "similarity+reflection", "similarity, reflection unstated")
#: Metric -> the alignments that it can have. A scaled MPJPE is an N-MPJPE only if its scale is the least-squares one.
METRICS = {
    "PA-MPJPE": _SIMILARITIES,
    "MPJPE": ("root", "unstated"),
    "scaled MPJPE": _SCALES,
    "PCK@150": ("root", *_SCALES, *_SIMILARITIES, "unstated"),
    "AUC": ("root", *_SCALES, *_SIMILARITIES, "unstated"),
}
KEYPOINTS = ("gt", "cpn_ft_h36m_dbb", "sh", "hrnet", "detectron_ft_h36m", "detected", "image", "unstated")
DATASETS = {"h36m": "Human3.6M", "3dhp": "MPI-INF-3DHP"}
#: What a value takes from the true poses besides its alignment.
ORACLES = ("none", "best of flip", "true depth", "best hypothesis", "best epoch")
#: What a number of operations counts, and for what.
OPERATIONS = ("FLOPs", "MACs")
PER = ("frame", "clip", "unstated")
#: Whether a site's label is right, and what is wrong with it.
VERDICTS = (
    "right",
    "2D source missing",
    "scaling not said",
    "wrong protocol name",
    "wrong metric",
    "wrong dataset and metric",
    "one action only",
    "wrong supervision",
    "another row's number",
    "not traced",
    "no value",
)
#: Metrics of a run of other people's code.
MEASURES = (
    "PA-MPJPE",
    "PA-MPJPE by take",
    "PA-MPJPE-reflection",
    "flip-rate",
    "N-MPJPE",
    "MPJPE",
    "best-of-flip MPJPE",
    "best-of-flip PA-MPJPE",
    "best-of-flip PCK@150",
    "best-of-flip AUC",
)


@dataclass(frozen=True)
class Paper:
    """A paper: ``methods`` are the method ids that implement it on the board, ``reasons`` why reproduced numbers differ from its own."""

    id: str
    name: str
    title: str
    venue: str
    url: str
    supervision: str
    side_information: str
    methods: tuple[str, ...]
    reading: str
    reasons: tuple[str, ...]

    @property
    def year(self) -> str:
        """The year at the end of the venue, empty where the venue has none."""
        last = self.venue.rpartition(" ")[2]
        return last if last.isdigit() else ""


@dataclass(frozen=True)
class Value:
    """One number, ``printed`` as its source prints it.

    ``tag`` and ``confidence`` state its source, ``recalled`` which of its conditions was recalled and not read.
    ``oracle`` is what was taken from the true poses: the better of the pose and its mirror image, the depth of the root (which gives the
    scale), the best of several hypotheses, or the best epoch. ``by_action`` are the 15 action values of the same table, in its own order
    of columns.
    """

    metric: str
    alignment: str
    oracle: str
    printed: str
    tag: str
    confidence: str
    recalled: str
    by_action: tuple[float, ...]

    @property
    def value(self) -> float:
        """The number, in mm or %."""
        return float(self.printed)

    @property
    def verified(self) -> bool:
        """Whether the number was read somewhere; others are left out of the board's page."""
        return self.tag not in UNVERIFIED


@dataclass(frozen=True)
class Row:
    """One line of a result table; ``protocol`` is the nearest one of ours, ``differs`` what is known to differ from it.

    ``side_information`` is what this row used in training besides its supervision. ``frames`` is the number of frames that one predicted
    pose is made from, empty where no source says.
    """

    id: str
    paper: str
    variant: str
    side_information: str
    dataset: str
    protocol: str
    differs: str
    trained_on: str
    keypoints: str
    frames: str
    joints: str
    averaging: str
    table: str
    source: str
    notes: str
    values: tuple[Value, ...]

    def get(self, metric: str) -> Value | None:
        """The value of a metric, if the row has it."""
        return next((value for value in self.values if value.metric == metric), None)


@dataclass(frozen=True)
class Speed:
    """Size, arithmetic and speed of a method as a source prints them; an empty string is a number that the source does not have.

    ``parameters`` and ``operations`` are in millions. ``operations`` counts ``counted`` per predicted frame or per clip of ``frames``
    frames. ``poses_per_second`` was measured by the source on ``hardware``, the 2D detector not included.
    """

    paper: str
    variant: str
    frames: str
    parameters: str
    operations: str
    counted: str
    per: str
    poses_per_second: str
    hardware: str
    source: str
    tag: str
    notes: str


@dataclass(frozen=True)
class Filing:
    """A number as an aggregator files it under ``label``; ``row`` and ``metric`` state what it is, ``why`` how that is known."""

    paper: str
    site: str
    label: str
    printed: str | None
    verdict: str
    row: str
    metric: str
    confidence: str
    why: str


@dataclass(frozen=True)
class Measured:
    """Result of other people's code under one of our protocols; ``work`` states how long it was trained."""

    paper: str
    what: str
    official: bool
    work: str
    protocol: str
    keypoints: str
    joints: int
    values: dict[str, float]
    notes: str


@dataclass(frozen=True)
class Published:
    """The whole file; ``unread`` are (name, reason) of methods without a number that could be verified."""

    papers: dict[str, Paper]
    rows: tuple[Row, ...]
    filings: tuple[Filing, ...]
    measured: tuple[Measured, ...]
    speeds: tuple[Speed, ...]
    unread: tuple[tuple[str, str], ...]

    def row(self, id: str) -> Row:
        """The row of an id."""
        return next(row for row in self.rows if row.id == id)

    def protocols(self) -> list[str]:
        """Ids of the protocols that have a verified number, sorted."""
        return sorted({row.protocol for row in self.rows if any(value.verified for value in row.values)})
