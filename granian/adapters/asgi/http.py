"""ASGI 3: an exchange on one side, an application on the other (ASGI HTTP 2.4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from granian.adapters.asgi import files as asgi_files
from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.responses import ResponseHead, response_head

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import BinaryIO

    from granian.exchange import ConnectionInfo, Exchange
    from granian.websocket import Door

logger = logging.getLogger('_granian')

VERSIONS = {'version': '3.0', 'spec_version': '2.4'}
EXTENSIONS: dict[str, dict[str, Any]] = {
    'http.response.trailers': {},
    'http.response.early_hint': {},
    'http.response.zerocopysend': {},
    'http.response.pathsend': {},
}

# What the application may send next. state → message → state; a pair that is not here is an error (`_out_of_order`).
#   head      → http.response.start    → body
#   head      → http.response.early_hint, http.response.debug → head
#   body      → http.response.body, .zerocopysend (more_body) → body
#   body      → the same, the last     → done, or trailers where the start announced them
#   body      → http.response.pathsend → done, or trailers
#   trailers  → http.response.trailers (more_trailers) → trailers, the last → done
HEAD, BODY, TRAILERS, DONE = 'head', 'body', 'trailers', 'done'
# So many pieces of a body to a client that takes them at once, then everybody else has a turn.
PIECES_A_TURN = 64


class AsgiAdapter:
    """One application under one name."""

    def __init__(
        self, application: Any, state: dict[str, Any], *, door: Door, root_path: str = '', debug: bool = False
    ) -> None:
        self.application = application
        self.door = door
        self.state = state
        self.root_path = root_path
        self.debug = debug
        self.extensions = {**EXTENSIONS, 'http.response.debug': {}} if debug else EXTENSIONS

    def handle(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """A coroutine that lets the application answer, None where that was done. It raises nothing."""
        if exchange.head.upgrade and self.door.asks(exchange.head):
            return self._open(exchange)
        return Call(self, exchange).run()

    def common_scope(self, info: ConnectionInfo) -> dict[str, Any]:
        """What all requests of a connection have in their scopes, and places for the rest: a copy costs less than a new one."""
        own = dict.fromkeys(('http_version', 'path', 'raw_path', 'query_string', 'headers', 'method', 'state'))
        return {
            **own,
            'asgi': VERSIONS,
            'extensions': self.extensions if info.tls is None else {**self.extensions, 'tls': info.tls.asgi},
            'type': 'http',
            'server': info.server,
            'client': info.client,
            'scheme': info.scheme,
            'root_path': self.root_path,
        }

    def _open(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        from granian.adapters.asgi.websocket import AsgiWebSocket

        session = self.door.open(exchange)
        return None if session is None else AsgiWebSocket(self, session).run()


class Call:
    """The application's side of one exchange: `receive` and `send`."""

    __slots__ = ('_adapter', '_announced', '_body_told', '_exchange', '_pieces', '_response', '_state', '_trailers')

    def __init__(self, adapter: AsgiAdapter, exchange: Exchange) -> None:
        self._adapter = adapter
        self._exchange = exchange
        self._state = HEAD
        # The head that waits for the first body message: until then a failure can still become a 500.
        self._response: ResponseHead | None = None
        self._announced = self._body_told = False
        self._pieces = 0
        self._trailers: list[tuple[bytes, bytes]] = []

    async def run(self) -> None:
        adapter = self._adapter
        exchange = self._exchange
        try:
            await adapter.application(self.scope(), self.receive, self.send)
        except BaseException as exc:
            # The application's boundary: whatever it raises, one request ends no worker and is answered or cut.
            self._log_failure(exc)
        else:
            if not exchange.done and not exchange.gone and self._state is not DONE:
                logger.error('Application callable returned without a whole response')
        if not exchange.done:
            exchange.fail()

    def scope(self) -> dict[str, Any]:
        adapter = self._adapter
        head = self._exchange.head
        info = self._exchange.info
        kept = info.kept
        if kept is None or kept[0] is not adapter:
            kept = info.kept = adapter, adapter.common_scope(info)
        scope: dict[str, Any] = kept[1].copy()
        scope['http_version'] = head.version
        scope['path'] = head.path
        scope['raw_path'] = head.raw_path
        scope['query_string'] = head.query
        # The head is shared with equal requests; this list is the application's own.
        scope['headers'] = head.fields.copy()
        scope['method'] = head.method
        scope['state'] = adapter.state.copy()
        return scope if not info.prefix else below_prefix(scope, info.prefix)

    def _log_failure(self, exc: BaseException) -> None:
        if self._exchange.gone and stems_from_disconnect(exc):
            logger.debug('Application stopped: the client is gone')
        elif self._exchange.done and isinstance(exc, asyncio.CancelledError):
            logger.debug('Application stopped: cancelled')
        else:
            logger.error('Application callable raised an exception', exc_info=exc)

    # ── receive ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> dict[str, Any]:
        exchange = self._exchange
        if not self._body_told:
            body = exchange.take()
            if not body and not exchange.body_ended:
                try:
                    body = await exchange.read()
                except ClientDisconnected:
                    self._body_told = True
                    return {'type': 'http.disconnect'}
            more = not exchange.body_taken
            self._body_told = not more
            return {'type': 'http.request', 'body': body, 'more_body': more}
        await exchange.over()
        return {'type': 'http.disconnect'}

    # ── send ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send(self, message: dict[str, Any]) -> None:
        kind = message['type']
        try:
            if kind == 'http.response.body':
                body = message.get('body', b'')
                if type(body) is not bytes:
                    body = as_bytes(body)
                if self._state is BODY and self._response is not None and not message.get('more_body', False):
                    response, self._response = self._response, None
                    self._answer(response, body)
                else:
                    await self._send_body(body, more=bool(message.get('more_body', False)))
            elif kind == 'http.response.start':
                self._send_start(message)
            else:
                await self._send_other(kind, message)
        except InvalidResponse as exc:
            logger.error('Application response refused: %s', exc)
            raise FlowError('Unsupported ASGI message') from exc
        except ClientDisconnected as exc:
            raise ClientDisconnected('ASGI flow error: Transport closed') from exc

    def _send_start(self, message: dict[str, Any]) -> None:
        if self._state is not HEAD or self._exchange.lost:
            raise self._out_of_order()
        status = message['status']
        if not isinstance(status, int):
            raise InvalidResponse('status is not an int')
        headers = message.get('headers', ())
        response = response_head(status, headers if isinstance(headers, (list, tuple)) else list(headers))
        self._state = BODY
        self._announced = bool(message.get('trailers', False))
        if response.event_stream:
            self._exchange.start(response)
            self._exchange.carrier.flush()
        else:
            self._response = response

    def _answer(self, response: ResponseHead, body: bytes) -> None:
        """The whole body came in one message: head and body leave together."""
        if self._announced:
            self._state = TRAILERS
            self._exchange.start(response)
            self._exchange.write(body)
        else:
            self._state = DONE
            self._exchange.respond(response, body)

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._state is not BODY:
            raise self._out_of_order()
        exchange = self._exchange
        self._begin()
        if body or more:
            exchange.write(body)
            self._pieces += 1
            if exchange.carrier.blocked:
                await exchange.writable()
            elif not self._pieces % PIECES_A_TURN:
                await asyncio.sleep(0)
        if not more:
            self._end_body()

    def _begin(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            self._exchange.start(response)

    def _end_body(self) -> None:
        if self._announced:
            self._state = TRAILERS
        else:
            self._state = DONE
            self._exchange.finish()

    async def _send_other(self, kind: str, message: dict[str, Any]) -> None:
        if kind == 'http.response.trailers':
            self._send_trailers(message)
        elif kind == 'http.response.early_hint':
            self._expect_state(HEAD)
            self._exchange.inform(103, [(b'link', as_bytes(link)) for link in message.get('links', ())])
        elif kind == 'http.response.pathsend':
            await self._send_path(message['path'])
        elif kind == 'http.response.zerocopysend':
            await self._send_open_file(message)
        elif kind == 'http.response.debug' and self._adapter.debug:
            self._expect_state(HEAD)
            logger.debug('Application debug info: %r', message.get('info'))
        else:
            raise FlowError('Unsupported ASGI message')

    def _send_trailers(self, message: dict[str, Any]) -> None:
        self._expect_state(TRAILERS)
        self._trailers += message.get('headers', ())
        if not message.get('more_trailers', False):
            self._state = DONE
            self._exchange.finish(self._trailers)

    async def _send_path(self, path: str) -> None:
        self._expect_state(BODY)
        response, self._response = self._response, None
        if response is None:
            raise FlowError('ASGI flow error: Response already started')
        await asgi_files.send_path(self._exchange, response, path)
        self._state = DONE
        if not self._exchange.done:
            self._end_body()

    async def _send_open_file(self, message: dict[str, Any]) -> None:
        self._expect_state(BODY)
        self._begin()
        file: BinaryIO | int = message['file']
        await asgi_files.send_open_file(self._exchange, file, message.get('offset'), message.get('count'))
        if not message.get('more_body', False):
            self._end_body()

    def _expect_state(self, state: str) -> None:
        if self._state is not state:
            raise self._out_of_order()

    def _out_of_order(self) -> FlowError:
        if self._exchange.lost:
            return ClientDisconnected('ASGI flow error: Transport closed')
        if self._state is DONE or self._state is TRAILERS:
            return FlowError('ASGI flow error: Response already finished')
        if self._state is HEAD:
            return FlowError('ASGI flow error: Response not started')
        return FlowError('ASGI flow error: Response already started')


def below_prefix(scope: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The scope, with what a proxy took off the path put back: a root path is part of it."""
    scope['root_path'] = prefix + scope['root_path']
    scope['path'] = prefix + scope['path']
    scope['raw_path'] = quote(prefix).encode('ascii') + scope['raw_path']
    return scope


def as_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise InvalidResponse(f'{type(value).__name__} where bytes are wanted')


def stems_from_disconnect(exc: BaseException) -> bool:
    """Whether an exception is a disconnect, or was raised because of one."""
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, OSError) or type(seen).__name__ in ('ClientDisconnect', 'WebSocketDisconnect'):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
