"""How many exchanges a worker has in progress, and who waits because they are too many."""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# No count comes to it.
NEVER_TIRED = -1


class Gate:
    """Counts exchanges. A connection that finds it full leaves a callback and is called, first come, first served."""

    __slots__ = ('_context', '_loop', '_waiting', 'busy', 'limit', 'served')

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self.limit = limit
        self.busy = 0
        # Exchanges that are over, where they are counted.
        self.served = 0
        self._loop = loop
        self._context = copy_context()
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, callback: Callable[[], None]) -> None:
        """Call `callback` once there is room."""
        self._waiting.append(callback)

    def left(self) -> None:
        """An exchange is over."""
        self.busy -= 1
        if self._waiting and self.busy < self.limit:
            self._admit_soon()

    def _admit_soon(self) -> None:
        # Not at once, and not in this context: we are inside somebody's response.
        self._loop.call_soon(self._admit, context=self._context.copy())

    def _admit(self) -> None:
        while self._waiting and self.busy < self.limit:
            self._waiting.popleft()()


class CountingGate(Gate):
    """Counts those that are over, too, and calls `tired`, once, when they are so many."""

    __slots__ = ('_tired', '_tired_at')

    def __init__(
        self,
        limit: int,
        loop: asyncio.AbstractEventLoop,
        exchanges: int = NEVER_TIRED,
        tired: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(limit, loop)
        self._tired_at = exchanges
        self._tired = tired

    def left(self) -> None:
        # Not by way of the other: this is done for every request.
        self.busy -= 1
        if self._waiting and self.busy < self.limit:
            self._admit_soon()
        self.served = served = self.served + 1
        if served == self._tired_at:
            self._tired()
