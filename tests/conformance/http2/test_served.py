"""What a client may send, over every engine, however its bytes arrive."""

from __future__ import annotations

import struct

import pytest

from granian.protocol.contract import CHUNKED
from granian.protocol.responses import response_head, upgrade_head
from tests.helpers.http2 import (
    ACK,
    CONNECT,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE_ERROR,
    GET,
    GOAWAY,
    HEADERS,
    INTERNAL_ERROR,
    NO_ERROR,
    PADDED,
    PING,
    POST,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    RST_STREAM,
    SETTINGS,
    WITH_PRIORITY,
    Talk,
    data,
    frame,
    limits,
    no_reply,
    priority,
    reset,
    settings,
    window,
)

BROWSER = [*GET, *[(b'x-%d' % number, b'value %d' % number) for number in range(20)]]


def pieces(block, size, flags=END_STREAM):
    parts = [block[at : at + size] for at in range(0, len(block), size)]
    sent = frame(HEADERS, flags, 1, parts[0])
    for part in parts[1:-1]:
        sent += frame(CONTINUATION, 0, 1, part)
    return sent + frame(CONTINUATION, END_HEADERS, 1, parts[-1])


def upload(talk, *parts, trailers=(), fields=POST):
    sent = talk.headers(1, fields, end=False)
    for number, part in enumerate(parts, start=1):
        sent += data(1, part, end=number == len(parts) and not trailers)
    return sent + (talk.headers(1, trailers) if trailers else b'')


