"""Run a coroutine's first step at once: most exchanges finish there, with no trip through the loop."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

if sys.version_info >= (3, 12):

    class Starter:
        """Makes tasks for one loop."""

        __slots__ = ('_loop',)

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop

        def start(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            """A task that has already taken its first step. Call from a callback of the running loop."""
            return asyncio.Task(coro, loop=self._loop, eager_start=True)

else:

    class Starter:
        """Makes tasks for one loop.

        A new task hands its first step to `loop.call_soon`. For as long as the task is made that name is ours, and the
        step is run here instead: in the task's own context, and with the task as the current one.
        """

        __slots__ = ('_catch', '_context', '_loop', '_step')

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop: Any = loop
            # The loop is in one thread, and nothing else runs between a catch and its use.
            self._step: Callable[[], None]
            self._context: Context
            self._catch = self._caught

        def _caught(self, step: Callable[[], None], context: Context) -> None:
            self._step = step
            self._context = context

        def start(self, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            """A task that has already taken its first step. Call from a callback of the running loop."""
            loop = self._loop
            loop.call_soon = self._catch
            try:
                task = asyncio.Task(coro, loop=loop)
            finally:
                del loop.call_soon
            context, step = self._context, self._step
            # They hold the task.
            del self._context, self._step
            context.run(step)
            return task
