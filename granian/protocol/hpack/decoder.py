"""HPACK decoding (RFC 7541): blocks to fields, with the dynamic table that both ends keep the same."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from granian.protocol.hpack import huffman as hpack_huffman
from granian.protocol.hpack.tables import STATIC_FIELDS

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields

# RFC 7541 4.1: what an entry counts for beside its name and its value.
ENTRY_BYTES_MORE = 32
# What SETTINGS_HEADER_TABLE_SIZE is unless set (RFC 9113 6.5.2). We leave it at that.
TABLE_BYTES_DEFAULT = 4096
# RFC 7541 5.1 wants a bound on integers. Bytes after the prefix: values up to 2^28 and more.
INTEGER_BYTES_MAX = 4
# Huffman-coded strings that are remembered, and how long one may be. Never beyond the connection.
TEXTS_MAX = 64
TEXT_BYTES_MAX = 64
# Shorter ones are decoded by table as fast.
INFLATED_BYTES_MIN = 10

# RFC 7541 6.1: fields that are an index in seven bits each.
_indices = re.compile(rb'[\x81-\xfe]+').match

# What has index i stands at 128 + i, so that a byte that is an index in seven bits says where by itself. No index is 0.
_TOP = 128
_NO_FIELDS: Fields = [(b'', b'')] * (_TOP + 1)
NEWEST = _TOP + 1 + len(STATIC_FIELDS)


class HpackError(ValueError):
    """A block that cannot be decoded: what follows it cannot be either (RFC 9113 4.3: COMPRESSION_ERROR)."""


class HpackExcessError(HpackError):
    """A block that stands for far more than anybody wants, and was not decoded to its end."""


class HpackDecoder:
    """The decoding end of one direction of one connection."""

    __slots__ = (
        '_bytes', '_bytes_max', '_fields_max', '_inflates', '_limit', '_table', '_texts', 'changes', 'entry_bytes_max',
    )  # fmt: skip

    def __init__(self, table_bytes_max: int = TABLE_BYTES_DEFAULT, *, fields_max: int = sys.maxsize) -> None:
        # Over this a block is left undecoded, and nothing can be decoded after it.
        self._fields_max = fields_max
        # The static table, then the dynamic one, newest entry first.
        self._table: list[Field] = [*_NO_FIELDS, *STATIC_FIELDS]
        self._bytes = 0
        self._bytes_max = self._limit = table_bytes_max
        # No entry was ever larger than this.
        self.entry_bytes_max = 64
        self._texts: dict[bytes, bytes] = {}
        self._inflates = True
        # Counts the changes of the table: while it stays the same, a block stands for the same fields.
        self.changes = 0

    def decode(self, block: bytes) -> Fields:
        """The fields of a block, in order. Raises HpackError."""
        table = self._table
        fields: Fields = []
        pos = 0
        end = len(block)
        # A field takes a byte at least.
        may_be_many = end > self._fields_max
        try:
            while pos < end:
                if may_be_many and len(fields) > self._fields_max:
                    break
                byte = block[pos]
                if byte > 128 and (indices := _indices(block, pos)):
                    start, pos = pos, indices.end()
                    fields += map(table.__getitem__, block[start:pos])
                elif byte < 32:
                    # RFC 7541 6.2.2, 6.2.3: without indexing, and never to be indexed.
                    pos = self._literal(block, pos, 15, fields)
                elif byte >= 128:
                    pos = self._indexed(block, pos, fields)
                elif byte >= 64:
                    pos = self._added(block, pos, fields)
                else:
                    if fields:
                        # RFC 7541 4.2
                        raise HpackError('table size update after a field')
                    pos = self._resize(block, pos)
        except IndexError:
            raise HpackError('no such index, or a block that ends too soon') from None
        if may_be_many and len(fields) > self._fields_max:
            raise HpackExcessError('far too many fields')
        return fields

    def _indexed(self, block: bytes, pos: int, fields: Fields) -> int:
        index, pos = _integer(block, pos, 127)
        fields.append(self._at(index))
        return pos

    def _at(self, index: int) -> Field:
        # RFC 7541 6.1: there is no index 0.
        if index == 0:
            raise HpackError('no such index')
        return self._table[_TOP + index]

    def _added(self, block: bytes, pos: int, fields: Fields) -> int:
        """RFC 7541 6.2.1: a field that becomes the newest entry."""
        pos = self._literal(block, pos, 63, fields)
        field = fields[-1]
        size = len(field[0]) + len(field[1]) + ENTRY_BYTES_MORE
        self.changes += 1
        # RFC 7541 4.4: room is made first; what is larger than the table empties it and is no entry.
        if self._bytes + size > self._bytes_max:
            self._evict(self._bytes_max - size)
        if size <= self._bytes_max:
            self._table.insert(NEWEST, field)
            self._bytes += size
            self.entry_bytes_max = max(self.entry_bytes_max, size)
        return pos

    def _resize(self, block: bytes, pos: int) -> int:
        """RFC 7541 6.3"""
        size, pos = _integer(block, pos, 31)
        if size > self._limit:
            raise HpackError('table size over SETTINGS_HEADER_TABLE_SIZE')
        self.changes += 1
        self._bytes_max = size
        self._evict(size)
        return pos

    def _evict(self, bytes_max: int) -> None:
        """RFC 7541 4.3: drop the oldest entries until no more than this is left."""
        table = self._table
        while self._bytes > bytes_max and len(table) > NEWEST:
            name, value = table.pop()
            self._bytes -= len(name) + len(value) + ENTRY_BYTES_MORE

    def _literal(self, block: bytes, pos: int, prefix: int, fields: Fields) -> int:
        index = block[pos] & prefix
        if index == 0:
            name, pos = self.string(block, pos + 1)
        elif index < prefix:
            # A name, or IndexError.
            name = self._table[_TOP + index][0]
            pos += 1
        else:
            index, pos = _integer(block, pos, prefix)
            name = self._at(index)[0]
        value, pos = self.string(block, pos)
        fields.append((name, value))
        return pos

    def string(self, block: bytes, pos: int) -> tuple[bytes, int]:
        """The string literal at `pos`, and the position after it (RFC 7541 5.2). Raises HpackError, IndexError."""
        first = block[pos]
        size = first & 127
        if size < 127:
            pos += 1
        else:
            size, pos = _integer(block, pos, 127)
        end = pos + size
        if end > len(block):
            raise HpackError('string longer than its block')
        raw = block[pos:end]
        if first < 128:
            return raw, end
        return self._texts.get(raw) or self._text(raw), end

    def _text(self, raw: bytes) -> bytes:
        text = self.text(raw)
        if len(raw) <= TEXT_BYTES_MAX:
            if len(self._texts) >= TEXTS_MAX:
                self._texts.clear()
            self._texts[raw] = text
        return text

    def text(self, raw: bytes) -> bytes:
        """A Huffman-coded string that is likely not to come again. Raises HpackError."""
        if self._inflates and len(raw) >= INFLATED_BYTES_MIN:
            text = hpack_huffman.inflate(raw)
            if text is not None:
                return text
            # A client that sends what is unusual may send more of it.
            self._inflates = False
        try:
            return hpack_huffman.decode(raw)
        except hpack_huffman.HuffmanError as exc:
            raise HpackError(*exc.args) from None


def _integer(block: bytes, pos: int, prefix: int) -> tuple[int, int]:
    """The integer whose prefix is in block[pos], and the position after it (RFC 7541 5.1)."""
    value = block[pos] & prefix
    pos += 1
    if value < prefix:
        return value, pos
    for count in range(INTEGER_BYTES_MAX):
        byte = block[pos]
        pos += 1
        value += (byte & 127) << 7 * count
        if byte < 128:
            return value, pos
    raise HpackError('integer too large')
