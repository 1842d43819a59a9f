"""Files sent for an application: by path, and open ones."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead

# Opening a regular file waits for nobody; opening a FIFO would.
FLAGS = os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_NOCTTY', 0) | getattr(os, 'O_BINARY', 0)


async def send_path(exchange: Exchange, response: ResponseHead, path: str) -> None:
    """Answer with the file at `path`: its head and its bytes, but not the end; a whole 404 if there is no such file."""
    try:
        descriptor = os.open(path, FLAGS)
    except OSError:
        exchange.respond(response_head(404, []), b'Not found')
        return
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            exchange.respond(response_head(404, []), b'Not found')
            return
        if response.length is None:
            length = (b'content-length', b'%d' % facts.st_size)
            close = [(b'connection', b'close')] if response.close else []
            response = response_head(response.status, [*response.fields, *close, length])
        exchange.start(response)
        await exchange.send_file(descriptor, 0, response.length)
    finally:
        os.close(descriptor)


async def send_open_file(exchange: Exchange, file: BinaryIO | int, offset: int | None, count: int | None) -> None:
    """Send `count` bytes of an open file from `offset`; None: all there are, from where it stands."""
    await exchange.send_file(file, offset, count)
