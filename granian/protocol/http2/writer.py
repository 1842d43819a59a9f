"""The heads of the responses of one HTTP/2 connection as HPACK has them, with a memory of what repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.hpack.encoder import HpackEncoder, literal
from granian.protocol.http2 import rules
from granian.protocol.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    HEADERS,
    STREAM_AT,
    pack_head,
)
from granian.protocol.responses import SECRET_FIELDS

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, ResponseDefaults
    from granian.protocol.responses import ResponseHead

# Response heads whose blocks are remembered, and those that were sent once.
RESPONSES_MAX = 64

# Content-Length as HPACK has it.
_lengths: dict[int, bytes] = {}
_LENGTHS_MAX = 4096


class HeadWriter:
    """Turns response heads into blocks."""

    __slots__ = ('_blocks', '_changes', '_date', '_defaults', '_frames', '_once', 'encoder')

    def __init__(self, defaults: ResponseDefaults) -> None:
        self._defaults = defaults
        self.encoder = HpackEncoder()
        # Blocks without content-length and date, as long as the dynamic table stays as it is.
        self._blocks: dict[ResponseHead, bytes] = {}
        self._changes = 0
        self._once: set[ResponseHead] = set()
        # Whole responses but for their streams and bodies, as long as the date stays as it is, too.
        self._frames: dict[tuple[ResponseHead, int], tuple[bytes, bytes]] = {}
        self._date = b''

    def again(self, response: ResponseHead, length: int) -> tuple[bytes, bytes] | None:
        """What stands before the stream and the body, in frames, of a response like one before it; None: use `final`."""
        return self._frames.get((response, length)) if self._date is self._defaults.date_block else None

    def resize(self, bytes_max: int) -> None:
        """The client's SETTINGS_HEADER_TABLE_SIZE."""
        self.encoder.resize(bytes_max)
        self._frames.clear()

    def final(self, response: ResponseHead, length: int | None) -> bytes:
        """The block of a final response; `length`: the content-length to declare. It may be sent in any case."""
        known = None
        if self.encoder.changes != self._changes or self.encoder.resized:
            block = self._renewed(response)
        else:
            known = self._blocks.get(response)
            block = known or self._made(response)
        if length is not None:
            block += _lengths.get(length) or _length(length)
        if not response.has_date:
            block += self._defaults.date_block or self._dated()
        if known is not None and length:
            self._keep_frames(response, length, block)
        return block

    def _keep_frames(self, response: ResponseHead, length: int, block: bytes) -> None:
        if self._date is not self._defaults.date_block or len(self._frames) >= RESPONSES_MAX:
            self._frames.clear()
            self._date = self._defaults.date_block
        if max(length, len(block)) <= FRAME_BYTES_DEFAULT:
            head = pack_head(0, len(block), HEADERS, END_HEADERS, 0)[:STREAM_AT]
            self._frames[response, length] = head, block + pack_head(0, length, DATA, END_STREAM, 0)[:STREAM_AT]

    def encoded(self, fields: Fields) -> bytes:
        """The block of an interim response, or of trailers."""
        encoder = self.encoder
        update = encoder.size_update() if encoder.resized else b''
        return update + encoder.encode(fields)

    def _renewed(self, response: ResponseHead) -> bytes:
        self._blocks.clear()
        self._frames.clear()
        encoder = self.encoder
        self._changes = encoder.changes
        update = encoder.size_update() if encoder.resized else b''
        return update + self._made(response)

    def _made(self, response: ResponseHead) -> bytes:
        fields = [(b':status', b'%d' % response.status), *rules.plain_fields(response)]
        if not response.has_server and self._defaults.server_value:
            fields.append((b'server', self._defaults.server_value))
        known = response in self._once
        block = self.encoder.encode(fields, learn=known)
        if not known:
            # Heads that repeat are the same objects, see `responses.response_head`. Others are not worth an entry.
            if len(self._once) >= RESPONSES_MAX:
                self._once.clear()
            if SECRET_FIELDS.isdisjoint([name for name, _ in fields]):
                self._once.add(response)
        elif self.encoder.changes != self._changes:
            self._frames.clear()
        else:
            if len(self._blocks) >= RESPONSES_MAX:
                self._blocks.clear()
            self._blocks[response] = block
        return block

    def _dated(self) -> bytes:
        defaults = self._defaults
        if defaults.date_value:
            defaults.date_block = literal((b'date', defaults.date_value))
        return defaults.date_block


def _length(length: int) -> bytes:
    block = literal((b'content-length', b'%d' % length))
    if len(_lengths) < _LENGTHS_MAX:
        _lengths[length] = block
    return block
