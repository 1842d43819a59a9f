"""HTTP/1.x on the h11 package: the reference engine, and the oracle of the fast one (RFC 9112).

h11 parses, serialises and keeps the state of both sides. Which requests are served and which responses are sent is
decided by the rules all engines share (`requests`, `responses`); where h11 is more lenient than these, the raw bytes are
checked before h11 gets them (`strict`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import CHUNKED, Fields, Refusal
from granian.protocol.http1.engine import PIPELINE_BYTES_MAX, Http1Engine
from granian.protocol.http1.h11_heads import parse_head
from granian.protocol.http1.strict import ChunkGate
from granian.protocol.requests import check_trailers, plain_field
from granian.protocol.responses import (
    interim_fields,
    is_length_free,
    refusal_response,
    trailer_fields,
    usual_reason,
    whole_length,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import EngineEvents, Field, ResponseDefaults
    from granian.protocol.limits import Http1Limits
    from granian.protocol.responses import ResponseHead

# How the end of a response is told.
SILENT, MEASURED, CHUNKS, UNTIL_CLOSE, BYTES = 'silent', 'measured', 'chunks', 'until close', 'bytes'


class Http1H11(Http1Engine):
    """One HTTP/1.x connection. See `contract.Engine`."""

    __slots__ = ('_framing', '_gate', '_handed_over', '_parser', '_writer')

    def __init__(self, limits: Http1Limits, defaults: ResponseDefaults, events: EngineEvents) -> None:
        super().__init__(limits, defaults, events)
        self._parser = self._writer = self._connection()
        self._gate: ChunkGate | None = None
        # All of the request was given to the application.
        self._handed_over = False
        self._framing = SILENT

    def _connection(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self.limits.head_bytes_max)

    @property
    def _between(self) -> bool:
        return self._parser.their_state is h11.IDLE

    @property
    def _whole(self) -> bool:
        return self._handed_over

    @property
    def _owes(self) -> bool:
        return self._owes_all or self._owes_rest

    @property
    def _owes_all(self) -> bool:
        return self._writer.our_state is h11.SEND_RESPONSE

    @property
    def _owes_rest(self) -> bool:
        return self._writer.our_state is h11.SEND_BODY or self._framing is BYTES

    @property
    def _ends_by_closing(self) -> bool:
        return self._owes_rest and self._framing in (UNTIL_CLOSE, BYTES)

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        if self.closing:
            return
        self._data = self._data[self._pos :] + data
        self._pos = 0
        self._receiving = True
        self.pending = False
        try:
            self._consume()
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._data = self._data[self._pos :]
            self._pos = 0
            self._receiving = False

    def _consume(self) -> None:
        """Take requests from the input for as long as they are answered at once."""
        while self._pos < len(self._data) and not self.closing:
            if self._parser.their_state is h11.IDLE:
                if not self._take_head():
                    return
            elif self._handed_over:
                self.paused = len(self._data) - self._pos > PIPELINE_BYTES_MAX
                return
            elif not self._take_body():
                return

    def _take_head(self) -> bool:
        """Begin the request at hand. False where its head is not whole yet."""
        data, start = self._data, self._pos
        if data.startswith(b'\r\n', start):
            # RFC 9112 2.2: one empty line before a request is let pass. h11 would refuse it.
            start += 2
        self._head_at = start
        end = data.find(b'\r\n\r\n', max(start, self._scanned - 3)) + 4
        if end < 4:
            self._wait_for_head(start)
            return False
        self._scanned = 0
        self._pos = end
        self._head = parse_head(self._parser, data[start:end], self.limits)
        self._begin()
        return True

    # ── request bodies ───────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        head = self._head
        self._gate = ChunkGate(self.limits) if head.content_length == CHUNKED else None
        self._body_left = max(head.content_length, 0)
        self._awaits_continue = head.expects_continue and self._pos == len(self._data)
        body, ended, trailers = self._read_body()
        self.stream += 1
        self._unread = len(body)
        self._handed_over = ended and not trailers
        self.phase = 'busy' if self._handed_over else 'body'
        self.paused = not self._handed_over and self._unread > self.limits.read_ahead_bytes_max
        self.events.on_request(self.stream, head, body, self._handed_over)
        if trailers:
            self._end_body(trailers)

    def _read_body(self) -> tuple[bytes, bool, Fields]:
        """What the input holds of the body, whether that was the end of it, and its trailers. Raises Refusal."""
        start = self._pos
        if self._framing is BYTES:
            self._pos = len(self._data)
            return self._data[start:], False, []
        if self._gate is None:
            data = self._data[start : start + self._body_left]
            self._pos += len(data)
            self._body_left -= len(data)
            ends = self._body_left == 0
        else:
            data, self._pos = self._gate.passed(self._data, start)
            ends = self._gate.ended
        body, ended, trailers = self._feed(data)
        if ended is not ends:
            # h11 and the gate found different ends. Neither can be trusted.
            raise Refusal(400, 'bad framing')
        return body, ended, check_trailers(trailers, self.limits)

    def _feed(self, data: bytes) -> tuple[bytes, bool, Fields]:
        """Give body bytes to h11, and take what it makes of them. Raises Refusal."""
        parts: list[bytes] = []
        if data:
            self._parser.receive_data(data)
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                raise Refusal(error.error_status_hint, 'bad body') from error
            if isinstance(event, h11.Data):
                parts.append(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return b''.join(parts), True, list(event.headers)
            else:
                return b''.join(parts), False, []

    def _take_body(self) -> bool:
        """Go on with the body at hand. False where nothing can be done without more input."""
        start = self._pos
        self._awaits_continue = False
        try:
            body, ended, trailers = self._read_body()
        except Refusal as refusal:
            self._spoil(refusal)
            return False
        if self._pos == start:
            return False
        self._unread += len(body)
        if not self._owes:
            # Nobody will read it. A few bytes keep the connection, more close it.
            self.closing = self._unread > self.limits.discard_bytes_max
        elif body:
            self.paused = self._unread > self.limits.read_ahead_bytes_max
            self.events.on_body(self.stream, body)
        if ended:
            self._end_body(trailers)
        return True

    def _end_body(self, trailers: Fields) -> None:
        self._handed_over = True
        if self._owes:
            self.phase = 'busy'
            # Read on: a client that leaves is to be noticed, however much of its body is still to be taken.
            self.paused = False
            self.events.on_body_end(self.stream, trailers)
        elif not self.closing:
            # It is, where the response was cut for the body that ends here.
            self._next()

    def _spoil(self, refusal: Refusal) -> None:
        """The body of the current request broke its framing: answer if nothing was sent yet, and close."""
        began = self._owes
        status = refusal.status if self._owes_all else 0
        if self._owes_all:
            self.output.append(refusal_response(refusal, self.defaults, to_head=self._head.method == 'HEAD'))
        # A body that ends by closing would look whole.
        self.broken = self._ends_by_closing
        self._cut()
        if began:
            self.events.on_gone(self.stream, refusal.reason, status)

    # ── exchange by exchange ─────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> None:
        super()._next()
        if self._close:
            return
        if self._writer is self._parser:
            self._parser.start_next_cycle()
        else:
            self._parser = self._writer = self._connection()

    # ── calls in, bytes out ──────────────────────────────────────────────────────────────────────────────────────

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        self._check(self._owes_all, stream, 'response already started')
        self._start(response, whole_length(response, body, to_head=self._head.method == 'HEAD'))
        self.write(stream, body)
        self.finish(stream)

    def start(self, stream: int, response: ResponseHead) -> None:
        self._check(self._owes_all, stream, 'response already started')
        self._start(response, response.length)

    def _start(self, response: ResponseHead, length: int | None) -> None:
        old = self._head.version == '1.0'
        measured = response.bodiless or length is not None
        if response.bodiless or self._head.method == 'HEAD':
            self._framing = SILENT
        else:
            self._framing = MEASURED if measured else UNTIL_CLOSE if old else CHUNKS
        fields = [*response.fields, *self._default_fields(response)]
        if length is not None and not is_length_free(response.status):
            fields.append((b'content-length', b'%d' % length))
        # To HEAD of HTTP/1.0 without a length, h11 closes in any case.
        self._close = not self._may_keep(response) or (old and not measured)
        if self._close:
            fields.append((b'connection', b'close'))
        elif old:
            fields.append((b'connection', b'keep-alive'))
            self._writer = self._newer_client()
        self._send(h11.Response(status_code=response.status, headers=fields, reason=response.reason))

    def _newer_client(self) -> h11.Connection:
        """A state of h11 in which it keeps the connection: it never does for HTTP/1.0."""
        writer = self._connection()
        writer.receive_data(b'%b / HTTP/1.1\r\nhost:\r\n\r\n' % self._head.method.encode())
        writer.next_event()
        return writer

    def _default_fields(self, response: ResponseHead) -> Fields:
        lines = b'' if response.has_server else self.defaults.server
        lines += b'' if response.has_date else self.defaults.date
        return [plain_field(line) for line in lines.splitlines()]

    def _send(self, event: h11.Event) -> None:
        self.output += [bytes(piece) for piece in self._writer.send_with_data_passthrough(event) or [] if piece]

    def write(self, stream: int, data: bytes) -> None:
        self._check(self._owes_rest, stream, 'response not started or already finished')
        if self._framing is SILENT or not data:
            return
        if self._framing is BYTES:
            self.output.append(data)
            return
        try:
            self._send(h11.Data(data=data))
        except h11.LocalProtocolError as error:
            self._cut()
            raise InvalidResponse('body longer than its content-length') from error

    def skip(self, stream: int, count: int) -> bool:
        self._check(self._owes_rest, stream, 'response not started or already finished')
        if self._framing is SILENT or self._framing is CHUNKS:
            return False
        if self._framing is BYTES:
            return True
        try:
            # h11 asks the data for nothing but its length. What it would send is left to the caller.
            self._writer.send_with_data_passthrough(h11.Data(data=range(count)))  # type: ignore[arg-type]
        except h11.LocalProtocolError as error:
            self._cut()
            raise InvalidResponse('body longer than its content-length') from error
        return True

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        self._check(self._owes_rest, stream, 'response not started or already finished')
        if self._framing is BYTES:
            self._cut()
            return
        headers = trailer_fields(trailers) if self._framing is CHUNKS else []
        try:
            self._send(h11.EndOfMessage(headers=headers))
        except h11.LocalProtocolError as error:
            self._cut()
            raise InvalidResponse('body shorter than its content-length') from error
        if self._handed_over:
            self._next()
        elif self._close:
            self.closing = True
        else:
            # What is left of the request's body is thrown away as it comes.
            self._unread = 0
            self.paused = False

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        self._check(self._owes_all, stream, 'response already started')
        if status == 100:
            self._awaits_continue = False
        headers = interim_fields(status, fields)
        if self._head.version != '1.0':
            self._send(h11.InformationalResponse(status_code=status, headers=headers, reason=usual_reason(status)))

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        self._check(self._owes_all, stream, 'response already started')
        if not self._head.upgrade or self._head.content_length:
            raise FlowError('no upgrade was asked for, or by a request with a body')
        # h11 checks that the client proposed it.
        said = [plain_field(line) for line in response.lines.splitlines()[1:]]
        headers = [*said, *self._default_fields(response)]
        self._send(h11.InformationalResponse(status_code=101, headers=headers, reason=response.reason))
        self._framing = BYTES
        self._handed_over = self.paused = False
        self.pending = not self._receiving and self._pos < len(self._data)

    def abort(self, stream: int) -> None:
        if stream == self.stream and self._owes:
            self.broken = self._ends_by_closing
            self._cut()

    def _cut(self) -> None:
        if self._framing is BYTES:
            self._framing = SILENT
        if self._writer.our_state is not h11.ERROR:
            self._writer.send_failed()
        self.closing = True

    def _check(self, allowed: bool, stream: int, reason: str) -> None:
        if not allowed or stream != self.stream:
            raise FlowError(reason)
