"""How many exchanges a worker has in progress, and who waits because they are too many."""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Gate:
    """Counts exchanges. A connection that finds it full leaves a callback and is called, first come, first served."""

    __slots__ = ('_context', '_loop', '_waiting', 'busy', 'limit')

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self.limit = limit
        self.busy = 0
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
            # Not at once, and not in this context: we are inside somebody's response.
            self._loop.call_soon(self._admit, context=self._context.copy())

    def _admit(self) -> None:
        while self._waiting and self.busy < self.limit:
            self._waiting.popleft()()


class CountingGate(Gate):
    """Calls `tired`, once, when so many exchanges are over."""

    __slots__ = ('_left', '_tired')

    def __init__(
        self, limit: int, loop: asyncio.AbstractEventLoop, exchanges: int, tired: Callable[[], object]
    ) -> None:
        super().__init__(limit, loop)
        self._left = exchanges
        self._tired = tired

    def left(self) -> None:
        super().left()
        self._left -= 1
        if self._left == 0:
            self._tired()