# name → (what is sent, the body of the response to stream 1)
SERVED = {
    'a request': (lambda talk: talk.headers(1), b'GET /'),
    'many fields': (lambda talk: talk.headers(1, BROWSER), b'GET /'),
    'unknown frame (4.1, 5.5)': (lambda talk: frame(77, 0xFF, 0, b'abc') + frame(78, 0, 9, b'') + talk.headers(1), b'GET /'),
    'unknown flags (4.1)': (lambda talk: frame(HEADERS, 0xD5 & ~PADDED, 1, talk.block(GET)), b'GET /'),
    'the reserved bit (4.1)': (lambda talk: frame(HEADERS, 5, 1 | 1 << 31, talk.block(GET)), b'GET /'),
    'padded head (6.2)': (lambda talk: frame(HEADERS, 5 | PADDED, 1, b'\x03' + talk.block(GET) + b'\0\0\0'), b'GET /'),
    'head with padding of no bytes (6.2)': (lambda talk: frame(HEADERS, 5 | PADDED, 1, b'\0' + talk.block(GET)), b'GET /'),
    'head with priority (6.2)': (
        lambda talk: frame(HEADERS, 5 | WITH_PRIORITY, 1, priority(7) + talk.block(GET)), b'GET /'
    ),
    'padded head with priority (6.2)': (
        lambda talk: frame(HEADERS, 5 | WITH_PRIORITY | PADDED, 1, b'\x02' + priority(0) + talk.block(GET) + b'ab'), b'GET /'
    ),
    'PRIORITY on any stream (6.3)': (
        lambda talk: frame(PRIORITY, 0, 9, priority(1)) + talk.headers(1) + frame(PRIORITY, 0, 1, priority(3)), b'GET /'
    ),
    'block in pieces (6.10)': (lambda talk: pieces(talk.block(BROWSER), 7), b'GET /'),
    'block in pieces, some of them empty (6.10)': (
        lambda talk: frame(HEADERS, END_STREAM, 1) + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, 4, 1, talk.block(GET)),
        b'GET /',
    ),
    'SETTINGS of all kinds (6.5.2)': (
        lambda talk: settings((1, 0), (2, 1), (2, 0), (3, 0), (4, 0x7FFFFFFF), (5, 16384), (6, 1), (99, 1)) + talk.headers(1),
        b'GET /',
    ),
    'largest values (6.5.2)': (lambda talk: settings((5, (1 << 24) - 1), (1, 0xFFFFFFFF)) + talk.headers(1), b'GET /'),
    'smaller table, then a larger one (RFC 7541 4.2)': (
        lambda talk: settings((1, 0)) + settings((1, 4096)) + talk.headers(1), b'GET /'
    ),
    'PING (6.7)': (lambda talk: frame(PING, 0, 0, b'12345678') + talk.headers(1), b'GET /'),
    'PING with unknown flags (6.7)': (lambda talk: frame(PING, 0xFE, 0, b'12345678') + talk.headers(1), b'GET /'),
    'acknowledgements nobody asked for': (
        lambda talk: frame(PING, ACK, 0, b'12345678') + frame(SETTINGS, ACK, 0) + talk.headers(1), b'GET /'
    ),
    'WINDOW_UPDATE (6.9)': (lambda talk: window(0, 5) + talk.headers(1) + window(1, 5), b'GET /'),
    'largest windows (6.9.1)': (
        lambda talk: window(0, 0x7FFFFFFF - 65535) + talk.headers(1) + window(1, 0x7FFFFFFF - 65535), b'GET /'
    ),
    'streams passed over (5.1.1)': (lambda talk: talk.headers(1) + talk.headers(9), b'GET /'),
    'body': (lambda talk: upload(talk, b'abc'), b'abc'),
    'body in pieces': (lambda talk: upload(talk, b'abc', b'', b'def', b''), b'abcdef'),
    'empty body': (lambda talk: upload(talk, b''), b'POST /'),
    'padded body (6.1)': (
        lambda talk: talk.headers(1, POST, end=False)
        + frame(DATA, PADDED, 1, b'\x03abc\0\0\0') + frame(DATA, PADDED | END_STREAM, 1, b'\0def'),
        b'abcdef',
    ),
    'DATA of padding alone (6.1)': (
        lambda talk: talk.headers(1, POST, end=False) + frame(DATA, PADDED | END_STREAM, 1, b'\x03\0\0\0'), b'POST /'
    ),
    'declared body (8.1.1)': (lambda talk: upload(talk, b'ab', b'c', fields=[*POST, (b'content-length', b'3')]), b'abc'),
    'declared body of nothing (8.1.1)': (lambda talk: upload(talk, b'', fields=[*POST, (b'content-length', b'0')]), b'POST /'),
    'trailers (8.1)': (lambda talk: upload(talk, b'abc', trailers=[(b'x-sum', b'6')]), b'abc'),
    'trailers without a body (8.1)': (lambda talk: upload(talk, trailers=[(b'x-sum', b'6')]), b'POST /'),
    'declared body and trailers (8.1)': (
        lambda talk: upload(talk, b'abc', trailers=[(b'x', b'')], fields=[*POST, (b'content-length', b'3')]), b'abc'
    ),
    'trailers in pieces (8.1)': (
        lambda talk: upload(talk, b'abc', b'')[: -9] + pieces(talk.block([(b'x-sum', b'123456')]), 3), b'abc'
    ),
    'body larger than the window, taken as it comes (6.9)': (
        lambda talk: settings((4, 1 << 20)) + window(0, 1 << 20) + upload(talk, *[b'a' * 16000] * 9), b'a' * 144000
    ),
}  # fmt: skip
served = pytest.mark.parametrize(('send', 'body'), SERVED.values(), ids=SERVED)


@served
def test_served(engine, send, body):
    talk = Talk(engine)
    feed_by_frames(talk, send(talk))
    assert talk.goaway is None
    assert not talk.engine.closing
    assert (talk.responses[1].status, talk.responses[1].body, talk.responses[1].whole) == (200, body, True)
    assert not talk.sent(RST_STREAM)
    assert talk.engine.streams_open == 0
    assert talk.engine.phase == 'idle'


@served
def test_served_at_any_split(engine, send, body):
    whole = Talk(engine)
    raw = send(whole)
    if len(raw) > 2000:
        pytest.skip('as many windows as reads')
    whole.feed(raw)
    cuts = [[raw[:at], raw[at:]] for at in range(1, len(raw))] if len(raw) < 300 else []
    for cut in [*cuts, [raw[at : at + 1] for at in range(len(raw))]]:
        talk = Talk(engine)
        talk.feed(*cut)
        assert talk.outcome() == whole.outcome()


