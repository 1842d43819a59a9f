"""Messages deflated and inflated: zlib's streams, held only as long as they are needed (RFC 7692 7.2)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from granian.protocol.websocket.contract import BAD_DATA, TOO_BIG
from granian.protocol.websocket.frames import Fault

if TYPE_CHECKING:
    from granian.protocol.limits import DeflateSettings
    from granian.protocol.websocket.contract import DeflateTerms

# RFC 7692 7.2.1: what every flush ends in, and nobody sends.
TAIL = b'\x00\x00\xff\xff'
# RFC 7692 7.2.3.4: after a block that calls itself the last stands the head of an empty one, which some leave out. With more
# than that a client could make us begin anew for every other byte.
_REST = (b'', b'\x00', TAIL, b'\x00' + TAIL)


# Larger ones are not remembered.
PREPARED_BYTES_MAX = 64 * 1024


class Inflater:
    """The messages of one peer, inflated piece by piece; never beyond the bound it is given."""

    __slots__ = ('_bits', '_takeover', '_zlib')

    def __init__(self, terms: DeflateTerms) -> None:
        self._bits = -terms.client_window_bits
        self._takeover = terms.client_takeover
        # None between messages that do not refer to each other: then no memory is held.
        self._zlib: zlib._Decompress | None = None

    def inflate(self, data: bytes | bytearray, room: int, *, last: bool) -> bytes:
        """What some of a message inflates to; `last`: it ends here. Raises Fault, where it has more than `room` bytes too."""
        stream = self._zlib
        if stream is None:
            stream = self._zlib = zlib.decompressobj(self._bits)
        try:
            plain = stream.decompress(data + TAIL if last and not stream.eof else data, room + 1)
        except zlib.error:
            raise Fault(BAD_DATA, 'message does not inflate') from None
        if len(plain) > room:
            raise Fault(TOO_BIG, 'message too large')
        if stream.eof and stream.unused_data not in _REST:
            raise Fault(BAD_DATA, 'message goes on after its last block')
        if last and (stream.eof or not self._takeover):
            self._zlib = None
        return plain


class Prepared:
    """A message that was deflated without those before it."""

    __slots__ = ('deflated', 'how', 'plain')

    def __init__(self, plain: bytes, how: tuple[int, int, int], deflated: bytes) -> None:
        self.plain = plain
        self.how = how
        self.deflated = deflated


class _LastPrepared:
    """One for all sessions: a broadcast is deflated once. Threads that race deflate once more at worst."""

    __slots__ = ('recent',)
    recent: Prepared | None

    def __init__(self) -> None:
        self.recent = None


_prepared = _LastPrepared()


class Deflater:
    """The messages to one peer, deflated."""

    __slots__ = ('_how', '_takeover', '_zlib', 'message_bytes_min')

    def __init__(self, terms: DeflateTerms, settings: DeflateSettings) -> None:
        # Level, window and memory, as zlib is told.
        self._how = (settings.level, -terms.server_window_bits, settings.memory_level)
        self._takeover = terms.server_takeover
        # An empty message never is: zlib says nothing where it is flushed twice.
        self.message_bytes_min = max(settings.message_bytes_min, 1)
        self._zlib: zlib._Compress | None = None

    def deflate(self, data: bytes) -> bytes:
        """A whole message."""
        if self._takeover:
            if self._zlib is None:
                self._zlib = self._begun()
            return _deflated(self._zlib, data)
        if len(data) > PREPARED_BYTES_MAX:
            return _deflated(self._begun(), data)
        last = _prepared.recent
        if last is None or last.plain != data or last.how != self._how:
            last = _prepared.recent = Prepared(data, self._how, _deflated(self._begun(), data))
        return last.deflated

    def _begun(self) -> zlib._Compress:
        level, bits, memory_level = self._how
        return zlib.compressobj(level, zlib.DEFLATED, bits, memory_level)


def _deflated(stream: zlib._Compress, data: bytes) -> bytes:
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]
