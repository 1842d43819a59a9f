"""An exchange that goes over to bytes both ways: 101, what follows, and how it ends (RFC 9110 7.8)."""

from __future__ import annotations

import pytest

from granian.errors import FlowError, InvalidResponse
from granian.protocol.responses import response_head, upgrade_head
from tests.conformance.tables.bodies import post
from tests.conformance.tables.heads import head
from tests.helpers.engines import DATE, LIMITS, Conversation, limits, no_reply

OK = response_head(200, [])
ASKED = head(b'GET /x HTTP/1.1', b'Connection: keep-alive, Upgrade', b'Upgrade: echo')


@pytest.fixture
def talk(engine):
    return Conversation(engine, reply=no_reply)


@pytest.fixture
def upgraded(talk):
    talk.feed(ASKED)
    talk.upgrade()
    return talk


def sent_after_head(talk):
    return talk.responses[0].body


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_answer_is_101_with_the_protocol_and_the_fields_given(talk):
    talk.feed(ASKED)
    talk.upgrade((b'X-One', b'1'), (b'x-two', b'2'))
    [response] = talk.responses
    assert response.status == 101
    assert sorted(response.fields) == [
        (b'connection', b'upgrade'), (b'date', DATE), (b'server', b'granian'), (b'upgrade', b'echo'),
        (b'x-one', b'1'), (b'x-two', b'2'),
    ]  # fmt: skip
    assert talk.wire.startswith(b'HTTP/1.1 101 Switching Protocols\r\n')
    assert not talk.engine.closing


def test_fields_that_frame_or_name_the_protocol_are_the_servers(talk):
    talk.feed(ASKED)
    talk.upgrade(
        (b'Content-Length', b'5'), (b'Transfer-Encoding', b'chunked'), (b'Connection', b'close'), (b'Upgrade', b'x')
    )
    names = [name for name, _ in talk.responses[0].fields]
    assert sorted(names) == [b'connection', b'date', b'server', b'upgrade']
    assert talk.responses[0].values(b'upgrade') == [b'echo']


def test_date_and_server_of_the_application_take_the_place_of_ours(talk):
    talk.feed(ASKED)
    talk.upgrade((b'Date', b'today'), (b'Server', b'mine'))
    assert talk.responses[0].values(b'date') == [b'today']
    assert talk.responses[0].values(b'server') == [b'mine']


@pytest.mark.parametrize('field', [(b'a b', b'c'), (b'a', b'b\r\nc: d'), (b'a', b'b\0')])
def test_a_field_that_would_break_the_head_is_refused(field):
    with pytest.raises(InvalidResponse):
        upgrade_head(b'echo', [field])


@pytest.mark.parametrize(
    'raw',
    [
        head(),
        head(b'GET / HTTP/1.1', b'Upgrade: echo'),
        head(b'GET / HTTP/1.1', b'Connection: upgrade'),
        head(b'GET / HTTP/1.0', b'Connection: upgrade', b'Upgrade: echo'),
        post(b'Content-Length: 5', b'Connection: upgrade', b'Upgrade: echo', body=b'hello'),
        post(b'Content-Length: 5', b'Connection: upgrade', b'Upgrade: echo', body=b'he'),
        post(b'Transfer-Encoding: chunked', b'Connection: upgrade', b'Upgrade: echo', body=b'0\r\n\r\n'),
    ],
)
def test_what_was_not_asked_for_or_has_a_body_sends_nothing_and_may_still_be_answered(talk, raw):
    talk.feed(raw)
    with pytest.raises(FlowError):
        talk.upgrade()
    assert talk.wire == b''
    talk.engine.respond(1, OK, b'no')
    assert talk.statuses == [200]


def test_a_request_without_content_may_be_upgraded_whatever_its_length_field(talk):
    talk.feed(head(b'GET / HTTP/1.1', b'Content-Length: 0', b'Connection: upgrade', b'Upgrade: echo'))
    talk.upgrade()
    assert talk.statuses == [101]


def test_once_only_and_not_after_a_response(talk):
    talk.feed(ASKED)
    talk.upgrade()
    with pytest.raises(FlowError):
        talk.engine.upgrade(1, upgrade_head(b'echo', []))
    other = Conversation(type(talk.engine), reply=no_reply)
    other.feed(ASKED)
    other.engine.start(1, OK)
    with pytest.raises(FlowError):
        other.upgrade()


@pytest.mark.parametrize('call', ['respond', 'start', 'inform'])
def test_no_response_follows(upgraded, call):
    arguments = {'respond': (OK, b''), 'start': (OK,), 'inform': (103,)}[call]
    with pytest.raises(FlowError):
        getattr(upgraded.engine, call)(1, *arguments)
    assert sent_after_head(upgraded) == b''


