import re
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.board.pages.leaderboard import leaderboard_page
from posebench.board.pages.paper_order import PAPERS_ORDER
from posebench.board.pages.reported import reported_page
from posebench.board.published.reader import load_published
from posebench.board.published.speed import published_speed
from posebench.board.published.tables import cell, published_section, who
from posebench.board.published.types import TAGS, Value
from posebench.board.rank import rankings

COMMITTED = Path(__file__).parents[2] / "leaderboard"
#: The protocol under which MotionBERT and those after it are filed.
MOTIONBERT = "h36m/motionbert-2.5d"

TEXT = """
posebench_published = 1

[[papers]]
id = "zeta"
name = "Zeta"
title = "A paper"
venue = "Nowhere 2020"
url = "https://example.org/zeta"
supervision = "none"
methods = ["flat"]
reasons = ["Because."]

[[papers]]
id = "alpha"
name = "Alpha"
title = "Another paper"
venue = "Nowhere 2021"
supervision = "paired 3D"
side_information = "bone lengths"

[[rows]]
id = "zeta-gt"
paper = "zeta"
dataset = "h36m"
protocol = "h36m/s9s11"
differs = "16 joints"
trained_on = "h36m"
keypoints = "gt"
joints = "16"
averaging = "action"
source = "its Table 1"
values = [
    { metric = "PA-MPJPE", alignment = "similarity+reflection", value = "91.70", tag = "2", confidence = "high", recalled = "it is full" },
    { metric = "MPJPE", alignment = "unstated", value = "123.4", tag = "M", confidence = "low" },
]

[[rows]]
id = "alpha-gt"
paper = "alpha"
dataset = "h36m"
protocol = "h36m/s9s11"
trained_on = "h36m"
keypoints = "gt"
frames = "27"
joints = "17"
averaging = "action"
source = "its Table 2"
values = [
    { metric = "PA-MPJPE", alignment = "similarity", value = "30.5", tag = "C", confidence = "high", by_action = "FIFTEEN" },
]

[[rows]]
id = "alpha-sh"
paper = "alpha"
dataset = "h36m"
protocol = "h36m/s9s11"
trained_on = "h36m"
keypoints = "sh"
joints = "17"
averaging = "action"
source = "its Table 2"
values = [
    { metric = "scaled MPJPE", alignment = "scale: Procrustes", oracle = "best of flip", value = "47.1", tag = "C", confidence = "high" },
]

[[rows]]
id = "alpha-3dhp"
paper = "alpha"
dataset = "3dhp"
protocol = "3dhp/official"
trained_on = "unstated"
keypoints = "unstated"
joints = "unstated"
averaging = "unstated"
source = "recalled"
values = [{ metric = "PCK@150", alignment = "unstated", value = "77.7", tag = "L", confidence = "low" }]

[[filings]]
paper = "alpha"
site = "a site"
label = "Protocol #1"
value = "30.5"
verdict = "wrong metric"
row = "alpha-gt"
metric = "PA-MPJPE"
confidence = "high"
why = "It is after Procrustes."

[[measured]]
paper = "zeta"
what = "Zeta's own code"
official = true
work = "7 epochs"
protocol = "cmu"
keypoints = "gt"
joints = 16
values = { "PA-MPJPE" = 88.8, "flip-rate" = 50 }

[[speeds]]
paper = "zeta"
variant = "small"
frames = "27"
parameters = "4.10"
operations = "77.2"
counted = "MACs"
per = "clip"
poses_per_second = "1200"
hardware = "one GPU"
source = "its Table 6"
tag = "T"
notes = "In half precision."

[[speeds]]
paper = "alpha"
parameters = "33.6"
source = "its Table 5"
tag = "2"

[[unread]]
name = "Omega"
why = "no table could be read"
""".replace("FIFTEEN", " ".join(f"{23.5 + i}" for i in range(15)))


