"""The chunked transfer coding of a request body (RFC 9112 7.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Fields, Refusal
from granian.protocol.requests import SEMICOLON, TOKEN, check_trailers, plain_field

if TYPE_CHECKING:
    from granian.protocol.limits import Http1Limits

# A chunk's size and its extensions. Extensions mean nothing to us (RFC 9112 7.1.1); they may not cost much either.
CHUNK_LINE_BYTES_MAX = 256
# Of a whole body's lines with extensions. Go allows as much.
EXTENSION_BYTES_MAX = 16 * 1024
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_is_chunk_line = re.compile(
    rb'([0-9A-Fa-f]{1,16})(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?)*' % (TOKEN, TOKEN, _QUOTED)
).fullmatch

SIZE, DATA, DATA_END, TRAILERS = 'size', 'data', 'data end', 'trailers'


def chunk_size(line: bytes) -> int:
    """The size a chunk line states. Raises Refusal."""
    match = _is_chunk_line(line)
    if match is None:
        raise Refusal(400, 'bad chunk size or extension')
    return int(match[1], 16)


class ChunkSizes:
    """Adds up what the chunk lines of one body say."""

    __slots__ = ('_body_bytes_max', '_extension_bytes', '_total')

    def __init__(self, limits: Http1Limits) -> None:
        self._body_bytes_max = limits.body_bytes_max
        self._total = self._extension_bytes = 0

    def take(self, line: bytes) -> int:
        """The size that the next chunk line states. Raises Refusal."""
        size = chunk_size(line)
        if SEMICOLON in line:
            self._extension_bytes += len(line)
            if self._extension_bytes > EXTENSION_BYTES_MAX:
                raise Refusal(400, 'too many chunk extensions')
        self._total += size
        if self._body_bytes_max is not None and self._total > self._body_bytes_max:
            raise Refusal(413, 'body too large')
        return size


class ChunkedDecoder:
    """Takes the coding off one body. `ended` once the last chunk and its trailers were there."""

    __slots__ = ('_held', '_left', '_limits', '_scanned', '_sizes', '_state', 'ended', 'trailers')

    def __init__(self, limits: Http1Limits) -> None:
        self._limits = limits
        self._state = SIZE
        self._left = 0
        self._sizes = ChunkSizes(limits)
        # The start of a line whose end has not arrived.
        self._held = b''
        # So much of the trailers held is known to hold neither their end nor a bare LF.
        self._scanned = 0
        self.ended = False
        self.trailers: Fields = []

    def decode(self, data: bytes, pos: int) -> tuple[bytes, int]:
        """Body bytes found in data[pos:], and the position after what was used: all of it, unless `ended`."""
        held = len(self._held)
        if held:
            data, offset = self._held + data[pos:], pos - held
            pos, self._held = 0, b''
        else:
            offset = 0
        parts: list[bytes] = []
        while not self.ended:
            if self._state is DATA:
                piece = data[pos : pos + self._left]
                parts.append(piece)
                pos += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = DATA_END
            after = self._take_line(data, pos)
            if after < 0:
                self._held = data[pos:]
                pos = len(data)
                break
            pos = after
        return b''.join(parts) if len(parts) != 1 else parts[0], pos + offset

    def _take_line(self, data: bytes, pos: int) -> int:
        """The position after the line at `pos`, or -1 where it is not whole yet."""
        if self._state is SIZE:
            return self._take_size(data, pos)
        if self._state is DATA_END:
            if data.startswith(b'\r\n', pos):
                self._state = SIZE
                return pos + 2
            if b'\r\n'.startswith(data[pos:]):
                return -1
            raise Refusal(400, 'chunk longer than its size')
        return self._take_trailers(data, pos)

    def _take_size(self, data: bytes, pos: int) -> int:
        end = data.find(b'\r\n', pos, pos + CHUNK_LINE_BYTES_MAX + 2)
        if end < 0:
            # One more: the CR of a line of exactly that length.
            if len(data) - pos > CHUNK_LINE_BYTES_MAX + 1 or b'\n' in data[pos:]:
                raise Refusal(400, 'bad chunk size or extension')
            return -1
        self._left = self._sizes.take(data[pos:end])
        self._state = DATA if self._left else TRAILERS
        return end + 2

    def _take_trailers(self, data: bytes, pos: int) -> int:
        if data.startswith(b'\r\n', pos):
            self.ended = True
            return pos + 2
        end = data.find(b'\r\n\r\n', max(pos, pos + self._scanned - 3))
        if (end + 4 if end >= 0 else len(data)) - pos > self._limits.head_bytes_max:
            raise Refusal(431, 'trailers too large')
        if end < 0:
            self._check_partial_trailers(data, pos)
            return -1
        self.trailers = check_trailers([plain_field(line) for line in data[pos:end].split(b'\r\n')], self._limits)
        self.ended = True
        return end + 4

    def _check_partial_trailers(self, data: bytes, pos: int) -> None:
        """Refuse what can no longer become trailers, looking at each byte once."""
        fresh = pos + self._scanned
        if self._scanned and data[fresh - 1] == 13:
            fresh -= 1
        if data.count(b'\n', fresh) != data.count(b'\r\n', fresh):
            raise Refusal(400, 'bare LF')
        self._scanned = len(data) - pos
