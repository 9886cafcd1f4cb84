"""Skeletons: joints by name, bones by parent, left and right by prefix, and maps between joint orders.

**Convention.** A joint is addressed by its name; ``l_`` and ``r_`` are the person's own left and right. Two skeletons
share a joint exactly when they share its name. Joints that the field treats as equal although they differ
anatomically (3DHP's ``neck`` and Human3.6M's ``thorax``) are listed in :data:`EQUATED`.

Sources of the orders: VideoPose3D ``common/h36m_dataset.py`` (32 and 17), Martinez ``SH_NAMES`` (Stacked Hourglass),
RepNet's released evaluation (16), SPIN ``constants.py`` (LSP 14), the official 3DHP ``mpii_get_joints.m`` (28 and 17), COCO and
COCO-WholeBody (17 and 133), SMPL (24), ASPset-510's ``aspset_17j``, VideoPose3D ``common/humaneva_dataset.py`` (15), OpenPose's COCO model
and BODY_25 (18 and 25), AlphaPose's Halpe (26), and PoseBench3D's ``dataset_indices`` (14).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from posebench.base.errors import PosebenchError, first_ten


@dataclass(frozen=True)
class Skeleton:
    """Joint names in file order, the parent of each (its index, -1 at the root) and the name of the root.

    ``root`` is None if no joint serves as root (LSP 14, COCO 17); the root is then the midpoint of the hips.
    """

    id: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    root: str | None

    def __post_init__(self) -> None:
        if len(self.joints) != len(self.parents) or len(set(self.joints)) != len(self.joints):
            raise ValueError(f"skeleton {self.id}: {len(self.joints)} joints, {len(self.parents)} parents, or a name twice")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Position of a joint in this order.

        Raises:
            PosebenchError: this skeleton has no such joint.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise PosebenchError(
                f"joint {joint!r} for skeleton {self.id}", "one of " + ", ".join(self.joints), "correct the joint's name"
            ) from None

    @cached_property
    def root_indices(self) -> tuple[int, ...]:
        """Joints whose mean is the root: the root itself, or both hips if there is none."""
        if self.root is not None:
            return (self.index(self.root),)
        return (self.index("l_hip"), self.index("r_hip"))

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joint pairs, derived from the prefix."""
        return tuple(
            (i, self.joints.index("r_" + name[2:]))
            for i, name in enumerate(self.joints)
            if name.startswith("l_") and "r_" + name[2:] in self.joints
        )

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) of every bone, in the order of the children."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def bone_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) positions in :attr:`bones` of the bones that mirror each other."""
        mirror = self.mirror
        position = {bone: k for k, bone in enumerate(self.bones)}
        return tuple(
            (k, position[(mirror[parent], mirror[child])])
            for k, (parent, child) in enumerate(self.bones)
            if self.joints[child].startswith("l_") and (mirror[parent], mirror[child]) in position
        )

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation that swaps left and right."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)


def _tree(id: str, root: str | None, *lines: str) -> Skeleton:
    """A skeleton from ``"joint<parent"`` words in file order (a bare word has no parent)."""
    words = [word.partition("<") for line in lines for word in line.split()]
    joints = tuple(joint for joint, _, _ in words)
    parents = tuple(joints.index(parent) if parent else -1 for _, _, parent in words)
    return Skeleton(id, joints, parents, root)


def _face() -> list[str]:
    """The 68 points of a face in the order of 300-W, from the person's right ear; points that mirror each other share a number."""
    pairs = {n: 16 - n for n in range(8)} | {n: 43 - n for n in range(17, 22)} | {31: 35, 32: 34}
    pairs |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
    pairs |= {48: 54, 49: 53, 50: 52, 59: 55, 58: 56, 60: 64, 61: 63, 67: 65}
    left = {there: here for here, there in pairs.items()}
    return [f"r_face_{n}" if n in pairs else f"l_face_{left[n]}" if n in left else f"face_{n}" for n in range(68)]


def _hand(side: str) -> str:
    """The 21 points of a hand: its own wrist, then four of each finger from thumb to little finger."""
    points = [f"{side}_hand_0<{side}_wrist"]
    points += [f"{side}_hand_{n}<{side}_hand_{0 if n % 4 == 1 else n - 1}" for n in range(1, 21)]
    return " ".join(points)


