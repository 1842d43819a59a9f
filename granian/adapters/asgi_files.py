"""Files sent for an ASGI application: `http.response.pathsend` and `http.response.zerocopysend`."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.exchange import Exchange
    from granian.protocol.responses import ResponseHead

# Read at once: the page cache answers sooner than a thread would. What is beyond is read by threads.
FIRST_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024


async def send_path(exchange: Exchange, response: ResponseHead, path: str) -> None:
    """Answer with the file at `path`: its head and its bytes, but not the end; a whole 404 if there is no such file."""
    try:
        file = open(path, 'rb', buffering=0, opener=_open)  # noqa: ASYNC230, SIM115
    except OSError:
        exchange.respond(response_head(404, []), b'Not found')
        return
    with file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            exchange.respond(response_head(404, []), b'Not found')
            return
        if response.length is None:
            length = (b'content-length', b'%d' % facts.st_size)
            close = [(b'connection', b'close')] if response.close else []
            response = response_head(response.status, [*response.fields, *close, length])
        exchange.start(response)
        await _send_bytes(exchange, file.read, response.length)


def _open(path: str, flags: int) -> int:
    # Opening a regular file waits for nobody; opening a FIFO would.
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))


async def send_open_file(exchange: Exchange, file: BinaryIO | int, offset: int | None, count: int | None) -> None:
    """Send `count` bytes of an open file from `offset`; None: all there are, from where it stands."""
    descriptor = file if isinstance(file, int) else file.fileno()
    if offset is not None and hasattr(os, 'pread'):
        # Where the file stands is left alone: other responses may be made of it at the same time.
        await _send_bytes(exchange, _reader(descriptor, offset), count)
        return
    with open(descriptor, 'rb', buffering=0, closefd=False) as raw:  # noqa: ASYNC230
        if offset is not None:
            raw.seek(offset)
        await _send_bytes(exchange, raw.read, count)


def _reader(descriptor: int, offset: int) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        nonlocal offset
        data = os.pread(descriptor, count, offset)
        offset += len(data)
        return data

    return read


async def _send_bytes(exchange: Exchange, read: Callable[[int], bytes], count: int | None) -> None:
    if exchange.head.method == 'HEAD':
        return
    loop = exchange.carrier.loop
    left = count
    data = read(FIRST_BYTES if left is None else min(left, FIRST_BYTES))
    while data:
        exchange.write(data)
        if exchange.carrier.blocked:
            await exchange.writable()
        left = None if left is None else left - len(data)
        if left == 0:
            return
        data = await loop.run_in_executor(None, read, PIECE_BYTES if left is None else min(left, PIECE_BYTES))
