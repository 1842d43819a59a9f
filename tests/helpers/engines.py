"""A client and an application around one engine, without sockets: feed bytes, see requests, read responses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from granian.errors import FlowError
from granian.protocol.contract import ResponseDefaults
from granian.protocol.http1.fast import Http1Fast
from granian.protocol.http1.h11 import Http1H11
from granian.protocol.limits import Http1Limits
from granian.protocol.responses import response_head, upgrade_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from granian.protocol.contract import Field, Fields, Refusal, RequestHead

HTTP1_ENGINES = {'fast': Http1Fast, 'h11': Http1H11}
LIMITS = Http1Limits(
    head_bytes_max=4096,
    target_bytes_max=1024,
    fields_max=32,
    body_bytes_max=65536,
    read_ahead_bytes_max=8192,
    discard_bytes_max=4096,
    keep_alive=True,
    require_host=True,
)
DATE = b'Tue, 15 Nov 1994 08:12:31 GMT'


def limits(**changes: Any) -> Http1Limits:
    return replace(LIMITS, **changes)


@dataclass
class Seen:
    """A request as the application saw it."""

    stream: int
    method: str
    raw_path: bytes
    path: str
    query: bytes
    version: str
    fields: Fields
    authority: bytes | None
    content_length: int
    expects_continue: bool
    keep_alive: bool
    upgrade: bytes
    body: bytes = b''
    trailers: Fields = field(default_factory=list)
    whole: bool = False
    gone: str | None = None
    # What the engine answered in the application's place.
    answered: int = 0
    replied: bool = False
    informed: bool = False

    def summary(self) -> tuple[Any, ...]:
        """What must be the same for each engine and however the input was split."""
        # h11 hands out the only coding that is served in lower case.
        fields = [(n, v.lower()) if n == b'transfer-encoding' else (n, v) for n, v in self.fields]
        return (
            self.method, self.raw_path, self.path, self.query, self.version, tuple(fields), self.authority,
            self.content_length, self.expects_continue, self.keep_alive, self.upgrade, self.body, tuple(self.trailers),
        )  # fmt: skip


class Recorder:
    """EngineEvents that writes down what it is told, and insists on the contract's order."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.refusals: list[tuple[Refusal, bytes]] = []
        self.on_progress: Callable[[Seen], None] = lambda seen: None

    def on_request(self, stream: int, head: RequestHead, body: bytes, ended: bool) -> None:
        assert not self.refusals
        assert stream == len(self.requests) + 1
        names = ('method', 'raw_path', 'path', 'query', 'version', 'fields', 'authority', 'content_length')
        values = {name: getattr(head, name) for name in (*names, 'expects_continue', 'keep_alive', 'upgrade')}
        seen = Seen(stream, body=body, whole=ended, **{**values, 'fields': list(head.fields)})
        assert type(body) is bytes
        assert all(type(name) is bytes and type(value) is bytes for name, value in head.fields)
        self.requests.append(seen)
        self.on_progress(seen)

    def on_body(self, stream: int, data: bytes) -> None:
        seen = self._current(stream)
        assert data
        assert type(data) is bytes
        seen.body += data
        self.on_progress(seen)

    def on_body_end(self, stream: int, trailers: Fields) -> None:
        seen = self._current(stream)
        seen.trailers = trailers
        seen.whole = True
        self.on_progress(seen)

    def on_gone(self, stream: int, reason: str, status: int = 0) -> None:
        assert stream == len(self.requests)
        self.requests[-1].gone = reason
        self.requests[-1].answered = status

    def on_refused(self, refusal: Refusal, request_line: bytes) -> None:
        assert not self.refusals
        self.refusals.append((refusal, request_line))

    def _current(self, stream: int) -> Seen:
        assert stream == len(self.requests), 'an event of a request that is not the current one'
        seen = self.requests[-1]
        assert not seen.whole
        assert seen.gone is None
        return seen


def reply_with_path(talk: Conversation, seen: Seen) -> None:
    body = b'%b %b' % (seen.method.encode(), seen.raw_path)
    talk.engine.respond(seen.stream, response_head(200, [(b'content-type', b'text/plain')]), body)


def no_reply(talk: Conversation, seen: Seen) -> None:
    """Leave it to the test."""


