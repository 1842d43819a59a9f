"""HTTP/1.x in plain Python: bulk parsing, and a memory of the lines that repeat (RFC 9112)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import CHUNKED, Fields, Refusal
from granian.protocol.http1.chunked import ChunkedDecoder
from granian.protocol.http1.engine import NO_REQUEST, PIPELINE_BYTES_MAX, Http1Engine
from granian.protocol.http1.heads import HeadReader
from granian.protocol.requests import head_too_large
from granian.protocol.responses import (
    field_lines,
    interim_fields,
    is_length_free,
    refusal_response,
    status_line,
    trailer_fields,
    whole_length,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import EngineEvents, Field, RequestHead, ResponseDefaults
    from granian.protocol.limits import Http1Limits
    from granian.protocol.responses import ResponseHead

# Up to this a body is sent in one piece with its head: the copy costs less than a second buffer.
JOIN_BYTES_MAX = 16 * 1024
# The same for a chunk and the lines around it: of those there are many in one write, so that each copy is one more.
JOIN_CHUNK_BYTES_MAX = 4 * 1024

# What the client still has to send of the current request …
HEAD, LENGTH, CHUNKS, WHOLE, BYTES = 'head', 'length', 'chunks', 'whole', 'bytes'
# … and what we still have to send of its response.
NOTHING, ALL, REST = 'nothing', 'all', 'rest'


class Http1Fast(Http1Engine):
    """One HTTP/1.x connection. See `contract.Engine`."""

    __slots__ = (
        '_chunk_line', '_chunk_size', '_chunks', '_heads', '_last_data', '_last_head', '_owed', '_reading',
        '_response_left', '_silent',
    )  # fmt: skip

    def __init__(self, limits: Http1Limits, defaults: ResponseDefaults, events: EngineEvents) -> None:
        super().__init__(limits, defaults, events)
        self._reading = HEAD
        self._owed = NOTHING
        self._heads = HeadReader(limits)
        self._last_head = NO_REQUEST
        self._last_data = b''
        self._chunks: ChunkedDecoder | None = None
        self._silent = False
        # The line before the last large chunk that was sent: most are as large as the one before.
        self._chunk_size, self._chunk_line = 0, b''
        # Body bytes still to be sent: a count, CHUNKED, or None where closing ends the body.
        self._response_left: int | None = 0

    @property
    def _between(self) -> bool:
        return self._reading is HEAD

    @property
    def _whole(self) -> bool:
        return self._reading is WHOLE

    @property
    def _owes(self) -> bool:
        return self._owed is not NOTHING

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        if self.closing:
            return
        if self._reading is BYTES and data and not self._data:
            # Of an upgraded connection: not ours to take apart.
            self._unread += len(data)
            self.paused = self._unread > self.limits.read_ahead_bytes_max
            self.events.on_body(self.stream, data)
            return
        if self._data:
            data = self._data[self._pos :] + data
        self._receiving = True
        self.pending = False
        try:
            head = self._recognise(data) if self._reading is HEAD else None
            if head is not None:
                self._data = b''
                self._scanned = 0
                self._begin(head, b'', ended=True)
            else:
                self._data, self._pos = data, 0
                self._consume()
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._receiving = False

    def _recognise(self, data: bytes) -> RequestHead | None:
        """The head that these bytes are, and nothing but that: the one before once more, or one like it."""
        if data == self._last_data and data:
            return self._last_head
        return self._heads.recognise(data)

    def _consume(self) -> None:
        """Take requests from the input for as long as they are answered at once."""
        while self._pos < len(self._data) and not self.closing:
            if self._reading is HEAD:
                if not self._take_head():
                    return
            elif self._reading is WHOLE:
                self.paused = len(self._data) - self._pos > PIPELINE_BYTES_MAX
                return
            else:
                self._take_body()
        self._data = b''

    def _take_head(self) -> bool:
        """Begin the request at hand. False where its head is not whole yet."""
        data, start = self._data, self._pos
        if data[start] == 13 and data.startswith(b'\r\n', start):
            # RFC 9112 2.2: one empty line before a request is let pass.
            start += 2
        self._head_at = start
        end = data.find(b'\r\n\r\n', max(start, self._scanned - 3))
        if end < 0:
            self._wait_for_head(start)
            return False
        self._scanned = 0
        after = self._pos = end + 4
        if after - start > self.limits.head_bytes_max:
            raise head_too_large(data[start:after], self.limits)
        head = self._heads.read(data[start : end + 2])
        if head.content_length:
            self._begin_with_body(head)
            return True
        if start == 0 and after == len(data):
            self._last_data, self._last_head = data, head
        self._begin(head, b'', ended=True)
        return True

    # ── request bodies ───────────────────────────────────────────────────────────────────────────────────────────

    def _begin_with_body(self, head: RequestHead) -> None:
        if head.content_length == CHUNKED:
            self._reading = CHUNKS
            self._chunks = ChunkedDecoder(self.limits)
        else:
            self._reading = LENGTH
            self._body_left = head.content_length
        self._awaits_continue = head.expects_continue and self._pos == len(self._data)
        body, ended, trailers = self._read_body()
        self._unread = len(body)
        self._begin(head, body, ended=ended and not trailers)
        if trailers and not self.closing:
            self._end_body(trailers)

    def _read_body(self) -> tuple[bytes, bool, Fields]:
        """What the input holds of the body, whether that was the end of it, and its trailers. Raises Refusal."""
        start = self._pos
        if self._reading is LENGTH:
            body = self._data[start : start + self._body_left]
            self._pos += len(body)
            self._body_left -= len(body)
            return body, self._body_left == 0, []
        if self._reading is BYTES:
            self._pos = len(self._data)
            return self._data[start:], False, []
        chunks = self._chunks
        assert chunks is not None
        body, self._pos = chunks.decode(self._data, start)
        return body, chunks.ended, chunks.trailers

    def _take_body(self) -> None:
        try:
            body, ended, trailers = self._read_body()
        except Refusal as refusal:
            self._spoil(refusal)
            return
        self._awaits_continue = False
        self._unread += len(body)
        if self._owed is NOTHING:
            # Nobody will read it. A few bytes keep the connection, more close it.
            self.closing = self._unread > self.limits.discard_bytes_max
        elif body:
            self.paused = self._unread > self.limits.read_ahead_bytes_max
            self.events.on_body(self.stream, body)
        if ended and not self.closing:
            self._end_body(trailers)

    def _end_body(self, trailers: Fields) -> None:
        self._reading = WHOLE
        self._chunks = None
        if self._owed is NOTHING:
            self._reading = HEAD
            self._next()
        else:
            self.phase = 'busy'
            # Read on: a client that leaves is to be noticed, however much of its body is still to be taken.
            self.paused = False
            self.events.on_body_end(self.stream, trailers)

    def _spoil(self, refusal: Refusal) -> None:
        """The body of the current request broke its framing: answer if nothing was sent yet, and close."""
        owed, self._owed = self._owed, NOTHING
        self.closing = True
        if owed is ALL:
            self.output.append(refusal_response(refusal, self.defaults, to_head=self._head.method == 'HEAD'))
        # A body that ends by closing would look whole.
        self.broken = owed is REST and self._response_left is None
        if owed is not NOTHING:
            self.events.on_gone(self.stream, refusal.reason, refusal.status if owed is ALL else 0)

    # ── exchange by exchange ─────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, head: RequestHead, body: bytes, *, ended: bool) -> None:
        self.stream += 1
        self._head = head
        self._owed = ALL
        if ended:
            self._reading = WHOLE
            self.phase = 'busy'
        else:
            self.phase = 'body'
            self.paused = self._unread > self.limits.read_ahead_bytes_max
        self.events.on_request(self.stream, head, body, ended)

    # ── calls in, bytes out ──────────────────────────────────────────────────────────────────────────────────────

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        size = len(body)
        head = self._head
        if (
            response.plain
            and self._owed is ALL
            and stream == self.stream
            and self._reading is WHOLE
            and not self._draining
            and head.keep_alive
            and head.version == '1.1'
            and head.method != 'HEAD'
            and (response.length is None or response.length == size)
        ):
            if size <= JOIN_BYTES_MAX:
                self.output.append(b'%bcontent-length: %d\r\n%b%b' % (response.lines, size, self.defaults.end, body))
            else:
                self.output.append(b'%bcontent-length: %d\r\n%b' % (response.lines, size, self.defaults.end))
                self.output.append(body)
            self._owed = NOTHING
            self._close = False
            self._reading = HEAD
            self._next()
        else:
            self._respond_in_parts(stream, response, body)

    def _respond_in_parts(self, stream: int, response: ResponseHead, body: bytes) -> None:
        self._check_owed(ALL, stream)
        self._start(response, whole_length(response, body, to_head=self._head.method == 'HEAD'))
        if body and not self._silent:
            self.output.append(body)
        self._finish()

    def start(self, stream: int, response: ResponseHead) -> None:
        self._check_owed(ALL, stream)
        self._start(response, response.length)
        self._owed = REST

    def _start(self, response: ResponseHead, length: int | None) -> None:
        head = self._head
        keep = self._may_keep(response)
        framing = b''
        self._silent = response.bodiless or head.method == 'HEAD'
        self._response_left = 0 if self._silent else length
        if length is not None and not is_length_free(response.status):
            framing = b'content-length: %d\r\n' % length
        elif self._silent:
            pass
        elif head.version == '1.1':
            self._response_left = CHUNKED
            framing = b'transfer-encoding: chunked\r\n'
        else:
            keep = False
        self._close = not keep
        if not keep:
            framing += b'connection: close\r\n'
        elif head.version == '1.0':
            framing += b'connection: keep-alive\r\n'
        self.output.append(b'%b%b%b' % (response.lines, framing, self._head_end(response)))

    def _head_end(self, response: ResponseHead) -> bytes:
        if not (response.has_server or response.has_date):
            return self.defaults.end
        server = b'' if response.has_server else self.defaults.server
        date = b'' if response.has_date else self.defaults.date
        return b'%b%b\r\n' % (server, date)

    def write(self, stream: int, data: bytes) -> None:
        if self._owed is not REST or stream != self.stream:
            self._check_owed(REST, stream)
        left = self._response_left
        if self._silent or not data:
            return
        if left == CHUNKED:
            output = self.output
            size = len(data)
            if size <= JOIN_CHUNK_BYTES_MAX:
                output.append(b'%x\r\n%b\r\n' % (size, data))
                return
            if size != self._chunk_size:
                self._chunk_size, self._chunk_line = size, b'%x\r\n' % size
            if output and len(output[-1]) <= JOIN_CHUNK_BYTES_MAX:
                # The head, or the end of the chunk before: each buffer less is time saved.
                output[-1] += self._chunk_line
            else:
                output.append(self._chunk_line)
            output.append(data)
            output.append(b'\r\n')
            return
        if left is not None:
            self._count(stream, left, len(data))
        self.output.append(data)

    def skip(self, stream: int, count: int) -> bool:
        self._check_owed(REST, stream)
        left = self._response_left
        if self._silent or left == CHUNKED:
            return False
        if left is not None:
            self._count(stream, left, count)
        return True

    def _count(self, stream: int, left: int, count: int) -> None:
        if count > left:
            self.abort(stream)
            raise InvalidResponse('body longer than its content-length')
        self._response_left = left - count

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        self._check_owed(REST, stream)
        left = self._response_left
        if left == CHUNKED:
            self.output.append(b'0\r\n%b\r\n' % field_lines(trailer_fields(trailers)))
        elif left:
            self.abort(stream)
            raise InvalidResponse(f'body shorter than its content-length by {left} bytes')
        self._finish()

    def _finish(self) -> None:
        self._owed = NOTHING
        if self._reading is WHOLE:
            self._reading = HEAD
            self._next()
        elif self._close:
            self.closing = True
        else:
            # What is left of the request's body is thrown away as it comes.
            self._unread = 0
            self.paused = False

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        self._check_owed(ALL, stream)
        if status == 100:
            self._awaits_continue = False
        lines = field_lines(interim_fields(status, fields))
        if self._head.version != '1.0':
            self.output.append(b'%b%b\r\n' % (status_line(status), lines))

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        self._check_owed(ALL, stream)
        if not self._head.upgrade or self._head.content_length:
            raise FlowError('no upgrade was asked for, or by a request with a body')
        self._reading = BYTES
        self._owed = REST
        # Closing ends it.
        self._response_left = None
        self._silent = self.paused = False
        self._close = True
        self.pending = not self._receiving and self._pos < len(self._data)
        self.output.append(b'%b%b' % (response.lines, self._head_end(response)))

    def abort(self, stream: int) -> None:
        if stream == self.stream and self._owed is not NOTHING:
            # A body that ends by closing would look whole.
            self.broken = self._owed is REST and self._response_left is None
            self._owed = NOTHING
            self.closing = True

    def _check_owed(self, part: str, stream: int) -> None:
        if self._owed is not part or stream != self.stream:
            raise FlowError('response already started' if part is ALL else 'response not started or already finished')
