from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.protocol.proxies.proxy_header import ITSELF, UNNAMED, V2_MARK, BadProxyHeader, Origin, ProxyHeader

SSL = b'\x20\0\x05\x01\0\0\0\0'
NOOP = b'\x04\0\x02xx'


def v2(command=0x21, kind=0x11, body=b'', *, declared=None):
    return V2_MARK + struct.pack('!BBH', command, kind, len(body) if declared is None else declared) + body


def inet(client='203.0.113.7', server='192.0.2.1', ports=(4711, 443)):
    family = socket.AF_INET6 if ':' in client else socket.AF_INET
    return socket.inet_pton(family, client) + socket.inet_pton(family, server) + struct.pack('!HH', *ports)


OVER_4 = Origin(True, ('203.0.113.7', 4711), ('192.0.2.1', 443))
OVER_6 = Origin(True, ('2001:db8::7', 4711), ('2001:db8::1', 443))
GOOD = [
    (b'PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n', OVER_4),
    (b'PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n', OVER_6),
    (b'PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 4711 443\r\n', OVER_4),
    (b'PROXY UNKNOWN\r\n', UNNAMED),
    (b'PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', UNNAMED),
    (v2(body=inet()), OVER_4),
    (v2(kind=0x21, body=inet('2001:db8::7', '2001:db8::1')), OVER_6),
    (v2(kind=0x31, body=b'/run/a'.ljust(108, b'\0') * 2), Origin(True)),
    # LOCAL: whatever it holds is skipped.
    (v2(0x20, 0), ITSELF),
    (v2(0x20, 0x99, b'anything'), ITSELF),
    (v2(kind=0, body=NOOP), UNNAMED),
    (v2(kind=0x12, body=inet()), UNNAMED),
    (v2(body=inet() + NOOP), OVER_4),
    (v2(body=inet() + NOOP + SSL), Origin(True, ('203.0.113.7', 4711), ('192.0.2.1', 443), secure=True)),
    (v2(body=inet() + b'\x20\0\x05\0\0\0\0\0'), OVER_4),
    (v2(body=inet() + b'\x20\0\0'), OVER_4),
]
BAD = [
    b'GET / HTTP/1.1\r\n',
    b'\x16\x03\x01',
    b'proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
    b'PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
    b'PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n',
    b'PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n',
    b'PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n',
    b'PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n',
    b'PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n',
    b'PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n',
    b'PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n',
    b'PROXY TCP4 ::1 ::1 1 2\r\n',
    b'PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n',
    b'PROXY TCP6 fe80::1%a ::1 1 2\r\n',
    b'PROXY TCP4 evil.example 2.2.2.2 1 2\r\n',
    b'PROXY UNKNOWN' + b' ' * 200 + b'\r\n',
    b'PROXY \r\n',
    v2(0x11),
    v2(0x22),
    v2(0x31),
    v2(kind=0x41, body=inet()),
    v2(body=inet()[:-1]),
    v2(kind=0x21, body=inet()),
    v2(body=inet() + b'\x04\0\x05x'),
    v2(body=inet() + b'\x04\0'),
    V2_MARK[:-1] + b'X' + b'\x21\x11\0\0',
]


def receive(header, *pieces):
    origin = None
    for piece in pieces:
        assert origin is None
        origin = header.receive(piece)
    return origin


@pytest.mark.parametrize(('data', 'origin'), GOOD)
@pytest.mark.parametrize('rest', [b'', b'GET / HTTP/1.1\r\n\r\n'])
def test_whole_header(data, origin, rest):
    header = ProxyHeader()
    assert receive(header, data + rest) == origin
    assert header.rest == rest


@pytest.mark.parametrize(('data', 'origin'), GOOD)
def test_header_may_be_split_anywhere(data, origin):
    for at in range(1, len(data)):
        header = ProxyHeader()
        assert receive(header, data[:at], data[at:] + b'rest') == origin
        assert header.rest == b'rest'
    assert receive(ProxyHeader(), *(data[at : at + 1] for at in range(len(data)))) == origin


@pytest.mark.parametrize('data', BAD)
def test_broken_header_is_refused_whole_and_in_pieces(data):
    with pytest.raises(BadProxyHeader):
        receive(ProxyHeader(), data)
    with pytest.raises(BadProxyHeader):
        receive(ProxyHeader(), *(data[at : at + 1] for at in range(len(data))))


def test_no_more_than_the_bound_of_version_1_is_waited_for():
    header = ProxyHeader()
    assert header.receive(b'PROXY UNKNOWN' + b' ' * 93) is None
    with pytest.raises(BadProxyHeader):
        header.receive(b' ')


@given(st.data())
def test_pieces_make_no_difference(data):
    kind = st.sampled_from([case for case, _ in GOOD] + BAD)
    bent = bytearray(data.draw(kind))
    for _ in range(data.draw(st.integers(0, 3))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(bent)))

    def outcome(*pieces):
        header = ProxyHeader()
        try:
            found = None
            for piece in pieces:
                found = header.receive(piece)
                if found is not None:
                    break
        except BadProxyHeader:
            return 'refused'
        return found

    assert outcome(bytes(bent)) == outcome(bytes(bent[:cut]), bytes(bent[cut:]))
