"""How a connection ends: the client leaves, the server drains, a deadline passes; and what odd limits allow."""

from __future__ import annotations

import pytest

from granian.errors import FlowError
from granian.protocol.responses import response_head
from tests.conformance.tables.bodies import chunked, post
from tests.conformance.tables.heads import head
from tests.helpers.engines import Conversation, byte_by_byte, limits, no_reply

OK = response_head(200, [])
PIPELINE_BYTES_MAX = 16 * 1024


def get(path: bytes, *fields: bytes, version: bytes = b'HTTP/1.1') -> bytes:
    return head(b'GET /%b %b' % (path, version), *fields)


def paths(talk):
    return [seen.raw_path for seen in talk.requests]


# ── the client leaves ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('received', [b'', b'\r\n', b'GET / HT', get(b'1')[:-1]])
def test_an_end_between_requests_closes_silently(engine, received):
    talk = Conversation(engine)
    talk.feed(received)
    talk.eof()
    assert talk.engine.closing
    assert talk.wire == b''
    assert not talk.requests


def test_an_end_after_a_response_closes_silently(engine):
    talk = Conversation(engine)
    talk.feed(get(b'1'))
    talk.eof()
    assert talk.engine.closing
    assert talk.statuses == [200]


def test_an_end_before_the_response_lets_it_be_sent(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1'))
    talk.engine.receive_eof()
    assert talk.requests[0].gone
    assert not talk.engine.closing
    talk.engine.respond(1, OK, b'abc')
    assert talk.responses[0].body == b'abc'
    assert talk.responses[0].values(b'connection') == [b'close']
    assert talk.engine.closing


def test_an_end_within_the_body_tells_the_application(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: 5', body=b'hel'))
    talk.engine.receive_eof()
    seen = talk.requests[0]
    assert seen.gone
    assert not seen.whole
    talk.engine.respond(1, OK, b'')
    assert talk.engine.closing


def test_an_end_within_a_streamed_response_lets_it_end(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1'))
    talk.engine.start(1, OK)
    talk.engine.receive_eof()
    talk.engine.write(1, b'abc')
    talk.engine.finish(1)
    assert talk.responses[0].whole
    assert talk.engine.closing


# ── drain, and refusals from outside ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('received', [b'', b'\r\n', get(b'1')])
def test_drain_closes_an_idle_connection(engine, received):
    talk = Conversation(engine)
    talk.feed(received)
    sent = talk.wire
    talk.engine.drain()
    assert talk.engine.closing
    assert talk.wire == sent


def test_drain_finishes_the_request_at_hand(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1'))
    talk.engine.drain()
    assert not talk.engine.closing
    talk.engine.respond(1, OK, b'abc')
    assert talk.responses[0].values(b'connection') == [b'close']
    assert talk.engine.closing


def test_drain_within_a_response_closes_after_it(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1'))
    talk.engine.start(1, OK)
    talk.engine.drain()
    talk.engine.write(1, b'abc')
    talk.engine.finish(1)
    assert talk.responses[0].whole
    assert talk.engine.closing


def test_drain_lets_a_head_that_has_begun_arrive(engine):
    talk = Conversation(engine)
    talk.feed(get(b'1')[:-5])
    talk.engine.drain()
    assert not talk.engine.closing
    talk.feed(get(b'1')[-5:])
    assert talk.responses[0].values(b'connection') == [b'close']
    assert talk.engine.closing


def test_drain_serves_nothing_behind_the_request_at_hand(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1') + get(b'2'))
    talk.engine.drain()
    talk.engine.respond(1, OK, b'')
    talk.settle()
    assert paths(talk) == [b'/1']
    assert talk.engine.closing


@pytest.mark.parametrize('received', [b'GET / HT', b'\r\nGET', get(b'1')[:-1]])
def test_refuse_answers_a_head_that_does_not_end(engine, received):
    talk = Conversation(engine)
    talk.feed(received)
    talk.engine.refuse(408, 'head too slow')
    assert talk.statuses == [408]
    assert talk.engine.closing
    assert [refusal.status for refusal, _ in talk.recorder.refusals] == [408]


def test_refuse_answers_a_body_that_does_not_end(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: 5', body=b'hel'))
    talk.engine.refuse(408, 'body too slow')
    assert talk.statuses == [408]
    assert talk.engine.closing
    assert (talk.requests[0].gone, talk.requests[0].answered) == ('body too slow', 408)
    with pytest.raises(FlowError):
        talk.engine.respond(1, OK, b'')


def test_refuse_within_a_response_cuts_it(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: 5', body=b'hel'))
    talk.engine.start(1, OK)
    talk.engine.refuse(408, 'body too slow')
    assert talk.statuses == [200]
    assert talk.requests[0].answered == 0
    assert not talk.responses[0].whole
    assert talk.engine.closing


# ── what the limits allow ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('fields', [[], [b'Host:'], [b'Host: a']])
def test_host_may_be_missing_where_it_is_not_required(engine, fields):
    talk = Conversation(engine, limits(require_host=False))
    talk.feed(head(b'GET / HTTP/1.1', *fields, host=None) + get(b'2'))
    assert talk.statuses == [200, 200]
    assert [name for name, _ in talk.requests[0].fields] == [b'host'] * len(fields)


@pytest.mark.parametrize('fields', [[b'Host: a', b'Host: a'], [b'Host: a b'], [b'Host:', b'Host:']])
def test_host_is_never_repeated_or_bad(engine, fields):
    talk = Conversation(engine, limits(require_host=False))
    talk.feed(head(b'GET / HTTP/1.1', *fields, host=None))
    assert talk.statuses == [400]


def test_bodies_without_a_bound(engine):
    talk = Conversation(engine, limits(body_bytes_max=None), reply=no_reply)
    talk.feed(post(b'Content-Length: %d' % 10**18, body=b'x'))
    assert talk.requests[0].content_length == 10**18
    talk = Conversation(engine, limits(body_bytes_max=None), reply=no_reply)
    talk.feed(chunked(b'ffffffffffffffff\r\nx'))
    assert talk.requests[0].body == b'x'


@pytest.mark.parametrize('size', [70, 80, 90, 200, 2000])
@pytest.mark.parametrize(
    'line', [b'GET /x HTTP/1.1', b'GET /%b HTTP/1.1' % (b'x' * 90), b'GET /%b HTTP/1.1' % (b'x' * 300)]
)
def test_small_limits_decide_the_same_however_the_head_is_split(engine, size, line):
    small = limits(head_bytes_max=size, target_bytes_max=100)
    statuses = set()
    raw = head(line, b'X: ' + b'x' * 100)
    for pieces in ([raw], byte_by_byte(raw), *([raw[:at], raw[at:]] for at in range(1, len(raw)))):
        talk = Conversation(engine, small)
        talk.feed(*pieces)
        statuses.add(tuple(talk.statuses))
    assert len(statuses) == 1
