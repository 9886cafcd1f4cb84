"""Joints of one skeleton from another: by name, by the field's equations, by rule; and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.base.joint_matching import match_joints
from posebench.base.skeletons import SKELETONS, joint_map, skeleton


def points(source):
    return np.random.default_rng(0).normal(size=(4, len(skeleton(source)), 2))


@given(st.sampled_from(sorted(SKELETONS)), st.sampled_from(sorted(SKELETONS)))
def test_where_the_joint_map_knows_all_joints_matching_gives_the_same(source, target):
    try:
        indices = joint_map(source, target)
    except PosebenchError:
        return
    match = match_joints(source, target)
    assert match.parts == tuple((index,) for index in indices)
    assert not match.completed
    np.testing.assert_array_equal(match.of(points(source)), points(source)[:, list(indices)])


@pytest.mark.parametrize(
    ("source", "target", "joint", "parts"),
    [
        ("repnet16", "h36m17", "spine", ["pelvis", "thorax"]),
        ("h36m16", "h36m17", "neck_nose", ["thorax", "head_top"]),
        ("coco17", "h36m17", "pelvis", ["l_hip", "r_hip"]),
        ("coco17", "h36m17", "spine", ["l_hip", "r_hip", "l_shoulder", "r_shoulder"]),
        ("coco17", "h36m17", "neck_nose", ["nose"]),
        ("coco17", "h36m17", "head_top", ["l_eye", "r_eye"]),
        ("lsp14", "h36m17", "spine", ["l_hip", "r_hip", "thorax"]),
        ("repnet16", "mpi17", "spine", ["pelvis", "thorax"]),
    ],
)
def test_a_missing_joint_is_made_of_those_that_the_rule_names(source, target, joint, parts):
    match, given_points = match_joints(source, target), points(source)
    made = match.of(given_points)[:, skeleton(target).index(joint)]
    of = [given_points[:, skeleton(source).index(part)] for part in parts]
    # LSP's spine is made of the pelvis, itself the middle of the hips, and the thorax.
    weights = [0.25, 0.25, 0.5] if (source, joint) == ("lsp14", "spine") else None
    wanted = np.average(of, axis=0, weights=weights)
    np.testing.assert_allclose(made, wanted, rtol=1e-12)
    assert any(word.startswith(f"{joint} = ") for word in match.words)


@pytest.mark.parametrize(("source", "target"), [("mpi17", "h36m17"), ("h36m17", "mpi17"), ("mpi17", "repnet16"), ("repnet16", "mpi17")])
def test_3dhps_neck_and_head_are_human36ms_thorax_and_nose_whatever_the_direction(source, target):
    words = match_joints(source, target).words
    assert {word for word in words if "mean" not in word} == (
        {"thorax = neck", "neck_nose = head"} if source == "mpi17" else {"neck = thorax", "head = neck_nose"}
    )


def test_joints_that_nothing_stands_for_are_named():
    with pytest.raises(PosebenchError, match=r"h36m17, which has no nose, l_eye, r_eye, l_ear, r_ear.*coco17"):
        match_joints("h36m17", "coco17")
