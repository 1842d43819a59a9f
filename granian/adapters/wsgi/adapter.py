"""WSGI 1.0 (PEP 3333): exchanges on the loop's thread, the application on a pool of threads."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from granian.adapters.wsgi.bridge import refuse_cut_off, respond
from granian.adapters.wsgi.call import Call
from granian.adapters.wsgi.environ import Environs
from granian.adapters.wsgi.input import streamed
from granian.adapters.wsgi.spool import whole_body
from granian.adapters.wsgi.stopwatch import Stopwatch
from granian.adapters.wsgi.threads import Threads
from granian.errors import ClientDisconnected
from granian.protocol.contract import CHUNKED
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine
    from typing import BinaryIO

    from granian.exchange import Exchange
    from granian.websocket import Door

logger = logging.getLogger('_granian')

# After the drain: how long threads that finish something after their response may take.
STOP_S = 1.0

_NOT_FOUND = response_head(404, [(b'content-type', b'text/plain; charset=utf-8')])
_BUSY = response_head(503, [(b'retry-after', b'1')])


class WsgiAdapter:
    """One application under one name, with its threads."""

    def __init__(
        self,
        application: Any,
        loop: asyncio.AbstractEventLoop,
        *,
        blocking_threads: int,
        idle_timeout_s: float,
        queue_max: int,
        multiprocess: bool,
        script_name: str = '',
        name: str = 'wsgi',
        door: Door,
        measured: bool = False,
    ) -> None:
        self.application = application
        self._door = door
        self._queue_max = queue_max
        self._environs = Environs(multithread=blocking_threads > 1, multiprocess=multiprocess, script_name=script_name)
        # Where nobody asks, no clock is read for a request.
        self._stopwatch = Stopwatch(self._work) if measured else None
        work = self._stopwatch or self._work
        self.threads = Threads(loop, work, name=name, threads_max=blocking_threads, idle_timeout_s=idle_timeout_s)
        self._spent_s = 0.0, 0.0

    async def start(self) -> None:
        """Nothing has to be waited for: threads are made when they are needed."""

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """End the threads; those that are stuck after `timeout_s` are named in the log and left."""
        await self.threads.stop(timeout_s)

    @property
    def count(self) -> int:
        """Threads there are."""
        return self.threads.count

    @property
    def queued(self) -> int:
        """Requests that wait for a thread."""
        return len(self.threads.queue)

    def spent_s(self) -> tuple[float, float]:
        """How long threads were idle, and at work, all together; neither ever shrinks."""
        if self._stopwatch is not None:
            lived_s, busy_s = self.threads.lived_s(), self._stopwatch.busy_s()
            idle_before_s, busy_before_s = self._spent_s
            self._spent_s = max(idle_before_s, lived_s - busy_s), max(busy_before_s, busy_s)
        return self._spent_s

    def handle(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Let the application answer. What is returned must be run where it is not None; it raises nothing."""
        if exchange.head.upgrade and self._door.asks(exchange.head):
            self._door.open(exchange)
        elif len(self.threads.queue) >= self._queue_max:
            logger.warning('Too many requests wait for a thread')
            respond(exchange, _BUSY, b'')
        elif exchange.body_ended:
            self.threads.submit((exchange, io.BytesIO(exchange.take())))
        elif exchange.head.expects_continue:
            # RFC 9110 10.1.1: whether the body is wanted is the application's to say, by reading.
            self.threads.submit((exchange, None))
        else:
            return self._hold(exchange)
        return None

    async def _hold(self, exchange: Exchange) -> None:
        """Wait for the whole body before a thread is: a slow client holds none up."""
        try:
            body = await whole_body(exchange)
        except ClientDisconnected:
            refuse_cut_off(exchange)
        except OSError as exc:
            logger.error('A request body could not be kept in a temporary file: %s', exc)
            exchange.fail()
        else:
            self.threads.submit((exchange, body))

    def _work(self, item: tuple[Exchange, BinaryIO | None]) -> None:
        """On a pool thread: one request."""
        exchange, body = item
        try:
            # Else its client left while it waited.
            if not exchange.lost:
                self._call(exchange, body)
        finally:
            if body is not None:
                body.close()

    def _call(self, exchange: Exchange, body: BinaryIO | None) -> None:
        call = Call(self.threads, exchange)
        environ = self._environs.environ(exchange, streamed(call.bridge().read) if body is None else body)
        if environ is None:
            self.threads.post(respond, exchange, _NOT_FOUND, b'Not found')
        else:
            if body is not None and exchange.head.content_length == CHUNKED:
                _state_length(environ, body)
            call.run(self.application, environ)


def _state_length(environ: dict[str, Any], body: BinaryIO) -> None:
    """RFC 3875 4.1.2: the length is that without transfer codings, and here it is known."""
    environ['CONTENT_LENGTH'] = str(body.seek(0, io.SEEK_END))
    body.seek(0)
    environ.pop('HTTP_TRANSFER_ENCODING', None)
