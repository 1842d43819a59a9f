"""What a client's first message asks for (RFC 8446 4.1.2), read before OpenSSL has it: Python does not let it give every answer."""

from __future__ import annotations

from typing import NamedTuple

# A longer one is left to OpenSSL unread. Browsers' have some 2 KiB.
HELLO_BYTES_MAX = 16 * 1024
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _PROTOCOLS = 0, 16
_RECORD_HEAD_BYTES, _MESSAGE_HEAD_BYTES = 5, 4
# RFC 8446 5.1, 6.2: a fatal alert, in clear.
_ALERT = b'\x15\x03\x03\x00\x02\x02%c'
NO_SUCH_NAME = _ALERT % 112
NO_SUCH_PROTOCOL = _ALERT % 120


class Hello(NamedTuple):
    """Empty: nothing was said of it, or not so that it can be read; then OpenSSL refuses the message."""

    host: bytes = b''
    protocols: tuple[bytes, ...] = ()


class HelloReader:
    """Puts the message together from what arrives."""

    __slots__ = ('_data', '_message')

    def __init__(self) -> None:
        self._data = b''
        self._message = bytearray()

    def read(self, data: bytes) -> Hello | None:
        """None: it is not whole yet."""
        data = self._data + data
        at = 0
        while len(data) - at >= _RECORD_HEAD_BYTES:
            start = at + _RECORD_HEAD_BYTES
            end = start + int.from_bytes(data[at + 3 : start], 'big')
            if data[at] != _HANDSHAKE or end > start + HELLO_BYTES_MAX:
                return Hello()
            if end > len(data):
                break
            self._message += data[start:end]
            at = end
            if self._is_whole():
                return _parsed(bytes(self._message))
        self._data = data[at:]
        return Hello() if self._is_hopeless() else None

    def _is_whole(self) -> bool:
        message = self._message
        return (
            len(message) >= _MESSAGE_HEAD_BYTES
            and len(message) >= _MESSAGE_HEAD_BYTES + int.from_bytes(message[1:_MESSAGE_HEAD_BYTES], 'big')
        ) or len(message) > HELLO_BYTES_MAX

    def _is_hopeless(self) -> bool:
        """Whether this is no handshake of TLS, or no first message of one."""
        return (self._data or b'\x16')[0] != _HANDSHAKE or (self._message or b'\x01')[0] != _CLIENT_HELLO


def _parsed(message: bytes) -> Hello:
    if message[0] != _CLIENT_HELLO or len(message) > HELLO_BYTES_MAX:
        return Hello()
    try:
        # Behind version and random: a session's id, ciphers, compressions.
        at = _MESSAGE_HEAD_BYTES + 34
        at += 1 + message[at]
        at += 2 + _number(message, at)
        at += 1 + message[at]
        return _asked(message, at + 2)
    except IndexError:
        return Hello()


def _asked(message: bytes, at: int) -> Hello:
    """What the extensions from `at` on ask for."""
    host = b''
    protocols: tuple[bytes, ...] = ()
    while at < len(message):
        kind, end = _number(message, at), at + 4 + _number(message, at + 2)
        if kind == _SERVER_NAME:
            # RFC 6066 3: a list of one, its kind, and the name.
            host = message[at + 9 : min(end, at + 9 + _number(message, at + 7))]
        elif kind == _PROTOCOLS:
            protocols = _names(message[at + 6 : end])
        at = end
    return Hello(host, protocols)


def _names(data: bytes) -> tuple[bytes, ...]:
    """RFC 7301 3.1"""
    names = []
    while data:
        end = 1 + data[0]
        names.append(data[1:end])
        data = data[end:]
    return tuple(names)


def _number(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
