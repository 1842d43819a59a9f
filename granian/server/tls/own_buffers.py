"""A pump whose buffers no other connection uses: they keep as much memory as they ever held, so that is little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.server.tls.pump import RECORD_BYTES, TlsPump

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


class OwnBuffersPump(TlsPump):
    """As its base, a record at a time both ways."""

    __slots__ = ()

    def _encryption(self, tls: ssl.SSLObject) -> Callable[[bytes | bytearray | memoryview], int]:
        return self._write_by_records

    def data_received(self, data: bytes) -> None:
        if len(data) <= RECORD_BYTES:
            super().data_received(data)
            return
        for at in range(0, len(data), RECORD_BYTES):
            super().data_received(data[at : at + RECORD_BYTES])

    def _write_by_records(self, data: bytes | bytearray | memoryview) -> int:
        """Encrypt; what the buffer had no room for is owed, and leaves before what it holds."""
        size = len(data)
        if size + self._outgoing.pending <= RECORD_BYTES:
            return self._tls.write(data)
        encrypted = [self._output()]
        view = memoryview(data)
        for at in range(0, size, RECORD_BYTES):
            self._tls.write(view[at : at + RECORD_BYTES])
            encrypted.append(self._outgoing.read())
        self._owed = b''.join(encrypted)
        return size
