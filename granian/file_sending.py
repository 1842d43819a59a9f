"""From an open file to an exchange, in memory that does not grow with the file."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from granian.errors import InvalidResponse
from granian.protocol.responses import is_bodiless

if TYPE_CHECKING:
    from granian.exchange import Exchange, Passage

# Read at once and sent in one piece with the head. What is longer is cheaper past this process (sendfile).
AT_ONCE_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
# As much as the kernel may take at a time: a socket's own buffer holds less in general.
WINDOW_BYTES = 1024 * 1024
_NOWAIT = getattr(os, 'RWF_NOWAIT', 0)


async def send(exchange: Exchange, file: BinaryIO | int, offset: int | None, count: int | None) -> None:
    """See `Exchange.send_file`."""
    if exchange.head.method == 'HEAD' or is_bodiless(exchange.status):
        return
    descriptor = file if isinstance(file, int) else file.fileno()
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        await _send_stream(exchange, descriptor, count)
        return
    start = _position(file) if offset is None else offset
    left = max(0, facts.st_size - start)
    left = left if count is None else min(left, count)
    await send_region(exchange, descriptor, start, left)
    if offset is None:
        _move(file, start + left)


async def send_region(exchange: Exchange, descriptor: int, offset: int, count: int) -> None:
    """Send bytes that a regular file has. Should it end sooner after all, the response is cut: InvalidResponse."""
    passage = exchange.carrier.passage() if count > AT_ONCE_BYTES else None
    if passage is not None:
        try:
            if exchange.skip(count):
                await _pass_on(exchange, passage, descriptor, offset, count)
                return
        finally:
            passage.close()
    await _write(exchange, descriptor, offset, count)


async def _pass_on(exchange: Exchange, passage: Passage, descriptor: int, offset: int, count: int) -> None:
    carrier = exchange.carrier
    while count:
        window = min(count, WINDOW_BYTES)
        if not _is_at_hand(descriptor, offset + window - 1):
            # Into the page cache; sending it from there waits for no disk.
            await carrier.loop.run_in_executor(None, read_at, descriptor, window, offset)
        sent = passage.send(descriptor, offset, window)
        offset += sent
        count -= sent
        if carrier.blocked:
            await exchange.writable()
        elif not sent:
            raise cut_short(exchange)
        elif count:
            # A client as fast as this must not keep all others waiting.
            await asyncio.sleep(0)


async def _write(exchange: Exchange, descriptor: int, offset: int, count: int) -> None:
    carrier = exchange.carrier
    size = min(count, AT_ONCE_BYTES)
    # Of a piece this small, the page cache answers sooner than a thread would.
    at_hand = True
    while count:
        if at_hand:
            data = read_at(descriptor, size, offset)
        else:
            data = await carrier.loop.run_in_executor(None, read_at, descriptor, size, offset)
        if not data:
            raise cut_short(exchange)
        exchange.write(data)
        offset += len(data)
        count -= len(data)
        if carrier.blocked:
            await exchange.writable()
        elif count:
            await asyncio.sleep(0)
        size = min(count, PIECE_BYTES)
        at_hand = _is_at_hand(descriptor, offset + size - 1)


async def _send_stream(exchange: Exchange, descriptor: int, count: int | None) -> None:
    """Send what can only be read on: a pipe, a device."""
    loop = exchange.carrier.loop
    while count is None or count > 0:
        size = AT_ONCE_BYTES if count is None else min(count, AT_ONCE_BYTES)
        data = await loop.run_in_executor(None, os.read, descriptor, size)
        if not data:
            return
        exchange.write(data)
        if exchange.carrier.blocked:
            await exchange.writable()
        count = None if count is None else count - len(data)


def cut_short(exchange: Exchange) -> InvalidResponse:
    """Cut the response, of which there is less than was said; the exception that tells."""
    exchange.abort()
    return InvalidResponse('a file became shorter while it was sent')


def _is_at_hand(descriptor: int, position: int) -> bool:
    """Whether reading there waits for no disk; False where the system cannot be asked."""
    if not _NOWAIT:
        return False
    try:
        os.preadv(descriptor, [bytearray(1)], position, _NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        # A file system that does not tell: most of them are memory.
        return True
    return True


if hasattr(os, 'pread'):

    def read_at(descriptor: int, count: int, offset: int) -> bytes:
        """Bytes of a file; where it stands is left alone, for other responses may be made of it at the same time."""
        return os.pread(descriptor, count, offset)

else:

    def read_at(descriptor: int, count: int, offset: int) -> bytes:
        """Bytes of a file, which is moved there: responses made of one descriptor at the same time disturb each other."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


def _position(file: BinaryIO | int) -> int:
    return os.lseek(file, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()


def _move(file: BinaryIO | int, position: int) -> None:
    if isinstance(file, int):
        os.lseek(file, position, os.SEEK_SET)
    else:
        file.seek(position)
