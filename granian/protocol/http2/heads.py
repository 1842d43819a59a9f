"""The heads of one HTTP/2 connection as HPACK has them: those read and those written, with a memory of what repeats.

A client mostly sends the same fields again but for the path, and perhaps one more field: such a head is the one before
with two fields changed, and only these are looked at. Where the path alone differs, so does the block, and not even the
rest of that is decoded. Nothing of a client's is remembered beyond its connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal, RequestHead
from granian.protocol.hpack.decoder import HpackDecoder
from granian.protocol.hpack.encoder import HpackEncoder, literal
from granian.protocol.http2 import rules
from granian.protocol.requests import FIELD_BYTES, apply_target
from granian.protocol.responses import SECRET_FIELDS

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields, ResponseDefaults
    from granian.protocol.limits import Http2Limits
    from granian.protocol.responses import ResponseHead

# Blocks that are remembered, and how long one may be.
BLOCKS_MAX = 32
BLOCK_BYTES_MAX = 512
MARKS_MAX = 32
# How many heads of a connection are compared with the one before, in search of the field that changes.
COMPARISONS_MAX = 8
# Response heads whose blocks are remembered, and those that were sent once.
RESPONSES_MAX = 64

# What stands before a path that is not indexed: fields in a byte each, the literal's first byte (RFC 7541 6.2.2, 6.2.3;
# the static table has `:path` as 4), and then at least one more.
_up_to_path = re.compile(rb'[\x81-\xfe]*[\x04\x14](?=.)', re.DOTALL).match

# Content-Length as HPACK has it.
_lengths: dict[int, bytes] = {}
_LENGTHS_MAX = 4096


# What of a block stands before the path, and what after it.
_Around = tuple[bytes, bytes]


class _Shape:
    """What blocks stand for that are alike but for the path."""

    __slots__ = ('like', 'model', 'room')

    def __init__(self, model: RequestHead, room: int) -> None:
        self.model = model
        # Its own where the model has none: of the fields, any will do.
        self.like: tuple[RequestHead, Field] = model.like or (model, model.fields[0])
        # How long a path may be for the list to keep its limit.
        self.room = room


class HeadReader:
    """Turns whole blocks into RequestHeads."""

    __slots__ = (
        '_before', '_changes', '_comparisons', '_decoder', '_ended', '_known', '_known_open', '_limits', '_model', '_name',
        '_once', '_rest', '_shapes', '_shapes_open', '_varying', 'fields',
    )  # fmt: skip

    def __init__(self, limits: Http2Limits) -> None:
        self._limits = limits
        self._decoder = HpackDecoder()
        # Block → head, as long as the dynamic table stays as it is: of requests without a body, and with one.
        self._known: dict[bytes, RequestHead] = {}
        self._known_open: dict[bytes, RequestHead] = {}
        # … and what stands before and after the path.
        self._shapes: dict[_Around, _Shape] = {}
        self._shapes_open: dict[_Around, _Shape] = {}
        # Hashes of what came once, of some of it: most never comes again, and is not worth an entry.
        self._once = [0] * MARKS_MAX
        self._changes = 0
        self._comparisons = COMPARISONS_MAX
        # The head that others are like, whether it ended its request, and its list: before the path, and after it.
        self._model: RequestHead | None = None
        self._ended = True
        self._before: Fields = []
        self._rest: Fields = []
        # Where in `_rest` stands what changes too, and its name; -1: nothing does.
        self._varying = -1
        self._name = b''
        # What was decoded last.
        self.fields: Fields = []

    def read(self, block: bytes, *, ended: bool) -> RequestHead:
        """The head of a request; `ended`: no body follows. Raises HpackError, Refusal."""
        decoder = self._decoder
        if decoder.changes != self._changes:
            self._forget()
        head = self._known.get(block) if ended else self._known_open.get(block)
        if head is not None:
            return head
        around = None
        match = _up_to_path(block)
        if match is not None:
            at = match.end()
            size = block[at]
            # RFC 7541 5.2: the upper bit says that it is Huffman-coded. A length of more than a byte is left to the decoder.
            end = at + 1 + (size & 127)
            if end <= len(block) and size & 127 != 127:
                around = (block[:at], block[end:])
                shape = self._shapes.get(around) if ended else self._shapes_open.get(around)
                if shape is not None:
                    path = block[at + 1 : end]
                    if size > 127:
                        path = decoder.text(path)
                    if path[:1] == b'/' and len(path) <= shape.room:
                        return self._shaped(block, shape, path, ended=ended)
        return self._read_anew(block, around, ended=ended)

    def _shaped(self, block: bytes, shape: _Shape, path: bytes, *, ended: bool) -> RequestHead:
        """The head of a block that differs from one before it in the path alone."""
        model = shape.model
        try:
            head = self._like(model, path, model.fields, shape.like)
        except Refusal:
            # What is logged of it.
            self.fields = self._decoder.decode(block)
            raise
        mark = hash(block)
        if self._once[mark % MARKS_MAX] == mark:
            self._keep(block, head, ended=ended)
        self._once[mark % MARKS_MAX] = mark
        return head

    def _read_anew(self, block: bytes, around: _Around | None, *, ended: bool) -> RequestHead:
        fields = self._decode(block)
        head = self._similar(fields, ended=ended) or self._parsed(fields, ended=ended)
        if self._decoder.changes == self._changes and len(block) <= BLOCK_BYTES_MAX:
            self._keep(block, head, ended=ended)
            if around is not None:
                self._learn(around, head, ended=ended)
        return head

    def _keep(self, block: bytes, head: RequestHead, *, ended: bool) -> None:
        known = self._known if ended else self._known_open
        if len(known) >= BLOCKS_MAX:
            known.clear()
        known[block] = head

    def _learn(self, around: _Around, head: RequestHead, *, ended: bool) -> None:
        """Remember what was decoded last, but for the path, if it came before."""
        mark = hash(around)
        if self._once[mark % MARKS_MAX] == mark:
            shapes = self._shapes if ended else self._shapes_open
            if len(shapes) >= BLOCKS_MAX:
                shapes.clear()
            others = [field for field in self.fields if field[0] != b':path']
            room = self._limits.head_bytes_max - rules.list_bytes([*others, (b':path', b'')])
            shapes[around] = _Shape(head, room)
        self._once[mark % MARKS_MAX] = mark

    def _forget(self) -> None:
        """The table has changed."""
        for memory in (self._known, self._known_open, self._shapes, self._shapes_open):
            memory.clear()
        self._changes = self._decoder.changes

    def trailers(self, block: bytes) -> Fields:
        """The trailers of a request. Raises HpackError, Refusal."""
        return rules.request_trailers(self._decode(block), self._limits)

    def skip(self, block: bytes) -> None:
        """Decode what nobody wants, for the sake of the dynamic table (RFC 9113 4.3). Raises HpackError."""
        self._decoder.decode(block)

    def _decode(self, block: bytes) -> Fields:
        decoder = self._decoder
        fields = self.fields = decoder.decode(block)
        # No field is larger than the largest entry, or than what its own bytes may stand for: five bits are one (RFC 7541 5.2).
        most = len(fields) * (decoder.entry_bytes_max + rules.FIELD_BYTES_MORE) + 2 * len(block)
        bound = self._limits.head_bytes_max
        if most > bound and rules.list_bytes(fields) > bound:
            raise rules.head_too_large()
        return fields

    def _parsed(self, fields: Fields, *, ended: bool) -> RequestHead:
        head = rules.request_head(fields, self._limits, ended=ended)
        names = [name for name, _ in fields]
        at = names.index(b':path')
        self._model = head
        self._ended = ended
        self._before = fields[:at]
        self._rest = fields[at + 1 :]
        self._varying = -1
        return head

    def _similar(self, fields: Fields, *, ended: bool) -> RequestHead | None:
        """The head of a list that differs from the model's in the path, and perhaps one more field; or None."""
        model = self._model
        at = len(self._before)
        if model is None or ended is not self._ended or fields[:at] != self._before or len(fields) <= at:
            return None
        name, path = fields[at]
        rest = fields[at + 1 :]
        if name != b':path' or path[:1] != b'/':
            return None
        if rest == self._rest:
            return self._like(model, path, model.fields, (model, model.fields[0]))
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
        return self._like(model, path, fields, (model, field))

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

    def _like(self, model: RequestHead, path: bytes, fields: Fields, like: tuple[RequestHead, Field]) -> RequestHead:
        head = RequestHead()
        head.method = model.method
        head.version = model.version
        head.fields = fields
        head.authority = model.authority
        head.content_length = model.content_length
        head.expects_continue = model.expects_continue
        head.keep_alive = model.keep_alive
        head.upgrade = model.upgrade
        head.kept = None
        head.like = like
        apply_target(head, path, self._limits)
        return head


