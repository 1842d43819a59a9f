"""What is answered without an application: redirects and fixed answers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from granian.errors import ClientDisconnected
from granian.protocol.responses import is_bodiless, response_head

if TYPE_CHECKING:
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead

logger = logging.getLogger('_granian')

_TEXT = (b'content-type', b'text/plain; charset=utf-8')
# RFC 3986 3.3: what stands in a path as it is. What is encoded already stays so.
_PATH_SAFE = "%/~!$&'()*+,;=:@"
_split_raw = re.compile(b'(/|%2[Ff])').split


class FixedAnswer:
    """The same for every request."""

    def __init__(self, status: int, body: bytes = b'') -> None:
        self._response = response_head(status, [] if is_bodiless(status) else [_TEXT])
        self._body = body

    def handle(self, exchange: Exchange) -> None:
        _respond(exchange, self._response, self._body)


class Redirect:
    """To `target`, with what the path has beyond the mount's own and with the query, where these are kept."""

    def __init__(self, target: str, status: int, mount_path: str, *, keep_path: bool, keep_query: bool) -> None:
        self._target = target
        self._status = status
        self._depth = len(mount_path.strip('/').split('/')) if mount_path != '/' else 0
        self._keep_path = keep_path
        self._keep_query = keep_query

    def handle(self, exchange: Exchange) -> None:
        location = self._location(exchange.head.raw_path, exchange.head.query)
        _respond(exchange, response_head(self._status, [(b'location', location)]), b'')

    def _location(self, raw_path: bytes, query: bytes) -> bytes:
        target, mark, fragment = self._target.partition('#')
        rest = _beyond(raw_path, self._depth) if self._keep_path else b''
        if rest:
            target = target.rstrip('/') + quote(rest, safe=_PATH_SAFE)
        location = target.encode('ascii')
        if query and self._keep_query:
            location += (b'&' if b'?' in location else b'?') + query
        return location + (mark + fragment).encode('ascii')


def _beyond(raw_path: bytes, depth: int) -> bytes:
    """What a path has beyond so many segments, encoded as it was sent. No empty segment is left in it, which would make
    another host of what follows, and no dot segment.
    """
    first, *others = _split_raw(raw_path)
    kept: list[bytes] = []
    slash = last = b'/'
    for slash, segment in zip([b'/', *others[::2]], [first, *others[1::2]], strict=True):
        last = unquote_to_bytes(segment)
        if last == b'..':
            del kept[-1:]
        elif last not in {b'', b'.'}:
            kept.append(slash + segment)
    end = (slash if last == b'' else b'/') if kept and last in {b'', b'.', b'..'} else b''
    rest = b''.join(kept[depth:]) + end or (b'' if depth else b'/')
    # As a separator of ours, not a part of a name.
    return b'/' + rest[3:] if rest.startswith(b'%') else rest


def _respond(exchange: Exchange, response: ResponseHead, body: bytes) -> None:
    try:
        exchange.respond(response, body)
    except ClientDisconnected:
        logger.debug('Nobody is left to answer')
