"""An exchange as a pool thread sees it: what it says is done on the loop's thread, in order."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from granian.adapters.wsgi.threads import Threads
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead

logger = logging.getLogger('_granian')

_BAD_REQUEST = response_head(400, [])

# What a thread may say ahead of the loop before it waits for the client to take it.
UNSENT_BYTES_MAX = 64 * 1024


def respond(exchange: Exchange, response: ResponseHead, body: bytes) -> None:
    """On the loop's thread: send a whole response."""
    try:
        exchange.respond(response, body)
    except FlowError as exc:
        give_up(exchange, exc)


def refuse_cut_off(exchange: Exchange) -> None:
    """On the loop's thread: the request's body will never be whole. Whoever may still read that is told so."""
    if not (exchange.done or exchange.lost):
        respond(exchange, _BAD_REQUEST, b'')


def give_up(exchange: Exchange, error: FlowError) -> None:
    """What was to be sent cannot be."""
    if isinstance(error, InvalidResponse):
        logger.error('Application response refused: %s', error)
    exchange.fail()


class Bridge:
    """Called from one pool thread. Only `read`, `write` and `send_file` wait; all raise ClientDisconnected in time."""

    __slots__ = ('_pool', '_unsent', 'error', 'exchange')

    def __init__(self, pool: Threads, exchange: Exchange) -> None:
        self._pool = pool
        self.exchange = exchange
        self._unsent = 0
        # Why nothing more can be said.
        self.error: FlowError | None = None

    # ── on the pool thread ───────────────────────────────────────────────────────────────────────────────────────

    def start(self, response: ResponseHead, data: bytes) -> None:
        """Send the head and the first of the body."""
        self._pool.post(self._start, response, data)
        self._count(data)

    def write(self, data: bytes) -> None:
        """Send more of the body, once the client has taken most of what went before."""
        self._check_open()
        self._pool.post(self._do, self.exchange.write, data)
        self._count(data)

    def finish(self) -> None:
        """End the body."""
        self._pool.post(self._do, self.exchange.finish)

    def fail(self) -> None:
        """The application failed."""
        self._pool.post(self.exchange.fail)

    def send_file(self, response: ResponseHead, descriptor: int, offset: int, count: int) -> None:
        """Answer with `count` bytes of an open file; returns once they are sent."""
        self._wait(self._begin, self._send_file, response, descriptor, offset, count)

    def read(self) -> bytes:
        """The next piece of the request's body, b'' after the last."""
        data: bytes = self._wait(self._read)
        return data

    def _count(self, data: bytes) -> None:
        self._unsent += len(data)
        if self._unsent >= UNSENT_BYTES_MAX:
            self._unsent = 0
            self._wait(self._make_room)
            self._check_open()

    def _check_open(self) -> None:
        if self.error is not None:
            raise self.error
        if self.exchange.lost:
            raise ClientDisconnected('the client is gone')

    def _wait(self, errand: Callable[..., None], *arguments: Any) -> Any:
        """Have the loop run an errand, and wait for what comes of it."""
        reply = _Reply()
        self._pool.post(errand, reply, *arguments)
        return reply.take()

    # ── on the loop's thread ─────────────────────────────────────────────────────────────────────────────────────

    def _do(self, operation: Callable[..., None], *arguments: Any) -> None:
        try:
            operation(*arguments)
        except FlowError as exc:
            self._fail(exc)

    def _start(self, response: ResponseHead, data: bytes) -> None:
        try:
            self.exchange.start(response)
            self.exchange.write(data)
        except FlowError as exc:
            self._fail(exc)

    def _fail(self, error: FlowError) -> None:
        if self.error is None:
            self.error = error
            give_up(self.exchange, error)

    def _read(self, reply: _Reply) -> None:
        data = self.exchange.take()
        if data or self.exchange.body_ended:
            reply.give(data)
        else:
            self._begin(reply, self.exchange.read)

    def _make_room(self, reply: _Reply) -> None:
        if self.exchange.carrier.blocked and not self.exchange.done:
            self._begin(reply, self.exchange.writable)
        else:
            reply.give(None)

    async def _send_file(self, response: ResponseHead, descriptor: int, offset: int, count: int) -> None:
        self.exchange.start(response)
        await self.exchange.send_file(descriptor, offset, count)
        self.exchange.finish()

    def _begin(self, reply: _Reply, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        # Kept alive by the reply, which the thread holds.
        reply.task = self.exchange.carrier.loop.create_task(work(*arguments))
        reply.task.add_done_callback(reply.give_outcome)


class _Reply:
    """What a pool thread waits for."""

    __slots__ = ('_error', '_given', '_value', 'task')

    def __init__(self) -> None:
        self._given = threading.Lock()
        self._given.acquire()
        self._value: Any = None
        self._error: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None

    def take(self) -> Any:
        """On the pool thread: the value, once it is there; raises where there is none."""
        self._given.acquire()
        if self._error is not None:
            raise self._error
        return self._value

    def give(self, value: Any) -> None:
        self._value = value
        self._given.release()

    def give_outcome(self, task: asyncio.Task[Any]) -> None:
        self._error = ClientDisconnected('the server stops') if task.cancelled() else task.exception()
        self.give(None if self._error else task.result())