_LEGS = "r_hip<pelvis r_knee<r_hip r_ankle<r_knee l_hip<pelvis l_knee<l_hip l_ankle<l_knee"
_ARMS_L = "l_shoulder<thorax l_elbow<l_shoulder l_wrist<l_elbow"
_ARMS_R = "r_shoulder<thorax r_elbow<r_shoulder r_wrist<r_elbow"

SKELETONS: dict[str, Skeleton] = {
    skeleton.id: skeleton
    for skeleton in (
        _tree("h36m17", "pelvis", "pelvis", _LEGS, "spine<pelvis thorax<spine neck_nose<thorax head_top<neck_nose", _ARMS_L, _ARMS_R),
        _tree(
            "h36m32",
            "pelvis",
            "pelvis r_hip<pelvis r_knee<r_hip r_ankle<r_knee r_toe<r_ankle r_toe_end<r_toe",
            "l_hip<pelvis l_knee<l_hip l_ankle<l_knee l_toe<l_ankle l_toe_end<l_toe",
            "pelvis_again<pelvis spine<pelvis_again thorax<spine neck_nose<thorax head_top<neck_nose",
            "l_collar<spine l_shoulder<l_collar l_elbow<l_shoulder l_wrist<l_elbow",
            "l_thumb<l_wrist l_thumb_end<l_thumb l_wrist_end<l_wrist l_hand_end<l_wrist_end",
            "r_collar<spine r_shoulder<r_collar r_elbow<r_shoulder r_wrist<r_elbow",
            "r_thumb<r_wrist r_thumb_end<r_thumb r_wrist_end<r_wrist r_hand_end<r_wrist_end",
        ),
        # 17 without neck/nose: Martinez' 2D input, SemGCN, PoseAug, PoseBench3D.
        _tree("h36m16", "pelvis", "pelvis", _LEGS, "spine<pelvis thorax<spine head_top<thorax", _ARMS_L, _ARMS_R),
        _tree(
            "sh16",
            "pelvis",
            "r_ankle<r_knee r_knee<r_hip r_hip<pelvis l_hip<pelvis l_knee<l_hip l_ankle<l_knee pelvis spine<pelvis",
            "thorax<spine head_top<thorax r_wrist<r_elbow r_elbow<r_shoulder r_shoulder<thorax",
            "l_shoulder<thorax l_elbow<l_shoulder l_wrist<l_elbow",
        ),
        # No spine. Read from RepNet's Stacked-Hourglass index map; its author's CanonPose lists the right arm first.
        _tree(
            "repnet16",
            "pelvis",
            "r_hip<pelvis r_knee<r_hip r_ankle<r_knee l_hip<pelvis l_knee<l_hip l_ankle<l_knee pelvis",
            "thorax<pelvis neck_nose<thorax head_top<neck_nose",
            _ARMS_L,
            _ARMS_R,
        ),
        _tree(
            "lsp14",
            None,
            "r_ankle<r_knee r_knee<r_hip r_hip<thorax l_hip<thorax l_knee<l_hip l_ankle<l_knee",
            "r_wrist<r_elbow r_elbow<r_shoulder r_shoulder<thorax l_shoulder<thorax l_elbow<l_shoulder l_wrist<l_elbow",
            "thorax head_top<thorax",
        ),
        _tree(
            "mpi28",
            "pelvis",
            "spine3<spine4 spine4<spine2 spine2<spine spine<pelvis pelvis neck<spine3 head<neck head_top<head",
            "l_clavicle<spine3 l_shoulder<l_clavicle l_elbow<l_shoulder l_wrist<l_elbow l_hand<l_wrist",
            "r_clavicle<spine3 r_shoulder<r_clavicle r_elbow<r_shoulder r_wrist<r_elbow r_hand<r_wrist",
            "l_hip<pelvis l_knee<l_hip l_ankle<l_knee l_foot<l_ankle l_toe<l_foot",
            "r_hip<pelvis r_knee<r_hip r_ankle<r_knee r_foot<r_ankle r_toe<r_foot",
        ),
        _tree(
            "mpi17",
            "pelvis",
            "head_top<neck neck<spine r_shoulder<neck r_elbow<r_shoulder r_wrist<r_elbow",
            "l_shoulder<neck l_elbow<l_shoulder l_wrist<l_elbow r_hip<pelvis r_knee<r_hip r_ankle<r_knee",
            "l_hip<pelvis l_knee<l_hip l_ankle<l_knee pelvis spine<pelvis head<neck",
        ),
        _tree(
            "coco17",
            None,
            "nose l_eye<nose r_eye<nose l_ear<l_eye r_ear<r_eye l_shoulder<nose r_shoulder<nose",
            "l_elbow<l_shoulder r_elbow<r_shoulder l_wrist<l_elbow r_wrist<r_elbow",
            "l_hip<l_shoulder r_hip<r_shoulder l_knee<l_hip r_knee<r_hip l_ankle<l_knee r_ankle<r_knee",
        ),
        # COCO-WholeBody: body, feet, 68 points of the face (300-W), 21 of each hand from its wrist to the finger tips.
        _tree(
            "coco133",
            None,
            "nose l_eye<nose r_eye<nose l_ear<l_eye r_ear<r_eye l_shoulder<nose r_shoulder<nose",
            "l_elbow<l_shoulder r_elbow<r_shoulder l_wrist<l_elbow r_wrist<r_elbow",
            "l_hip<l_shoulder r_hip<r_shoulder l_knee<l_hip r_knee<r_hip l_ankle<l_knee r_ankle<r_knee",
            *(f"{side}_big_toe<{side}_ankle {side}_small_toe<{side}_ankle {side}_heel<{side}_ankle" for side in "lr"),
            " ".join(f"{name}<nose" for name in _face()),
            *(_hand(side) for side in "lr"),
        ),
        _tree(
            "openpose18",
            None,
            "nose neck<nose r_shoulder<neck r_elbow<r_shoulder r_wrist<r_elbow l_shoulder<neck l_elbow<l_shoulder l_wrist<l_elbow",
            "r_hip<neck r_knee<r_hip r_ankle<r_knee l_hip<neck l_knee<l_hip l_ankle<l_knee r_eye<nose l_eye<nose r_ear<r_eye l_ear<l_eye",
        ),
        # OpenPose's BODY_25; its middle of the hips is the pelvis.
        _tree(
            "openpose25",
            "pelvis",
            "nose<neck neck<pelvis r_shoulder<neck r_elbow<r_shoulder r_wrist<r_elbow l_shoulder<neck l_elbow<l_shoulder l_wrist<l_elbow",
            "pelvis r_hip<pelvis r_knee<r_hip r_ankle<r_knee l_hip<pelvis l_knee<l_hip l_ankle<l_knee r_eye<nose l_eye<nose",
            "r_ear<r_eye l_ear<l_eye l_big_toe<l_ankle l_small_toe<l_ankle l_heel<l_ankle",
            "r_big_toe<r_ankle r_small_toe<r_ankle r_heel<r_ankle",
        ),
        # AlphaPose's Halpe full body: COCO's 17, then head, neck, hip and feet.
        _tree(
            "halpe26",
            "pelvis",
            "nose<neck l_eye<nose r_eye<nose l_ear<l_eye r_ear<r_eye l_shoulder<neck r_shoulder<neck",
            "l_elbow<l_shoulder r_elbow<r_shoulder l_wrist<l_elbow r_wrist<r_elbow",
            "l_hip<pelvis r_hip<pelvis l_knee<l_hip r_knee<r_hip l_ankle<l_knee r_ankle<r_knee head_top<neck neck<pelvis pelvis",
            "l_big_toe<l_ankle r_big_toe<r_ankle l_small_toe<l_ankle r_small_toe<r_ankle l_heel<l_ankle r_heel<r_ankle",
        ),
        _tree(
            "smpl24",
            "pelvis",
            "pelvis l_hip<pelvis r_hip<pelvis spine_low<pelvis l_knee<l_hip r_knee<r_hip spine_mid<spine_low",
            "l_ankle<l_knee r_ankle<r_knee spine_high<spine_mid l_foot<l_ankle r_foot<r_ankle",
            "neck<spine_high l_collar<spine_high r_collar<spine_high",
            "head_joint<neck l_shoulder<l_collar r_shoulder<r_collar l_elbow<l_shoulder r_elbow<r_shoulder",
            "l_wrist<l_elbow r_wrist<r_elbow l_hand<l_wrist r_hand<r_wrist",
        ),
        _tree(
            "aspset17",
            "pelvis",
            "r_ankle<r_knee r_knee<r_hip r_hip<pelvis r_wrist<r_elbow r_elbow<r_shoulder r_shoulder<neck",
            "l_ankle<l_knee l_knee<l_hip l_hip<pelvis l_wrist<l_elbow l_elbow<l_shoulder l_shoulder<neck",
            "head_top<head head<neck neck<spine spine<pelvis pelvis",
        ),
        _tree(
            "humaneva15",
            "pelvis",
            "pelvis thorax<pelvis",
            _ARMS_L,
            _ARMS_R,
            "l_hip<pelvis l_knee<l_hip l_ankle<l_knee r_hip<pelvis r_knee<r_hip r_ankle<r_knee head_centre<thorax",
        ),
        # The 14 joints that PoseBench3D scores of every dataset: with pelvis, without head (not LSP's 14).
        _tree("posebench3d14", "pelvis", "pelvis", _LEGS, "thorax<pelvis", _ARMS_L, _ARMS_R),
    )
}

