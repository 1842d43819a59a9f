"""How many handshakes are worked on at once, who waits, and who has to make room."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from granian.server.deadlines import NEVER

if TYPE_CHECKING:
    import asyncio

    from granian.server.deadlines import DeadlineWheel
    from granian.server.tls.handshake import Handshake

# Where handshakes are full: a client that let its own wait for longer makes room for another.
STALLED_S = 1.0


class HandshakeGate:
    """Counts handshakes, from their first byte on. More than `limit` wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wheel: DeadlineWheel, limit: int) -> None:
        self._loop = loop
        self._wheel = wheel
        self._limit = limit
        # In the order in which they began, each with the time when it last heard from its client.
        self._active: dict[Handshake, float] = {}
        # In the order in which they came, each with that time.
        self._waiting: OrderedDict[Handshake, float] = OrderedDict()
        self.deadline = self.check_at = NEVER

    def enter(self, handshake: Handshake) -> bool:
        """Whether it may begin at once; otherwise its `begin` is called later."""
        if len(self._active) < self._limit:
            self._active[handshake] = self._wheel.now
            return True
        self._waiting[handshake] = self._wheel.now
        self._make_room()
        return False

    def heard(self, handshake: Handshake) -> None:
        self._active[handshake] = self._wheel.now

    def leave(self, handshake: Handshake) -> None:
        """It is over, or its connection is."""
        if self._active.pop(handshake, None) is None:
            self._waiting.pop(handshake, None)
        elif self._waiting and len(self._active) < self._limit:
            self._let_in()

    def _let_in(self) -> None:
        now = self._wheel.now
        # In their order; but where the line is so long that it is full of those that stall, the last one first: else who is at its end
        # would have no time left.
        crowded = now - next(iter(self._waiting.values())) > STALLED_S
        follower, _ = self._waiting.popitem(last=crowded)
        self._active[follower] = now
        # Not from here: it may be over at once, and let in the next one.
        self._loop.call_soon(follower.begin)

    def expired(self) -> None:
        self._make_room()

    def _make_room(self) -> None:
        """End those that let others wait, and look again while somebody does."""
        now = self._wheel.now
        stalled = (each for each, heard in self._active.items() if now - heard > STALLED_S and not each.working)
        for each in list(islice(stalled, len(self._waiting))):
            each.fail('it stalled while others waited')
        if self._waiting:
            self.deadline = now + STALLED_S / 4
            if self.deadline < self.check_at:
                self._wheel.watch(self)

    def stop(self) -> None:
        self.deadline = NEVER
        self._wheel.forget(self)
