"""ASGI's WebSocket: a session on one side, an application on the other (ASGI WebSocket 2.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from granian.adapters.asgi.http import Call, as_bytes, stems_from_disconnect
from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.websocket.contract import ABNORMAL, FAILED, NORMAL
from granian.websocket import MESSAGES_A_TURN

if TYPE_CHECKING:
    from granian.adapters.asgi.http import AsgiAdapter
    from granian.websocket import WebSocketSession

logger = logging.getLogger('_granian')

EXTENSIONS: dict[str, dict[str, Any]] = {'websocket.http.response': {}}
SCHEMES = {'http': 'ws', 'https': 'wss'}

# What the application may send next; a pair that is not here is an error.
#   asked → websocket.accept                → open
#   asked → websocket.close                 → closed, by 403
#   asked → websocket.http.response.start   → denied, which goes on with websocket.http.response.body
#   open  → websocket.send                  → open
#   open  → websocket.close                 → closed


class AsgiWebSocket:
    """The application's side of one session: `receive` and `send`."""

    __slots__ = ('_adapter', '_call', '_connect_told', '_denying', '_end_told', '_exchange', '_session')

    def __init__(self, adapter: AsgiAdapter, session: WebSocketSession) -> None:
        self._adapter = adapter
        self._session = session
        self._exchange = session.exchange
        # Answers in HTTP, where the application would rather have that.
        self._call: Call | None = Call(adapter, session.exchange)
        self._connect_told = self._denying = self._end_told = False

    async def run(self) -> None:
        failed = False
        try:
            await self._adapter.application(self._scope(), self.receive, self.send)
        except BaseException as exc:
            # The application's boundary: whatever it raises ends one session, and no worker.
            failed = True
            self._log_failure(exc)
        session, exchange = self._session, self._exchange
        if session.accepted:
            session.close(FAILED if failed else NORMAL)
        elif failed or self._denying:
            if not exchange.done:
                exchange.fail()
        elif not exchange.done:
            if not exchange.gone:
                logger.error('Application callable returned without accepting or refusing a WebSocket')
            session.refuse()

    def _scope(self) -> dict[str, Any]:
        assert self._call is not None
        scope = self._call.scope()
        del scope['method']
        scope['type'] = 'websocket'
        scope['scheme'] = SCHEMES.get(scope['scheme'], scope['scheme'])
        scope['subprotocols'] = self._session.opening.subprotocols.copy()
        tls = self._exchange.info.tls
        scope['extensions'] = EXTENSIONS if tls is None else {**EXTENSIONS, 'tls': tls.asgi}
        return scope

    def _log_failure(self, exc: BaseException) -> None:
        over = self._exchange.gone or self._session.code is not None
        if over and stems_from_disconnect(exc):
            logger.debug('Application stopped: the client is gone')
        elif over and isinstance(exc, asyncio.CancelledError):
            logger.debug('Application stopped: cancelled')
        else:
            logger.error('Application callable raised an exception', exc_info=exc)

    # ── receive ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> dict[str, Any]:
        session = self._session
        if not self._connect_told:
            self._connect_told = True
            return {'type': 'websocket.connect'}
        while True:
            data = session.take()
            if data is not None:
                return {'type': 'websocket.receive', 'text' if type(data) is str else 'bytes': data}
            if session.code is not None:
                return await self._disconnect(session.code, session.reason)
            if session.accepted:
                await session.arrival()
            elif self._exchange.done or self._exchange.gone:
                return await self._disconnect(ABNORMAL, '')
            else:
                await self._exchange.changed()

    async def _disconnect(self, code: int, reason: str) -> dict[str, Any]:
        if self._end_told:
            # Who asks on and on is not to keep everybody else from being heard.
            await asyncio.sleep(0)
        self._end_told = True
        return {'type': 'websocket.disconnect', 'code': code, 'reason': reason}

    # ── send ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send(self, message: dict[str, Any]) -> None:
        kind = message['type']
        session = self._session
        try:
            if kind == 'websocket.send':
                data = _payload(message)
                if not session.accepted:
                    raise FlowError('ASGI flow error: Transport not initialized or closed')
                if session.blocked:
                    await session.writable()
                session.send(data)
                if not session.messages_sent % MESSAGES_A_TURN:
                    await asyncio.sleep(0)
            elif kind == 'websocket.accept':
                self._accept(message)
            elif kind == 'websocket.close':
                self._close(message)
            elif kind in ('websocket.http.response.start', 'websocket.http.response.body'):
                await self._deny(kind.removeprefix('websocket.'), message)
            else:
                raise InvalidResponse(f'{kind} is not a message of a WebSocket')
        except InvalidResponse as exc:
            logger.error('Application message refused: %s', exc)
            raise FlowError('Unsupported ASGI message') from exc
        except ClientDisconnected as exc:
            raise ClientDisconnected('ASGI flow error: Transport closed') from exc

    def _accept(self, message: dict[str, Any]) -> None:
        session = self._session
        self._check_asked()
        headers = message.get('headers') or ()
        if not isinstance(headers, Iterable):
            raise InvalidResponse('headers are no pairs')
        session.accept(message.get('subprotocol'), list(headers))
        # It is not needed any more, and a session may last.
        self._call = None

    def _close(self, message: dict[str, Any]) -> None:
        session = self._session
        code, reason = message.get('code', NORMAL), message.get('reason') or ''
        if not isinstance(code, int) or not isinstance(reason, str):
            raise InvalidResponse('a code is an int, a reason a str')
        if not session.accepted:
            self._check_asked()
            session.refuse()
        elif session.code is not None:
            raise ClientDisconnected('the WebSocket is closed')
        else:
            session.close(code, reason)

    def _check_asked(self) -> None:
        if self._session.accepted:
            raise FlowError('ASGI flow error: Connection already upgraded')
        if self._exchange.lost:
            raise ClientDisconnected('the client is gone')
        if self._denying or self._exchange.started:
            raise FlowError('ASGI flow error: Response already started')

    async def _deny(self, kind: str, message: dict[str, Any]) -> None:
        if self._call is None:
            raise FlowError('ASGI flow error: Connection already upgraded')
        if self._exchange.done:
            raise FlowError('ASGI flow error: Response already finished')
        await self._call.send({**message, 'type': kind})
        self._denying = True


def _payload(message: dict[str, Any]) -> str | bytes:
    """What is to be sent: exactly one of the two keys holds it."""
    text, data = message.get('text'), message.get('bytes')
    if (text is None) is (data is None):
        raise InvalidResponse('either text or bytes are sent')
    if text is None:
        return data if type(data) is bytes else as_bytes(data)
    if not isinstance(text, str):
        raise InvalidResponse(f'{type(text).__name__} where text is wanted')
    return text
