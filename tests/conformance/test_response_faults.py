"""Responses that cannot be sent as the application wants: nothing is sent, or the client can tell."""

from __future__ import annotations

import pytest

from granian.errors import FlowError, InvalidResponse
from granian.protocol.responses import response_head
from tests.conformance.tables.heads import head
from tests.helpers.engines import Conversation, limits, no_reply

GET = head()
HEAD = head(b'HEAD / HTTP/1.1')
OLD = head(b'GET / HTTP/1.0')
OLD_KEPT = head(b'GET / HTTP/1.0', b'Connection: keep-alive')
OLD_HEAD_KEPT = head(b'HEAD / HTTP/1.0', b'Connection: keep-alive')
CLOSING = head(b'GET / HTTP/1.1', b'Connection: close')
POST = head(b'POST / HTTP/1.1', b'Content-Length: 5')

LENGTH_3 = [(b'content-length', b'3')]


def asked(engine, request=GET, bounds=None, **options):
    """A conversation in which `request` waits for its response."""
    talk = Conversation(engine, bounds or limits(), reply=no_reply, **options)
    talk.feed(request)
    return talk


def only(talk):
    (response,) = talk.responses
    return response


# ── responses that cannot be sent ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('body', [b'', b'ab', b'abcd'])
def test_a_whole_response_of_another_length_raises_and_sends_nothing(engine, body):
    talk = asked(engine)
    with pytest.raises(InvalidResponse):
        talk.engine.respond(1, response_head(200, LENGTH_3), body)
    assert talk.wire == b''
    talk.engine.respond(1, response_head(500, []), b'')
    assert only(talk).status == 500
    assert not talk.engine.closing


@pytest.mark.parametrize('pieces', [[b'abcd'], [b'ab', b'cd'], [b'abc', b'd']])
def test_a_longer_body_is_cut_before_it_is_longer(engine, pieces):
    talk = asked(engine, GET + GET)
    talk.engine.start(1, response_head(200, LENGTH_3))
    for piece in pieces[:-1]:
        talk.engine.write(1, piece)
    with pytest.raises(InvalidResponse):
        talk.engine.write(1, pieces[-1])
    talk.settle()
    assert talk.engine.closing
    assert len(talk.requests) == 1
    assert b'd' not in talk.wire.partition(b'\r\n\r\n')[2]


@pytest.mark.parametrize('body', [b'', b'ab'])
def test_a_shorter_body_is_cut(engine, body):
    talk = asked(engine, GET + GET)
    talk.engine.start(1, response_head(200, LENGTH_3))
    talk.engine.write(1, body)
    with pytest.raises(InvalidResponse):
        talk.engine.finish(1)
    talk.settle()
    assert talk.engine.closing
    assert len(talk.requests) == 1
    assert not only(talk).whole


@pytest.mark.parametrize(
    ('request_', 'fields', 'broken'),
    [(GET, [], False), (GET, LENGTH_3, False), (OLD, LENGTH_3, False), (OLD, [], True), (OLD_KEPT, [], True)],
)
def test_an_aborted_response_can_be_told_from_a_whole_one(engine, request_, fields, broken):
    talk = asked(engine, request_)
    talk.engine.start(1, response_head(200, fields))
    talk.engine.write(1, b'ab')
    talk.engine.abort(1)
    assert talk.engine.closing
    assert talk.engine.broken is broken
    assert not only(talk).whole
    with pytest.raises(FlowError):
        talk.engine.write(1, b'c')
    with pytest.raises(FlowError):
        talk.engine.finish(1)


def test_an_abort_before_the_response_sends_nothing(engine):
    talk = asked(engine)
    talk.engine.abort(1)
    assert talk.engine.closing
    assert not talk.engine.broken
    assert talk.wire == b''
    talk.engine.abort(1)


@pytest.mark.parametrize(
    'fields',
    [
        [(b'x', b'a\r\nb: c')], [(b'x', b'a\r')], [(b'x', b'a\nb')], [(b'x', b'\x00')], [(b'x', b'\x7f')], [(b'x\r\ny', b'a')],
        [(b'', b'a')], [(b'x y', b'a')], [(b'x:', b'a')], [(b'\xc3\xa4', b'a')], [('x', b'a')], [(b'x', 'a')], [(b'x',)],
        [b'xy'], [(b'content-length', b'x')], [(b'content-length', b'-1')], [(b'content-length', b'3, 3')],
        [(b'content-length', b'3'), (b'content-length', b'4')], [(b'transfer-encoding', b'gzip')], [(b'x', None)],
    ],
)  # fmt: skip
def test_no_head_can_be_made_of_bad_fields(fields):
    with pytest.raises(InvalidResponse):
        response_head(200, fields)


@pytest.mark.parametrize('status', [0, 100, 101, 103, 199, 1000, -200])
def test_no_head_can_be_made_of_another_status(status):
    with pytest.raises(InvalidResponse):
        response_head(status, [])


# ── calls at the wrong time ──────────────────────────────────────────────────────────────────────────────────────────

OK = response_head(200, [])
CALLS = {
    'respond': lambda engine, stream: engine.respond(stream, OK, b'x'),
    'start': lambda engine, stream: engine.start(stream, OK),
    'write': lambda engine, stream: engine.write(stream, b'x'),
    'finish': lambda engine, stream: engine.finish(stream),
    'inform': lambda engine, stream: engine.inform(stream, 103),
}
ALLOWED = {'begun': {'respond', 'start', 'inform'}, 'started': {'write', 'finish'}, 'finished': set(), 'fresh': set()}


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.parametrize('state', ALLOWED)
@pytest.mark.parametrize('stream', [0, 1, 2])
def test_a_call_the_state_does_not_allow_raises_and_sends_nothing(engine, call, state, stream):
    talk = asked(engine, b'' if state == 'fresh' else GET)
    if state in ('started', 'finished'):
        talk.engine.start(1, OK)
    if state == 'finished':
        talk.engine.finish(1)
    sent = talk.wire
    if stream == 1 and call in ALLOWED[state]:
        CALLS[call](talk.engine, stream)
        return
    with pytest.raises(FlowError):
        CALLS[call](talk.engine, stream)
    assert talk.wire == sent
    assert not talk.engine.closing


def test_a_late_call_does_not_answer_the_next_request(engine):
    talk = asked(engine, GET + GET)
    talk.engine.respond(1, OK, b'one')
    talk.settle()
    assert len(talk.requests) == 2
    for call in CALLS.values():
        with pytest.raises(FlowError):
            call(talk.engine, 1)
    talk.engine.abort(1)
    talk.engine.respond(2, OK, b'two')
    assert [response.body for response in talk.responses] == [b'one', b'two']
    assert not talk.engine.closing
