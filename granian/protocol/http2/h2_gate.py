"""What h2 lets pass and RFC 9113 does not, found in the raw frames before h2 gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from granian.protocol.http2.floods import FRAME_COST, SETTINGS_COST
from granian.protocol.http2.frames import ConnectionFault, check_dependency
from granian.protocol.http2.settings import read_settings, table_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.protocol.http2.floods import Patience
    from granian.protocol.limits import Http2Limits

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, GOAWAY, CONTINUATION = 0, 1, 2, 3, 4, 5, 7, 9
END_HEADERS = 0x4
HEAD_BYTES = 9


class FrameGate:
    """Cuts the input into frames and lets pass those that may come at all."""

    __slots__ = (
        '_block_bytes',
        '_data',
        '_limits',
        '_patience',
        '_preface',
        '_settings',
        'in_head',
        'said_goodbye',
        'table_sizes',
    )

    def __init__(self, limits: Http2Limits, patience: Patience) -> None:
        self._limits = limits
        self._patience = patience
        self._data = b''
        self._preface = self._settings = False
        # Of the header block that is being received.
        self._block_bytes = 0
        # The preface, or a header block, is not whole.
        self.in_head = True
        # The frame handed out last is a GOAWAY.
        self.said_goodbye = False
        # Those of the SETTINGS handed out last, which h2 knows the last of alone.
        self.table_sizes: list[int] = []

    def frames(self, data: bytes, stream_last: int) -> Iterator[bytes]:
        """The whole frames there are by now, the preface first. Raises ConnectionFault."""
        data, pos = self._data + data, 0
        try:
            if not self._preface:
                self._check_preface(data)
                if len(data) < len(PREFACE):
                    return
                self._preface = True
                pos = len(PREFACE)
                yield PREFACE
            while (end := self._frame_end(data, pos)) <= len(data):
                frame, pos = data[pos:end], end
                stream = int.from_bytes(frame[5:HEAD_BYTES], 'big') & 0x7FFFFFFF
                if self._check(frame[3], frame[4], stream, frame[HEAD_BYTES:], stream_last):
                    stream_last = max(stream_last, stream)
                    yield frame
        finally:
            self._data = data[pos:]

    def _check_preface(self, data: bytes) -> None:
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'bad preface')

    def _frame_end(self, data: bytes, pos: int) -> int:
        """Where the frame ends that begins at `pos`, behind all there is where its head is not whole."""
        if len(data) - pos < HEAD_BYTES:
            return len(data) + 1
        size = int.from_bytes(data[pos : pos + 3], 'big')
        if size > self._limits.frame_bytes_max:
            raise ConnectionFault(ErrorCodes.FRAME_SIZE_ERROR, 'frame too large')
        return pos + HEAD_BYTES + size

    def _check(self, kind: int, flags: int, stream: int, payload: bytes, stream_last: int) -> bool:
        """Whether the frame is for h2 to see. Raises ConnectionFault."""
        size = len(payload)
        if kind not in (DATA, HEADERS):
            self._patience.spend(SETTINGS_COST if kind == SETTINGS and not flags & 1 else FRAME_COST)
        if not self._settings:
            if kind != SETTINGS or flags & 1:
                # RFC 9113 3.4
                raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'no SETTINGS after the preface')
            self._settings = True
            self.in_head = False
        if self._block_bytes and kind != CONTINUATION:
            raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'frame inside a header block')
        if kind == CONTINUATION and not self._block_bytes:
            # RFC 9113 6.10
            raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'CONTINUATION outside of a header block')
        if kind in (HEADERS, CONTINUATION):
            self._count_block(flags, size)
        elif kind == SETTINGS and not flags & 1 and not stream:
            # All the values, also those that another one follows.
            self.table_sizes = table_sizes(read_settings(payload))
        elif kind == PUSH_PROMISE:
            # RFC 9113 8.4
            raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'PUSH_PROMISE from a client')
        elif kind == RST_STREAM and (stream > stream_last or not stream & 1):
            # RFC 9113 6.4; h2 lets it pass.
            raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'RST_STREAM on an idle stream')
        elif kind == PRIORITY:
            # RFC 9113 5.3.2: deprecated, and to be ignored.
            if not stream:
                raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'PRIORITY on the connection')
            if size != 5:
                raise ConnectionFault(ErrorCodes.FRAME_SIZE_ERROR, 'bad PRIORITY')
            check_dependency(stream, payload)
            return False
        elif kind == GOAWAY:
            if stream:
                raise ConnectionFault(ErrorCodes.PROTOCOL_ERROR, 'GOAWAY on a stream')
            if size < 8:
                raise ConnectionFault(ErrorCodes.FRAME_SIZE_ERROR, 'bad GOAWAY')
        self.said_goodbye = kind == GOAWAY
        return True

    def _count_block(self, flags: int, size: int) -> None:
        # One more, so that a block whose frames are all empty counts too.
        self._block_bytes += size + 1
        if self._block_bytes > 2 * self._limits.head_bytes_max + HEAD_BYTES:
            raise ConnectionFault(ErrorCodes.ENHANCE_YOUR_CALM, 'header block too large')
        if flags & END_HEADERS:
            self._block_bytes = 0
        self.in_head = bool(self._block_bytes)
