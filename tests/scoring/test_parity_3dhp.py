"""3DHP through the public command: every cell of the official MATLAB tables, for both joint groupings, and mmpose's numbers.

The truth is the six golden ``annot_data.mat``, the predictions are those of the golden ``inference_data.mat``; see ``golden/README.md``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from posebench.base.skeletons import skeleton
from posebench.cli.main import main
from posebench.data import open_dataset
from posebench.metrics.peers import mmpose_auc, mmpose_pck
from posebench.predictions.archive import save_predictions
from posebench.scoring.result import load_result

GOLDEN = Path(__file__).parents[1] / "golden"
EXPECTED = json.loads((GOLDEN / "threedhp_expected.json").read_text())
SEQUENCES = {f"TestSeq{n}": f"TS{n}/TS{n}" for n in range(1, 7)}
SIDES = ("l_{}", "r_{}")
PAIRS = {"Shou": "shoulder", "Elbow": "elbow", "Wrist": "wrist", "Knee": "knee", "Ankle": "ankle", "Hip": "hip"}
#: The joints of each column of the MATLAB tables, in its two versions.
OFFICIAL = {"Head": ["head_top"], "Neck": ["neck"]} | {name: [side.format(joint) for side in SIDES] for name, joint in PAIRS.items()}
ALTERNATIVE = OFFICIAL | {"Head": ["head_top", "head"], "spine": ["spine"], "Hip": ["l_hip", "r_hip", "pelvis"]}
GROUPINGS = {"3dhp/official": ("official_14_joint_groups", OFFICIAL), "3dhp/17j": ("alternative_17_joint_groups", ALTERNATIVE)}
METRICS = {"MPJPE": "MPJPE", "PCK": "PCK@150", "AUC": "AUC"}


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    """The golden predictions as a file of ours: 3 x 17 x 1 x frames, pelvis-relative, valid frames only."""
    matrices = loadmat(GOLDEN / "inference_data.mat")
    poses = {f"{take}/0": matrices[take[:3]][:, :, 0].transpose(2, 1, 0) for take in SEQUENCES.values()}
    return save_predictions(tmp_path_factory.mktemp("3dhp") / "golden.npz", poses, unit="mm", skeleton="mpi17")


@pytest.fixture(scope="module")
def scored(predictions, tmp_path_factory):
    """Result (JSON content and sums) of a protocol, from `posebench score`."""
    folder = tmp_path_factory.mktemp("results")

    def score(protocol):
        path = folder / f"{protocol.replace('/', '-')}.json"
        if not path.exists():
            root = GOLDEN / "threedhp_like"
            assert main(["score", str(predictions), "--protocol", protocol, "--root", str(root), "-o", str(path)]) == 0
        return json.loads(path.read_text()), load_result(path)

    return score


def joints_mean(result, metric, wanted, joints):
    """From the sums in the file: the mean over the joints and over the frames of the rows for which ``wanted(row)``."""
    sums = result.sums[metric]
    rows = [i for i, row in enumerate(result.rows) if wanted(row)]
    columns = [sums.parts.index(joint) for joint in joints]
    return sums.total[np.ix_(rows, columns)].sum() / (sums.count[rows].sum() * len(columns))


def official_joint(column):
    """The MATLAB table's ``left_hip`` is our ``l_hip``."""
    return column.replace("left_", "l_").replace("right_", "r_")


def cells(content, result, table, groups):
    """(name of the cell, our value, theirs) for every cell of a grouping's tables."""
    for kind, metrics in table.items():
        for short, lines in metrics.items():
            metric = METRICS[short]
            ours = content["metrics"][metric]
            for line, columns in lines.items():
                if kind == "sequencewise":
                    total, wanted = ours["groups"]["take"][SEQUENCES[line]], lambda row, take=SEQUENCES[line]: row.take == take
                elif line == "All":
                    total, wanted = ours["by"]["frame"], lambda _: True
                else:
                    total, wanted = ours["groups"]["action"][line], lambda row, line=line: row.action == line
                for column, theirs in columns.items():
                    if column in ("Average", "Total"):
                        value = total
                    else:
                        value = joints_mean(result, metric, wanted, groups.get(column) or [official_joint(column)])
                    yield f"{kind} {short} {line} {column}", value, theirs


