"""What diagnosing a prediction file gives: a JSON file for people and programs.

**Convention.** Distances are millimetres, after the roots of prediction and truth were moved to the origin; averages are the protocol's
headline average, except where a field says frame-weighted. Intervals are 95 % over takes; None where none can be given. Shares are of
**squared** errors, ladder and oracles are mean **distances**: the two need not agree.

Nothing here is a metric of a protocol, and no leaderboard takes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posebench.base.errors import PosebenchError
from posebench.base.files import write_text
from posebench.base.readers.text import read_json
from posebench.predictions.finding import Finding
from posebench.scoring.decomposition.averages import Array, Averages
from posebench.scoring.decomposition.differences import Differences, differences
from posebench.scoring.decomposition.names import DIMENSIONS, KINDS, PARTS, RUNGS
from posebench.scoring.decomposition.plots import plot_diagnosis
from posebench.scoring.decomposition.shares import mean_squares
from posebench.scoring.decomposition.tables import Number, numbers
from posebench.scoring.markup import html_table
from posebench.scoring.records import RecordError, from_json, to_json
from posebench.scoring.result_parts import Coverage, Environment, InvalidPoses, ScoredData, ScoredFile, ScoredProtocol
from posebench.scoring.sums import Row, Sums

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SCHEMA = 1
_MAX_JSON_BYTES = 16 * 2**20
_NEXT = "diagnose the predictions again: posebench diagnose PREDS --protocol ID -o D.json"


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step of the ladder: a fix that uses the ground truth, on top of the fixes before it.

    Attributes:
        name: one of :data:`RUNGS`.
        fix: what is done, in words.
        error: mean distance of the joints after this fix and all before it, mm; None where ``cannot`` says why there is none.
        low, high: interval of ``error``.
        gain: by how much the error falls from the rung before, mm; may be negative, since fits are least squares.
        gain_low, gain_high: interval of ``gain``.
        alone: by how much the fix lowers the error of the file as it is, mm; None for the start.
        alone_chance: by how much it lowers that of the noise of ``chance``.
        chance: error of the truth plus random noise of the same initial error, after the same fixes: what so many free numbers explain
            of anything.
        chance_gain: by how much that error falls from the rung before.
        cannot: why the rung has no value; empty where it has one.
    """

    name: str
    fix: str
    error: float | None
    low: float | None
    high: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    alone: float | None
    alone_chance: float | None
    chance: float | None
    chance_gain: float | None
    cannot: str = ""

    def __post_init__(self) -> None:
        _one_of("rung", self.name, RUNGS)

    @property
    def beyond_chance(self) -> float | None:
        """The gain less that of noise, mm; None where either is missing."""
        return None if self.gain is None or self.chance_gain is None else self.gain - self.chance_gain


