"""A client of HTTP/2 in raw frames, which lets a test break any rule. It shares no code with the server's engines.

peer = await Peer.of(server)
stream = await peer.get('/')
assert (await peer.reply(stream)).body == b'hello'
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpack import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.helpers.serving import Client

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, _, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, _, ENHANCE_YOUR_CALM = range(6, 12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
ENABLE_CONNECT_PROTOCOL = 8
WINDOW_BYTES = 65535


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b'') -> bytes:
    return len(payload).to_bytes(3, 'big') + bytes([kind, flags]) + stream.to_bytes(4, 'big') + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    payload = b''.join(key.to_bytes(2, 'big') + value.to_bytes(4, 'big') for key, value in (values or {}).items())
    return frame(SETTINGS, 0, 0, payload)


def window_update(stream: int, count: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, count.to_bytes(4, 'big'))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, 'big'))


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def number(self) -> int:
        """The code of a RST_STREAM, the increment of a WINDOW_UPDATE."""
        return int.from_bytes(self.payload[:4], 'big')


@dataclass
class Answer:
    """What came on one stream so far."""

    interim: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    fields: list[tuple[bytes, bytes]] | None = None
    trailers: list[tuple[bytes, bytes]] | None = None
    body: bytes = b''
    ended: bool = False
    code: int | None = None

    @property
    def status(self) -> int:
        return int(self['status' if ':status' not in dict(self.names) else ':status'])

    @property
    def names(self) -> list[tuple[str, bytes]]:
        return [(name.decode(), value) for name, value in self.fields or []]

    def __getitem__(self, name: str) -> bytes:
        values = [value for key, value in self.names if key == name]
        if not values:
            raise KeyError(name)
        return b', '.join(values)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.names)


class Peer:
    """One connection. `greedy`: windows are opened again as bodies come, as far as `room` goes for those to come."""

    def __init__(self, client: Client, *, greedy: bool = True) -> None:
        self.client = client
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.decoder.max_header_list_size = 2**20
        self.answers: dict[int, Answer] = {}
        self.frames: list[Frame] = []
        self.goaways: list[tuple[int, int, bytes]] = []
        self.settings: dict[int, int] = {}
        self.greedy = greedy
        self.ended = False
        self._next = 1
        self._block = b''
        self._data = b''

    @classmethod
    async def of(cls, server: Any, *, values: dict[int, int] | None = None, greedy: bool = True, **more: Any) -> Peer:
        peer = cls(await server.connect(**more), greedy=greedy)
        await peer.send(PREFACE + settings(values))
        return peer

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def send(self, data: bytes) -> None:
        await self.client.send(data)

    def request(
        self,
        path: str = '/',
        *fields: tuple[str, str],
        method: str = 'GET',
        ended: bool = True,
        pseudo: Iterable[tuple[str, str]] | None = None,
    ) -> tuple[int, bytes]:
        """The next stream and the frame of its request."""
        stream, self._next = self._next, self._next + 2
        head = (
            [(':method', method), (':scheme', 'http'), (':authority', 'test'), (':path', path)]
            if pseudo is None
            else list(pseudo)
        )
        block = self.encoder.encode([*head, *fields])
        return stream, frame(HEADERS, END_HEADERS | (END_STREAM if ended else 0), stream, block)

    async def get(self, path: str = '/', *fields: tuple[str, str], **more: Any) -> int:
        stream, data = self.request(path, *fields, **more)
        await self.send(data)
        return stream

    async def post(self, path: str, body: bytes, *fields: tuple[str, str]) -> int:
        stream = await self.get(path, *fields, method='POST', ended=False)
        await self.data(stream, body, ended=True)
        return stream

    async def data(self, stream: int, body: bytes = b'', *, ended: bool = False) -> None:
        pieces = [body[at : at + 16384] for at in range(0, len(body), 16384)] or [b'']
        for number, piece in enumerate(pieces):
            last = ended and number == len(pieces) - 1
            await self.send(frame(DATA, END_STREAM if last else 0, stream, piece))

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def step(self) -> Frame | None:
        """Take in the next frame; None where the server has ended the connection."""
        head = await self._exactly(9)
        if head is None:
            return None
        payload = await self._exactly(int.from_bytes(head[:3], 'big')) or b''
        came = Frame(head[3], head[4], int.from_bytes(head[5:9], 'big'), payload)
        if came.kind != DATA:
            self.frames.append(came)
        await self._take(came)
        return came

    async def _exactly(self, count: int) -> bytes | None:
        while len(self._data) < count:
            data = await self.client.more()
            if not data:
                self.ended = True
                return None
            self._data += data
        data, self._data = self._data[:count], self._data[count:]
        return data

    async def _take(self, came: Frame) -> None:
        answer = self.answers.setdefault(came.stream, Answer())
        if came.kind == DATA:
            answer.body += came.payload
            answer.ended = answer.ended or bool(came.flags & END_STREAM)
            if self.greedy and came.payload:
                await self.open(len(came.payload), came.stream, 0)
        elif came.kind in (HEADERS, CONTINUATION):
            answer.ended = answer.ended or (came.kind == HEADERS and bool(came.flags & END_STREAM))
            self._take_block(came, answer)
        elif came.kind == RST_STREAM:
            answer.code = came.number
        elif came.kind == GOAWAY:
            number = int.from_bytes(came.payload[4:8], 'big')
            self.goaways.append((came.number, number, came.payload[8:]))
        elif came.kind == SETTINGS and not came.flags & ACK:
            pairs = [came.payload[at : at + 6] for at in range(0, len(came.payload), 6)]
            self.settings.update({int.from_bytes(p[:2], 'big'): int.from_bytes(p[2:], 'big') for p in pairs})
            await self.send(frame(SETTINGS, ACK))

    def _take_block(self, came: Frame, answer: Answer) -> None:
        self._block += came.payload
        if not came.flags & END_HEADERS:
            return
        fields = [(bytes(name), bytes(value)) for name, value in self.decoder.decode(self._block, raw=True)]
        self._block = b''
        if answer.fields is not None:
            answer.trailers = fields
        elif fields[0][1].startswith(b'1'):
            answer.interim.append(fields)
        else:
            answer.fields = fields

    async def open(self, count: int, *streams: int) -> None:
        """Open windows by so much."""
        await self.send(b''.join(window_update(stream, count) for stream in streams))

    async def until(self, condition: Any) -> None:
        """Take in frames until `condition()` holds; EOFError where the server ends the connection before."""
        while not condition():
            if await self.step() is None:
                raise EOFError(f'the server ended the connection: {self.goaways}')

    async def head(self, stream: int) -> Answer:
        await self.until(lambda: self._of(stream).fields is not None or self._of(stream).code is not None)
        return self._of(stream)

    async def reply(self, stream: int) -> Answer:
        """The whole answer; one that was reset says so in `code`."""
        await self.until(lambda: self._of(stream).ended or self._of(stream).code is not None)
        return self._of(stream)

    def _of(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer())

    async def ask(self, path: str = '/', *fields: tuple[str, str]) -> Answer:
        return await self.reply(await self.get(path, *fields))

    async def goaway(self) -> tuple[int, int, bytes]:
        """The next GOAWAY: last stream, code, words."""
        count = len(self.goaways)
        await self.until(lambda: len(self.goaways) > count)
        return self.goaways[-1]

    async def closed(self) -> None:
        """Return once the server has ended the connection in an orderly way."""
        while await self.step() is not None:
            pass

    async def cut(self) -> None:
        """Return once the server has ended the connection in any way."""
        try:
            await self.closed()
        except (ConnectionResetError, BrokenPipeError):
            self.ended = True

    async def acked(self) -> None:
        """Return once the server has dealt with all that was sent before."""
        payload = len(self.frames).to_bytes(8, 'big')
        await self.send(frame(PING, 0, 0, payload))
        await self.until(lambda: any(f.kind == PING and f.payload == payload for f in self.frames[-1:]))


async def eventually(condition: Any, patience_s: float = 10.0) -> None:
    """Return once `condition()` holds."""

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), patience_s)
