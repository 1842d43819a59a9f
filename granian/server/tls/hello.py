"""What a client's first message asks for (RFC 8446 4.1.2), read before OpenSSL has it: Python does not let it give every answer."""

from __future__ import annotations

from struct import unpack
from typing import NamedTuple

# A longer one is refused, as upstream does. Browsers' have some 2 KiB.
HELLO_BYTES_MAX = 64 * 1024
# RFC 8446 5.1
_RECORD_BYTES_MAX = 16 * 1024
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _GROUPS, _PROTOCOLS, _KEY_SHARES = 0, 10, 16, 51
_LOOKED_AT = frozenset({_SERVER_NAME, _GROUPS, _PROTOCOLS, _KEY_SHARES})
_RECORD_HEAD_BYTES, _MESSAGE_HEAD_BYTES = 5, 4
# RFC 8446 5.1, 6.2: a fatal alert, in clear.
_ALERT = b'\x15\x03\x03\x00\x02\x02%c'
_NOT_THIS_WAY, _NO_SUCH_PARAMETER, _NO_SUCH_NAME, _NO_SUCH_PROTOCOL = (_ALERT % code for code in (40, 47, 112, 120))
# RFC 8446 4.2.7: groups over curves that every OpenSSL prefers to those over finite fields (RFC 7919).
_CURVES = frozenset({0x17, 0x18, 0x19, 0x1D, 0x1E})
_FINITE_FIELDS = frozenset(range(0x100, 0x200))


class Hello(NamedTuple):
    """Empty: nothing was said of it, or not so that it can be read; then OpenSSL refuses the message."""

    host: bytes = b''
    protocols: tuple[bytes, ...] = ()
    # For the exchange of keys: what it knows, and what it has begun with.
    groups: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    is_too_long: bool = False


def objection(hello: Hello, protocols: frozenset[bytes]) -> tuple[bytes, str] | None:
    """The alert for a client that is turned away, and why. `protocols`: what may be agreed on."""
    if hello.is_too_long:
        return _NO_SUCH_PARAMETER, f'its first message is longer than {HELLO_BYTES_MAX} bytes'
    if not hello.host.isascii():
        # RFC 6066 3: there is no such name, and Python would not even ask us for a certificate.
        return _NO_SUCH_NAME, 'it asks for a host whose name is not ASCII'
    if hello.protocols and protocols.isdisjoint(hello.protocols):
        # RFC 7301 3.2: nobody is to be taken for a server of another protocol. Python would have OpenSSL go on without one.
        return _NO_SUCH_PROTOCOL, 'it speaks none of the protocols that are offered'
    if _wants_finite_field(hello):
        return _NOT_THIS_WAY, 'it wants an exchange of keys over a finite field'
    return None


def _wants_finite_field(hello: Hello) -> bool:
    """Whether OpenSSL might agree to one, which Python cannot tell it not to: the largest take 600 times as long as X25519."""
    if not _FINITE_FIELDS.isdisjoint(hello.shares):
        return True
    return _CURVES.isdisjoint(hello.groups) and not _FINITE_FIELDS.isdisjoint(hello.groups)


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
            if data[at] != _HANDSHAKE or end > start + _RECORD_BYTES_MAX:
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
    if message[0] != _CLIENT_HELLO:
        return Hello()
    if len(message) > HELLO_BYTES_MAX:
        return Hello(is_too_long=True)
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
    found: dict[int, bytes] = {}
    size = len(message)
    while at < size:
        kind, start = message[at] << 8 | message[at + 1], at + 4
        at = start + (message[at + 2] << 8 | message[at + 3])
        if kind in _LOOKED_AT:
            found[kind] = message[start:at]
    name = found.get(_SERVER_NAME, b'')
    groups = found.get(_GROUPS, b'')[2:]
    return Hello(
        # RFC 6066 3: a list of one, its kind, and the name.
        host=name[5 : 5 + _number(name, 3)] if name else b'',
        protocols=_names(found.get(_PROTOCOLS, b'')[2:]),
        groups=unpack(f'>{len(groups) // 2}H', groups[: len(groups) // 2 * 2]),
        shares=_begun(found.get(_KEY_SHARES, b'')[2:]),
    )


def _begun(data: bytes) -> tuple[int, ...]:
    """RFC 8446 4.2.8: the groups of shares."""
    groups = []
    while data:
        groups.append(_number(data, 0))
        data = data[4 + _number(data, 2) :]
    return tuple(groups)


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
