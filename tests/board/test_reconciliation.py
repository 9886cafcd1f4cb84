import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.entry_files import load_entries
from posebench.board.published.reader import load_published
from posebench.board.published.reconciliation import reconciliation
from posebench.board.render import check_board, render
from posebench.predictions.provenance import Provenance

COMMITTED = Path(__file__).parents[2] / "leaderboard"

TEXT = """
posebench_published = 1

[[papers]]
id = "chen2019"
name = "Chen"
title = "One"
venue = "A 2019"
supervision = "none"
methods = ["flat"]
reading = "Both are PA-MPJPE."
reasons = ["Other data."]

[[papers]]
id = "repnet"
name = "RepNet"
title = "Two"
venue = "A 2019"
supervision = "unpaired 3D"
methods = ["repnet"]

[[papers]]
id = "other"
name = "Other"
title = "Three"
venue = "A 2019"
supervision = "none"

[[rows]]
id = "chen"
paper = "chen2019"
dataset = "h36m"
protocol = "h36m/s9s11"
trained_on = "h36m"
keypoints = "gt"
joints = "17"
averaging = "action"
source = "here"
values = [
    { metric = "PA-MPJPE", alignment = "similarity", value = "51", tag = "2", confidence = "high" },
    { metric = "scaled MPJPE", alignment = "scale: Procrustes", oracle = "best of flip", value = "71.5", tag = "M", confidence = "low" },
]

[[rows]]
id = "repnet"
paper = "repnet"
dataset = "h36m"
protocol = "h36m/s9s11"
trained_on = "h36m"
keypoints = "gt"
joints = "16"
averaging = "action"
source = "there"
values = [{ metric = "PA-MPJPE", alignment = "similarity", value = "38.2", tag = "2", confidence = "high" }]

[[filings]]
paper = "chen2019"
site = "a site"
label = "Protocol #1"
value = "51"
verdict = "wrong metric"
row = "chen"
metric = "PA-MPJPE"
confidence = "high"
why = "It is after Procrustes."

[[measured]]
paper = "chen2019"
what = "their code"
official = true
work = "7 epochs"
protocol = "cmu"
keypoints = "gt"
joints = 16
values = { "PA-MPJPE" = 88.8, "N-MPJPE" = 99.9, "best-of-flip MPJPE" = 77.7, "best-of-flip PA-MPJPE" = 66.6 }
notes = "Still improving."

[[unread]]
name = "Omega"
why = "no table could be read"
"""


def made(folder, text=TEXT, entries=()):
    (folder / "published.toml").write_text(text, encoding="utf-8")
    return reconciliation(load_published(folder), entries)


def copy_entry(board):
    """One committed entry: a board with a ranking, and few plots to draw."""
    folder = board / "entries" / "synthetic"
    folder.mkdir(parents=True)
    shutil.copy(COMMITTED / "entries" / "synthetic" / "flat-gt.json", folder)


def line(text, start):
    """The cells of the first table line that starts so."""
    found = next(row for row in text.splitlines() if row.startswith(f"| {start}"))
    return [cell.strip() for cell in found.strip("|").split("|")]


@pytest.fixture(scope="module")
def flat():
    return next(
        entry for entry in load_entries(COMMITTED) if (entry.method, entry.protocol["id"], entry.keypoints) == ("flat", "cmu", "gt")
    )


def test_a_filed_number_is_shown_with_what_it_really_is_and_why(tmp_path):
    text = made(tmp_path)
    cells = line(text, "Protocol #1 (a site)")
    assert cells[1:3] == ["51", "wrong metric"]
    assert cells[3] == "PA-MPJPE (similarity) on Human3.6M; 2D gt: 51 [2]"
    assert cells[4:] == ["high", "It is after Procrustes."]
    assert "Both are PA-MPJPE." in text


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("", "", "yes"),
        ('alignment = "similarity", value = "38.2"', 'alignment = "similarity+reflection", value = "38.2"', "no: other alignments"),
        (
            'alignment = "similarity", value = "38.2"',
            'alignment = "similarity", oracle = "best of flip", value = "38.2"',
            "no: other alignments",
        ),
        (
            'alignment = "similarity", value = "51"',
            'alignment = "similarity, reflection unstated", value = "51"',
            "unknown: an alignment is not stated",
        ),
        (
            'protocol = "h36m/s9s11"\ntrained_on = "h36m"\nkeypoints = "gt"\njoints = "16"',
            'protocol = "h36m/s9s11-repnet16"\ntrained_on = "h36m"\nkeypoints = "gt"\njoints = "16"',
            "no: other protocols",
        ),
        ('id = "repnet"\npaper = "repnet"', 'id = "repnet"\npaper = "repnet"\nvariant = "reproduced by others"', "nothing to compare"),
    ],
)
def test_numbers_of_a_line_are_comparable_only_if_alignments_and_protocols_are_stated_and_equal(tmp_path, old, new, verdict):
    cells = line(made(tmp_path, TEXT.replace(old, new, 1)), "Human3.6M")
    assert cells[:3] == ["Human3.6M", "PA-MPJPE [mm]", "gt"]
    assert cells[-1] == verdict


def test_other_2d_sources_and_training_sets_have_lines_of_their_own(tmp_path):
    head, rest = TEXT.split('id = "repnet"\npaper')
    text = made(tmp_path, head + 'id = "repnet"\npaper' + rest.replace('keypoints = "gt"', 'keypoints = "sh"', 1))
    table = text.split("## Comparable numbers")[1].split("\n## ")[0]
    lines = [row for row in table.splitlines() if "PA-MPJPE" in row]
    assert len(lines) == 2
    assert all("nothing to compare" in row for row in lines)
    text = made(tmp_path, head + 'id = "repnet"\npaper' + rest.replace('trained_on = "h36m"', 'trained_on = "3dhp"', 1))
    assert line(text, "Human3.6M, trained on MPI-INF-3DHP")[-1] == "nothing to compare"


