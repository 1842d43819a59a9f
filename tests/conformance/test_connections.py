"""The life of a connection: pipelining, keep-alive, back-pressure, phases."""

from __future__ import annotations

import pytest

from granian.errors import FlowError
from granian.protocol.responses import response_head
from tests.conformance.tables.bodies import chunked, post
from tests.conformance.tables.heads import head
from tests.helpers.engines import LIMITS, Conversation, byte_by_byte, limits, no_reply

OK = response_head(200, [])
PIPELINE_BYTES_MAX = 16 * 1024


def get(path: bytes, *fields: bytes, version: bytes = b'HTTP/1.1') -> bytes:
    return head(b'GET /%b %b' % (path, version), *fields)


def paths(talk):
    return [seen.raw_path for seen in talk.requests]


# ── pipelining ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('at_once', [True, False])
def test_pipelined_requests_are_answered_in_order(engine, at_once):
    talk = Conversation(engine, at_once=at_once)
    talk.feed(b''.join(get(b'%d' % n) for n in range(50)))
    assert [response.body for response in talk.responses] == [b'GET /%d' % n for n in range(50)]
    assert not talk.engine.closing
    assert talk.engine.phase == 'idle'


def test_a_request_waits_for_the_response_before_it(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1') + get(b'2'))
    assert paths(talk) == [b'/1']
    assert talk.engine.phase == 'busy'
    talk.feed(get(b'3'))
    assert paths(talk) == [b'/1']
    talk.engine.respond(1, OK, b'')
    assert paths(talk) == [b'/1']
    assert talk.engine.pending
    talk.engine.receive(b'')
    assert paths(talk) == [b'/1', b'/2']
    assert not talk.engine.pending


def test_answered_within_the_call_nothing_is_pending(engine):
    talk = Conversation(engine, at_once=True)
    talk.engine.receive(get(b'1') + get(b'2'))
    assert paths(talk) == [b'/1', b'/2']
    assert not talk.engine.pending


def test_only_so_many_pipelined_bytes_are_read_ahead(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(get(b'1'))
    assert not talk.engine.paused
    waiting = get(b'2', b'X: ' + b'x' * 1000)
    fed = 0
    while not talk.engine.paused:
        talk.engine.receive(waiting)
        fed += len(waiting)
        assert fed <= PIPELINE_BYTES_MAX + len(waiting)
    assert fed > PIPELINE_BYTES_MAX
    talk.engine.respond(1, OK, b'')
    assert not talk.engine.paused
    talk.reply = lambda talk, seen: talk.engine.respond(seen.stream, OK, b'')
    talk.requests[0].replied = True
    talk.settle()
    assert len(talk.requests) == 1 + fed // len(waiting)


def test_a_body_is_not_taken_for_a_request(engine):
    inner = get(b'smuggled')
    talk = Conversation(engine)
    talk.feed(post(b'Content-Length: %d' % len(inner), body=inner) + get(b'next'))
    assert paths(talk) == [b'/p', b'/next']
    assert talk.requests[0].body == inner


def test_nothing_is_read_after_a_refusal(engine):
    talk = Conversation(engine)
    talk.feed(b'bad\r\n\r\n')
    assert talk.engine.closing
    talk.engine.receive(get(b'smuggled'))
    talk.engine.receive_eof()
    assert paths(talk) == []
    assert talk.statuses == [400]


def test_a_refusal_names_the_request_line(engine):
    talk = Conversation(engine)
    talk.feed(get(b'1') + b'GET /two HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n')
    ((refusal, line),) = talk.recorder.refusals
    assert line == b'GET /two HTTP/1.1'
    assert refusal.status == 400


def test_no_body_goes_with_a_refusal_of_head(engine):
    for request in (
        head(b'HEAD / HTTP/1.1', b'bad'),
        head(b'HEAD / HTTP/1.1', b'Transfer-Encoding: chunked') + b'x\r\n',
    ):
        for pieces in ([request], byte_by_byte(request)):
            talk = Conversation(engine)
            talk.feed(*pieces)
            assert talk.wire.endswith(b'\r\n\r\n')
            assert talk.statuses == [400]


# ── keep-alive ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ('version', 'fields', 'kept'),
    [
        (b'HTTP/1.1', [], True),
        (b'HTTP/1.1', [b'Connection: keep-alive'], True),
        (b'HTTP/1.1', [b'Connection: x'], True),
        (b'HTTP/1.1', [b'Connection: close'], False),
        (b'HTTP/1.1', [b'Connection: x, Close'], False),
        (b'HTTP/1.1', [b'Connection: keep-alive', b'Connection: close'], False),
        (b'HTTP/1.0', [], False),
        (b'HTTP/1.0', [b'Connection: x'], False),
        (b'HTTP/1.0', [b'Connection: keep-alive'], True),
        (b'HTTP/1.0', [b'Connection: Keep-Alive'], True),
        (b'HTTP/1.0', [b'Connection: x, keep-alive'], True),
        (b'HTTP/1.0', [b'Connection: keep-alive, close'], False),
        (b'HTTP/1.0', [b'Keep-Alive: 5'], False),
    ],
)
def test_whether_the_connection_stays(engine, version, fields, kept):
    talk = Conversation(engine)
    talk.feed(get(b'1', *fields, version=version) + get(b'2'))
    assert paths(talk) == ([b'/1', b'/2'] if kept else [b'/1'])
    assert talk.engine.closing is not kept


def test_versions_may_change_on_a_connection(engine):
    talk = Conversation(engine)
    keep = b'Connection: keep-alive'
    talk.feed(get(b'1', keep, version=b'HTTP/1.0') + get(b'2') + get(b'3', keep, version=b'HTTP/1.0') + get(b'4'))
    assert [response.values(b'connection') for response in talk.responses] == [[b'keep-alive'], [], [b'keep-alive'], []]


# ── bodies that nobody reads ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('size', [0, 1, LIMITS.discard_bytes_max])
def test_a_little_of_a_body_nobody_read_is_thrown_away(engine, size):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: %d' % (size + 1), body=b'x'))
    if size:
        talk.engine.respond(1, OK, b'')
        assert not talk.engine.closing
        assert talk.engine.phase != 'idle'
        talk.engine.receive(b'x' * (size - 1))
        talk.engine.receive(b'x' + get(b'next'))
        assert paths(talk) == [b'/p', b'/next']
        assert talk.requests[0].body == b'x'


def test_much_of_a_body_nobody_reads_closes(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: %d' % (LIMITS.discard_bytes_max + 2), body=b'x'))
    talk.engine.respond(1, OK, b'')
    assert talk.responses[0].values(b'connection') == [b'close']
    assert talk.engine.closing


def test_much_of_a_chunked_body_nobody_reads_closes(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(chunked(b'1\r\nx\r\n'))
    talk.engine.respond(1, OK, b'')
    assert not talk.engine.closing
    for _ in range(5):
        talk.engine.receive(b'400\r\n%b\r\n' % (b'x' * 0x400))
    assert talk.engine.closing
    assert len(talk.responses) == 1


def test_a_body_that_breaks_after_the_response_closes(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(chunked(b'1\r\nx\r\n'))
    talk.engine.respond(1, OK, b'')
    talk.engine.receive(b'x\r\n' + get(b'smuggled'))
    assert talk.engine.closing
    assert talk.statuses == [200]
    assert talk.requests[0].gone is None


def test_a_body_that_breaks_within_the_response_cuts_it(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(chunked(b'1\r\nx\r\n'))
    talk.engine.start(1, OK)
    talk.engine.write(1, b'ab')
    talk.engine.receive(b'x\r\n' + get(b'smuggled'))
    assert talk.engine.closing
    assert talk.requests[0].gone
    assert not talk.responses[0].whole
    with pytest.raises(FlowError):
        talk.engine.write(1, b'c')


def test_a_body_deadline_within_a_response_that_ends_by_closing_breaks(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: 5', version=b'HTTP/1.0', body=b'x'))
    talk.engine.start(1, OK)
    talk.engine.write(1, b'ab')
    talk.engine.refuse(408, 'too slow')
    assert talk.engine.closing
    assert talk.engine.broken


# ── back-pressure ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('coding', ['length', 'chunks'])
def test_reading_stops_until_the_application_took_the_body(engine, coding):
    bound = LIMITS.read_ahead_bytes_max
    talk = Conversation(engine, reply=no_reply)
    if coding == 'length':
        talk.feed(post(b'Content-Length: %d' % (3 * bound)))
        piece = b'x' * 1024
    else:
        talk.feed(chunked(b''))
        piece = b'400\r\n%b\r\n' % (b'x' * 1024)
    for _ in range(bound // 1024):
        talk.engine.receive(piece)
        assert not talk.engine.paused
    talk.engine.receive(piece)
    assert talk.engine.paused
    talk.engine.took(1, 1024)
    assert talk.engine.paused
    talk.engine.took(2, bound)
    assert talk.engine.paused
    talk.engine.took(1, bound)
    assert not talk.engine.paused
    assert len(talk.requests[0].body) == bound + 1024


def test_a_large_body_with_its_head_stops_reading(engine):
    size = LIMITS.read_ahead_bytes_max + 1
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: %d' % (size + 1), body=b'x' * size))
    assert talk.engine.paused
    talk.engine.took(1, size)
    assert not talk.engine.paused


def test_reading_goes_on_once_the_response_is_finished(engine):
    size = LIMITS.read_ahead_bytes_max + 1
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: %d' % (size + 1), body=b'x' * size))
    talk.engine.respond(1, OK, b'')
    assert not talk.engine.paused


def test_pieces_of_a_body_arrive_as_they_come(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Content-Length: 5'))
    assert talk.engine.phase == 'body'
    bodies = []
    for piece in (b'h', b'el', b'lo'):
        talk.engine.receive(piece)
        bodies.append(talk.requests[0].body)
    assert bodies == [b'h', b'hel', b'hello']
    assert talk.requests[0].whole
    assert talk.engine.phase == 'busy'


# ── phases ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_phase_tells_what_is_waited_for(engine):
    talk = Conversation(engine, reply=no_reply)
    phases = [talk.engine.phase]
    request = chunked(b'5\r\nhello\r\n0\r\n\r\n')
    for piece in (b'\r\n', request[:1], request[1:-20], request[-20:-2], request[-2:]):
        talk.engine.receive(piece)
        phases.append(talk.engine.phase)
    assert phases == ['idle', 'idle', 'head', 'head', 'body', 'busy']
    talk.engine.respond(1, OK, b'')
    assert talk.engine.phase == 'idle'


def test_a_body_that_has_ended_does_not_stop_the_reading(engine):
    """The end of the connection is to be noticed while the application still has to take the body."""
    talk = Conversation(engine, reply=no_reply)
    talk.feed(
        post(b'Content-Length: %d' % (LIMITS.read_ahead_bytes_max * 2)) + b'x' * (LIMITS.read_ahead_bytes_max + 1)
    )
    assert talk.engine.paused
    talk.feed(b'x' * (LIMITS.read_ahead_bytes_max - 1))
    assert not talk.engine.paused


@pytest.mark.parametrize(('lines', 'refused'), [(64, False), (65, True)])
def test_all_chunk_extensions_of_a_body_together_are_bounded(engine, lines, refused):
    talk = Conversation(engine, reply=no_reply)
    line = b'1;x=' + b'y' * 252
    talk.feed(post(b'Transfer-Encoding: chunked') + (line + b'\r\nz\r\n') * lines)
    assert talk.engine.closing is refused
    assert [response.status for response in talk.responses] == ([400] if refused else [])


def test_an_early_answer_that_closes_ends_the_reading_at_once(engine):
    """What came along with the head, trailers too, is nobody's any more."""
    talk = Conversation(engine, limits(keep_alive=False), reply=no_reply)
    talk.recorder.on_progress = lambda seen: talk.engine.respond(1, OK, b'') if talk.engine.output == [] else None
    talk.feed(post(b'Transfer-Encoding: chunked') + b'5\r\nhello\r\n0\r\nZ: y\r\n\r\n')
    assert (talk.engine.closing, talk.engine.phase) == (True, 'body')
    assert [response.status for response in talk.responses] == [200]


def test_a_body_thrown_away_over_its_bound_closes_even_where_it_ends(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(post(b'Transfer-Encoding: chunked'))
    talk.engine.respond(1, OK, b'')
    size = LIMITS.discard_bytes_max + 1
    talk.feed(b'%x\r\n%b\r\n0\r\n\r\n' % (size, b'x' * size))
    assert (talk.engine.closing, talk.engine.phase) == (True, 'body')