#: Joints that the field treats as equal although their definitions differ, as (name in the other skeleton, name in h36m17).
#: SPIN maps 3DHP's neck, head and head_top in this way; MPI's ``neck`` lies above H36M's ``thorax``.
EQUATED: dict[tuple[str, str], dict[str, str]] = {
    ("mpi17", "h36m17"): {"neck": "thorax", "head": "neck_nose"},
    ("mpi28", "h36m17"): {"neck": "thorax", "head": "neck_nose"},
    ("aspset17", "h36m17"): {"neck": "thorax", "head": "neck_nose"},
    ("openpose18", "h36m17"): {"neck": "thorax"},
    ("openpose25", "h36m17"): {"neck": "thorax"},
    ("halpe26", "h36m17"): {"neck": "thorax"},
    # As PoseBench3D takes 16 joints of 3DPW: SMPL's joint of the head lies in the skull, not on top of it.
    ("smpl24", "h36m17"): {"spine_mid": "spine", "neck": "thorax", "head_joint": "head_top"},
}


def skeleton(id: str) -> Skeleton:
    """The skeleton with this id.

    Raises:
        PosebenchError: no such skeleton; the message names all of them.

    Example:
        >>> skeleton("h36m17").joints[9]
        'neck_nose'
    """
    try:
        return SKELETONS[id]
    except KeyError:
        raise PosebenchError(
            f"skeleton {id!r}", "one of " + ", ".join(SKELETONS), "name the joint order in which the poses are stored"
        ) from None


