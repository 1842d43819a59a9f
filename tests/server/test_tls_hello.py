"""A client's first message, read as OpenSSL reads it, however it arrives."""

from __future__ import annotations

import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.server.tls.hello import HELLO_BYTES_MAX, Hello, HelloReader, objection
from tests.helpers.tls import TlsPeer

X25519, P_256, FFDHE_2048, FFDHE_8192, HYBRID = 0x1D, 0x17, 0x100, 0x104, 0x11EC


def sent(name='www.example.org', protocols=('h2', 'http/1.1'), newest=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context()
    context.maximum_version = newest
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if name is None:
        context.check_hostname = False
    return TlsPeer(context, name).hello()


OFFERED = frozenset({b'h2', b'http/1.1'})


def in_records(message, size):
    """A handshake message in records of this size."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b''.join([b'\x16\x03\x01%b%b' % (len(part).to_bytes(2, 'big'), part) for part in parts])


def read(*pieces):
    reader = HelloReader()
    return [reader.read(piece) for piece in pieces]


@pytest.mark.parametrize('newest', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ('name', 'host'),
    [('www.example.org', b'www.example.org'), ('bücher.example', b'xn--bcher-kva.example'), (None, b'')],
)
@pytest.mark.parametrize('protocols', [('h2', 'http/1.1'), ('spdy/3',), ()])
def test_what_openssl_writes_is_read(newest, name, host, protocols):
    (hello,) = read(sent(name, protocols, newest))
    assert (hello.host, hello.protocols) == (host, tuple(each.encode() for each in protocols))
    # Of X25519 every client here begins an exchange, where it knows of TLS 1.3.
    assert X25519 in hello.groups
    assert hello.shares == ((X25519,) if newest is ssl.TLSVersion.TLSv1_3 else ())


def test_message_in_pieces_is_the_same_message():
    raw = sent()
    known = read(raw)[0]
    for at in range(1, len(raw)):
        assert read(raw[:at], raw[at:]) == [None, known]
    assert read(*[raw[at : at + 1] for at in range(len(raw))])[-1] == known


@pytest.mark.parametrize('size', [1, 3, 5, 100])
def test_message_in_several_records_is_the_same_message(size):
    raw = sent()
    split = in_records(raw[5:], size)
    assert read(split) == read(raw)
    assert read(split[:-1], split[-1:]) == [None, *read(raw)]


def test_what_follows_the_message_is_not_looked_at():
    raw = sent()
    assert read(raw + b'early data') == read(raw)


@pytest.mark.parametrize(
    'raw',
    [
        b'GET / HTTP/1.1\r\n\r\n',
        b'G',
        b'\x15\x03\x03\x00\x02\x02\x28',
        b'\x16\x03\x01\x00\x04\x02\x00\x00\x00',
        b'\x16\x03\x01\x00\x01\x02',
        b'\x16\x03\x01\x00\x04\x01\x00\x00\x00',
        b'\x16\x03\x01\xff\xff',
    ],
)
def test_what_is_no_such_message_is_left_to_openssl(raw):
    assert read(raw) == [Hello()]


def test_message_that_is_too_long_is_refused_before_it_is_whole():
    raw = in_records(b'\x01\x01\xff\xff' + bytes(HELLO_BYTES_MAX), 4096)
    assert read(raw[:-4000], raw[-4000:]) == [None, Hello(is_too_long=True)]
    assert objection(Hello(is_too_long=True), OFFERED)[0].endswith(bytes([47]))


@pytest.mark.parametrize(
    ('groups', 'shares', 'refused'),
    [
        ([X25519, FFDHE_8192], [X25519], False),
        ([P_256, FFDHE_8192], [], False),
        ([HYBRID, X25519], [HYBRID], False),
        ([], [], False),
        ([X25519, FFDHE_8192], [X25519, FFDHE_8192], True),
        ([X25519, FFDHE_8192], [HYBRID, FFDHE_8192], True),
        ([FFDHE_2048], [FFDHE_2048], True),
        ([FFDHE_8192], [], True),
        # Of these OpenSSL may know the last alone.
        ([1, HYBRID, FFDHE_8192], [], True),
    ],
)
def test_who_wants_a_slow_exchange_of_keys_is_refused(groups, shares, refused):
    found = objection(Hello(groups=tuple(groups), shares=tuple(shares)), OFFERED)
    assert (found is not None) is refused
    assert found is None or found[0].endswith(bytes([40]))


def test_many_small_records_cost_little():
    raw = in_records(b'\x01\x00\xff\x00' + bytes(0xFF00), 1)
    began = time.process_time()
    read(raw)
    assert time.process_time() - began < 1


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_read_or_left(data, cut):
    raw = b'\x16\x03\x01%b\x01%b%b' % (
        (len(data) + 4).to_bytes(2, 'big'),
        len(data).to_bytes(3, 'big'),
        data,
    )
    (whole,) = read(raw)
    assert whole is not None
    assert next(each for each in read(raw[:cut], raw[cut:]) if each is not None) == whole
