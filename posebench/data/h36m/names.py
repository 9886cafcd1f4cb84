"""Names in Human3.6M: subjects, cameras, actions, the name of each take; and the official counts of test frames.

**Convention.** Takes are named as in VideoPose3D's archive: as the official files, but ``TakingPhoto`` and ``WalkingDog`` of S1 are
``Photo`` and ``WalkDog``. The action is the text before the first space. Facts and counts: ``docs/h36m.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

SPLITS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
SUBJECTS = (*SPLITS["train"], *SPLITS["test"])

#: Human3.6M's actions by number, from 2; number 1 is the calibration (``metadata.xml``). Not the order of the papers' tables.
NUMBERED_ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
#: Camera ids, by index 0 to 3.
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
#: Width and height of the image, px, by camera; the same for every subject in :data:`SUBJECTS`.
SIZES = dict(zip(CAMERAS, ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)), strict=True))

#: Frames of the test subjects by action, four cameras, S11 Directions left out.
TEST_FRAMES = {
    "Directions": 26428,
    "Discussion": 64244,
    "Eating": 39308,
    "Greeting": 30644,
    "Phoning": 56088,
    "Photo": 29320,
    "Posing": 27280,
    "Purchases": 19284,
    "Sitting": 40276,
    "SittingDown": 33324,
    "Smoking": 55552,
    "Waiting": 37864,
    "WalkDog": 28304,
    "Walking": 29264,
    "WalkTogether": 26164,
}
ACTIONS = tuple(TEST_FRAMES)
#: The actions as the tables of papers abbreviate them, in the order of those tables.
SHORT_ACTIONS = dict(
    zip(
        ACTIONS,
        ("Dir.", "Disc.", "Eat", "Greet", "Phone", "Photo", "Pose", "Purch.", "Sit", "SitD.", "Smoke", "Wait", "WalkD.", "Walk", "WalkT."),
        strict=True,
    )
)

#: Takes whose motion capture is displaced from the image.
DAMAGED = ("S9/Greeting", "S9/SittingDown 1", "S9/Waiting 1")
#: The take whose video of camera 54138969 cannot be read; VideoPose3D leaves it out.
UNREADABLE = "S11/Directions"

#: Names of sub-actions 1 and 2 of the test subjects, where they are not ``X 1`` and ``X``.
_IRREGULAR = {
    ("S9", "Discussion"): ("Discussion 1", "Discussion 2"),
    ("S11", "Discussion"): ("Discussion 1", "Discussion 2"),
    ("S11", "Greeting"): ("Greeting 2", "Greeting"),
    ("S11", "Phoning"): ("Phoning 3", "Phoning 2"),
    ("S9", "SittingDown"): ("SittingDown", "SittingDown 1"),
    ("S11", "SittingDown"): ("SittingDown", "SittingDown 1"),
    ("S11", "Smoking"): ("Smoking 2", "Smoking"),
}
_RENAMED = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}

#: (subject, action, sub-action number) to the take's name, as ``metadata.xml`` states it.
Mapped = Mapping[tuple[str, str, int], str]


def take_name(name: str) -> str:
    """The name of a take, from any of its spellings: blanks for underscores, and the two actions that VideoPose3D renamed.

    Example:
        >>> take_name("TakingPhoto_1")
        'Photo 1'
    """
    words = name.replace("_", " ").split()
    return " ".join([_RENAMED.get(words[0], words[0]), *words[1:]]) if words else ""


def take_of_subaction(subject: str, action: str, number: int, mapped: Mapped | None = None) -> str:
    """The take's name from its sub-action number: by ``mapped`` if it is given, else by a built-in table for S9 and S11.

    Names of the training subjects follow no rule; without ``mapped`` they are formed from the number: ``Waiting sub-action 1``.

    Example:
        >>> take_of_subaction("S9", "SittingDown", 2)
        'SittingDown 1'
    """
    action = take_name(action)
    if mapped and (subject, action, number) in mapped:
        return mapped[subject, action, number]
    if subject not in SPLITS["test"] or number not in (1, 2):
        return f"{action} sub-action {number}"
    return _IRREGULAR.get((subject, action), (f"{action} 1", action))[number - 1]


def action_of(take: str) -> str:
    """The action of a take's name.

    Example:
        >>> action_of("SittingDown 1")
        'SittingDown'
    """
    return take.partition(" ")[0]


def in_order(takes: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(subject, take name) pairs in dataset order: by subject, by action (unknown ones last), then by name."""

    def rank(pair: tuple[str, str]) -> tuple[int, int, str, list[int], str]:
        subject, take = pair
        action = action_of(take)
        number = ACTIONS.index(action) if action in ACTIONS else len(ACTIONS)
        return SUBJECTS.index(subject), number, action, [int(n) for n in re.findall(r"\d+", take)], take

    return sorted(takes, key=rank)


def short_actions(actions: Sequence[str]) -> list[str]:
    """The names of actions that papers print, if all are of Human3.6M; otherwise the names as they are.

    Example:
        >>> short_actions(["Directions", "SittingDown"]), short_actions(["walk", "Sitting"])
        (['Dir.', 'SitD.'], ['walk', 'Sitting'])
    """
    return [SHORT_ACTIONS[name] for name in actions] if set(actions) <= SHORT_ACTIONS.keys() else list(actions)
