"""A folder of files over HTTP: GET and HEAD, conditional and range requests (RFC 9110)."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from granian.adapters.static.caching import SUFFIXES, CachePolicies, Codings
from granian.adapters.static.conditions import allows_range, judge
from granian.adapters.static.paths import MISSING_ERRNOS, Root, is_hidden, split_path
from granian.adapters.static.ranges import parse_ranges
from granian.adapters.static.representation import Representations
from granian.adapters.static.settings import CacheRule, StaticSettings
from granian.adapters.static.types import MediaTypes
from granian.errors import ClientDisconnected, InvalidResponse
from granian.file_sending import AT_ONCE_BYTES, cut_short, read_at
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from granian.adapters.static.ranges import Range
    from granian.adapters.static.representation import Representation
    from granian.adapters.static.settings import Coding
    from granian.exchange import Exchange
    from granian.protocol.contract import Fields, RequestHead
    from granian.protocol.responses import ResponseHead

__all__ = ['CacheRule', 'StaticFiles', 'StaticSettings']

logger = logging.getLogger('_granian')

METHODS = frozenset({'GET', 'HEAD'})
CONDITIONS = frozenset(
    {b'if-match', b'if-none-match', b'if-modified-since', b'if-unmodified-since', b'if-range', b'range'}
)
_TEXT = (b'content-type', b'text/plain; charset=utf-8')
_NOT_FOUND = response_head(404, [_TEXT])
_NOT_ALLOWED = response_head(405, [(b'allow', b'GET, HEAD'), _TEXT])
_NOT_MET = response_head(412, [_TEXT])
_NO_ROOM = response_head(503, [_TEXT])
# RFC 3986 3.3: what stands in a segment as it is. What is encoded already stays so.
_SEGMENT_SAFE = "%~!$&'()*+,;=:@"


class StaticFiles:
    """One folder. It is looked at anew for each request: what is put there is served at once."""

    def __init__(self, settings: StaticSettings) -> None:
        self.settings = settings
        self._hides = settings.dotfiles == 'deny'
        self._root = Root(settings.directory, settings.symlinks, hides=self._hides)
        self._index = settings.index.encode() if settings.index else None
        self._fallback = split_path(settings.fallback) if settings.fallback else None
        self._codings = Codings(settings.precompressed)
        self._representations = Representations(
            MediaTypes(settings.media_types, settings.charset),
            CachePolicies(settings.cache_rules, settings.expires_s),
            settings.headers,
            varies=bool(settings.precompressed),
        )

    async def handle(self, exchange: Exchange, path: str) -> bool:
        """Answer; True. Where the settings say `fall_through` and there is no such file: False, and nothing was sent.

        With `fall_through`, so are methods other than GET and HEAD. `path`: decoded, what follows the mount's own: '' for
        the mount itself without a slash, else '/…'. Raises nothing.
        """
        try:
            return await self._handle(exchange, path)
        except ClientDisconnected:
            logger.debug('Static file not sent: the client is gone')
        except (InvalidResponse, OSError) as exc:
            logger.error('Static file %r not sent: %s', path, exc)
            exchange.fail()
        except BaseException:
            exchange.fail()
            raise
        return True

    async def _handle(self, exchange: Exchange, path: str) -> bool:
        head = exchange.head
        if head.method not in METHODS:
            if not self.settings.fall_through:
                exchange.respond(_NOT_ALLOWED, b'Method not allowed')
            return not self.settings.fall_through
        try:
            found = self._find(head, path)
        except OSError as exc:
            logger.error('Static file %r not opened: %s', path, exc)
            exchange.respond(_NO_ROOM, b'Service unavailable')
            return True
        if found is None:
            if not self.settings.fall_through:
                exchange.respond(_NOT_FOUND, b'Not found')
            return not self.settings.fall_through
        if isinstance(found, bytes):
            exchange.respond(response_head(301, [(b'location', found)]), b'')
            return True
        descriptor, representation = found
        try:
            await self._answer(exchange, descriptor, representation)
        finally:
            os.close(descriptor)
        return True

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────────────

    def _find(self, head: RequestHead, path: str) -> tuple[int, Representation] | bytes | None:
        """The file that answers, or where else the client is sent, if there is either. Raises OSError."""
        segments = split_path(path)
        if segments is not None and not (self._hides and is_hidden(segments)):
            names_folder = not path or path.endswith('/')
            try:
                if not names_folder:
                    return self._open(head, segments)
                if path and self._index is not None:
                    return self._open(head, [*segments, self._index])
            except IsADirectoryError:
                names_folder = True
            except OSError as exc:
                _check_missing(exc)
            if names_folder and not path.endswith('/') and self._index is not None:
                found = self._without_slash(head, [*segments, self._index])
                if found is not None:
                    return found
        if self._fallback is None:
            return None
        try:
            return self._open(head, self._fallback)
        except OSError as exc:
            _check_missing(exc)
            return None

    def _without_slash(self, head: RequestHead, segments: list[bytes]) -> tuple[int, Representation] | bytes | None:
        """What is done for a folder whose path does not end in a slash, where it has the index of these segments."""
        try:
            if not self.settings.index_redirect:
                return self._open(head, segments)
            os.close(self._root.open(segments)[0])
        except OSError as exc:
            _check_missing(exc)
            return None
        return _with_slash(head)

    def _open(self, head: RequestHead, segments: list[bytes]) -> tuple[int, Representation]:
        descriptor, facts = self._root.open(segments)
        coding: Coding | None = None
        if self.settings.precompressed:
            sidecar = self._open_sidecar(head, segments)
            if sidecar is not None:
                os.close(descriptor)
                coding, descriptor, facts = sidecar
        return descriptor, self._representations.of(segments, coding, facts)

    def _open_sidecar(self, head: RequestHead, segments: list[bytes]) -> tuple[Coding, int, os.stat_result] | None:
        accepted = b','.join([value for name, value in head.fields if name == b'accept-encoding'])
        for coding in self._codings.wanted(accepted):
            # Whatever is wrong with it, there still is the file itself.
            with suppress(OSError):
                return coding, *self._root.open([*segments[:-1], segments[-1] + SUFFIXES[coding]])
        return None

    # ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, exchange: Exchange, descriptor: int, representation: Representation) -> None:
        asked: dict[bytes, bytes] = {}
        for name, value in exchange.head.fields:
            if name in CONDITIONS:
                asked[name] = asked[name] + b', ' + value if name in asked else value
        if asked:
            status = judge(asked, representation.validators)
            if status == 304:
                exchange.respond(response_head(304, representation.unchanged), b'')
                return
            if status == 412:
                exchange.respond(_NOT_MET, b'Precondition failed')
                return
            if b'range' in asked and await _answer_ranges(exchange, descriptor, representation, asked):
                return
        await _answer_whole(exchange, descriptor, representation)


async def _answer_whole(exchange: Exchange, descriptor: int, representation: Representation) -> None:
    size = representation.size
    if exchange.head.method == 'HEAD':
        exchange.respond(representation.whole, b'')
    elif size <= AT_ONCE_BYTES:
        exchange.respond(representation.whole, read_at(descriptor, size, 0) if size else b'')
    else:
        exchange.start(representation.whole)
        await _send(exchange, descriptor, 0, size)
        exchange.finish()


async def _answer_ranges(
    exchange: Exchange, descriptor: int, representation: Representation, asked: dict[bytes, bytes]
) -> bool:
    """Answer with parts, if parts are to be had: only GET knows them (RFC 9110 14.2)."""
    if exchange.head.method == 'HEAD':
        return False
    condition = asked.get(b'if-range')
    if condition is not None and not allows_range(condition, representation.validators, time.time()):
        return False
    ranges = parse_ranges(asked[b'range'], representation.size)
    if ranges is None:
        return False
    if not ranges:
        fields = [(b'content-range', b'bytes */%d' % representation.size), (b'accept-ranges', b'bytes'), _TEXT]
        exchange.respond(response_head(416, fields), b'Range not satisfiable')
    elif len(ranges) == 1:
        await _answer_range(exchange, descriptor, representation, ranges[0])
    else:
        await _answer_parts(exchange, descriptor, representation, ranges)
    return True


async def _answer_range(exchange: Exchange, descriptor: int, representation: Representation, part: Range) -> None:
    fields = [*representation.fields, (b'content-range', part.content_range(representation.size))]
    exchange.start(_partial(fields, part.length))
    await _send(exchange, descriptor, part.start, part.length)
    exchange.finish()


async def _answer_parts(
    exchange: Exchange, descriptor: int, representation: Representation, ranges: list[Range]
) -> None:
    """RFC 9110 14.6: each part with a head of its own, between lines that occur in none of them but by a miracle."""
    boundary = os.urandom(16).hex().encode()
    kind = b''.join(
        [b'content-type: %b\r\n' % value for name, value in representation.fields if name == b'content-type']
    )
    opening = b'\r\n--%b\r\n%bcontent-range: ' % (boundary, kind)
    heads = [b'%b%b\r\n\r\n' % (opening, part.content_range(representation.size)) for part in ranges]
    end = b'\r\n--%b--\r\n' % boundary
    fields = [field for field in representation.fields if field[0] != b'content-type']
    fields.append((b'content-type', b'multipart/byteranges; boundary=' + boundary))
    length = sum(map(len, heads)) + sum(part.length for part in ranges) + len(end)
    exchange.start(_partial(fields, length))
    for head, part in zip(heads, ranges, strict=True):
        exchange.put(head)
        await _send(exchange, descriptor, part.start, part.length)
    exchange.write(end)
    exchange.finish()


def _partial(fields: Fields, length: int) -> ResponseHead:
    return response_head(206, [*fields, (b'content-length', b'%d' % length)])


async def _send(exchange: Exchange, descriptor: int, start: int, count: int) -> None:
    """Send what the head has promised. Raises InvalidResponse where there is less."""
    if os.fstat(descriptor).st_size < start + count:
        raise cut_short(exchange)
    await exchange.send_file(descriptor, start, count)


def _with_slash(head: RequestHead) -> bytes:
    """Where a folder without its slash is. Relative: whatever the path begins with, it never names another host."""
    last = head.raw_path.rpartition(b'/')[2]
    query = b'?' + head.query if head.query else b''
    return b'./%b/%b' % (quote(last, safe=_SEGMENT_SAFE).encode(), query)


def _check_missing(exc: OSError) -> None:
    """Return where a file is missing, or may as well be; raise `exc` where the server is in trouble."""
    if exc.errno not in MISSING_ERRNOS:
        raise exc
