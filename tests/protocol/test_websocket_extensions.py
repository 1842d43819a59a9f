"""What is made of Sec-WebSocket-Extensions, and which terms permessage-deflate gets (RFC 6455 9.1, RFC 7692 7.1)."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace

import pytest

from granian.protocol.limits import DeflateSettings
from granian.protocol.websocket.extensions import deflate_terms, parse_extensions

SETTINGS = DeflateSettings(
    level=6,
    memory_level=8,
    server_window_bits=15,
    client_window_bits=15,
    server_takeover=True,
    client_takeover=True,
    message_bytes_min=16,
)


def terms(offered, **changes):
    return deflate_terms(parse_extensions(offered), replace(SETTINGS, **changes))


PARSED = {
    b'': [],
    b' , ,': [],
    b'a': [(b'a', [])],
    b',a , B;': None,
    b'a, B': [(b'a', []), (b'b', [])],
    b'a;b=c;D="e"; f': [(b'a', [(b'b', b'c'), (b'd', b'e'), (b'f', None)])],
    b'a \t; b = c ,, a': [(b'a', [(b'b', b'c')]), (b'a', [])],
    b'a;b="\\c\\d"': [(b'a', [(b'b', b'cd')])],
    b'a;b=""': None,
    b'a;b="c d"': None,
    b'a;b="c': None,
    b'a;b=': None,
    b'a;;b': None,
    b'a b': None,
    b';a': None,
    b'"a"': None,
    b'a="b"': None,
}


@pytest.mark.parametrize(('value', 'extensions'), PARSED.items())
def test_parsed(value, extensions):
    if extensions is None:
        with pytest.raises(ValueError):
            parse_extensions(value)
    else:
        assert parse_extensions(value) == extensions


@pytest.mark.parametrize('piece', [b' ', b',', b'a;', b'a;b=c,', b'a;b="\\c";', b'\\', b'a;b="', b'\t ;'])
def test_parsing_takes_linear_time(piece):
    def seconds(count):
        started = time.process_time()
        try:
            parse_extensions(b'a' + piece * count + b'\x00')
        except ValueError:
            return time.process_time() - started
        raise AssertionError('not refused')

    # Quadratic, it would be minutes.
    assert min(seconds(100_000) for _ in range(2)) < 5


AGREED = {
    b'permessage-deflate': b'permessage-deflate',
    b'Permessage-Deflate': b'permessage-deflate',
    b'permessage-deflate; client_max_window_bits': b'permessage-deflate',
    b'permessage-deflate; client_max_window_bits=10': b'permessage-deflate; client_max_window_bits=10',
    b'permessage-deflate; client_max_window_bits=8': b'permessage-deflate; client_max_window_bits=8',
    b'permessage-deflate; server_max_window_bits=15': b'permessage-deflate; server_max_window_bits=15',
    b'permessage-deflate; server_max_window_bits="9"': b'permessage-deflate; server_max_window_bits=9',
    b'permessage-deflate; server_no_context_takeover; client_no_context_takeover': (
        b'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
    ),
    # The first that can be met.
    b'x-other, permessage-deflate; server_max_window_bits=8, permessage-deflate; client_no_context_takeover': (
        b'permessage-deflate; client_no_context_takeover'
    ),
}


@pytest.mark.parametrize(('offered', 'reply'), AGREED.items())
def test_agreed(offered, reply):
    assert terms(offered).reply == reply


DECLINED = [
    b'', b'x-webkit-deflate-frame', b'permessage-deflate; unknown', b'permessage-deflate; server_max_window_bits',
    b'permessage-deflate; server_max_window_bits=16', b'permessage-deflate; server_max_window_bits=7',
    b'permessage-deflate; server_max_window_bits=09', b'permessage-deflate; client_max_window_bits=x',
    b'permessage-deflate; server_no_context_takeover=1', b'permessage-deflate; client_no_context_takeover=x',
    b'permessage-deflate; client_max_window_bits; client_max_window_bits=9', b'permessage-deflate; server_max_window_bits=8',
]  # fmt: skip


@pytest.mark.parametrize('offered', DECLINED)
def test_declined(offered):
    assert terms(offered) is None


def test_nothing_is_agreed_on_where_compression_is_off():
    assert deflate_terms(parse_extensions(b'permessage-deflate'), None) is None


def test_our_own_bounds_are_told_to_the_client():
    agreed = terms(b'permessage-deflate; client_max_window_bits', server_window_bits=11, client_window_bits=12)
    assert agreed.reply == b'permessage-deflate; server_max_window_bits=11; client_max_window_bits=12'
    assert (agreed.server_window_bits, agreed.client_window_bits) == (11, 12)
    agreed = terms(b'permessage-deflate; server_max_window_bits=13', server_takeover=False, client_takeover=False)
    assert agreed.reply == (
        b'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=13'
    )
    assert (agreed.server_takeover, agreed.client_takeover) == (False, False)


def test_a_client_that_cannot_be_told_may_use_the_whole_window():
    agreed = terms(b'permessage-deflate', client_window_bits=9)
    assert agreed.client_window_bits == 15
    assert agreed.reply == b'permessage-deflate'


@pytest.mark.parametrize('bits', range(9, 16))
def test_zlib_takes_every_window_we_agree_on(bits):
    agreed = terms(b'permessage-deflate; client_max_window_bits=%d; server_max_window_bits=%d' % (bits - 1, bits))
    assert zlib.compressobj(wbits=-agreed.server_window_bits).compress(b'x') is not None
    assert zlib.decompressobj(wbits=-agreed.client_window_bits).decompress(b'') == b''
