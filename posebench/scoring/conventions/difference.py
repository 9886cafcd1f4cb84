"""Which conventions explain the difference of two numbers: single ones, and combinations of two or three."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from posebench.scoring.conventions.switches import Convention

#: Single conventions that are shown, at most.
SHOWN = 5
#: What is left of a difference below this, in the metric's unit, is nothing.
SAME = 0.05
#: A combination is shown where it explains this share of the difference more than one with fewer conventions.
_NOTABLE = 0.1
#: What a convention changes, in the order in which a number is made. A combination takes one convention of each at most.
_STAGES = {"frames": "frames", "rows": "rows", "average": "average"}


@dataclass(frozen=True, kw_only=True)
class Combination:
    """Conventions applied together.

    Attributes:
        conventions: their ids.
        text: what they do.
        value: the first number under them.
        other: the second number: as it is, or under the same conventions where both were scored alike.
        left: what remains of the difference.
        share: the part of the difference that they explain: 1 for all of it, negative where it grows.
    """

    conventions: tuple[str, ...]
    text: str
    value: float
    other: float
    left: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two numbers of one metric, and what explains their difference.

    Attributes:
        metric, unit: the metric.
        a, b: names of the two.
        value, other: their numbers.
        both: whether each convention was applied to both, as they were scored alike; otherwise to the first only.
        combinations: the best single conventions, then the best two and three where they explain more.
        tried: number of combinations that were computed.
        within: how many of them leave less than :data:`SAME`.
        declared: what is declared differently and no convention can change: (first, second) by name.
    """

    metric: str
    unit: str
    a: str
    b: str
    value: float
    other: float
    both: bool
    combinations: tuple[Combination, ...]
    tried: int
    within: int
    declared: dict[str, list[str]] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """The first number less the second."""
        return self.value - self.other

    @property
    def best(self) -> Combination | None:
        """The combination that leaves least of those shown; None where none makes the difference smaller."""
        best = min(self.combinations, key=lambda one: abs(one.left), default=None)
        return best if best is not None and best.share > 0.0 else None

    @property
    def sentence(self) -> str:
        """What explains the difference, in words."""
        start = f"{self.metric}: {self.a} {self.value:.2f}, {self.b} {self.other:.2f}, difference {self.gap:+.2f} {self.unit}."
        if abs(self.gap) < SAME:
            return f"{start} They are the same."
        if self.best is None:
            return f"{start} No convention that can be computed makes it smaller."
        where = "for both" if self.both else f"for {self.a}"
        text = f"{start} Most is explained {where} by: {self.best.text}. That leaves {self.best.left:+.2f} {self.unit}"
        text += f" ({100.0 * self.best.share:.0f} % explained)."
        if self.within > 1:
            text += f" {self.within:,} of {self.tried:,} combinations leave less than {SAME:g}: the number alone does not tell which it is."
        return text


def stage(convention: Convention) -> str:
    """What a convention changes: ``frames``, ``rows``, ``average``, or else the ``number`` of a frame."""
    kinds = {_STAGES.get(name, "number") for name in convention.change}
    return kinds.pop() if len(kinds) == 1 else "number"


def small_combinations(conventions: Sequence[Convention]) -> Iterator[tuple[Convention, ...]]:
    """One, two or three conventions of different stages; of three, the average is one."""
    by_stage: dict[str, list[Convention]] = {"number": [], "frames": [], "rows": [], "average": []}
    for convention in conventions:
        by_stage[stage(convention)].append(convention)
    for size in (1, 2, 3):
        for stages in combinations(by_stage, size):
            if size < 3 or "average" in stages:
                yield from product(*(by_stage[name] for name in stages))


def ranked(found: Mapping[tuple[Convention, ...], tuple[float, float]], gap: float) -> tuple[list[Combination], int]:
    """The best single conventions, then the best two and the best three where they explain more; and how many leave less than 0.05.

    Few conventions come first: among thousands of combinations some come near any number by chance.
    """
    listed = []
    for conventions, (value, other) in found.items():
        left = value - other
        share = 1.0 - abs(left / gap) if gap else 0.0
        text = "; ".join(convention.text for convention in conventions)
        names = tuple(convention.id for convention in conventions)
        listed.append(Combination(conventions=names, text=text, value=value, other=other, left=left, share=share))
    listed.sort(key=lambda one: abs(one.left))
    kept = [one for one in listed if len(one.conventions) == 1][:SHOWN]
    for size in (2, 3):
        best = next((one for one in listed if len(one.conventions) == size), None)
        least = min((abs(one.left) for one in kept), default=abs(gap))
        if best is not None and abs(best.left) < least - max(SAME, _NOTABLE * abs(gap)):
            kept.append(best)
    return kept, sum(abs(one.left) < SAME for one in listed)
