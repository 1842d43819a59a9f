"""RSGI 1.6: an exchange on one side, an application on the other."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from granian.adapters.rsgi import files as rsgi_files
from granian.adapters.rsgi.heads import known_head, log_refusal, refused
from granian.adapters.rsgi.scope import Scope
from granian.adapters.rsgi.stream import HTTPStreamTransport, as_bytes, encoded, finish
from granian.adapters.rsgi.types import RSGIProtocolClosed, RSGIProtocolError
from granian.errors import ClientDisconnected, InvalidResponse, LifespanError
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from granian.adapters.rsgi.heads import TextFields
    from granian.exchange import Exchange
    from granian.websocket import Door

logger = logging.getLogger('_granian')

_FAILURE = response_head(500, [])


class RsgiAdapter:
    """One application: `init`, `start`, any number of `handle`, `stop`, `close`."""

    # It has no threads of its own.
    pool = None

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop, *, door: Door, strip: int = 0) -> None:
        """`strip`: characters of the path that belong to the application's place, and not to the application."""
        self._target = application
        self._application = getattr(application, '__rsgi__', application)
        self._loop = loop
        self._strip = strip
        self._door = door

    def init(self) -> None:
        """Call `__rsgi_init__`. The loop must not be running: the application may run it. Raises LifespanError."""
        hook = getattr(self._target, '__rsgi_init__', None)
        if hook is None:
            return
        try:
            hook(self._loop)
        except (Exception, SystemExit) as exc:
            # The application's own lines are what helps.
            cause = exc.with_traceback(exc.__traceback__ and exc.__traceback__.tb_next)
            raise LifespanError(f'RSGI init failed: {type(exc).__name__}: {exc}') from cause

    def close(self) -> None:
        """Call `__rsgi_del__`, under the same condition. What it raises is logged: there is nothing left to refuse."""
        hook = getattr(self._target, '__rsgi_del__', None)
        if hook is None:
            return
        try:
            hook(self._loop)
        except (Exception, SystemExit) as exc:
            logger.error('Application __rsgi_del__ raised an exception', exc_info=exc)

    async def start(self) -> None:
        """RSGI has nothing to say to an application while the loop runs."""

    async def stop(self) -> None:
        """As `start`."""

    async def handle(self, exchange: Exchange) -> None:
        """Let the application answer. Raises nothing but a cancellation that comes after the application's end."""
        if exchange.head.upgrade and self._door.asks(exchange.head):
            await self._open(exchange)
            return
        protocol = HTTPProtocol(exchange)
        failed = False
        try:
            await self._application(Scope(exchange, self._strip), protocol)
        except BaseException as exc:
            # One request ends no worker.
            failed = True
            _log_failure(exchange, exc)
        if not exchange.done or protocol.file is not None:
            await protocol.conclude(failed=failed)

    async def _open(self, exchange: Exchange) -> None:
        from granian.adapters.rsgi import websocket as rsgi_websocket

        session = self._door.open(exchange)
        if session is not None:
            await rsgi_websocket.run(self._application, session, self._strip)


