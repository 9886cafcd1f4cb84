"""Joint orders of the field, and the permutation of joints that fits best.

**Convention.** An order is a list of joint names in file order, of this project's names (:mod:`posebench.base.skeletons`); names that no
skeleton of ours has stand for joints that are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posebench.base.skeletons import EQUATED, SKELETONS, Skeleton

Array = npt.NDArray[np.float64]

#: Share of the joints that an order must have in common with the truth to be judged.
COMMON = 0.65
#: Poses that the best permutation is looked for with, at most.
_POSES = 1024

_RIGHT_LEG, _LEFT_LEG = "r_hip r_knee r_ankle", "l_hip l_knee l_ankle"
_RIGHT_ARM, _LEFT_ARM = "r_shoulder r_elbow r_wrist", "l_shoulder l_elbow l_wrist"
_ENDS_FIRST = "r_ankle r_knee r_hip l_hip l_knee l_ankle"
_ARMS_ENDS_FIRST = "r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist"

#: Orders that files of other projects hold, beside those of our skeletons.
FIELD_ORDERS: dict[str, str] = {
    "MPII 16": f"{_ENDS_FIRST} pelvis thorax neck_nose head_top {_ARMS_ENDS_FIRST}",
    "MPII 16 (thorax, head and neck)": f"{_ENDS_FIRST} pelvis spine thorax head_top {_ARMS_ENDS_FIRST}",
    "MPII 17": f"{_ENDS_FIRST} pelvis spine thorax head_top {_ARMS_ENDS_FIRST} neck_nose",
    "MPII 17 (thorax, neck, head, spine)": f"{_ENDS_FIRST} pelvis thorax neck_nose head_top {_ARMS_ENDS_FIRST} spine",
    "CanonPose 16": f"{_RIGHT_LEG} {_LEFT_LEG} pelvis thorax neck_nose head_top {_RIGHT_ARM} {_LEFT_ARM}",
    "H36M 14": f"{_RIGHT_LEG} {_LEFT_LEG} thorax head_top {_LEFT_ARM} {_RIGHT_ARM}",
    "H36M 14, right arm first": f"{_RIGHT_LEG} {_LEFT_LEG} thorax head_top {_RIGHT_ARM} {_LEFT_ARM}",
    "H36M 14 with its pelvis": f"pelvis {_RIGHT_LEG} {_LEFT_LEG} head_top {_LEFT_ARM} {_RIGHT_ARM}",
    "SPIN's H36M 17": f"pelvis {_LEFT_LEG} {_RIGHT_LEG} spine thorax neck_nose head_top {_LEFT_ARM} {_RIGHT_ARM}",
    "AIC 14": f"{_RIGHT_ARM} {_LEFT_ARM} {_RIGHT_LEG} {_LEFT_LEG} head_top thorax",
    "SMPL 24": (
        "pelvis l_hip r_hip spine1 l_knee r_knee spine2 l_ankle r_ankle spine3 l_foot r_foot"
        " thorax l_collar r_collar head l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hand r_hand"
    ),
    "a subset of SMPL, 17": (
        "pelvis l_hip r_hip spine l_knee r_knee l_ankle r_ankle thorax neck_nose head_top"
        " l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist"
    ),
    "a subset of SMPL, 16": (
        "pelvis l_hip r_hip spine l_knee r_knee l_ankle r_ankle thorax head_top l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist"
    ),
    "a subset of SMPL, 14": (
        "l_hip r_hip l_knee r_knee l_ankle r_ankle thorax head_top l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist"
    ),
    "COCO 17 in pairs, right first": (
        "nose r_eye l_eye r_ear l_ear r_shoulder l_shoulder r_elbow l_elbow r_wrist l_wrist r_hip l_hip r_knee l_knee r_ankle l_ankle"
    ),
    "CrowdPose 14": ("l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle head_top thorax"),
}


@dataclass(frozen=True)
class Order:
    """A joint order that a file may have in truth.

    Attributes:
        name: for the message.
        columns: indices into the poses as read, one for each of ``joints``.
        joints: indices of the true joints that those columns are.
        names: what each joint of the file is, for the message.
        skeleton: id of our skeleton that has this order; empty if none has.
        known: whether the order has a name, or is only the permutation that fits best.
    """

    name: str
    columns: tuple[int, ...]
    joints: tuple[int, ...]
    names: tuple[str, ...] = ()
    skeleton: str = ""
    known: bool = True

    def differs(self) -> list[int]:
        """Positions in ``joints`` whose column is another than the one that was read for the joint."""
        return [k for k, (column, joint) in enumerate(zip(self.columns, self.joints, strict=True)) if column != joint]


def known_orders(stored: Skeleton, read: list[int], wanted: Skeleton) -> Iterator[Order]:
    """The orders of the field that a file stated as ``stored`` may have instead.

    Args:
        stored: the skeleton that the file states.
        read: for each joint of ``wanted`` its index in the file.
        wanted: the skeleton of the poses that are compared.
    """
    column = {index: k for k, index in enumerate(read)}
    orders = {f"of {name}": tuple(text.split()) for name, text in FIELD_ORDERS.items()}
    for skeleton in SKELETONS.values():
        equal = EQUATED.get((skeleton.id, wanted.id), {})
        orders[f"of {skeleton.id}"] = tuple(equal.get(joint, joint) for joint in skeleton.joints)
    orders |= {f"with {text}": tuple(names) for text, names in _turned_limbs(stored)}
    # Orders of the field are written in Human3.6M's names; a 3DHP skeleton has its neck where they have a thorax.
    ours_of = {h36m: mpi for mpi, h36m in EQUATED.get((wanted.id, "h36m17"), {}).items()}
    for name, stated in orders.items():
        if len(stated) != len(stored):
            continue
        names = tuple(joint if joint in wanted.joints else ours_of.get(joint, joint) for joint in stated)
        pairs = [(column[k], wanted.joints.index(joint)) for k, joint in enumerate(names) if k in column and joint in wanted.joints]
        pairs.sort(key=lambda pair: pair[1])
        ours = name.removeprefix("of ") if name.removeprefix("of ") in SKELETONS else ""
        columns, joints = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
        order = Order(name, columns, joints, names, ours)
        if len(pairs) >= COMMON * len(wanted) and order.differs():
            yield order


def _turned_limbs(stored: Skeleton) -> Iterator[tuple[str, list[str]]]:
    """The stated order with its limbs from the far end to the body."""
    legs, arms = {"hip": "ankle", "ankle": "hip"}, {"shoulder": "wrist", "wrist": "shoulder"}
    for text, swap in (("the legs reversed", legs), ("the arms reversed", arms), ("arms and legs reversed", legs | arms)):
        yield f"{text} (from the far end to the body)", [joint[:2] + swap.get(joint[2:], joint[2:]) for joint in stored.joints]


def best_permutation(pred: Array, truth: Array, wanted: Skeleton, coordinates: int) -> Order:
    """The permutation of the joints of ``pred`` (n, J, 3) nearest to ``truth`` (n, J, 3), by the first ``coordinates`` of them.

    Both are centred at the mean of all joints and scaled to one size, neither of which depends on the order.
    """
    step = max(1, len(pred) // _POSES)
    centred = [pose[::step, :, :coordinates] - pose[::step, :, :coordinates].mean(axis=1, keepdims=True) for pose in (pred, truth)]
    sizes = [np.sqrt(np.einsum("njc,njc->n", pose, pose)) for pose in centred]
    centred[0] = centred[0] * (sizes[1] / np.maximum(sizes[0], 1e-300))[:, None, None]
    cost = np.empty((pred.shape[1], pred.shape[1]))
    for joint in range(pred.shape[1]):
        cost[joint] = np.linalg.norm(centred[0] - centred[1][:, joint, None], axis=-1).mean(axis=0)
    columns = assignment(cost)
    # The names in file order: at each column the joint that it is.
    names = tuple(wanted.joints[columns.index(column)] for column in range(len(columns)))
    return Order("", tuple(columns), tuple(range(len(columns))), names, known=False)


def assignment(cost: Array) -> list[int]:
    """For each row of ``cost`` (n, n) its own column, so that the sum of the costs is least (the Hungarian method, O(n^3)).

    Example:
        >>> assignment(np.array([[1.0, 2.0], [1.0, 5.0]]))
        [1, 0]
    """
    n = len(cost)
    of_row, of_column = np.zeros(n + 1), np.zeros(n + 1)
    row_at = np.zeros(n + 1, dtype=int)  # row + 1 of each column + 1; 0 is none
    for row in range(1, n + 1):
        row_at[0] = row
        least, before, used = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=int), np.zeros(n + 1, dtype=bool)
        column = 0
        while row_at[column]:
            used[column] = True
            here = row_at[column]
            free = np.flatnonzero(~used)
            reduced = cost[here - 1, free - 1] - of_row[here] - of_column[free]
            better = reduced < least[free]
            least[free[better]], before[free[better]] = reduced[better], column
            nearest = free[int(least[free].argmin())]
            delta = least[nearest]
            of_row[row_at[used]] += delta
            of_column[used] -= delta
            least[free] -= delta
            column = int(nearest)
        while column:
            row_at[column] = row_at[before[column]]
            column = int(before[column])
    out = [0] * n
    for column in range(1, n + 1):
        out[row_at[column] - 1] = column - 1
    return out
