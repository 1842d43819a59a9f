"""The ASGI lifespan of one application: started before the first request, stopped after the last (ASGI lifespan 2.0)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal

from granian.errors import LifespanError

logger = logging.getLogger('_granian')

# state → event the application may send in it → next state. Anything else is a fault of the application.
TRANSITIONS = {
    'starting': {
        'lifespan.startup.complete': 'serving',
        'lifespan.startup.failed': 'failed',
    },
    'stopping': {
        'lifespan.shutdown.complete': 'stopped',
        'lifespan.shutdown.failed': 'failed',
    },
}


if TYPE_CHECKING:
    _Log = logging.Logger | logging.LoggerAdapter[logging.Logger]
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class _NamedLog(_Adapter):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        name = str(self.extra['name']) if self.extra else ''
        return f'application {name!r}: {msg}', kwargs


class Lifespan:
    """`startup`, then `shutdown`. `state` is what the application wants every request to see.

    `name`: what logs call it where there are others.
    """

    def __init__(self, application: Any, mode: Literal['auto', 'on', 'off'], name: str = '') -> None:
        self._log: _Log = _NamedLog(logger, {'name': name}) if name else logger
        self._application = application
        self._mode = mode
        self._phase = 'starting'
        self._message = ''
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._reached = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def startup(self) -> None:
        """Raises LifespanError where the application does not start."""
        if self._mode == 'off':
            return
        scope = {'type': 'lifespan', 'asgi': {'version': '3.0', 'spec_version': '2.3'}, 'state': self.state}
        await self._events.put({'type': 'lifespan.startup'})
        self._task = asyncio.ensure_future(self._run(scope))
        await self._until_reached()
        if self._phase == 'failed':
            await self._end_task()
            if self._message:
                self._log.error(self._message)
            self._log.error('ASGI lifespan startup failed')
            raise LifespanError('ASGI lifespan startup failed')
        if self._phase == 'starting':
            self._not_supported(self._task)
            self._task = None

    async def _run(self, scope: dict[str, Any]) -> None:
        # Within the task, so that what cannot be called, or awaited, is like any other exception.
        await self._application(scope, self._receive, self._send)

    def _not_supported(self, task: asyncio.Task[None]) -> None:
        """The application came to its end without an answer to `lifespan.startup`."""
        error = None if task.cancelled() else task.exception()
        if self._mode == 'on':
            self._log.error('ASGI lifespan startup failed', exc_info=error)
            raise LifespanError('ASGI lifespan startup failed')
        if error is not None:
            self._log.debug('ASGI lifespan error', exc_info=error)
            self._log.warning(
                'ASGI Lifespan errored, continuing without Lifespan support '
                '(to avoid Lifespan completely use "asginl" interface)'
            )
        # What the application put there before it gave up is not to be relied on.
        self.state.clear()

    async def shutdown(self) -> None:
        """Faults are logged: there is nothing left to refuse."""
        if self._task is None:
            return
        if not self._task.done():
            self._phase = 'stopping'
            self._reached.clear()
            await self._events.put({'type': 'lifespan.shutdown'})
            await self._until_reached()
        if self._phase == 'failed':
            if self._message:
                self._log.error(self._message)
            self._log.error('ASGI lifespan shutdown failed')
        await self._end_task()

    async def _until_reached(self) -> None:
        """Return once the application has answered, or has come to its end."""
        assert self._task is not None
        reached = asyncio.ensure_future(self._reached.wait())
        await asyncio.wait((reached, self._task), return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()

    async def _end_task(self) -> None:
        """Let the application's coroutine run out; its last words are logged."""
        task, self._task = self._task, None
        assert task is not None
        done, _ = await asyncio.wait((task,), timeout=1.0)
        if not done:
            task.cancel()
            await asyncio.wait((task,))
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error('Application lifespan raised an exception', exc_info=error)

    async def _receive(self) -> dict[str, str]:
        return await self._events.get()

    async def _send(self, message: dict[str, Any]) -> None:
        following = TRANSITIONS.get(self._phase, {}).get(message['type'])
        if following is None:
            raise AssertionError('Invalid lifespan state transition')
        self._phase = following
        self._message = message.get('message', '')
        self._reached.set()