@pytest.mark.parametrize(("protocol", "count"), [("3dhp/official", 504), ("3dhp/17j", 532)])
def test_every_cell_of_the_official_tables_is_reproduced(scored, protocol, count):
    name, groups = GROUPINGS[protocol]
    found = list(cells(*scored(protocol), EXPECTED[name], groups))
    deviation = max(abs(ours - theirs) for _, ours, theirs in found)
    print(f"{protocol}: {len(found)} cells, largest deviation {deviation:.2g}")
    assert len(found) == len({name for name, _, _ in found}) == count
    for cell, ours, theirs in found:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9), cell


def test_the_average_of_sequences_and_the_one_of_frames_are_what_the_two_readings_of_the_table_give(scored):
    content, _ = scored("3dhp/official")
    table = EXPECTED["official_14_joint_groups"]["sequencewise"]
    frames = {line: len(content_frames) for line, content_frames in valid_frames().items()}
    for short, metric in METRICS.items():
        values = {line: columns.get("Average", columns.get("Total")) for line, columns in table[short].items()}
        by = content["metrics"][metric]["by"]
        assert by["take"] == pytest.approx(np.mean(list(values.values())), rel=1e-9)
        assert by["frame"] == pytest.approx(np.average(list(values.values()), weights=[frames[line] for line in values]), rel=1e-9)
        assert content["metrics"][metric]["value"] == by["frame"]
        scenes = content["metrics"][metric]["groups"]["scene"]
        for scene, lines in (("studio, green screen", (1, 2)), ("studio, no green screen", (3, 4)), ("outdoor", (5, 6))):
            names = [f"TestSeq{n}" for n in lines]
            wanted = np.average([values[name] for name in names], weights=[frames[name] for name in names])
            assert scenes[scene] == pytest.approx(wanted, rel=1e-9)


def valid_frames():
    with np.load(GOLDEN / "threedhp_cases.npz") as cases:
        return {f"TestSeq{n}": np.flatnonzero(cases[f"TS{n}__valid_frame"] == 1) for n in range(1, 7)}


MMPOSE = {"none": "", "scale": "N-", "procrustes": "PA-"}


@pytest.mark.parametrize("alignment", ["scale", "procrustes"])
@pytest.mark.parametrize(("function", "metric"), [("pck", "PCK@150"), ("auc", "AUC")])
def test_mmpose_aligned_numbers_are_reproduced(scored, function, metric, alignment):
    theirs = EXPECTED["other_peers"][f"mmpose0.keypoint_3d_{function}[{alignment}] 17 joints, metres, all frames"]
    ours = scored("3dhp/17j")[0]["metrics"][MMPOSE[alignment] + metric]["by"]["frame"]
    print(f"mmpose {function} {alignment}: {abs(ours / theirs - 1):.2g}")
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_mmpose_unaligned_numbers_differ_by_errors_of_exactly_a_threshold_and_by_nothing_else(scored):
    """In metres an error of 150 mm is below 0.15 by rounding (spec 3.5): those joints are counted, and account for all of it."""
    pelvis = skeleton("mpi17").index("pelvis")
    errors, metres, poses, truths = [], [], [], []
    with np.load(GOLDEN / "threedhp_cases.npz") as cases:
        for n, frames in enumerate(valid_frames().values(), 1):
            truth = cases[f"TS{n}__univ_annot3"][frames]
            truth = truth - truth[:, [pelvis]]
            poses.append(cases[f"TS{n}__pred"])
            truths.append(truth)
            errors.append(np.linalg.norm(cases[f"TS{n}__pred"] - truth, axis=-1))
            metres.append(np.linalg.norm(cases[f"TS{n}__pred"] / 1000 - truth / 1000, axis=-1))
    errors, metres = np.concatenate(errors), np.concatenate(metres)
    given, true = np.concatenate(poses), np.concatenate(truths)
    thresholds = np.arange(31) * 5.0
    rounded = {edge: int(((metres < edge / 1000) & ~(errors < edge)).sum()) for edge in thresholds}
    assert all(errors[(metres < edge / 1000) & ~(errors < edge)] == pytest.approx(edge, abs=1e-9) for edge, n in rounded.items() if n)
    content, _ = scored("3dhp/17j")
    for function, metric, extra in (
        ("pck", "PCK@150", 100 * rounded[150.0] / errors.size),
        ("auc", "AUC", 100 * sum(rounded.values()) / errors.size / 31),
    ):
        theirs = EXPECTED["other_peers"][f"mmpose0.keypoint_3d_{function}[none] 17 joints, metres, all frames"]
        ours = content["metrics"][metric]["by"]["frame"]
        assert extra > 0
        assert ours + extra == pytest.approx(theirs, rel=1e-6)
        assert {"pck": mmpose_pck, "auc": mmpose_auc}[function](given, true) == pytest.approx(theirs, rel=1e-6)


