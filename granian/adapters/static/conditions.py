"""Conditional requests: RFC 9110 section 13, for resources that have an entity tag and a date."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_tags = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")').findall
_MONTHS = {name: number for number, name in enumerate(
    (b'Jan', b'Feb', b'Mar', b'Apr', b'May', b'Jun', b'Jul', b'Aug', b'Sep', b'Oct', b'Nov', b'Dec'), 1,
)}  # fmt: skip
_DAY, _MONTH, _YEAR = rb'(?P<day>[0-9]{2})', rb'(?P<month>[A-Z][a-z]{2})', rb'(?P<year>[0-9]{4})'
_TIME = rb'(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})'
# RFC 9110 5.6.7: the format that is sent, and two that are obsolete but must be understood.
_DATES = [
    re.compile(pattern).fullmatch
    for pattern in (
        rb'[A-Z][a-z]{2}, %b %b %b %b GMT' % (_DAY, _MONTH, _YEAR, _TIME),
        rb'[A-Z][a-z]{5,8}, %b-%b-(?P<year>[0-9]{2}) %b GMT' % (_DAY, _MONTH, _TIME),
        rb'[A-Z][a-z]{2} %b (?P<day>[0-9 ][0-9]) %b %b' % (_MONTH, _TIME, _YEAR),
    )
]
# A two-digit year that would be further ahead than this is of the century before.
_YEARS_AHEAD = 50


class Validators(NamedTuple):
    """What tells one state of a representation from another. The entity tag is strong."""

    etag: bytes
    # As it is sent, and in seconds.
    last_modified: bytes
    modified_s: int


def judge(asked: Mapping[bytes, bytes], now: Validators) -> int:
    """200 to go on, 304 or 412, for GET and HEAD: the conditions in the order of RFC 9110 13.2.2."""
    if b'if-match' in asked:
        if not _matches(asked[b'if-match'], now.etag, weak=False):
            return 412
    elif b'if-unmodified-since' in asked:
        since_s = _date(asked[b'if-unmodified-since'], now)
        if since_s is not None and now.modified_s > since_s:
            return 412
    if b'if-none-match' in asked:
        return 304 if _matches(asked[b'if-none-match'], now.etag, weak=True) else 200
    if b'if-modified-since' in asked:
        since_s = _date(asked[b'if-modified-since'], now)
        if since_s is not None and now.modified_s <= since_s:
            return 304
    return 200


def allows_range(condition: bytes, now: Validators, now_s: float) -> bool:
    """Whether If-Range holds, so that a part fits what the client has (RFC 9110 13.1.5)."""
    if condition[:1] == b'"' or condition[:2] == b'W/':
        # Weak tags never match: the bytes may differ.
        return condition == now.etag
    # RFC 9110 8.8.2.2: what changed this second may change again within it.
    return _date(condition, now) == now.modified_s and now_s - now.modified_s > 1


def _matches(condition: bytes, etag: bytes, *, weak: bool) -> bool:
    if condition == b'*':
        return True
    return any(tag == etag and (weak or not prefix) for prefix, tag in _tags(condition))


def _date(value: bytes, now: Validators) -> int | None:
    return now.modified_s if value == now.last_modified else parse_date(value)


def parse_date(value: bytes) -> int | None:
    """Seconds of an HTTP-date in any of its three formats; None where it is none."""
    for matches in _DATES:
        found = matches(value)
        if found is not None:
            return _seconds(found.groupdict())
    return None


def _seconds(parts: dict[str, bytes]) -> int | None:
    year = int(parts['year'])
    if len(parts['year']) == 2:
        this_year = datetime.now(timezone.utc).year
        year += this_year - this_year % 100
        year -= 100 if year > this_year + _YEARS_AHEAD else 0
    try:
        # A leap second is the second after it.
        second = int(parts['second'])
        at = datetime(
            year, _MONTHS[parts['month']], int(parts['day']), int(parts['hour']), int(parts['minute']),
            min(second, 59), tzinfo=timezone.utc,
        )  # fmt: skip
    except (ValueError, KeyError):
        return None
    return timegm(at.timetuple()) + (second == 60) if second <= 60 else None
