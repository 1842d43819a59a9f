"""What both halves of `Http2H2` share: the state of a connection, and how streams and the connection end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from granian.protocol.http2 import h2_setup, rules
from granian.protocol.http2.floods import Patience
from granian.protocol.http2.h2_gate import FrameGate
from granian.protocol.http2.h2_sending import Sending
from granian.protocol.http2.h2_setup import with_secrets
from granian.protocol.http2.streams import ALL, NOTHING
from granian.protocol.limits import HTTP2_WINDOW_BYTES_LEAST

if TYPE_CHECKING:
    from granian.protocol.contract import MultiplexedEvents, RequestHead, ResponseDefaults
    from granian.protocol.limits import Http2Limits
    from granian.protocol.responses import ResponseHead


class H2Stream:
    """A stream whose request or response is not whole."""

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


class H2Core:
    """The state of a connection."""

    heard_out = False

    def __init__(self, limits: Http2Limits, defaults: ResponseDefaults, events: MultiplexedEvents) -> None:
        self.limits = limits
        self.defaults = defaults
        self.events = events
        self.output: list[bytes] = []
        self.paused = self.closing = self.broken = self.pending = False
        self.pings_owed = self.streams_open = 0
        self._h2 = h2_setup.connection(limits)
        self._patience = Patience(limits.streams_max)
        self._gate = FrameGate(limits, self._patience)
        self._sending = Sending(self._h2, limits.send_buffer_bytes_max)
        # Those whose request or response is not whole.
        self._streams: dict[int, H2Stream] = {}
        self._last = 0
        self._window = limits.connection_window_bytes
        self._draining = self._begun = False

    def _begin_connection(self) -> None:
        if not self._begun:
            self._begun = True
            self._h2.initiate_connection()
            h2_setup.await_acknowledgement(self._h2, self.limits)
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

    def _send_head(self, number: int, response: ResponseHead, length: int | None, *, ended: bool) -> None:
        stream = self._streams.get(number)
        if stream is not None and stream.head.method == 'CONNECT' and response.status < 300:
            # RFC 9110 8.6
            length = None
        fields = rules.response_fields(response, length, self.defaults)
        self._h2.send_headers(number, with_secrets(fields), end_stream=ended)
        self._collect()

    def _acknowledge(self, number: int, count: int) -> None:
        if count:
            self._h2.acknowledge_received_data(count, number)
            self._collect()

    def _discard(self, number: int, stream: H2Stream) -> None:
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

    # ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answered(self, number: int, stream: H2Stream) -> None:
        """The response is whole and was put out."""
        stream.owed = NOTHING
        self._acknowledge(number, stream.unread)
        stream.unread = 0
        self._discard(number, stream)
        self._settle_one()

    def _reset(self, number: int, code: ErrorCodes) -> None:
        self._sending.forget(number)
        stream = self._h2.streams.get(number)
        if stream is not None and not stream.closed:
            self._h2.reset_stream(number, code)
            self._collect()
        elif number in self._streams:
            # The frame that showed the request to be malformed was its last, and its response is whole (RFC 9113 8.1.1).
            self.output.append(RstStreamFrame(number, error_code=code).serialize())

    def _break(self, number: int, code: ErrorCodes, reason: str, status: int = 0) -> None:
        """We reset the stream."""
        sent = self._sending.is_done(number)
        self._reset(number, code)
        self._lose(number, reason, status, sent=sent)

    def _lose(self, number: int, reason: str, status: int = 0, *, sent: bool) -> None:
        """The stream is over, and its exchange learns of it. `sent`: nothing of a response waited."""
        stream = self._streams.pop(number, None)
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