def equal_names(joint: str, source: str, target: str) -> tuple[str, ...]:
    """A joint of ``target`` by its own name, by that of its equal in ``source``, and by that of Human3.6M, through :data:`EQUATED`.

    Example:
        >>> equal_names("thorax", "mpi17", "repnet16"), equal_names("neck", "lsp14", "mpi17")
        (('thorax', 'neck'), ('neck', 'thorax'))
    """
    common = EQUATED.get((target, "h36m17"), {}).get(joint, joint)
    theirs = [name for name, ours in EQUATED.get((source, "h36m17"), {}).items() if ours == common]
    return tuple(dict.fromkeys([joint, *theirs, common]))


def joint_map(source: str, target: str) -> tuple[int, ...]:
    """The indices into ``source`` that give the joints of ``target`` in its order.

    **Convention.** Joints are matched by name, then through :data:`EQUATED`.

    Raises:
        PosebenchError: a joint of ``target`` is missing in ``source``; the first ten that are missing are named.

    Example:
        >>> joint_map("h36m32", "h36m17")
        (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
    """
    available, wanted = skeleton(source), skeleton(target)
    names = [next((n for n in equal_names(joint, source, target) if n in available.joints), "") for joint in wanted.joints]
    missing = [joint for joint, name in zip(wanted.joints, names, strict=True) if not name]
    if missing:
        raise PosebenchError(
            f"skeleton {source}, which has no {first_ten(missing)}",
            f"every joint of {target}",
            "store the poses in a skeleton that has them, or choose a protocol whose joints the file covers",
        )
    return tuple(available.joints.index(name) for name in names)