class HeadWriter:
    """Turns response heads into blocks."""

    __slots__ = ('_blocks', '_changes', '_defaults', '_once', 'encoder')

    def __init__(self, defaults: ResponseDefaults) -> None:
        self._defaults = defaults
        self.encoder = HpackEncoder()
        # Blocks without content-length and date, as long as the dynamic table stays as it is.
        self._blocks: dict[ResponseHead, bytes] = {}
        self._changes = 0
        self._once: set[ResponseHead] = set()

    def final(self, response: ResponseHead, length: int | None) -> bytes:
        """The block of a final response; `length`: the content-length to declare. It may be sent in any case."""
        if self.encoder.changes != self._changes or self.encoder.resized:
            block = self._renewed(response)
        else:
            block = self._blocks.get(response) or self._made(response)
        if length is not None:
            block += _lengths.get(length) or _length(length)
        if response.has_date:
            return block
        return block + (self._defaults.date_block or self._date())

    def encoded(self, fields: Fields) -> bytes:
        """The block of an interim response, or of trailers."""
        encoder = self.encoder
        update = encoder.size_update() if encoder.resized else b''
        return update + encoder.encode(fields)

    def _renewed(self, response: ResponseHead) -> bytes:
        self._blocks.clear()
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
        elif self.encoder.changes == self._changes:
            if len(self._blocks) >= RESPONSES_MAX:
                self._blocks.clear()
            self._blocks[response] = block
        return block

    def _date(self) -> bytes:
        defaults = self._defaults
        if defaults.date_value:
            defaults.date_block = literal((b'date', defaults.date_value))
        return defaults.date_block


def _length(length: int) -> bytes:
    block = literal((b'content-length', b'%d' % length))
    if len(_lengths) < _LENGTHS_MAX:
        _lengths[length] = block
    return block
