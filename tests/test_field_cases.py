"""Cases from the field on their own files (``../shared/field``): each is read, or explained in one paragraph."""

from __future__ import annotations

from pathlib import Path

import pytest

from posebench.cli.main import main

FIELD = Path(__file__).parents[1].parent / "shared" / "field"
pytestmark = pytest.mark.skipif(not FIELD.is_dir(), reason=f"the cases of the field are not at {FIELD}")

#: Case to its commands: words, exit code, and words of what is said. FIELD and OUT stand for folders.
CASES = {
    "01 S11 Directions": [
        ("predict flat --dataset h36m --root FIELD/01-s11-directions -o OUT/f.npz", 0, ()),
        ("score OUT/f.npz --protocol h36m/s9s11 --root FIELD/01-s11-directions", 0, ("160 poses in 16 clips, complete", "excluded-clips")),
    ],
    "02 two hourglasses": [
        ("data info h36m --root FIELD/02-hourglass-names", 0, ("gt, sh_pt_mpii, sh_ft_h36m",)),
    ],
    "04 truth in metres": [
        ("score FIELD/04-truth-unit/metres.mat --protocol 3dhp/official --root FIELD/04-truth-unit", 2, ("they look like metres",)),
        ("score FIELD/04-truth-unit/right-mm.mat --protocol 3dhp/official --root FIELD/04-truth-unit", 2, ("they look like metres",)),
    ],
    "08 keypoints of 16 joints": [
        ("predict flat --dataset h36m --root FIELD/08-keypoints-of-16-joints -o OUT/f.npz", 0, ()),
        ("data info h36m --root FIELD/08-keypoints-of-16-joints", 0, ("gt: h36m16 in the copy; projected from its poses instead",)),
    ],
    "10 numeric names": [
        ("score FIELD/10-numeric-names --protocol h36m/s9s11 --root FIELD/base-h36m", 0, ("61.93", "complete")),
    ],
    "11 longer than the motion capture": [
        ("score FIELD/11-longer-than-mocap/p.npz --protocol h36m/s9s11 --root FIELD/base-h36m", 1, ("3 too many in every clip",)),
        (
            "score FIELD/11-longer-than-mocap/valid-convolution.npz --protocol h36m/s9s11 --root FIELD/base-h36m",
            1,
            ("26 too few in every clip", "a receptive field of 27 frames"),
        ),
    ],
    "13 cameras mixed up": [
        (
            "check FIELD/13-cameras-mixed-up/p.npz --protocol h36m/s9s11 --root FIELD/base-h36m",
            1,
            ("cameras are mixed up: in 16 of 16 clips", "those of 54138969 fit 55011271"),
        ),
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_read_or_explained(case, tmp_path, capsys):
    for words, code, said in CASES[case]:
        arguments = [word.replace("FIELD", str(FIELD)).replace("OUT", str(tmp_path)) for word in words.split()]
        assert main(arguments) == code
        printed = "".join(capsys.readouterr())
        assert [text for text in said if text not in printed] == [], printed
