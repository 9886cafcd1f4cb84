"""The cmu dataset: the table of its takes, and its layouts on small files."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from posebench.base.errors import PosebenchError
from posebench.data import open_dataset
from posebench.data.clip import describe
from posebench.data.cmu import dataset as cmu
from posebench.data.simulation import CAMERAS

TAKES = (
    cmu.Take("S07", "07_01", "walk", 9, ""),
    cmu.Take("S07", "07_02", "run", 5, ""),
    cmu.Take("S131", "131_01", "jump", 4, ""),
)


def test_the_table_holds_the_takes_of_the_definition():
    frames = {name: [take.frames for take in cmu.takes() if take.subject in subjects] for name, subjects in cmu.SPLITS.items()}
    assert len(cmu.takes()) == len({take.id for take in cmu.takes()}) == 157
    assert (len(frames["train"]), sum(frames["train"])) == (118, 122_981)
    assert (len(frames["test"]), sum(frames["test"])) == (39, 45_199)


@pytest.fixture
def small(tmp_path, acclaim, monkeypatch):
    """A function that writes three short takes in a layout and returns the root."""
    monkeypatch.setattr(cmu, "takes", lambda: TAKES)
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))

    def write(layout="S", root=tmp_path / "root", change=lambda _, text: text.encode(), suffix=""):
        base = root / {"S": ".", "": "."}.get(layout, layout)
        prefix = "S" if layout == "S" else ""
        for take in TAKES:
            folder = base / (prefix + take.subject[1:])
            folder.mkdir(parents=True, exist_ok=True)
            files = {f"{prefix}{take.subject[1:]}.asf": acclaim.asf(acclaim.human)}
            files[f"{prefix}{take.trial}.amc{suffix}"] = acclaim.amc(acclaim.human_frames(take.frames))
            for name, text in files.items():
                (folder / name).write_bytes(change(name, text))
        return root

    return write


@pytest.mark.parametrize("layout", ["S", "subjects", "all_asfamc/subjects", ""])
def test_every_layout_opens_as_the_same_dataset(small, tmp_path, layout):
    dataset = open_dataset("cmu", small(layout))
    assert list(dataset.infos) == [f"{take.id}/{camera}" for take in TAKES for camera in CAMERAS]
    assert [info.frames for info in dataset.infos.values()] == [3] * 4 + [2] * 4 + [1] * 4
    assert dataset.official
    assert dataset.fingerprint == open_dataset("cmu", small("S", tmp_path / "other")).fingerprint


def test_line_ends_and_compression_do_not_change_the_fingerprint_and_values_do(small, tmp_path, acclaim):
    plain = open_dataset("cmu", small())
    dos = open_dataset("cmu", small(root=tmp_path / "dos", change=lambda _, text: text.replace("\n", "\r\n").encode()))
    packed = small(root=tmp_path / "gz", suffix=".gz", change=lambda n, t: gzip.compress(t.encode()) if n.endswith("gz") else t.encode())
    assert plain.fingerprint == dos.fingerprint == open_dataset("cmu", packed).fingerprint
    frames = acclaim.human_frames(9)
    frames[5]["root"] = frames[5]["root"].replace("17", "17.000001")
    (packed / "S07" / "S07_01.amc.gz").write_text(acclaim.amc(frames))
    # Frame 5 is not among those at 30 Hz: the fingerprint is of the files' content, not of the joints.
    assert open_dataset("cmu", packed).fingerprint != plain.fingerprint


def test_renumbered_frames_are_accepted_and_noted(small, tmp_path):
    def renumber(name, text):
        return (text.replace("\n1\n", "\n87\n") if name == "S07_02.amc" else text).encode()

    dataset = open_dataset("cmu", small(change=renumber))
    assert dataset.official
    assert "S07/07_02: frame 1 is numbered 87 (line 4)" in dataset.note
    assert dataset.fingerprint == open_dataset("cmu", small(root=tmp_path / "other")).fingerprint


def test_another_frame_count_is_not_the_official_copy(small, acclaim):
    root = small()
    (root / "S07" / "S07_02.amc").write_text(acclaim.amc(acclaim.human_frames(4)))
    dataset = open_dataset("cmu", root)
    assert not dataset.official
    assert "frame counts differ from the definition's in S07/07_02" in dataset.note
    assert dataset.infos["S07/07_02/c0"].frames == len(dataset.load("S07/07_02/c0").pose) == 1


def test_missing_files_are_named_and_counted(small, tmp_path, monkeypatch):
    root = small("subjects")
    (root / "subjects" / "07" / "07_02.amc").unlink()
    (root / "subjects" / "131" / "131.asf").unlink()
    with pytest.raises(PosebenchError, match=r"without subjects/131/131\.asf, subjects/07/07_02\.amc\. Wanted: all 5 files"):
        open_dataset("cmu", root)
    monkeypatch.undo()
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(PosebenchError, match=r"and 156 more\. Wanted: all 169 files.*posebench data fetch cmu"):
        open_dataset("cmu", root)


@pytest.mark.parametrize("name", [".", "nowhere"])
def test_a_folder_without_a_known_layout_is_refused_with_the_layouts(tmp_path, name):
    with pytest.raises(PosebenchError, match=r"Wanted: S07/S07\.asf, subjects/07/07\.asf.*Next: posebench data fetch cmu"):
        open_dataset("cmu", tmp_path / name)


def test_a_broken_file_is_named(small):
    root = small(change=lambda _, text: text.replace("lfemur 10", "lfemur 1O").encode())
    with pytest.raises(PosebenchError, match=r"S07_01\.amc, frame 1, line \d+: '1O\.0'"):
        open_dataset("cmu", root)


def test_a_skeleton_without_a_needed_bone_is_an_error(small):
    root = small(change=lambda _, text: text.replace("lwrist", "lpaw").encode())
    with pytest.raises(PosebenchError, match=r"no bone 'lwrist'"):
        open_dataset("cmu", root)


def test_the_second_opening_does_not_parse(small, monkeypatch):
    root = small()
    first = open_dataset("cmu", root)
    monkeypatch.setattr(cmu, "read_amc", None)
    second = open_dataset("cmu", root)
    assert (second.infos, second.fingerprint, second.note) == (first.infos, first.fingerprint, first.note)
    np.testing.assert_array_equal(second.load("S07/07_01/c2").pose, first.load("S07/07_01/c2").pose)


def test_the_description_counts_takes_clips_and_poses(small):
    facts = describe(open_dataset("cmu", small()))
    assert facts["test"] == "S07, S09, S29, S35, S135: 2 takes, 8 clips, 20 poses"
    assert facts["train"].endswith("S131: 1 takes, 4 clips, 4 poses")
    assert (facts["dataset"], facts["official"], facts["actions"]) == ("cmu 1", True, "jump, run, walk")
    json.dumps(facts)


def test_progress_is_reported_while_parsing_and_not_when_the_cache_is_read(small):
    reported = []
    for _ in range(2):
        open_dataset("cmu", small(), progress=lambda done, total: reported.append((done, total)))
    assert reported == [(1, 3), (2, 3), (3, 3)]


def test_a_dataset_travels_to_another_process(small):
    dataset = open_dataset("cmu", small())
    clip = pickle.loads(pickle.dumps(dataset)).load("S131/131_01/c3")
    np.testing.assert_array_equal(clip.keypoints("gauss5"), dataset.load("S131/131_01/c3").keypoints("gauss5"))


def test_unknown_names_are_refused_with_the_known_ones(small, tmp_path):
    dataset = open_dataset("cmu", small())
    with pytest.raises(PosebenchError, match=r"keypoint source 'cpn'.*one of gt, gauss5, gauss10, gauss20"):
        dataset.load("S07/07_01/c0").keypoints("cpn")
    with pytest.raises(PosebenchError, match=r"split 'val'.*one of train, test"):
        dataset.clip_ids("val")
    with pytest.raises(PosebenchError, match=r"clip 'S07/07_01/c4'.*S07/07_01/c0"):
        dataset.load("S07/07_01/c4")
    with pytest.raises(PosebenchError, match=r"dataset 'h37m'.*one of cmu"):
        open_dataset("h37m", tmp_path)
    with pytest.raises(PosebenchError, match=r"no folder for dataset cmu.*--root DIR.*posebench data fetch cmu"):
        open_dataset("cmu")


def test_importing_cmu_imports_no_heavy_package():
    heavy = {"pooch", "requests", "rich", "platformdirs", "h5py", "pandas", "scipy", "torch", "matplotlib"}
    code = "import sys, posebench.data.cmu.fetch, posebench.data.cmu.dataset; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)
