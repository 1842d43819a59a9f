"""Run a coroutine's first step at once: most exchanges finish there, with no trip through the loop."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

if sys.version_info >= (3, 12):

    def start_now(coro: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """A task of `coro` that has already taken its first step. Call from a callback of the running loop."""
        return asyncio.Task(coro, loop=loop, eager_start=True)

else:

    def start_now(coro: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """A task of `coro` that has already taken its first step. Call from a callback of the running loop.

        A new task hands its first step to `loop.call_soon`. For as long as the task is made that name is ours, and the
        step is run here instead: in the task's own context, and with the task as the current one.
        """
        steps: list[tuple[Callable[[], None], Context]] = []

        def catch(step: Callable[[], None], context: Context) -> None:
            steps.append((step, context))

        loop.call_soon = catch  # type: ignore[method-assign, assignment]
        try:
            task = asyncio.Task(coro, loop=loop)
        finally:
            del loop.call_soon
        for step, context in steps:
            context.run(step)
        return task
