"""HTTP/2 in plain Python: what a client sends, and what it means for the streams (RFC 9113 5, 6, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.contract import CHUNKED, Refusal, RequestHead
from granian.protocol.hpack.decoder import HpackError, HpackExcessError
from granian.protocol.http2 import rules
from granian.protocol.http2.core import Http2Core
from granian.protocol.http2.floods import FRAME_COST, SETTINGS_COST
from granian.protocol.http2.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    DATA,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_LARGEST,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_LARGEST,
    UINT32,
    WINDOW_UPDATE,
    ConnectionFault,
    StreamFault,
    check_dependency,
    frame,
    unpadded,
)
from granian.protocol.http2.reader import FrameReader
from granian.protocol.http2.settings import frame_bytes_max, read_settings, table_sizes
from granian.protocol.http2.states import GONE, RESET, admits
from granian.protocol.http2.streams import ALL, NOTHING, Stream

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, MultiplexedEvents, ResponseDefaults
    from granian.protocol.limits import Http2Limits

_NO_HEAD = RequestHead()
_NO_HEAD.content_length = CHUNKED
_HEAD_OF_HEAD = RequestHead()
_HEAD_OF_HEAD.content_length = CHUNKED
_NO_HEAD.method, _HEAD_OF_HEAD.method = 'GET', 'HEAD'


class Http2Receiver(Http2Core):
    """The receiving half of `Http2Fast`."""

    __slots__ = ('_frame_reader', '_untold')

    def __init__(self, limits: Http2Limits, defaults: ResponseDefaults, events: MultiplexedEvents) -> None:
        super().__init__(limits, defaults, events)
        self._frame_reader = FrameReader(self, frame_bytes_max(limits), limits.head_bytes_max)
        # Requests begun in this read whose body is to follow. They are told of at its end, or sooner where another frame
        # than their whole body comes: most bodies are small, and clients send some heads first, then the bodies.
        self._untold: dict[int, RequestHead] = {}

    def receive(self, data: bytes) -> None:
        if self.closing or not data:
            return
        try:
            if self._patience.work:
                self._patience.read()
            self._frame_reader.read(data)
        except ConnectionFault as fault:
            self._tell()
            self._fail(fault.code, fault.reason)
        else:
            if self._untold:
                self._tell()

    def receive_eof(self) -> None:
        # Without a client that grants windows little could be sent; none closes one side and waits.
        if not self.closing:
            self.closing = True
            self._abandon('client closed its side')

    # ── heads ────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_block(self, stream: int, block: bytes, ended: int) -> None:
        ledger = self._ledger
        try:
            if stream <= ledger.last or not stream & 1:
                self._tell()
                self._take_trailers(stream, block, ended=ended)
            elif (
                self._draining or len(ledger.whole) + len(ledger.streams) + len(self._untold) >= self.limits.streams_max
            ):
                self._turn_away(stream, block)
            elif ended:
                if stream - ledger.last > 2:
                    ledger.skipped(stream)
                ledger.last = stream
                head = ledger.whole[stream] = self._reader.read(block, END_STREAM)
                self.streams_open += 1
                self.events.on_request(stream, head, b'', True)
            else:
                ledger.begun(stream)
                self._untold[stream] = self._reader.read(block, 0)
                self.streams_open += 1
        except HpackExcessError:
            raise rules.list_excess() from None
        except HpackError as exc:
            raise ConnectionFault(COMPRESSION_ERROR, str(exc)) from None
        except Refusal as refusal:
            self._refuse_head(stream, refusal, ended=ended)

    def _completes(self, stream: int, body: bytes) -> bool:
        """Tell of a request that is whole with `body`, its only frame of DATA; False: it is none, or has to be looked at."""
        head = self._untold.get(stream)
        size = len(body)
        bound = self.limits.body_bytes_max
        if (
            head is None
            or not size
            or head.content_length not in (size, CHUNKED)
            or (bound is not None and size > bound)
            or not self._inlet.allows(size)
        ):
            return False
        del self._untold[stream]
        self._ledger.whole[stream] = head
        self._inlet.hold(stream, size)
        if self._patience.work:
            self._patience.moved(size)
        self.events.on_request(stream, head, body, True)
        return True

    def _tell(self) -> None:
        """Tell of the requests whose body is still to come."""
        untold = self._untold
        while untold:
            stream = next(iter(untold))
            head = untold.pop(stream)
            self.streams_open -= 1
            self._opened(stream, head, receiving=True)
            self.events.on_request(stream, head, b'', False)

    def _turn_away(self, stream: int, block: bytes) -> None:
        """A request that comes too late, or while too many are open."""
        self._reader.skip(block)
        self._ledger.begun(stream)
        self._reset(stream, REFUSED_STREAM)
        if self._draining or not self._inlet.settled:
            # It may not have known.
            self._patience.spend(FRAME_COST)
        else:
            self._patience.cancelled()

    def _refuse_head(self, stream: int, refusal: Refusal, *, ended: int) -> None:
        """A head that is malformed, or refused with a status."""
        if stream in self._ledger.streams:
            self._spoil(self._ledger.streams[stream], refusal)
            return
        line = rules.request_line(self._reader.fields)
        if refusal.status == 400:
            # RFC 9113 8.1.1
            self._reset(stream, PROTOCOL_ERROR)
            self.events.on_refused(refusal, line)
            self._patience.cancelled()
            return
        head = _HEAD_OF_HEAD if line.startswith(b'HEAD ') else _NO_HEAD
        refused = self._opened(stream, head, receiving=not ended)
        self._answer(refused, refusal)
        self.events.on_refused(refusal, line)

    def _take_trailers(self, stream: int, block: bytes, *, ended: int) -> None:
        ledger = self._ledger
        try:
            wanted = admits(ledger.state(stream), HEADERS, stream) and stream & 1
        except StreamFault:
            self._reader.skip(block)
            raise
        if not wanted:
            self._reader.skip(block)
            if stream & 1:
                return
            # RFC 9113 5.1.1
            raise ConnectionFault(PROTOCOL_ERROR, 'a stream of the client with an even number')
        found = ledger.streams[stream]
        if not ended or found.free:
            # RFC 9113 8.1; 8.5: none come once both ends are connected.
            self._reader.skip(block)
            raise StreamFault(stream, PROTOCOL_ERROR, 'HEADERS that are no trailers')
        self._sends_no_more(found)
        self._end_body(found, self._reader.trailers(block))

    # ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        self._inlet.arrived(size)
        body = unpadded(flags, payload) if flags else payload
        found = self._ledger.streams.get(stream)
        if found is None or not found.receiving:
            # Nobody will take it, but it counts (RFC 9113 5.1, 6.9).
            self._inlet.release(size)
            self._patience.spend(FRAME_COST)
            admits(self._ledger.state(stream), DATA, stream)
            return
        ended = flags & END_STREAM
        if ended:
            self._sends_no_more(found)
        elif not body:
            self._patience.spend(FRAME_COST)
        self._patience.moved(len(body))
        discarded = found.owed is NOTHING
        self._inlet.arrived_on(found, size, 0 if discarded else len(body))
        self._count(found, len(body))
        if found.owed is not NOTHING and body:
            self.events.on_body(stream, body)
        elif discarded and self._discarded(found, len(body)):
            return
        if ended and stream in self._ledger.streams:
            self._end_body(found, [])

    def _discarded(self, stream: Stream, size: int) -> bool:
        """Count what was thrown away; whether that is enough."""
        stream.discarded += size
        enough = stream.ended and stream.receiving and stream.discarded > self.limits.discard_bytes_max
        if enough:
            self._dismiss(stream)
        return enough

    def _count(self, stream: Stream, size: int) -> None:
        """Count what came of a body. Raises StreamFault."""
        stream.received += size
        if stream.declared != CHUNKED and stream.received > stream.declared:
            # RFC 9113 8.1.1
            raise StreamFault(stream.id, PROTOCOL_ERROR, 'body longer than its content-length')
        bound = self.limits.body_bytes_max
        if bound is not None and stream.received > bound and stream.owed is not NOTHING and not stream.free:
            self._spoil(stream, Refusal(413, 'body too large'))

    def _sends_no_more(self, stream: Stream) -> None:
        """The client has ended its side."""
        stream.receiving = False
        self._bodies -= 1

    def _end_body(self, stream: Stream, trailers: Fields) -> None:
        if stream.declared not in (CHUNKED, stream.received):
            # RFC 9113 8.1.1
            raise StreamFault(stream.id, PROTOCOL_ERROR, 'body shorter than its content-length')
        if stream.owed is not NOTHING:
            self.events.on_body_end(stream.id, trailers)
        elif stream.ended:
            self._forget(stream)

    def _spoil(self, stream: Stream, refusal: Refusal) -> None:
        """The body of a request cannot be taken: answer if nothing was sent yet, and take no more of it."""
        owed = stream.owed
        if refusal.status == 400 or owed is not ALL:
            raise StreamFault(stream.id, PROTOCOL_ERROR if refusal.status == 400 else CANCEL, refusal.reason)
        self._answer(stream, refusal)
        self.events.on_gone(stream.id, refusal.reason, refusal.status)

    # ── other frames ─────────────────────────────────────────────────────────────────────────────────────────────

    def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._untold:
            if kind == DATA and flags == END_STREAM and self._completes(stream, payload):
                return
            self._tell()
        if kind == DATA:
            if not stream:
                raise ConnectionFault(PROTOCOL_ERROR, 'DATA without a stream')
            self._on_data(flags, stream, payload)
        elif kind == WINDOW_UPDATE:
            self._on_window(stream, payload)
        elif kind in (PRIORITY, RST_STREAM):
            if not stream:
                raise ConnectionFault(PROTOCOL_ERROR, 'a frame of a stream without one')
            (self._on_reset if kind == RST_STREAM else self._on_priority)(stream, payload)
        elif kind in (SETTINGS, PING, GOAWAY):
            if stream:
                raise ConnectionFault(PROTOCOL_ERROR, 'a frame of the connection on a stream')
            {SETTINGS: self._on_settings, PING: self._on_ping, GOAWAY: self._on_goaway}[kind](flags, payload)
        elif kind == PUSH_PROMISE:
            # RFC 9113 8.4
            raise ConnectionFault(PROTOCOL_ERROR, 'PUSH_PROMISE of a client')
        else:
            # RFC 9113 4.1: unknown types are ignored.
            self._patience.spend(FRAME_COST)

    def on_fragment(self) -> None:
        self._patience.spend(FRAME_COST)

    def on_fault(self, fault: StreamFault) -> None:
        """RFC 9113 5.4.2. Raises ConnectionFault where there were too many."""
        self._end_early(fault.stream, RESET, fault.reason, fault.code)

    def _on_window(self, stream: int, payload: bytes) -> None:
        self._patience.spend(FRAME_COST)
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a bad length')
        count = UINT32.unpack(payload)[0] & STREAM_LARGEST
        if not stream:
            # RFC 9113 6.9
            if not count:
                raise ConnectionFault(PROTOCOL_ERROR, 'WINDOW_UPDATE of nothing')
            if not self._outlet.grow(count):
                raise ConnectionFault(FLOW_CONTROL_ERROR, 'window of the connection too large')
            return
        state = self._ledger.state(stream)
        taken = admits(state, WINDOW_UPDATE, stream)
        if not count and state is not RESET:
            # RFC 9113 6.9: also where the response was whole before it came.
            raise StreamFault(stream, PROTOCOL_ERROR, 'WINDOW_UPDATE of nothing')
        if not taken:
            return
        found = self._ledger.streams.get(stream) or self._promoted(stream)
        if found is not None and not self._outlet.grow_stream(found, count):
            raise StreamFault(stream, FLOW_CONTROL_ERROR, 'window of the stream too large')

    def _on_reset(self, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR, 'RST_STREAM of a bad length')
        self._patience.spend(FRAME_COST)
        if admits(self._ledger.state(stream), RST_STREAM, stream):
            self._end_early(stream, GONE, 'client cancelled the request')

    def _on_priority(self, stream: int, payload: bytes) -> None:
        self._patience.spend(FRAME_COST)
        if len(payload) != 5:
            # RFC 9113 6.3: an error of the stream. One that is idle cannot be reset (6.4).
            if stream in self._ledger.streams or stream in self._ledger.whole:
                raise StreamFault(stream, FRAME_SIZE_ERROR, 'PRIORITY of a bad length')
            raise ConnectionFault(FRAME_SIZE_ERROR, 'PRIORITY of a bad length')
        check_dependency(stream, payload)

    def _on_settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            if payload:
                raise ConnectionFault(FRAME_SIZE_ERROR, 'acknowledgement of SETTINGS with a payload')
            self._patience.spend(FRAME_COST)
            self._inlet.acknowledged()
            return
        settings = read_settings(payload)
        self._patience.spend(SETTINGS_COST)
        self._apply(settings)
        self.output.append(frame(SETTINGS, ACK, 0, b''))

    def _apply(self, pairs: list[tuple[int, int]]) -> None:
        outlet = self._outlet
        settings = dict(pairs)
        for size in table_sizes(pairs):
            self._writer.resize(size)
        outlet.frame_bytes_max = min(settings.get(MAX_FRAME_SIZE, outlet.frame_bytes_max), FRAME_BYTES_LARGEST)
        if INITIAL_WINDOW_SIZE in settings:
            streams = list(self._ledger.streams.values())
            if not outlet.resize(settings[INITIAL_WINDOW_SIZE], streams):
                raise ConnectionFault(FLOW_CONTROL_ERROR, 'window of a stream too large')

    def _on_ping(self, flags: int, payload: bytes) -> None:
        if len(payload) != 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, 'PING of a bad length')
        if not flags & ACK:
            self._patience.spend(FRAME_COST)
            self.output.append(frame(PING, ACK, 0, payload))
        elif self.pings_owed:
            self.pings_owed -= 1
        else:
            self._patience.spend(FRAME_COST)

    def _on_goaway(self, flags: int, payload: bytes) -> None:
        if len(payload) < 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, 'GOAWAY of a bad length')
        # The client begins nothing more. What it began is still served.
        self._draining = True
        self._close_if_idle()

    def _end_early(self, stream: int, state: str, reason: str, code: int = 0) -> None:
        """A stream ends by a RST_STREAM, ours (`code`) or the client's, whatever was going on."""
        found = self._ledger.streams.get(stream) or self._promoted(stream)
        if state is RESET:
            self._reset(stream, code)
        else:
            self._ledger.reset(stream, GONE)
        if found is None:
            self._patience.spend(FRAME_COST)
            return
        owed, found.owed = found.owed, NOTHING
        self._give_up(found)
        if owed is not NOTHING:
            self.events.on_gone(stream, reason)
        if owed is ALL:
            self._patience.cancelled()