# ── bytes both ways ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_bytes_come_as_they_are(upgraded):
    upgraded.feed(b'\x00\xff', b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', b'0\r\n\r\n')
    assert upgraded.requests[0].body == b'\x00\xffGET / HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n'
    assert len(upgraded.requests) == 1


def test_bytes_go_as_they_are(upgraded):
    for data in (b'\x00\xff', b'', b'x' * 100_000, b'HTTP/1.1 200 OK\r\n\r\n'):
        upgraded.engine.write(1, data)
    assert sent_after_head(upgraded) == b'\x00\xff' + b'x' * 100_000 + b'HTTP/1.1 200 OK\r\n\r\n'


def test_bytes_may_be_left_to_the_kernel(upgraded):
    assert upgraded.engine.skip(1, 10**9)


def test_bytes_behind_the_request_belong_to_the_new_protocol(talk):
    talk.feed(ASKED + b'early')
    assert talk.requests[0].body == b''
    talk.upgrade()
    assert talk.engine.pending
    talk.settle()
    talk.feed(b' late')
    assert talk.requests[0].body == b'early late'


def test_bytes_behind_the_request_when_it_is_upgraded_at_once(engine):
    talk = Conversation(engine, reply=lambda talk, seen: talk.upgrade(), at_once=True)
    talk.feed(ASKED + b'early')
    assert talk.requests[0].body == b'early'
    assert not talk.engine.pending


def test_many_bytes_behind_the_request_do_not_leave_reading_paused(talk):
    talk.feed(ASKED + b'x' * 20_000)
    assert talk.engine.paused
    talk.upgrade()
    assert not talk.engine.paused
    talk.settle()
    assert talk.requests[0].body == b'x' * 20_000


@pytest.mark.parametrize('size', [1, 100, 4096])
def test_reading_pauses_over_the_bound_and_goes_on_below_half_of_it(upgraded, size):
    bound = LIMITS.read_ahead_bytes_max
    received = 0
    while received <= bound:
        assert not upgraded.engine.paused
        upgraded.feed(b'x' * size)
        received += size
    assert upgraded.engine.paused
    upgraded.engine.took(1, received - bound // 2 - 1)
    assert upgraded.engine.paused
    upgraded.engine.took(1, 1)
    assert not upgraded.engine.paused


def test_there_is_no_bound_on_all_that_comes(engine):
    talk = Conversation(engine, limits(body_bytes_max=10, discard_bytes_max=1), reply=no_reply)
    talk.feed(ASKED)
    talk.upgrade()
    for _ in range(100):
        talk.feed(b'x' * 1000)
        talk.engine.took(1, 1000)
    assert len(talk.requests[0].body) == 100_000


def test_nobody_waits_for_a_body(upgraded):
    assert upgraded.engine.phase == 'busy'
    upgraded.feed(b'x')
    assert upgraded.engine.phase == 'busy'


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_our_end_closes(upgraded):
    upgraded.engine.write(1, b'bye')
    upgraded.engine.finish(1)
    assert sent_after_head(upgraded) == b'bye'
    assert (upgraded.engine.closing, upgraded.engine.broken) == (True, False)
    with pytest.raises(FlowError):
        upgraded.engine.write(1, b'more')


def test_their_end_is_told_and_leaves_our_side_open(upgraded):
    upgraded.eof()
    assert upgraded.requests[0].gone
    assert not upgraded.engine.closing
    upgraded.engine.write(1, b'bye')
    upgraded.engine.finish(1)
    assert sent_after_head(upgraded) == b'bye'
    assert upgraded.engine.closing


@pytest.mark.parametrize('name', ['abort', 'refuse'])
def test_a_cut_is_a_reset(upgraded, name):
    getattr(upgraded.engine, name)(*{'abort': (1,), 'refuse': (408, 'slow')}[name])
    assert (upgraded.engine.closing, upgraded.engine.broken) == (True, True)
    assert sent_after_head(upgraded) == b''
    with pytest.raises(FlowError):
        upgraded.engine.write(1, b'more')


def test_drain_leaves_it_to_who_speaks_the_new_protocol(upgraded):
    upgraded.engine.drain()
    assert not upgraded.engine.closing
    upgraded.feed(b'x')
    upgraded.engine.write(1, b'y')
    assert (upgraded.requests[0].body, sent_after_head(upgraded)) == (b'x', b'y')


def test_it_may_be_upgraded_while_draining(talk):
    talk.feed(ASKED)
    talk.engine.drain()
    talk.upgrade()
    assert talk.responses[0].values(b'connection') == [b'upgrade']
    assert not talk.engine.closing
