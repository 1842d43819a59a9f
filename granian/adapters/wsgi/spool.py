"""Request bodies that are waited for: in memory while they are small, then in a temporary file without a name."""

from __future__ import annotations

import io
import tempfile
from asyncio import shield
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from typing import BinaryIO

    from granian.exchange import Exchange

# What is kept in memory of one body: a larger one is moved to a file.
HELD_BYTES_MAX = 256 * 1024


async def whole_body(exchange: Exchange) -> BinaryIO:
    """The body once it has all come, as a file at its start; close it.

    Raises ClientDisconnected where it never will be whole, and OSError where the disk does not take it.
    """
    pieces: list[bytes] = []
    held = 0
    while not exchange.body_taken:
        pieces.append(await exchange.read())
        held += len(pieces[-1])
        if held > HELD_BYTES_MAX:
            return await _spooled(exchange, pieces)
    return io.BytesIO(b''.join(pieces))


async def _spooled(exchange: Exchange, pieces: list[bytes]) -> BinaryIO:
    spool = _Spool(exchange.carrier.loop)
    whole = False
    try:
        await spool.write(b''.join(pieces))
        pieces.clear()
        while not exchange.body_taken:
            await spool.write(await exchange.read())
        whole = True
        return spool.rewound()
    finally:
        if not whole:
            spool.close()


class _Spool:
    """A file that is written by another thread: a slow disk does not hold the loop up, nor a slow client a thread."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._file: io.FileIO | None = None
        self._writing: Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Return once `data` is written: until then the client is not read beyond its buffer."""
        self._writing = self._loop.run_in_executor(None, self._write, data)
        # A cancelled write goes on in its thread, and what it writes to must stay open.
        await shield(self._writing)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            # Unbuffered, this is the bare FileIO.
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (lives as long as the request)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def rewound(self) -> BinaryIO:
        """The file, for whoever reads it, and closes it."""
        assert self._file is not None
        self._file.seek(0)
        return io.BufferedReader(self._file)

    def close(self) -> None:
        """Give the file up, at the latest once nothing is written any more."""
        if self._writing is not None and not self._writing.done():
            self._writing.add_done_callback(self._close)
        else:
            self._close()

    def _close(self, _: object = None) -> None:
        if self._file is not None:
            self._file.close()
