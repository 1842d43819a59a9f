"""Connections that begin with a header of the PROXY protocol: who made them is told there, before TLS and HTTP."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from granian.protocol.proxies.proxy_header import BadProxyHeader, ProxyHeader
from granian.server.deadlines import NEVER
from granian.server.service import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.protocol.proxies.proxy_header import Origin
    from granian.server.service import Service

logger = logging.getLogger('_granian')

# At most one of a listener in this time.
COMPLAINT_PERIOD_S = 1.0
_SAME = (
    'write', 'writelines', 'write_eof', 'can_write_eof', 'close', 'abort', 'is_closing', 'pause_reading', 'resume_reading',
    'set_protocol', 'get_write_buffer_size', 'set_write_buffer_limits',
)  # fmt: skip


class ProxiedListener:
    """Makes the connections of one listener whose proxies speak the PROXY protocol."""

    def __init__(self, service: Service, make: Callable[[], asyncio.Protocol]) -> None:
        """`make`: what speaks with the client, once it is known who that is."""
        self.service = service
        self.make = make
        self._told_s = float('-inf')

    def connection(self) -> Proxied:
        return Proxied(self)

    def complain(self, peer: str | None, why: str) -> None:
        now_s = monotonic()
        if now_s - self._told_s >= COMPLAINT_PERIOD_S:
            self._told_s = now_s
            logger.warning('Connection of %s refused: %s', peer or 'a Unix socket', why)


class Proxied(asyncio.Protocol):
    """A connection until its header is whole; then another protocol takes its place."""

    __slots__ = ('_header', '_listener', '_peer', '_service', '_transport', 'check_at', 'deadline')

    def __init__(self, listener: ProxiedListener) -> None:
        self._listener = listener
        self._service = listener.service
        self._header = ProxyHeader()
        self.deadline = self.check_at = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast('asyncio.Transport', transport)
        peer = transport.get_extra_info('peername')
        self._peer: str | None = peer[0] if isinstance(peer, tuple) else None
        service = self._service
        service.connections.add(self)
        if service.is_unknown(peer):
            self._transport.abort()
        elif not service.trusts(self._peer):
            self._refuse('it is not one of trusted_proxies')
        else:
            self._arm(service.drain_idle_s if service.draining else service.timeouts.head_s)

    def data_received(self, data: bytes) -> None:
        try:
            origin = self._header.receive(data)
        except BadProxyHeader as exc:
            self._refuse(str(exc))
            return
        if origin is not None:
            self._hand_over(origin)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._service.connection_closed(exc)

    def _hand_over(self, origin: Origin) -> None:
        self._leave()
        transport, connection = self._transport, self._listener.make()
        transport.set_protocol(connection)
        connection.connection_made(cast('asyncio.Transport', _Told(transport, origin)) if origin.relayed else transport)
        if self._header.rest:
            connection.data_received(self._header.rest)

    def _leave(self) -> None:
        self._service.connections.discard(self)
        self.deadline = NEVER
        self._service.wheel.forget(self)

    def _refuse(self, why: str) -> None:
        self._service.tally.broken += 1
        self._listener.complain(self._peer, why)
        self._transport.abort()

    def _arm(self, after_s: float) -> None:
        self.deadline = self._service.wheel.now + after_s
        if self.deadline < self.check_at:
            self._service.wheel.watch(self)

    def expired(self) -> None:
        """The header did not come in time."""
        if not self._service.draining:
            self._listener.complain(self._peer, 'its PROXY header is too slow')
        self._transport.abort()

    def drain(self) -> None:
        """A header that may be on its way is waited for a little longer."""
        self._arm(self._service.drain_idle_s)

    def cut(self) -> None:
        self._transport.abort()


class _Told:
    """A transport whose client is the one that the proxy told of, if it named one."""

    __slots__ = ('_origin', '_transport', *_SAME)

    def __init__(self, transport: asyncio.Transport, origin: Origin) -> None:
        self._transport = transport
        self._origin = origin
        for name in _SAME:
            # Their own methods: what is called for every request goes no detour.
            setattr(self, name, getattr(transport, name))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == ORIGIN:
            return self._origin
        if name == 'peername' and self._origin.known:
            return self._origin.client
        return self._transport.get_extra_info(name, default)
