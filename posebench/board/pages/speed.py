"""Records of timings as documents: what `posebench speed` prints, and the board's page of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posebench.board.pages.prose import wrapped_markdown
from posebench.board.published.speed import published_speed
from posebench.board.published.types import Published
from posebench.display.document import Document, Paragraph, Table
from posebench.lifters.timing.comparison import changes, differing, ratio_interval
from posebench.lifters.timing.record import SPREAD, WAITING, Case, Record, Timed, load_record

#: Where a board keeps records, a file a machine.
FOLDER = "speed"
#: Facts of the machine that come first, in this order.
_FIRST = ("processor", "cores", "device", "threads")

_HEAD = """# How fast the lifters are

Made by `posebench board render` from the records in `speed/`; do not edit by hand. docs/speed.md explains how they are measured and how to
write one. Times of different machines are not comparable, and those of a noisy machine are not reliable. Numbers that papers state come
last, in a table of their own: they were taken on other hardware, most of them on a GPU, and compare with nothing above.
"""


def load_records(board: Path) -> dict[str, Record]:
    """The records of a board by the name of their machine's file, in the order of these names."""
    return {path.stem: load_record(path) for path in sorted((board / FOLDER).glob("*.json"))}


def speed_page(records: Mapping[str, Record], published: Published | None = None) -> str:
    """The board's page: its records, and what papers state of their methods."""
    sections = [f"## {name}\n\n{record_document(record).markdown()}\n" for name, record in records.items()]
    stated = published_speed(published) if published else ""
    return wrapped_markdown("\n".join([_HEAD, *sections, *([stated] if stated else [])])) + "\n"


def record_document(record: Record) -> Document:
    """Machine, its noise, lifters, timings, and the difference of other backends from eager float32."""
    parts: list[str | Paragraph | Table] = [_machine(record.machine), noise_paragraph(record), *_weights(record)]
    parts += [_lifters(record), _timings(record)]
    shifts = [
        [one.name, shift.backend, f"{shift.mean:.2g}", f"{shift.largest:.2g}", f"{shift.pa_mpjpe:+.2g}"]
        for one in record.lifters
        for shift in one.shifts
    ]
    if shifts:
        heads = ["lifter", "backend", "joint moves, mean [mm]", "at most [mm]", "PA-MPJPE changes [mm]"]
        parts += ["Against eager float32, on a clip of `synthetic`; poses of unknown scale are made as large as the true ones:"]
        parts += [Table(heads, shifts, right=(2, 3, 4))]
    parts += _additions(record)
    notes = [f"* {one.name}: {note}." for one in record.lifters for note in one.notes]
    if notes:
        parts += ["Not timed:", Paragraph("\n".join(notes), hanging=2)]
    return Document.of(*parts)


def _additions(record: Record) -> list[str | Paragraph | Table]:
    """What tracking and correction cost, with the 95 % interval of the ratio; nothing where neither was timed."""
    rows = []
    for one in record.lifters:
        for what, without, having in one.additions:
            _, low, high = ratio_interval(having.rounds, without.rounds)
            times = [milliseconds(case.p50 / case.batch) for case in (without, having)]
            ratio = "{} [{}, {}]".format(*map(three_digits, (having.p50 / without.p50, low, high)))
            rows.append([one.name, what, _frames(without), *times, milliseconds(max(0.0, having.p50 - without.p50) / having.batch), ratio])
    if not rows:
        return []
    heads = ["lifter", "what is added", "batch", "without [ms a pose]", "with [ms a pose]", "costs [ms a pose]", "times as long [95 %]"]
    return ["What is done beyond lifting, of the backend that prediction uses:", Table(heads, rows, right=range(2, 7))]


def _weights(record: Record) -> list[str | Paragraph | Table]:
    """That weights were drawn, for a record with such networks."""
    if not any(one.untrained for one in record.lifters):
        return []
    dependent = any(one.untrained and one.usual_is_corrected for one in record.lifters)
    exception = " Where a correction may end early, its time does depend on them." if dependent else ""
    return [f"Networks marked *untrained* have their size but drawn weights; the time of a lift does not depend on its weights.{exception}"]


