"""Which HTTP a client in clear speaks, told by its first bytes (RFC 9113 3.3): one look for a whole connection."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from granian.protocol.contract import Refusal
from granian.protocol.responses import refusal_response
from granian.server.connection import Connection
from granian.server.deadlines import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.protocol.contract import MultiplexedEngine
    from granian.server.http2_connection import Http2Connection
    from granian.server.service import Service

logger = logging.getLogger('_granian')

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
_NOT_HERE = Refusal(505, 'only HTTP/2 is spoken here')


class Sniffer(asyncio.Protocol):
    """Holds a new connection until it is known who is to have it."""

    __slots__ = ('_data', '_engine', '_http2', '_service', '_transport', 'check_at', 'deadline')

    def __init__(
        self, service: Service, http2: type[Http2Connection], engine: Callable[..., MultiplexedEngine]
    ) -> None:
        self._service = service
        self._http2 = http2
        self._engine = engine
        self._data = b''
        self.deadline = self.check_at = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        service = self._service
        self._transport = cast('asyncio.Transport', transport)
        service.connections.add(self)
        self._close_after(service.drain_idle_s if service.draining else service.timeouts.head_s)

    def data_received(self, data: bytes) -> None:
        self._data += data
        start = self._data[: len(PREFACE)]
        if start == PREFACE:
            self._hand_over(self._http2(self._service, self._engine))
        elif not PREFACE.startswith(start):
            if self._service.http == 'auto':
                self._hand_over(Connection(self._service))
            else:
                self._refuse()

    def _hand_over(self, to: Connection | Http2Connection) -> None:
        self._leave()
        self._transport.set_protocol(to)
        to.connection_made(self._transport)
        to.data_received(self._data)

    def _refuse(self) -> None:
        """Say what is wrong in words that HTTP/1 clients understand."""
        line = self._data[:256].split(b'\r\n', 1)[0]
        logger.debug('Request refused: %d %s', _NOT_HERE.status, _NOT_HERE.reason)
        log = self._service.access_log
        if log is not None:
            client = self._service.info_of(self._transport).client
            log.refused(client[0] if client else '', self._service.scheme, line, _NOT_HERE.status, _NOT_HERE.reason)
        to_head = line.startswith(b'HEAD ')
        self._transport.write(refusal_response(_NOT_HERE, self._service.defaults, to_head=to_head))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._service.connection_closed(exc)

    def _leave(self) -> None:
        self._service.connections.discard(self)
        self.deadline = NEVER
        self._service.wheel.forget(self)

    def _close_after(self, after_s: float) -> None:
        self.deadline = self._service.wheel.now + after_s
        self._service.wheel.watch(self)

    def expired(self) -> None:
        """Nothing, or too little, was said in time."""
        self._transport.close()

    def drain(self) -> None:
        self._close_after(self._service.drain_idle_s)

    def cut(self) -> None:
        self._transport.abort()
