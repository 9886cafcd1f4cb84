"""Timing calls in turn."""

from __future__ import annotations

import pytest

from posebench.lifters.timing.clock import CALLS_FOR_P99, Timing, alternate, kernel, noise_of, wall


def test_cases_take_turns_and_are_warm_before_each():
    order, turns = [], []

    def case(name, seconds):
        def timed():
            order.append(name)
            return seconds

        return timed

    timings, noise = alternate(
        [case("a", 0.5), case("b", 2.0)],
        rounds=2,
        seconds=2.0,
        calibrate=lambda: order.append("kernel") or (1.0, 1.0),
        progress=lambda done, total: turns.append((done, total)),
    )
    turn = ["kernel", *"aaa", "kernel", *"bb"]  # one call to warm up, then as many as the seconds of a round hold, or one
    assert order == ["kernel", *"aabb", *turn, *turn]
    assert [timing.rounds for timing in timings] == [((0.5, 0.5),) * 2, ((2.0,),) * 2]
    assert turns == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert noise.trusted


def test_a_99th_percentile_needs_enough_calls():
    few, enough = (Timing((tuple(float(i) for i in range(1, n + 1)),)) for n in (CALLS_FOR_P99 - 1, CALLS_FOR_P99))
    assert few.p99 is None
    assert enough.p99 == pytest.approx(99.01)
    assert enough.p50 == 50.5


def test_rounds_are_summarised_by_their_medians():
    assert Timing(((1.0, 2.0, 30.0), (4.0,))).medians == (2.0, 4.0)


def test_noise_is_the_kernel_spread_and_its_waiting():
    noise = noise_of([(1.0, 1.0), (2.0, 1.0), (3.0, 3.0)])
    assert noise.spread == pytest.approx(0.5)
    assert noise.waiting == 0.0
    assert not noise.trusted


def test_the_kernel_and_a_wall_timer_measure_something():
    passed, used = kernel()()
    assert passed > 0.0
    assert used > 0.0
    ticks = iter([1.0, 4.0])
    called = []
    assert wall(lambda: called.append(1), clock=lambda: next(ticks))() == 3.0
    assert called == [1]
