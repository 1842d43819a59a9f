"""One worker's service from its applications' start to the last byte: accept, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
import logging
import random
import socket
from typing import TYPE_CHECKING, Any, cast

from granian.errors import FatalError, LifespanError
from granian.observe import access_log
from granian.protocol.contract import ResponseDefaults
from granian.server.forwarding import behind
from granian.server.gate import CountingGate, Gate
from granian.server.mounting import adapter_of, router_of
from granian.server.proxied import ProxiedListener
from granian.server.service import Engines, Service, Shared
from granian.server.tally import Measures
from granian.server.websocket import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence, Sized

    from granian.protocol.contract import Engine, MultiplexedEngine
    from granian.server.settings import ListenerSettings, ProxySettings, ServingSettings
    from granian.server.tally import Tally
    from granian.server.tls.listener import TlsListener

logger = logging.getLogger('_granian')

# After the drain's end: how long applications that were cancelled may take to notice.
CANCEL_S = 1.0
# What accept(2) fails with where the process or the machine has no room for another descriptor.
CAPACITY_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_TURNS = 3
# At most, and no more than a quarter of the time there is.
DRAIN_IDLE_S = 1.0
DRAIN_IDLE_BESIDE_S = 5.0
# EINVAL: a Unix socket that the supervisor has shut for newcomers.
NONE_LEFT_ERRNOS = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EINVAL})


def engine_class(name: str) -> Callable[..., Engine]:
    """The HTTP/1 engine of that name. Only the one that is wanted is imported."""
    if name == 'h11':
        from granian.protocol.http1.h11 import Http1H11

        return Http1H11
    from granian.protocol.http1.fast import Http1Fast

    return Http1Fast


def http2_engine_class(name: str) -> Callable[..., MultiplexedEngine]:
    """The HTTP/2 engine of that name. Only the one that is wanted is imported."""
    if name == 'h2':
        from granian.protocol.http2.h2 import Http2H2

        return Http2H2
    from granian.protocol.http2.fast import Http2Fast

    return Http2Fast


class Serving:
    """`init`, `start`, `stop`, `close`: once each. The loop runs for `start` and `stop`, and not for the others."""

    def __init__(
        self,
        settings: ServingSettings,
        applications: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        tired: Callable[[], object] | None = None,
    ) -> None:
        """`applications[i]` is served as `settings.apps[i]` says. `tired` is called after `settings.requests_max`."""
        self._settings = settings
        self._loop = loop
        log = access_log.build(settings.access_log.format) if settings.access_log else None
        defaults = ResponseDefaults(settings.server_header)
        gate = _gate(settings, loop, tired)
        self.shared = Shared(loop, settings.timeouts, gate, log, defaults, settings.unsent_bytes_max)
        self.shared.wheel.tells_date = settings.date_header
        self.sessions = Sessions(self.shared)
        self.adapters = [
            adapter_of(app, application, loop, settings, self.sessions)
            for app, application in zip(settings.apps, applications, strict=True)
        ]
        self._initialised = self._started = 0
        self._services: list[Service] = []
        self._tls: list[TlsListener] = []
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.AbstractServer] = []
        self._accepting: list[Callable[[], asyncio.Protocol]] = []
        self._measures: Measures | None = None

    def init(self) -> None:
        """What applications want done while the loop does not run. Raises LifespanError; then all is closed again."""
        try:
            for app, adapter in zip(self._settings.apps, self.adapters, strict=True):
                with _named(app.name):
                    adapter.init()
                self._initialised += 1
        except LifespanError:
            self.close()
            raise

    def close(self) -> None:
        """The counterpart of `init`."""
        for adapter in reversed(self.adapters[: self._initialised]):
            adapter.close()
        self._initialised = 0

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Start the applications, then accept on sockets[i] as settings.listeners[i] says. Raises LifespanError."""
        await self.start_applications()
        await self.accept(sockets)

    async def accept(self, sockets: Sequence[socket.socket]) -> None:
        """The second half of `start`."""
        self.shared.wheel.start()
        pools = [adapter.pool for adapter in self.adapters if adapter.pool is not None]
        self._measures = Measures(self.shared, self.sessions, pools)
        router = router_of(self._settings, self.adapters, self.shared.tally)
        for sock, listener in zip(sockets, self._settings.listeners, strict=True):
            engines = Engines(
                http1=engine_class(listener.http1_engine),
                http2=None if listener.http == '1' else http2_engine_class(listener.http2.engine),
            )
            service = Service(self.shared, listener, engines, behind(listener.proxies, router.handle))
            await self._listen(sock, service, listener)
        self._sockets = list(sockets)

    def numbers(self) -> list[int]:
        """All that is known of it, once it accepts; see `Measures`."""
        assert self._measures is not None
        return self._measures.numbers()

    def _encrypted(self, service: Service, listener: ListenerSettings) -> Callable[[], asyncio.Protocol]:
        """What speaks with a client, in clear or not."""
        if listener.tls is None:
            return service.connection
        from granian.certificates import CertificateFault
        from granian.server.tls.listener import TlsListener

        try:
            tls = TlsListener(service, listener.tls, listener.credentials)
        except CertificateFault as exc:
            raise FatalError(f'TLS of {listener.address[0]}: {exc.key}: {exc}') from None
        self._tls.append(tls)
        tls.start()
        return tls.protocol

    async def reload_certificates(self) -> bool:
        """Look at the files of certificates now; whether those that are there are in use."""
        return all([await tls.reload(insist=True) for tls in self._tls])

    async def start_applications(self) -> None:
        """The first half of `start`: in their order; where one fails, those before it are stopped."""
        try:
            for app, adapter in zip(self._settings.apps, self.adapters, strict=True):
                with _named(app.name):
                    await adapter.start()
                self._started += 1
        except (LifespanError, asyncio.CancelledError):
            await self._stop_applications()
            raise

    async def _stop_applications(self) -> None:
        for adapter in reversed(self.adapters[: self._started]):
            await adapter.stop()
        self._started = 0

    async def _listen(self, sock: socket.socket, service: Service, listener: ListenerSettings) -> None:
        connection = _accepting(service, listener.proxies, self._encrypted(service, listener))
        if self._settings.connections_max is not None:
            connection = _bounded(connection, self.shared.connections, self._settings.connections_max)
        if self._settings.measured:
            connection = _counted(connection, self.shared.tally)
        self._accepting.append(connection)
        self._services.append(service)
        sock.setblocking(False)
        if sock.family == getattr(socket, 'AF_UNIX', None):
            # The file belongs to the supervisor.
            keep: dict[str, Any] = {'cleanup_socket': False} if _cleans_up(self._loop) else {}
            server = await self._loop.create_unix_server(connection, sock=sock, backlog=listener.backlog, **keep)
        else:
            # Accepted sockets inherit it. asyncio sets it only where the socket's `proto` says TCP, which 0 does not.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = await self._loop.create_server(connection, sock=sock, backlog=listener.backlog)
        self._servers.append(server)

    async def stop(self, leave: Collection[int] = (), closed: Callable[[], object] | None = None) -> None:
        """Accept nothing more, finish what has begun, cut what takes too long, stop the applications.

        What waits in the queue of a socket is accepted and served, but for the sockets numbered in `leave`: those go on
        elsewhere. Where any does there is time: a client whose connection is idle is more likely to ask once more in it.
        `closed` is called once no socket is listened on any more.
        """
        idle_s = DRAIN_IDLE_BESIDE_S if leave else DRAIN_IDLE_S
        for service in self._services:
            service.draining = True
            service.drain_idle_s = min(idle_s, self._settings.graceful_timeout_s / 4)
        for connection in tuple(self.shared.connections):
            connection.drain()
        self.sessions.drain()
        # Connections that are made from now on drain from the start.
        await self._stop_accepting(leave)
        if closed is not None:
            closed()
        try:
            await asyncio.wait_for(self.shared.idle(), self._settings.graceful_timeout_s)
        except asyncio.TimeoutError:
            await self._cut()
        for tls in self._tls:
            await tls.stop()
        await self._stop_applications()
        self.shared.wheel.stop()

    async def _stop_accepting(self, leave: Collection[int]) -> None:
        if isinstance(self._loop, asyncio.SelectorEventLoop):
            for sock in self._sockets:
                self._loop.remove_reader(sock.fileno())
            # asyncio makes the connection of a socket it has accepted some turns later; of a closed server it drops it.
            for _ in range(ACCEPT_TURNS):
                await asyncio.sleep(0)
        listening = zip(self._sockets, self._servers, self._accepting, strict=True)
        for number, (sock, server, connection) in enumerate(listening):
            accepted = [] if number in leave else _accept_all(sock)
            server.close()
            for taken in accepted:
                await self._loop.connect_accepted_socket(connection, taken)
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)

    async def _cut(self) -> None:
        logger.warning(
            'Cutting %d connections still open after %g s',
            len(self.shared.connections),
            self._settings.graceful_timeout_s,
        )
        for connection in tuple(self.shared.connections):
            connection.cut()
        tasks = tuple(self.shared.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=CANCEL_S)
            for task in stuck:
                logger.error('An application does not stop when cancelled: %r', task)


