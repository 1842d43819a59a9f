"""How connections end, and how they begin from HTTP/1.1, over every engine."""

from __future__ import annotations

import struct

import pytest

from granian.errors import FlowError
from granian.protocol.contract import Refusal, RequestHead
from granian.protocol.http2.frames import STREAM_LARGEST
from granian.protocol.responses import response_head
from tests.helpers.http2 import (
    CONTINUATION,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    POST,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    START,
    Talk,
    data,
    frame,
    no_reply,
    reset,
    settings,
    window,
)


def asked(engine, *streams, fields=GET, end=True):
    talk = Talk(engine, reply=no_reply)
    for stream in streams:
        talk.feed(talk.headers(stream, fields, end=end))
    return talk


def goaways(talk):
    return [(goaway.number, goaway.code) for goaway in talk.sent(GOAWAY)]


def answer(talk, stream, body=b'ok'):
    talk.engine.respond(stream, response_head(200, []), body)
    talk.settle()


def test_the_client_leaves(engine):
    talk = asked(engine, 1, 3)
    answer(talk, 1)
    talk.engine.receive_eof()
    talk.settle()
    assert talk.engine.closing
    assert [seen.gone is not None for seen in talk.requests.values()] == [False, True]
    assert talk.engine.streams_open == 0
    with pytest.raises(FlowError):
        talk.engine.respond(3, response_head(200, []), b'late')


@pytest.mark.parametrize('length', [b'5', b'0'])
@pytest.mark.parametrize('spoil', ['trailers', 'body'])
def test_a_request_that_is_spoilt_while_its_response_waits_is_over(engine, length, spoil):
    # Found by the fuzzer: h2 counted its stream as open for ever, so that a drained connection never closed.
    talk = asked(engine)
    talk.feed(settings((4, 0)), talk.headers(1, [*POST, (b'content-length', length)], end=False))
    answer(talk, 1)
    talk.feed(talk.headers(1, [(b':path', b'/')]) if spoil == 'trailers' else data(1, b'x' * 6))
    assert talk.responses[1].code == PROTOCOL_ERROR
    assert talk.engine.streams_open == 0
    talk.engine.drain()
    assert talk.engine.closing


LAST = {
    'too long': lambda talk: data(1, b'x' * 6, end=True),
    'too short': lambda talk: data(1, b'x', end=True),
    'trailers too soon': lambda talk: talk.headers(1, [(b'x-sum', b'1')]),
    'malformed trailers': lambda talk: data(1, b'x' * 5) + talk.headers(1, [(b':path', b'/')]),
}


@pytest.mark.parametrize('last', LAST.values(), ids=LAST)
def test_a_request_that_is_spoilt_by_its_last_frame_is_reset_though_its_response_is_whole(engine, last):
    # RFC 9113 8.1.1; h2 takes the stream for closed by then, and said nothing.
    talk = asked(engine)
    talk.feed(talk.headers(1, [*POST, (b'content-length', b'5')], end=False))
    answer(talk, 1)
    talk.feed(last(talk))
    assert (talk.responses[1].whole, [sent.code for sent in talk.sent(RST_STREAM, 1)]) == (True, [PROTOCOL_ERROR])
    talk.feed(talk.headers(3))
    answer(talk, 3)
    assert talk.responses[3].whole
    assert talk.engine.streams_open == 0


def test_a_body_that_is_taken_after_its_response(engine):
    # Found by the fuzzer: h2 counted it twice, and failed when the client reset the stream.
    talk = Talk(engine, reply=no_reply, takes=False)
    talk.feed(talk.headers(1, POST, end=False) + data(1, b'abc'))
    answer(talk, 1)
    talk.take(1)
    talk.feed(reset(1), talk.headers(3))
    answer(talk, 3)
    assert [response.body for response in talk.responses.values()] == [b'ok', b'ok']
    assert talk.engine.streams_open == 0


def test_the_client_leaves_an_idle_connection(engine):
    talk = Talk(engine)
    talk.engine.receive_eof()
    assert talk.engine.closing


def test_draining_an_idle_connection_closes_it(engine):
    talk = asked(engine, 1)
    answer(talk, 1)
    talk.engine.drain()
    talk.settle()
    assert talk.engine.closing
    assert goaways(talk) == [(1, NO_ERROR)]


def test_what_is_said_to_be_served_never_grows(engine):
    # RFC 9113 6.8
    talk = asked(engine, 1)
    talk.engine.farewell()
    talk.feed(talk.headers(3))
    talk.engine.drain()
    talk.feed(talk.headers(5), talk.headers(7), data(0, b'a'))
    assert [last for last, _ in goaways(talk)] == [STREAM_LARGEST, 3, 3]
    assert [talk.responses[stream].code for stream in (5, 7)] == [REFUSED_STREAM, REFUSED_STREAM]


