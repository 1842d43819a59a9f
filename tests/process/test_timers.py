from __future__ import annotations

import gc
import math

import pytest

from granian.process.timers import SWEEP_LEAST, WAIT_MAX_S, Timer, Timers


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timers(clock):
    return Timers(clock)


def test_they_call_in_the_order_of_their_times(clock, timers):
    called = []
    for delay_s in (3, 1, 2):
        timers.after(delay_s, lambda delay_s=delay_s: called.append(delay_s))
    clock.now += 2
    timers.run_due()
    assert called == [1, 2]
    assert timers.wait_s() == 1.0


def test_one_that_is_cancelled_is_neither_called_nor_waited_for(clock, timers):
    timers.after(1, pytest.fail).cancel()
    assert timers.wait_s() is None
    clock.now += 2
    timers.run_due()


def test_a_callback_may_ask_for_another(clock, timers):
    called = []
    timers.after(1, lambda: timers.after(0, lambda: called.append('second')))
    clock.now += 1
    timers.run_due()
    assert called == ['second']


def test_what_is_late_is_not_waited_for_and_what_is_far_not_too_long(clock, timers):
    timers.after(1e9, print)
    assert timers.wait_s() == WAIT_MAX_S
    timers.after(1, print)
    clock.now += 5
    assert timers.wait_s() == 0.0


def test_those_that_are_cancelled_do_not_gather_behind_one_that_is_not(timers):
    before = sum(isinstance(each, Timer) for each in gc.get_objects())
    timers.after(1, pytest.fail)
    for _ in range(10 * SWEEP_LEAST):
        timers.after(math.inf, pytest.fail).cancel()
    assert sum(isinstance(each, Timer) for each in gc.get_objects()) - before <= SWEEP_LEAST
    assert timers.wait_s() == 1.0
