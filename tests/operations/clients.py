"""Clients that ask without end and forgive nothing: every request without a whole answer is a failure, and told.

What HTTP lets a client do again is counted apart: a stream above the last one that a GOAWAY names was never begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from hpack import Decoder, Encoder

from tests.operations.programs import h2load, wrk

PATIENCE_S = 30.0
UPLOAD = b'u' * 2000
UPLOAD_PIECES = 10


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # The client's ports of connections whose server process is known to have been lost.
    doomed: set[int] = field(default_factory=set)
    # Of what failed first, the ports; what the programs tell comes behind it.
    _lost: list[int] = field(default_factory=list)

    def failed(self, kind: str, why: object, port: int = 0) -> None:
        """`port`: the client's, of the connection."""
        self.counts[f'{kind} failed'] += 1
        self.failures.append(f'{kind} from {port}: {why!r}')
        self._lost.append(port)

    @property
    def avoidable(self) -> int:
        """How many failed outside the connections that were doomed."""
        return self.failed_in_all - sum(port in self.doomed for port in self._lost)

    @property
    def worst(self) -> list[str]:
        """The failures, those that could have been avoided first."""
        own = zip(self._lost, self.failures, strict=False)
        return [text for _, text in sorted(own, key=lambda each: each[0] in self.doomed)] + self.failures[
            len(self._lost) :
        ]

    def add(self, other: Tally) -> None:
        self.counts += other.counts
        self.failures += other.failures

    @property
    def answered(self) -> int:
        return sum(count for name, count in self.counts.items() if name.endswith('answered'))

    @property
    def failed_in_all(self) -> int:
        return sum(count for name, count in self.counts.items() if name.endswith('failed'))


class Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    # The client's.
    port: int


