"""Calls timed in turn, with a calibration kernel between them that tells how far the machine can be trusted meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from posebench.lifters.timing.record import Noise

#: Fewer calls than this tell no 99th percentile.
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
        """99th percentile; None where too few calls were made to tell."""
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
        start, used = time.perf_counter(), time.thread_time()
        for _ in range(50):
            np.sqrt(values * values + 1.0).sum()
        return time.perf_counter() - start, time.thread_time() - used

    return timed


def alternate(
    cases: Sequence[Timer],
    *,
    rounds: int,
    seconds: float,
    calibrate: Callable[[], tuple[float, float]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Timing], Noise]:
    """Time all cases in turn, round by round, so that what the machine does meanwhile meets them alike.

    Args:
        cases: a timer each; each is called twice to warm up, and once more at the beginning of every turn.
        rounds: how often it is each case's turn.
        seconds: that a case gets in all rounds together, as far as one call a round allows.
        calibrate: gives wall and CPU seconds of a fixed piece of work; by default :func:`kernel`. It has its turn before every case.
        progress: called with (turns done, turns in all).
    """
    calibrate = calibrate or kernel()
    calibrate()
    counts = []
    for case in cases:
        case()
        counts.append(int(np.clip(seconds / rounds / max(case(), 1e-9), 1, _MOST_CALLS)))
    found: list[list[tuple[float, ...]]] = [[] for _ in cases]
    quiet: list[tuple[float, float]] = []
    for turn in range(rounds):
        for number, (case, count) in enumerate(zip(cases, counts, strict=True)):
            quiet.append(calibrate())
            case()  # the processor's caches hold what the case before left
            found[number].append(tuple(case() for _ in range(count)))
            if progress:
                progress(turn * len(cases) + number + 1, rounds * len(cases))
    return [Timing(tuple(part)) for part in found], noise_of(quiet)


def noise_of(kernel_times: Sequence[tuple[float, float]]) -> Noise:
    """What wall and CPU seconds of the kernel's runs say.

    Example:
        >>> noise_of([(1.0, 1.0), (1.0, 0.5), (1.0, 0.5)])
        Noise(spread=0.0, waiting=0.5)
    """
    passed, used = np.array(kernel_times).T
    low, middle, high = np.quantile(passed, [0.25, 0.5, 0.75])
    return Noise(float((high - low) / middle), float(np.median(np.maximum(0.0, 1.0 - used / passed))))
