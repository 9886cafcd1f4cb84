"""What a method was given besides its training: facts that decide which rows of a leaderboard may be compared.

**Convention.** A fact is a short text in a fixed form (:data:`FACTS`), stated in the provenance of a prediction file. A row with an oracle,
or whose weights were selected on the test split, or that adapts to other test clips, is shown beside the ranking and never in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: What stands for a fact that a file does not tell.
NOT_STATED = "not stated"
NONE = "none"


class Fact(NamedTuple):
    """A fact: what it tells, the form of its values as a regular expression, and the same in words."""

    about: str
    pattern: str
    wanted: str


def _none_or_some(*choices: str) -> str:
    """``none``, or one or more of ``choices``, joined by `` + ``."""
    one = f"(?:{'|'.join(choices)})"
    return rf"none|{one}(?: \+ {one})*"


_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_TEST_DATA = r", (?:own clip|other clips)"
_ORACLES = (r"flip \(pose\)", r"flip \(joint\)", "scale per frame", "root depth", "best of [0-9]+", "box from truth")
FACTS = {
    "online": Fact("whether a pose depends on no later frame", "yes|no", "yes, or no"),
    "tta": Fact(
        "test-time augmentation",
        _none_or_some("flip", "views", r"ensemble \([0-9]+\)"),
        "none, flip, views or ensemble (n); several joined by +",
    ),
    "test_time": Fact(
        "work on test data other than the lift itself, and which test data it reads",
        rf"none|(?:calibration|optimisation \([0-9]+ steps?(?:, {_NUMBER} s a pose)?\)){_TEST_DATA}",
        "none; calibration, own clip; optimisation (20 steps), own clip; or with other clips in place of own clip",
    ),
    "input_filter": Fact(
        "smoothing of the keypoints and its window",
        r"[^\W_][\w .,()+-]{0,79}",
        "none, or a filter such as median, window 5",
    ),
    "oracle": Fact(
        "what the method takes from the true poses at test time",
        _none_or_some(*_ORACLES),
        "none, flip (pose), flip (joint), scale per frame, root depth, best of K or box from truth; several joined by +",
    ),
    "selection": Fact(
        "how the weights were chosen",
        "none|last epoch|criterion without truth|on test",
        "last epoch, criterion without truth, or on test; none where nothing was trained",
    ),
}
#: The facts of a lifter of one frame that nothing was trained for.
OF_UNTRAINED = {"online": "yes", "tta": NONE, "test_time": NONE, "input_filter": NONE, "oracle": NONE, "selection": NONE}

#: Side information that was measured from true poses or places: how it begins, and what the column of supervision says about it.
_MEASURED = (
    ("cameras look down by ", "camera tilt from calibration (training split)"),
    ("bone length ratios", "bone ratios of the training truth"),
)


def fits(name: str, value: str) -> bool:
    """Whether a fact has a value of its form.

    Example:
        >>> fits("tta", "flip + ensemble (5)"), fits("oracle", "best of 200"), fits("selection", "best epoch")
        (True, True, False)
    """
    return re.fullmatch(FACTS[name].pattern, value) is not None


def why_unranked(facts: Mapping[str, str]) -> str:
    """Why a row with these facts is not ranked; empty if it is.

    Example:
        >>> why_unranked({"oracle": "best of 5", "selection": "on test"})
        'oracle: best of 5; weights selected on the test split'
    """
    oracle = facts.get("oracle", NONE)
    reasons = [f"oracle: {oracle}"] if oracle not in (NONE, NOT_STATED) else []
    reasons += ["weights selected on the test split"] if facts.get("selection") == "on test" else []
    reasons += ["reads other test clips at test time"] if facts.get("test_time", "").endswith("other clips") else []
    return "; ".join(reasons)


def supervision_in_words(supervision: str, side_information: Sequence[str]) -> str:
    """The 3D that a method has seen: that of its training, and what its side information was measured from.

    Example:
        >>> supervision_in_words("none", ["cameras look down by 6.2 degrees on average"])
        'none + camera tilt from calibration (training split)'
    """
    measured = [words for start, words in _MEASURED if any(one.startswith(start) for one in side_information)]
    return " + ".join([supervision, *measured])
