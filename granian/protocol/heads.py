"""The heads of one connection: what it sent before is recognised, at the size at which it repeats.

A client that keeps a connection mostly sends the same fields again, but for one: a request id, a cookie, a length. Such
a head is `prefix`, one line, `suffix`, byte for byte; only that line and the request line are parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.contract import Refusal
from granian.protocol.lines import LineReader
from granian.protocol.requests import LINE_BYTES_MORE, SPECIAL_NAMES, request_head, similar_head, split_request_line

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, RequestHead
    from granian.protocol.limits import Http1Limits

# How many heads of a connection are compared with the one before, in search of the line that changes.
COMPARISONS_MAX = 8
# Fewer fields than this are parsed as fast as they are recognised.
LINES_MIN = 3


class HeadReader:
    """Turns whole heads into RequestHeads."""

    __slots__ = (
        '_after', '_before', '_comparisons', '_known', '_last_lines', '_limits', '_line_bytes_max', '_lines',
        '_prefix', '_suffix',
    )  # fmt: skip

    def __init__(self, limits: Http1Limits) -> None:
        self._limits = limits
        self._line_bytes_max = limits.target_bytes_max + LINE_BYTES_MORE
        self._lines = LineReader()
        self._comparisons = COMPARISONS_MAX
        self._last_lines: list[bytes] = []
        # The head that others are recognised by, and its fields before and after the line that changes.
        self._known: RequestHead | None = None
        self._prefix = self._suffix = b''
        self._before: Fields = []
        self._after: Fields = []

    def read(self, block: bytes) -> RequestHead:
        """The head of a block: request line and field lines, without the empty line. Raises Refusal."""
        known = self._known
        if known is not None:
            at = block.find(b'\r\n')
            start = at + len(self._prefix)
            stop = len(block) - len(self._suffix)
            if (
                at <= self._line_bytes_max
                and start < stop
                and block.startswith(self._prefix, at)
                and block.endswith(self._suffix)
            ):
                line = block[start:stop]
                if b'\r' not in line and b'\n' not in line:
                    return self._similar(known, block[:at], line)
        return self._parse(block)

    def _similar(self, known: RequestHead, request_line: bytes, line: bytes) -> RequestHead:
        self._comparisons = COMPARISONS_MAX
        field = self._lines.field(line)
        fields = [*self._before, field, *self._after]
        if field[0] in SPECIAL_NAMES:
            specials = [special for special in fields if special[0] in SPECIAL_NAMES]
            return request_head(split_request_line(request_line), fields, specials, self._limits)
        return similar_head(known, split_request_line(request_line), fields, self._limits)

    def _parse(self, block: bytes) -> RequestHead:
        lines = block.split(b'\r\n')
        request_line = lines.pop(0)
        if len(request_line) > self._line_bytes_max:
            raise Refusal(414, 'target too long')
        if len(lines) > self._limits.fields_max:
            raise Refusal(431, 'too many fields')
        fields = self._lines.fields(lines)
        head = request_head(split_request_line(request_line), fields, self._lines.specials, self._limits)
        if self._comparisons and head.fields is fields:
            self._compare(lines, head)
        return head

    def _compare(self, lines: list[bytes], head: RequestHead) -> None:
        """Learn what changes, if it is one line and does not decide how the request is read."""
        self._comparisons -= 1
        last, self._last_lines = self._last_lines, lines
        if len(last) != len(lines) or len(lines) < LINES_MIN:
            return
        changed = [at for at, line in enumerate(lines) if line != last[at]]
        at = changed[0] if changed else len(lines) - 1
        if len(changed) > 1 or head.fields[at][0] in SPECIAL_NAMES:
            return
        self._known = head
        self._prefix = b'\r\n'.join([b'', *lines[:at], b''])
        self._suffix = b'\r\n'.join([b'', *lines[at + 1 :]])
        self._before, self._after = head.fields[:at], head.fields[at + 1 :]
        self._last_lines = []
