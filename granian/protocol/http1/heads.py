"""The heads of one connection: all lines at once, and what was sent before is recognised.

A client that keeps a connection mostly sends the same fields again, but for one: a request id, a cookie, a length. Such
a head is `prefix`, one line, `suffix`, byte for byte; only that line and the request line are parsed. Nothing is
remembered beyond the connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal, RequestHead
from granian.protocol.requests import (
    CR,
    FIELD_BYTES,
    LF,
    LINE_BYTES_MORE,
    SPECIAL_NAMES,
    TARGET_BYTES,
    TOKEN,
    field_value,
    plain_field,
    request_head,
    similar_head,
    split_request_line,
)

if TYPE_CHECKING:
    from granian.protocol.contract import Fields
    from granian.protocol.limits import Http1Limits

# Lines as nearly all are: `Name: value`, one space, none to strip, no tab. A match is a whole line.
_usual_lines = re.compile(rb'(?m)^(%b): (?! )([ -~\x80-\xff]*)(?<! )\r\n' % TOKEN).findall
# How many heads of a connection are compared with the one before, in search of the line that changes.
COMPARISONS_MAX = 8
# Fewer lines than this are parsed as fast as they are recognised.
LINES_MIN = 3
# How many beginnings of request lines a connection remembers, and how long they may be.
ROUTES_MAX = 64
ROUTE_BYTES_MAX = 256
_VERSION = b' HTTP/1.1'


def read_fields(block: bytes, lines: int) -> Fields:
    """The fields of a block of lines, each with its CRLF; `lines`: the LFs in it. Raises Refusal."""
    pairs = _usual_lines(block)
    if len(pairs) == lines:
        # Each match holds one LF, so every line is a match.
        return [(name.lower(), value) for name, value in pairs]
    return [plain_field(line) for line in block[:-2].split(b'\r\n')]


class HeadReader:
    """Turns whole heads into RequestHeads."""

    __slots__ = (
        '_after', '_before', '_comparisons', '_ending', '_known', '_last_block', '_limits', '_line_bytes_max', '_name',
        '_name_sent', '_prefix', '_routes', '_suffix', '_usual', '_with_body', '_with_body_head',
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
        # `_known` where requests like it may be recognised by `recognise`, and what their bytes end with.
        self._usual: RequestHead | None = None
        self._ending = b''
        # What stands before the query → method, raw path, path.
        self._routes: dict[bytes, tuple[str, bytes, str]] = {}

    def recognise(self, data: bytes) -> RequestHead | None:
        """The head that `data` is, to its last byte, where it is one like those before and has no body.

        None: look closer. That nothing else hides in it shows by its known parts, and by no line break in the others.
        """
        known = self._usual
        if known is None:
            return None
        at = data.find(b'\r\n')
        if not (data.startswith(self._prefix, at) and data.endswith(self._ending)):
            return None
        line = data[at + len(self._prefix) : len(data) - len(self._ending)]
        if not line.startswith(self._name_sent) or len(data) > self._limits.head_bytes_max:
            return None
        value = line[len(self._name_sent) :]
        # Over the bound or not is for others to say.
        if value.translate(None, FIELD_BYTES) or not 9 < at <= self._limits.target_bytes_max:
            return None
        if not data.startswith(_VERSION, at - 9):
            return None
        start, _, query = data[: at - 9].partition(b'?')
        route = self._routes.get(start) or self._route(start)
        if route is None or query.translate(None, TARGET_BYTES):
            return None
        head = RequestHead()
        head.method, head.raw_path, head.path = route
        head.query = query
        head.version = '1.1'
        head.absolute = head.expects_continue = False
        field = (self._name, value.strip(b' \t'))
        head.fields = [*self._before, field, *self._after]
        head.authority = known.authority
        head.content_length = 0
        head.keep_alive = known.keep_alive
        head.upgrade = known.upgrade
        head.kept = None
        head.like = known, field
        return head

    def _route(self, start: bytes) -> tuple[str, bytes, str] | None:
        """Method and path of the beginning of a request line, if there is nothing unusual about them."""
        parts = start.split(b' ')
        if len(parts) != 2 or parts[1][:1] != b'/' or len(start) > ROUTE_BYTES_MAX:
            return None
        try:
            head = request_head((parts[0], parts[1], b'HTTP/1.1'), [], [(b'host', b'a')], self._limits)
        except Refusal:
            return None
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        route = self._routes[start] = head.method, head.raw_path, head.path
        return route

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
            if line and CR not in line and LF not in line:
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
        lines = block.count(b'\n')
        if lines > self._limits.fields_max and block.count(b'\r\n') > self._limits.fields_max:
            raise Refusal(431, 'too many fields')
        fields = read_fields(block, lines) if block else []
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
        self._ending = self._suffix + b'\r\n'
        self._usual = head if head.version == '1.1' and head.content_length == 0 else None
        self._last_block = b''
