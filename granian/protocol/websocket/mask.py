"""Masks of WebSocket payloads, taken off in C: each size in the way that is fastest for it."""

from __future__ import annotations

import sys

from granian.protocol.websocket.libcrypto import unmasker

_by_libcrypto = unmasker()

# Up to this, long integers are faster; they take more than twice as long for 16 KiB.
INTEGER_BYTES_MAX = 384
# Up to this, a call of libcrypto costs more than it spares. Where there is none, CPython alone takes four times as long for 16 KiB.
LANE_BYTES_MAX = sys.maxsize if _by_libcrypto is None else 768
# The bytes that one byte of the mask is for. Made once: eight such objects cost a tenth of 1 KiB.
_FIRST, _SECOND, _THIRD, _FOURTH = (slice(at, None, 4) for at in range(4))

_BYTES = int.from_bytes(bytes(range(256)), 'little')
_from_bytes = int.from_bytes
# For each byte of a mask what becomes of all bytes; made when first needed.
_tables: list[bytes | None] = [None] * 256


def unmasked(data: bytes | bytearray | memoryview, mask: bytes) -> bytes | bytearray:
    """The payload that was masked so, or the mask put onto it (RFC 6455 5.3)."""
    size = len(data)
    if size > INTEGER_BYTES_MAX:
        if size <= LANE_BYTES_MAX or _by_libcrypto is None:
            return _unmasked_in_lanes(data, mask)
        return _by_libcrypto(data, mask)
    words = (size + 3) >> 2
    plain = (_from_bytes(data, 'little') ^ _from_bytes(mask * words, 'little')).to_bytes(words << 2, 'little')
    return plain[:size] if size & 3 else plain


def _unmasked_in_lanes(data: bytes | bytearray | memoryview, mask: bytes) -> bytearray:
    tables = _tables
    a, b, c, d = mask
    plain = bytearray(data)
    # Written out: a loop takes a fifth more for 1 KiB.
    plain[_FIRST] = plain[_FIRST].translate(tables[a] or _table(a))
    plain[_SECOND] = plain[_SECOND].translate(tables[b] or _table(b))
    plain[_THIRD] = plain[_THIRD].translate(tables[c] or _table(c))
    plain[_FOURTH] = plain[_FOURTH].translate(tables[d] or _table(d))
    return plain


def _table(byte: int) -> bytes:
    table = _tables[byte] = (_BYTES ^ _from_bytes(bytes([byte]) * 256, 'little')).to_bytes(256, 'little')
    return table


def rotated(mask: bytes, count: int) -> bytes:
    """The mask of what follows `count` bytes of a payload."""
    step = count & 3
    return mask[step:] + mask[:step] if step else mask
