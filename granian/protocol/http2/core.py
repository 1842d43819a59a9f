"""What both halves of `Http2Fast` share: the parts of a connection, and how streams and the connection end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.http2 import rules
from granian.protocol.http2.floods import Patience
from granian.protocol.http2.frames import NO_ERROR, STREAM_LARGEST, goaway_frame, reset_frame, settings_frame
from granian.protocol.http2.heads import HeadReader
from granian.protocol.http2.inlet import Inlet
from granian.protocol.http2.ledger import Ledger
from granian.protocol.http2.outlet import Outlet
from granian.protocol.http2.settings import own_settings
from granian.protocol.http2.states import RESET
from granian.protocol.http2.streams import NOTHING, Stream
from granian.protocol.http2.writer import HeadWriter

if TYPE_CHECKING:
    from granian.protocol.contract import MultiplexedEvents, Refusal, RequestHead, ResponseDefaults
    from granian.protocol.limits import Http2Limits


class Http2Core:
    """The state of a connection."""

    __slots__ = (
        '_bodies', '_draining', '_farewell', '_inlet', '_ledger', '_outlet', '_patience', '_reader',
        '_said_last', '_writer', 'broken', 'closing', 'defaults', 'events', 'limits', 'output', 'partial', 'paused', 'pending', 'pings_owed',
        'streams_open',
    )  # fmt: skip
    # An end that a client announces comes with a frame, and streams may be open still.
    heard_out = False

    def __init__(self, limits: Http2Limits, defaults: ResponseDefaults, events: MultiplexedEvents) -> None:
        self.limits = limits
        self.defaults = defaults
        self.events = events
        self.paused = self.closing = self.broken = self.pending = self.partial = False
        self.pings_owed = self.streams_open = 0
        # Streams of ours whose client may still send.
        self._bodies = 0
        self._draining = self._farewell = False
        # The last stream that the client was told we serve.
        self._said_last = STREAM_LARGEST
        self._ledger = Ledger()
        self._patience = Patience(limits.streams_max)
        self._reader = HeadReader(limits)
        self._writer = HeadWriter(defaults)
        self._outlet = Outlet(
            limits.send_buffer_bytes_max, encode=self._writer.encoded, on_room=events.on_room, on_ended=self._on_sent
        )
        self.output = self._outlet.output
        self.output.append(settings_frame(own_settings(limits)))
        self._inlet = Inlet(limits, self.output)
        self._inlet.open()

    # ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _promoted(self, stream: int) -> Stream | None:
        """The Stream of a request that came whole, from when it is more than a head."""
        head = self._ledger.whole.pop(stream, None)
        if head is None:
            return None
        self.streams_open -= 1
        promoted = self._opened(stream, head, receiving=False)
        promoted.unread = self._inlet.held.pop(stream, 0)
        return promoted

    def _on_sent(self, stream: Stream) -> None:
        """The response is whole and sent."""
        self.streams_open -= 1
        if not stream.receiving:
            self._forget(stream)
            return
        self._inlet.drop(stream)
        left = max(stream.declared - stream.received, stream.discarded)
        if stream.refused or left > self.limits.discard_bytes_max:
            self._dismiss(stream)
        else:
            # As far as the client may still send, it is thrown away; a connection that ends does not wait for it.
            self._close_if_idle()

    def _dismiss(self, stream: Stream) -> None:
        """RFC 9113 8.1: the response is whole, and the rest of the request is not wanted."""
        self._forget(stream)
        self._reset(stream.id, NO_ERROR)

    def _forget(self, stream: Stream) -> None:
        """The stream is closed."""
        del self._ledger.streams[stream.id]
        self._bodies -= stream.receiving
        self._inlet.drop(stream)
        self._outlet.drop(stream)
        self._close_if_idle()

    def _give_up(self, stream: Stream) -> None:
        """The stream was reset."""
        self.streams_open -= not stream.ended
        self._forget(stream)

    def _reset(self, stream: int, code: int) -> None:
        self.output.append(reset_frame(stream, code))
        self._ledger.reset(stream, RESET)

    def _goodbye(self, code: int, reason: str = '') -> None:
        # RFC 9113 6.8: never more than before. The client may have asked again elsewhere for what it began since.
        self._said_last = min(self._said_last, self._ledger.last)
        self.output.append(goaway_frame(self._said_last, code, reason))

    def _fail(self, code: int, reason: str) -> None:
        """RFC 9113 5.4.1"""
        self._goodbye(code, reason)
        self.closing = True
        self._abandon(reason)

    def _abandon(self, reason: str) -> None:
        """Nothing more is sent on any stream."""
        ledger = self._ledger
        owing = sorted(
            [*ledger.whole, *[stream.id for stream in ledger.streams.values() if stream.owed is not NOTHING]]
        )
        for stream in ledger.streams.values():
            self._outlet.drop(stream)
        ledger.whole.clear()
        ledger.streams.clear()
        self._inlet.held.clear()
        self.streams_open = self._bodies = 0
        for stream_id in owing:
            self.events.on_gone(stream_id, reason)

    def _close_if_idle(self) -> None:
        if self._draining and not self.streams_open:
            self.closing = True

    def _opened(self, stream: int, head: RequestHead, *, receiving: bool) -> Stream:
        opened = Stream(
            stream,
            head,
            receiving=receiving,
            granted=self._inlet.stream_granted,
            window_size=self.limits.stream_window_bytes,
        )
        self._ledger.streams[stream] = opened
        self._bodies += receiving
        self.streams_open += 1
        return opened

    def _answer(self, stream: Stream, refusal: Refusal) -> None:
        """Answer in the application's place. What the client still sends of its body is not wanted. Raises ConnectionFault."""
        response, body = rules.refusal_answer(refusal)
        stream.owed = NOTHING
        stream.refused = True
        silent = stream.head.method == 'HEAD'
        self._outlet.head(stream.id, self._writer.final(response, len(body)), end=silent)
        if silent:
            self._outlet.ended(stream)
        else:
            self._outlet.write(stream, body)
            self._outlet.end(stream, [])
        self._patience.refused(refusal.status)