def test_recalled_numbers_are_in_italics_with_their_tag(tmp_path):
    text = made(tmp_path)
    assert "*71.5* (p, f) [M]" in text
    assert text.replace("*71.5*", "").count("71.5") == 0
    assert "[M] recalled from the paper" in text


def test_reported_run_and_own_numbers_stand_in_one_table_with_the_reasons(tmp_path, flat):
    text = made(tmp_path, entries=[flat])
    chen = text.split("### Chen\n")[2].split("\n### ")[0]
    assert line(chen, "reported: Chen")[:5] == ["reported: Chen", "Human3.6M", "gt", "17", "51 [2]"]
    run = line(chen, "run by us, official code: their code")
    assert run[1:7] == ["`cmu`", "gt", "16", "88.8", "; 66.6 (f)", "99.9; 77.7 (p, f)"]
    assert run[-1] == "7 epochs"
    own = line(chen, "ours: ")
    assert own[0] == f"ours: [{flat.name}](entries/cmu/{flat.name}.json)"
    assert own[4] == f"{flat.value('PA-MPJPE', 'frame'):.1f}"
    assert own[3] == "17"
    assert "* Other data." in chen


def test_an_entry_counts_for_its_own_method_only(tmp_path, flat):
    text = made(tmp_path, entries=[flat])
    repnet = text.split("### RepNet\n")[1].split("\n### ")[0]
    assert "ours: no entry yet" in repnet
    assert flat.name not in repnet
    assert "### Other" not in text
    how = Provenance("wide", "quick", 0, "cmu 1 f", "gt", 1, flip_averaging=False)
    named = made(tmp_path, entries=[replace(flat, method="repnet", seeds=[replace(flat.seeds[0], provenance=how)], stem="")])
    assert "ours: [repnet+wide-gt-quick]" in named
    assert "no entry yet" not in named.split("### RepNet\n")[1].split("\n## ")[0]


def test_an_entry_with_seeds_shows_its_median_and_range_not_its_best(tmp_path, flat):
    (other,) = (
        entry for entry in load_entries(COMMITTED) if (entry.method, entry.protocol["id"], entry.keypoints) == ("mean-pose", "cmu", "gt")
    )
    many = replace(flat, seeds=[other.seeds[0], flat.seeds[0], other.seeds[0]])
    low, high = flat.value("PA-MPJPE", "frame"), other.value("PA-MPJPE", "frame")
    assert low < high
    own = line(made(tmp_path, entries=[many]), "ours: [")
    assert own[4] == f"{high:.1f} ({low:.1f} to {high:.1f})"


def test_a_column_mark_does_not_break_a_table(tmp_path):
    text = made(tmp_path, TEXT.replace('label = "Protocol #1"', 'label = "P1 | P2"'))
    assert r"| P1 \| P2 (a site)" in text


def test_rendering_writes_both_pages_and_check_names_a_stale_one(tmp_path):
    copy_entry(tmp_path)
    (tmp_path / "published.toml").write_text(TEXT, encoding="utf-8")
    assert render(tmp_path) == tmp_path / "README.md"
    assert check_board(tmp_path) > 0
    written = (tmp_path / "reconciliation.md").read_text(encoding="utf-8")
    (tmp_path / "reconciliation.md").write_text(written.replace("88.8", "44.4"), encoding="utf-8")
    with pytest.raises(PosebenchError, match=r"reconciliation\.md is not what") as error:
        check_board(tmp_path)
    assert error.value.exit_code == 1
    (tmp_path / "reconciliation.md").unlink()
    with pytest.raises(PosebenchError, match=r"reconciliation\.md is not what"):
        check_board(tmp_path)
    render(tmp_path)
    (tmp_path / "published.toml").write_text(TEXT.replace("38.2", "38.3"), encoding="utf-8")
    with pytest.raises(PosebenchError, match="board render"):
        check_board(tmp_path)
    (tmp_path / "published.toml").write_text(TEXT.replace('tag = "M"', 'tag = "Q"'), encoding="utf-8")
    with pytest.raises(PosebenchError, match="tag = 'Q'"):
        check_board(tmp_path)


def test_a_board_without_published_numbers_has_no_reconciliation_page(tmp_path):
    copy_entry(tmp_path)
    render(tmp_path)
    assert check_board(tmp_path) > 0
    assert [path.name for path in sorted(tmp_path.glob("*.md"))] == ["README.md", "how-to-read.md"]


def test_the_committed_page_has_every_number_of_its_file():
    published = load_published(COMMITTED)
    text = reconciliation(published, [])
    for row in published.rows:
        for value in row.values:
            assert value.printed in text, (row.id, value.metric)
        assert row.source in text
    sizes = text.split("\n## Published size and speed\n")[1].split("\n## ")[0]
    for speed in published.speeds:
        assert published.papers[speed.paper].name in sizes
        assert speed.source in sizes
        for printed in (speed.parameters, speed.operations, speed.poses_per_second):
            assert f" {printed} |" in sizes
    for filing in published.filings:
        assert filing.label in text
        assert filing.why in text
    for run in published.measured:
        for value in run.values.values():
            assert f"{value:.1f}" in text
