"""Who may begin a handshake, who waits, and who has to make room, in a time that the test keeps."""

from __future__ import annotations

import pytest

from granian.server.deadlines import NEVER
from granian.server.tls.handshake_gate import STALLED_S, HandshakeGate

LONG_S = 2 * STALLED_S


class Time:
    """A wheel and a loop."""

    def __init__(self):
        self.now = 100.0
        self.soon = []
        self.watched = None

    def watch(self, timed):
        self.watched = timed
        timed.check_at = timed.deadline

    def forget(self, timed):
        self.watched, timed.check_at = None, NEVER

    def call_soon(self, callback):
        self.soon.append(callback)

    def settle(self):
        while self.soon:
            self.soon.pop(0)()

    def passes(self, seconds):
        self.now += seconds
        if self.watched is not None and self.watched.deadline <= self.now:
            timed, self.watched = self.watched, None
            timed.deadline = timed.check_at = NEVER
            timed.expired()
        self.settle()


class Client:
    """A handshake that only says what becomes of it. `ends`: it is over as soon as it begins."""

    def __init__(self, gate, *, ends=False):
        self.gate = gate
        self.ends = ends
        self.working = False
        self.state = 'new'

    def come(self):
        self.state = 'waits'
        if self.gate.enter(self):
            self.begin()
        return self

    def begin(self):
        self.state = 'active'
        if self.ends:
            self.leave('over')

    def fail(self, reason):
        self.leave('stalled')

    def leave(self, state='left'):
        self.state = state
        self.gate.leave(self)


@pytest.fixture
def at():
    return Time()


@pytest.fixture
def gate(at):
    return HandshakeGate(at, at, 2)


def states(clients):
    return [client.state for client in clients]


def test_those_that_wait_follow_in_their_order(at, gate):
    clients = [Client(gate).come() for _ in range(4)]
    assert states(clients) == ['active', 'active', 'waits', 'waits']
    clients[1].leave()
    at.settle()
    assert states(clients) == ['active', 'left', 'active', 'waits']


def test_who_stalls_makes_room_as_soon_as_somebody_comes(at, gate):
    stalled = [Client(gate).come() for _ in range(2)]
    at.passes(LONG_S)
    late = Client(gate).come()
    at.settle()
    assert states([*stalled, late]) == ['stalled', 'active', 'active']


def test_who_stalls_makes_room_while_others_wait(at, gate):
    clients = [Client(gate).come() for _ in range(5)]
    at.passes(LONG_S)
    assert states(clients[:2]) == ['stalled', 'stalled']
    assert sorted(states(clients[2:])) == ['active', 'active', 'waits']
    at.passes(LONG_S)
    assert sorted(states(clients[2:])) == ['active', 'active', 'stalled']


def test_who_goes_on_keeps_its_place(at, gate):
    goes_on, stalled = Client(gate).come(), Client(gate).come()
    at.passes(LONG_S)
    gate.heard(goes_on)
    late = Client(gate).come()
    at.settle()
    assert states([goes_on, stalled, late]) == ['active', 'stalled', 'active']


def test_who_is_worked_for_keeps_its_place(at, gate):
    clients = [Client(gate).come() for _ in range(2)]
    for client in clients:
        client.working = True
    at.passes(LONG_S)
    late = Client(gate).come()
    assert states([*clients, late]) == ['active', 'active', 'waits']


def test_who_comes_to_a_line_of_those_that_stall_is_before_them(at, gate):
    pile = [Client(gate).come() for _ in range(50)]
    at.passes(LONG_S)
    at.passes(LONG_S)
    late = Client(gate).come()
    at.settle()
    at.passes(LONG_S)
    assert late.state == 'active'
    assert 'waits' in states(pile)


def test_who_leaves_the_line_is_not_called(at, gate):
    clients = [Client(gate).come() for _ in range(4)]
    clients[2].leave()
    clients[0].leave()
    at.settle()
    assert states(clients) == ['left', 'active', 'left', 'active']


def test_a_long_line_of_those_that_end_at_once_is_gone_through(at, gate):
    first = [Client(gate).come() for _ in range(2)]
    line = [Client(gate, ends=True).come() for _ in range(5000)]
    first[0].leave()
    at.settle()
    assert set(states(line)) == {'over'}


def test_nothing_is_looked_at_where_nobody_waits(at, gate):
    clients = [Client(gate).come() for _ in range(3)]
    assert at.watched is gate
    clients[0].leave()
    at.passes(STALLED_S)
    assert at.watched is None
    Client(gate).come()
    gate.stop()
    assert at.watched is None