def feed_by_frames(talk, raw):
    at = 0
    while at < len(raw):
        size = 9 + int.from_bytes(raw[at : at + 3], 'big')
        talk.feed(raw[at : at + size])
        at += size


def test_the_start_of_a_connection(engine):
    talk = Talk(engine, limits(connection_window_bytes=200000, stream_window_bytes=100000), start=False)
    talk.feed(PREFACE)
    first, second = talk.frames
    pairs = dict(struct.iter_unpack('>HI', first.payload))
    assert (first.kind, first.flags) == (SETTINGS, 0)
    assert (pairs[3], pairs[4], pairs[8]) == (16, 100000, 1)
    assert pairs[6] >= 8192
    # RFC 9218 2.1
    assert pairs[9] == 1
    assert pairs.get(5, 16384) == 16384
    assert second == (8, 0, 0, struct.pack('>I', 200000 - 65535))


def test_larger_frames_are_taken_up_to_what_was_said(engine):
    # RFC 9113 4.2
    talk = Talk(engine, limits(frame_bytes_max=20000, head_bytes_max=32768))
    talk.feed(talk.headers(1, POST, end=False), data(1, b'a' * 20000, end=True))
    assert talk.responses[1].body == b'a' * 20000
    block = talk.block([*GET, (b'x', b'a' * 31000)])
    assert 16384 < len(block) <= 20000
    talk.feed(frame(HEADERS, END_HEADERS | END_STREAM, 3, block))
    assert talk.responses[3].status == 200
    talk.feed(talk.headers(5, POST, end=False), data(5, b'a' * 20001))
    assert talk.goaway == FRAME_SIZE_ERROR


def test_settings_are_acknowledged(engine):
    talk = Talk(engine)
    talk.feed(settings((4, 100)), settings())
    assert [(f.flags, f.payload) for f in talk.sent(SETTINGS)] == [(ACK, b''), (ACK, b'')]


def test_ping_is_answered_in_kind(engine):
    talk = Talk(engine)
    talk.feed(frame(PING, 0, 0, b'12345678') + frame(PING, ACK, 0, b'abcdefgh') + frame(PING, 0, 0, b'87654321'))
    assert [(f.flags, f.payload) for f in talk.sent(PING)] == [(ACK, b'12345678'), (ACK, b'87654321')]


def test_our_ping_and_its_answer(engine):
    talk = Talk(engine)
    talk.engine.ping()
    talk.settle()
    (ping,) = talk.sent(PING)
    assert (ping.flags, talk.engine.pings_owed) == (0, 1)
    talk.feed(frame(PING, ACK, 0, ping.payload))
    assert talk.engine.pings_owed == 0


@pytest.mark.parametrize('late', [reset(1), window(1, 5), frame(PRIORITY, 0, 1, priority(3))])
def test_frames_that_crossed_the_end_of_the_response_are_ignored(engine, late):
    # RFC 9113 5.1
    talk = Talk(engine)
    talk.feed(talk.headers(1), late, talk.headers(3))
    assert talk.responses[3].whole
    assert not talk.sent(RST_STREAM)


@pytest.mark.parametrize('late', [data(1, b'abc'), data(1, b'abc', end=True), reset(1), window(1, 5)])
def test_frames_that_crossed_our_reset_are_ignored(engine, late):
    # RFC 9113 5.1, 5.4.2
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    talk.engine.abort(1)
    talk.feed(late)
    assert not talk.engine.closing
    assert talk.responses[1].code == INTERNAL_ERROR


def test_frames_that_crossed_many_of_our_resets_are_ignored(engine):
    # RFC 9113 5.1
    talk = Talk(engine, reply=no_reply)
    streams = range(1, 200, 2)
    for stream in streams:
        talk.feed(talk.headers(stream, POST, end=False))
        talk.engine.abort(stream)
    talk.feed(*[data(stream, b'a') for stream in streams], *[window(stream, 1) for stream in streams])
    assert talk.goaway is None
    assert not talk.engine.closing


