"""Timing records as text: what `posebench speed` prints, and the leaderboard's page of speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posebench.display.table import table
from posebench.lifters.timing.record import SPREAD, WAITING, Case, Record, Timed, changes, differing, load_record

#: Folder of a board that holds the records, one file per machine.
FOLDER = "speed"
#: Facts about the machine that are printed first, in this order.
_FIRST = ("processor", "cores", "device", "threads")

_HEAD = """# Speed of the lifters

Made by `posebench board render` from the records in `speed/`; do not edit by hand. docs/speed.md explains how they are measured
and how to add one. Do not compare times of different machines, nor times of a machine that was busy.
"""


def load_records(board: Path) -> dict[str, Record]:
    """The records of a board by file name without suffix, sorted."""
    return {path.stem: load_record(path) for path in sorted((board / FOLDER).glob("*.json"))}


def speed_page(records: Mapping[str, Record]) -> str:
    """The leaderboard's page of timing records, by the name of their machine."""
    return "\n".join([_HEAD, *(f"## {name}\n\n{record_text(record)}\n" for name, record in records.items())])


def record_text(record: Record) -> str:
    """One record: machine, its noise, lifters, timings, and the differences of other backends from eager float32."""
    parts = [_machine(record.machine), "", noise_text(record), "", _lifters(record), "", _timings(record)]
    shifts = [
        [one.name, shift.backend, f"{shift.mean:.2g}", f"{shift.largest:.2g}", f"{shift.pa_mpjpe:+.2g}"]
        for one in record.lifters
        for shift in one.shifts
    ]
    if shifts:
        heads = ["lifter", "backend", "joint difference, mean [mm]", "largest [mm]", "PA-MPJPE difference [mm]"]
        parts += [
            "",
            "Differences from eager float32, on a clip of `synthetic`; poses of unknown scale are scaled to the true size:",
        ]
        parts += ["", table(shifts, heads, right=(2, 3, 4), form="markdown")]
    notes = [f"* {one.name}: {note}." for one in record.lifters for note in one.notes]
    return "\n".join([*parts, *(["", "Not timed:", "", *notes] if notes else [])])


def noise_text(record: Record) -> str:
    """The noise of the machine, and whether its times can be trusted."""
    noise = record.noise
    found = f"a fixed computation's time varied by {noise.spread:.0%} (quartiles); {noise.waiting:.0%} of it was waiting for a processor"
    if noise.trusted:
        return f"The machine was quiet: {found}."
    wanted = f"at most {SPREAD:.0%} and {WAITING:.0%}"
    return (
        f"**The machine was too noisy to trust these times**: {found}; {wanted} are required. Ratios within this record are more reliable."
    )


def changes_text(first: Record, second: Record) -> str:
    """Each case that both records hold: time of the second divided by time of the first, interval, verdict."""
    rows = [
        [one.lifter, one.backend, one.batch, f"{one.ratio:.3f}", f"[{one.low:.3f}, {one.high:.3f}]", one.verdict]
        for one in changes(first, second)
    ]
    heads = ["lifter", "backend", "batch", "time of B / A", "95 % interval", "B is"]
    parts = [table(rows, heads, right=(2, 3), form="markdown")]
    differences = differing(first, second)
    if differences:
        parts.append(f"The two differ in {'; '.join(differences)}. The code need not be the cause of a change.")
    parts += [f"{name}: {noise_text(one)}" for name, one in (("A", first), ("B", second)) if not one.noise.trusted]
    return "\n\n".join(parts)


def _machine(machine: dict[str, str]) -> str:
    keys = [key for key in (*_FIRST, *(key for key in machine if key not in _FIRST)) if machine.get(key)]
    return "; ".join(f"{key} {machine[key]}" for key in keys) + "."


def _lifters(record: Record) -> str:
    rows = [[one.name, *_numbers(one), *_reach(one, record.fps), "yes" if one.flip_averaging else "no"] for one in record.lifters]
    heads = ["lifter", "parameters", "multiply-adds a pose", "memory after opening, peak [MiB]"]
    heads += ["context [frames] (stated)", f"look-ahead [frames] (at {record.fps:g} Hz)", "flip averaging"]
    return table(rows, heads, right=range(1, 6), form="markdown")


def _numbers(one: Timed) -> list[str]:
    counts = ["" if number is None else f"{number:,}" for number in (one.parameters, one.multiply_adds)]
    return [*counts, "" if one.opened is None or one.lifted is None else f"{one.opened:.0f}, {one.lifted:.0f}"]


def _reach(one: Timed, fps: float) -> list[str]:
    """Number of frames that a pose depends on, measured and as stated; frames after the current one, and their duration."""
    return [f"{one.back + 1 + one.ahead} ({one.context})", f"{one.ahead} ({1e3 * one.ahead / fps:.0f} ms)"]


def _timings(record: Record) -> str:
    rows = [[one.name, *_timing(case)] for one in record.lifters for case in one.cases]
    heads = ["lifter", "backend", "batch", "median [ms]", "99th percentile [ms]", "poses/s"]
    return table(rows, heads, right=range(2, 6), form="markdown")


def _timing(case: Case) -> list[object]:
    p99 = "" if case.p99 is None else milliseconds(case.p99)
    return [case.backend, f"{case.batch:,}", milliseconds(case.p50), p99, f"{float(f'{case.rate:.3g}'):,.0f}"]


def milliseconds(seconds: float) -> str:
    """Milliseconds with three significant digits, never as a power of ten.

    Example:
        >>> milliseconds(0.0012345), milliseconds(12.345), milliseconds(0.000012345)
        ('1.23', '12,300', '0.0123')
    """
    value = float(f"{1e3 * seconds:.3g}")
    return f"{value:,.0f}" if value >= 100 else f"{value:.12g}"
