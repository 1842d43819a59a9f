"""One worker's service from its application's start to the last byte: accept, drain, stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from granian.adapters.asgi import AsgiAdapter
from granian.adapters.lifespan import Lifespan
from granian.observe import access_log
from granian.server.connection import Connection
from granian.server.gate import Gate
from granian.server.service import Service, Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from granian.protocol.contract import Engine
    from granian.server.settings import ListenerSettings, ServingSettings

logger = logging.getLogger('_granian')

# After the drain's end: how long applications that were cancelled may take to notice.
CANCEL_S = 1.0
# What accept(2) fails with where the process or the machine has no room for another descriptor.
CAPACITY_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_TURNS = 3
# EINVAL: a Unix socket that the supervisor has shut for newcomers.
NONE_LEFT_ERRNOS = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EINVAL})


def engine_class(name: str) -> Callable[..., Engine]:
    """The HTTP/1 engine of that name. Only the one that is wanted is imported."""
    if name == 'h11':
        from granian.protocol.http1_h11 import Http1H11

        return Http1H11
    from granian.protocol.http1_fast import Http1Fast

    return Http1Fast


class Serving:
    """`start`, then `stop`: once each."""

    def __init__(self, settings: ServingSettings, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        log = access_log.build(settings.access_log.format) if settings.access_log else None
        self.shared = Shared(loop, settings.timeouts, Gate(settings.exchanges_max, loop), log)
        self._lifespan = Lifespan(application, settings.app.lifespan)
        self._adapter = AsgiAdapter(
            application, self._lifespan.state, root_path=settings.app.root_path, debug=settings.app.debug
        )
        self._services: list[Service] = []
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.AbstractServer] = []

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Start the application, then accept on sockets[i] as settings.listeners[i] says. Raises LifespanError."""
        await self._lifespan.startup()
        self.shared.wheel.start()
        for sock, listener in zip(sockets, self._settings.listeners, strict=True):
            self._services.append(await self._listen(sock, listener))
        self._sockets = list(sockets)

    async def _listen(self, sock: socket.socket, listener: ListenerSettings) -> Service:
        service = Service(self.shared, listener, engine_class(listener.http1_engine), self._adapter.handle)
        connection = partial(Connection, service)
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
        return service

    async def stop(self) -> None:
        """Accept nothing more, finish what has begun, cut what takes too long, stop the application."""
        for service in self._services:
            service.draining = True
        for connection in tuple(self.shared.connections):
            connection.drain()
        # Connections that are made from now on drain from the start.
        await self._stop_accepting()
        try:
            await asyncio.wait_for(self.shared.idle(), self._settings.graceful_timeout_s)
        except asyncio.TimeoutError:
            await self._cut()
        await self._lifespan.shutdown()
        self.shared.wheel.stop()

    async def _stop_accepting(self) -> None:
        for sock, server, service in zip(self._sockets, self._servers, self._services, strict=True):
            accepted = _accept_all(sock)
            server.close()
            for taken in accepted:
                await self._loop.connect_accepted_socket(partial(Connection, service), taken)
        # asyncio makes the connection of a socket it has accepted itself some turns later.
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
    return sys.version_info >= (3, 13) and isinstance(loop, asyncio.BaseEventLoop)