@dataclass(frozen=True, kw_only=True)
class DiscreteFix:
    """One of the whole-body fixes of the rung ``discrete``.

    Attributes:
        name: ``depth`` (z negated about the root), ``sides`` (left and right exchanged) or ``both``.
        poses: number of poses that it was taken for.
        percent: their share, frame-weighted.
        switches: how often a pose needs it and its neighbour in time does not, or the reverse.
    """

    name: str
    poses: int
    percent: float
    switches: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a decomposition.

    Attributes:
        name: one of :data:`PARTS` of the decomposition.
        percent: share of the mean square.
        low, high: interval of ``percent``.
        rms: root of the part's mean square per joint (bone), mm.
        median: median over poses (for ``time`` over clips) of that root in one pose, mm; None where a part is no sum over poses. Far below
            ``rms`` where a few outliers own the part.
    """

    name: str
    percent: float
    low: float | None
    high: float | None
    rms: float
    median: float | None


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """The mean squared error as a sum of parts, each at least 0.

    Attributes:
        name: a key of :data:`PARTS`.
        of: what is squared, in words.
        rms: root of the whole mean square per joint (bone), mm; None where ``cannot`` says why there is none.
        parts: in the order of :data:`PARTS`; empty where ``cannot`` says why.
        poses: number of poses that it covers.
        cannot: why there are no parts; empty where there are.
        note: what else to know, such as the highest frequency that the frames show; may be empty.
    """

    name: str
    of: str
    rms: float | None
    parts: tuple[Part, ...]
    poses: int
    cannot: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _one_of("decomposition", self.name, PARTS)
        names = tuple(part.name for part in self.parts)
        if names not in ((), PARTS[self.name]):
            raise ValueError(f"parts {names}, not {PARTS[self.name]}")


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """One fix that uses the ground truth, applied alone to the file as it is.

    Attributes:
        name: such as ``depth-sign``, ``arms-exchanged``, ``azimuth``, ``left-arm-depth``.
        kind: one of :data:`KINDS`.
        fix: what is done, in words.
        error: mean distance afterwards, mm.
        gain: by how much the error falls, mm; may be negative.
        gain_low, gain_high: interval of ``gain``.
        chance: the same gain of random noise with the same initial error, mm; None where the fix fits nothing to a pose.
        percent: share of the poses, limbs or bones that the fix changes; None for a fix that changes all.
        amount: signed median of what is fitted; None where nothing is. For a rotation by how many degrees the predictions are turned about
            the camera's x (elevation), y (azimuth) or z (roll), right-handed.
        spread: half the range of the middle 68 % of it; a standard deviation where it is normal.
        unit: of ``amount`` and ``spread``.
        cannot: why there is no value; empty where there is.
    """

    name: str
    kind: str
    fix: str
    error: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    chance: float | None
    percent: float | None
    amount: float | None
    spread: float | None
    unit: str
    cannot: str = ""

    def __post_init__(self) -> None:
        _one_of("kind", self.kind, KINDS)

    @property
    def beyond_chance(self) -> float | None:
        """The gain less that of noise, where noise gains at all, mm."""
        return None if self.gain is None else self.gain - max(self.chance or 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class JointError:
    """One joint, headline average, mm.

    Attributes:
        name: of the joint.
        error: mean distance.
        along, across: root mean square along the ray of the root (depth) and across it; None where the true poses have no place.
        bias: length of the mean error in the body frame; ``bias_left``, ``bias_up``, ``bias_forward`` its components, from the right to
            the left hip, along the trunk, and to the front of the body.
        spread: root mean square of what is left of the error without its mean in the body frame.
        constant, wander, motion, jitter: root mean square in bands of time; None where there are none.
    """

    name: str
    error: float
    along: float | None
    across: float | None
    bias: float | None
    bias_left: float | None
    bias_up: float | None
    bias_forward: float | None
    spread: float | None
    constant: float | None
    wander: float | None
    motion: float | None
    jitter: float | None


@dataclass(frozen=True, kw_only=True)
class BoneError:
    """One bone, headline average.

    Attributes:
        name: ``parent-child``.
        length: mean true length, mm.
        length_bias: mean predicted less true length, mm.
        percent: share of all bones' squared error.
        length_percent, image_percent, depth_percent: shares of this bone's squared error.
        wrong_depth_sign: share of the poses, of those in which the true bone points to or from the camera by more than a quarter of its
            length, in which the predicted bone points the other way, %; a coin gets 50. None where there are none.
    """

    name: str
    length: float
    length_bias: float
    percent: float
    length_percent: float
    image_percent: float
    depth_percent: float
    wrong_depth_sign: float | None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The error of the poses that have something in common, frame-weighted.

    Attributes:
        dimension: one of :data:`DIMENSIONS`.
        label: such as ``walk``, ``away from the camera``, ``4-5 m``.
        error: mean distance, mm; for ``bone-depth`` that of the bones' vectors.
        low, high: interval of ``error``.
        ratio: ``error`` over that of all slices of the dimension.
        percent: share of the poses (for ``bone-depth`` of the bones).
        poses: their number.
        takes: number of takes that they are from.
    """

    dimension: str
    label: str
    error: float
    low: float | None
    high: float | None
    ratio: float
    percent: float
    poses: int
    takes: int

    def __post_init__(self) -> None:
        _one_of("dimension", self.dimension, DIMENSIONS)


