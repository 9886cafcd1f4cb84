"""Human3.6M's names: subjects, cameras, actions, the one name we give each take, and the counts of the official test frames.

**Convention.** A take's name is the one of VideoPose3D's archive: that of the official files, with ``TakingPhoto`` and ``WalkingDog``
of S1 renamed ``Photo`` and ``WalkDog``; the action is the text before the first space. Facts and counts: ``docs/h36m.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SPLITS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
SUBJECTS = (*SPLITS["train"], *SPLITS["test"])

#: In index order 0 to 3.
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
#: Width and height, px, of every subject of :data:`SUBJECTS`.
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
    """The one name of a take: blanks for underscores, VideoPose3D's two renamed actions.

    Example:
        >>> take_name("TakingPhoto_1")
        'Photo 1'
    """
    words = name.replace("_", " ").split()
    return " ".join([_RENAMED.get(words[0], words[0]), *words[1:]]) if words else ""


def take_of_subaction(subject: str, action: str, number: int, mapped: Mapped | None = None) -> str:
    """The name of sub-action 1 or 2: from the owner's ``metadata.xml`` where there is one, else from the table of S9 and S11.

    For the training subjects, whose names follow no rule, the number stays visible: ``Waiting sub-action 1``.

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
    """(subject, take name) pairs in dataset order: subjects as listed, actions as listed (others after them), then by name."""

    def place(pair: tuple[str, str]) -> tuple[int, int, str, list[int], str]:
        subject, take = pair
        action = action_of(take)
        rank = ACTIONS.index(action) if action in ACTIONS else len(ACTIONS)
        return SUBJECTS.index(subject), rank, action, [int(n) for n in re.findall(r"\d+", take)], take

    return sorted(takes, key=place)
