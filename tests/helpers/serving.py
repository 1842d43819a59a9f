"""A `Serving` on the test's own event loop, and a client of raw sockets that lets a test break any rule.

    async def test_it_answers(serve):
        async with serve(app) as server:
            client = await server.connect()
            await client.get('/')
            assert (await client.reply()).status == 200

A `conftest.py` that imports `pytest_pyfunc_call`, `engine`, `loop` and `serve` makes `async def` tests run on `loop`, each with
both engines and both event loops. Whatever the loop's exception handler is told fails the test.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import struct
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from granian.process.workers.loops import loops
from granian.protocol.limits import Http1Limits, Http2Limits, WebSocketLimits
from granian.server.serving import Serving
from granian.server.settings import (
    AppSettings,
    Http2Settings,
    ListenerSettings,
    ProxySettings,
    ServingSettings,
    Timeouts,
    WebSocketSettings,
)
from granian.server.sniffing import Sniffer
from granian.server.unsent import GRACE_S
from granian.websocket import SessionTerms
from tests.helpers.held_time import HeldTime
from tests.helpers.tls import client_class, tls_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection
    from pathlib import Path

    from granian.server.settings import TlsSettings
    from granian.server.unsent import Unsent

# Long enough for a busy machine; nothing that passes waits for it.
PATIENCE_S = 10.0
LIMITS = Http1Limits(
    head_bytes_max=64 * 1024,
    target_bytes_max=8 * 1024,
    fields_max=100,
    body_bytes_max=None,
    read_ahead_bytes_max=64 * 1024,
    discard_bytes_max=64 * 1024,
    keep_alive=True,
    require_host=True,
)
HTTP2_LIMITS = Http2Limits(
    head_bytes_max=64 * 1024,
    target_bytes_max=8 * 1024,
    fields_max=100,
    body_bytes_max=None,
    discard_bytes_max=64 * 1024,
    streams_max=100,
    frame_bytes_max=16384,
    stream_window_bytes=64 * 1024,
    connection_window_bytes=256 * 1024,
    adaptive_window=False,
    send_buffer_bytes_max=64 * 1024,
)
WEBSOCKETS = WebSocketSettings(
    engine='fast',
    limits=WebSocketLimits(frame_bytes_max=70_000, message_bytes_max=100_000, deflate=None),
    terms=SessionTerms(
        queue_messages_max=8,
        queue_bytes_max=100_000,
        ping_interval_s=None,
        ping_timeout_s=30,
        idle_timeout_s=None,
        close_timeout_s=30,
    ),
)
TIMEOUTS = Timeouts(head_s=30, body_read_s=30, keep_alive_s=30, write_s=30)


class TestLoop:
    """One event loop for one test, and what it complained about."""

    __test__ = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.loop = loops.get(name)
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))

    def run(self, coroutine: Awaitable[Any]) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(coroutine)
            left = asyncio.all_tasks(self.loop)
            assert not left, f'tasks left behind: {left}'
        finally:
            self._close()
        assert not self.complaints, self.complaints

    def _close(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        self.loop.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    loop = pyfuncitem.funcargs.get('loop') or TestLoop('asyncio')
    loop.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(params=['fast', 'h11'])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=['asyncio', 'uvloop'])
def loop(request: pytest.FixtureRequest) -> TestLoop:
    return TestLoop(request.param)


def over_tls(folder: Path) -> dict[str, Any]:
    """With the variable SERVE_OVER_TLS set, every test of a folder says whether what it is about holds over TLS too."""
    return {'tls': tls_settings(folder)} if os.environ.get('SERVE_OVER_TLS') else {}


@pytest.fixture
def serve(engine: str, loop: TestLoop, tmp_path: Path) -> partial[Served]:
    return partial(Served, loop, engine, **over_tls(tmp_path))


# For tests that wait, or that ask for nothing a loop could do otherwise.
one_loop = pytest.mark.parametrize('loop', ['asyncio'], indirect=True)


def let_grace_pass(unsent: Unsent) -> None:
    """Have a worker see that what waits for its clients has been too much for long."""
    for mark in unsent._marks.values():
        mark.at_s -= GRACE_S
    unsent.expired()


class Served:
    """`async with`: an application that is served on one address, `stop`ped at the end if the test did not."""

    def __init__(
        self,
        loop: TestLoop,
        engine: str,
        application: Any,
        *,
        unix_path: Path | None = None,
        lifespan: str = 'off',
        root_path: str = '',
        debug: bool = False,
        exchanges_max: int = 100,
        graceful_timeout_s: float = 5.0,
        pipeline_flush: bool = False,
        limits: dict[str, Any] | None = None,
        timeouts: dict[str, float] | None = None,
        proxies: ProxySettings | None = None,
        tls: TlsSettings | None = None,
        http: str = 'auto',
        http2_engine: str = 'fast',
        http2: dict[str, Any] | None = None,
        ping: tuple[float, float] | None = None,
        access_log: Any = None,
        websockets: WebSocketSettings | None = WEBSOCKETS,
        holds_time: bool = False,
        **more: Any,
    ) -> None:
        self.loop = loop.loop
        self._holds_time = holds_time
        self._time: HeldTime | None = None
        self._clients: list[Client] = []
        self._socket = _unix_socket(unix_path) if unix_path else socket.create_server(('127.0.0.1', 0))
        self.address = self._socket.getsockname()
        listener = ListenerSettings(
            address=(str(unix_path), None) if unix_path else self.address[:2],
            backlog=128,
            http1_engine=engine,  # type: ignore[arg-type]
            http1=replace(LIMITS, **(limits or {})),
            pipeline_flush=pipeline_flush,
            proxies=proxies,
            tls=tls,
            http=http,  # type: ignore[arg-type]
            http2=Http2Settings(
                engine=http2_engine,  # type: ignore[arg-type]
                limits=replace(HTTP2_LIMITS, **(http2 or {})),
                ping_after_s=ping[0] if ping else None,
                ping_timeout_s=ping[1] if ping else 20,
            ),
        )
        self._client = Client if tls is None else client_class(Client)
        self.scheme = 'http' if tls is None else 'https'
        self.settings = ServingSettings(
            apps=(
                AppSettings('app', 'test:app', 'asgi', lifespan, False, root_path, debug, websockets=websockets),  # type: ignore[arg-type]
            ),
            listeners=(listener,),
            timeouts=replace(TIMEOUTS, **(timeouts or {})),
            exchanges_max=exchanges_max,
            graceful_timeout_s=graceful_timeout_s,
            access_log=None,
            **more,
        )
        self.serving = Serving(self.settings, [application], self.loop)
        self.shared = self.serving.shared
        self.shared.access_log = access_log
        self._stopped = False

    async def __aenter__(self) -> Served:
        try:
            await self.serving.start([self._socket])
        except BaseException:
            self._socket.close()
            raise
        if self._holds_time:
            self._time = HeldTime(self.shared.wheel, self.loop)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        for client in self._clients:
            client.close()
        if self._time is not None:
            self._time.let_go()
        await self.stop()
        if kind is None:
            assert not self.shared.connections
            assert not self.shared.tasks
            assert self.shared.gate.busy == 0

    async def stop(self, leave: Collection[int] = ()) -> None:
        if not self._stopped:
            self._stopped = True
            await asyncio.wait_for(self.serving.stop(leave), PATIENCE_S)
            self._socket.close()
        if self._time is not None:
            self._time.end()

    async def connect(self, *, receive_buffer_bytes: int | None = None, shake: bool = True) -> Any:
        """A client; over TLS with the handshake done, where the test does not want to do it itself."""
        sock = socket.socket(self._socket.family)
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            # What is sent leaves now, whatever was sent before: a reset would drop what waits for an acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        client = self.client(sock)
        await asyncio.wait_for(self.loop.sock_connect(sock, self.address), PATIENCE_S)
        if shake and self._client is not Client:
            await client.handshake()
        return client

    def client(self, sock: socket.socket) -> Any:
        """On a socket of one's own."""
        client = self._client(sock, self.loop)
        self._clients.append(client)
        return client

    async def get(self, path: str = '/', *fields: str) -> Reply:
        """One request on a connection of its own."""
        client = await self.connect()
        await client.get(path, *fields)
        return await client.reply()

    @property
    def connections(self) -> list[Any]:
        """Those of which it is known what they speak."""
        return [each for each in self.shared.connections if not isinstance(each, Sniffer)]

    async def passes(self, seconds: float) -> None:
        """Let so much time pass, of which the client does not use any. Wants `holds_time`."""
        assert self._time is not None
        await self._time.passes(seconds)

    async def passes_until(self, condition: Any) -> float:
        """Let time pass until `condition()` holds; how many seconds that took. Wants `holds_time`."""
        assert self._time is not None
        return await self._time.passes_until(condition)

    async def heard(self) -> None:
        """Return once the server has heard all that clients said: it hears one that comes after them later."""
        client = await self.connect()
        name = client.sock.getsockname()
        await client.send(b'nonsense\r\n\r\n')
        assert (await client.reply()).status == 400
        client.close()
        await self.until(lambda: all(peer_of(each) != name for each in self.shared.connections))

    async def until(self, condition: Any) -> None:
        """Return once `condition()` holds."""
        async with asyncio_timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)


