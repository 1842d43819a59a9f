"""The time of a served worker in the test's hand: deadlines of half a minute are met at once, and none by chance.

    async with serve(app, holds_time=True, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        await server.heard()
        await server.passes(29)   # nothing happens
        await server.passes(2)    # and it is cut

It is the time of the worker's deadlines alone: timers of the event loop run on, as the test's patience does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from granian.server.deadlines import TICK_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.server.deadlines import DeadlineWheel

# Above any limit in a test.
LONG_S = 1000.0


class HeldTime:
    """Stands still but for `passes`, from its making to `let_go`. Between two ticks the loop has a turn."""

    def __init__(self, wheel: DeadlineWheel, loop: asyncio.AbstractEventLoop) -> None:
        self._wheel = wheel
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        wheel.stop()

    async def passes(self, seconds: float) -> None:
        until_s = self._wheel.now + seconds
        while self._wheel.now < until_s:
            await self._tick(min(until_s, self._wheel.now + TICK_S))

    async def passes_until(self, condition: Callable[[], object]) -> float:
        """How many seconds it took until `condition()` held."""
        began_s = self._wheel.now
        while not condition():
            assert self._wheel.now - began_s < LONG_S, f'not within {LONG_S} s'
            await self._tick(self._wheel.now + TICK_S)
        return self._wheel.now - began_s

    async def _tick(self, now: float) -> None:
        self._wheel.turn_to(now)
        await asyncio.sleep(0)

    def let_go(self) -> None:
        """From now on time passes by itself."""
        self._timer = self._loop.call_later(TICK_S, self.let_go)
        self._wheel.turn_to(self._wheel.now + TICK_S)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
