"""Bytes to frames: the preface, frames whole and of a fair size, header blocks put together (RFC 9113 3.4, 4)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from granian.protocol.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_HEAD,
    FRAME_HEAD_BYTES,
    FRAME_SIZE_ERROR,
    HEADERS,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    STREAM_LARGEST,
    WITH_PRIORITY,
    ConnectionFault,
    StreamFault,
    unpadded,
    without_priority,
)

if TYPE_CHECKING:
    from typing import Protocol

    class Frames(Protocol):
        """What takes the frames. Raises ConnectionFault, StreamFault."""

        closing: bool
        # Part of a frame or of a header block waits for the rest.
        partial: bool

        def on_block(self, stream: int, block: bytes, ended: int) -> None:
            """A whole header block; `ended`: END_STREAM, or 0."""

        def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
            """Any other frame."""

        def on_fragment(self) -> None:
            """A CONTINUATION."""

        def on_fault(self, fault: StreamFault) -> None: ...


_HEAD_KINDS = frozenset({HEADERS, CONTINUATION})
_WHOLE = END_STREAM | END_HEADERS
# A frame's head with type and flags in one, and these of a frame that is a request by itself.
_unpack_head = Struct('>BHHI').unpack_from
_REQUEST = HEADERS << 8 | _WHOLE
# A header block may be so much larger than the list it stands for may be: enough to answer 431.
BLOCK_BYTES_MORE = 65536


class FrameReader:
    """Cuts what is received into frames."""

    __slots__ = (
        '_block', '_block_bytes', '_block_bytes_max', '_block_ended', '_frame_bytes_max', '_greeted', '_need', '_ordinary',
        '_pieces', '_settled', '_taker', 'block_of', 'have',
    )  # fmt: skip

    def __init__(self, taker: Frames, frame_bytes_max: int, head_bytes_max: int) -> None:
        self._taker = taker
        self._frame_bytes_max = frame_bytes_max
        self._block_bytes_max = head_bytes_max + BLOCK_BYTES_MORE
        # Input that waits until there is so much of it.
        self._pieces: list[bytes] = []
        self.have = 0
        self._need = 0
        # The preface came; so did the SETTINGS it ends with (RFC 9113 3.4).
        self._greeted = self._settled = False
        # Any frame may come next.
        self._ordinary = False
        # The stream whose header block is not whole yet, or 0.
        self.block_of = 0
        self._block: list[bytes] = []
        self._block_bytes = 0
        self._block_ended = 0

    def read(self, data: bytes) -> None:
        """Raises ConnectionFault."""
        size = len(data) - FRAME_HEAD_BYTES
        if self._ordinary and 0 < size <= self._frame_bytes_max and not self.have:
            high, low, kind, stream = _unpack_head(data)
            if kind == _REQUEST and high << 16 | low == size and 0 < stream <= STREAM_LARGEST:
                # Mostly a read is one request without a body.
                try:
                    self._taker.on_block(stream, data[FRAME_HEAD_BYTES:], END_STREAM)
                except StreamFault as fault:
                    self._taker.on_fault(fault)
                return
        if self._pieces:
            self._pieces.append(data)
            self.have += len(data)
            if self.have < self._need:
                return
            data = b''.join(self._pieces)
            self._pieces = []
            self.have = 0
        pos = 0
        if not self._greeted:
            pos = self._take_preface(data)
        if self._greeted:
            pos = self._take_frames(data, pos)
        if pos < len(data) and not self._taker.closing:
            self._pieces.append(data[pos:] if pos else data)
            self.have = len(data) - pos
        self._taker.partial = bool(self.have or self.block_of)

    def _take_preface(self, data: bytes) -> int:
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise ConnectionFault(PROTOCOL_ERROR, 'no connection preface')
        self._need = len(PREFACE)
        self._greeted = len(data) >= len(PREFACE)
        return len(PREFACE) if self._greeted else 0

    def _take_frames(self, data: bytes, pos: int) -> int:
        """Take the whole frames of data[pos:]; the position after them."""
        taker = self._taker
        unpack = FRAME_HEAD.unpack_from
        end = len(data)
        self._need = FRAME_HEAD_BYTES
        while end - pos >= FRAME_HEAD_BYTES:
            high, low, kind, flags, stream = unpack(data, pos)
            size = high << 16 | low
            start = pos + FRAME_HEAD_BYTES
            pos = start + size
            if pos > end or size > self._frame_bytes_max:
                self._check_size(size, kind, stream & STREAM_LARGEST)
                self._need = FRAME_HEAD_BYTES + size
                return start - FRAME_HEAD_BYTES
            stream &= STREAM_LARGEST
            try:
                if kind == HEADERS and self._ordinary and stream:
                    if flags == _WHOLE:
                        taker.on_block(stream, data[start:pos], END_STREAM)
                    elif flags == END_HEADERS:
                        taker.on_block(stream, data[start:pos], 0)
                    else:
                        self._take_headers(stream, flags, data[start:pos])
                elif self._ordinary and kind not in _HEAD_KINDS:
                    taker.on_frame(kind, flags, stream, data[start:pos])
                else:
                    self._take_unusual(kind, flags, stream, data[start:pos])
            except StreamFault as fault:
                taker.on_fault(fault)
            if taker.closing:
                return end
        return pos

    def _check_size(self, size: int, kind: int, stream: int) -> None:
        """Refuse a frame by its head, before the rest of it is there."""
        if size > self._frame_bytes_max:
            # RFC 9113 4.2; for DATA the stream would do, but who sends this does not know our settings.
            raise ConnectionFault(FRAME_SIZE_ERROR, 'frame larger than SETTINGS_MAX_FRAME_SIZE')
        if not self._ordinary:
            self._check_order(kind, stream)

    def _take_unusual(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._check_order(kind, stream)
        if not self._settled:
            self._settled = self._ordinary = True
            if flags & 1:
                raise ConnectionFault(PROTOCOL_ERROR, 'no SETTINGS after the preface')
            self._taker.on_frame(kind, flags, stream, payload)
        elif kind == CONTINUATION:
            self._taker.on_fragment()
            self._add_fragment(flags, payload)
        else:
            raise ConnectionFault(PROTOCOL_ERROR, 'HEADERS without a stream')

    def _check_order(self, kind: int, stream: int) -> None:
        if not self._settled:
            # RFC 9113 3.4
            if kind != SETTINGS:
                raise ConnectionFault(PROTOCOL_ERROR, 'no SETTINGS after the preface')
        elif self.block_of:
            # RFC 9113 4.3, 6.10
            if kind != CONTINUATION or stream != self.block_of:
                raise ConnectionFault(PROTOCOL_ERROR, 'another frame within a header block')
        elif kind == CONTINUATION:
            raise ConnectionFault(PROTOCOL_ERROR, 'CONTINUATION without HEADERS')

    def _take_headers(self, stream: int, flags: int, payload: bytes) -> None:
        payload = unpadded(flags, payload)
        if flags & WITH_PRIORITY:
            payload = without_priority(stream, payload)
        self.block_of = stream
        self._ordinary = False
        self._block_ended = flags & END_STREAM
        self._add_fragment(flags, payload)

    def _add_fragment(self, flags: int, payload: bytes) -> None:
        self._block_bytes += len(payload)
        if self._block_bytes > self._block_bytes_max:
            raise ConnectionFault(ENHANCE_YOUR_CALM, 'header block too large')
        self._block.append(payload)
        if flags & END_HEADERS:
            stream, block = self.block_of, b''.join(self._block)
            self._block = []
            self._block_bytes = self.block_of = 0
            self._ordinary = True
            self._taker.on_block(stream, block, self._block_ended)
