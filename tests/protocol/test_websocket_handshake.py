"""Which openings are accepted, and with what (RFC 6455 4, RFC 8441 5)."""

from __future__ import annotations

import pytest

from granian.errors import InvalidResponse
from granian.protocol.contract import RequestHead
from granian.protocol.websocket.contract import DeflateTerms
from granian.protocol.websocket.handshake import OpeningRefusal, accept_fields, asks_for_websocket, opening

KEY = (b'sec-websocket-key', b'dGhlIHNhbXBsZSBub25jZQ==')
VERSION = (b'sec-websocket-version', b'13')
TERMS = DeflateTerms(15, True, 15, True, b'permessage-deflate')


def head(*fields, method='GET', version='1.1', upgrade=b'websocket', content_length=0):
    made = RequestHead()
    made.method, made.version, made.upgrade, made.content_length = method, version, upgrade, content_length
    made.fields = [(b'host', b'a'), *fields]
    return made


def over_http2(*fields, **changes):
    return head(*fields, **{'method': 'CONNECT', 'version': '2', 'content_length': -1, **changes})


@pytest.mark.parametrize(
    ('upgrade', 'asks'),
    [(b'websocket', True), (b'h2c, websocket', True), (b'', False), (b'h2c', False), (b'xwebsocket', False)],
)
def test_who_asks_for_a_session(upgrade, asks):
    assert asks_for_websocket(head(upgrade=upgrade)) is asks


def test_a_plain_opening():
    asked = opening(head(KEY, VERSION))
    assert (asked.subprotocols, asked.extensions, asked.origin) == ([], [], None)
    assert accept_fields(asked, None, None) == [
        (b'upgrade', b'websocket'),
        # The value of RFC 6455 1.3.
        (b'sec-websocket-accept', b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='),
    ]


def test_an_opening_over_http2_needs_no_key():
    asked = opening(over_http2(VERSION, (b'sec-websocket-protocol', b'chat')))
    assert accept_fields(asked, 'chat', TERMS) == [
        (b'sec-websocket-protocol', b'chat'),
        (b'sec-websocket-extensions', b'permessage-deflate'),
    ]


REFUSED = {
    'POST': (405, head(KEY, VERSION, method='POST')),
    'GET over HTTP/2': (405, over_http2(VERSION, method='GET')),
    'a body': (400, head(KEY, VERSION, content_length=1)),
    'a chunked body': (400, head(KEY, VERSION, content_length=-1)),
    'no version': (400, head(KEY)),
    'two versions': (400, head(KEY, VERSION, VERSION)),
    'a list of versions': (400, head(KEY, (b'sec-websocket-version', b'13, 8'))),
    'no number': (400, head(KEY, (b'sec-websocket-version', b'x'))),
    'an old version': (426, head(KEY, (b'sec-websocket-version', b'8'))),
    'a version with a zero before it': (426, head(KEY, (b'sec-websocket-version', b'013'))),
    'an old version over HTTP/2': (426, over_http2((b'sec-websocket-version', b'8'))),
    'no key': (400, head(VERSION)),
    'two keys': (400, head(KEY, KEY, VERSION)),
    'a short key': (400, head((KEY[0], b'dGhlIHNhbXBsZSBub25j'), VERSION)),
    'a long key': (400, head((KEY[0], b'dGhlIHNhbXBsZSBub25jZXh4'), VERSION)),
    'a key without padding': (400, head((KEY[0], KEY[1][:-2]), VERSION)),
    'a key that is not base64': (400, head((KEY[0], b'dGhlIHNhbXBsZSBub25jZ*=='), VERSION)),
    'no token as subprotocol': (400, head(KEY, VERSION, (b'sec-websocket-protocol', b'a b'))),
    'no extension': (400, head(KEY, VERSION, (b'sec-websocket-extensions', b'a b'))),
    'an unended extension over HTTP/2': (400, over_http2(VERSION, (b'sec-websocket-extensions', b'a;'))),
}  # fmt: skip


@pytest.mark.parametrize(('status', 'asked'), REFUSED.values(), ids=REFUSED)
def test_refused_openings(status, asked):
    with pytest.raises(OpeningRefusal) as caught:
        opening(asked)
    assert caught.value.status == status
    fields = dict(caught.value.fields)
    if status == 426:
        # RFC 6455 4.4, RFC 9110 15.5.22
        assert fields == {b'upgrade': b'websocket', b'sec-websocket-version': b'13'}
    if status == 405:
        # RFC 9110 15.5.6
        assert fields == {b'allow': b'GET'}


def test_subprotocols_keep_their_order_and_stand_once():
    lists = [(b'sec-websocket-protocol', b'chat, super.chat,'), (b'sec-websocket-protocol', b', mqtt,chat')]
    assert opening(head(KEY, VERSION, *lists)).subprotocols == ['chat', 'super.chat', 'mqtt']


def test_a_subprotocol_nobody_offered_is_not_accepted():
    asked = opening(head(KEY, VERSION, (b'sec-websocket-protocol', b'chat')))
    for subprotocol in ('Chat', 'x\r\ny: z', ''):
        with pytest.raises(InvalidResponse):
            accept_fields(asked, subprotocol, None)


def test_the_origin_is_told():
    assert opening(head(KEY, VERSION, (b'origin', b'https://a'))).origin == b'https://a'
