"""HTTP/2 in plain Python: what the application's calls become (RFC 9113). What clients send is read by `Http2Receiver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import Refusal
from granian.protocol.http2 import rules
from granian.protocol.http2.frames import (
    CANCEL,
    INTERNAL_ERROR,
    NO_ERROR,
    PING,
    STREAM_LARGEST,
    ConnectionFault,
    frame,
    goaway_frame,
)
from granian.protocol.http2.outlet import ALLOWANCE_BYTES
from granian.protocol.http2.receiver import Http2Receiver
from granian.protocol.http2.settings import read_settings
from granian.protocol.http2.streams import ALL, NOTHING, REST, Stream
from granian.protocol.responses import is_length_free, whole_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import Field, RequestHead
    from granian.protocol.responses import ResponseHead

_PING = b'granian\0'
# Their responses have no body, or no length.
_UNUSUAL_METHODS = frozenset({'HEAD', 'CONNECT'})


class Http2Fast(Http2Receiver):
    """One HTTP/2 connection. See `contract.MultiplexedEngine`."""

    __slots__ = ()

    @property
    def phase(self) -> str:
        reader = self._frame_reader
        if reader.block_of:
            return 'head'
        if self._bodies:
            return 'body'
        if self.streams_open:
            return 'busy'
        return 'head' if reader.have else 'idle'

    @property
    def sendable(self) -> bool:
        return self._outlet.sendable

    @property
    def stalled(self) -> bool:
        return self._outlet.stalled

    @property
    def waiting(self) -> int:
        return self._outlet.waiting

    @property
    def full(self) -> bool:
        return self._outlet.full

    @property
    def progress(self) -> int:
        return self._outlet.progress

    # ── responses ────────────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        whole = self._ledger.whole
        head = whole.get(stream)
        size = len(body)
        outlet = self._outlet
        if (
            head is not None
            and response.plain
            and head.method not in _UNUSUAL_METHODS
            and (response.length is None or response.length == size)
            and outlet.takes(size)
        ):
            known = self._writer.again(response, size)
            if known is None:
                outlet.whole(stream, self._writer.final(response, size), body)
            else:
                outlet.like(known, stream, body)
            del whole[stream]
            if self._inlet.held and stream in self._inlet.held:
                self._inlet.let_go(stream)
            self.streams_open -= 1
            if self._patience.cancels:
                self._patience.answered()
            if self._draining:
                self._close_if_idle()
        else:
            self._respond_in_parts(stream, response, body)

    def _respond_in_parts(self, stream: int, response: ResponseHead, body: bytes) -> None:
        if self._outlet.is_spent(len(body)):
            self.events.on_much_output()
            if self._outlet.takes(len(body)):
                self.respond(stream, response, body)
                return
        found = self._owing(stream, ALL)
        to_head = found.head.method == 'HEAD'
        length = whole_length(response, body, to_head=to_head)
        if response.bodiless or to_head:
            body = b''
        found.owed = NOTHING
        if not found.window and self._outlet.takes(len(body)):
            self._outlet.whole(found.id, self._final_block(found, response, length), body)
            self._outlet.ended(found)
        else:
            self._outlet.head(found.id, self._final_block(found, response, length), end=False)
            self._outlet.write(found, body)
            self._outlet.end(found, [])

    def start(self, stream: int, response: ResponseHead) -> None:
        found = self._owing(stream, ALL)
        self._outlet.head(found.id, self._final_block(found, response, response.length), end=False)
        found.silent = response.bodiless or found.head.method == 'HEAD'
        found.left = None if found.silent else response.length
        found.owed = REST

    def _final_block(self, stream: Stream, response: ResponseHead, length: int | None) -> bytes:
        """The block of a final head; it has to be sent."""
        status = response.status
        if is_length_free(status) or (stream.head.method == 'CONNECT' and status < 300):
            # RFC 9110 8.6
            length = None
        self._patience.answered()
        return self._writer.final(response, length)

    def write(self, stream: int, data: bytes) -> None:
        found = self._owing(stream, REST)
        if found.silent or not data:
            return
        if found.left is not None:
            if len(data) > found.left:
                self.abort(stream)
                raise InvalidResponse('body longer than its content-length')
            found.left -= len(data)
        self._outlet.write(found, data)

    def skip(self, stream: int, count: int) -> bool:
        self._owing(stream, REST)
        # Bodies go in frames.
        return False

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        found = self._owing(stream, REST)
        fields = rules.response_trailers(trailers)
        if found.left:
            left = found.left
            self.abort(stream)
            raise InvalidResponse(f'body shorter than its content-length by {left} bytes')
        found.owed = NOTHING
        self._outlet.end(found, fields)

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        found = self._owing(stream, ALL)
        self._outlet.head(found.id, self._writer.encoded(rules.response_interim_fields(status, fields)), end=False)

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        found = self._owing(stream, ALL)
        if not found.head.upgrade or found.head.method != 'CONNECT':
            raise FlowError('no extended CONNECT')
        self._patience.answered()
        block = self._writer.encoded(rules.upgraded_fields(response, self.defaults))
        self._outlet.head(found.id, block, end=False)
        found.owed = REST
        found.free = True

    def abort(self, stream: int) -> None:
        found = self._ledger.streams.get(stream) or self._promoted(stream)
        if found is not None and not found.ended and not found.refused:
            code = CANCEL if found.owed is NOTHING else INTERNAL_ERROR
            found.owed = NOTHING
            self._reset(stream, code)
            self._give_up(found)

    def _owing(self, stream: int, part: str) -> Stream:
        found = self._ledger.streams.get(stream) or self._promoted(stream)
        if found is None or found.owed is not part:
            raise FlowError('response already started' if part is ALL else 'response not started or already finished')
        return found

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────────────

    def took(self, stream: int, count: int) -> None:
        found = self._ledger.streams.get(stream)
        if found is not None:
            self._inlet.took(found, count)
        elif stream in self._inlet.held:
            self._inlet.let_go(stream, count)

    def produce(self, count: int) -> bool:
        outlet = self._outlet
        if not outlet.bodies:
            # As `allow`, which would be a call more for each request.
            outlet.allowance = ALLOWANCE_BYTES if count >= ALLOWANCE_BYTES else max(0, count)
            return False
        before = outlet.progress
        outlet.produce(count)
        self._patience.moved(outlet.progress - before)
        return outlet.bodies > 0

    def is_blocked(self, stream: int) -> bool:
        found = self._ledger.streams.get(stream)
        if found is None or (
            found.waiting < self.limits.send_buffer_bytes_max and not (found.waiting and self._outlet.full)
        ):
            return False
        found.wants_room = True
        return True

    def flow(self, stream: int) -> tuple[int, int]:
        found = self._ledger.streams.get(stream)
        return (found.sent, found.waiting) if found is not None else (0, 0)

    def ping(self) -> None:
        self.pings_owed += 1
        self.output.append(frame(PING, 0, 0, _PING))

    def take_over(self, head: RequestHead, settings: bytes) -> None:
        try:
            self._apply(read_settings(settings))
        except ConnectionFault as fault:
            raise Refusal(400, 'bad HTTP2-Settings') from fault
        self._ledger.begun(1)
        self._ledger.whole[1] = head
        self.streams_open += 1
        self.events.on_request(1, head, b'', True)

    def refuse(self, status: int, reason: str) -> None:
        refusal = Refusal(status, reason)
        for stream in list(self._ledger.streams.values()):
            if stream.receiving and stream.owed is ALL:
                self._answer(stream, refusal)
                self.events.on_gone(stream.id, reason, status)
            elif stream.receiving and stream.owed is REST:
                self._cut(stream, reason)
        if self.partial:
            self.events.on_refused(refusal, rules.request_line([]))
        self._say_goodbye()

    def _cut(self, stream: Stream, reason: str) -> None:
        self.abort(stream.id)
        self.events.on_gone(stream.id, reason)

    def farewell(self) -> None:
        if not (self._farewell or self._draining or self.closing):
            self._farewell = True
            # RFC 9113 6.8: the number says nothing yet.
            self.output.append(goaway_frame(STREAM_LARGEST, NO_ERROR))

    def drain(self) -> None:
        if not self.closing:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._draining = True
        self._goodbye(NO_ERROR)
        self._close_if_idle()
