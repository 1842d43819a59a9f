"""Masks taken off by libcrypto: its output feedback mode is an exclusive or at C's speed where the cipher does nothing.

CRYPTO_ofb128_encrypt(in, out, length, key, ivec[16], &num, block) calls block(ivec, ivec, key) for each 16 bytes and puts ivec onto
them, from ivec[num] on (openssl/modes.h, OpenSSL 1.0.0). With memmove as the block and NULL as the key that is memmove(ivec, ivec, 0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from ctypes import PyDLL

    Unmasker = Callable[[bytes | bytearray | memoryview, bytes], bytearray]

# Each rest of a block of 16 bytes, with blocks before it and without.
_PROVED_SIZES = (*range(1, 49), 1021)


def unmasker() -> Unmasker | None:
    """What takes a mask off one byte and more, by the libcrypto that hashlib works with; None where that has no such function."""
    try:
        import _hashlib
        from ctypes import PyDLL

        # A call keeps the interpreter's lock: it is over in microseconds.
        found = _unmasker(PyDLL(_hashlib.__file__))
    except (ImportError, OSError, AttributeError):
        # Built without OpenSSL, or with it linked in; Windows, where each library keeps its symbols to itself.
        return None
    return found if _is_proved(found) else None


def _unmasker(library: PyDLL) -> Unmasker:
    from ctypes import byref, c_char, c_int, c_size_t, c_void_p, cast

    encrypt = library.CRYPTO_ofb128_encrypt
    encrypt.restype = None
    block = cast(library.memmove, c_void_p)
    start_of = c_char.from_buffer
    ivec_of = (c_char * 16).from_buffer_copy

    def unmasked(data: bytes | bytearray | memoryview, mask: bytes) -> bytearray:
        plain = bytearray(data)
        # It works in place, on what belongs to this call alone. All are C's types: to have `argtypes` say so takes 0.4 µs more.
        start = byref(start_of(plain))
        encrypt(start, start, c_size_t(len(plain)), None, ivec_of(mask * 4), byref(c_int(0)), block)
        return plain

    return unmasked


def _is_proved(unmasked: Unmasker) -> bool:
    """Whether it does what it is to do: a libcrypto of other makers may have another function of that name."""
    mask = b'\x01\x80\xfe\x37'
    data = bytes(range(256)) * 4
    plain = bytes(byte ^ mask[at & 3] for at, byte in enumerate(data))
    return all(unmasked(data[:size], mask) == plain[:size] for size in _PROVED_SIZES)
