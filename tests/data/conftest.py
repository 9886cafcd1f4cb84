"""Small Acclaim files, and an object whose unpickling would run code."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

#: name, parent, direction, length, axis, dof: the bones that cmu needs.
HUMAN = [
    *(
        (f"{side}{name}", parent and side + parent, direction, length, "0 0 20", dof)
        for side, x in (("l", 1), ("r", -1))
        for name, parent, direction, length, dof in (
            ("hipjoint", "", f"{0.6 * x} -0.8 0", 2.5, ""),
            ("femur", "hipjoint", "0 -1 0", 7, "rx ry rz"),
            ("tibia", "femur", "0 -1 0", 7.5, "rx"),
        )
    ),
    ("lowerback", "", "0 1 0", 2, "0 0 0", "rx ry rz"),
    ("thorax", "lowerback", "0 1 0", 4, "0 0 0", "rx ry rz"),
    ("upperneck", "thorax", "0 1 0", 3, "0 0 0", "rx"),
    ("head", "upperneck", "0 1 0", 2, "0 0 0", ""),
    *(
        (f"{side}{name}", side + parent if parent else "thorax", f"{x} 0 0", length, "0 10 0", dof)
        for side, x in (("l", 1), ("r", -1))
        for name, parent, length, dof in (
            ("clavicle", "", 3, "ry rz"),
            ("humerus", "clavicle", 5, "rx ry rz"),
            ("wrist", "humerus", 5, "ry"),
        )
    ),
]


def asf(bones):
    """The text of an ASF file in the form that CMU writes."""
    blocks = []
    for number, (name, _, direction, length, axis, dof) in enumerate(bones, 1):
        limits = [f"    {'limits ' if k == 0 else '       '}(-160.0 20.0)" for k in range(len(dof.split()))]
        lines = ["  begin", f"     id {number}", f"     name {name}", f"     direction {direction}"]
        lines += [f"     length {length}", f"     axis {axis} XYZ", *([f"    dof {dof}", *limits] if dof else []), "  end"]
        blocks.append("\n".join(lines))
    children = {}
    for name, parent, *_ in bones:
        children.setdefault(parent or "root", []).append(name)
    head = "# made by a test\n:version 1.10\n:name VICON\n:units\n  mass 1.0\n  length 0.45\n  angle deg\n"
    head += ":documentation\n  free begin end text\n"
    head += ":root\n  order TX TY TZ RX RY RZ\n  axis XYZ\n  position 0 0 0\n  orientation 0 0 0\n:bonedata\n"
    tree = [f"    {parent} {' '.join(names)}" for parent, names in children.items()]
    return "\n".join([head + "\n".join(blocks), ":hierarchy", "  begin", *tree, "  end", ""])


def amc(frames):
    """The text of an AMC file; a frame is a dict of bone to values as text."""
    lines = ["#!OML:ASF H:\\some_where\\male.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for number, frame in enumerate(frames, 1):
        lines += [str(number), *(f"{bone} {values}" for bone, values in frame.items())]
    return "\n".join([*lines, ""])


def human_frames(count, turn=1.0):
    """A person who walks towards +z with bent knees."""
    return [
        {"root": f"0 17 {0.1 * k} 0 0 0"} | {name: " ".join([str(10 * turn + k)] * len(dof.split())) for name, *_, dof in HUMAN if dof}
        for k in range(count)
    ]


@pytest.fixture(scope="session")
def acclaim():
    """Writers of ASF and AMC text, and a body that cmu accepts."""
    return SimpleNamespace(asf=asf, amc=amc, human=HUMAN, human_frames=human_frames)


class Malicious:
    """Unpickling it would create a file at ``path``."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="session")
def malicious():
    """Makes objects whose unpickling would create a file at a path."""
    return Malicious