def test_a_head_that_crossed_our_reset_still_counts_for_the_table(engine):
    # RFC 9113 4.3
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    talk.engine.abort(1)
    talk.feed(talk.headers(1, [(b'x-sum', b'123')]), talk.headers(3, [*GET, (b'x-sum', b'123')]))
    assert (b'x-sum', b'123') in talk.requests[3].fields
    assert not talk.engine.closing


def test_streams_side_by_side(engine):
    talk = Talk(engine)
    for stream in (1, 3, 5):
        talk.feed(talk.headers(stream, POST, end=False))
    assert talk.engine.streams_open == 3
    assert talk.engine.phase == 'body'
    for stream in (5, 1, 3):
        talk.feed(data(stream, b'%d' % stream, end=True))
    assert {stream: response.body for stream, response in talk.responses.items()} == {1: b'1', 3: b'3', 5: b'5'}
    assert talk.engine.phase == 'idle'


def test_phases(engine):
    talk = Talk(engine, reply=no_reply)
    assert talk.engine.phase == 'idle'
    block = talk.block(GET)
    talk.feed(frame(HEADERS, END_STREAM, 1, block[:3]))
    assert talk.engine.phase == 'head'
    talk.feed(frame(CONTINUATION, END_HEADERS, 1, block[3:]))
    assert talk.engine.phase == 'busy'
    talk.feed(talk.headers(3, POST, end=False))
    assert talk.engine.phase == 'body'


@pytest.mark.parametrize(
    ('fields', 'changes', 'status'),
    [
        ([*GET, (b'x', b'a' * 9000)], {}, 431),
        ([*GET, *[(b'x-%d' % number, b'1') for number in range(33)]], {}, 431),
        ([*GET[:3], (b':path', b'/' + b'a' * 1024)], {}, 414),
        ([*POST, (b'content-length', b'1048577')], {}, 413),
        ([*POST, (b'expect', b'miracle')], {}, 417),
        ([(b':method', b'CONNECT'), (b':authority', b'a.example:443')], {}, 501),
        ([(name, b'connect-udp' if name == b':protocol' else value) for name, value in CONNECT], {}, 501),
    ],
)
@pytest.mark.parametrize('end', [True, False])
def test_refused_heads_are_answered(engine, fields, changes, status, end):
    if status == 413 and end:
        pytest.skip('malformed')
    talk = Talk(engine, limits(**changes))
    talk.feed(talk.headers(1, fields, end=end))
    response = talk.responses[1]
    assert (response.status, response.whole) == (status, True)
    assert response.value(b'content-length') == b'%d' % len(response.body)
    assert response.code == (None if end else NO_ERROR)
    assert not talk.requests
    assert [refusal.status for refusal, _ in talk.refusals] == [status]
    talk.feed(talk.headers(3))
    assert talk.responses[3].whole


def test_a_refused_head_request_is_answered_without_a_body(engine):
    talk = Talk(engine)
    talk.feed(talk.headers(1, [(b':method', b'HEAD'), *GET[1:3], (b':path', b'/' + b'a' * 1024)]))
    assert (talk.responses[1].status, talk.responses[1].body, talk.responses[1].whole) == (414, b'', True)


def test_a_body_over_its_bound_is_refused(engine):
    talk = Talk(engine, limits(body_bytes_max=10), reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False) + data(1, b'a' * 10))
    assert talk.requests[1].gone is None
    talk.feed(data(1, b'a'))
    assert (talk.responses[1].status, talk.responses[1].whole, talk.responses[1].code) == (413, True, NO_ERROR)
    assert (talk.requests[1].answered, talk.requests[1].body) == (413, b'a' * 10)
    talk.feed(data(1, b'a', end=True), talk.headers(3))
    assert not talk.engine.closing


@pytest.mark.parametrize('fields', [[(b'x-%d' % number, b'') for number in range(33)], [(b'x', b'a' * 9000)]])
def test_trailers_over_their_bounds_are_refused(engine, fields):
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False), talk.headers(1, fields))
    assert (talk.responses[1].status, talk.requests[1].answered) == (431, 431)


