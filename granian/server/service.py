"""What the connections of one listener share, and with those of the worker's other listeners."""

from __future__ import annotations

import math
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from granian.exchange import ConnectionInfo
from granian.protocol.proxies.trusted import TrustedPeers
from granian.server.connection import Connection
from granian.server.deadlines import DeadlineWheel
from granian.server.sniffing import Sniffer
from granian.server.tally import Tally
from granian.server.tasks import Starter
from granian.server.unsent import Unsent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from granian.exchange import Exchange
    from granian.protocol.contract import Engine, MultiplexedEngine, RequestHead, ResponseDefaults
    from granian.protocol.proxies.proxy_header import Origin
    from granian.server.gate import Gate
    from granian.server.http2_connection import Http2Connection
    from granian.server.settings import ListenerSettings, Timeouts
    from granian.websocket import WebSocketSession


# Up to this, pieces are joined before they are written: one small copy costs less than a second buffer.
JOIN_BYTES_MAX = 64 * 1024
# Loops whose `writelines` neither joins (asyncio before 3.12) nor forgets to call `pause_writing` (asyncio since then).
GATHERING_LOOPS = ('uvloop', 'winloop')
# The name by which a transport is asked for the Origin of its connection, where a proxy told of it.
ORIGIN = 'granian.origin'


@dataclass(frozen=True, slots=True)
class Engines:
    """The classes of a listener's engines. None: HTTP/2 is not served."""

    http1: Callable[..., Engine]
    http2: Callable[..., MultiplexedEngine] | None


class AccessLog(Protocol):
    def request(self, peer: str, scheme: str, head: RequestHead, status: int, duration_s: float) -> None:
        """A request was answered, or cut off."""

    def refused(self, peer: str, scheme: str, request_line: bytes, status: int, reason: str) -> None:
        """Something was answered that never became a request."""

    def session(self, session: WebSocketSession, duration_s: float) -> None:
        """A WebSocket session is over."""


class Open(Protocol):
    """An accepted connection, from its first byte on."""

    def drain(self) -> None:
        """Finish what has begun, refuse what is new."""

    def cut(self) -> None:
        """Close now."""


class Shared:
    """What all connections of a worker share."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        timeouts: Timeouts,
        gate: Gate,
        access_log: AccessLog | None,
        defaults: ResponseDefaults,
        unsent_bytes_max: int,
    ) -> None:
        self.loop = loop
        self.timeouts = timeouts
        self.gate = gate
        self.access_log = access_log
        # What each request's context is a copy of.
        self.context = copy_context()
        self.defaults = defaults
        self.wheel = DeadlineWheel(loop, self.defaults)
        self.unsent = Unsent(unsent_bytes_max, self.wheel, timeouts.write_s)
        self.connections: set[Open] = set()
        self.tally = Tally()
        # Applications at work beyond their first step; some go on after their response.
        self.tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Future[None] | None = None
        self.start = Starter(loop).start

    def keep(self, task: asyncio.Task[None]) -> None:
        self.tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.check_idle()

    def connection_closed(self, exc: Exception | None = None) -> None:
        """`exc`: what it broke by."""
        if exc is not None:
            self.tally.broken += 1
        self.check_idle()

    def check_idle(self) -> None:
        if self._idle is not None and not self.connections and not self.tasks and not self._idle.done():
            self._idle.set_result(None)

    async def idle(self) -> None:
        """Return once there is neither a connection nor an application at work."""
        self._idle = self.loop.create_future()
        self.check_idle()
        await self._idle


class Service:
    """One listener's share of a worker: how its connections are spoken to, and who answers."""

    __slots__ = (
        'access_log', 'address', 'connection_closed', 'connections', 'context', 'defaults', 'drain_idle_s', 'draining', 'engine',
        'engine2', 'gate', 'handle', 'http', 'http2', 'http2_connection', 'join_bytes_max', 'keep', 'limits', 'loop', 'pipeline_flush', 'scheme', 'start', 'tally', 'timeouts', 'trusts', 'unsent', 'wheel',
    )  # fmt: skip

    def __init__(
        self,
        shared: Shared,
        listener: ListenerSettings,
        engines: Engines,
        handle: Callable[[Exchange], Coroutine[Any, Any, None] | None],
    ) -> None:
        self.engine = engines.http1
        self.engine2 = engines.http2
        self.http2_connection = None if engines.http2 is None else _http2_connection()
        self.handle = handle
        self.address = listener.address
        self.scheme = 'http' if listener.tls is None else 'https'
        self.limits = listener.http1
        self.http = listener.http
        self.http2 = listener.http2
        self.pipeline_flush = listener.pipeline_flush
        proxies = listener.proxies
        # Whether a peer, by its address or None on a Unix socket, is a proxy whose word counts.
        self.trusts = TrustedPeers(() if proxies is None else proxies.trusted).holds
        self.draining = False
        # While draining: how long a request that may be on its way is given before an idle connection is closed.
        self.drain_idle_s = 0.0
        # Looked up for every request: copied here rather than reached through `shared`.
        self.loop = shared.loop
        self.timeouts = shared.timeouts
        # TLS takes pieces as they are, on any loop.
        gathers = listener.tls is not None or type(shared.loop).__module__ in GATHERING_LOOPS
        self.join_bytes_max = JOIN_BYTES_MAX if gathers else math.inf
        self.gate = shared.gate
        self.access_log = shared.access_log
        self.defaults = shared.defaults
        self.wheel = shared.wheel
        self.unsent = shared.unsent
        self.connections = shared.connections
        self.context = shared.context
        self.keep = shared.keep
        self.start = shared.start
        self.tally = shared.tally
        self.connection_closed = shared.connection_closed

    def info_of(self, transport: asyncio.BaseTransport) -> ConnectionInfo:
        """Who is at the other end."""
        peer = transport.get_extra_info('peername')
        client = (peer[0], peer[1]) if isinstance(peer, tuple) else None
        tls = transport.get_extra_info('tls')
        origin: Origin | None = transport.get_extra_info(ORIGIN)
        if origin is None:
            info = ConnectionInfo(client, self.address, self.scheme, tls=tls)
            info.is_relayed = self.is_unknown(peer)
            return info
        scheme = 'https' if origin.secure else self.scheme
        info = ConnectionInfo(client, origin.server or self.address, scheme, tls=tls)
        info.is_relayed = not origin.known
        return info

    def is_unknown(self, peer: object) -> bool:
        """Whether this client had left before anybody could ask who it is. What it sent may be there all the same."""
        return self.address[1] is not None and not isinstance(peer, tuple)

    def connection(self, alpn: str | None = None) -> asyncio.Protocol:
        """What speaks with a newly accepted client. `alpn`: what TLS agreed on; None: nothing, or no TLS."""
        if self.engine2 is None or self.http2_connection is None or alpn == 'http/1.1':
            return Connection(self)
        if alpn == 'h2':
            return self.http2_connection(self, self.engine2)
        if self.scheme == 'https':
            # RFC 9113 3.2: over TLS, HTTP/2 is agreed on. Where nothing else is served, a client may know that.
            return Connection(self) if self.http == 'auto' else self.http2_connection(self, self.engine2)
        return Sniffer(self, self.http2_connection, self.engine2)


def _http2_connection() -> type[Http2Connection]:
    """Imported where it is wanted, and before anybody connects: later there may be no descriptor left to read it with."""
    from granian.server.http2_connection import Http2Connection

    return Http2Connection