class HTTPProtocol:
    """The application's side of one exchange: the request's body, and the one response.

    Only the first response_* call counts; a later one does nothing.
    """

    __slots__ = ('_answered', '_body_asked', '_exchange', 'file')

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._answered = self._body_asked = False
        self.file: _FileAnswer | None = None

    # ── the request's body ───────────────────────────────────────────────────────────────────────────────────────

    async def __call__(self) -> bytes:
        """The whole body; once. Raises RSGIProtocolClosed if it will never be whole."""
        self._ask_for_body()
        exchange = self._exchange
        body = exchange.take()
        if exchange.body_ended:
            return body
        pieces = [body]
        while piece := await _read(exchange):
            pieces.append(piece)
        return b''.join(pieces)

    def __aiter__(self) -> _BodyPieces:
        """The body in pieces as they arrive, and b'' after the last; once."""
        self._ask_for_body()
        return _BodyPieces(self._exchange)

    def _ask_for_body(self) -> None:
        if self._body_asked:
            raise RSGIProtocolError
        self._body_asked = True

    async def client_disconnect(self) -> None:
        """Return once the client is gone, or has been answered."""
        await self._exchange.over()

    # ── the response ─────────────────────────────────────────────────────────────────────────────────────────────

    def response_empty(self, status: int = 200, headers: TextFields = ()) -> None:
        self._respond(status, headers, b'')

    def response_str(self, status: int = 200, headers: TextFields = (), body: str = '') -> None:
        self._respond(status, headers, encoded(body))

    def response_bytes(self, status: int = 200, headers: TextFields = (), body: bytes = b'') -> None:
        self._respond(status, headers, body if type(body) is bytes else as_bytes(body))

    def response_file(self, status: int, headers: TextFields, file: str) -> None:
        """Answer with a file; 404 if there is none."""
        self._send_file(status, headers, file, None)

    def response_file_range(self, status: int, headers: TextFields, file: str, start: int, end: int) -> None:
        """Answer with the bytes of a file from `start` up to, and without, `end`."""
        if start < 0:
            raise OverflowError('start is negative')
        if start >= end:
            raise ValueError('Invalid range')
        self._send_file(status, headers, file, (start, end))

    def response_stream(self, status: int = 200, headers: TextFields = ()) -> HTTPStreamTransport:
        """Begin a response of which the body follows. It ends with the transport, or with the application's call."""
        if self._answered:
            raise RSGIProtocolError
        exchange = self._exchange
        response = known_head(status, headers)
        self._answered = True
        if not exchange.done:
            exchange.start(response)
        return HTTPStreamTransport(exchange)

    def _respond(self, status: int, headers: TextFields, body: bytes) -> None:
        if self._answered:
            return
        response = known_head(status, headers)
        exchange = self._exchange
        if not exchange.done:
            try:
                exchange.respond(response, body)
            except InvalidResponse as exc:
                raise refused(exc) from exc
            except ClientDisconnected:
                # Nobody is there to be answered.
                pass
        self._answered = True

    def _send_file(self, status: int, headers: TextFields, file: str, span: tuple[int, int] | None) -> None:
        if self._answered:
            return
        path = os.fsdecode(file)
        response = known_head(status, headers)
        self._answered = True
        exchange = self._exchange
        try:
            if not (exchange.done or rsgi_files.send_small_file(exchange, response, path, span)):
                self.file = _FileAnswer(exchange, rsgi_files.send_file(exchange, response, path, span))
        except ClientDisconnected:
            # Nobody is there to be answered.
            pass

    async def conclude(self, *, failed: bool) -> None:
        """The application's call is over, and the response is not."""
        exchange = self._exchange
        if self.file is not None:
            await self.file.sent()
        elif not self._answered:
            if not failed and not exchange.gone:
                logger.error('Application callable returned without a response')
            _fail(exchange)
        elif failed:
            _fail(exchange)
        else:
            finish(exchange)


class _BodyPieces:
    """`async for` over a body."""

    __slots__ = ('_ended', '_exchange')

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ended = False

    def __aiter__(self) -> _BodyPieces:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        piece = await _read(self._exchange)
        self._ended = not piece
        return piece


class _FileAnswer:
    """A file that is sent at the application's end, or in the next turn of the loop if the application waits."""

    __slots__ = ('_exchange', '_sending', '_task', '_turn')

    def __init__(self, exchange: Exchange, sending: Coroutine[Any, Any, None]) -> None:
        self._exchange = exchange
        self._sending = sending
        self._task: asyncio.Task[None] | None = None
        self._turn = exchange.carrier.loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._task = self._exchange.carrier.loop.create_task(self._send())

    async def sent(self) -> None:
        if self._task is None:
            self._turn.cancel()
            await self._send()
        else:
            await self._task

    async def _send(self) -> None:
        exchange = self._exchange
        try:
            await self._sending
        except ClientDisconnected:
            logger.debug('File not sent: the client is gone')
        except InvalidResponse as exc:
            log_refusal(exc)
        except Exception as exc:
            logger.error('File could not be sent', exc_info=exc)
        finally:
            _fail(exchange)


async def _read(exchange: Exchange) -> bytes:
    try:
        return await exchange.read()
    except ClientDisconnected:
        raise RSGIProtocolClosed from None


def _fail(exchange: Exchange) -> None:
    """As `Exchange.fail`, with an empty 500."""
    if exchange.done or exchange.lost or exchange.started or (exchange.gone and not exchange.body_ended):
        exchange.fail()
    else:
        exchange.respond(_FAILURE, b'')


def _log_failure(exchange: Exchange, exc: BaseException) -> None:
    if exchange.gone and _stems_from_disconnect(exc):
        logger.debug('Application stopped: the client is gone')
    elif exchange.done and isinstance(exc, asyncio.CancelledError):
        logger.debug('Application stopped: cancelled')
    else:
        logger.error('Application callable raised an exception', exc_info=exc)


def _stems_from_disconnect(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, OSError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
