"""Records of timings: their files, and the comparison of two."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posebench.base.errors import PosebenchError
from posebench.board.pages.speed import changes_document, milliseconds, noise_paragraph, record_document
from posebench.cli.main import main
from posebench.lifters.timing.comparison import changes, differing, ratio_interval
from posebench.lifters.timing.record import BackendDifference, Case, Noise, Record, Timed, load_record

QUIET = Noise(0.01, 0.0)


def case(backend="inference", batch=1, times=(0.001, 0.0011, 0.0009)):
    return Case(backend, batch, 3, float(np.median(times)), None, tuple(times))


def record(*cases, name="m (quick)", noise=QUIET, **machine):
    shift = BackendDifference("bf16", 0.5, 2.0, -0.1)
    one = Timed(name, 27, 13, 13, True, 1000, 900, 100.0, 120.5, tuple(cases or [case()]), (shift,), ("onnx: none",))
    return Record({"processor": "P", "threads": "1", "code": "abc", **machine}, 30.0, 3, noise, (one,))


def test_a_record_comes_back_from_its_file(tmp_path):
    first = record(case(), replace(case("eager", 64), p99=0.5))
    first.save(tmp_path / "r.json")
    assert load_record(tmp_path / "r.json") == first


def test_a_stream_comes_back_from_its_file_and_a_clip_is_written_without_its_field(tmp_path):
    stream = replace(case(), given=27)
    record(stream, case("eager")).save(tmp_path / "r.json")
    written = json.loads((tmp_path / "r.json").read_text())["lifters"][0]["cases"]
    assert ["given" in one for one in written] == [True, False]
    assert load_record(tmp_path / "r.json") == record(stream, case("eager"))
    assert "1 new of 27" in str(record_document(record(stream)))
    (tmp_path / "r.json").write_text((tmp_path / "r.json").read_text().replace('"given": 27', '"given": 1'))
    with pytest.raises(PosebenchError, match="given"):
        load_record(tmp_path / "r.json")


def test_a_stream_is_not_compared_with_a_clip_of_one_frame():
    with pytest.raises(PosebenchError, match="same lifters"):
        changes(record(case()), record(replace(case(), given=27)))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"posebench_speed": 2}, "format 1"),
        ({"rounds": 0}, "rounds"),
        ({"extra": 1}, "extra"),
        ({"fps": "x"}, "fps"),
        ({"lifters": [{"name": "a"}]}, "context"),
    ],
)
def test_a_record_that_is_not_one_is_refused_by_field(tmp_path, change, named):
    content = json.loads(record().dump()) | change
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match=named):
        load_record(tmp_path / "r.json")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"posebench_speed": 1'])
def test_a_file_that_holds_no_record_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(PosebenchError, match="posebench speed"):
        load_record(tmp_path / "r.json")


@pytest.mark.parametrize("times", [[], [0.0], [-1.0], ["a"], [float("inf")]])
def test_rounds_are_positive_numbers(tmp_path, times):
    content = json.loads(record().dump())
    content["lifters"][0]["cases"][0]["rounds"] = times
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(PosebenchError, match="rounds"):
        load_record(tmp_path / "r.json")


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=20), st.floats(0.25, 4.0))
def test_a_ratio_scales_with_its_times_and_lies_in_its_interval(times, factor):
    value, low, high = ratio_interval([factor * time for time in times], times)
    assert value == pytest.approx(factor)
    assert low <= high
    assert min(times) / max(times) * factor <= low * (1 + 1e-9)
    assert high <= max(times) / min(times) * factor * (1 + 1e-9)


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, "slower"), (0.5, "faster"), (1.0, "no difference seen")])
def test_two_records_are_compared_case_by_case(factor, verdict):
    times = np.linspace(0.9, 1.1, 15) * 1e-3
    first = record(case(times=times), case("eager", times=times))
    (one,) = changes(first, record(case(times=factor * times)))
    assert (one.lifter, one.backend, one.batch, one.verdict) == ("m (quick)", "inference", 1, verdict)
    assert one.ratio == pytest.approx(factor)
    assert verdict in str(changes_document(first, record(case(times=factor * times))))


def test_a_comparison_says_what_else_differs_and_which_machine_was_noisy():
    first, second = record(), record(noise=Noise(0.4, 0.0), processor="Q", code="def")
    assert differing(first, second) == ["processor P and Q"]
    text = str(changes_document(first, second))
    assert "need not come from the code" in text
    assert "B: The machine was too noisy" in text
    assert "A: " not in text


def test_records_without_a_case_in_common_are_refused():
    with pytest.raises(PosebenchError, match="same lifters"):
        changes(record(), record(name="other"))


@pytest.mark.parametrize(("noise", "trusted"), [(Noise(0.1, 0.05), True), (Noise(0.11, 0.0), False), (Noise(0.0, 0.06), False)])
def test_noise_decides_whether_times_are_trusted(noise, trusted):
    assert noise.trusted is trusted
    assert ("too noisy to trust" in noise_paragraph(record(noise=noise)).lead) is not trusted


def test_the_text_of_a_record_tells_everything():
    text = str(record_document(record(replace(case(), p99=1.234))))
    for part in (
        "processor P",
        "m (quick)",
        "1,000",
        "900",
        "27 (27)",
        "13 (433 ms)",
        "100, 120",
        "1,230",
        "-0.1",
        "* m (quick): onnx: none.",
    ):
        assert part in text, part


@given(st.floats(1e-7, 1e4))
def test_milliseconds_have_three_digits_and_no_exponent(seconds):
    text = milliseconds(seconds)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(1e3 * seconds, rel=6e-3)


def test_the_command_compares_two_files(tmp_path, capsys):
    for name, times in (("a", (1.0, 1.0)), ("b", (3.0, 3.0))):
        record(case(times=times)).save(tmp_path / f"{name}.json")
    paths = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["speed", "--compare", *paths]) == 0
    assert "slower" in capsys.readouterr().out
    assert main(["speed", "--json", "--compare", *paths]) == 0
    assert json.loads(capsys.readouterr().out)[0]["ratio"] == 3.0
    assert main(["speed", "flat", "--compare", *paths]) == 2
    assert "nothing to time" in capsys.readouterr().err
