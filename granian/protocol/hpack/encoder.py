"""HPACK encoding (RFC 7541): fields to blocks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from granian.protocol.hpack import huffman as hpack_huffman
from granian.protocol.hpack.decoder import ENTRY_BYTES_MORE, TABLE_BYTES_DEFAULT
from granian.protocol.hpack.tables import STATIC_FIELDS
from granian.protocol.memory import Memory
from granian.protocol.responses import SECRET_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from granian.protocol.contract import Field

_STATIC_INDEX = {field: index for index, field in reversed(list(enumerate(STATIC_FIELDS, start=1)))}
_STATIC_NAMES = {field[0]: index for index, field in reversed(list(enumerate(STATIC_FIELDS, start=1)))}
# RFC 7541 7.1.3: not to be indexed by whoever passes them on either.
_NEVER_INDEXED = SECRET_FIELDS | {b'cookie', b'proxy-authorization'}
# They differ from response to response: an entry would only push out others.
_NOT_INDEXED = frozenset({
    b'content-length', b'date', b'etag', b'last-modified', b'age', b'expires', b'location', b'content-range',
})  # fmt: skip
# An entry larger than this share of the table is not worth what it pushes out.
_ENTRY_BYTES_MAX = TABLE_BYTES_DEFAULT // 4

# Fields → their literal form, which is the same on every connection.
_literals: Memory[bytes] = Memory(entries_max=512, key_bytes_max=256)


class HpackEncoder:
    """The encoding end of one direction of one connection. Its table only grows: when it is full, it is left alone."""

    __slots__ = (
        '_bytes',
        '_bytes_max',
        '_entries',
        '_lowest',
        '_numbers',
        '_sent_bytes_max',
        '_total',
        'changes',
        'resized',
    )

    def __init__(self) -> None:
        # Oldest first, and for each entry how many came before it.
        self._entries: deque[Field] = deque()
        self._numbers: dict[Field, int] = {}
        self._total = 0
        self._bytes = 0
        self._bytes_max = self._sent_bytes_max = self._lowest = TABLE_BYTES_DEFAULT
        # The peer has to be told of another size, by `size_update` before the next block.
        self.resized = False
        # Counts the changes of the table: while it stays the same, fields become the same block.
        self.changes = 0

    def resize(self, bytes_max: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE. More than the usual is not made use of."""
        bytes_max = min(bytes_max, TABLE_BYTES_DEFAULT)
        self._bytes_max = bytes_max
        # RFC 7541 4.2: the smallest size in between has to be told too.
        self._lowest = min(self._lowest, bytes_max)
        self.resized = self._lowest != self._sent_bytes_max or bytes_max != self._sent_bytes_max
        self._evict(bytes_max)

    def size_update(self) -> bytes:
        """What goes before the next block where `resized`."""
        sizes = [self._bytes_max]
        if self._lowest < min(self._bytes_max, self._sent_bytes_max):
            sizes.insert(0, self._lowest)
        self._sent_bytes_max = self._lowest = self._bytes_max
        self.resized = False
        return b''.join([_integer(size, 31, 0x20) for size in sizes])

    def encode(self, fields: Iterable[Field], *, learn: bool = False) -> bytes:
        """The block of these fields. `learn`: make entries of those that are likely to come again."""
        return b''.join([self._field(field, learn) for field in fields])

    def _field(self, field: Field, learn: bool) -> bytes:
        index = _STATIC_INDEX.get(field)
        if index is None:
            number = self._numbers.get(field)
            if number is None:
                return self._added(field) if learn and self._is_worth_it(field) else literal(field)
            # RFC 7541 2.3.3: the newest entry follows the static table.
            index = len(STATIC_FIELDS) + self._total - number
        return _integer(index, 127, 0x80)

    def _is_worth_it(self, field: Field) -> bool:
        size = len(field[0]) + len(field[1]) + ENTRY_BYTES_MORE
        if field[0] in _NOT_INDEXED or field[0] in _NEVER_INDEXED or size > _ENTRY_BYTES_MAX:
            return False
        return self._bytes + size <= self._bytes_max

    def _added(self, field: Field) -> bytes:
        self._entries.append(field)
        self._numbers[field] = self._total
        self._total += 1
        self._bytes += len(field[0]) + len(field[1]) + ENTRY_BYTES_MORE
        self.changes += 1
        return _literal(field, 63, 0x40)

    def _evict(self, bytes_max: int) -> None:
        while self._bytes > bytes_max:
            field = self._entries.popleft()
            del self._numbers[field]
            self._bytes -= len(field[0]) + len(field[1]) + ENTRY_BYTES_MORE
            self.changes += 1


def literal(field: Field) -> bytes:
    """A field as it is encoded without the dynamic table."""
    block = _literals.recent.get(field) or _literals.recall(field)
    if block is None:
        if field[0] in _NEVER_INDEXED:
            return _literal(field, 15, 0x10)
        block = _literal(field, 15, 0)
        if field[0] not in _NOT_INDEXED:
            _literals.keep(field, block, len(field[0]) + len(field[1]))
    return block


def _literal(field: Field, prefix: int, mark: int) -> bytes:
    name, value = field
    index = _STATIC_NAMES.get(name, 0)
    return _integer(index, prefix, mark) + (b'' if index else _string(name)) + _string(value)


def _string(text: bytes) -> bytes:
    """RFC 7541 5.2: coded where that is shorter."""
    coded = hpack_huffman.encode(text)
    if len(coded) < len(text):
        return _integer(len(coded), 127, 0x80) + coded
    return _integer(len(text), 127, 0) + text


def _integer(value: int, prefix: int, mark: int) -> bytes:
    """RFC 7541 5.1"""
    if value < prefix:
        return bytes((mark | value,))
    octets = [mark | prefix]
    value -= prefix
    while value > 127:
        octets.append(value & 127 | 128)
        value >>= 7
    octets.append(value)
    return bytes(octets)