def board(folder, text=TEXT):
    (folder / "published.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def published(tmp_path):
    return load_published(board(tmp_path))


def test_rows_filings_and_runs_come_back_as_they_were_written(published):
    assert [row.id for row in published.rows] == ["zeta-gt", "alpha-gt", "alpha-sh", "alpha-3dhp"]
    assert published.row("zeta-gt").get("PA-MPJPE").printed == "91.70"
    assert published.row("zeta-gt").get("AUC") is None
    assert len(published.row("alpha-gt").get("PA-MPJPE").by_action) == 15
    assert published.measured[0].values == {"PA-MPJPE": 88.8, "flip-rate": 50.0}
    assert published.unread == (("Omega", "no table could be read"),)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("posebench_published = 1", "posebench_published = 2", "posebench_published = 2"),
        ("posebench_published = 1", "", "no posebench_published"),
        ('name = "Zeta"', "", r"papers\[0\]: no name"),
        ('name = "Zeta"', 'name = "Zeta"\ncolour = "red"', r"papers\[0\]: unknown colour"),
        ('id = "alpha"', 'id = "zeta"', "papers = 'zeta'.*each id once"),
        ('id = "alpha-sh"', 'id = "alpha-gt"', "rows = 'alpha-gt'.*each id once"),
        ('supervision = "none"', 'supervision = "some"', "supervision = 'some'"),
        ('paper = "zeta"\ndataset', 'paper = "beta"\ndataset', r"rows\[0\]: paper = 'beta'.*zeta, alpha"),
        ('protocol = "h36m/s9s11"\ndiffers', 'protocol = "h36m/p1"\ndiffers', r"protocol = 'h36m/p1'.*h36m/s9s11"),
        ('protocol = "3dhp/official"', 'protocol = "h36m/s9s11"', "protocol = 'h36m/s9s11'.*a protocol of 3dhp"),
        ('keypoints = "sh"', 'keypoints = "hourglass"', "keypoints = 'hourglass'"),
        ('tag = "L"', 'tag = "X"', r"rows\[3\]: values\[0\]: tag = 'X'"),
        ('confidence = "low" },', 'confidence = "certain" },', "confidence = 'certain'.*high, medium, low"),
        ('value = "77.7"', 'value = "177.7"', "value = '177.7'.*up to 100"),
        ('value = "77.7"', "value = 77.7", "value = 77.7.*a string"),
        ('value = "77.7"', 'value = "about 78"', "value = 'about 78'.*as it is printed"),
        (
            'alignment = "unstated", value = "123.4"',
            'alignment = "similarity", value = "123.4"',
            "alignment = 'similarity'.*root, unstated",
        ),
        ('metric = "MPJPE", alignment = "unstated"', 'metric = "N-MPJPE", alignment = "unstated"', "metric = 'N-MPJPE'.*scaled MPJPE"),
        ('metric = "MPJPE", alignment = "unstated"', 'metric = "PA-MPJPE", alignment = "similarity"', "values = .*each once"),
        ("23.5 24.5", "33.5 24.5", "by_action = .*mean 30.5"),
        ("23.5 24.5", "24.5", "by_action = .*15 numbers"),
        ("23.5 24.5", "x 24.5", "by_action = .*15 numbers"),
        ('value = "30.5"\nverdict', 'value = "30.6"\nverdict', "value = '30.6'.*a value of alpha-gt, PA-MPJPE"),
        ('row = "alpha-gt"', 'row = "alpha-cpn"', r"filings\[0\]: row = 'alpha-cpn'"),
        ('metric = "PA-MPJPE"\nconfidence', 'metric = "MPJPE"\nconfidence', "metric = 'MPJPE'.*one of PA-MPJPE"),
        ('verdict = "wrong metric"', 'verdict = "odd"', "verdict = 'odd'"),
        ('"flip-rate" = 50', '"flips" = 50', "unknown flips"),
        ("official = true", "official = 1", "official = 1.*true or false"),
        ("joints = 16\nvalues", "joints = 0\nvalues", "joints = 0"),
        ('frames = "27"\njoints', "frames = 27\njoints", r"rows\[1\]: frames = 27.*a string"),
        ('frames = "27"\njoints', 'frames = "many"\njoints', r"rows\[1\]: frames = 'many'"),
        ('oracle = "best of flip"', 'oracle = "luck"', "oracle = 'luck'.*true depth"),
        ('paper = "zeta"\nvariant', 'paper = "beta"\nvariant', r"speeds\[0\]: paper = 'beta'"),
        ('parameters = "4.10"', "parameters = 4.1", r"speeds\[0\]: parameters = 4.1.*a string"),
        ('parameters = "33.6"\n', "", r"speeds\[1\]: .*parameters, operations or poses_per_second"),
        ('counted = "MACs"', 'counted = "GFLOPs"', "counted = 'GFLOPs'.*FLOPs, MACs"),
        ('counted = "MACs"\n', "", r"speeds\[0\]: counted = ''"),
        ('operations = "77.2"\n', "", r"speeds\[0\]: .*counted"),
        ('per = "clip"', 'per = "second"', "per = 'second'.*frame, clip"),
        ('hardware = "one GPU"\n', "", r"speeds\[0\]: .*hardware"),
        ('poses_per_second = "1200"\n', "", r"speeds\[0\]: .*hardware"),
        ('source = "its Table 5"\n', "", r"speeds\[1\]: no source"),
        ("[[unread]]", "[[unheard]]", "unknown unheard"),
        ("[[unread]]", "[[unread]", r"published\.toml: "),
    ],
)
def test_a_wrong_field_is_refused_naming_file_and_field(tmp_path, old, new, message):
    assert TEXT.count(old) == 1
    with pytest.raises(PosebenchError, match=message) as error:
        load_published(board(tmp_path, TEXT.replace(old, new)))
    assert "published.toml" in str(error.value)


