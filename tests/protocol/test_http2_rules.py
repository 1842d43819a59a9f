"""Which HTTP/2 heads are served, refused or malformed, and what the application and the client get of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from granian.errors import InvalidResponse
from granian.protocol.contract import CHUNKED, Refusal, ResponseDefaults
from granian.protocol.http2 import rules
from granian.protocol.responses import response_head
from tests.conformance.http2.tables.heads import CONNECT, HOST, MALFORMED, swap, without
from tests.helpers.http2 import LIMITS

GET = swap(b':path', b'/p?q')


def read(fields, *, ended=True, **limits):
    return rules.request_head(fields, replace(LIMITS, **limits), ended=ended)


REFUSED = {
    'extended CONNECT of another protocol (RFC 9220 3)': (501, swap(b':protocol', b'connect-udp', CONNECT), {}),
    'CONNECT (8.5)': (501, swap(b':method', b'CONNECT', without(b':path', b':scheme')), {}),
    'unknown expectation': (417, [*GET, (b'expect', b'miracle')], {}),
    'too many fields': (431, [*GET, (b'a', b'1'), (b'b', b'1')], {'fields_max': 1}),
    'too many crumbs': (431, [*GET, (b'cookie', b'1'), (b'cookie', b'1')], {'fields_max': 1}),
    'target too long': (414, GET, {'target_bytes_max': 3}),
    'declared body too large': (413, [*GET, (b'content-length', b'9')], {'body_bytes_max': 8}),
}


@pytest.mark.parametrize('fields', MALFORMED.values(), ids=MALFORMED)
def test_malformed(fields):
    with pytest.raises(Refusal) as caught:
        read(fields)
    assert caught.value.status == 400


@pytest.mark.parametrize(('status', 'fields', 'limits'), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_status(status, fields, limits):
    with pytest.raises(Refusal) as caught:
        read(fields, ended=False, **limits)
    assert caught.value.status == status
    response, body = rules.refusal_answer(caught.value)
    assert response.status == status
    assert body.strip() == caught.value.reason.encode()


def test_a_usual_head():
    head = read([*GET, (b'x', b'1'), (b'x', b'')])
    assert (head.method, head.raw_path, head.path, head.query, head.version) == ('GET', b'/p', '/p', b'q', '2')
    assert head.fields == [HOST, (b'x', b'1'), (b'x', b'')]
    assert (head.authority, head.absolute, head.content_length) == (b'a.example', False, 0)
    assert (head.keep_alive, head.expects_continue, head.upgrade) == (True, False, b'')


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ([*GET, HOST, (b'x', b'1')], [HOST, (b'x', b'1')]),
        ([*GET, (b'x', b'1'), (b'host', b'A.example')], [HOST, (b'x', b'1')]),
        ([*without(b':authority'), (b'x', b'1'), HOST], [(b'x', b'1'), HOST]),
        ([*GET[::-1], (b'x', b'1')], [HOST, (b'x', b'1')]),
        ([*GET, (b'te', b'trailers')], [HOST, (b'te', b'trailers')]),
        ([*GET, (b'x', b'a\tb \xff')], [HOST, (b'x', b'a\tb \xff')]),
        ([*GET, (b'cookie', b'a=1')], [HOST, (b'cookie', b'a=1')]),
        (
            [*GET, (b'w', b'1'), (b'cookie', b'a=1'), (b'x', b'1'), (b'cookie', b'b=2'), (b'cookie', b'c=3')],
            [HOST, (b'w', b'1'), (b'cookie', b'a=1; b=2; c=3'), (b'x', b'1')],
        ),
    ],
    ids=['host', 'host in another case', 'host alone', 'any order', 'te', 'tab within', 'cookie', 'crumbs (8.2.3)'],
)
def test_fields_for_the_application(fields, expected):
    head = read(fields)
    assert head.fields == expected
    assert head.authority == b'a.example'


@pytest.mark.parametrize(
    ('more', 'ended', 'length', 'expects'),
    [
        ([], True, 0, False),
        ([], False, CHUNKED, False),
        ([(b'content-length', b'0')], True, 0, False),
        ([(b'content-length', b'5')], False, 5, False),
        ([(b'content-length', b'5'), (b'expect', b'100-Continue')], False, 5, True),
        ([(b'expect', b'100-continue')], False, CHUNKED, True),
        ([(b'expect', b'100-continue')], True, 0, False),
    ],
)
def test_body(more, ended, length, expects):
    head = read([*GET, *more], ended=ended)
    assert (head.content_length, head.expects_continue) == (length, expects)


def test_options_of_the_server():
    head = read(swap(b':path', b'*', swap(b':method', b'OPTIONS')))
    assert (head.method, head.raw_path) == ('OPTIONS', b'*')


def test_extended_connect():
    head = read(swap(b':protocol', b'WebSocket', CONNECT), ended=False)
    assert (head.method, head.path, head.upgrade) == ('CONNECT', '/chat', b'websocket')
    assert (head.fields, head.content_length) == ([HOST], CHUNKED)


@pytest.mark.parametrize('ended', [False, True])
def test_a_length_of_extended_connect_says_nothing(ended):
    head = read([*CONNECT, (b'content-length', b'5')], ended=ended)
    assert (head.content_length, (b'content-length', b'5') in head.fields) == (0 if ended else CHUNKED, True)
    with pytest.raises(Refusal, match='Content-Length'):
        read([*CONNECT, (b'content-length', b'five')], ended=ended)


def test_a_field_list_is_measured_with_32_bytes_more_a_field():
    assert rules.list_bytes([(b'ab', b'c'), (b'd', b'')]) == 3 + 1 + 64


def test_what_the_log_shows_of_a_refused_head():
    assert rules.request_line(GET) == b'GET /p?q HTTP/2'
    assert rules.request_line([]) == b'- - HTTP/2'
    assert len(rules.request_line(swap(b':path', b'/' * 9999))) <= 256


@pytest.mark.parametrize(
    ('status', 'fields'),
    [
        (400, [(b':path', b'/')]),
        (400, [(b'X', b'1')]),
        (400, [(b'x', b'\n')]),
        (400, [(b'connection', b'close')]),
        (400, [(b'te', b'trailers')]),
        (400, [(b'content-length', b'1')]),
        (400, [HOST]),
        (431, [(b'x', b'1')] * 33),
    ],
)
def test_trailers_refused(status, fields):
    with pytest.raises(Refusal) as caught:
        rules.request_trailers(fields, LIMITS)
    assert caught.value.status == status


def test_trailers():
    assert rules.request_trailers([(b'x-sum', b'1')], LIMITS) == [(b'x-sum', b'1')]
    assert rules.request_trailers([], LIMITS) == []


DEFAULTS = ResponseDefaults(b'granian', b'Tue, 15 Nov 1994 08:12:31 GMT')
SERVER, DATE = (b'server', b'granian'), (b'date', b'Tue, 15 Nov 1994 08:12:31 GMT')


@pytest.mark.parametrize(
    ('status', 'given', 'length', 'expected'),
    [
        (200, [(b'Content-Type', b'a/b')], 3, [(b'content-type', b'a/b'), (b'content-length', b'3'), SERVER, DATE]),
        (200, [], None, [SERVER, DATE]),
        (200, [(b'Date', b'x')], None, [(b'date', b'x'), SERVER]),
        (200, [(b'SERVER', b'x')], None, [(b'server', b'x'), DATE]),
        (200, [(b'Connection', b'close'), (b'Transfer-Encoding', b'chunked'), (b'keep-alive', b'1')], None, [SERVER, DATE]),
        (204, [], 0, [SERVER, DATE]),
        (304, [], 7, [(b'content-length', b'7'), SERVER, DATE]),
        (426, [(b'upgrade', b'h3')], None, [SERVER, DATE]),
    ],
)  # fmt: skip
def test_response_fields(status, given, length, expected):
    fields = rules.response_fields(response_head(status, given), length, DEFAULTS)
    assert fields == [(b':status', b'%d' % status), *expected]


def test_without_defaults_nothing_is_added():
    assert rules.response_fields(response_head(200, []), None, ResponseDefaults(b'', b'')) == [(b':status', b'200')]


def test_interim_fields_and_trailers_are_lower_case_and_checked():
    assert rules.response_interim_fields(103, [(b'Link', b'<a>')]) == [(b':status', b'103'), (b'link', b'<a>')]
    assert rules.response_trailers([(b'X-Sum', b'1')]) == [(b'x-sum', b'1')]
    with pytest.raises(InvalidResponse):
        rules.response_interim_fields(101, [])
    with pytest.raises(InvalidResponse):
        rules.response_trailers([(b'content-length', b'1')])
