from __future__ import annotations

import time

import pytest

from granian.protocol.contract import ResponseDefaults
from granian.server.deadlines import NEVER, TICK_S, DeadlineWheel


class Clock:
    """What a wheel wants of a loop."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, delay, callback):
        self.timers.append(delay)
        return self

    def cancel(self):
        self.timers.clear()


class Thing:
    def __init__(self, wheel, after_s=None, then=lambda thing: None):
        self.wheel = wheel
        self.deadline = self.check_at = NEVER
        self.expired_at = []
        self.then = then
        if after_s is not None:
            self.arm(after_s)

    def arm(self, after_s):
        self.deadline = self.wheel.now + after_s
        if self.deadline < self.check_at:
            self.wheel.watch(self)

    def expired(self):
        self.expired_at.append(self.wheel.now)
        self.then(self)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wheel(clock):
    return DeadlineWheel(clock, ResponseDefaults())


def advance(clock, wheel, seconds):
    """Let time pass in ticks."""
    end = clock.now + seconds
    while clock.now < end - 1e-9:
        clock.now = min(end, clock.now + TICK_S)
        wheel.tick()


@pytest.mark.parametrize('after_s', [0.0, 0.05, 0.1, 0.25, 1.0, 7.77])
def test_a_deadline_is_met_within_two_ticks(clock, wheel, after_s):
    thing = Thing(wheel, after_s)
    began = clock.now
    advance(clock, wheel, after_s + 3 * TICK_S)
    (at,) = thing.expired_at
    assert after_s <= at - began + 1e-9
    assert at - began <= after_s + 2 * TICK_S + 1e-9


def test_a_deadline_moved_later_is_met_later(clock, wheel):
    thing = Thing(wheel, 1)
    advance(clock, wheel, 0.5)
    thing.arm(1)
    advance(clock, wheel, 0.9)
    assert thing.expired_at == []
    advance(clock, wheel, 0.3)
    assert len(thing.expired_at) == 1


def test_a_deadline_moved_earlier_is_met_earlier(clock, wheel):
    thing = Thing(wheel, 100)
    thing.arm(1)
    advance(clock, wheel, 1.3)
    assert len(thing.expired_at) == 1
    advance(clock, wheel, 100)
    assert len(thing.expired_at) == 1


def test_a_deadline_taken_back_is_not_met(clock, wheel):
    thing = Thing(wheel, 1)
    thing.deadline = NEVER
    advance(clock, wheel, 2)
    assert thing.expired_at == []
    thing.arm(1)
    advance(clock, wheel, 1.3)
    assert len(thing.expired_at) == 1


def test_what_is_forgotten_is_not_looked_at(clock, wheel):
    thing = Thing(wheel, 1)
    wheel.forget(thing)
    assert thing.check_at == NEVER
    advance(clock, wheel, 2)
    assert thing.expired_at == []


def test_one_may_forget_another_of_the_same_tick(clock, wheel):
    things = [Thing(wheel) for _ in range(2)]

    def forget_others(thing):
        for other in things:
            if other is not thing:
                other.deadline = NEVER
                wheel.forget(other)

    for thing in things:
        thing.then = forget_others
        thing.arm(1)
    advance(clock, wheel, 2)
    assert sum(len(thing.expired_at) for thing in things) == 1


def test_one_may_set_itself_again(clock, wheel):
    thing = Thing(wheel, 1, then=lambda thing: thing.arm(1))
    advance(clock, wheel, 4)
    assert len(thing.expired_at) == 3


def test_a_stall_loses_nothing(clock, wheel):
    things = [Thing(wheel, after_s) for after_s in (0.1, 5, 50, 500)]
    clock.now += 100
    wheel.tick()
    assert [len(thing.expired_at) for thing in things] == [1, 1, 1, 0]
    advance(clock, wheel, 401)
    assert len(things[3].expired_at) == 1


def test_one_that_fails_does_not_stop_the_wheel(clock, wheel):
    def fail(thing):
        raise ValueError

    Thing(wheel, 1, then=fail)
    other = Thing(wheel, 2)
    clock.now += 1.5
    clock.timers.clear()
    with pytest.raises(ValueError):
        wheel.tick()
    assert clock.timers == [TICK_S]
    advance(clock, wheel, 1)
    assert len(other.expired_at) == 1


def test_the_date_is_that_of_now(clock):
    defaults = ResponseDefaults()
    before = int(time.time())
    DeadlineWheel(clock, defaults).tick()
    dates = [time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(before + late)) for late in (0, 1)]
    assert defaults.date in [f'date: {date}\r\n'.encode() for date in dates]