def test_a_number_that_nobody_could_trace_needs_no_row(tmp_path):
    text = TEXT.replace('verdict = "wrong metric"\nrow = "alpha-gt"\nmetric = "PA-MPJPE"', 'verdict = "not traced"')
    (filing,) = load_published(board(tmp_path, text)).filings
    assert (filing.printed, filing.row, filing.metric) == ("30.5", "", "")


def test_one_action_of_a_row_is_traced_to_its_fifteen(tmp_path):
    text = TEXT.replace('value = "30.5"\nverdict = "wrong metric"', 'value = "23.5"\nverdict = "one action only"')
    assert load_published(board(tmp_path, text)).filings[0].printed == "23.5"
    with pytest.raises(PosebenchError, match=r"value = '23\.6'"):
        load_published(board(tmp_path, text.replace('value = "23.5"', 'value = "23.6"')))


def test_a_board_without_the_file_has_no_published_numbers(tmp_path):
    assert load_published(tmp_path) is None
    assert "Published" not in leaderboard_page(rankings([]), None, {})


def test_recalled_values_stay_off_the_board(published):
    text = reported_page(published)
    assert "91.70" in text
    assert "(published.md#published-under-h36ms9s11-or-a-similar-protocol)" in leaderboard_page(rankings([]), published, {})
    assert "123.4" not in text
    assert "77.7" not in text
    assert "3dhp/official" not in text
    assert published_section(published, "3dhp/official") == ""


def test_no_recalled_value_of_the_committed_file_is_on_the_committed_board():
    published = load_published(COMMITTED)
    text = reported_page(published)
    assert "[M]" not in text
    assert "[L]" not in text
    for row in published.rows:
        lines = [line for line in text.splitlines() if line.startswith("| ") and who(published, row) in line]
        for value in row.values:
            if not value.verified:
                assert not any(f" {value.printed} " in line or f"*{value.printed}*" in line for line in lines), row.id


def test_published_rows_are_in_order_of_error(published):
    text = published_section(published, "h36m/s9s11")
    assert text.index("| Alpha") < text.index("| [Zeta]")
    assert "never ranked" in reported_page(published)


def test_rows_with_only_a_percentage_follow_the_best_first(tmp_path):
    row = TEXT[TEXT.index('[[rows]]\nid = "alpha-3dhp"') : TEXT.index("[[filings]]")].replace('tag = "L"', 'tag = "2"')
    rows = [row.replace("alpha-3dhp", f"row-{value}").replace("77.7", value) for value in ("60.1", "91.3", "77.7")]
    rows += [
        rows[0].replace("row-60.1", f"row-{mm}").replace("PCK@150", "MPJPE").replace("60.1", mm) for mm in ("120.5", "90.5", "80.5", "70.5")
    ]
    head = TEXT[: TEXT.index("[[rows]]")]
    text = published_section(load_published(board(tmp_path, head + "".join(rows))), "3dhp/official")
    assert re.findall(r"(\d+\.\d) \(\?\)", text) == ["70.5", "80.5", "90.5", "120.5", "91.3", "77.7", "60.1"]


