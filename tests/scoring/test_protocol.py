"""Protocol files: what loads, what is refused and how the message helps, what the digest covers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from posebench.base.errors import PosebenchError
from posebench.base.skeletons import skeleton
from posebench.scoring.protocol import (
    ALIGNMENTS,
    STATISTICS,
    Metric,
    describe,
    describe_metric,
    find_protocols,
    higher_is_better,
    load_protocol,
    protocol_ids,
)

DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "protocol_digests.json").read_text())

WHOLE = """
id = "mine"
version = 1
title = "A title"
dataset = "any"
dataset_version = "any"
skeleton = "h36m17"
aliases = ["Protocol #2", "P-MPJPE of Someone et al."]
sources = ["a paper"]
notes = "prose"

[takes]
subjects = ["S9"]
actions = ["Walk"]
cameras = ["c0"]
excluded = [{ take = "S9/Walk 1", reason = "damaged" }]

[frames]
stride = 2

[root]
joints = ["pelvis"]
counted = true

[average]
headline = "action"
also = ["frame"]

[joints]
legs = ["r_hip", "l_hip"]

[[metrics]]
alignment = "root"
statistic = "mean"

[[metrics]]
alignment = "root"
statistic = "pck"
joints = "legs"
threshold = 150
compare = "<"

[[metrics]]
alignment = "similarity"
statistic = "cps"
thresholds = { first = 1, last = 300, step = 1 }

