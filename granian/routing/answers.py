"""What is answered without an application: redirects and fixed answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from granian.errors import ClientDisconnected
from granian.protocol.responses import is_bodiless, response_head
from granian.routing.table import resolved

if TYPE_CHECKING:
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead

logger = logging.getLogger('_granian')

_TEXT = (b'content-type', b'text/plain; charset=utf-8')
# RFC 3986 3.3: what stands in a path as it is.
_PATH_SAFE = "/~!$&'()*+,;=:@"


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
        self._cut = len(mount_path.rstrip('/'))
        self._keep_path = keep_path
        self._keep_query = keep_query

    def handle(self, exchange: Exchange) -> None:
        location = self._location(exchange.head.path, exchange.head.query)
        _respond(exchange, response_head(self._status, [(b'location', location)]), b'')

    def _location(self, path: str, query: bytes) -> bytes:
        target = self._target
        # Resolved: no empty segment is left that would make another host of what follows.
        rest = resolved(path)[self._cut :] if self._keep_path else ''
        if rest:
            target = target.rstrip('/') + quote(rest, safe=_PATH_SAFE)
        location = target.encode('ascii')
        if query and self._keep_query:
            location += (b'&' if b'?' in location else b'?') + query
        return location


def _respond(exchange: Exchange, response: ResponseHead, body: bytes) -> None:
    try:
        exchange.respond(response, body)
    except ClientDisconnected:
        logger.debug('Nobody is left to answer')
