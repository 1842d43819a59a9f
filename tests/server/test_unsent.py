"""The bound on what a worker holds for clients that do not take it, and who is cut for it."""

from __future__ import annotations

import pytest

from granian.server.unsent import GRACE_S, HASTE_S, TAKEN_BYTES_EACH, UNANSWERED_LEAST, Unsent

WRITE_S = 10.0


class Wheel:
    """The time, and who is watched."""

    def __init__(self):
        self.now = 100.0
        self.watched = set()

    def watch(self, timed):
        self.watched.add(timed)


class Holder:
    def __init__(self, held=0):
        self.held_bytes = held
        self.taken_bytes = 0
        self.was_cut = self.goes_on = False

    def take(self, count):
        self.taken_bytes += count
        self.held_bytes -= count

    def cut(self):
        self.was_cut = True

    def settle_soon(self):
        self.goes_on = True


@pytest.fixture
def wheel():
    return Wheel()


@pytest.fixture
def unsent(wheel):
    return Unsent(1000, wheel, WRITE_S)


def hold(unsent, *counts):
    holders = [Holder(count) for count in counts]
    for holder in holders:
        unsent.weigh(holder)
    return holders


def wait(unsent, seconds):
    unsent._wheel.now += seconds
    if unsent.deadline <= unsent._wheel.now:
        unsent.expired()


def test_it_is_tight_only_over_the_bound(unsent, wheel):
    first, second = hold(unsent, 600, 400)
    assert not unsent.tight
    assert not wheel.watched
    first.held_bytes += 1
    unsent.weigh(first)
    assert unsent.tight
    assert unsent.deadline == wheel.now + GRACE_S
    second.held_bytes = 0
    unsent.weigh(second)
    assert not unsent.tight
    assert unsent.deadline == float('inf')


def test_what_a_connection_held_is_forgotten_with_it(unsent):
    first, _ = hold(unsent, 600, 600)
    unsent.forget(first)
    unsent.forget(first)
    assert not unsent.tight
    hold(unsent, 400)
    assert not unsent.tight


def test_the_slow_are_cut_until_it_is_enough(unsent):
    slow, slower, slowest, little = hold(unsent, 400, 400, 500, 100)
    slow.take(3)
    slower.take(2)
    wait(unsent, GRACE_S)
    assert [holder.was_cut for holder in (slow, slower, slowest, little)] == [False, False, True, False]
    assert not unsent.tight


def test_nobody_is_cut_before_the_grace_is_over(unsent):
    (holder,) = hold(unsent, 2000)
    wait(unsent, GRACE_S - 0.1)
    assert not holder.was_cut
    wait(unsent, 0.1)
    assert holder.was_cut


def test_a_client_that_takes_what_it_is_given_is_never_cut(unsent):
    quick, slow = hold(unsent, 2000, 900)
    for _ in range(3):
        quick.take(1500)
        quick.held_bytes += 1500
        slow.held_bytes = 900
        unsent.weigh(slow)
        wait(unsent, GRACE_S)
    assert (quick.was_cut, slow.was_cut) == (False, True)


def test_who_holds_less_than_its_share_is_never_cut(unsent):
    holders = hold(unsent, *[200] * 4, 300)
    wait(unsent, GRACE_S)
    assert [holder.was_cut for holder in holders] == [False] * 4 + [True]


def test_it_looks_again_as_long_as_it_is_too_much(unsent):
    holders = hold(unsent, 1200)
    holders[0].take(100)
    holders[0].held_bytes = 1200
    # 60 s are needed at this rate, 10 are allowed.
    holders += hold(unsent, 10)
    holders[0].taken_bytes = 1200
    wait(unsent, GRACE_S)
    assert not holders[0].was_cut
    wait(unsent, GRACE_S)
    assert holders[0].was_cut


def test_who_may_begin_another_request_while_it_is_too_much(unsent):
    debtor, other = hold(unsent, 1200, 100)
    new = Holder()
    assert unsent.holds_back(debtor, 0)
    assert not unsent.holds_back(other, 0)
    assert not unsent.holds_back(new, UNANSWERED_LEAST - 1)
    assert unsent.holds_back(new, UNANSWERED_LEAST)
    # A proxy, say.
    new.taken_bytes = 10 * TAKEN_BYTES_EACH
    assert not unsent.holds_back(new, UNANSWERED_LEAST + 9)


def test_who_was_held_back_goes_on_when_it_is_enough(unsent):
    debtor, other = hold(unsent, 1200, 100)
    unsent.holds_back(debtor, 0)
    unsent.holds_back(other, 0)
    gone = Holder(1)
    unsent.holds_back(gone, 100)
    unsent.forget(gone)
    assert not debtor.goes_on
    debtor.take(300)
    unsent.weigh(debtor)
    assert (debtor.goes_on, other.goes_on, gone.goes_on) == (True, False, False)


def test_twice_too_much_is_dealt_with_sooner(unsent):
    quick, slow, little = hold(unsent, 1500, 1500, 300)
    for holder in (quick, slow):
        unsent.weigh(holder)
    for holder in (quick, slow):
        holder.taken_bytes = 1000
    slow.taken_bytes = 1
    wait(unsent, HASTE_S)
    assert [holder.was_cut for holder in (quick, slow, little)] == [False, True, False]
    assert unsent.tight
    (new,) = hold(unsent, 600)
    quick.taken_bytes += 1000
    wait(unsent, HASTE_S)
    assert (quick.was_cut, new.was_cut) == (False, True)


def test_where_it_is_twice_too_much_the_quick_are_not_spared(unsent):
    (quick,) = hold(unsent, 2001)
    quick.taken_bytes = 2000
    wait(unsent, HASTE_S)
    assert quick.was_cut
