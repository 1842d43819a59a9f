"""The heads of one connection: all lines at once, and what was sent before is recognised.

A client that keeps a connection mostly sends the same fields again, but for one: a request id, a cookie, a length. Such
a head is `prefix`, one line, `suffix`, byte for byte; only that line and the request line are parsed. Nothing is
remembered beyond the connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal
from granian.protocol.requests import (
    LINE_BYTES_MORE,
    SPECIAL_NAMES,
    TOKEN,
    field_value,
    plain_field,
    request_head,
    similar_head,
    split_request_line,
)

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, RequestHead
    from granian.protocol.limits import Http1Limits

# Lines as nearly all are: `Name: value`, one space, none to strip, no tab. A match is a whole line.
_usual_lines = re.compile(rb'(?m)^(%b): (?! )([ -~\x80-\xff]*)(?<! )\r\n' % TOKEN).findall
# How many heads of a connection are compared with the one before, in search of the line that changes.
COMPARISONS_MAX = 8
# Fewer lines than this are parsed as fast as they are recognised.
LINES_MIN = 3


def read_fields(block: bytes) -> Fields:
    """The fields of a block of lines, each with its CRLF. Raises Refusal."""
    pairs = _usual_lines(block)
    if len(pairs) == block.count(b'\n'):
        # Each match holds one LF, so every line is a match.
        return [(name.lower(), value) for name, value in pairs]
    return [plain_field(line) for line in block[:-2].split(b'\r\n')]


class HeadReader:
    """Turns whole heads into RequestHeads."""

    __slots__ = (
        '_after', '_before', '_comparisons', '_known', '_last_block', '_limits', '_line_bytes_max', '_name', '_name_sent', '_prefix', '_suffix', '_with_body', '_with_body_head',
    )  # fmt: skip

    def __init__(self, limits: Http1Limits) -> None:
        self._limits = limits
        self._line_bytes_max = limits.target_bytes_max + LINE_BYTES_MORE
        self._comparisons = COMPARISONS_MAX
        self._last_block = b''
        # The head that others are recognised by, and its fields before and after the line that changes.
        self._known: RequestHead | None = None
        self._prefix = self._suffix = self._name_sent = self._name = b''
        self._before: Fields = []
        self._after: Fields = []
        # The last head that a body came with. Others are recognised with all that was read at once.
        self._with_body = b''
        self._with_body_head: RequestHead | None = None

    def read(self, block: bytes) -> RequestHead:
        """The head of a block: request line and field lines, each with its CRLF. Raises Refusal."""
        if block == self._with_body and self._with_body_head is not None:
            return self._with_body_head
        head = self._read(block)
        if head.content_length:
            self._with_body, self._with_body_head = block, head
        return head

    def _read(self, block: bytes) -> RequestHead:
        at = block.find(b'\r\n')
        if at > self._line_bytes_max:
            raise Refusal(414, 'target too long')
        known = self._known
        if known is not None and block.startswith(self._prefix, at) and block.endswith(self._suffix):
            line = block[at + len(self._prefix) : len(block) - len(self._suffix)]
            if line and b'\r' not in line and b'\n' not in line:
                return self._similar(known, block[:at], line)
        return self._parse(block[:at], block[at + 2 :])

    def _similar(self, known: RequestHead, request_line: bytes, line: bytes) -> RequestHead:
        self._comparisons = COMPARISONS_MAX
        if line.startswith(self._name_sent):
            field = (self._name, field_value(line[len(self._name_sent) :]))
        else:
            field = plain_field(line)
        fields = [*self._before, field, *self._after]
        if field[0] in SPECIAL_NAMES:
            specials = [special for special in fields if special[0] in SPECIAL_NAMES]
            return request_head(split_request_line(request_line), fields, specials, self._limits)
        head = similar_head(known, split_request_line(request_line), fields, self._limits)
        if field[0] is self._name and head.fields is fields and head.version == known.version:
            head.like = known, field
        return head

    def _parse(self, request_line: bytes, block: bytes) -> RequestHead:
        if block.count(b'\n') > self._limits.fields_max and block.count(b'\r\n') > self._limits.fields_max:
            raise Refusal(431, 'too many fields')
        fields = read_fields(block) if block else []
        specials = [field for field in fields if field[0] in SPECIAL_NAMES]
        head = request_head(split_request_line(request_line), fields, specials, self._limits)
        if self._comparisons and len(fields) >= LINES_MIN and head.fields is fields:
            self._compare(block, head)
        return head

    def _compare(self, block: bytes, head: RequestHead) -> None:
        """Learn what changes, if it is one line and does not decide how the request is read."""
        self._comparisons -= 1
        last, self._last_block = self._last_block, block
        lines, last_lines = block.split(b'\r\n')[:-1], last.split(b'\r\n')[:-1]
        if len(lines) != len(last_lines):
            return
        changed = [at for at, line in enumerate(lines) if line != last_lines[at]]
        at = changed[0] if changed else len(lines) - 1
        if len(changed) > 1 or head.fields[at][0] in SPECIAL_NAMES:
            return
        self._known = head
        # The name as it is sent, with its colon.
        self._name_sent = lines[at][: len(head.fields[at][0]) + 1]
        self._name = head.fields[at][0]
        self._prefix = b'\r\n'.join([b'', *lines[:at], b''])
        self._suffix = b'\r\n'.join([b'', *lines[at + 1 :], b''])
        self._before, self._after = head.fields[:at], head.fields[at + 1 :]
        self._last_block = b''
