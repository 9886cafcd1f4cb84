"""Timed calls, all cases in turn, with a calibration kernel between them that measures how noisy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from posebench.lifters.timing.record import Noise

#: Fewest calls for a 99th percentile.
CALLS_FOR_P99 = 100
_MOST_CALLS = 500

#: Seconds of one call.
Timer = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """Timings of one case: seconds of every call, round by round."""

    rounds: tuple[tuple[float, ...], ...]

    @property
    def calls(self) -> list[float]:
        """Seconds of every call."""
        return [call for turn in self.rounds for call in turn]

    @property
    def p50(self) -> float:
        """Median seconds of a call."""
        return float(np.median(self.calls))

    @property
    def p99(self) -> float | None:
        """99th percentile; None for fewer calls than :data:`CALLS_FOR_P99`."""
        return float(np.quantile(self.calls, 0.99)) if len(self.calls) >= CALLS_FOR_P99 else None

    @property
    def medians(self) -> tuple[float, ...]:
        """Median seconds of a call in each round."""
        return tuple(float(np.median(turn)) for turn in self.rounds)


def wall(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Timer:
    """A timer of ``call`` by ``clock``; the call must not return before its work is done."""

    def timed() -> float:
        start = clock()
        call()
        return clock() - start

    return timed


def kernel() -> Callable[[], tuple[float, float]]:
    """The calibration kernel, some milliseconds of arithmetic on one thread: its wall and CPU seconds."""
    values = np.linspace(0.0, 1.0, 20_000)

    def timed() -> tuple[float, float]:
        wall_start, cpu_start = time.perf_counter(), time.thread_time()
        for _ in range(50):
            np.sqrt(values * values + 1.0).sum()
        return time.perf_counter() - wall_start, time.thread_time() - cpu_start

    return timed


def alternate(
    cases: Sequence[Timer],
    *,
    rounds: int,
    seconds: float,
    calibrate: Callable[[], tuple[float, float]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Timing], Noise]:
    """Time all cases in turn, round by round, so that other work on the machine affects all of them alike.

    Args:
        cases: a timer for each case; each is called twice to warm up, and once more at the beginning of every turn.
        rounds: turns of each case.
        seconds: budget of a case in all rounds together; it is called at least once a round.
        calibrate: wall and CPU seconds of a fixed piece of work, run before every turn; by default :func:`kernel`.
        progress: called with (turns done, turns in all).

    Returns:
        The timing of each case, and the noise of the machine.
    """
    calibrate = calibrate or kernel()
    calibrate()
    calls_per_round = []
    for case in cases:
        case()
        calls_per_round.append(int(np.clip(seconds / rounds / max(case(), 1e-9), 1, _MOST_CALLS)))
    times: list[list[tuple[float, ...]]] = [[] for _ in cases]
    calibrations: list[tuple[float, float]] = []
    for turn in range(rounds):
        for number, (case, calls) in enumerate(zip(cases, calls_per_round, strict=True)):
            calibrations.append(calibrate())
            case()  # warm up again: the processor's caches hold the data of the previous case
            times[number].append(tuple(case() for _ in range(calls)))
            if progress:
                progress(turn * len(cases) + number + 1, rounds * len(cases))
    return [Timing(tuple(case_times)) for case_times in times], noise_of(calibrations)


def noise_of(kernel_times: Sequence[tuple[float, float]]) -> Noise:
    """The machine's noise, from wall and CPU seconds of the calibration kernel's runs.

    Example:
        >>> noise_of([(1.0, 1.0), (1.0, 0.5), (1.0, 0.5)])
        Noise(spread=0.0, waiting=0.5)
    """
    wall_s, cpu_s = np.array(kernel_times).T
    low, median, high = np.quantile(wall_s, [0.25, 0.5, 0.75])
    waiting = np.maximum(0.0, 1.0 - cpu_s / wall_s)
    return Noise(spread=float((high - low) / median), waiting=float(np.median(waiting)))
