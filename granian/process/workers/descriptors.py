"""A worker that has no file descriptors left says so, whatever its loop makes of that."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from granian.observe.logs import logger
from granian.server.serving import CAPACITY_ERRNOS

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_S = 1.0


class DescriptorWatch:
    """From `start` to `stop` at most one warning a second.

    asyncio tells its exception handler once for each connection it could not accept, and accepts again a second later.
    libuv (uvloop) tells nobody and closes what it could not keep: there, each second, one descriptor is tried.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told_s = float('-inf')
        self._before: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if isinstance(self._loop, asyncio.BaseEventLoop):
            # The application may have set its own.
            self._before = self._loop.get_exception_handler()
            self._loop.set_exception_handler(self._on_exception)
        else:
            self._try()

    def stop(self) -> None:
        # The handler stays: what asyncio meant to do later comes for as long as the loop runs.
        if self._timer is not None:
            self._timer.cancel()

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get('exception')
        if isinstance(error, OSError) and error.errno in CAPACITY_ERRNOS and 'accept' in context.get('message', ''):
            self._warn(error)
        elif isinstance(error, ValueError) and '_start_serving' in repr(context.get('handle')):
            # asyncio meant to accept again after the shortage, on a listener that was closed meanwhile.
            return
        elif self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)

    def _try(self) -> None:
        self._timer = self._loop.call_later(PERIOD_S, self._try)
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as exc:
            if exc.errno in CAPACITY_ERRNOS:
                self._warn(exc)

    def _warn(self, error: OSError) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= PERIOD_S:
            self._told_s = now_s
            logger.warning(
                'New connections cannot be served now: %s; allow more open files (ulimit -n, LimitNOFILE=), '
                'or fewer connections',
                (error.strerror or str(error)).lower(),
            )
