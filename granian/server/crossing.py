"""From HTTP/1.1 to HTTP/2 in clear, where a client asks for it with a request (RFC 7540 3.2)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from granian.exchange import Exchange
from granian.protocol.contract import RequestHead
from granian.protocol.http2.frames import ConnectionFault
from granian.protocol.http2.settings import read_settings
from granian.protocol.requests import has_token
from granian.protocol.responses import CONNECTION_FIELDS, upgrade_head
from granian.server.http2_connection import Http2Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.protocol.contract import MultiplexedEngine
    from granian.server.connection import Connection

_CHANGE = upgrade_head(b'h2c', [])
_LEFT_BEHIND = CONNECTION_FIELDS | {b'http2-settings'}


def offered_settings(head: RequestHead) -> bytes | None:
    """The client's settings where a request without a body may go over to HTTP/2; None: it is answered as it is."""
    if not has_token(head.upgrade, b'h2c') or has_token(head.upgrade, b'websocket'):
        return None
    values = [value for name, value in head.fields if name == b'http2-settings']
    named = [value.lower() for name, value in head.fields if name == b'connection']
    if len(values) != 1 or not any(has_token(value, b'http2-settings') for value in named):
        # RFC 7540 3.2.1: exactly one, and named in Connection.
        return None
    return _decoded(values[0])


def _decoded(value: bytes) -> bytes | None:
    """token68 without its padding (RFC 7540 3.2.1), settings that may be."""
    try:
        settings = base64.b64decode(value + b'=' * (-len(value) % 4), b'-_', validate=True)
    except binascii.Error:
        return None
    try:
        read_settings(settings)
    except ConnectionFault:
        # After the 101 this would be the end of the connection: better an answer.
        return None
    return settings


class Crossing:
    """The successor of a request that goes over to HTTP/2: keeps what comes until the other connection is there."""

    def __init__(
        self, connection: Connection, engine: Callable[..., MultiplexedEngine], head: RequestHead, settings: bytes
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._head = head
        self._settings = settings
        self._data: list[bytes] = []

    def begin(self, stream: int) -> Exchange:
        """Say yes; the rest is done once the reading that is going on has ended."""
        connection = self._connection
        exchange = Exchange(connection, connection.engine, stream, self._head, b'', True)
        exchange.successor = self
        connection.engine.upgrade(stream, _CHANGE)
        connection.loop.call_soon(self._cross, context=connection.service.context.copy())
        return exchange

    def on_bytes(self, data: bytes) -> bool:
        self._data.append(data)
        return True

    def on_change(self) -> None:
        """The client has left: `_cross` sees that."""

    def _cross(self) -> None:
        transport = self._connection.leave()
        if transport is None:
            return
        successor = Http2Connection(self._connection.service, self._engine)
        transport.set_protocol(successor)
        successor.connection_made(transport)
        successor.take_over(_over_http2(self._head), self._settings, b''.join(self._data))


def _over_http2(head: RequestHead) -> RequestHead:
    """The same request as HTTP/2 has it."""
    other = RequestHead()
    for name in RequestHead.__slots__:
        setattr(other, name, getattr(head, name))
    other.version = '2'
    other.fields = [field for field in head.fields if field[0] not in _LEFT_BEHIND]
    other.upgrade = b''
    other.keep_alive = True
    other.kept = other.like = None
    return other
