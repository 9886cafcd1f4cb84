"""Results on disk: what was scored comes back, every number follows from the sums, and other files are refused."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.predictions.archive import save_predictions
from posebench.scoring.evaluate import score
from posebench.scoring.intervals import interval, resample
from posebench.scoring.result import SCHEMA, load_result
from posebench.scoring.sums import average, group_means
from posebench.scoring.sums_file import sums_path


@pytest.fixture(scope="module")
def files(tmp_path_factory, walker):
    """A prediction and a truth file."""
    folder = tmp_path_factory.mktemp("files")
    truth = {f"S{s}/{action} {take}/c0": walker(10 + take, 10 * s + take) for s in (1, 2) for action in ("Walk", "Sit") for take in (1, 2)}
    random = np.random.default_rng(0)
    pred = {clip: pose + random.normal(scale=40.0, size=pose.shape) for clip, pose in truth.items()}
    pred["S1/Sit 2/c0"][3] = np.nan
    return [
        save_predictions(folder / f"{name}.npz", poses, unit="mm", skeleton="h36m17", method=name)
        for name, poses in (("pred", pred), ("truth", truth))
    ]


@pytest.fixture(scope="module")
def result(files):
    """A scored file."""
    return score(files[0], "pair-17j", truth=files[1], per_frame=True)


@pytest.fixture
def saved(result, tmp_path):
    """The path of the saved result."""
    return result.save(tmp_path / "r.json")


def test_a_result_comes_back_as_it_was(result, saved):
    back = load_result(saved)
    assert back.as_dict() == result.as_dict()
    assert back.rows == result.rows
    assert list(back.sums) == list(result.sums)
    for name, sums in result.sums.items():
        np.testing.assert_array_equal(back.sums[name].total, sums.total)
        np.testing.assert_array_equal(back.sums[name].count, sums.count)
        assert back.sums[name].parts == sums.parts
    assert back.value("MPJPE") == result.value("MPJPE")


def test_the_values_of_single_frames_come_back_when_they_are_asked_for(result, saved, monkeypatch):
    from posebench.scoring.sums_file import StoredFrames

    with monkeypatch.context() as patch:
        patch.setattr(StoredFrames, "_read", lambda _: pytest.fail("read before a value was asked for"))
        back = load_result(saved)
        assert list(back.frames) == list(result.frames)
        assert "S1/Walk 1/c0/MPJPE" in back.frames
        assert "nothing" not in back.frames
    for key, values in result.frames.items():
        np.testing.assert_array_equal(back.frames[key], values)
    again = load_result(back.save(saved.parent / "again.json"))
    np.testing.assert_array_equal(again.frames["S1/Walk 1/c0/MPJPE"], result.frames["S1/Walk 1/c0/MPJPE"])


def test_the_values_of_single_frames_of_another_scoring_are_refused(result, saved):
    back = load_result(saved)
    replace(result, frames={}).save(saved)
    with pytest.raises(PosebenchError, match="has changed since the result was loaded"):
        back.frames["S1/Walk 1/c0/MPJPE"]
    sums_path(saved).unlink()
    with pytest.raises(PosebenchError, match=r"No such file.*put the .sums.npz back"):
        back.frames["S1/Walk 1/c0/MPJPE"]


def test_the_json_is_standard_and_states_its_schema(saved):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    content = json.loads(saved.read_text(), parse_constant=refuse)
    assert content["posebench_result"] == SCHEMA == 1
    assert set(content["metrics"]["MPJPE"]) == {"value", "unit", "low", "high", "by", "groups"}
    assert set(content["metrics"]["MPJPE"]["groups"]) == {"action", "subject", "camera", "joint", "take"}


def test_the_json_holds_the_keys_that_earlier_versions_wrote(saved):
    content = json.loads(saved.read_text())
    assert set(content["coverage"]) == {"poses", "poses wanted", "clips", "clips wanted", "partial"}
    assert set(content["invalid"]) == {"poses", "non-finite", "non-positive N-scale"}
    described = ["file", "sha256", "method", "keypoints", "supervision", "skeleton", "scale", "hypotheses"]
    assert list(content["predictions"]) == [*described, "scored as"]
    assert set(content["metrics"]["AUC"]["curve"]) == {"thresholds", "percent"}
    assert not {"behaviour", "training"} & set(content), "written only where there is something to state"


def test_a_result_is_shown_in_one_line(result):
    assert repr(result) == f"<Result 'pred' under pair-17j: 92 poses, MPJPE {result.value('MPJPE'):.2f} mm>"


def test_the_frame_of_a_result_holds_every_number(result):
    frame = result.to_frame()
    assert list(frame.columns) == ["metric", "unit", "kind", "key", "value", "low", "high"]
    assert frame["value"].notna().all()
    mpjpe = frame[frame["metric"] == "MPJPE"].set_index(["kind", "key"])
    table = result.metrics["MPJPE"]
    assert mpjpe["value"]["average", "take"] == table.by["take"]
    assert (mpjpe["low"]["average", "frame"], mpjpe["high"]["average", "frame"]) == (table.low, table.high)
    assert np.isnan(mpjpe["low"]["average", "take"]), "only the headline average has an interval"
    assert mpjpe["value"]["joint", "l_wrist"] == table.groups["joint"]["l_wrist"]
    assert len(mpjpe) == len(table.by) + sum(map(len, table.groups.values()))
    assert set(frame["metric"]) == {*result.metrics, *result.diagnostics}


def test_every_number_can_be_computed_again_from_the_sums(saved):
    back = load_result(saved)
    draw = resample(back.rows, back.protocol.headline)
    for name, table in {**back.metrics, **back.diagnostics}.items():
        sums = back.sums[name]
        for kind, value in table.by.items():
            assert float(average(back.rows, sums.row_total, sums.count, kind)) == pytest.approx(value, rel=1e-12), name
        assert interval(back.rows, sums.row_total, sums.count, "frame", draw) == pytest.approx((table.low, table.high)), name
        for key in ("action", "subject", "camera", "take"):
            assert group_means(back.rows, sums, key) == pytest.approx(table.groups[key]), name


def test_values_of_frames_are_stored_with_the_sums(saved, result):
    with np.load(sums_path(saved)) as npz:
        np.testing.assert_array_equal(npz["frames/S1/Walk 1/c0/MPJPE"], result.frames["S1/Walk 1/c0/MPJPE"])


def test_a_result_does_not_overwrite_predictions_of_the_same_name(files, tmp_path):
    preds = tmp_path / "flat.npz"
    preds.write_bytes(files[0].read_bytes())
    result = score(preds, "pair-17j", truth=files[1])
    result.save(tmp_path / "flat.json")
    assert preds.read_bytes() == files[0].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flat.json", "flat.npz", "flat.sums.npz"]


def test_saving_twice_gives_the_same_bytes(result, tmp_path):
    first, second = result.save(tmp_path / "a.json"), result.save(tmp_path / "b.json")
    assert first.read_bytes() == second.read_bytes()
    assert sums_path(first).read_bytes() == sums_path(second).read_bytes()


def test_a_save_that_fails_leaves_the_old_result(result, saved, monkeypatch):
    before = saved.read_bytes(), sums_path(saved).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posebench.scoring.sums_file.write_npz", full)
    with pytest.raises(PosebenchError, match="No space left"):
        result.save(saved)
    assert (saved.read_bytes(), sums_path(saved).read_bytes()) == before
    assert len(list(saved.parent.iterdir())) == 2


def test_only_a_json_name_is_taken(result, tmp_path):
    with pytest.raises(PosebenchError, match="ends with"):
        result.save(tmp_path / "r.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_read_without_its_sums_on_request(result, saved):
    sums_path(saved).unlink()
    back = load_result(saved, sums=False)
    assert (back.value("MPJPE"), back.rows, back.sums) == (result.value("MPJPE"), [], {})
    with pytest.raises(PosebenchError, match=r"r\.sums\.npz.*keep the \.sums\.npz"):
        load_result(saved)


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(PosebenchError, match=r"r\.json: No such file.*score"):
        load_result(tmp_path / "r.json")


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, None, "1", 1.0, True, [1]])
def test_a_result_of_another_schema_is_refused(saved, schema):
    content = json.loads(saved.read_text())
    content["posebench_result"] = schema
    saved.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match="posebench_result"):
        load_result(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000, '"' + "a" * 99, "1" * 9999, "\ud800"])
def test_a_file_that_is_no_result_is_refused(saved, text):
    saved.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PosebenchError, match=r"r\.json"):
        load_result(saved)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("metrics",), 3),
        (("metrics",), []),
        (("metrics", "MPJPE"), None),
        (("metrics", "MPJPE", "value"), "low"),
        (("metrics", "MPJPE", "value"), float("nan")),
        (("metrics", "MPJPE", "value"), True),
        (("metrics", "MPJPE", "low"), float("inf")),
        (("metrics", "MPJPE", "by"), []),
        (("metrics", "MPJPE", "by", "frame"), {}),
        (("metrics", "MPJPE", "groups"), None),
        (("metrics", "MPJPE", "groups", "action"), [1]),
        (("metrics", "MPJPE", "groups", "action", "Walk"), "x"),
        (("metrics", "MPJPE", "unit"), 1),
        (("metrics", "MPJPE", "extra"), 1),
        (("metrics", "AUC", "curve"), {"thresholds": [0.0, 5.0], "percent": [1.0]}),
        (("coverage", "poses wanted"), 1.5),
        (("invalid", "non-finite"), True),
        (("predictions", "provenance"), "none"),
        (("diagnostics",), None),
        (("protocol",), "cmu"),
        (("data",), []),
        (("predictions",), None),
        (("coverage",), 1),
        (("invalid",), []),
        (("findings",), {}),
        (("findings",), ["text"]),
        (("environment",), 3),
        (("wall_time_s",), "1"),
        (("more",), 1),
    ],
)
def test_a_tampered_field_is_refused_by_name(saved, place, value):
    content = json.loads(saved.read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    saved.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=place[0]):
        load_result(saved)


@pytest.mark.parametrize("field", ["metrics", "protocol", "coverage", "wall_time_s"])
def test_a_missing_field_is_named(saved, field):
    content = json.loads(saved.read_text())
    del content[field]
    saved.write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=field):
        load_result(saved)


def test_a_giant_json_is_refused_before_it_is_read(saved, monkeypatch):
    monkeypatch.setattr("posebench.scoring.result._MAX_JSON_BYTES", 1000)
    with pytest.raises(PosebenchError, match="at most 1,000"):
        load_result(saved)


def rewritten(path, change):
    """The npz with some members changed: a mapping of key to array, None to leave one out."""
    with np.load(path) as npz:
        arrays = {key: npz[key] for key in npz.files}
    arrays |= change(arrays)
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            if array is not None:
                out = io.BytesIO()
                np.lib.format.write_array(out, np.asarray(array))
                archive.writestr(key + ".npy", out.getvalue())


def _layout(**changes):
    return lambda arrays: {"__layout__": json.dumps(json.loads(str(arrays["__layout__"])) | changes)}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"MPJPE/total": None},
        lambda _: {"MPJPE/count": None},
        lambda _: {"__layout__": None},
        lambda _: {"__layout__": 3.0},
        lambda _: {"__layout__": "{"},
        lambda _: {"__layout__": "[]"},
        lambda _: {"__layout__": "[" * 99_999},
        lambda arrays: {"MPJPE/total": arrays["MPJPE/total"][:-1]},
        lambda arrays: {"MPJPE/total": arrays["MPJPE/total"][:, :-1]},
        lambda arrays: {"MPJPE/total": arrays["MPJPE/total"].astype(str)},
        lambda arrays: {"MPJPE/total": arrays["MPJPE/total"] + 1j},
        lambda arrays: {"MPJPE/total": arrays["MPJPE/total"] * np.nan},
        lambda arrays: {"MPJPE/count": arrays["MPJPE/count"][1:]},
        lambda arrays: {"MPJPE/count": -arrays["MPJPE/count"]},
        lambda arrays: {"MPJPE/count": arrays["MPJPE/count"] * np.inf},
        _layout(rows=3),
        _layout(rows=[["a", "b"]]),
        _layout(rows=[]),
        _layout(rows=[None]),
        _layout(parts=[]),
        _layout(parts={"MPJPE": 3}),
        _layout(parts={"nothing": []}),
    ],
)
def test_tampered_sums_are_refused(saved, change):
    rewritten(sums_path(saved), change)
    with pytest.raises(PosebenchError, match=r"r\.sums\.npz"):
        load_result(saved)


def test_sums_larger_than_any_result_are_not_read(saved, monkeypatch):
    monkeypatch.setattr("posebench.scoring.sums_file._MAX_BYTES", 1000)
    with pytest.raises(PosebenchError, match="at most 1,000"):
        load_result(saved)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_result_is_read_or_refused_and_nothing_else(result, tmp_path, data):
    path = result.save(tmp_path / "r.json")
    damaged = data.draw(st.sampled_from([path, sums_path(path)]))
    raw = bytearray(damaged.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(-3000, 3000)) % len(raw)] = data.draw(st.integers(0, 255))
    damaged.write_bytes(raw[: data.draw(st.sampled_from([None, 1000]))])
    with suppress(PosebenchError):
        load_result(path).value("MPJPE")


@pytest.mark.parametrize(
    ("part", "key"),
    [
        *(("protocol", key) for key in ("id", "version", "digest", "headline")),
        *(("data", key) for key in ("name", "fingerprint", "official")),
        *(("predictions", key) for key in ("method", "keypoints", "scale", "sha256")),
        *(("coverage", key) for key in ("poses", "partial")),
    ],
)
def test_a_result_that_lacks_what_its_readers_look_up_is_refused_naming_the_field(saved, part, key):
    content = json.loads(saved.read_text())
    for change in (lambda: content[part].pop(key), lambda: content[part].update({key: ["odd"]})):
        change()
        saved.write_text(json.dumps(content))
        with pytest.raises(PosebenchError, match=part):
            load_result(saved)


def test_a_notebook_shows_the_metrics_with_the_name_escaped(result):
    named = replace(result, predictions=replace(result.predictions, method="<b>mine</b> & more"))
    shown = named._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; more" in shown
    assert "<b>" not in shown
    assert f"<td>{result.value('MPJPE'):.2f}</td>" in shown
    assert shown.count("<tr>") == 1 + len(result.metrics)


def test_the_latex_table_has_a_column_an_action_and_escaped_names(result):
    named = replace(result, predictions=replace(result.predictions, method="my_net 50%"))
    lines = named.to_latex(["MPJPE", "PCK@150"]).splitlines()
    assert lines[0] == r"\begin{tabular}{llrrr}"
    assert lines[2] == r"method & metric & Walk & Sit & Avg \\"
    means = result.metrics["MPJPE"].groups["action"]
    numbers = [f"{value:.1f}" for value in (means["Walk"], means["Sit"], (means["Walk"] + means["Sit"]) / 2)]
    assert lines[4] == r"my\_net 50\% & MPJPE [mm] & " + " & ".join(numbers) + r" \\"
    assert lines[5].startswith(r"my\_net 50\% & PCK@150 [\%] & ")
    assert lines[-1] == r"\end{tabular}"


def test_a_latex_table_without_any_value_is_refused(result):
    empty = replace(result, metrics={**result.metrics, "MPJPE": replace(result.metrics["MPJPE"], value=None)})
    with pytest.raises(PosebenchError, match=r"no value for MPJPE.*PA-MPJPE"):
        empty.to_latex(["MPJPE"])
    with pytest.raises(PosebenchError, match="metric 'MPJE'"):
        empty.to_latex(["MPJE"])


@pytest.mark.parametrize("metric", ["MPJPE", "PCK@150", "MPJVE"])
def test_the_worst_frames_are_those_of_a_full_sort(result, saved, metric):
    sign = 1.0 if metric == "PCK@150" else -1.0
    every = [
        (sign * value, clip, index)
        for clip in dict.fromkeys(row.clip for row in result.rows)
        for index, value in enumerate(result.frames[f"{clip}/{metric}"])
        if not np.isnan(value)
    ]
    every = sorted(every, key=lambda one: one[0])
    for one in (result, load_result(saved)):
        found = one.worst(10, metric)
        assert [(sign * frame.value, frame.clip, frame.index) for frame in found] == every[:10]
        assert {frame.unit for frame in found} == {result.tables[metric].unit}
    assert len(result.worst(10**6, metric)) == len(every)


def test_worst_frames_without_values_of_frames_say_how_to_keep_them(result, saved):
    for one in (replace(result, frames={}), load_result(saved, sums=False)):
        with pytest.raises(PosebenchError, match=r"no values of single frames.*per_frame=True"):
            one.worst()
    with pytest.raises(PosebenchError, match="metric 'MPJE'"):
        result.worst(metric="MPJE")
    with pytest.raises(PosebenchError, match="0 frames"):
        result.worst(0)


@pytest.mark.parametrize("part", ["metrics", "diagnostics"])
def test_a_metric_in_only_one_of_the_two_files_is_named(tmp_path, part):
    scored = Path(__file__).parents[1] / "golden" / "earlier" / "scored"
    content = json.loads((scored / "result.json").read_text(encoding="utf-8"))
    name = list(content[part])[-1]
    del content[part][name]
    (tmp_path / "r.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.copy(scored / "result.sums.npz", tmp_path / "r.sums.npz")
    with pytest.raises(PosebenchError, match=f"{name} is in one of the result's two files only"):
        load_result(tmp_path / "r.json")