@dataclass(frozen=True, kw_only=True)
class DiagnosedFrame:
    """One pose.

    Attributes:
        clip: the clip id.
        frame: the frame's number in the clip, from 0, as the dataset counts.
        index: its place among the clip's scored frames, from 0.
        value: mean distance of the joints, mm.
        fix: the whole-body fix that it needs: ``none``, ``depth``, ``sides`` or ``both``.
        fixed: mean distance after that fix, mm.
        aligned: mean distance after that fix and the best similarity, mm.
        shares: percent of the squared error by part of ``pose``.
    """

    clip: str
    frame: int
    index: int
    value: float
    fix: str
    fixed: float
    aligned: float
    shares: dict[str, float]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Diagnosis:
    """Where the error of a prediction file comes from.

    Attributes:
        protocol, data, predictions: what was diagnosed against what.
        coverage, invalid: counts of poses; invalid poses count with every joint at the root.
        findings: what the checks found, with at most ten clips each.
        metric: what the ladder starts from: ``MPJPE``, or ``N-MPJPE`` where the file's scale is unknown.
        value: the file's ``metric``, mm.
        ladder: the rungs, in order.
        discrete: the whole-body fixes of the rung ``discrete``.
        flip_rate: share of poses that a reflection would fit better than any rotation, frame-weighted, %: the metric ``flip-rate``, which
            also sees a flip of a pose that is turned.
        decompositions: of the squared error, one for each of :data:`PARTS`.
        oracles: further fixes, each alone.
        joints: one for each scored joint.
        bones: one for each bone.
        slices: by dimension.
        worst_slices: the slices of poses with the largest ``ratio``, of three dimensions, out of those of at least 1 % of the poses and
            two takes.
        worst: the ten poses with the largest error, the worst first.
        median: ten poses around the median error.
        largest: name of the rung or oracle that is the largest avoidable part; empty where none stands out.
        sentence: the largest avoidable part and what it costs.
        notes: what to know about these numbers.
        environment: versions and machine.
        wall_time_s: duration, seconds.
        rows, sums: sums of every number that differences are made of; not stored.
    """

    protocol: ScoredProtocol
    data: ScoredData
    predictions: ScoredFile
    coverage: Coverage
    invalid: InvalidPoses
    findings: tuple[Finding, ...]
    metric: str
    value: float
    ladder: tuple[Rung, ...]
    discrete: tuple[DiscreteFix, ...]
    flip_rate: float
    decompositions: tuple[Decomposition, ...]
    oracles: tuple[Oracle, ...]
    joints: tuple[JointError, ...]
    bones: tuple[BoneError, ...]
    slices: tuple[Slice, ...]
    worst_slices: tuple[Slice, ...]
    worst: tuple[DiagnosedFrame, ...]
    median: tuple[DiagnosedFrame, ...]
    largest: str
    sentence: str
    notes: tuple[str, ...]
    environment: Environment
    wall_time_s: float
    rows: list[Row] = field(default_factory=list, metadata={"stored": False})
    sums: Mapping[str, Sums] = field(default_factory=dict, metadata={"stored": False})

    def __post_init__(self) -> None:
        if tuple(rung.name for rung in self.ladder) != RUNGS:
            raise ValueError(f"the ladder's rungs are not {', '.join(RUNGS)}")
        if tuple(one.name for one in self.decompositions) != tuple(PARTS):
            raise ValueError(f"the decompositions are not {', '.join(PARTS)}")

    def __repr__(self) -> str:
        name = self.predictions.method or self.predictions.file
        return f"<Diagnosis {name!r} under {self.protocol.id}: {self.metric} {self.value:.2f} mm. {self.sentence}>"

    def minus(self, other: Diagnosis) -> Differences:
        """Paired differences of every share, rung and oracle: this file less the other, with intervals over takes.

        Raises:
            PosebenchError: the two are not of one protocol, data, clips and scale, or one was read from a file, which holds no sums.
        """
        return differences(self, other)

    def rung(self, name: str) -> Rung:
        """The rung of this name."""
        return self.ladder[RUNGS.index(name)]

    def decomposition(self, name: str) -> Decomposition:
        """The decomposition of this name."""
        return self.decompositions[list(PARTS).index(name)]

    @property
    def frame(self) -> pd.DataFrame:
        """Every number, but those of single frames, as a pandas table: table, name, column, value, low, high.

        Example:
            ``frame.query("table == 'ladder' and column == 'error'").set_index("name")["value"]`` is the ladder.
        """
        import pandas as pd

        found = pd.DataFrame(list(numbers(self)), columns=list(Number._fields))
        return found.astype({"value": float, "low": float, "high": float})

    def squares(self, name: str, averages: Averages) -> tuple[Array, Array | None]:
        """Mean squares (parts,) of a decomposition per joint or bone, mm^2, and the same in every resample (B, parts)."""
        found = averages.of(self.sums[name].total, self.sums[name].count)
        return mean_squares(name, found.value), None if found.resampled is None else mean_squares(name, found.resampled)

    def plot(self, axes: Axes | None = None, what: str = "ladder") -> Axes:
        """Draw the ``ladder`` with its chance line, or the ``shares``, on matplotlib axes; new ones if none are given.

        Raises:
            PosebenchError: there is no such picture.
        """
        return plot_diagnosis(self, axes, what)

    def _repr_html_(self) -> str:
        """For notebooks: the sentence, the ladder and the shares."""
        ladder = [
            [rung.name, rung.fix, *map(_number, (rung.error, rung.gain, rung.alone, rung.chance)), rung.cannot] for rung in self.ladder
        ]
        shares = [
            [one.name, part.name, _number(part.percent), _number(part.rms), _number(part.median)]
            for one in self.decompositions
            for part in one.parts
        ]
        heads = ["rung", "fix", f"{self.metric} [mm]", "gain", "alone", "chance", ""]
        return "\n".join(
            [
                html_table(ladder, heads, repr(self).strip("<>")),
                html_table(shares, ["of", "part", "%", "RMS [mm]", "median [mm]"], "Shares of the squared error."),
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """The content of the JSON file."""
        return {"posebench_diagnosis": SCHEMA, **to_json(self)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``path`` (JSON), whole or not at all.

        Raises:
            PosebenchError: the name does not end with .json, or the folder cannot be written.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise PosebenchError(f"{path.name}", "a name that ends with .json", "rename the output file")
        write_text(path, json.dumps(self.as_dict(), indent=1) + "\n")
        return path


def load_diagnosis(path: str | os.PathLike[str]) -> Diagnosis:
    """Read a diagnosis. Names in it are from files: escape them where they are shown.

    Raises:
        PosebenchError: the file is missing, no diagnosis, or of a newer schema.
    """
    path = Path(path)
    wanted = "a diagnosis written by posebench diagnose -o"
    try:
        content = read_json(path, _MAX_JSON_BYTES)
    except OSError as error:
        raise PosebenchError(f"{path}: {error.strerror}", wanted, _NEXT) from error
    except ValueError as error:
        raise PosebenchError(f"{path} is not JSON ({error})", wanted, _NEXT) from error
    schema = content.pop("posebench_diagnosis", None) if isinstance(content, dict) else None
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise PosebenchError(f"{path}: posebench_diagnosis = {schema!r}", f"{wanted}, of schema 1 to {SCHEMA}", _NEXT)
    try:
        diagnosis: Diagnosis = from_json(Diagnosis, content)
    except RecordError as error:
        raise PosebenchError(f"{path}: {error}", wanted, _NEXT) from error
    return diagnosis


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _one_of(what: str, name: str, names: Any) -> None:
    if name not in names:
        raise ValueError(f"{what} {name!r}, not one of {', '.join(names)}")