def noise_paragraph(record: Record) -> Paragraph:
    """How noisy the machine was, and whether its times can be trusted."""
    noise = record.noise
    found = f"a fixed piece of work spread by {noise.spread:.0%} (quartiles) and waited {noise.waiting:.0%} of its time for a processor"
    if noise.trusted:
        return Paragraph(f"The machine was quiet: {found}.")
    wanted = f"at most {SPREAD:.0%} and {WAITING:.0%}"
    ratios = "Ratios within this record suffer less."
    return Paragraph(f": {found}; wanted are {wanted}. {ratios}", "The machine was too noisy to trust these times")


def changes_document(first: Record, second: Record) -> Document:
    """For each case in both records: the second's time over the first's, its interval, and a verdict."""
    rows = [
        [one.lifter, one.backend, one.batch, f"{one.ratio:.3f}", f"[{one.low:.3f}, {one.high:.3f}]", one.verdict]
        for one in changes(first, second)
    ]
    parts: list[str | Paragraph | Table] = [
        Table(["lifter", "backend", "batch", "time of B / A", "95 % interval", "B is"], rows, right=(2, 3, 4))
    ]
    differences = differing(first, second)
    if differences:
        parts.append(f"The two differ in {'; '.join(differences)}: a change in time need not come from the code.")
    for name, one in (("A", first), ("B", second)):
        if not one.noise.trusted:
            found = noise_paragraph(one)
            parts.append(found._replace(lead=f"{name}: {found.lead}"))
    return Document.of(*parts)


def _machine(machine: dict[str, str]) -> str:
    keys = [key for key in (*_FIRST, *(key for key in machine if key not in _FIRST)) if machine.get(key)]
    return "; ".join(f"{key} {machine[key]}" for key in keys) + "."


def _lifters(record: Record) -> Table:
    rows = [[one.name, *_numbers(one), *_reach(one, record.fps), "yes" if one.flip_averaging else "no"] for one in record.lifters]
    heads = ["lifter", "parameters", "multiply-adds a pose", "memory opened, at most [MiB]"]
    heads += ["frames seen (stated)", f"frames to wait for (at {record.fps:g} Hz)", "flips averaged"]
    return Table(heads, rows, right=range(1, 6))


def _numbers(one: Timed) -> list[str]:
    counts = ["" if number is None else f"{number:,}" for number in (one.parameters, one.multiply_adds)]
    return [*counts, "" if one.opened is None or one.lifted is None else f"{one.opened:.0f}, {one.lifted:.0f}"]


def _reach(one: Timed, fps: float) -> list[str]:
    """Frames that a pose was seen to depend on, and what the lifter states; those it waits for."""
    return [f"{one.back + 1 + one.ahead} ({one.context})", f"{one.ahead} ({1e3 * one.ahead / fps:.0f} ms)"]


def _timings(record: Record) -> Table:
    rows = [[one.name, *_timing(case)] for one in record.lifters for case in one.cases]
    heads = ["lifter", "backend", "batch", "median [ms]", "99th percentile [ms]", "poses/s"]
    return Table(heads, rows, right=range(2, 6))


def _timing(case: Case) -> list[object]:
    p99 = "" if case.p99 is None else milliseconds(case.p99)
    return [case.backend, _frames(case), milliseconds(case.p50), p99, f"{float(f'{case.rate:.3g}'):,.0f}"]


def _frames(case: Case) -> str:
    return f"{case.batch:,}" if case.given is None else f"{case.batch:,} new of {case.given:,}"


def milliseconds(seconds: float) -> str:
    """Three digits, never as a power of ten.

    Example:
        >>> milliseconds(0.0012345), milliseconds(12.345), milliseconds(0.000012345)
        ('1.23', '12,300', '0.0123')
    """
    return three_digits(1e3 * seconds)


def three_digits(number: float) -> str:
    """Three digits, never as a power of ten.

    Example:
        >>> three_digits(1.2345), three_digits(12345.0)
        ('1.23', '12,300')
    """
    value = float(f"{number:.3g}")
    return f"{value:,.0f}" if value >= 100 else f"{value:.12g}"