def peer_of(connection: Any) -> Any:
    """The address that a client's connection comes from."""
    return connection._transport.get_extra_info('peername')


def _unix_socket(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


class asyncio_timeout:
    """`async with`: fail the test after so many seconds (asyncio.timeout is there from Python 3.11 on)."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._after_s, task.cancel)

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._timer.cancel()
        if kind is asyncio.CancelledError:
            raise AssertionError(f'not within {self._after_s} s')


@dataclass
class Reply:
    status: int
    version: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b''
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    # (status, fields) of the 1xx responses before it.
    interim: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)

    def __getitem__(self, name: str) -> bytes:
        """The values of a field, joined; KeyError where it was not sent."""
        values = [value for key, value in self.fields if key.lower() == name.encode()]
        if not values:
            raise KeyError(name)
        return b', '.join(values)

    def __contains__(self, name: str) -> bool:
        return any(key.lower() == name.encode() for key, _ in self.fields)


class Client:
    """One connection. `IncompleteReadError` where the server ends it early, `ConnectionResetError` where it resets it."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.sock = sock
        self._loop = loop
        self._data = b''

    def begin(self, data: bytes) -> None:
        """Say it, or what comes before it, while the loop does not run."""
        self.sock.send(data)

    async def go_on(self) -> None:
        """Say what `begin` could not."""

    async def send(self, data: bytes) -> None:
        await asyncio.wait_for(self._loop.sock_sendall(self.sock, data), PATIENCE_S)

    async def get(
        self, path: str = '/', *fields: str, method: str = 'GET', version: str = '1.1', body: bytes = b''
    ) -> None:
        """Send a request; with a body, its length is added."""
        lines = [f'{method} {path} HTTP/{version}', 'Host: test', *fields]
        if body:
            lines.append(f'Content-Length: {len(body)}')
        await self.send('\r\n'.join([*lines, '', '']).encode() + body)

    async def post(self, path: str, body: bytes, *fields: str) -> None:
        await self.get(path, *fields, method='POST', body=body)

    async def more(self, count: int = 65536) -> bytes:
        """Whatever comes next, b'' at the end."""
        return await asyncio.wait_for(self._loop.sock_recv(self.sock, count), PATIENCE_S)

    async def _fill(self) -> None:
        data = await self.more()
        if not data:
            raise asyncio.IncompleteReadError(self._data, None)
        self._data += data

    async def line(self) -> bytes:
        while b'\r\n' not in self._data:
            await self._fill()
        line, _, self._data = self._data.partition(b'\r\n')
        return line

    async def exactly(self, count: int) -> bytes:
        pieces, missing = [self._data], count - len(self._data)
        while missing > 0:
            piece = await self.more()
            if not piece:
                raise asyncio.IncompleteReadError(b''.join(pieces), count)
            pieces.append(piece)
            missing -= len(piece)
        data = b''.join(pieces)
        self._data = data[count:]
        return data[:count]

    async def rest(self) -> bytes:
        """All until the server ends the connection in an orderly way."""
        pieces = [self._data]
        while pieces[-1] or len(pieces) == 1:
            pieces.append(await self.more())
        self._data = b''
        return b''.join(pieces)

    async def head(self) -> Reply:
        """The next final head, with the interim responses before it."""
        interim = []
        while True:
            version, status, *_ = (await self.line()).split(b' ', 2)
            reply = Reply(int(status), version, await self._fields(), interim=interim)
            if reply.status >= 200 or reply.status == 101:
                return reply
            interim.append((reply.status, reply.fields))

    async def _fields(self) -> list[tuple[bytes, bytes]]:
        fields = []
        while line := await self.line():
            name, _, value = line.partition(b':')
            fields.append((name.lower(), value.strip()))
        return fields

    async def chunk(self) -> bytes:
        """The next chunk, b'' for the last."""
        size = int(await self.line(), 16)
        if size == 0:
            return b''
        data = await self.exactly(size + 2)
        assert data.endswith(b'\r\n')
        return data[:-2]

    async def reply(self, *, to_head: bool = False) -> Reply:
        """The next response, whole."""
        reply = await self.head()
        if to_head or reply.status in (204, 304):
            return reply
        if 'content-length' in reply:
            reply.body = await self.exactly(int(reply['content-length']))
        elif 'transfer-encoding' in reply:
            pieces = []
            while piece := await self.chunk():
                pieces.append(piece)
            reply.body = b''.join(pieces)
            reply.trailers = await self._fields()
        else:
            reply.body = await self.rest()
        return reply

    async def closed(self) -> None:
        """Return once the server has ended the connection, having sent nothing more."""
        rest = await self.rest()
        assert rest == b'', rest

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


# ── applications ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def read_body(receive: Any) -> bytes:
    """The whole body of a request; ConnectionError where the client left before its end."""
    pieces = []
    while True:
        message = await receive()
        if message['type'] == 'http.disconnect':
            raise ConnectionError('disconnected')
        pieces.append(message['body'])
        if not message['more_body']:
            return b''.join(pieces)


async def answer(send: Any, body: bytes = b'', status: int = 200, headers: Any = ()) -> None:
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})


async def start(send: Any, status: int = 200, headers: Any = (), **more: Any) -> None:
    await send({'type': 'http.response.start', 'status': status, 'headers': headers, **more})


async def body(send: Any, data: bytes = b'', *, more: bool = False) -> None:
    await send({'type': 'http.response.body', 'body': data, 'more_body': more})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, await read_body(receive))