def test_a_row_has_its_papers_side_information_or_its_own(tmp_path):
    own = TEXT.replace('paper = "alpha"\ndataset', 'paper = "alpha"\nside_information = "nothing more"\ndataset', 1)
    for text, shown in ((TEXT, "bone lengths"), (own, "nothing more")):
        published = load_published(board(tmp_path, text))
        assert published.row("alpha-gt").side_information == shown
        assert f"1. Also used: {shown}.\n" in published_section(published, "h36m/s9s11")


def test_the_committed_reproductions_do_not_carry_the_papers_side_information():
    rows = {row.id: row for row in load_published(COMMITTED).rows}
    assert "adapter" in rows["chen2019-gt"].side_information
    for id in ("chen2019-gt-plain", "chen2019-by-yu-gt", "chen2019-by-yu-detected"):
        assert "adapter" not in rows[id].side_information
    assert [id for id, row in rows.items() if "best epoch" in row.differs] == ["yu2021-gt-paper"]


def test_gt_cpn_and_hourglass_never_share_a_table_of_published_numbers(published):
    text = published_section(published, "h36m/s9s11")
    gt, sh = text.split("\n### ")[1:]
    assert gt.startswith("2D source: the truth projected (`gt`)")
    assert "30.5" in gt
    assert "47.1" not in gt
    assert "47.1 (p, f)" in sh
    assert "| 2D " not in text


def test_other_2d_sources_share_a_table_that_names_them(tmp_path):
    text = TEXT.replace('keypoints = "sh"', 'keypoints = "hrnet"')
    gt, others = published_section(load_published(board(tmp_path, text)), "h36m/s9s11").split("\n### ")[1:]
    assert "| 2D " not in gt
    assert others.startswith("Other 2D sources")
    assert "| HRNet |" in others


def test_a_section_explains_the_marks_that_it_uses_and_what_differs(published):
    text = published_section(published, "h36m/s9s11")
    assert "91.70 (r) |" in text
    assert "* (r) a reflection is allowed" in text
    assert "(n) " not in text
    assert f"* 2: {TAGS['2']}" in text
    assert "* M: " not in text
    assert "| [Zeta](https://example.org/zeta) (2, 3) |" in text
    assert "2. Differs: 16 joints.\n3. Only recalled: it is full.\n" in text


def test_a_note_of_several_rows_is_printed_once(tmp_path):
    both = TEXT.replace('keypoints = "sh"', 'keypoints = "gt"')
    text = published_section(load_published(board(tmp_path, both)), "h36m/s9s11")
    assert text.count("Also used: bone lengths.") == 1
    assert len(re.findall(r"\| Alpha \(1\) +\|", text)) == 2


def test_the_column_oracle_says_what_was_taken_from_the_truth(published):
    gt, sh = published_section(published, "h36m/s9s11").split("\n### ")[1:]
    assert "| scale, flip | C " in sh
    assert "flip" not in gt


def test_values_with_different_sources_bear_their_own_tags(tmp_path):
    text = TEXT.replace('alignment = "unstated", value = "123.4", tag = "M"', 'alignment = "root", value = "123.4", tag = "C"')
    section = published_section(load_published(board(tmp_path, text)), "h36m/s9s11")
    assert "91.70 (r) [2]" in section
    assert "123.4 [C]" in section
    assert "| 2, C " in section


def test_size_and_speed_have_a_table_that_says_what_was_counted(published):
    text = published_speed(published, level=3)
    assert text.startswith("### Published size and speed\n")
    zeta, alpha = (re.split(r" *\| *", line) for line in text.splitlines() if line.startswith("| ") and "20" in line[:80])
    assert zeta[1:-1] == [
        "[Zeta, small](https://example.org/zeta) (1, 2)",
        "2020",
        "27",
        "4.10",
        "77.2",
        "MACs a clip",
        "1200",
        "one GPU",
        "T",
    ]
    assert alpha[1:-1] == ["Alpha (3)", "2021", "", "33.6", "", "", "", "", "2"]
    assert "1. In half precision.\n2. Source: its Table 6.\n3. Source: its Table 5.\n" in text


