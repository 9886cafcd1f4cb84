"""A dataset with the names and irregularities of Human3.6M as it is distributed, to rehearse with.

**Convention.** Poses and cameras are those of :func:`posebench.data.h36m.resimulation.resimulate`; names and 2D sources change:

* Actions that Human3.6M has keep their names; others get those of its remaining actions, in its order. A ``Directions`` may thus show
  boxing. Each subject's two takes of an action have the official names, second trials and exceptions included.
* The sources are those of detectors: ``cpn_ft_h36m_dbb`` (17 joints) and ``sh_ft_h36m`` (16, without neck/nose), each the true 2D with
  the noise of ``gauss5``, and each :data:`SURPLUS` frames longer than the motion capture.
* S11 ``Directions`` has motion capture. Camera 54138969 has no detections of it; the layout of VideoPose3D leaves the whole take out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from posebench.base.skeletons import joint_map
from posebench.data.clip import Array, Clip, Dataset
from posebench.data.h36m.names import ACTIONS, CAMERAS, SPLITS, UNREADABLE, action_of, take_of_subaction
from posebench.data.h36m.resimulation import resimulate

CPN, HOURGLASS = "cpn_ft_h36m_dbb", "sh_ft_h36m"
#: Frames by which detections are longer than the motion capture.
SURPLUS = 3
#: Clip whose video cannot be read: no detections.
UNDETECTED = f"{UNREADABLE}/{CAMERAS[0]}"
#: Names of sub-actions 1 and 2 of the training subjects, where they are not ``X 1`` and ``X`` (``metadata.xml``).
_IRREGULAR = {
    ("S5", "Directions"): ("Directions 1", "Directions 2"),
    ("S5", "Discussion"): ("Discussion 2", "Discussion 3"),
    ("S5", "Waiting"): ("Waiting 1", "Waiting 2"),
    ("S6", "Waiting"): ("Waiting 3", "Waiting"),
    ("S7", "Phoning"): ("Phoning 2", "Phoning"),
    ("S7", "Waiting"): ("Waiting 1", "Waiting 2"),
    ("S7", "Walking"): ("Walking 1", "Walking 2"),
    ("S8", "WalkTogether"): ("WalkTogether 1", "WalkTogether 2"),
}
#: Actions of S1's files that bear other names in them.
_FILES_OF_S1 = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}


def as_distributed(dataset: Dataset) -> Dataset:
    """The dataset with Human3.6M's names of takes and the 2D sources of detectors.

    Raises:
        PosebenchError: another skeleton than h36m17, or subjects that Human3.6M does not have.
    """
    filmed = resimulate(dataset)
    names = _official_takes(filmed)
    infos, before = {}, {}
    for id, info in filmed.infos.items():
        take = f"{info.subject}/{names[info.take]}"
        renamed = replace(info, id=f"{take}/{info.camera}", take=take, action=action_of(names[info.take]))
        infos[renamed.id], before[renamed.id] = renamed, id

    def load(id: str) -> Clip:
        clip = filmed.load(before[id])
        noisy = clip.sources["gauss5"]
        sources: dict[str, Callable[[], Array]] = {"gt": clip.sources["gt"]}
        if id != UNDETECTED:
            sources |= {CPN: lambda: _longer(noisy()), HOURGLASS: lambda: _longer(noisy()[:, list(joint_map("h36m17", "h36m16"))])}
        return replace(clip, info=infos[id], sources=sources)

    return replace(filmed, infos=infos, load=load, keypoint_sources=("gt", CPN, HOURGLASS))


def is_distributed(dataset: Dataset) -> bool:
    """Whether a dataset has the detections of a distributed copy."""
    return HOURGLASS in dataset.keypoint_sources


def file_name(subject: str, take: str) -> str:
    """The name of a take's files in the official archives, where S1 has two names of its own.

    Example:
        >>> file_name("S1", "Photo 1"), file_name("S5", "Photo")
        ('TakingPhoto 1', 'Photo')
    """
    action, blank, number = take.partition(" ")
    return (_FILES_OF_S1.get(action, action) if subject == "S1" else action) + blank + number


def _longer(points: Array) -> Array:
    return np.concatenate([points, np.repeat(points[-1:], SURPLUS, axis=0)])


def _official_takes(dataset: Dataset) -> dict[str, str]:
    """The official name of each take, by its own id ``subject/name``."""
    actions = dict.fromkeys(info.action for info in dataset.infos.values())
    free = [action for action in ACTIONS if action not in actions]
    official = {action: action if action in ACTIONS else free.pop(0) for action in actions}
    takes: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for info in dataset.infos.values():
        takes[info.subject, official[info.action]].setdefault(info.take)
    return {take: _take_name(subject, action, number) for (subject, action), found in takes.items() for number, take in enumerate(found, 1)}


def _take_name(subject: str, action: str, number: int) -> str:
    if number > 2:
        return f"{action} {number + 1}"
    if subject in SPLITS["test"]:
        return take_of_subaction(subject, action, number)
    return _IRREGULAR.get((subject, action), (f"{action} 1", action))[number - 1]
