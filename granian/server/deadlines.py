"""One timer for a whole worker: coarse deadlines on a wheel, and the date that responses carry."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from granian.protocol.contract import ResponseDefaults

TICK_S = 0.1
# By so much a timer may be late with nobody in its way.
TIMER_GRAIN_S = 0.001
NEVER = math.inf


class Timed(Protocol):
    """Something that has a deadline. `deadline` may be moved later freely; `check_at` belongs to the wheel."""

    deadline: float
    check_at: float

    def expired(self) -> None:
        """The deadline has passed. May set another."""


class DeadlineWheel:
    """Deadlines in loop time, met within a tick or two. Moving one later costs nothing: it is looked at when it was due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, defaults: ResponseDefaults) -> None:
        self._loop = loop
        self._defaults = defaults
        self._slots: dict[int, set[Timed]] = {}
        self._date_s = 0
        self.tells_date = True
        self._timer: asyncio.TimerHandle | None = None
        # When the next tick is due; by how much ticks were late, all together.
        self._due_s = NEVER
        self.late_s = 0.0
        self.now = loop.time()
        self._done = self._slot(self.now)

    def start(self) -> None:
        self.tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, timed: Timed) -> None:
        """Look at `timed` when its deadline is due. Needed only where `deadline < check_at`."""
        if timed.check_at < NEVER:
            self.forget(timed)
        deadline = timed.deadline
        if deadline < NEVER:
            # No earlier than the slots that were not yet looked at.
            timed.check_at = deadline = max(deadline, self.now)
            number = int(deadline / TICK_S)
            watched = self._slots.get(number)
            if watched is None:
                self._slots[number] = {timed}
            else:
                watched.add(timed)

    def forget(self, timed: Timed) -> None:
        check_at = timed.check_at
        if check_at < NEVER:
            watched = self._slots.get(int(check_at / TICK_S))
            if watched is not None:
                watched.discard(timed)
            timed.check_at = NEVER

    def tick(self) -> None:
        """What the timer does."""
        now = self._loop.time()
        self.late_s += max(0.0, now - self._due_s - TIMER_GRAIN_S)
        self._due_s = now + TICK_S
        self._timer = self._loop.call_later(TICK_S, self.tick)
        self._tell_date()
        self.turn_to(now)

    def turn_to(self, now: float) -> None:
        """It is `now`: look at all that is due. Tests that hold the time call it in the timer's place."""
        self.now = now
        last = self._slot(now)
        for number in self._due(last):
            for timed in self._slots.pop(number, ()):
                self._look_at(timed)
        self._done = max(self._done, last)

    def _due(self, last: int) -> list[int]:
        # After a long stall there may be fewer slots than ticks.
        if last - self._done > len(self._slots):
            return sorted(number for number in self._slots if number < last)
        return list(range(self._done, last))

    def _look_at(self, timed: Timed) -> None:
        timed.check_at = NEVER
        if timed.deadline <= self.now:
            timed.deadline = NEVER
            timed.expired()
        else:
            self.watch(timed)

    def _slot(self, at_s: float) -> int:
        return int(at_s / TICK_S)

    def _tell_date(self) -> None:
        now_s = int(time.time())
        if now_s != self._date_s and self.tells_date:
            self._date_s = now_s
            self._defaults.tell(formatdate(now_s, usegmt=True).encode())
