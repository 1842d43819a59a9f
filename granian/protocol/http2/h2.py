"""HTTP/2 on the h2 package: the reference engine (RFC 9113). Policy is `http2.rules`; bodies wait in `http2.sending`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import HPACKError, NeverIndexedHeaderTuple
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import GoAwayFrame

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import CHUNKED, Refusal
from granian.protocol.hpack.decoder import TABLE_BYTES_DEFAULT
from granian.protocol.http2 import rules
from granian.protocol.http2.floods import FRAME_COST, Patience
from granian.protocol.http2.frames import ConnectionFault
from granian.protocol.http2.gate import FrameGate
from granian.protocol.http2.inlet import ADAPTIVE_BYTES_MAX
from granian.protocol.http2.sending import Sending
from granian.protocol.limits import HTTP2_WINDOW_BYTES_LEAST
from granian.protocol.responses import SECRET_FIELDS, whole_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import Field, Fields, MultiplexedEvents, RequestHead, ResponseDefaults
    from granian.protocol.limits import Http2Limits
    from granian.protocol.responses import ResponseHead

# What we still have to send of a stream's response.
NOTHING, ALL, REST = 'nothing', 'all', 'rest'
STREAM_MAX = 2**31 - 1


class _Uncounted(H2Connection):
    """h2 ends the connection over one stream too many; such a stream is refused here (RFC 9113 5.1.2)."""

    @property
    def open_inbound_streams(self) -> int:
        _ = super().open_inbound_streams  # forgets those that are closed
        return 0


class _Stream:
    __slots__ = ('head', 'left', 'owed', 'received', 'silent', 'unread', 'upgraded', 'whole', 'window')

    def __init__(self, head: RequestHead, *, whole: bool, window: int) -> None:
        self.window = window
        self.head = head
        # The request has ended.
        self.whole = whole
        self.owed = ALL
        # Body bytes that came, and of these such as the application did not take.
        self.received = self.unread = 0
        # Body bytes of the response still to be written, where their number was declared.
        self.left: int | None = None
        self.silent = self.upgraded = False


class Http2H2:
    """One HTTP/2 connection. See `contract.MultiplexedEngine`."""

    def __init__(self, limits: Http2Limits, defaults: ResponseDefaults, events: MultiplexedEvents) -> None:
        self.limits = limits
        self.defaults = defaults
        self.events = events
        self.output: list[bytes] = []
        self.paused = self.closing = self.broken = self.pending = False
        self.pings_owed = self.streams_open = 0
        self._h2 = _connection(limits)
        self._patience = Patience(limits.streams_max)
        self._gate = FrameGate(limits, self._patience)
        self._sending = Sending(self._h2, limits.send_buffer_bytes_max)
        # Those whose request or response is not whole.
        self._streams: dict[int, _Stream] = {}
        self._last = 0
        self._window = limits.connection_window_bytes
        self._draining = self._begun = False

    @property
    def phase(self) -> str:
        if self._gate.in_head:
            return 'head'
        if any(not stream.whole for stream in self._streams.values()):
            return 'body'
        return 'busy' if self.streams_open else 'idle'

    @property
    def sendable(self) -> bool:
        return self._sending.sendable

    @property
    def stalled(self) -> bool:
        return self._sending.waiting > 0 and not self._sending.sendable

    @property
    def full(self) -> bool:
        return self._sending.full

    @property
    def progress(self) -> int:
        return self._sending.progress

    def _begin_connection(self) -> None:
        if not self._begun:
            self._begun = True
            self._h2.initiate_connection()
            self._widen()

    def _widen(self) -> None:
        more = self.limits.connection_window_bytes - HTTP2_WINDOW_BYTES_LEAST
        if more > 0:
            self._h2.increment_flow_control_window(more)
        self._collect()

    def _collect(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self.output.append(data)

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

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
        try:
            events = self._h2.receive_data(frame)
        except ProtocolError as error:
            # Its own GOAWAY is not wanted: it does not know a fault of HPACK (RFC 9113 4.3).
            self._h2.clear_outbound_data_buffer()
            compression = isinstance(error.__cause__, HPACKError)
            code = ErrorCodes.COMPRESSION_ERROR if compression else error.error_code
            raise ConnectionFault(code, str(error)) from error
        self._collect()
        for event in events:
            self._take_event(event)

    def _take_event(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._take_request(event.stream_id, event.headers, ended=event.stream_ended is not None)
        elif isinstance(event, DataReceived):
            self._take_data(event.stream_id, event.data, event.flow_controlled_length, ended=bool(event.stream_ended))
        elif isinstance(event, TrailersReceived):
            self._take_trailers(event.stream_id, event.headers)
        elif isinstance(event, StreamReset):
            self._lose(event.stream_id, 'client reset the stream')
        elif isinstance(event, WindowUpdated):
            self._sending.widened(event.stream_id)
        elif isinstance(event, RemoteSettingsChanged):
            self._bound_table()
            self._sending.widened(0)
        elif isinstance(event, PingAckReceived):
            self.pings_owed = max(0, self.pings_owed - 1)

    def _bound_table(self) -> None:
        """Use no larger table than usual, whatever the client allows: it is our memory."""
        encoder = self._h2.encoder
        encoder.header_table_size = min(encoder.header_table_size, TABLE_BYTES_DEFAULT)
        encoder.table_size_changes = [min(size, TABLE_BYTES_DEFAULT) for size in encoder.table_size_changes]

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_request(self, number: int, fields: Fields, *, ended: bool) -> None:
        if self._draining or len(self._streams) >= self.limits.streams_max:
            self._reset(number, ErrorCodes.REFUSED_STREAM)
            self._patience.cancelled()
            return
        self._last = number
        # The length is checked here, as a fault of the stream.
        self._h2.streams[number]._expected_content_length = None
        fields = [(bytes(name), bytes(value)) for name, value in fields]
        try:
            if rules.list_bytes(fields) > self.limits.head_bytes_max:
                raise rules.head_too_large()
            head = rules.request_head(fields, self.limits, ended=ended)
        except Refusal as refusal:
            self._refuse_request(number, refusal, fields, ended=ended)
            return
        self._begin(number, head, ended=ended)

    def _begin(self, number: int, head: RequestHead, *, ended: bool) -> None:
        self._streams[number] = _Stream(head, whole=ended, window=self.limits.stream_window_bytes)
        self.streams_open += 1
        self.events.on_request(number, head, b'', ended=ended)

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

    def _fits(self, number: int, body: bytes) -> bool:
        return len(body) <= self._h2.local_flow_control_window(number)

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

    def _is_faulty(self, number: int, stream: _Stream) -> bool:
        length, bound = stream.head.content_length, self.limits.body_bytes_max
        if length != CHUNKED and (stream.received > length or (stream.whole and stream.received != length)):
            # RFC 9113 8.1.1
            self._reset(number, ErrorCodes.PROTOCOL_ERROR)
            self._lose(number, 'body of another length than declared')
            return True
        if bound is not None and stream.owed is not NOTHING and stream.received > bound and not stream.upgraded:
            self._spoil(number, stream, Refusal(413, 'body too large'))
            return True
        return False

    def _spoil(self, number: int, stream: _Stream, refusal: Refusal) -> None:
        """Answer in the application's place if nothing was sent yet, else cut."""
        status = 0
        if stream.owed is ALL:
            status = refusal.status
            self._answer(number, stream, refusal)
        self._reset(number, ErrorCodes.NO_ERROR if status else ErrorCodes.INTERNAL_ERROR)
        self._lose(number, refusal.reason, status)

    def _answer(self, number: int, stream: _Stream, refusal: Refusal) -> None:
        response, body = rules.refusal_answer(refusal)
        if not self._fits(number, body):
            body = b''
        silent = not body or stream.head.method == 'HEAD'
        self._send_head(number, response, len(body), ended=silent)
        if not silent:
            self._h2.send_data(number, body, end_stream=True)
        self._collect()

    def _take_trailers(self, number: int, fields: Fields) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.whole = True
        try:
            fields = [(bytes(name), bytes(value)) for name, value in fields]
            if rules.list_bytes(fields) > self.limits.head_bytes_max:
                raise rules.head_too_large()
            trailers = rules.request_trailers(fields, self.limits)
        except Refusal as refusal:
            if refusal.status == 400:
                self._reset(number, ErrorCodes.PROTOCOL_ERROR)
                self._lose(number, refusal.reason)
            else:
                self._spoil(number, stream, refusal)
            return
        if self._is_faulty(number, stream):
            return
        if stream.owed is NOTHING:
            self._discard(number, stream)
        else:
            self.events.on_body_end(number, trailers)

    def _discard(self, number: int, stream: _Stream) -> None:
        """The response was whole before the request: what is left of that is thrown away, up to a bound."""
        if not self._sending.is_done(number):
            return
        left = max(stream.received, stream.head.content_length - stream.received)
        if stream.whole:
            self._streams.pop(number, None)
        elif left > self.limits.discard_bytes_max or stream.head.expects_continue:
            # RFC 9113 8.1
            self._reset(number, ErrorCodes.NO_ERROR)
            self._streams.pop(number, None)

    def took(self, stream: int, count: int) -> None:
        known = self._streams.get(stream)
        if known is not None:
            known.unread -= count
            self._acknowledge(stream, count)
            if self.limits.adaptive_window and not known.unread and not known.whole:
                self._grow(stream, known)

    def _grow(self, number: int, stream: _Stream) -> None:
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

    def _acknowledge(self, number: int, count: int) -> None:
        if count:
            self._h2.acknowledge_received_data(count, number)
            self._collect()

    def receive_eof(self) -> None:
        self._lose_all('client closed its side')
        self.closing = True

    # ── endings ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _reset(self, number: int, code: ErrorCodes) -> None:
        self._sending.forget(number)
        stream = self._h2.streams.get(number)
        if stream is not None and not stream.closed:
            self._h2.reset_stream(number, code)
            self._collect()

    def _lose(self, number: int, reason: str, status: int = 0) -> None:
        """The stream is over, and its exchange learns of it."""
        stream = self._streams.pop(number, None)
        sent = self._sending.is_done(number)
        self._sending.forget(number)
        if stream is None:
            return
        self._acknowledge(number, stream.unread)
        if stream.owed is not NOTHING or not sent:
            self._settle_one()
        if stream.owed is not NOTHING:
            self.events.on_gone(number, reason, status)
        if stream.owed is ALL and not status:
            self._patience.cancelled()

    def _lose_all(self, reason: str) -> None:
        for number in tuple(self._streams):
            stream = self._streams.pop(number)
            self._sending.forget(number)
            if stream.owed is not NOTHING:
                self.events.on_gone(number, reason)
        self.streams_open = 0

    def _settle_one(self) -> None:
        self.streams_open -= 1
        if self._draining and not self.streams_open:
            self.closing = True

    def _end(self, code: int, reason: str) -> None:
        """RFC 9113 5.4.1: a fault of the connection."""
        self._goodbye(self._last, code, reason)
        self.closing = True
        self._lose_all(reason)

    def _goodbye(self, last: int, code: int, reason: str = '') -> None:
        # Not by h2, which would send nothing after it.
        self._begin_connection()
        frame = GoAwayFrame(last_stream_id=last, error_code=code, additional_data=reason.encode()[:128])
        self.output.append(frame.serialize())

    def refuse(self, status: int, reason: str) -> None:
        refusal = Refusal(status, reason)
        for number, stream in tuple(self._streams.items()):
            if not stream.whole and stream.owed is not NOTHING:
                self._spoil(number, stream, refusal)
        if self._gate.in_head:
            self.events.on_refused(refusal, rules.request_line([]))
        self.drain()

    def farewell(self) -> None:
        self._goodbye(STREAM_MAX, ErrorCodes.NO_ERROR)

    def drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._goodbye(self._last, ErrorCodes.NO_ERROR)
        self.closing = self.closing or not self.streams_open

    # ── calls in, bytes out ──────────────────────────────────────────────────────────────────────────────────────

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        known = self._known(stream, ALL, 'response already started')
        to_head = known.head.method == 'HEAD'
        length = whole_length(response, body, to_head=to_head)
        ended = to_head or response.bodiless or not body
        self._send_head(stream, response, length, ended=ended)
        if ended:
            self._answered(stream, known)
            return
        known.owed = NOTHING
        self._sending.write(stream, body)
        self._sending.finish(stream)

    def start(self, stream: int, response: ResponseHead) -> None:
        known = self._known(stream, ALL, 'response already started')
        known.silent = response.bodiless or known.head.method == 'HEAD'
        known.left = None if known.silent else response.length
        self._send_head(stream, response, response.length, ended=False)
        known.owed = REST

    def _send_head(self, number: int, response: ResponseHead, length: int | None, *, ended: bool) -> None:
        stream = self._streams.get(number)
        if stream is not None and stream.head.method == 'CONNECT' and response.status < 300:
            # RFC 9110 8.6
            length = None
        self._patience.answered()
        fields = rules.response_fields(response, length, self.defaults)
        self._h2.send_headers(number, _with_secrets(fields), end_stream=ended)
        self._collect()

    def write(self, stream: int, data: bytes) -> None:
        known = self._known(stream, REST, 'response not started or already finished')
        if known.silent or not data:
            return
        if known.left is not None:
            if len(data) > known.left:
                self.abort(stream)
                raise InvalidResponse('body longer than its content-length')
            known.left -= len(data)
        self._sending.write(stream, data)

    def skip(self, stream: int, count: int) -> bool:
        self._known(stream, REST, 'response not started or already finished')
        return False

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        known = self._known(stream, REST, 'response not started or already finished')
        if known.left:
            self.abort(stream)
            raise InvalidResponse(f'body shorter than its content-length by {known.left} bytes')
        fields = rules.response_trailers(trailers)
        known.owed = NOTHING
        if self._sending.finish(stream, fields):
            self._collect()
            self._answered(stream, known)

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        self._known(stream, ALL, 'response already started')
        self._h2.send_headers(stream, rules.response_interim_fields(status, fields))
        self._collect()

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        known = self._known(stream, ALL, 'response already started')
        if not known.head.upgrade or known.head.method != 'CONNECT':
            raise FlowError('no extended CONNECT')
        known.upgraded = True
        known.owed = REST
        self._patience.answered()
        self._h2.send_headers(stream, _with_secrets(rules.upgraded_fields(response, self.defaults)))
        self._collect()

    def abort(self, stream: int) -> None:
        known = self._streams.get(stream)
        if known is not None and (known.owed is not NOTHING or not self._sending.is_done(stream)):
            self._reset(stream, ErrorCodes.CANCEL if known.owed is NOTHING else ErrorCodes.INTERNAL_ERROR)
            self._streams.pop(stream)
            self._acknowledge(stream, known.unread)
            self._settle_one()

    def _known(self, number: int, part: str, reason: str) -> _Stream:
        stream = self._streams.get(number)
        if stream is None or stream.owed is not part:
            raise FlowError(reason)
        return stream

    def _answered(self, number: int, stream: _Stream) -> None:
        """The response is whole and was put out."""
        stream.owed = NOTHING
        self._acknowledge(number, stream.unread)
        stream.unread = 0
        self._discard(number, stream)
        self._settle_one()

    # ── bodies out ───────────────────────────────────────────────────────────────────────────────────────────────

    def produce(self, count: int) -> None:
        before = self._sending.progress
        ended, roomy = self._sending.produce(count)
        self._patience.moved(self._sending.progress - before)
        self._collect()
        for number in ended:
            self._answered(number, self._streams[number])
        for number in roomy:
            self.events.on_room(number)

    def is_blocked(self, stream: int) -> bool:
        return self._sending.is_blocked(stream)

    def flow(self, stream: int) -> tuple[int, int]:
        return self._sending.flow(stream)

    def ping(self) -> None:
        self._begin_connection()
        self.pings_owed += 1
        self._h2.ping(b'granian\0')
        self._collect()

    def take_over(self, head: RequestHead, settings: bytes) -> None:
        if len(settings) % 6:
            raise Refusal(400, 'bad HTTP2-Settings')
        try:
            self._h2.initiate_upgrade_connection(base64.urlsafe_b64encode(settings))
        except (ProtocolError, HyperframeError) as error:
            raise Refusal(400, 'bad HTTP2-Settings') from error
        self._begun = True
        self._widen()
        self._last = 1
        self._begin(1, head, ended=True)


def _connection(limits: Http2Limits) -> H2Connection:
    connection = _Uncounted(
        H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    connection.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams_max,
            SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
            SettingCodes.MAX_FRAME_SIZE: limits.frame_bytes_max,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.head_bytes_max,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
        },
    )
    connection.max_inbound_frame_size = limits.frame_bytes_max
    # Over the limit a request is answered 431; far over it, its block is not even decoded.
    connection.decoder.max_header_list_size = 2 * limits.head_bytes_max
    return connection


def _with_secrets(fields: Fields) -> Fields:
    """RFC 7541 7.1.3: secrets are never put into a table."""
    return [NeverIndexedHeaderTuple(*field) if field[0] in SECRET_FIELDS else field for field in fields]