class Load:
    """`async with Load(http_port, https_port) as load`: the clients ask meanwhile."""

    def __init__(
        self, http_port: int, https_port: int | None = None, *, pause_s: float = 0.002, programs: bool = False
    ) -> None:
        """`programs`: wrk and h2load ask, too."""
        self.tally = Tally()
        self._programs = Tally() if programs else None
        self._http_port = http_port
        self._https_port = https_port
        # Between two requests of a client: this is no measurement of speed.
        self._pause_s = pause_s
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        clients = [self._kept] * 4 + [self._fresh] * 3 + [self._upload] * 3 + [self._sparse] * 3 + [self._http2] * 2
        clients += [self._websocket] * 2
        if self._https_port is not None:
            clients += [self._encrypted] * 2
        self._tasks = [asyncio.create_task(client()) for client in clients]
        if self._programs is not None:
            for program in (wrk, h2load):
                self._tasks.append(asyncio.create_task(program(self._http_port, self._programs, self._ending)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.set()
        await asyncio.wait(self._tasks, timeout=PATIENCE_S)
        for task in self._tasks:
            if not task.done():
                self.tally.failed('client', 'hangs')
                task.cancel()
            elif task.exception() is not None:
                self.tally.failed('client', task.exception())
        if self._programs is not None:
            self.tally.add(self._programs)
            self._programs = None

    @property
    def answered(self) -> int:
        """So far, the programs' runs that have ended among them."""
        running = self._programs.answered if self._programs is not None else 0
        return self.tally.answered + running

    async def reached(self, count: int) -> None:
        """Return once so many requests more are answered."""
        goal = self.tally.answered + count
        while self.tally.answered < goal:
            await asyncio.sleep(0.02)

    # ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _kept(self) -> None:
        """Requests on a connection for as long as it is kept."""
        await self._on_kept_connections('kept', self._pause_s)

    async def _sparse(self) -> None:
        """The same, with time between requests in which a server may want to close."""
        await self._on_kept_connections('sparse', 0.5)

    async def _on_kept_connections(self, kind: str, pause_s: float) -> None:
        while not self._ending.is_set():
            async with self._connection(kind, self._http_port) as connection:
                while connection is not None and not self._ending.is_set():
                    if not await self._ask(kind, connection, b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'):
                        break
                    await self._pause(pause_s)

    async def _fresh(self) -> None:
        """A connection for each request."""
        await self._on_fresh_connections('fresh', self._http_port, None)

    async def _encrypted(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Which certificate it is changes all the time.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        await self._on_fresh_connections('encrypted', self._https_port or 0, context)

    async def _on_fresh_connections(self, kind: str, port: int, tls: ssl.SSLContext | None) -> None:
        while not self._ending.is_set():
            async with self._connection(kind, port, tls) as connection:
                if connection is not None:
                    await self._ask(kind, connection, b'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            await self._pause(self._pause_s * 4)

    async def _upload(self) -> None:
        """A body that comes slowly."""
        while not self._ending.is_set():
            async with self._connection('upload', self._http_port) as connection:
                if connection is not None:
                    head = f'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(UPLOAD)}\r\nConnection: close\r\n\r\n'
                    step = len(UPLOAD) // UPLOAD_PIECES
                    pieces = [UPLOAD[at : at + step] for at in range(0, len(UPLOAD), step)]
                    await self._ask('upload', connection, head.encode(), pieces)

    async def _http2(self) -> None:
        while not self._ending.is_set():
            async with self._connection('http2', self._http_port) as connection:
                if connection is None:
                    continue
                client = Http2Client(connection.reader, connection.writer, self.tally.counts)
                try:
                    while not self._ending.is_set() and not client.leaving:
                        await asyncio.gather(*[client.get() for _ in range(3)])
                        await self._pause(self._pause_s)
                except (OSError, EOFError, ValueError) as exc:
                    self.tally.failed('http2', exc, connection.port)

    async def _websocket(self) -> None:
        """Echoes; a close with 1012 (service restart) is the server's way to ask for another connection."""
        while not self._ending.is_set():
            async with self._connection('websocket', self._http_port) as connection:
                if connection is None:
                    continue
                try:
                    await self._echo(connection.reader, connection.writer)
                except (OSError, EOFError, ValueError, asyncio.TimeoutError) as exc:
                    self.tally.failed('websocket', exc, connection.port)

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b'GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'
        )
        answer = await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), PATIENCE_S)
        if not answer.startswith(b'HTTP/1.1 101'):
            raise ValueError(answer[:200])
        while not self._ending.is_set():
            # A text of four characters; a mask of zeros leaves them as they are.
            writer.write(b'\x81\x84\0\0\0\0echo')
            opcode, payload = await asyncio.wait_for(_message(reader), PATIENCE_S)
            if opcode == 8:
                code = int.from_bytes(payload[:2], 'big')
                if code != 1012:
                    raise ValueError(f'closed with {code}')
                self.tally.counts['websocket to be opened again'] += 1
                writer.write(b'\x88\x82\0\0\0\0' + payload[:2])
                return
            if payload != b'echo':
                raise ValueError(payload)
            self.tally.counts['websocket answered'] += 1
            await self._pause(self._pause_s)

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    @contextlib.asynccontextmanager
    async def _connection(self, kind: str, port: int, tls: ssl.SSLContext | None = None):
        # Not by open_connection alone: of a handshake that fails it does not tell which connection it was.
        with socket.socket() as sock:
            try:
                connection = await asyncio.wait_for(_opened(sock, port, tls), PATIENCE_S)
            except (OSError, EOFError, asyncio.TimeoutError) as exc:
                self.tally.failed(kind, f'connect: {exc!r}', _own_port(sock))
                await self._pause(0.05)
                connection = None
            try:
                yield connection
            finally:
                if connection is not None:
                    connection.writer.close()

    async def _ask(self, kind: str, connection, head: bytes, pieces=()) -> bool:
        """Whether the connection may be used again."""
        try:
            return await asyncio.wait_for(
                self._exchange(kind, connection.reader, connection.writer, head, pieces), PATIENCE_S
            )
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as exc:
            self.tally.failed(kind, exc, connection.port)
            return False

    async def _exchange(self, kind: str, reader, writer, head: bytes, pieces) -> bool:
        writer.write(head)
        for piece in pieces:
            await asyncio.sleep(0.1)
            writer.write(piece)
        answer = (await reader.readuntil(b'\r\n\r\n')).lower()
        if not answer.startswith(b'http/1.1 200'):
            raise ValueError(answer[:200])
        length = int(answer.split(b'content-length:')[1].split(b'\r\n')[0])
        body = await reader.readexactly(length)
        if pieces and body != str(len(UPLOAD)).encode():
            raise ValueError(body)
        self.tally.counts[f'{kind} answered'] += 1
        return b'connection: close' not in answer


async def _opened(sock: socket.socket, port: int, tls: ssl.SSLContext | None) -> Connection:
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ('127.0.0.1' if tls is None else '127.0.0.2', port))
    # Asked for now: a transport that is lost may not know it.
    own_port = _own_port(sock)
    hostname = None if tls is None else 'localhost'
    reader, writer = await asyncio.open_connection(sock=sock.dup(), ssl=tls, server_hostname=hostname)
    return Connection(reader, writer, own_port)


def _own_port(sock: socket.socket) -> int:
    """The client's, or 0 where it has none yet."""
    return 0 if sock.fileno() < 0 else sock.getsockname()[1]


async def _message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of a short frame."""
    first, length = await reader.readexactly(2)
    return first & 0xF, await reader.readexactly(length)


class Http2Client:
    """The least of a client that respects GOAWAY, which the h2 package forgets its streams at."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: Counter[str]) -> None:
        self.counts = counts
        self.leaving = False
        self._broken: Exception | None = None
        self._reader, self._writer = reader, writer
        self._decoder, self._encoder = Decoder(), Encoder()
        self._next = 1
        self._waiting: dict[int, asyncio.Future[None]] = {}
        writer.write(b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + _frame(4, 0, 0, b''))
        self._task = asyncio.create_task(self._read())

    async def get(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self.leaving:
            return
        stream, self._next = self._next, self._next + 2
        fields = [(':method', 'GET'), (':scheme', 'http'), (':authority', 'a'), (':path', '/')]
        self._waiting[stream] = answered = asyncio.get_running_loop().create_future()
        self._writer.write(_frame(1, 0x5, stream, self._encoder.encode(fields)))
        await asyncio.wait_for(answered, PATIENCE_S)

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], 'big'))
                self._take(head[3], head[4], int.from_bytes(head[5:9], 'big'), payload)
        except (OSError, EOFError, ValueError) as exc:
            self._broken = exc
            for answered in self._waiting.values():
                if not answered.done():
                    answered.set_exception(exc)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == 4 and not flags & 1:
            self._writer.write(_frame(4, 1, 0, b''))
        elif kind == 1 and (b':status', b'200') not in [
            (name.encode() if isinstance(name, str) else name, value.encode() if isinstance(value, str) else value)
            for name, value in self._decoder.decode(payload)
        ]:
            raise ValueError(payload)
        elif kind == 3 and stream in self._waiting:
            raise ValueError(f'stream reset: {payload!r}')
        elif kind == 7:
            self._take_goaway(int.from_bytes(payload[:4], 'big'))
        if kind == 0 and payload:
            # Streams are short; the connection's window is filled up again.
            self._writer.write(_frame(8, 0, 0, len(payload).to_bytes(4, 'big')))
        if kind in {0, 1} and flags & 1:
            self.counts['http2 answered'] += 1
            self._waiting.pop(stream).set_result(None)

    def _take_goaway(self, last: int) -> None:
        self.leaving = True
        for stream in [stream for stream in self._waiting if stream > last]:
            # RFC 9113 6.8: it was not and will not be processed.
            self.counts['http2 to be asked again'] += 1
            self._waiting.pop(stream).set_result(None)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, 'big') + bytes([kind, flags]) + stream.to_bytes(4, 'big') + payload
