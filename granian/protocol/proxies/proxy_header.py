"""The PROXY protocol, versions 1 and 2: what a proxy says of a connection before the client's first byte."""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass

from granian.protocol.proxies.trusted import plain

V1_MARK = b'PROXY '
V2_MARK = b'\r\n\r\n\0\r\nQUIT\n'
# With its CRLF.
V1_BYTES_MAX = 107
V2_HEAD_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
# Address family and transport → bytes of addresses and ports. Datagrams are no connection: nothing is read of theirs.
_V2_ADDRESS_BYTES = {0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}
_TCP4, _TCP6, _UNIX = 0x11, 0x21, 0x31
# PP2_TYPE_SSL, and in its first byte PP2_CLIENT_SSL.
_TLV_SSL, _CLIENT_SSL = 0x20, 0x01
_v1_port = re.compile(r'0|[1-9][0-9]{0,4}').fullmatch


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the connection, as the proxy tells it."""

    # False: the peer is the client: the proxy speaks for itself, or for somebody whom it cannot name.
    known: bool
    # (address, port); None: a Unix socket.
    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None
    # The client spoke TLS with the proxy.
    secure: bool = False
    # The bytes that follow are somebody else's, and no word of the proxy.
    relayed: bool = True


ITSELF = Origin(known=False, relayed=False)
UNNAMED = Origin(known=False)


class BadProxyHeader(Exception):  # noqa: N818
    """What came first is not a PROXY header, or a broken one."""


class ProxyHeader:
    """Takes the first bytes of a connection, in pieces of any size."""

    __slots__ = ('_data', 'rest')

    def __init__(self) -> None:
        self._data = bytearray()
        # What follows the header, once it is whole.
        self.rest = b''

    def receive(self, data: bytes) -> Origin | None:
        """The origin once the header is whole, None before. Raises BadProxyHeader as soon as it cannot become one."""
        self._data += data
        start = bytes(self._data[:V2_HEAD_BYTES])
        if start[: len(V2_MARK)] == V2_MARK[: len(start)]:
            return self._v2(start) if len(start) == V2_HEAD_BYTES else None
        if start[: len(V1_MARK)] == V1_MARK[: len(start)]:
            return self._v1()
        raise BadProxyHeader('no PROXY header')

    def _v1(self) -> Origin | None:
        end = self._data.find(b'\r\n', 0, V1_BYTES_MAX)
        if end < 0:
            if len(self._data) >= V1_BYTES_MAX:
                raise BadProxyHeader('line too long')
            return None
        self.rest = bytes(self._data[end + 2 :])
        return _v1_origin(bytes(self._data[:end]))

    def _v2(self, start: bytes) -> Origin | None:
        command, kind, count = struct.unpack('!BBH', start[12:])
        if command not in {_LOCAL, _PROXY}:
            raise BadProxyHeader('unknown version or command')
        if command == _PROXY and kind not in _V2_ADDRESS_BYTES:
            raise BadProxyHeader('unknown address family')
        if command == _PROXY and count < _V2_ADDRESS_BYTES[kind]:
            raise BadProxyHeader('too short for its addresses')
        end = V2_HEAD_BYTES + count
        if len(self._data) < end:
            return None
        self.rest = bytes(self._data[end:])
        return _v2_origin(kind, bytes(self._data[V2_HEAD_BYTES:end])) if command == _PROXY else ITSELF


def _v1_origin(line: bytes) -> Origin:
    words = line.decode('latin-1').split(' ')
    if words[1] == 'UNKNOWN':
        # Whatever follows on the line is to be ignored, and the real addresses count.
        return UNNAMED
    if words[1] not in {'TCP4', 'TCP6'} or len(words) != 6:
        raise BadProxyHeader('bad line')
    client, server = (_address(words[1], text) for text in words[2:4])
    return Origin(True, (client, _port(words[4])), (server, _port(words[5])))


def _address(family: str, text: str) -> str:
    try:
        if '%' in text:
            raise ValueError(text)
        return plain(ipaddress.IPv4Address(text) if family == 'TCP4' else ipaddress.IPv6Address(text))
    except ValueError:
        raise BadProxyHeader('bad address') from None


def _port(text: str) -> int:
    if _v1_port(text) is None or int(text) > 65535:
        raise BadProxyHeader('bad port')
    return int(text)


def _v2_origin(kind: int, body: bytes) -> Origin:
    secure = _says_secure(body[_V2_ADDRESS_BYTES[kind] :])
    if kind == _TCP4:
        client, server, *ports = struct.unpack('!4s4sHH', body[:12])
    elif kind == _TCP6:
        client, server, *ports = struct.unpack('!16s16sHH', body[:36])
    elif kind == _UNIX:
        return Origin(True, None, None, secure)
    else:
        return Origin(False, None, None, secure)
    client, server = (plain(ipaddress.ip_address(address)) for address in (client, server))
    return Origin(True, (client, ports[0]), (server, ports[1]), secure)


def _says_secure(entries: bytes) -> bool:
    """Whether the extensions (type, length, value) tell of TLS. All else in them is skipped."""
    at = 0
    while at + 3 <= len(entries):
        kind, count = struct.unpack_from('!BH', entries, at)
        at += 3 + count
        if at > len(entries):
            raise BadProxyHeader('extension beyond the end')
        if kind == _TLV_SSL and count and entries[at - count] & _CLIENT_SSL:
            return True
    if at != len(entries):
        raise BadProxyHeader('extension beyond the end')
    return False
