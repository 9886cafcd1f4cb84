"""The largest avoidable part of an error, and what it costs, in one sentence.

**Convention.** Candidates are the rungs and oracles, each applied alone. What a fix leaves is compared with what it leaves of noise of the
same size, since any fix with free numbers in each pose gains something on anything; but for the error above 6 Hz, which a filter removes
without fitting. Of candidates with nearly the same gain the one with the fewest free numbers is named; where one contains the other, such
as signs of single bones the flip of the whole pose, the simpler one is named if it gains two thirds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from posebench.predictions.finding import Finding
from posebench.scoring.decomposition.body import LIMBS
from posebench.scoring.decomposition.record import DiscreteFix, Oracle, Rung

#: A part is named where it costs at least this share of the error.
_NOTABLE = 0.05
#: Candidates that gain at least this share of the largest gain explain the same.
_AS_GOOD = 0.95
#: Fixes of which the later ones contain the earlier ones, and the share of a later one's gain at which an earlier one is named.
_LIMBS = tuple(f"{limb}-depth" for limb in LIMBS)
_NESTED = (
    ("discrete", "depth-sign", *_LIMBS, "limbs-depth", "bones-depth"),
    ("set-scale", "clip-scale", "clip-lengths", "frame-scale"),
    ("azimuth", "elevation", "roll", "rotation"),
)
_MOST_OF_IT = 2.0 / 3.0
#: Candidates by their number of free numbers: of the set, of a clip, of a pose.
_ORDER = (
    "set-scale",
    "ray",
    "discrete",
    "arms-exchanged",
    "legs-exchanged",
    "sides-exchanged",
    *_LIMBS,
    "depth-sign",
    "clip-scale",
    "offset",
    "clip-lengths",
    "jitter",
    "limbs-depth",
    "azimuth",
    "elevation",
    "roll",
    "frame-scale",
    "rotation",
    "bones-depth",
)


class Candidate(NamedTuple):
    """A fix, alone.

    Attributes:
        name: of the rung or oracle.
        error: what it leaves, mm.
        beyond_chance: what it gains beyond what it gains on noise, mm.
        explained: share of the error of noise, after the same fix, that the file does not have.
    """

    name: str
    error: float
    beyond_chance: float
    explained: float

    @classmethod
    def of(cls, name: str, start: float, gain: float, chance: float | None) -> Candidate:
        """From what the fix gains on the file and on noise, mm; noise that it makes worse counts as noise that it does not change."""
        of_noise = min(max(chance or 0.0, 0.0), (1.0 - 1e-9) * start)
        return cls(name, start - gain, gain - of_noise, 1.0 - (start - gain) / (start - of_noise))


def candidates(ladder: Sequence[Rung], oracles: Sequence[Oracle], start: float) -> list[Candidate]:
    """The fixes that can be named, with the simplest first."""
    found = {rung.name: Candidate.of(rung.name, start, rung.alone, rung.alone_chance) for rung in ladder[1:] if rung.alone is not None}
    for one in oracles:
        if one.gain is not None:
            # A filter that removes the error above 6 Hz fits nothing to a pose.
            found[one.name] = Candidate.of(one.name, start, one.gain, None if one.name == "jitter" else one.chance)
    return [found[name] for name in _ORDER if name in found]


def largest_part(
    metric: str,
    start: float,
    ladder: Sequence[Rung],
    discrete: Sequence[DiscreteFix],
    oracles: Sequence[Oracle],
    findings: Sequence[Finding],
) -> tuple[str, str]:
    """Name of the largest avoidable part (empty where none is notable), and the sentence."""
    said = [finding for finding in findings if finding.severity == "error"]
    first = f"The check found an error, {said[0].name}: mend that first. " if said else ""
    if not start > 1e-6:
        return "", f"{first}There is no error to explain: the predictions equal the truth."
    found = candidates(ladder, oracles, start)
    if not found:
        return "", f"{first}No fix could be computed."
    named = _named(found)
    if named.explained < _NOTABLE:
        return "", (
            f"{first}No avoidable part stands out: the largest, {_short(named.name)}, costs {max(named.beyond_chance, 0.0):.1f} of "
            f"{start:.1f} mm beyond chance; what is left is articulation."
        )
    share = next((one for one in oracles if one.name == named.name), None)
    what = _what(named.name, discrete, share)
    return (
        named.name,
        f"{first}The largest avoidable part: {what}; without it {metric} would be {named.error:.1f} instead of {start:.1f} mm.",
    )


def _named(found: Sequence[Candidate]) -> Candidate:
    """The candidate with the largest gain beyond chance, or a simpler one that explains the same, or most of it."""
    best = max(one.explained for one in found)
    named = next(one for one in found if one.explained >= _AS_GOOD * best)
    contained = next((family[: family.index(named.name)] for family in _NESTED if named.name in family), ())
    return next((one for one in found if one.name in contained and one.explained >= _MOST_OF_IT * best), named)


def _what(name: str, discrete: Sequence[DiscreteFix], oracle: Oracle | None) -> str:
    if name == "discrete":
        parts = [f"{one.percent:.0f} % of the poses {_DISCRETE[one.name]}" for one in discrete if one.percent >= 0.5]
        return " and ".join(parts) or f"{discrete[0].percent:.1f} % of the poses {_DISCRETE['depth']}"
    text = _LONG[name]
    if oracle is None:
        return text
    if oracle.percent is not None and "{" in text:
        return text.format(f"{oracle.percent:.0f} %")
    if oracle.amount is not None and oracle.spread is not None:
        one_way = abs(oracle.amount) >= max(1.0, oracle.spread)
        return (
            f"{text}, by {oracle.amount:+.1f} degrees in the median" if one_way else f"{text}, either way, by {oracle.spread:.1f} degrees"
        )
    return text


_DISCRETE = {
    "depth": "are mirrored in depth (face backwards)",
    "sides": "have left and right exchanged",
    "both": "are mirrored in depth with left and right exchanged",
}
_LONG = {
    "set-scale": "all poses have the wrong size by one factor",
    "clip-scale": "people have the wrong size, by one factor for each clip",
    "frame-scale": "each pose has the wrong size",
    "rotation": "poses are turned or misplaced as a whole",
    "ray": "poses are turned as if the camera looked at the person",
    "arms-exchanged": "left and right arm are exchanged in {} of the poses",
    "legs-exchanged": "left and right leg are exchanged in {} of the poses",
    "sides-exchanged": "left and right are exchanged in {} of the poses",
    "left-arm-depth": "the left arm is mirrored in depth in {} of the poses that show its depth",
    "right-arm-depth": "the right arm is mirrored in depth in {} of the poses that show its depth",
    "left-leg-depth": "the left leg is mirrored in depth in {} of the poses that show its depth",
    "right-leg-depth": "the right leg is mirrored in depth in {} of the poses that show its depth",
    "trunk-depth": "the trunk is mirrored in depth in {} of the poses that show its depth",
    "limbs-depth": "limbs are mirrored in depth, {} of those that show their depth",
    "bones-depth": "bones point the wrong way in depth, {} of those that show their depth",
    "depth-sign": "predicted depths are on the wrong side of the root in {} of the poses",
    "offset": "joints are off by the same vector in the body frame in all poses (another skeleton, or a lean)",
    "clip-lengths": "bones have the wrong lengths",
    "jitter": "poses jitter above 6 Hz",
    "azimuth": "poses are turned about the vertical",
    "elevation": "poses are tilted towards or away from the camera",
    "roll": "poses are turned about the line of sight",
}
_SHORT = {"discrete": "flips of whole poses", "jitter": "jitter above 6 Hz", "bones-depth": "bones' signs of depth"}


def _short(name: str) -> str:
    return _SHORT.get(name, name.replace("-", " "))
