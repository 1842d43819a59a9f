"""The heads of the requests of one HTTP/2 connection, with a memory of what repeats.

A client mostly sends the same fields again but for the path, and perhaps one more field: such a head is the one before
with two fields changed, and only these are looked at. Where the path alone differs, so does the block, and not even the
rest of that is decoded. Nothing of a client's is remembered beyond its connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal, RequestHead
from granian.protocol.hpack.decoder import HpackDecoder
from granian.protocol.http2 import rules
from granian.protocol.requests import FIELD_BYTES, apply_target

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields
    from granian.protocol.limits import Http2Limits

# Blocks that are remembered, and how long one may be.
BLOCKS_MAX = 32
BLOCK_BYTES_MAX = 512
MARKS_MAX = 32
# How many heads of a connection are compared with the one before, in search of the field that changes.
COMPARISONS_MAX = 8

# What stands before a path that is not indexed: fields in a byte each, the literal's first byte (RFC 7541 6.2.2, 6.2.3;
# the static table has `:path` as 4), and then at least one more.
_up_to_path = re.compile(rb'[\x81-\xfe]*[\x04\x14](?=.)', re.DOTALL).match

# What of a block stands before the path, and what after it.
_Around = tuple[bytes, bytes]
# Of a head, all that its target does not say.
_Common = tuple[str, str, 'Fields', 'bytes | None', int, bool, bool, bytes, None, 'tuple[RequestHead, Field]']


class _Shape:
    """What blocks stand for that are alike but for the path."""

    __slots__ = ('after', 'at', 'before', 'common', 'room', 'size')

    def __init__(self, around: _Around, model: RequestHead, room: int) -> None:
        self.before, self.after = around
        # Where the path's length stands, and what such a block has beside the path.
        self.at = len(self.before)
        self.size = self.at + 1 + len(self.after)
        # Its own where the model has none: of the fields, any will do.
        self.common = _common(model, model.fields, model.like or (model, model.fields[0]))
        # How long a path may be for the list to keep its limit.
        self.room = room


class _Memory:
    """What is remembered as long as the dynamic table stays as it is."""

    __slots__ = ('heads', 'last', 'shapes')

    def __init__(self) -> None:
        # Block → head.
        self.heads: dict[bytes, RequestHead] = {}
        # What stands around the path → what such blocks are like; the one met last.
        self.shapes: dict[_Around, _Shape] = {}
        self.last: _Shape | None = None

    def shape_of(self, block: bytes) -> _Shape | None:
        """What this block is like, from now on met last."""
        if self.shapes:
            around = _around_path(block)
            if around in self.shapes:
                self.last = self.shapes[around]
                return self.last
        return None

    def forget(self) -> None:
        self.heads.clear()
        self.shapes.clear()
        self.last = None


class HeadReader:
    """Turns whole blocks into RequestHeads."""

    __slots__ = (
        '_before', '_changes', '_comparisons', '_decoder', '_ended', '_limits', '_memories', '_model', '_name', '_once', '_rest', '_varying',
        'fields',
    )  # fmt: skip

    def __init__(self, limits: Http2Limits) -> None:
        self._limits = limits
        self._decoder = HpackDecoder(fields_max=rules.excess_fields(limits))
        # Of requests with a body, and without one.
        self._memories = (_Memory(), _Memory())
        # Hashes of what came once, of some of it: most never comes again, and is not worth an entry.
        self._once = [0] * MARKS_MAX
        self._changes = 0
        self._comparisons = COMPARISONS_MAX
        # The head that others are like, whether it ended its request, and its list: before the path, and after it.
        self._model: RequestHead | None = None
        self._ended = 0
        self._before: Fields = []
        self._rest: Fields = []
        # Where in `_rest` stands what changes too, and its name; -1: nothing does.
        self._varying = -1
        self._name = b''
        # What was decoded last.
        self.fields: Fields = []

    def read(self, block: bytes, ended: int) -> RequestHead:
        """The head of a request; `ended`: 1 where no body follows, else 0. Raises HpackError, Refusal, ConnectionFault."""
        if self._decoder.changes != self._changes:
            self._forget()
        memory = self._memories[ended]
        head = memory.heads.get(block)
        if head is not None:
            return head
        shape = memory.last
        if shape is None or not (block.startswith(shape.before) and block.endswith(shape.after)):
            shape = memory.shape_of(block)
            if shape is None:
                return self._read_anew(block, ended, memory)
        at = shape.at
        first = block[at]
        size = len(block) - shape.size
        # RFC 7541 5.2: the upper bit says that it is Huffman-coded. A length of more than a byte is left to the decoder.
        if first & 127 == size and 0 < size < 127:
            path = block[at + 1 : at + 1 + size]
            if first > 127:
                path = self._decoder.text(path)
            if path[:1] == b'/' and len(path) <= shape.room:
                try:
                    head = _aimed(shape.common, path, self._limits)
                except Refusal:
                    # What is logged of it.
                    self.fields = self._decoder.decode(block)
                    raise
                mark = hash(block)
                once, slot = self._once, mark % MARKS_MAX
                if once[slot] == mark:
                    self._keep(block, head, memory)
                else:
                    once[slot] = mark
                return head
        return self._read_anew(block, ended, memory)

    def _read_anew(self, block: bytes, ended: int, memory: _Memory) -> RequestHead:
        fields = self._decode(block)
        head = self._similar(fields, ended=ended) or self._parsed(fields, ended=ended)
        if self._decoder.changes == self._changes and len(block) <= BLOCK_BYTES_MAX:
            self._keep(block, head, memory)
            around = _around_path(block)
            if around is not None:
                self._learn(around, head, memory)
        return head

    def _keep(self, block: bytes, head: RequestHead, memory: _Memory) -> None:
        if len(memory.heads) >= BLOCKS_MAX:
            memory.heads.clear()
        memory.heads[block] = head

    def _learn(self, around: _Around, head: RequestHead, memory: _Memory) -> None:
        """Remember what was decoded last, but for the path, if it came before."""
        mark = hash(around)
        if self._once[mark % MARKS_MAX] == mark:
            if len(memory.shapes) >= BLOCKS_MAX:
                memory.shapes.clear()
            others = [field for field in self.fields if field[0] != b':path']
            room = self._limits.head_bytes_max - rules.list_bytes([*others, (b':path', b'')])
            memory.last = memory.shapes[around] = _Shape(around, head, room)
        self._once[mark % MARKS_MAX] = mark

    def _forget(self) -> None:
        """The table has changed."""
        for memory in self._memories:
            memory.forget()
        self._changes = self._decoder.changes

    def trailers(self, block: bytes) -> Fields:
        """The trailers of a request. Raises HpackError, Refusal, ConnectionFault."""
        return rules.request_trailers(self._decode(block), self._limits)

    def skip(self, block: bytes) -> None:
        """Decode what nobody wants, for the sake of the dynamic table (RFC 9113 4.3). Raises HpackError."""
        self._decoder.decode(block)

    def _decode(self, block: bytes) -> Fields:
        decoder = self._decoder
        fields = self.fields = decoder.decode(block)
        # No field is larger than the largest entry, or than what its own bytes may stand for: five bits are one (RFC 7541 5.2).
        most = len(fields) * (decoder.entry_bytes_max + rules.FIELD_BYTES_MORE) + 2 * len(block)
        if most > self._limits.head_bytes_max:
            rules.check_list(fields, self._limits)
        return fields

    def _parsed(self, fields: Fields, *, ended: int) -> RequestHead:
        head = rules.request_head(fields, self._limits, ended=bool(ended))
        names = [name for name, _ in fields]
        at = names.index(b':path')
        self._model = head
        self._ended = ended
        self._before = fields[:at]
        self._rest = fields[at + 1 :]
        self._varying = -1
        return head

    def _similar(self, fields: Fields, *, ended: int) -> RequestHead | None:
        """The head of a list that differs from the model's in the path, and perhaps one more field; or None."""
        model = self._model
        at = len(self._before)
        if model is None or ended != self._ended or fields[:at] != self._before or len(fields) <= at:
            return None
        name, path = fields[at]
        rest = fields[at + 1 :]
        if name != b':path' or path[:1] != b'/':
            return None
        if rest == self._rest:
            return _aimed(_common(model, model.fields, (model, model.fields[0])), path, self._limits)
        return self._varied(model, path, rest)

    def _varied(self, model: RequestHead, path: bytes, rest: Fields) -> RequestHead | None:
        if len(rest) != len(self._rest):
            return None
        at = self._varying
        if at < 0:
            at = self._compare(model, rest)
        if at < 0:
            return None
        # But for the one field, both lists are the same.
        field, rest[at] = rest[at], self._rest[at]
        name, value = field
        if (
            name != self._name
            or rest != self._rest
            or value.translate(None, FIELD_BYTES)
            or value != value.strip(b' \t')
        ):
            return None
        # The application's list ends as ours does.
        fields = model.fields.copy()
        fields[at - len(rest)] = field
        return _aimed(_common(model, fields, (model, field)), path, self._limits)

    def _compare(self, model: RequestHead, rest: Fields) -> int:
        """Learn which field changes, if it is one and decides nothing."""
        if not self._comparisons:
            return -1
        self._comparisons -= 1
        changed = [at for at, field in enumerate(rest) if field != self._rest[at]]
        at = changed[0]
        name = rest[at][0]
        known = self._rest[at - len(rest) :]
        if len(changed) > 1 or name != known[0][0] or not rules.decides_nothing(name):
            return -1
        if model.fields[at - len(rest) :] != known:
            return -1
        self._varying = at
        self._name = name
        return at


def _common(model: RequestHead, fields: Fields, like: tuple[RequestHead, Field]) -> _Common:
    """What others that are like `model` take from it."""
    return (
        model.method, model.version, fields, model.authority, model.content_length, model.expects_continue,
        model.keep_alive, model.upgrade, None, like,
    )  # fmt: skip


def _aimed(common: _Common, path: bytes, limits: Http2Limits) -> RequestHead:
    """The head of that target which is like others beside it. Raises Refusal."""
    head = RequestHead()
    (
        head.method, head.version, head.fields, head.authority, head.content_length, head.expects_continue,
        head.keep_alive, head.upgrade, head.kept, head.like,
    ) = common  # fmt: skip
    apply_target(head, path, limits)
    return head


def _around_path(block: bytes) -> _Around | None:
    """What stands before the path of a block and after it, where it is not indexed and its length is one byte."""
    match = _up_to_path(block)
    if match is None:
        return None
    at = match.end()
    size = block[at] & 127
    end = at + 1 + size
    return (block[:at], block[end:]) if size != 127 and end <= len(block) else None
