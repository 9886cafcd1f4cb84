"""Skeletons: names, sides and the maps between joint orders."""

import doctest

import pytest

from posebench.base import skeletons
from posebench.base.errors import PosebenchError, first_ten
from posebench.base.skeletons import EQUATED, SKELETONS, Skeleton, joint_map, skeleton

IDS = list(SKELETONS)


@pytest.mark.parametrize("id", IDS)
def test_every_joint_reaches_the_top_of_its_tree(id):
    parents = SKELETONS[id].parents
    assert sum(parent < 0 for parent in parents) == 1
    for joint in range(len(parents)):
        seen = set()
        while joint >= 0:
            assert joint not in seen
            seen.add(joint)
            joint = parents[joint]


@pytest.mark.parametrize("id", IDS)
def test_every_left_joint_has_a_right_one_and_mirroring_twice_changes_nothing(id):
    one = SKELETONS[id]
    assert len(one.pairs) == sum(name.startswith("l_") for name in one.joints) == sum(name.startswith("r_") for name in one.joints)
    assert [one.mirror[i] for i in one.mirror] == list(range(len(one)))
    for left, right in one.pairs:
        assert one.joints[left][2:] == one.joints[right][2:]
        assert one.mirror[left] == right


@pytest.mark.parametrize("id", IDS)
def test_mirrored_bones_join_mirrored_joints(id):
    one = SKELETONS[id]
    assert len(one.bones) == len(one) - 1
    for left, right in one.bone_pairs:
        assert tuple(one.mirror[joint] for joint in one.bones[left]) == one.bones[right]
        assert one.joints[one.bones[left][1]].startswith("l_")


@pytest.mark.parametrize("id", IDS)
def test_a_skeleton_maps_onto_itself_unchanged(id):
    assert joint_map(id, id) == tuple(range(len(SKELETONS[id])))


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in IDS for b in IDS])
def test_a_map_takes_each_joint_by_its_name_or_says_what_is_missing(source, target):
    have, want = SKELETONS[source], SKELETONS[target]
    of_source, of_target = (
        {name: EQUATED.get((id, "h36m17"), {}).get(name, name) for name in SKELETONS[id].joints} for id in (source, target)
    )
    read_as = [of_source[name] for name in have.joints]
    missing = [name for name in want.joints if of_target[name] not in read_as]
    if missing:
        with pytest.raises(PosebenchError, match=f"has no {first_ten(missing)}"):
            joint_map(source, target)
    else:
        assert [read_as[index] for index in joint_map(source, target)] == list(of_target.values())


def test_3dhps_neck_and_head_are_read_as_thorax_and_nose_and_back():
    h36m, mpi = SKELETONS["h36m17"], SKELETONS["mpi17"]
    onto = joint_map("mpi17", "h36m17")
    assert onto == (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
    back = joint_map("h36m17", "mpi17")
    assert h36m.joints[back[mpi.index("neck")]] == "thorax"
    assert [onto[i] for i in back] == list(range(17))


def test_the_sixteen_joint_orders_have_their_roots_where_their_peers_have_them():
    assert SKELETONS["h36m16"].root_indices == (0,)
    assert SKELETONS["sh16"].root_indices == (6,)
    assert SKELETONS["repnet16"].root_indices == (6,)
    assert SKELETONS["mpi17"].root_indices == (14,)
    assert "spine" not in SKELETONS["repnet16"].joints
    assert "neck_nose" not in SKELETONS["h36m16"].joints


def test_the_28_joints_of_3dhp_are_in_the_official_order():
    """The order of ``mpii_get_joints.m`` in the release."""
    assert SKELETONS["mpi28"].joints == (
        *("spine3", "spine4", "spine2", "spine", "pelvis", "neck", "head", "head_top"),
        *("l_clavicle", "l_shoulder", "l_elbow", "l_wrist", "l_hand", "r_clavicle", "r_shoulder", "r_elbow", "r_wrist", "r_hand"),
        *("l_hip", "l_knee", "l_ankle", "l_foot", "l_toe", "r_hip", "r_knee", "r_ankle", "r_foot", "r_toe"),
    )


def test_sets_without_a_root_use_both_hips():
    assert SKELETONS["lsp14"].root_indices == (3, 2)
    assert {SKELETONS["coco17"].joints[i] for i in SKELETONS["coco17"].root_indices} == {"l_hip", "r_hip"}


def test_the_seventeen_joints_have_six_pairs_of_bones():
    one = SKELETONS["h36m17"]
    names = [(one.joints[one.bones[left][1]], one.joints[one.bones[right][1]]) for left, right in one.bone_pairs]
    assert names == [(f"l_{part}", f"r_{part}") for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]


def test_lsp14_is_the_field_wide_fourteen():
    kept = {i for i in range(17) if SKELETONS["h36m17"].joints[i] in SKELETONS["lsp14"].joints}
    assert kept == {1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16}


def test_an_unknown_skeleton_or_joint_is_answered_with_the_choices():
    with pytest.raises(PosebenchError, match=r"'h36m18'.*h36m17, h36m32"):
        skeleton("h36m18")
    with pytest.raises(PosebenchError, match=r"'neck'.*h36m17.*thorax"):
        SKELETONS["h36m17"].index("neck")


def test_a_skeleton_with_a_joint_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        Skeleton("odd", ("a", "a"), (-1, 0), None)


def test_the_examples_in_the_docstrings_run():
    result = doctest.testmod(skeletons)
    assert result.failed == 0
    assert result.attempted > 0
