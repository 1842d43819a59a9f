"""A TLS client that updates its keys as often as it likes (RFC 8446 4.6.3): Python's own cannot, OpenSSL's library can."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

NAMES = ('libssl.so.3', 'libssl.so.1.1')
NOT_REQUESTED = 0
READ_BYTES = 65536


def library() -> Any:
    """OpenSSL's, or None where there is none."""
    for name in (*NAMES, ctypes.util.find_library('ssl')):
        try:
            found = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if found is not None:
            return _typed(found)
    return None


def _typed(found: Any) -> Any:
    pointer = ctypes.c_void_p
    for name in ('TLS_client_method', 'SSL_CTX_new', 'SSL_new', 'BIO_new', 'BIO_s_mem'):
        getattr(found, name).restype = pointer
    for name, arguments in {
        'SSL_CTX_new': [pointer], 'SSL_new': [pointer], 'BIO_new': [pointer], 'SSL_set_bio': [pointer] * 3,
        'SSL_set_connect_state': [pointer], 'SSL_do_handshake': [pointer], 'SSL_free': [pointer], 'SSL_CTX_free': [pointer],
        'SSL_key_update': [pointer, ctypes.c_int], 'BIO_read': [pointer, ctypes.c_char_p, ctypes.c_int],
        'BIO_write': [pointer, ctypes.c_char_p, ctypes.c_int], 'SSL_write': [pointer, ctypes.c_char_p, ctypes.c_int],
        'SSL_set_alpn_protos': [pointer, ctypes.c_char_p, ctypes.c_uint],
    }.items():  # fmt: skip
        getattr(found, name).argtypes = arguments
    return found


class KeyUpdater:
    """One client without its socket: `fed` what comes, it has `out` what is to be sent. It trusts anybody."""

    def __init__(self, openssl: Any, alpn: bytes = b'\x02h2') -> None:
        self._openssl = openssl
        self._context = openssl.SSL_CTX_new(openssl.TLS_client_method())
        self._tls = openssl.SSL_new(self._context)
        self._in, self._out = (openssl.BIO_new(openssl.BIO_s_mem()) for _ in range(2))
        openssl.SSL_set_bio(self._tls, self._in, self._out)
        openssl.SSL_set_connect_state(self._tls)
        openssl.SSL_set_alpn_protos(self._tls, alpn, len(alpn))

    def close(self) -> None:
        self._openssl.SSL_free(self._tls)
        self._openssl.SSL_CTX_free(self._context)

    def shake(self, came: bytes = b'') -> bool:
        """Go on with the handshake; whether it is done."""
        if came:
            self._openssl.BIO_write(self._in, came, len(came))
        return self._openssl.SSL_do_handshake(self._tls) == 1

    def out(self) -> bytes:
        pieces = []
        buffer = ctypes.create_string_buffer(READ_BYTES)
        while (count := self._openssl.BIO_read(self._out, buffer, READ_BYTES)) > 0:
            pieces.append(buffer.raw[:count])
        return b''.join(pieces)

    def write(self, data: bytes) -> None:
        self._openssl.SSL_write(self._tls, data, len(data))

    def update(self, count: int) -> None:
        """Update the keys for what we send so often."""
        for _ in range(count):
            self._openssl.SSL_key_update(self._tls, NOT_REQUESTED)
            self._openssl.SSL_do_handshake(self._tls)