def test_draining_serves_what_has_begun(engine):
    talk = asked(engine, 1, 3)
    talk.engine.drain()
    talk.settle()
    assert not talk.engine.closing
    assert goaways(talk) == [(3, NO_ERROR)]
    answer(talk, 1)
    assert not talk.engine.closing
    answer(talk, 3)
    assert talk.engine.closing
    assert [response.whole for response in talk.responses.values()] == [True, True]


def test_draining_waits_for_bodies_to_go(engine):
    talk = asked(engine, 1)
    answer(talk, 1, b'x' * 100000)
    talk.engine.drain()
    talk.settle()
    assert not talk.engine.closing
    talk.feed(window(0, 100000), window(1, 100000))
    assert talk.engine.closing
    assert talk.responses[1].whole


def test_draining_lets_a_body_come(engine):
    talk = asked(engine, 1, fields=POST, end=False)
    talk.engine.drain()
    talk.feed(data(1, b'abc', end=True))
    assert talk.requests[1].body == b'abc'
    answer(talk, 1)
    assert talk.engine.closing


def test_nothing_is_begun_while_draining(engine):
    talk = asked(engine, 1)
    talk.engine.drain()
    talk.feed(talk.headers(3, [*GET, (b'x', b'1')]))
    assert 3 not in talk.requests
    assert {sent.code for sent in talk.sent(RST_STREAM)} <= {REFUSED_STREAM}
    answer(talk, 1)
    assert talk.engine.closing


def test_a_farewell_comes_before_the_last_word(engine):
    # RFC 9113 6.8
    talk = asked(engine, 1)
    talk.engine.farewell()
    talk.feed(talk.headers(3))
    assert goaways(talk) == [(0x7FFFFFFF, NO_ERROR)]
    assert talk.requests[3].whole
    talk.engine.drain()
    talk.settle()
    assert goaways(talk) == [(0x7FFFFFFF, NO_ERROR), (3, NO_ERROR)]
    answer(talk, 1)
    answer(talk, 3)
    assert talk.engine.closing


def test_a_farewell_does_not_close_an_idle_connection(engine):
    talk = Talk(engine)
    talk.engine.farewell()
    talk.settle()
    assert not talk.engine.closing
    talk.feed(talk.headers(1))
    assert talk.responses[1].whole
    talk.engine.drain()
    assert talk.engine.closing


def test_refusing_a_body_that_does_not_come(engine):
    talk = asked(engine, 1, 3, fields=POST, end=False)
    talk.feed(talk.headers(5))
    talk.engine.start(3, response_head(200, []))
    talk.engine.refuse(408, 'body took too long')
    talk.settle()
    assert (talk.responses[1].status, talk.responses[1].whole) == (408, True)
    assert talk.requests[1].answered == 408
    assert (talk.responses[3].whole, talk.requests[3].gone is not None) == (False, True)
    assert talk.requests[5].gone is None
    assert goaways(talk) == [(5, NO_ERROR)]
    answer(talk, 5)
    assert talk.engine.closing


def test_refusing_a_head_that_does_not_come(engine):
    talk = Talk(engine)
    talk.feed(frame(HEADERS, END_STREAM, 1, talk.block(GET)[:3]))
    talk.engine.refuse(408, 'head took too long')
    talk.settle()
    assert talk.engine.closing
    assert [refusal.status for refusal, _ in talk.refusals] == [408]
    talk.feed(frame(CONTINUATION, 4, 1))
    assert not talk.requests


def from_http1(method='GET'):
    head = RequestHead()
    head.method, head.raw_path, head.path, head.query, head.version = method, b'/up', '/up', b'', '1.1'
    head.fields, head.authority, head.content_length, head.upgrade = [(b'host', b'a')], b'a', 0, b'h2c'
    head.absolute = head.expects_continue = False
    head.keep_alive = True
    head.kept = head.like = None
    return head


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_going_on_from_http1(engine, method):
    talk = Talk(engine, start=False)
    talk.engine.take_over(from_http1(method), struct.pack('>HI', 4, 3))
    talk.settle()
    assert talk.requests[1].whole
    body = b'' if method == 'HEAD' else b'%b /up' % method.encode()
    # The window of HTTP2-Settings holds.
    assert talk.responses[1].body == body[:3]
    talk.feed(START)
    talk.feed(window(1, 100))
    assert (talk.responses[1].body, talk.responses[1].whole) == (body, True)
    talk.feed(talk.headers(3))
    assert talk.responses[3].status == 200


@pytest.mark.parametrize('payload', [b'12345', struct.pack('>HI', 4, 1 << 31), struct.pack('>HI', 5, 1)])
def test_settings_of_an_upgrade_that_are_none(engine, payload):
    talk = Talk(engine, start=False)
    with pytest.raises(Refusal):
        talk.engine.take_over(from_http1(), payload)
    assert not talk.requests


def test_a_response_that_is_whole_ends_a_connection_although_its_request_is_not(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False), frame(GOAWAY, 0, 0, bytes(8)))
    assert not talk.engine.closing
    talk.engine.respond(1, response_head(200, []), b'enough')
    talk.settle()
    assert (talk.responses[1].body, talk.engine.closing) == (b'enough', True)