[[diagnostics]]
statistic = "flip-rate"
"""


@pytest.fixture
def protocol_file(tmp_path):
    """Writes a protocol file, a text with replacements, and returns its path."""

    def write(*changes: tuple[str, str], name: str = "mine", text: str = WHOLE) -> str:
        for old, new in changes:
            assert old in text, f"the test replaces {old!r}, which the text lacks"
            text = text.replace(old, new)
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def refusal(protocol_file):
    """The message with which a changed protocol file is refused."""

    def message(*changes: tuple[str, str]) -> str:
        path = protocol_file(*changes)
        with pytest.raises(PosebenchError) as error:
            load_protocol(path)
        assert path in str(error.value), "the message names the file"
        return str(error.value)

    return message


@pytest.mark.parametrize("id", protocol_ids())
def test_a_shipped_protocol_loads_under_its_own_path_and_describes_itself(id):
    protocol = load_protocol(id)
    assert protocol.id == id
    text = describe(protocol)
    for metric in (*protocol.metrics, *protocol.diagnostics):
        assert metric.name in text
    for stated in (protocol.digest, protocol.title, protocol.dataset, protocol.headline, *protocol.sources, *protocol.aliases):
        assert stated in text


@pytest.mark.parametrize("id", protocol_ids())
def test_the_digest_of_a_published_version_never_changes(id):
    protocol = load_protocol(id)
    frozen = DIGESTS.get(id, {}).get(str(protocol.version))
    add = f'add "{protocol.version}": "{protocol.digest}" under "{id}" in tests/golden/protocol_digests.json'
    assert frozen is not None, f"protocol {id} version {protocol.version} is new: {add}"
    assert frozen == protocol.digest, (
        f"protocol {id} version {protocol.version} has another digest than the frozen {frozen}, under which results exist: "
        f"bump the version in its file, then {add}"
    )


def test_every_frozen_digest_belongs_to_a_protocol_that_still_ships():
    assert set(DIGESTS) <= set(protocol_ids())


def test_two_protocols_state_their_documented_fields():
    cmu, pair = load_protocol("cmu"), load_protocol("pair-17j")
    assert (cmu.headline, cmu.skeleton.id, cmu.root, cmu.root_counted, cmu.stride) == ("take", "h36m17", ("pelvis",), True, 1)
    assert (pair.headline, pair.dataset, pair.subjects, pair.cameras, pair.also) == ("frame", "any", (), (), ("take", "action"))
    names = "MPJPE PA-MPJPE N-MPJPE PCK@150 AUC N-PCK@150 N-AUC PA-PCK@150 PA-AUC CPS MPJVE ACCEL BONE-LENGTH BONE-SYMMETRY"
    for protocol in (cmu, pair):
        assert " ".join(metric.name for metric in protocol.metrics) == names
        assert [metric.name for metric in protocol.diagnostics] == ["PA-MPJPE-rigid", "PA-MPJPE-reflection", "flip-rate"]
        assert len(next(metric for metric in protocol.metrics if metric.name == "CPS").joints) == 16
        assert {metric.name for metric in protocol.metrics if not metric.absolute} >= {"PA-MPJPE", "N-MPJPE", "N-AUC", "CPS"}
        assert not any(metric.absolute for metric in protocol.metrics if metric.name.startswith(("N-", "PA-")))


def test_a_file_loads_by_its_path_with_everything_it_states(protocol_file):
    protocol = load_protocol(protocol_file())
    assert (protocol.id, protocol.version, protocol.title, protocol.notes) == ("mine", 1, "A title", "prose")
    assert (protocol.subjects, protocol.actions, protocol.cameras) == (("S9",), ("Walk",), ("c0",))
    assert protocol.excluded == {"S9/Walk 1": "damaged"}
    assert (protocol.stride, protocol.root, protocol.root_indices, protocol.root_counted) == (2, ("pelvis",), (0,), True)
    assert protocol.averages == ("action", "frame")
    mean, pck, cps = protocol.metrics
    assert mean == Metric("root", "mean", "all", skeleton("h36m17").joints)
    assert pck == Metric("root", "pck", "legs", ("r_hip", "l_hip"), threshold=150.0)
    assert (cps.thresholds, cps.joint_set, cps.name) == ((1.0, 300.0, 1.0), "all", "CPS")
    assert protocol.diagnostics[0].name == "flip-rate"


def test_a_root_that_does_not_count_leaves_the_set_of_all_joints(protocol_file):
    protocol = load_protocol(protocol_file(("counted = true", "counted = false")))
    assert protocol.metrics[0].joints == skeleton("h36m17").joints[1:]


EXPECTED_NAMES = {
    "absolute": "ABS-MPJPE ABS-PCK@150 ABS-AUC ABS-CPS ABS-MPJVE ABS-ACCEL ABS-BONE-LENGTH ABS-BONE-SYMMETRY flip-rate",
    "root": "MPJPE PCK@150 AUC ROOT-CPS MPJVE ACCEL BONE-LENGTH BONE-SYMMETRY flip-rate",
    "scale": "N-MPJPE N-PCK@150 N-AUC N-CPS N-MPJVE N-ACCEL N-BONE-LENGTH N-BONE-SYMMETRY flip-rate",
    "rigid": "PA-MPJPE-rigid PA-PCK@150-rigid PA-AUC-rigid CPS-rigid PA-MPJVE-rigid PA-ACCEL-rigid PA-BONE-LENGTH-rigid "
    "PA-BONE-SYMMETRY-rigid flip-rate",
    "similarity": "PA-MPJPE PA-PCK@150 PA-AUC CPS PA-MPJVE PA-ACCEL PA-BONE-LENGTH PA-BONE-SYMMETRY flip-rate",
    "similarity+reflection": "PA-MPJPE-reflection PA-PCK@150-reflection PA-AUC-reflection CPS-reflection PA-MPJVE-reflection "
    "PA-ACCEL-reflection PA-BONE-LENGTH-reflection PA-BONE-SYMMETRY-reflection flip-rate",
}


def metric(alignment: str, statistic: str, **numbers: object) -> Metric:
    return Metric(alignment, statistic, "all", ("pelvis",), **({"threshold": 150.0} if statistic == "pck" else {}) | numbers)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_metric_is_named_by_what_it_is(alignment):
    assert [metric(alignment, statistic).name for statistic in STATISTICS] == EXPECTED_NAMES[alignment].split()


def test_no_two_alignments_share_a_name_where_the_alignment_matters():
    names = [metric(alignment, statistic).name for alignment in ALIGNMENTS for statistic in STATISTICS if statistic != "flip-rate"]
    assert len(names) == len(set(names))


def test_names_state_thresholds_and_their_comparison():
    assert metric("root", "pck", threshold=100.0).name == "PCK@100"
    assert metric("scale", "pck", threshold=62.5, inclusive=True).name == "N-PCK@62.5-inclusive"
    assert "<= 62.5 mm" in describe_metric(metric("scale", "pck", threshold=62.5, inclusive=True))


def test_only_metrics_that_keep_the_predicted_size_are_absolute():
    absolute = {alignment: metric(alignment, "mean").absolute for alignment in ALIGNMENTS}
    assert absolute == {"absolute": True, "root": True, "scale": False, "rigid": True, "similarity": False, "similarity+reflection": False}
    assert not metric("absolute", "flip-rate").absolute


def test_higher_is_better_for_scores_and_not_for_errors():
    higher = {(alignment, s) for alignment in ALIGNMENTS for s in STATISTICS if higher_is_better(metric(alignment, s).name)}
    assert higher == {(alignment, s) for alignment in ALIGNMENTS for s in ("pck", "auc", "cps")}


def test_units_follow_the_statistic():
    units = {statistic: metric("root", statistic).unit for statistic in STATISTICS}
    assert (units["mean"], units["pck"], units["auc"], units["flip-rate"], units["cps"]) == ("mm", "%", "%", "%", "mm")
    assert (units["velocity"], units["acceleration"]) == ("mm/frame", "mm/frame^2")


@pytest.mark.parametrize(
    ("change", "field", "choices"),
    [
        (("stride = 2", "stride = 2\nstrid = 3"), "strid", ["stride"]),
        (('title = "A title"', 'titel = "A title"'), "title", ["a string"]),
        (('title = "A title"', 'title = "A title"\ntitel = "x"'), "titel", ["title", "aliases"]),
        (("counted = true", "counted = true\nweight = 2"), "weight", ["counted", "joints"]),
        (('also = ["frame"]', 'also = ["frame"]\nmore = 1'), "more", ["also", "headline"]),
        (('threshold = 150\ncompare = "<"', 'threshold = 150\ncompare = "<"\nsize = 1'), "size", ["threshold", "compare"]),
        (('reason = "damaged"', 'reason = "damaged", why = "x"'), "why", ["reason", "take"]),
        (("step = 1 }", "step = 1, steps = 2 }"), "steps", ["first", "last", "step"]),
        (('"r_hip", "l_hip"', '"r_hip", "left_hip"'), "left_hip", ["l_hip", "r_hip", "thorax"]),
        (('"r_hip", "l_hip"', '"r_hip", "r_hip"'), "legs", ["different"]),
        (('legs = ["r_hip", "l_hip"]', "legs = []"), "legs", ["at least one joint"]),
        (('joints = "legs"', 'joints = "arms"'), "arms", ["all", "legs"]),
        (('alignment = "root"\nstatistic = "mean"', 'alignment = "procrustes"\nstatistic = "mean"'), "procrustes", list(ALIGNMENTS)),
        (('statistic = "mean"', 'statistic = "median"'), "median", list(STATISTICS)),
        (('headline = "action"', 'headline = "clip"'), "clip", ["frame", "take", "action"]),
        (('also = ["frame"]', 'also = ["action"]'), "also", ["frame", "take"]),
        (('compare = "<"', 'compare = ">"'), "compare", ["<", "<="]),
        (('compare = "<"', ""), "compare", ["<", "<="]),
        (('skeleton = "h36m17"', 'skeleton = "h36m18"'), "h36m18", ["h36m17", "mpi28", "coco17"]),
        (('joints = ["pelvis"]', 'joints = ["hips"]'), "hips", ["pelvis", "l_hip"]),
        (('joints = ["pelvis"]', "joints = []"), "joints", ["at least one joint"]),
        (("version = 1", "version = 0"), "version", ["a whole number from 1"]),
        (("version = 1", "version = true"), "version", ["a whole number from 1"]),
        (("version = 1", 'version = "1"'), "version", ["a whole number from 1"]),
        (("stride = 2", "stride = 2.5"), "stride", ["a whole number from 1"]),
        (("counted = true", "counted = 1"), "counted", ["true or false"]),
        (("threshold = 150", 'threshold = "150"'), "threshold", ["a number"]),
        (("threshold = 150", "threshold = nan"), "threshold", ["a number"]),
        (("last = 300", "last = inf"), "last", ["a number"]),
        (("last = 300", "last = 0"), "thresholds", ["first < last"]),
        (("step = 1 }", "step = 0 }"), "thresholds", ["whole number of steps"]),
        (("step = 1 }", "step = 7 }"), "thresholds", ["whole number of steps"]),
        (("first = 1, ", ""), "first", ["a number"]),
        (('subjects = ["S9"]', 'subjects = "S9"'), "subjects", ["a list of different strings"]),
        (('aliases = ["Protocol #2", "P-MPJPE of Someone et al."]', "aliases = [1]"), "aliases", ["a list of different strings"]),
        (('excluded = [{ take = "S9/Walk 1", reason = "damaged" }]', 'excluded = ["S9/Walk 1"]'), "excluded", ["a list of tables"]),
        ((', reason = "damaged"', ""), "reason", ["a string"]),
    ],
)
def test_a_wrong_field_is_refused_with_its_name_and_the_choices(refusal, change, field, choices):
    text = refusal(change)
    assert field in text
    for choice in choices:
        assert choice in text
    assert "protocols/README.md" in text


def test_a_value_where_a_table_belongs_is_refused(refusal):
    assert "frames = 2" in refusal(("[frames]\nstride = 2\n", ""), ('id = "mine"', 'id = "mine"\nframes = 2'))


def test_a_metric_twice_is_refused_by_its_name(refusal):
    again = '[[diagnostics]]\nalignment = "root"\nstatistic = "mean"\n\n[[diagnostics]]\nstatistic = "flip-rate"'
    text = refusal(('[[diagnostics]]\nstatistic = "flip-rate"', again))
    assert "'MPJPE'" in text
    assert "each name once" in text


def test_a_protocol_without_metrics_is_refused(protocol_file):
    path = protocol_file(text=WHOLE[: WHOLE.index("[[metrics]]")])
    with pytest.raises(PosebenchError, match="at least one metric"):
        load_protocol(path)


def test_bones_are_taken_over_the_whole_skeleton_whatever_joints_are_scored(protocol_file, refusal):
    bones = '[[metrics]]\nalignment = "root"\nstatistic = "bone-length"\n\n[[diagnostics]]'
    protocol = load_protocol(protocol_file(("[[diagnostics]]", bones), ("counted = true", "counted = false")))
    assert protocol.metrics[0].joints == skeleton("h36m17").joints[1:]
    assert protocol.metrics[-1].joints == skeleton("h36m17").joints
    assert "joints" in refusal(("[[diagnostics]]", bones.replace('"bone-length"', '"bone-length"\njoints = "legs"')))


@pytest.mark.parametrize("text", ["id = ", "id = 'a'\nid = 'b'", "x = 1" + "0" * 5000, "a = " + "[" * 5000, "\x00"])
def test_a_file_that_is_no_toml_is_refused(protocol_file, text):
    path = protocol_file(text=text)
    with pytest.raises(PosebenchError, match="a readable TOML file"):
        load_protocol(path)


def test_a_file_of_other_bytes_is_refused(tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PosebenchError, match="a readable TOML file"):
        load_protocol(str(path))


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(PosebenchError, match=r"nowhere\.toml"):
        load_protocol("nowhere.toml")


def test_an_unknown_id_names_those_that_exist():
    with pytest.raises(PosebenchError) as error:
        load_protocol("h36m/protocol1")
    for id in protocol_ids():
        assert id in str(error.value)
    assert "posebench protocol list" in str(error.value)


def test_a_protocol_is_not_found_by_a_path_that_leaves_its_folder():
    with pytest.raises(PosebenchError, match="no protocol"):
        load_protocol("../protocols/cmu")


CHILD = """
extends = "base.toml"
id = "child"
version = 3
title = "Child"

