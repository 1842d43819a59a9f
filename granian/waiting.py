"""What a task awaits when it is to go on in the very callback that brings the news, with no trip through the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context


class Waiter:
    """Awaited once, by one task, as an asyncio.Future is (its protocol is all that a task asks for); then `wake`.

    A future hands its task to `loop.call_soon`; this one lets it go on at once, unless another task is at work.
    """

    __slots__ = ('_asyncio_future_blocking', '_callback', '_context', '_loop', 'cancelled', 'done')

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[Waiter], object] | None = None
        self._context: Context | None = None
        self._asyncio_future_blocking = False
        self.done = self.cancelled = False

    def wake(self) -> None:
        """Let the task go on. Does nothing a second time."""
        if self.done:
            return
        self.done = True
        callback, context = self._callback, self._context
        if callback is None or context is None:
            # It was not awaited yet, and will not wait.
            return
        self._callback = None
        if asyncio.current_task(self._loop) is None:
            context.run(callback, self)
        else:
            self._loop.call_soon(callback, self, context=context)

    def __await__(self) -> Generator[Waiter, None, None]:
        if not self.done:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    # ── what a task calls ────────────────────────────────────────────────────────────────────────────────────────

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[Waiter], object], *, context: Context) -> None:
        self._callback, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        if self.done:
            return False
        self.done = self.cancelled = True
        callback = self._callback
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)
        return True

    def result(self) -> None:
        if self.cancelled:
            raise asyncio.CancelledError
