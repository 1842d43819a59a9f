"""Files sent for an RSGI application: `response_file` and `response_file_range`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from granian.adapters import asgi_files
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead


async def send_file(exchange: Exchange, response: ResponseHead, path: str, span: tuple[int, int] | None) -> None:
    """Answer with the file at `path`, or with those of its bytes that are in `span`; 404 if there is no such file."""
    if not _may_exist(path):
        send_not_found(exchange)
    elif span is None:
        await asgi_files.send_path(exchange, response, path)
    else:
        await _send_span(exchange, response, path, span)
    if not exchange.done:
        exchange.finish()


async def _send_span(exchange: Exchange, response: ResponseHead, path: str, span: tuple[int, int]) -> None:
    try:
        file = open(path, 'rb', buffering=0, opener=_open)  # noqa: ASYNC230, SIM115
    except OSError:
        send_not_found(exchange)
        return
    with file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            send_not_found(exchange)
            return
        start, end = span
        count = max(0, min(end, facts.st_size) - start)
        if response.length is None:
            close = [(b'connection', b'close')] if response.close else []
            response = response_head(response.status, [*response.fields, *close, (b'content-length', b'%d' % count)])
        exchange.start(response)
        await asgi_files.send_open_file(exchange, file, start, count)


def _may_exist(path: str) -> bool:
    try:
        return b'\0' not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def send_not_found(exchange: Exchange) -> None:
    exchange.respond(response_head(404, []), b'Not found')


def _open(path: str, flags: int) -> int:
    # Opening a regular file waits for nobody; opening a FIFO would.
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))