[takes]
subjects = ["S11"]
excluded = []

[joints]
arms = ["l_wrist"]
"""


def test_a_file_that_extends_another_merges_tables_and_replaces_the_rest(protocol_file):
    base = load_protocol(protocol_file(name="base"))
    child = load_protocol(protocol_file(name="child", text=CHILD))
    assert (child.id, child.version, child.title) == ("child", 3, "Child")
    assert child.subjects == ("S11",)
    assert (child.actions, child.cameras) == (base.actions, base.cameras), "a table merges key by key"
    assert child.excluded == {}, "a list is replaced, not joined"
    assert (child.metrics, child.diagnostics, child.stride, child.headline) == (base.metrics, base.diagnostics, 2, "action")
    assert (child.notes, child.aliases, child.sources) == ("", (), ()), "prose speaks of one protocol only"


def test_a_metric_of_the_child_may_use_joint_sets_of_both_files(protocol_file):
    protocol_file(name="base")
    root = '\n[[metrics]]\nalignment = "root"\nstatistic = "mean"\njoints = "arms"'
    scale = '\n[[metrics]]\nalignment = "scale"\nstatistic = "mean"\njoints = "legs"'
    child = load_protocol(protocol_file(name="child", text=CHILD + root + scale))
    assert [metric.joints for metric in child.metrics] == [("l_wrist",), ("r_hip", "l_hip")]


def test_an_extended_file_is_found_relative_to_the_file_that_names_it(protocol_file, tmp_path, monkeypatch):
    protocol_file(name="base")
    path = protocol_file(name="child", text=CHILD)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    relative = os.path.relpath(path)
    assert load_protocol(relative).digest == load_protocol(path).digest


def test_a_file_may_extend_a_shipped_protocol(protocol_file):
    path = protocol_file(text='extends = "cmu"\nid = "mine"\nversion = 1\ntitle = "t"\n[frames]\nstride = 5\n')
    mine, cmu = load_protocol(path), load_protocol("cmu")
    assert mine.stride == 5
    assert mine.metrics == cmu.metrics
    assert mine.digest != cmu.digest


@pytest.mark.parametrize("own", ["id", "version", "title"])
def test_a_child_must_state_its_own_name_version_and_title(protocol_file, own):
    protocol_file(name="base")
    lines = [line for line in CHILD.splitlines() if not line.startswith(f"{own} ")]
    path = protocol_file(name="child", text="\n".join(lines))
    with pytest.raises(PosebenchError, match=f"no {own}"):
        load_protocol(path)


def test_a_chain_that_comes_back_to_itself_is_refused(protocol_file):
    a = protocol_file(name="a", text='extends = "b.toml"\n')
    protocol_file(name="b", text='extends = "../' + Path(a).parent.name + '/a.toml"\n')
    with pytest.raises(PosebenchError, match="extends itself"):
        load_protocol(a)


def test_extending_what_does_not_exist_names_it(protocol_file):
    with pytest.raises(PosebenchError, match="no protocol 'cmuu'"):
        load_protocol(protocol_file(text='extends = "cmuu"\n'))


def test_extending_something_that_is_no_name_is_refused(protocol_file):
    with pytest.raises(PosebenchError, match="extends = 3"):
        load_protocol(protocol_file(text="extends = 3\n"))


@pytest.mark.parametrize(
    "change",
    [
        ('title = "A title"', 'title = "Another title"'),
        ('notes = "prose"', 'notes = "other prose"'),
        ('"Protocol #2", ', ""),
        ('sources = ["a paper"]', "sources = []"),
        ('reason = "damaged"', 'reason = "the marker set slipped"'),
        ("legs", "lower-body"),
    ],
)
def test_prose_does_not_change_the_digest(protocol_file, change):
    before = load_protocol(protocol_file()).digest
    assert load_protocol(protocol_file(change)).digest == before


NUMBERS = [
    ('id = "mine"', 'id = "yours"'),
    ("version = 1", "version = 2"),
    ('dataset = "any"', 'dataset = "cmu"'),
    ('dataset_version = "any"', 'dataset_version = "2"'),
    ('skeleton = "h36m17"', 'skeleton = "h36m16"'),
    ('subjects = ["S9"]', "subjects = []"),
    ('actions = ["Walk"]', 'actions = ["Sit"]'),
    ('cameras = ["c0"]', 'cameras = ["c0", "c1"]'),
    ('take = "S9/Walk 1"', 'take = "S9/Walk 2"'),
    ("stride = 2", "stride = 5"),
    ('joints = ["pelvis"]', 'joints = ["l_hip", "r_hip"]'),
    ("counted = true", "counted = false"),
    ('headline = "action"\nalso = ["frame"]', 'headline = "frame"\nalso = ["action"]'),
    ('also = ["frame"]', 'also = ["take"]'),
    ('legs = ["r_hip", "l_hip"]', 'legs = ["r_hip", "l_knee"]'),
    ('alignment = "root"\nstatistic = "mean"', 'alignment = "scale"\nstatistic = "mean"'),
    ('alignment = "root"\nstatistic = "mean"', 'alignment = "root"\nstatistic = "velocity"'),
    ("threshold = 150", "threshold = 149"),
    ('compare = "<"', 'compare = "<="'),
    ("first = 1, last = 300", "first = 2, last = 300"),
    ("last = 300", "last = 200"),
    ("step = 1 }", "step = 13 }"),
    ('statistic = "flip-rate"', 'alignment = "rigid"\nstatistic = "mean"'),
    ("[[diagnostics]]", "[[metrics]]"),
]


@pytest.mark.parametrize("change", NUMBERS)
def test_whatever_can_change_a_number_changes_the_digest(protocol_file, change):
    before = load_protocol(protocol_file()).digest
    assert load_protocol(protocol_file(change)).digest != before


def test_no_two_protocols_of_these_share_a_digest(protocol_file):
    digests = [load_protocol(protocol_file(change)).digest for change in NUMBERS]
    assert len(set(digests)) == len(digests)


def test_order_of_tables_in_the_file_does_not_change_the_digest(protocol_file):
    frames = "[frames]\nstride = 2\n"
    moved = WHOLE.replace(frames, "") + "\n" + frames
    assert load_protocol(protocol_file(text=moved)).digest == load_protocol(protocol_file()).digest


@pytest.mark.parametrize("label", ["PAIR 17j", "pair-17j", "any pair of FILES", "#pair#17#j"])
def test_a_protocol_is_found_by_part_of_its_name_whatever_the_case(label):
    assert {protocol.id for protocol, _ in find_protocols(label)} == {"pair-17j"}


@pytest.mark.parametrize("label", ["", "#", "  ", "no such label"])
def test_a_label_without_letters_or_digits_finds_nothing(label):
    assert find_protocols(label) == []


@pytest.mark.parametrize("label", ["protocol 2", "Protocol #2", "P-MPJPE of someone"])
def test_a_protocol_is_found_by_the_alias_under_which_papers_cite_it(protocol_file, monkeypatch, label):
    path = protocol_file()
    monkeypatch.setattr("posebench.scoring.protocol.files.protocol_ids", lambda: [path])
    (found, alias), *others = find_protocols(label)
    assert found.id == "mine"
    assert alias in found.aliases
    assert others == []


def test_the_earlier_name_none_of_the_absolute_alignment_is_read_and_gives_the_same_digest(protocol_file):
    protocols = []
    for name in ("none", "absolute"):
        text = WHOLE + f'[[metrics]]\nalignment = "{name}"\nstatistic = "mean"\n'
        protocols.append(load_protocol(protocol_file(text=text)))
    assert [protocol.metrics[-1].name for protocol in protocols] == ["ABS-MPJPE", "ABS-MPJPE"]
    assert [protocol.digest for protocol in protocols] == ["a643bb28ff9e403d"] * 2


@pytest.mark.parametrize("statistic", ["velocity", "acceleration", "bone-length", "bone-symmetry"])
def test_differences_and_bones_are_those_of_root_relative_poses(protocol_file, statistic):
    odd = f'[[metrics]]\nalignment = "none"\nstatistic = "{statistic}"\n'
    with pytest.raises(PosebenchError, match="one of root, scale"):
        load_protocol(protocol_file(text=WHOLE + odd))
    load_protocol(protocol_file(text=WHOLE + odd.replace("none", "root")))


def test_a_protocol_may_group_subjects_but_not_under_a_name_that_every_result_has(protocol_file):
    protocol = load_protocol(protocol_file(text=WHOLE + '\n[groups.scene]\noutdoor = ["TS5", "TS6"]\n'))
    assert protocol.groups == {"scene": {"outdoor": ("TS5", "TS6")}}
    assert "outdoor: TS5, TS6" in describe(protocol)
    with pytest.raises(PosebenchError, match="another name"):
        load_protocol(protocol_file(text=WHOLE + '\n[groups.action]\nsit = ["S1"]\n'))


def test_conditions_and_their_reference_are_read_strictly(protocol_file):
    take = ('headline = "action"\nalso = ["frame"]', 'headline = "take"')
    text = WHOLE.replace("\n[takes]", '\nconditions = ["white", "roll"]\n\n[takes]')
    protocol = load_protocol(protocol_file(take, text=text))
    assert protocol.conditions == ("white", "roll")
    assert protocol.reference is None
    assert "condition  roll: 5, 10, 20, 30, 45" in describe(protocol)
    stated = text.replace("\n[frames]", '\n[reference]\nmethod = "m"\nwhite = [1, 2, 3, 4, 5]\nroll = [1, 2, 3, 4, 6]\n\n[frames]')
    with_reference = load_protocol(protocol_file(take, text=stated))
    assert with_reference.reference == ("m", {"white": (1.0, 2.0, 3.0, 4.0, 5.0), "roll": (1.0, 2.0, 3.0, 4.0, 6.0)})
    plain = load_protocol(protocol_file(take))
    assert len({plain.digest, protocol.digest, with_reference.digest}) == 3
    child = 'extends = "{}"\nid = "child"\nversion = 1\ntitle = "t"\naliases = []\nsources = ["s"]\n'
    parent = protocol_file(take, text=stated, name="parent")
    assert load_protocol(protocol_file(text=child.format(parent), name="child")).reference is None, "it was measured under the parent"
    for old, new, message in (
        ('"white", "roll"', '"white", "blur"', "out of white, detector"),
        ("roll = [1, 2, 3, 4, 6]", "roll = [1, 2]", "an error for each of severities 1 to 5"),
        ("roll = [1, 2, 3, 4, 6]", "", "no roll"),
        ("roll = [1, 2, 3, 4, 6]", "roll = [1, 2, 3, 4, 6]\nzoom = [1, 2, 3, 4, 5]", "unknown zoom"),
    ):
        with pytest.raises(PosebenchError, match=message):
            load_protocol(protocol_file(take, (old, new), text=stated))
    with pytest.raises(PosebenchError, match="the headline average take"):
        load_protocol(protocol_file(text=text))