def test_expectation_and_interim_responses(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, [*POST, (b'expect', b'100-continue')], end=False))
    assert talk.requests[1].head.expects_continue
    talk.engine.inform(1, 100)
    talk.engine.inform(1, 103, [(b'Link', b'</a>')])
    talk.settle()
    assert talk.responses[1].interim == [[(b':status', b'100')], [(b':status', b'103'), (b'link', b'</a>')]]


def test_the_client_cancels(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1), talk.headers(3, POST, end=False))
    talk.feed(reset(1), reset(3))
    assert [seen.gone is not None for seen in talk.requests.values()] == [True, True]
    assert talk.engine.streams_open == 0
    assert not talk.engine.closing


@pytest.mark.parametrize('end', [False, True])
def test_extended_connect_is_bytes_both_ways(engine, end):
    # RFC 8441 4, 5
    talk = Talk(engine, limits(body_bytes_max=3), reply=no_reply)
    talk.feed(talk.headers(1, CONNECT, end=end))
    head = talk.requests[1].head
    assert (head.method, head.upgrade, head.content_length) == ('CONNECT', b'websocket', 0 if end else CHUNKED)
    talk.engine.upgrade(1, upgrade_head(b'websocket', [(b'Sec-WebSocket-Protocol', b'chat')]))
    talk.engine.write(1, b'hello')
    talk.settle()
    fields = dict(talk.responses[1].fields)
    assert (fields[b':status'], fields[b'sec-websocket-protocol'], talk.responses[1].body) == (
        b'200',
        b'chat',
        b'hello',
    )
    assert not fields.keys() & {b'content-length', b'upgrade', b'connection'}
    if not end:
        talk.feed(data(1, b'abcdefgh'), data(1, b'', end=True))
        assert (talk.requests[1].body, talk.requests[1].whole) == (b'abcdefgh', True)
    assert not talk.responses[1].whole
    talk.engine.finish(1)
    talk.settle()
    assert talk.responses[1].whole
    assert talk.engine.streams_open == 0


@pytest.mark.parametrize('accepted', [False, True])
@pytest.mark.parametrize('length', [b'0', b'2', b'100'])
def test_extended_connect_has_no_content_whose_length_could_be_wrong(engine, length, accepted):
    # RFC 9110 9.3.6, RFC 9113 8.1.1
    talk = Talk(engine, limits(body_bytes_max=50), reply=no_reply)
    talk.feed(talk.headers(1, [*CONNECT, (b'content-length', length)], end=False))
    assert talk.requests[1].head.content_length == CHUNKED
    if accepted:
        talk.engine.upgrade(1, upgrade_head(b'websocket', []))
    talk.feed(data(1, b'abc'), data(1, b'def', end=True))
    assert (talk.requests[1].body, talk.requests[1].whole, talk.requests[1].gone) == (b'abcdef', True, None)


def test_trailers_on_a_connected_stream_reset_it(engine):
    # RFC 9113 8.5
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, CONNECT, end=False))
    talk.engine.upgrade(1, upgrade_head(b'websocket', []))
    talk.feed(data(1, b'abc'), talk.headers(1, [(b'x-new', b'1')]), talk.headers(3, [*GET, (b'x-new', b'1')]))
    assert talk.responses[1].code == PROTOCOL_ERROR
    assert talk.requests[1].gone is not None
    # The decoder goes on.
    assert (b'x-new', b'1') in talk.requests[3].head.fields


def test_extended_connect_may_be_refused_by_the_application(engine):
    talk = Talk(engine)
    talk.feed(talk.headers(1, CONNECT, end=True))
    assert talk.responses[1].whole
    assert talk.responses[1].value(b'content-length') is None


def test_goaway_of_the_client_lets_what_it_began_be_served(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False), frame(GOAWAY, 0, 0, bytes(8) + b'bye'))
    assert not talk.engine.closing
    talk.feed(data(1, b'a', end=True))
    talk.engine.respond(1, response_head(200, []), b'ok')
    talk.settle()
    assert talk.responses[1].body == b'ok'
    assert talk.engine.closing
