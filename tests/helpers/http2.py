"""A client and an application around one HTTP/2 engine, without sockets: send frames, see requests, read frames."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import hpack

from granian.protocol.contract import ResponseDefaults
from granian.protocol.http2.fast import Http2Fast
from granian.protocol.http2.h2 import Http2H2
from granian.protocol.limits import Http2Limits
from granian.protocol.responses import response_head
from tests.helpers.engines import DATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from granian.protocol.contract import Field, Fields, Refusal, RequestHead

HTTP2_ENGINES = {'fast': Http2Fast, 'h2': Http2H2}
LIMITS = Http2Limits(
    head_bytes_max=8192,
    target_bytes_max=1024,
    fields_max=32,
    body_bytes_max=1024 * 1024,
    discard_bytes_max=65536,
    streams_max=16,
    frame_bytes_max=16384,
    stream_window_bytes=65535,
    connection_window_bytes=131072,
    adaptive_window=False,
    send_buffer_bytes_max=65536,
)
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(5, 10)
ENHANCE_YOUR_CALM = 11
GET = [(b':method', b'GET'), (b':scheme', b'http'), (b':authority', b'a.example'), (b':path', b'/')]
POST = [(b':method', b'POST'), *GET[1:]]
CONNECT = [
    (b':method', b'CONNECT'), (b':protocol', b'websocket'), (b':scheme', b'http'), (b':path', b'/chat'),
    (b':authority', b'a.example'),
]  # fmt: skip


def limits(**changes: Any) -> Http2Limits:
    return replace(LIMITS, **changes)


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error of RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4], 'big')

    @property
    def number(self) -> int:
        return int.from_bytes(self.payload[:4], 'big')


def frame(kind: int, flags: int, stream: int, payload: bytes = b'', *, size: int | None = None) -> bytes:
    size = len(payload) if size is None else size
    return struct.pack('>BHBBI', size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b''.join([struct.pack('>HI', *pair) for pair in pairs]))


def window(stream: int, count: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack('>I', count))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack('>I', code))


def data(stream: int, body: bytes = b'', *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, body)


def priority(depends_on: int) -> bytes:
    return struct.pack('>IB', depends_on, 15)


START = PREFACE + settings()


@dataclass
class Seen:
    """A request as the application saw it."""

    stream: int
    head: RequestHead
    fields: Fields
    body: bytes = b''
    trailers: Fields = field(default_factory=list)
    whole: bool = False
    gone: str | None = None
    answered: int = 0
    replied: bool = False
    # Body bytes the application was given and has not taken.
    untaken: int = 0

    def summary(self) -> tuple[Any, ...]:
        """What must be the same for each engine and however the input was split."""
        head = self.head
        return (
            self.stream, head.method, head.raw_path, head.path, head.query, head.version, tuple(self.fields),
            head.authority, head.content_length, head.expects_continue, head.upgrade, self.body, tuple(self.trailers),
            self.whole, self.gone is not None, self.answered,
        )  # fmt: skip


@dataclass
class Response:
    """What a client has of a response."""

    interim: list[Fields] = field(default_factory=list)
    fields: Fields | None = None
    body: bytes = b''
    trailers: Fields = field(default_factory=list)
    whole: bool = False
    code: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields or [])[b':status']) if self.fields else 0

    def value(self, name: bytes) -> bytes | None:
        return dict(self.fields or []).get(name)


def echo(talk: Talk, seen: Seen) -> None:
    body = seen.body or b'%b %b' % (seen.head.method.encode(), seen.head.raw_path)
    talk.engine.respond(seen.stream, response_head(200, [(b'content-type', b'text/plain')]), body)


def no_reply(talk: Talk, seen: Seen) -> None:
    """Leave it to the test."""


class Talk:
    """One connection: the events of an engine, a client, an application that replies to whole requests.

    The client decodes with `hpack`, and holds the server to what it was granted.
    """

    def __init__(
        self,
        engine: Callable[..., Any],
        limits: Http2Limits = LIMITS,
        *,
        reply: Callable[[Talk, Seen], None] = echo,
        takes: bool = True,
        reads: bool = True,
        start: bool = True,
        defaults: ResponseDefaults | None = None,
    ) -> None:
        self.requests: dict[int, Seen] = {}
        self.refusals: list[tuple[Refusal, bytes]] = []
        self.rooms: list[int] = []
        # How often there was much output.
        self.asked = 0
        self.reply = reply
        # The application takes bodies as they come; the client takes what is sent, however much.
        self.takes = takes
        self.reads = reads
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.frames: list[Frame] = []
        self.responses: dict[int, Response] = defaultdict(Response)
        self._rest = b''
        self._block: tuple[Frame, bytes] | None = None
        self.engine = engine(limits, defaults or ResponseDefaults(b'granian', DATE), self)
        if start:
            self.feed(START + frame(SETTINGS, ACK, 0))
            self.frames.clear()

    # ── what the engine tells ────────────────────────────────────────────────────────────────────────────────────

    def on_request(self, stream: int, head: RequestHead, body: bytes, ended: bool) -> None:
        assert stream not in self.requests
        assert type(body) is bytes
        assert not self.engine.closing
        seen = self.requests[stream] = Seen(stream, head, list(head.fields), whole=ended)
        self._got(seen, body)
        self._reply(seen)

    def on_body(self, stream: int, data: bytes) -> None:
        assert data
        seen = self._current(stream)
        self._got(seen, data)

    def on_body_end(self, stream: int, trailers: Fields) -> None:
        seen = self._current(stream)
        seen.whole = True
        seen.trailers = list(trailers)
        self._reply(seen)

    def on_gone(self, stream: int, reason: str, status: int = 0) -> None:
        seen = self.requests[stream]
        assert seen.gone is None
        assert not seen.replied or self.is_open(stream)
        seen.gone = reason
        seen.answered = status
        # Whoever owns the connection may do so, and it changes nothing.
        self.engine.abort(stream)

    def on_refused(self, refusal: Refusal, request_line: bytes) -> None:
        self.refusals.append((refusal, request_line))

    def on_room(self, stream: int) -> None:
        self.rooms.append(stream)

    def on_much_output(self) -> None:
        self.asked += 1
        if self.reads:
            self.settle()
            self.engine.produce(1 << 17)

    def is_open(self, stream: int) -> bool:
        """Whether the application has begun a response and not ended it: tests that do so say so."""
        return self.reply is no_reply

    def _current(self, stream: int) -> Seen:
        seen = self.requests[stream]
        assert not seen.whole
        assert seen.gone is None
        return seen

    def _got(self, seen: Seen, data: bytes) -> None:
        seen.body += data
        if not self.takes:
            seen.untaken += len(data)
        elif data:
            self.engine.took(seen.stream, len(data))

    def take(self, stream: int) -> None:
        seen = self.requests[stream]
        count, seen.untaken = seen.untaken, 0
        self.engine.took(stream, count)
        self.settle()

    def _reply(self, seen: Seen) -> None:
        if seen.whole and not seen.replied and self.reply is not no_reply:
            seen.replied = True
            self.reply(self, seen)

    # ── what the client does ─────────────────────────────────────────────────────────────────────────────────────

    def block(self, fields: Sequence[Field]) -> bytes:
        return self.encoder.encode(fields)

    def headers(self, stream: int, fields: Sequence[Field] = GET, *, end: bool = True) -> bytes:
        return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.block(fields))

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.engine.closing:
                self.engine.receive(piece)
            self.settle()

    def settle(self) -> None:
        """Let out what may go, and read it."""
        while self.reads and self.engine.sendable:
            self.engine.produce(1 << 16)
        self._read(b''.join(self.engine.output))
        self.engine.output.clear()

    def _read(self, data: bytes) -> None:
        data, pos = self._rest + data, 0
        while len(data) - pos >= 9:
            high, low, kind, flags, stream = struct.unpack_from('>BHBBI', data, pos)
            start, end = pos + 9, pos + 9 + (high << 16 | low)
            if len(data) < end:
                break
            self._take(Frame(kind, flags, stream, data[start:end]))
            pos = end
        self._rest = data[pos:]

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self._block is not None:
            assert frame.kind == CONTINUATION
            first, block = self._block
            self._take_block(first, block + frame.payload, frame.flags)
        elif frame.kind == HEADERS:
            self._take_block(frame, frame.payload, frame.flags)
        elif frame.kind == DATA:
            response = self.responses[frame.stream]
            assert response.fields is not None
            assert not response.whole
            assert response.code is None
            response.body += frame.payload
            response.whole = bool(frame.flags & END_STREAM)
        elif frame.kind == RST_STREAM:
            response = self.responses[frame.stream]
            response.code = frame.code if response.code is None else response.code
        else:
            assert frame.kind in (SETTINGS, PING, GOAWAY, WINDOW_UPDATE)

    def _take_block(self, first: Frame, block: bytes, flags: int) -> None:
        self._block = (first, block)
        if not flags & END_HEADERS:
            return
        self._block = None
        fields = [(bytes(name), bytes(value)) for name, value in self.decoder.decode(block, raw=True)]
        response = self.responses[first.stream]
        assert not response.whole
        assert response.code is None
        if response.fields is not None:
            assert first.flags & END_STREAM
            response.trailers = fields
        elif fields[0][1].startswith(b'1'):
            response.interim.append(fields)
        else:
            response.fields = fields
        response.whole = bool(first.flags & END_STREAM)

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────

    def sent(self, kind: int, stream: int | None = None) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == kind and stream in (None, frame.stream)]

    @property
    def goaway(self) -> int | None:
        """The code of the error that ended the connection."""
        codes = [frame.code for frame in self.sent(GOAWAY) if frame.code or self.engine.closing]
        return codes[-1] if codes else None

    def outcome(self) -> tuple[Any, ...]:
        """What must not depend on how the input was split."""
        served = [seen.summary() for _, seen in sorted(self.requests.items())]
        answers = {stream: (r.status, r.body, r.whole, r.code) for stream, r in self.responses.items()}
        return served, answers, self.goaway, self.engine.closing