class Conversation:
    """One connection: an engine, a client that feeds it, and an application that replies to whole requests."""

    def __init__(
        self,
        engine: Callable[..., Any],
        limits: Http1Limits = LIMITS,
        *,
        reply: Callable[[Conversation, Seen], None] = reply_with_path,
        at_once: bool = False,
        defaults: ResponseDefaults | None = None,
    ) -> None:
        self.recorder = Recorder()
        self.engine = engine(limits, defaults or ResponseDefaults(b'granian', DATE), self.recorder)
        self.reply = reply
        self.sent = b''
        if at_once:
            self.recorder.on_progress = self._reply_if_whole

    @property
    def requests(self) -> list[Seen]:
        return self.recorder.requests

    @property
    def wire(self) -> bytes:
        """All that was sent to the client so far."""
        self.sent += b''.join(self.engine.output)
        self.engine.output.clear()
        return self.sent

    @property
    def responses(self) -> list[Response]:
        methods = [seen.method for seen in self.requests]
        methods += ['HEAD' for _, line in self.recorder.refusals if line.startswith(b'HEAD ')]
        return read_responses(self.wire, methods, closed=self.engine.closing and not self.engine.broken)

    @property
    def statuses(self) -> list[int]:
        return [response.status for response in self.responses]

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            if self.engine.closing:
                break
            self.engine.receive(piece)
            self.settle()

    def settle(self) -> None:
        """Let the application go on, until nothing changes."""
        while True:
            for seen in self.requests[-1:]:
                self._reply_if_whole(seen)
            if not self.engine.pending or self.engine.closing:
                break
            self.engine.receive(b'')

    def eof(self) -> None:
        self.engine.receive_eof()
        self.settle()

    def _reply_if_whole(self, seen: Seen) -> None:
        if seen.whole and not seen.replied and not self.engine.broken:
            seen.replied = True
            self.engine.took(seen.stream, len(seen.body))
            self.reply(self, seen)

    def upgrade(self, *fields: Field, protocol: bytes = b'echo') -> Seen:
        """Let the request at hand change to bytes both ways. What follows is written down as its body."""
        seen = self.requests[-1]
        # The engine may go on with what is behind the head from within.
        replied, whole, seen.replied, seen.whole = seen.replied, seen.whole, True, False
        try:
            self.engine.upgrade(seen.stream, upgrade_head(protocol, fields))
        except FlowError:
            seen.replied, seen.whole = replied, whole
            raise
        return seen

    def outcome(self) -> tuple[Any, ...]:
        """What must not depend on the engine, nor on how the input was split."""
        served = [seen.summary() for seen in self.requests if seen.replied]
        return tuple(served), tuple(self.statuses), self.engine.closing, self.engine.broken


@dataclass
class Response:
    """A response as a plain client reads it. `framing`: 'none', 'length', 'chunked' or 'close'."""

    status: int
    fields: Fields
    body: bytes
    framing: str
    trailers: Fields
    interim: list[tuple[int, Fields]]
    whole: bool = True

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]


class NotHttp(AssertionError):
    """What was sent cannot be read as responses."""


def read_responses(wire: bytes, methods: Iterable[str], *, closed: bool) -> list[Response]:
    """The responses to requests of these methods, in order. Further ones are read as if GET was asked."""
    responses: list[Response] = []
    waiting = list(methods)
    while wire:
        interim: list[tuple[int, Fields]] = []
        status, fields, wire = _read_head(wire)
        while status < 200 and status != 101:
            interim.append((status, fields))
            if not wire:
                return responses
            status, fields, wire = _read_head(wire)
        response = Response(status, fields, b'', 'none', [], interim)
        if status == 101:
            # What follows are bytes of another protocol.
            response.framing, response.body, response.whole = 'close', wire, closed
            return [*responses, response]
        wire = _read_body(response, waiting.pop(0) if waiting else 'GET', wire, closed=closed)
        responses.append(response)
    return responses


def _read_head(wire: bytes) -> tuple[int, Fields, bytes]:
    block, end, rest = wire.partition(b'\r\n\r\n')
    if not end:
        raise NotHttp(f'no end of the head: {wire!r}')
    lines = block.split(b'\r\n')
    version, _, status = lines[0].partition(b' ')
    if version != b'HTTP/1.1' or not status[:3].isdigit() or status[3:4] != b' ':
        raise NotHttp(f'bad status line: {lines[0]!r}')
    return int(status[:3]), _read_fields(lines[1:]), rest


def _read_fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        name, colon, value = line.partition(b': ')
        if not colon or set(line) & {0, 10, 13}:
            raise NotHttp(f'bad field: {line!r}')
        fields.append((name.lower(), value))
    return fields


def _read_body(response: Response, method: str, wire: bytes, *, closed: bool) -> bytes:
    lengths, codings = response.values(b'content-length'), response.values(b'transfer-encoding')
    if len(lengths) + len(codings) > 1:
        raise NotHttp('more than one framing')
    if method == 'HEAD' or response.status in (204, 304):
        return wire
    if codings:
        return _read_chunks(response, wire)
    if lengths:
        size = int(lengths[0])
        response.framing, response.body, response.whole = 'length', wire[:size], len(wire) >= size
        return wire[size:]
    response.framing, response.body, response.whole = 'close', wire, closed
    return b''


def _read_chunks(response: Response, wire: bytes) -> bytes:
    response.framing, response.whole = 'chunked', False
    while True:
        line, end, rest = wire.partition(b'\r\n')
        if not end:
            return b''
        size = int(line, 16)
        if not size:
            break
        response.body += rest[:size]
        wire = rest[size + 2 :]
        if rest[size : size + 2] != b'\r\n' and len(rest) >= size + 2:
            raise NotHttp('chunk longer than its size')
    lines: list[bytes] = []
    while True:
        line, end, rest = rest.partition(b'\r\n')
        if not end:
            return b''
        if not line:
            break
        lines.append(line)
    response.trailers, response.whole = _read_fields(lines), True
    return rest


def splits_in_two(raw: bytes) -> Iterable[list[bytes]]:
    """Each way to get `raw` in two reads."""
    return ([raw[:at], raw[at:]] for at in range(1, len(raw)))


def byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]
