"""True poses are people: a unit that does not fit is named, and so is a pose that no person can have."""

from __future__ import annotations

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data.people import not_a_person, require_size


@pytest.mark.parametrize("size", [0.4, 1.0, 1.4])
def test_people_of_any_age_pass_and_so_do_frames_that_state_no_size(walker, size):
    pose = size * walker(8)
    require_size(pose, "a file", "")
    assert not_a_person(pose) is None
    pose[2], pose[5, 3] = 0.0, np.nan
    require_size(pose, "a file", "")
    require_size(np.zeros((3, 17, 3)), "a file", "")
    require_size(pose[:0], "a file", "")


@pytest.mark.parametrize(
    ("length", "unit"), [(1e3, "metres"), (304.8, "feet"), (100.0, "decimetres"), (25.4, "inches"), (10.0, "centimetres")]
)
def test_another_unit_than_the_stated_one_is_named(walker, length, unit):
    with pytest.raises(PosebenchError, match=f"a file: true poses .* they look like {unit}, and millimetres are stated") as error:
        require_size(walker(8) / length, "a file", "write it again")
    assert error.value.next_step == "write it again"


def test_a_size_of_no_unit_is_refused_too(walker):
    with pytest.raises(PosebenchError, match=r"true poses 1.* km from end to end, if they are millimetres|e\+0.* m from end to end"):
        require_size(walker(8) * 1e6, "a file", "")
    with pytest.raises(PosebenchError, match="they look like millimetres, and metres are stated"):
        require_size(walker(8) * 1e3, "a file", "", stated="metres")


@pytest.mark.parametrize(
    ("joint", "value", "fault"),
    [
        (slice(None), 0.0, "has all joints in one point"),
        (slice(None), np.nan, "is not finite"),
        (3, np.inf, "is not finite"),
        (3, 1e300, "from end to end"),
        ((0, 1), 1e300, "from end to end"),
        (16, 60000.0, "from end to end"),
    ],
)
def test_a_pose_that_no_person_can_have_is_found(walker, joint, value, fault):
    pose = walker(8)
    pose[(5, *joint) if isinstance(joint, tuple) else (5, joint)] = value
    found = not_a_person(pose)
    assert found is not None
    assert found[0] == 5
    assert fault in found[1]
