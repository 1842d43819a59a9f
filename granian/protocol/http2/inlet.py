"""What comes from the client: how much it may send, and when it is told that it may send more (RFC 9113 5.2, 6.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.http2.frames import (
    FLOW_CONTROL_ERROR,
    WINDOW_BYTES_DEFAULT,
    ConnectionFault,
    StreamFault,
    window_frame,
)

if TYPE_CHECKING:
    from granian.protocol.http2.streams import Stream
    from granian.protocol.limits import Http2Limits

# An adaptive window grows up to this.
ADAPTIVE_BYTES_MAX = 8 * 1024 * 1024


class Inlet:
    """The receiving side of a connection: the windows we grant."""

    __slots__ = (
        '_adaptive',
        '_credit',
        '_granted',
        '_output',
        '_stream_window_size',
        '_window_size',
        'held',
        'settled',
        'stream_granted',
        'unread',
    )

    def __init__(self, limits: Http2Limits, output: list[bytes]) -> None:
        self._adaptive = limits.adaptive_window
        self._output = output
        # Of the connection: bytes the client may still send, as many as it may at most, those to tell it of, those not taken.
        self._granted = WINDOW_BYTES_DEFAULT
        self._window_size = max(limits.connection_window_bytes, WINDOW_BYTES_DEFAULT)
        self._credit = self._window_size - WINDOW_BYTES_DEFAULT
        self.unread = 0
        # Of those not taken, the bodies of requests that came whole, by stream.
        self.held: dict[int, int] = {}
        self.settled = False
        self._stream_window_size = limits.stream_window_bytes
        # RFC 9113 6.9.3: until the client has acknowledged our settings, it may have sent as much as it may without them.
        self.stream_granted = max(limits.stream_window_bytes, WINDOW_BYTES_DEFAULT)

    def open(self) -> None:
        """Grant the connection its window."""
        if self._credit:
            self._tell()

    def acknowledged(self) -> None:
        """The client knows our settings."""
        self.settled = True
        self.stream_granted = self._stream_window_size

    def allows(self, size: int) -> bool:
        """Whether so much may come now, on a stream of its own."""
        return size <= self._granted and size <= self.stream_granted

    def hold(self, stream: int, size: int) -> None:
        """A body this inlet `allows` came whole."""
        self._granted -= size
        self.unread += size
        self.held[stream] = size

    def let_go(self, stream: int, count: int | None = None) -> None:
        """The application took so much of a body that is held; None: nobody will take what is left of it."""
        left = self.held.pop(stream, 0)
        count = left if count is None else min(count, left)
        if count < left:
            self.held[stream] = left - count
        self.unread -= count
        self.release(count)

    def arrived(self, size: int) -> None:
        """DATA of this payload came, on whatever stream. Raises ConnectionFault."""
        self._granted -= size
        if self._granted < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, 'more DATA than the connection was granted')

    def arrived_on(self, stream: Stream, size: int, body_bytes: int) -> None:
        """… on this one, `body_bytes` of which the application will take. Raises StreamFault."""
        stream.granted -= size
        if stream.granted < 0:
            raise StreamFault(stream.id, FLOW_CONTROL_ERROR, 'more DATA than the stream was granted')
        stream.unread += body_bytes
        self.unread += body_bytes
        if size > body_bytes:
            self._release(stream, size - body_bytes)

    def took(self, stream: Stream, count: int) -> None:
        """The application took so much."""
        count = min(count, stream.unread)
        stream.unread -= count
        self.unread -= count
        self._release(stream, count)

    def drop(self, stream: Stream) -> None:
        """Nobody will take what is left."""
        count, stream.unread = stream.unread, 0
        self.unread -= count
        self.release(count)

    def release(self, count: int) -> None:
        """Let the client send so much more, over all streams."""
        self._credit += count
        if 2 * self._credit >= self._window_size:
            if self._adaptive and not self.unread:
                self._credit += self._growth(self._window_size)
                self._window_size += self._growth(self._window_size)
            self._tell()

    def _release(self, stream: Stream, count: int) -> None:
        self.release(count)
        stream.credit += count
        if stream.receiving and 2 * stream.credit >= stream.window_size:
            if self._adaptive and not stream.unread:
                stream.credit += self._growth(stream.window_size)
                stream.window_size += self._growth(stream.window_size)
            self._output.append(window_frame(stream.id, stream.credit))
            stream.granted += stream.credit
            stream.credit = 0

    def _growth(self, size: int) -> int:
        return max(0, min(size, ADAPTIVE_BYTES_MAX - size))

    def _tell(self) -> None:
        self._output.append(window_frame(0, self._credit))
        self._granted += self._credit
        self._credit = 0
