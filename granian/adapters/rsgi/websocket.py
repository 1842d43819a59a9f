"""RSGI's WebSocket: a session on one side, an application on the other (RSGI 1.6)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from granian.adapters.rsgi.heads import STATUS_MAX, check_status
from granian.adapters.rsgi.scope import Scope
from granian.adapters.rsgi.stream import as_bytes
from granian.adapters.rsgi.types import RSGIProtocolClosed, RSGIProtocolError, WebsocketMessageType
from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.responses import response_head
from granian.protocol.websocket.contract import FAILED, NORMAL
from granian.websocket import MESSAGES_A_TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from granian.websocket import WebSocketSession

logger = logging.getLogger('_granian')

_FAILURE = response_head(500, [])

_BYTES, _STRING = WebsocketMessageType.bytes, WebsocketMessageType.string


class WebsocketScope(Scope):
    """The request that asks for a session."""

    __slots__ = ()

    proto = 'ws'


class WebsocketMessage:
    """What `WebsocketTransport.receive` gives; a close has no data."""

    __slots__ = ('data', 'kind')

    def __init__(self, kind: WebsocketMessageType, data: str | bytes | None) -> None:
        self.kind = kind
        self.data = data

    def __repr__(self) -> str:
        return f'WebsocketMessage({self.kind!r}, {self.data!r})'


class WebsocketTransport:
    """An accepted WebSocket."""

    __slots__ = ('_end_told', '_session')

    def __init__(self, session: WebSocketSession) -> None:
        self._session = session
        self._end_told = False

    async def receive(self) -> WebsocketMessage:
        """The next message, one of kind `close` at the end. Raises RSGIProtocolClosed after that.

        One call at a time: else RSGIProtocolError.
        """
        session = self._session
        while True:
            data = session.take()
            if data is not None:
                return WebsocketMessage(_STRING if type(data) is str else _BYTES, data)
            if session.code is not None:
                if self._end_told:
                    raise RSGIProtocolClosed
                self._end_told = True
                return WebsocketMessage(WebsocketMessageType.close, None)
            if session.awaited:
                raise RSGIProtocolError
            await session.arrival()

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message; return once the client takes more. Raises RSGIProtocolClosed."""
        await self._send(data if type(data) is bytes else as_bytes(data))

    async def send_str(self, data: str) -> None:
        """As `send_bytes`, a text message."""
        if not isinstance(data, str):
            raise TypeError(f'a str is wanted, not {type(data).__name__}')
        await self._send(data)

    async def _send(self, data: str | bytes) -> None:
        session = self._session
        if session.blocked:
            await session.writable()
        try:
            session.send(data)
        except ClientDisconnected:
            raise RSGIProtocolClosed from None
        except FlowError as exc:
            raise RSGIProtocolError from exc
        if not session.messages_sent % MESSAGES_A_TURN:
            await asyncio.sleep(0)


class WebsocketProtocol:
    """The application's side of one session that is asked for."""

    __slots__ = ('_closed', '_session')

    def __init__(self, session: WebSocketSession) -> None:
        self._session = session
        # `close` was called.
        self._closed = False

    async def accept(self) -> WebsocketTransport:
        """Let the session begin; once."""
        session = self._session
        if self._closed or session.accepted:
            raise RSGIProtocolError
        try:
            session.accept()
        except ClientDisconnected:
            raise RSGIProtocolClosed from None
        except InvalidResponse as exc:
            raise RSGIProtocolError from exc
        return WebsocketTransport(session)

    def close(self, status: int | None = None) -> None:
        """Refuse the session by this HTTP status (403), or end it by this close code (1000). Only the first call counts."""
        if self._closed:
            return
        session = self._session
        if status is not None:
            check_status(status)
            if not 0 <= status <= STATUS_MAX:
                raise OverflowError('status does not fit in 16 bits')
        try:
            if session.accepted:
                session.close(NORMAL if status is None else status)
            elif status is None:
                session.refuse()
            else:
                _respond(session, status)
        except ClientDisconnected:
            # Nobody is there to be told.
            pass
        except FlowError as exc:
            raise RSGIProtocolError from exc
        self._closed = True


async def run(application: Callable[..., Coroutine[Any, Any, None]], session: WebSocketSession, strip: int) -> None:
    """Let the application have a session. Raises nothing."""
    exchange = session.exchange
    failed = False
    try:
        await application(WebsocketScope(exchange, strip), WebsocketProtocol(session))
    except BaseException as exc:
        # One session ends no worker.
        failed = True
        _log_failure(session, exc)
    if session.accepted:
        session.close(FAILED if failed else NORMAL)
    elif failed and not exchange.done and not exchange.lost:
        exchange.respond(_FAILURE, b'')
    elif not exchange.done:
        if not exchange.gone:
            logger.error('Application callable returned without accepting or refusing a WebSocket')
        session.refuse()


def _respond(session: WebSocketSession, status: int) -> None:
    exchange = session.exchange
    if not exchange.done:
        exchange.respond(response_head(status, []), b'')


def _log_failure(session: WebSocketSession, exc: BaseException) -> None:
    over = session.exchange.gone or session.code is not None
    if over and isinstance(exc, (OSError, asyncio.CancelledError)):
        logger.debug('Application stopped: the session is over')
    else:
        logger.error('Application callable raised an exception', exc_info=exc)
