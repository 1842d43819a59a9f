"""Files sent for an RSGI application: `response_file` and `response_file_range`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from granian.adapters.asgi.files import FLAGS
from granian.file_sending import AT_ONCE_BYTES, read_at
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead


def send_small_file(exchange: Exchange, response: ResponseHead, path: str, span: tuple[int, int] | None) -> bool:
    """Answer with what one read gives. False: it is not as simple as that, and nothing was sent."""
    if response.bodiless or exchange.head.method == 'HEAD':
        return False
    try:
        data = _small_file(path, span)
    except (OSError, ValueError):
        return False
    if data is None or response.length not in (None, len(data)):
        return False
    exchange.respond(response, data)
    return True


def _small_file(path: str, span: tuple[int, int] | None) -> bytes | None:
    """What is asked of a regular file, if it is little."""
    descriptor = os.open(path, FLAGS)
    try:
        facts = os.fstat(descriptor)
        start, end = span or (0, facts.st_size)
        count = max(0, min(end, facts.st_size) - start)
        if count > AT_ONCE_BYTES or not stat.S_ISREG(facts.st_mode):
            return None
        data = read_at(descriptor, count, start)
        return data if len(data) == count else None
    finally:
        os.close(descriptor)


async def send_file(exchange: Exchange, response: ResponseHead, path: str, span: tuple[int, int] | None) -> None:
    """Answer with the file at `path`, or with those of its bytes that are in `span`; 404 if there is no such file."""
    try:
        descriptor = os.open(path, FLAGS)
    except (OSError, ValueError):
        # ValueError: no file is called that, for it has a NUL in it, or what no name can be encoded from.
        _send_not_found(exchange)
        return
    try:
        await _send_open(exchange, response, descriptor, span)
    finally:
        os.close(descriptor)


async def _send_open(exchange: Exchange, response: ResponseHead, descriptor: int, span: tuple[int, int] | None) -> None:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        _send_not_found(exchange)
        return
    start, end = span or (0, facts.st_size)
    count = max(0, min(end, facts.st_size) - start)
    if response.length is None:
        close = [(b'connection', b'close')] if response.close else []
        response = response_head(response.status, [*response.fields, *close, (b'content-length', b'%d' % count)])
    exchange.start(response)
    if count:
        await exchange.send_file(descriptor, start, count if response.length is None else min(count, response.length))
    exchange.finish()


def _send_not_found(exchange: Exchange) -> None:
    exchange.respond(response_head(404, []), b'Not found')
