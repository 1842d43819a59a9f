"""`wsgi.input`: a real file, of bytes that are here or of a body that is still coming."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

BUFFER_BYTES = 64 * 1024


def streamed(read: Callable[[], bytes]) -> io.BufferedReader:
    """A file of what `read` returns piece by piece, b'' after the last. It asks for nothing before it is read."""
    return io.BufferedReader(_Pieces(read), BUFFER_BYTES)


class _Pieces(io.RawIOBase):
    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._piece = memoryview(b'')
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._fill()
        room = memoryview(buffer).cast('B')
        count = min(len(room), len(self._piece))
        room[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def readall(self) -> bytes:
        pieces: list[bytes | memoryview] = []
        while True:
            self._fill()
            if not self._piece:
                return b''.join(pieces)
            pieces.append(self._piece)
            self._piece = memoryview(b'')

    def _fill(self) -> None:
        if not self._piece and not self._ended:
            data = self._read()
            self._ended = not data
            self._piece = memoryview(data)
