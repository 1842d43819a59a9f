"""Range requests: RFC 9110 section 14, in bytes."""

from __future__ import annotations

import re
from typing import NamedTuple

# More, or more bytes together than the whole has, is taken for an attack or a fault: the whole is sent (RFC 9110 14.2).
RANGES_MAX = 16
_is_range = re.compile(rb'([0-9]*)-([0-9]*)').fullmatch
# No file is longer.
_HUGE = 10**19


class Range(NamedTuple):
    """From `start`, `length` bytes."""

    start: int
    length: int

    def content_range(self, size: int) -> bytes:
        return b'bytes %d-%d/%d' % (self.start, self.start + self.length - 1, size)


def parse_ranges(value: bytes, size: int) -> list[Range] | None:
    """The parts that are asked for of `size` bytes, in order; [] where there is none of them, None to send the whole."""
    unit, equals, listed = value.partition(b'=')
    if not equals or unit.strip().lower() != b'bytes':
        return None
    elements = [element.strip(b' \t') for element in listed.split(b',', RANGES_MAX * 2)]
    ranges: list[Range] = []
    asked = 0
    for element in filter(None, elements):
        found = _is_range(element)
        if found is None or element == b'-':
            return None
        first, last = map(_number, found.groups())
        if first is not None and last is not None and last < first:
            return None
        asked += 1
        part = _part(first, last, size)
        if part is not None:
            ranges.append(part)
    if not 1 <= asked <= RANGES_MAX or sum(part.length for part in ranges) > size:
        return None
    # Nothing is a part that cannot be told in Content-Range: the last bytes of an empty file.
    return None if any(not part.length for part in ranges) else ranges


def _number(digits: bytes) -> int | None:
    digits = digits.lstrip(b'0') or digits[:1]
    if not digits:
        return None
    return int(digits) if len(digits) < 20 else _HUGE


def _part(first: int | None, last: int | None, size: int) -> Range | None:
    """What there is of one range, None where that is nothing."""
    if first is None:
        length = min(last or 0, size)
        return Range(size - length, length) if last else None
    if first >= size:
        return None
    end = size if last is None else min(last + 1, size)
    return Range(first, end - first)
