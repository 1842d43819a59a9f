"""A client's first message, read as OpenSSL reads it, however it arrives."""

from __future__ import annotations

import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.server.tls.hello import HELLO_BYTES_MAX, Hello, HelloReader
from tests.helpers.tls import TlsPeer


def sent(name='www.example.org', protocols=('h2', 'http/1.1'), newest=ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context()
    context.maximum_version = newest
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if name is None:
        context.check_hostname = False
    return TlsPeer(context, name).hello()


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
    assert read(sent(name, protocols, newest)) == [Hello(host, tuple(each.encode() for each in protocols))]


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
        in_records(b'\x01\xff\xff\xff' + bytes(HELLO_BYTES_MAX), 4096),
    ],
)
def test_what_is_no_such_message_is_left_to_openssl(raw):
    assert read(raw) == [Hello()]


def test_many_small_records_cost_little():
    raw = in_records(b'\x01\x00\x3f\x00' + bytes(0x3F00), 1)
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