def _accepting(
    service: Service, proxies: ProxySettings | None, make: Callable[[], asyncio.Protocol]
) -> Callable[[], asyncio.Protocol]:
    """What is made for each connection that is accepted; `make`: once it is known who is there."""
    if proxies is None or not proxies.proxy_protocol:
        return make
    return ProxiedListener(service, make).connection


def _bounded(make: Callable[[], asyncio.Protocol], there: Sized, most: int) -> Callable[[], asyncio.Protocol]:
    return lambda: make() if len(there) < most else _TurnedAway()


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast('asyncio.Transport', transport).abort()


def _counted(make: Callable[[], asyncio.Protocol], tally: Tally) -> Callable[[], asyncio.Protocol]:
    def counted() -> asyncio.Protocol:
        tally.connections += 1
        return make()

    return counted


def _gate(settings: ServingSettings, loop: asyncio.AbstractEventLoop, tired: Callable[[], object] | None) -> Gate:
    if settings.requests_max is None or tired is None:
        return (CountingGate if settings.measured else Gate)(settings.exchanges_max, loop)
    requests = settings.requests_max + random.randint(0, settings.requests_jitter)  # noqa: S311
    return CountingGate(settings.exchanges_max, loop, requests, tired)


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Say which application refused to start."""
    try:
        yield
    except LifespanError as exc:
        raise LifespanError(f'application {name!r}: {exc}') from exc.__cause__


def _accept_all(sock: socket.socket) -> list[socket.socket]:
    """The connections whose handshake the kernel has already done: closing the listener would reset them."""
    accepted = []
    while True:
        try:
            accepted.append(sock.accept()[0])
        except ConnectionAbortedError:
            continue
        except OSError as exc:
            if exc.errno not in NONE_LEFT_ERRNOS:
                logger.warning('Connections left unaccepted: %s', exc)
            return accepted


def _cleans_up(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether it would remove the file of a Unix socket: asyncio since 3.13, and uvloop there, too."""
    try:
        return 'cleanup_socket' in inspect.signature(loop.create_unix_server).parameters
    except ValueError:
        # A loop that does not say.
        return False