def test_whole_sequences_are_scored_on_their_valid_frames_alone(scored, predictions, tmp_path):
    """A file with a pose for every frame gets the same numbers, whatever it says of the frames that are not valid."""
    with np.load(GOLDEN / "threedhp_cases.npz") as cases, np.load(predictions) as given:
        whole = {}
        for n, frames in enumerate(valid_frames().values(), 1):
            whole[f"TS{n}/TS{n}/0"] = np.array(cases[f"TS{n}__univ_annot3"]) * 3.0
            whole[f"TS{n}/TS{n}/0"][frames] = given[f"TS{n}/TS{n}/0"]
    file = save_predictions(tmp_path / "whole.npz", whole, unit="mm", skeleton="mpi17")
    command = ["score", str(file), "--protocol", "3dhp/official", "--root", str(GOLDEN / "threedhp_like"), "-o", str(tmp_path / "r.json")]
    assert main([*command, "--per-frame"]) == 0
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["metrics"] == scored("3dhp/official")[0]["metrics"]
    assert content["coverage"]["poses"] == content["coverage"]["poses wanted"] == sum(map(len, valid_frames().values()))


def test_the_golden_copy_is_not_taken_for_the_official_one(scored):
    content, _ = scored("3dhp/official")
    assert content["data"]["official"] is False
    assert "TS1/TS1" in content["data"]["note"]


@pytest.mark.parametrize("protocol", ["3dhp/official", "3dhp/17j", "3dhp/annot3"])
def test_a_perfect_file_scores_96_774_and_only_under_the_annotation_it_has(protocol, tmp_path):
    root = Path(shutil.copytree(GOLDEN / "threedhp_like", tmp_path / "root"))
    for n in range(1, 7):
        with h5py.File(root / f"TS{n}" / "annot_data.mat", "r+") as file:
            file["annot3"][...] = 2.0 * file["univ_annot3"][...]
    own = "annot3" if protocol == "3dhp/annot3" else "univ_annot3"
    for annotation in ("univ_annot3", "annot3"):
        poses = {clip.id: clip.pose for clip in open_dataset("3dhp", root, annotation=annotation).clips()}
        file = save_predictions(tmp_path / "perfect.npz", poses, unit="mm", skeleton="mpi17")
        assert main(["score", str(file), "--protocol", protocol, "--root", str(root), "-o", str(tmp_path / "r.json")]) == 0
        result = load_result(tmp_path / "r.json")
        assert result.value("PA-AUC") == pytest.approx(100 * 30 / 31)
        if annotation == own:
            assert (result.value("MPJPE"), result.value("PCK@150")) == (0.0, 100.0)
            assert result.value("AUC") == pytest.approx(96.774, abs=1e-3)
        else:
            assert result.value("MPJPE") > 100.0
            assert result.value("PCK@150") < 100.0
            assert result.value("N-MPJPE") < 1e-9


def test_scoring_a_whole_copy_leaves_heavy_packages_out(predictions, tmp_path):
    """Training recordings beside the test are looked at, in MATLAB 5 files, without scipy."""
    root = Path(shutil.copytree(GOLDEN / "threedhp_like", tmp_path / "root"))
    (root / "S1" / "Seq1").mkdir(parents=True)
    cells = np.empty((14, 1), dtype=object)
    for camera in range(14):
        cells[camera, 0] = np.ones((2, 84))
    savemat(root / "S1" / "Seq1" / "annot.mat", {"univ_annot3": cells, "annot2": np.frompyfunc(lambda cell: cell[:, :56], 1, 1)(cells)})
    code = (
        "import sys; from posebench.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "assert not {'scipy', 'pandas', 'matplotlib', 'torch'} & set(sys.modules)"
    )
    command = ["score", str(predictions), "--protocol", "3dhp/official", "--root", str(root), "-o", str(tmp_path / "r.json")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "S1/Seq1" in json.loads((tmp_path / "r.json").read_text())["data"]["note"]
