"""HTTP/2 on the h2 package: what a client sends, and what it means for the streams (RFC 9113 5, 6, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    SettingsAcknowledged,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.stream import StreamClosedBy
from hpack import HPACKError, OversizedHeaderListError

from granian.protocol.contract import CHUNKED, Refusal
from granian.protocol.http2 import h2_setup, rules
from granian.protocol.http2.floods import FRAME_COST
from granian.protocol.http2.frames import (
    DATA,
    HEADERS,
    SETTINGS,
    STREAM_LARGEST,
    WINDOW_BYTES_LARGEST,
    WINDOW_UPDATE,
    ConnectionFault,
)
from granian.protocol.http2.h2_core import H2Core, H2Stream
from granian.protocol.http2.inlet import ADAPTIVE_BYTES_MAX
from granian.protocol.http2.streams import ALL, NOTHING

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, RequestHead

_FORESEEN = frozenset({DATA, HEADERS, WINDOW_UPDATE})
_ENDED = frozenset({StreamClosedBy.SEND_END_STREAM, StreamClosedBy.RECV_END_STREAM})
WINDOW_UPDATE_BYTES = 13


class H2Receiver(H2Core):
    """The receiving half of `Http2H2`."""

    def receive(self, data: bytes) -> None:
        if self.closing:
            return
        self._begin_connection()
        self._patience.read()
        try:
            for frame in self._gate.frames(data, self._h2.highest_inbound_stream_id):
                self._take_frame(frame)
                if self.closing:
                    return
        except ConnectionFault as fault:
            self._end(fault.code, fault.reason)

    def _take_frame(self, frame: bytes) -> None:
        if self._gate.said_goodbye:
            # h2 would send nothing more. RFC 9113 6.8: what has begun may still be answered.
            self._draining = True
            self.closing = not self.streams_open
            return
        if self._is_foreseen(frame[3], frame):
            return
        if frame[3] == SETTINGS:
            # h2 forgets streams that are over as it counts them. Else their windows could overflow (RFC 9113 6.9.2).
            _ = self._h2.open_inbound_streams
            for size in self._gate.table_sizes:
                self._h2.encoder.header_table_size = size
            self._gate.table_sizes = []
        try:
            events = self._h2.receive_data(frame)
        except ProtocolError as error:
            # Its own GOAWAY is not wanted: it does not know a fault of HPACK (RFC 9113 4.3).
            self._h2.clear_outbound_data_buffer()
            if isinstance(error.__cause__, OversizedHeaderListError):
                raise rules.list_excess() from error
            compression = isinstance(error.__cause__, HPACKError)
            code = ErrorCodes.COMPRESSION_ERROR if compression else error.error_code
            raise ConnectionFault(code, str(error)) from error
        self._collect()
        for event in events:
            self._take_event(event)

    def _is_foreseen(self, kind: int, frame: bytes) -> bool:
        """Whether a frame was dealt with here: h2 would answer it otherwise. Raises ConnectionFault."""
        if kind not in _FORESEEN:
            return False
        number = int.from_bytes(frame[5:9], 'big') & STREAM_LARGEST
        if kind != WINDOW_UPDATE:
            if self._h2._stream_closed_by(number) in _ENDED:
                # RFC 9113 5.1
                raise ConnectionFault(ErrorCodes.STREAM_CLOSED, 'a frame on a stream that is closed')
            return False
        stream = self._h2.streams.get(number)
        if stream is None or stream.closed or len(frame) != WINDOW_UPDATE_BYTES:
            return False
        count = int.from_bytes(frame[9:], 'big') & STREAM_LARGEST
        if not count:
            # RFC 9113 6.9
            self._break(number, ErrorCodes.PROTOCOL_ERROR, 'WINDOW_UPDATE of nothing')
        elif stream.outbound_flow_control_window + count > WINDOW_BYTES_LARGEST:
            # RFC 9113 6.9.1
            self._break(number, ErrorCodes.FLOW_CONTROL_ERROR, 'window of the stream too large')
        else:
            return False
        return True

    def _take_event(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._take_request(event.stream_id, event.headers, ended=event.stream_ended is not None)
        elif isinstance(event, DataReceived):
            self._take_data(event.stream_id, event.data, event.flow_controlled_length, ended=bool(event.stream_ended))
        elif isinstance(event, TrailersReceived):
            self._take_trailers(event.stream_id, event.headers)
        elif isinstance(event, StreamReset):
            self._lose(event.stream_id, 'client reset the stream', sent=self._sending.is_done(event.stream_id))
        elif isinstance(event, WindowUpdated):
            self._sending.widened(event.stream_id)
        elif isinstance(event, RemoteSettingsChanged):
            h2_setup.bound_table(self._h2)
            self._sending.widened(0)
        elif isinstance(event, SettingsAcknowledged):
            self._grant_again()
        elif isinstance(event, PingAckReceived):
            self.pings_owed = max(0, self.pings_owed - 1)

    def _grant_again(self) -> None:
        """The client knows of a smaller window: what was taken before may be enough to tell of now."""
        for number in self._streams:
            stream = self._h2.streams.get(number)
            if stream is not None and not stream.closed:
                self._h2._prepare_for_sending(stream.acknowledge_received_data(0))
        self._collect()

    def receive_eof(self) -> None:
        self._lose_all('client closed its side')
        self.closing = True

    # ── heads ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_request(self, number: int, fields: Fields, *, ended: bool) -> None:
        if self._draining or len(self._streams) >= self.limits.streams_max:
            self._reset(number, ErrorCodes.REFUSED_STREAM)
            self._patience.cancelled()
            return
        self._last = number
        fields = [(bytes(name), bytes(value)) for name, value in fields]
        try:
            rules.check_list(fields, self.limits)
            head = rules.request_head(fields, self.limits, ended=ended)
        except Refusal as refusal:
            self._refuse_request(number, refusal, fields, ended=ended)
            return
        self._begin(number, head, ended=ended)

    def _begin(self, number: int, head: RequestHead, *, ended: bool) -> None:
        self._streams[number] = H2Stream(head, whole=ended, window=self.limits.stream_window_bytes)
        self.streams_open += 1
        self.events.on_request(number, head, b'', ended)

    def _refuse_request(self, number: int, refusal: Refusal, fields: Fields, *, ended: bool) -> None:
        self.events.on_refused(refusal, rules.request_line(fields))
        if refusal.status == 400:
            # RFC 9113 8.1.1
            self._reset(number, ErrorCodes.PROTOCOL_ERROR)
            self._patience.cancelled()
            return
        response, body = rules.refusal_answer(refusal)
        if not self._fits(number, body):
            body = b''
        silent = not body or (b':method', b'HEAD') in fields
        self._send_head(number, response, len(body), ended=silent)
        if not silent:
            self._h2.send_data(number, body, end_stream=True)
        if not ended:
            self._reset(number, ErrorCodes.NO_ERROR)
        self._collect()
        self._patience.refused(refusal.status)

    def _fits(self, number: int, body: bytes) -> bool:
        return len(body) <= self._h2.local_flow_control_window(number)

    def _take_trailers(self, number: int, fields: Fields) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.whole = True
        if stream.upgraded:
            # RFC 9113 8.5
            self._break(number, ErrorCodes.PROTOCOL_ERROR, 'HEADERS that are no trailers')
            return
        try:
            fields = [(bytes(name), bytes(value)) for name, value in fields]
            rules.check_list(fields, self.limits)
            trailers = rules.request_trailers(fields, self.limits)
        except Refusal as refusal:
            if refusal.status == 400:
                self._break(number, ErrorCodes.PROTOCOL_ERROR, refusal.reason)
            else:
                self._spoil(number, stream, refusal)
            return
        if self._is_faulty(number, stream):
            return
        if stream.owed is NOTHING:
            self._discard(number, stream)
        else:
            self.events.on_body_end(number, trailers)

    # ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_data(self, number: int, data: bytes, size: int, *, ended: bool) -> None:
        stream = self._streams.get(number)
        if stream is None:
            self._acknowledge(number, size)
            return
        self._acknowledge(number, size - len(data))
        self._patience.moved(len(data))
        if not (data or ended):
            self._patience.spend(FRAME_COST)
        stream.received += len(data)
        stream.whole = ended
        if self._is_faulty(number, stream):
            self._acknowledge(number, len(data))
        elif stream.owed is NOTHING:
            self._acknowledge(number, len(data))
            self._discard(number, stream)
        else:
            if data:
                stream.unread += len(data)
                self.events.on_body(number, data)
            if ended and self._streams.get(number) is stream:
                self.events.on_body_end(number, [])

    def _is_faulty(self, number: int, stream: H2Stream) -> bool:
        length, bound = stream.head.content_length, self.limits.body_bytes_max
        if length != CHUNKED and (stream.received > length or (stream.whole and stream.received != length)):
            # RFC 9113 8.1.1
            self._break(number, ErrorCodes.PROTOCOL_ERROR, 'body of another length than declared')
            return True
        if bound is not None and stream.owed is not NOTHING and stream.received > bound and not stream.upgraded:
            self._spoil(number, stream, Refusal(413, 'body too large'))
            return True
        return False

    def _spoil(self, number: int, stream: H2Stream, refusal: Refusal) -> None:
        """Answer in the application's place if nothing was sent yet, else cut."""
        status = 0
        if stream.owed is ALL:
            status = refusal.status
            self._answer(number, stream, refusal)
        self._break(number, ErrorCodes.NO_ERROR if status else ErrorCodes.CANCEL, refusal.reason, status)
        self._patience.refused(status)

    def _answer(self, number: int, stream: H2Stream, refusal: Refusal) -> None:
        response, body = rules.refusal_answer(refusal)
        if not self._fits(number, body):
            body = b''
        silent = not body or stream.head.method == 'HEAD'
        self._send_head(number, response, len(body), ended=silent)
        if not silent:
            self._h2.send_data(number, body, end_stream=True)
        self._collect()

    def took(self, stream: int, count: int) -> None:
        known = self._streams.get(stream)
        if known is not None:
            # What was not taken when the response was whole is counted already.
            count = min(count, known.unread)
            known.unread -= count
            self._acknowledge(stream, count)
            if self.limits.adaptive_window and not known.unread and not known.whole:
                self._grow(stream, known)

    def _grow(self, number: int, stream: H2Stream) -> None:
        """Where a body is taken as fast as it comes, its windows double with each window's worth of it."""
        if stream.received < stream.window or stream.window >= ADAPTIVE_BYTES_MAX:
            return
        more = min(stream.window, ADAPTIVE_BYTES_MAX - stream.window)
        stream.window += more
        self._h2.increment_flow_control_window(more, number)
        if self._window < stream.window:
            self._h2.increment_flow_control_window(stream.window - self._window)
            self._window = stream.window
        self._collect()