def test_a_file_without_speeds_and_frames_is_read_as_before(tmp_path):
    text = TEXT[: TEXT.index("[[speeds]]")].replace('frames = "27"\n', "")
    published = load_published(board(tmp_path, text))
    assert published.speeds == ()
    assert {row.frames for row in published.rows} == {""}
    assert published_speed(published) == ""


@pytest.mark.parametrize(
    ("alignment", "oracle", "tag", "shown"),
    [
        ("similarity", "none", "C", "50.0 [C]"),
        ("similarity", "best of flip", "2", "50.0 (f) [2]"),
        ("similarity, reflection unstated", "none", "T", "50.0 (?) [T]"),
        ("scale: norm ratio", "none", "M", "*50.0* (n) [M]"),
        ("scale: head to root", "none", "L", "*50.0* (h) [L]"),
        ("scale: least squares", "none", "R", "50.0 [R]"),
        ("root", "true depth", "C", "50.0 (d) [C]"),
        ("root", "best hypothesis", "T", "50.0 (b) [T]"),
        ("similarity", "best epoch", "C", "50.0 (e) [C]"),
    ],
)
def test_a_cell_says_how_its_number_was_aligned_and_what_it_rests_on(alignment, oracle, tag, shown):
    value = Value("", alignment, oracle, "50.0", tag, "high", "", ())
    assert cell(value) == shown


def test_the_committed_file_has_the_four_papers_and_traces_what_it_can():
    published = load_published(COMMITTED)
    assert {"chen2019", "repnet", "ites", "pose_machine"} <= set(published.papers)
    assert {row.paper for row in published.rows} == set(published.papers)
    untraced = {(filing.paper, filing.printed) for filing in published.filings if filing.verdict == "not traced"}
    assert untraced == {("chen2019", "71.7"), ("ites", None)}


def test_the_committed_rows_reach_from_2017_to_2026():
    published = load_published(COMMITTED)
    years = {published.papers[row.paper].year for row in published.rows}
    assert years >= {str(year) for year in range(2017, 2027)}
    assert {published.papers[row.paper].supervision for row in published.rows} == {"paired 3D", "unpaired 3D", "none"}


def test_every_committed_number_of_the_motionbert_family_names_its_oracle():
    published = load_published(COMMITTED)
    rows = [row for row in published.rows if row.protocol == MOTIONBERT]
    assert {row.paper for row in rows} >= {"motionbert", "motionagformer", "posemamba", "tcpformer"}
    assert {value.oracle for row in rows for value in row.values} == {"true depth"}
    assert not any(value.oracle == "true depth" for row in published.rows if row.protocol != MOTIONBERT for value in row.values)


def test_no_cell_of_the_committed_rows_is_a_paragraph():
    published = load_published(COMMITTED)
    protocols = {row.protocol for row in published.rows}
    text = "".join(published_section(published, protocol) for protocol in protocols) + published_speed(published)
    cells = [re.sub(r"\]\(\S+\)", "]", cell).strip() for line in text.splitlines() if line.startswith("| ") for cell in line.split("|")]
    assert max(map(len, cells)) <= 70


@pytest.mark.parametrize(("better", "worse"), [pair for pair in PAPERS_ORDER if "ites" not in pair])
def test_the_order_of_the_papers_is_that_of_the_published_numbers(better: str, worse: str) -> None:
    """ITES is left out: what its abstract says compares classes of methods, not two numbers."""
    book = load_published(COMMITTED)
    assert book is not None

    def best(method: str) -> float:
        papers = {paper.id for paper in book.papers.values() if method in paper.methods}
        rows = [row for row in book.rows if row.paper in papers and not row.variant and (row.dataset, row.keypoints) == ("h36m", "gt")]
        return min(float(value.printed) for row in rows for value in row.values if value.metric == "PA-MPJPE")

    assert best(better) < best(worse)
