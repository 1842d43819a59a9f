"""What a lenient parser lets pass and we do not, found in the raw bytes before a parser gets them (RFC 9112)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal
from granian.protocol.http1.chunked import CHUNK_LINE_BYTES_MAX, ChunkSizes
from granian.protocol.requests import FIELD_BYTES, check_trailers, plain_field

if TYPE_CHECKING:
    from granian.protocol.limits import Http1Limits

_bad_white_space = re.compile(rb'\A([0-9A-Fa-f]+)[ \t]+;')

SIZE, DATA, DATA_END, TRAILERS = 'size', 'data', 'data end', 'trailers'


def check_lines(block: bytes) -> None:
    """Refuse bare line ends, control bytes and folded lines in a block of lines that end in CRLF."""
    if block.replace(b'\r\n', b'').translate(None, FIELD_BYTES):
        raise Refusal(400, 'control byte in head')
    if b'\r\n ' in block or b'\r\n\t' in block:
        # RFC 9112 5.2
        raise Refusal(400, 'folded field')


class ChunkGate:
    """Follows the chunked coding of one body and lets pass what is strictly formed."""

    __slots__ = ('_left', '_limits', '_scanned', '_sizes', '_state', 'ended')

    def __init__(self, limits: Http1Limits) -> None:
        self._limits = limits
        self._state = SIZE
        self._sizes = ChunkSizes(limits)
        # Bytes until the state changes.
        self._left = 0
        # So much of the trailers at hand was looked at before.
        self._scanned = 0
        self.ended = False

    def passed(self, data: bytes, pos: int) -> tuple[bytes, int]:
        """The well-formed start of data[pos:], and the position after it: the rest needs more input. Raises Refusal.

        It is as it was sent but for the bad white space a recipient has to remove (RFC 9112 7.1.1).
        """
        step = {SIZE: self._size, DATA: self._data, DATA_END: self._data_end, TRAILERS: self._trailers}
        pieces: list[bytes] = []
        while pos < len(data) and not self.ended:
            sizes = self._state is SIZE
            after = step[self._state](data, pos)
            if after == pos:
                break
            piece = data[pos:after]
            pieces.append(_bad_white_space.sub(rb'\1;', piece, count=1) if sizes else piece)
            pos = after
        return b''.join(pieces), pos

    def _size(self, data: bytes, pos: int) -> int:
        end = data.find(b'\r\n', pos, pos + CHUNK_LINE_BYTES_MAX + 2)
        if end < 0:
            line = data[pos : pos + CHUNK_LINE_BYTES_MAX + 2]
            if len(line) > CHUNK_LINE_BYTES_MAX + 1 or b'\n' in line:
                raise Refusal(400, 'bad chunk size or extension')
            return pos
        self._left = self._sizes.take(data[pos:end])
        self._state = DATA if self._left else TRAILERS
        return end + 2

    def _data(self, data: bytes, pos: int) -> int:
        step = min(self._left, len(data) - pos)
        self._left -= step
        if not self._left:
            self._state = DATA_END
        return pos + step

    def _data_end(self, data: bytes, pos: int) -> int:
        end = data[pos : pos + 2]
        if end not in (b'\r', b'\r\n'):
            raise Refusal(400, 'chunk longer than its size')
        if end == b'\r':
            return pos
        self._state = SIZE
        return pos + 2

    def _trailers(self, data: bytes, pos: int) -> int:
        if data.startswith(b'\r\n', pos):
            self.ended = True
            return pos + 2
        end = data.find(b'\r\n\r\n', max(pos, pos + self._scanned - 3))
        size = (end + 4 if end >= 0 else len(data)) - pos
        if size > self._limits.head_bytes_max:
            raise Refusal(431, 'trailers too large')
        if end < 0:
            self._partial_trailers(data[pos + max(0, self._scanned - 1) :], size)
            return pos
        lines = data[pos:end].split(b'\r\n')
        check_trailers([plain_field(line) for line in lines], self._limits)
        check_lines(data[pos:end])
        self.ended = True
        return end + 4

    def _partial_trailers(self, fresh: bytes, size: int) -> None:
        # Of bytes looked at before, `fresh` has the last one: a CR, perhaps.
        if self._scanned and fresh[0] == 10:
            fresh = fresh[1:]
        if fresh.count(b'\n') != fresh.count(b'\r\n'):
            raise Refusal(400, 'bare LF')
        self._scanned = size
