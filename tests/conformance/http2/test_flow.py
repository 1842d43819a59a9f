"""Flow control both ways, and turns (RFC 9113 5.2, 6.9), over every engine."""

from __future__ import annotations

import pytest

from granian.protocol.limits import HTTP2_WAITING_BODIES_MAX
from granian.protocol.responses import response_head
from tests.helpers.http2 import (
    ACK,
    DATA,
    FLOW_CONTROL_ERROR,
    HTTP2_ENGINES,
    PADDED,
    POST,
    RST_STREAM,
    SETTINGS,
    START,
    WINDOW_UPDATE,
    Talk,
    data,
    frame,
    limits,
    no_reply,
    reset,
    settings,
    window,
)

BIG = b'x' * 200000


def downloads(engine, *streams, **options):
    """A response of 200 000 bytes on each stream."""
    talk = Talk(engine, limits(send_buffer_bytes_max=1 << 20), reply=no_reply, **options)
    for stream in streams:
        talk.feed(talk.headers(stream))
        talk.engine.respond(stream, response_head(200, []), BIG)
    talk.settle()
    return talk


def granted(talk, stream):
    return sum(update.number for update in talk.sent(WINDOW_UPDATE, stream))


def test_no_more_is_sent_than_the_connection_was_granted(engine):
    talk = downloads(engine, 1, 3)
    assert len(talk.responses[1].body) + len(talk.responses[3].body) == 65535
    assert (talk.engine.stalled, talk.engine.sendable) == (True, False)
    talk.feed(window(0, 1000))
    assert len(talk.responses[1].body) + len(talk.responses[3].body) == 66535
    assert talk.engine.progress == 66535


def test_no_more_is_sent_than_the_stream_was_granted(engine):
    talk = downloads(engine, 1)
    talk.feed(window(0, 1 << 20))
    assert len(talk.responses[1].body) == 65535
    assert (talk.engine.stalled, talk.engine.sendable) == (True, False)
    assert talk.engine.flow(1) == (65535, 200000 - 65535)
    talk.feed(window(1, 10))
    assert len(talk.responses[1].body) == 65545
    talk.feed(window(1, 1 << 20))
    assert (talk.responses[1].body, talk.responses[1].whole) == (BIG, True)
    assert (talk.engine.stalled, talk.engine.flow(1)) == (False, (0, 0))


def test_a_window_granted_before_the_response(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(window(0, 1 << 20), talk.headers(1), window(1, 1 << 20))
    talk.engine.respond(1, response_head(200, []), BIG)
    talk.settle()
    assert talk.responses[1].whole


def test_another_initial_window_changes_open_streams(engine):
    # RFC 9113 6.9.2
    talk = downloads(engine, 1)
    talk.feed(window(0, 1 << 20), settings((4, 65535 + 100)))
    assert len(talk.responses[1].body) == 65635
    talk.feed(settings((4, 0)), window(1, 65000))
    assert len(talk.responses[1].body) == 65635
    # The window is negative: what makes up for that lets nothing go.
    talk.feed(window(1, 635))
    assert len(talk.responses[1].body) == 65635
    talk.feed(window(1, 1))
    assert len(talk.responses[1].body) == 65636
    talk.feed(settings((4, 100)))
    assert len(talk.responses[1].body) == 65736


def test_a_window_that_shrinks_while_a_stream_has_its_turn_stops_it(engine):
    # RFC 9113 6.9.2
    talk = Talk(engine, limits(send_buffer_bytes_max=1 << 20), reply=no_reply)
    talk.feed(settings((4, 100000)), talk.headers(1))
    talk.engine.respond(1, response_head(200, []), BIG)
    talk.settle()
    talk.feed(settings((4, 0)), window(0, 1000))
    assert len(talk.responses[1].body) == 65535
    talk.feed(window(1, 65535 + 5))
    assert len(talk.responses[1].body) == 65540


def test_a_small_initial_window_holds_for_new_streams(engine):
    talk = Talk(engine)
    talk.feed(settings((4, 3)), talk.headers(1))
    assert (talk.responses[1].body, talk.responses[1].whole) == (b'GET', False)
    talk.feed(window(1, 2))
    assert (talk.responses[1].body, talk.responses[1].whole) == (b'GET /', True)


def test_heads_and_ends_need_no_window(engine):
    talk = Talk(engine, reply=no_reply)
    talk.feed(settings((4, 0)))
    for stream in (1, 3):
        talk.feed(talk.headers(stream))
    talk.engine.respond(1, response_head(204, []), b'')
    talk.engine.start(3, response_head(200, []))
    talk.engine.finish(3, [(b'x', b'1')])
    talk.settle()
    assert talk.responses[1].whole
    assert talk.responses[3].whole


def test_streams_send_by_turns(engine):
    talk = downloads(engine, 1, 3, 5, 7)
    talk.feed(settings((4, 1 << 20)))
    for _ in range(40):
        talk.feed(window(0, 16384))
        sizes = [len(talk.responses[stream].body) for stream in (1, 3, 5, 7) if not talk.responses[stream].whole]
        assert not sizes or max(sizes) - min(sizes) <= 2 * 65535


def test_turns_are_no_longer_where_the_client_takes_large_frames(engine):
    talk = downloads(engine, reads=False)
    talk.feed(settings((5, (1 << 24) - 1), (4, 1 << 20)), window(0, 1 << 20))
    for stream in (1, 3, 5, 7):
        talk.feed(talk.headers(stream))
        talk.engine.respond(stream, response_head(200, []), BIG)
    talk.engine.produce(4 * 16384)
    talk.settle()
    assert [len(talk.responses[stream].body) for stream in (1, 3, 5, 7)] == [16384] * 4


def test_a_small_response_passes_a_large_one(engine):
    talk = downloads(engine, 1, reads=False)
    talk.feed(talk.headers(3))
    talk.engine.respond(3, response_head(200, []), b'small')
    for _ in range(3):
        talk.engine.produce(16384)
        talk.settle()
    assert talk.responses[3].whole
    assert len(talk.responses[1].body) < 65535


def test_no_more_is_produced_than_asked_for(engine):
    talk = downloads(engine, 1, 3, reads=False)
    assert not talk.sent(DATA)
    assert talk.engine.sendable
    talk.engine.produce(20000)
    talk.settle()
    assert 20000 <= sum(len(sent.payload) for sent in talk.sent(DATA)) < 20000 + 16384
    assert talk.engine.progress == sum(len(sent.payload) for sent in talk.sent(DATA))


def test_small_responses_do_not_pile_up_where_nothing_is_produced(engine):
    talk = Talk(engine, limits(streams_max=100), reads=False, reply=no_reply)
    talk.feed(settings((4, 1 << 24)), window(0, 1 << 24))
    for stream in range(1, 200, 2):
        talk.feed(talk.headers(stream))
        talk.engine.respond(stream, response_head(200, []), b'x' * 10000)
        talk.settle()
    assert sum(len(sent.payload) for sent in talk.sent(DATA)) <= 140000
    assert talk.engine.streams_open >= 85
    talk.reads = True
    talk.settle()
    assert talk.engine.streams_open == 0
    assert all(len(response.body) == 10000 for response in talk.responses.values())


def test_a_writer_is_told_when_it_is_too_far_ahead_and_when_no_more(engine):
    talk = Talk(engine, limits(send_buffer_bytes_max=50000), reply=no_reply)
    talk.feed(settings((4, 0)), talk.headers(1))
    talk.engine.start(1, response_head(200, []))
    talk.engine.write(1, b'a' * 49999)
    assert not talk.engine.is_blocked(1)
    talk.engine.write(1, b'a' * 20000)
    assert talk.engine.is_blocked(1)
    talk.feed(window(1, 30000))
    assert talk.rooms == []
    talk.feed(window(1, 20000))
    assert talk.rooms == [1]
    assert not talk.engine.is_blocked(1)
    talk.feed(window(1, 10000))
    assert talk.rooms == [1]


def test_a_stream_that_is_cut_gives_its_turn_away(engine):
    talk = downloads(engine, 1, 3)
    talk.feed(reset(1), window(0, 1 << 20), window(3, 1 << 20))
    assert talk.responses[3].whole
    assert not talk.engine.stalled
    assert talk.engine.streams_open == 0


def test_an_abort_of_what_waits(engine):
    talk = downloads(engine, 1)
    assert talk.engine.streams_open == 1
    talk.engine.abort(1)
    talk.settle()
    assert talk.sent(RST_STREAM, 1)
    assert (talk.engine.streams_open, talk.engine.stalled) == (0, False)


# ── what the client may send ─────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_granted_for_what_nobody_took(engine):
    talk = Talk(engine, reply=no_reply, takes=False)
    talk.feed(talk.headers(1, POST, end=False), *[data(1, b'a' * 16000)] * 4)
    assert granted(talk, 0) == granted(talk, 1) == 0
    talk.take(1)
    assert granted(talk, 1) > 0
    talk.feed(data(1, b'a' * 16000))
    assert not talk.engine.closing


def test_a_client_can_send_for_ever_what_is_taken(engine):
    talk = Talk(engine, limits(body_bytes_max=None), reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    stream, connection = 65535, 131072
    for _ in range(100):
        assert min(stream, connection) >= 16000
        talk.frames.clear()
        talk.feed(data(1, b'a' * 16000))
        stream += granted(talk, 1) - 16000
        connection += granted(talk, 0) - 16000
    assert len(talk.requests[1].body) == 1600000


def test_a_small_window_is_granted_again_too(engine):
    talk = Talk(engine, limits(stream_window_bytes=1024), reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    for _ in range(20):
        talk.frames.clear()
        talk.feed(data(1, b'a' * 1000))
        assert granted(talk, 1) == 1000


@pytest.mark.parametrize('pieces', [(1001,), (1000, 1), (600, 401)], ids=str)
def test_a_small_window_holds_once_the_client_knows_of_it(engine, pieces):
    # RFC 9113 6.9.1, 6.9.3
    talk = Talk(engine, limits(stream_window_bytes=1000), reply=no_reply, takes=False)
    talk.feed(talk.headers(1, POST, end=False), talk.headers(3, POST, end=False))
    talk.feed(data(1, b'a' * 1000))
    assert not talk.sent(RST_STREAM)
    talk.feed(*[data(3, b'a' * size) for size in pieces])
    assert [reset.code for reset in talk.sent(RST_STREAM, 3)] == [
        FLOW_CONTROL_ERROR
    ] or talk.goaway == FLOW_CONTROL_ERROR
    assert talk.requests[3].gone


def test_a_small_window_does_not_hold_before_the_client_knows_of_it(engine):
    # RFC 9113 6.9.3
    talk = Talk(engine, limits(stream_window_bytes=1000), start=False)
    talk.feed(START, talk.headers(1, POST, end=False), data(1, b'a' * 16384), data(1, b'a' * 16384, end=True))
    assert talk.responses[1].body == b'a' * 32768


def test_what_was_sent_before_a_small_window_was_known_is_granted_again(engine):
    # RFC 9113 6.9.2: to the client its window is negative then.
    talk = Talk(engine, limits(stream_window_bytes=1000), start=False)
    talk.feed(START, talk.headers(1, POST, end=False), data(1, b'a' * 3000))
    talk.feed(frame(SETTINGS, ACK, 0))
    assert 500 <= 1000 - 3000 + granted(talk, 1) <= 1000
    for _ in range(20):
        talk.feed(data(1, b'b' * 500))
    talk.feed(data(1, b'', end=True))
    assert talk.responses[1].body == b'a' * 3000 + b'b' * 10000


def test_padding_is_granted_again_at_once(engine):
    talk = Talk(engine, reply=no_reply, takes=False)
    talk.feed(talk.headers(1, POST, end=False))
    for _ in range(300):
        talk.feed(frame(DATA, PADDED, 1, b'\xff' + b'a' + bytes(255)))
    assert 256 * 300 - granted(talk, 1) < 65535
    assert not talk.engine.closing


@pytest.mark.parametrize('how', ['reset', 'abort', 'answer'])
def test_what_was_not_taken_of_a_stream_that_ended_is_granted_to_others(engine, how):
    talk = Talk(engine, limits(connection_window_bytes=65535), reply=no_reply, takes=False)
    for stream in range(1, 21, 2):
        talk.feed(talk.headers(stream, POST, end=False), data(stream, b'a' * 16000), data(stream, b'b' * 16000))
        if how == 'reset':
            talk.feed(reset(stream))
        elif how == 'abort':
            talk.engine.abort(stream)
        else:
            talk.engine.respond(stream, response_head(200, []), b'early')
            talk.feed(data(stream, b'', end=True))
        talk.settle()
        assert not talk.engine.closing
    assert granted(talk, 0) > 200000


def test_many_small_responses_to_one_read_may_go_while_it_is_taken(engine):
    talk = Talk(engine, limits(streams_max=200), reply=no_reply)
    talk.feed(settings((4, 1 << 24)), window(0, 1 << 24))
    talk.reply = lambda talk, seen: talk.engine.respond(seen.stream, response_head(200, []), b'x' * 10000)
    streams = range(1, 201, 2)
    talk.feed(b''.join([talk.headers(stream) for stream in streams]))
    assert [len(talk.responses[stream].body) for stream in streams] == [10000] * 100
    assert all(talk.responses[stream].whole for stream in streams)
    # The other engine leaves all of them to `produce`.
    assert (talk.asked > 5) == (engine is HTTP2_ENGINES['fast'])


@pytest.mark.parametrize('how', ['taken', 'in parts', 'partly', 'reset', 'abort', 'answer', 'widened'])
def test_a_body_that_came_with_its_head_is_granted_again(engine, how):
    talk = Talk(engine, limits(connection_window_bytes=65535), reply=no_reply, takes=False)
    for stream in range(1, 41, 2):
        talk.feed(talk.headers(stream, POST, end=False) + data(stream, b'a' * 16000, end=True))
        assert talk.requests[stream].body == b'a' * 16000
        if how in ('taken', 'in parts', 'partly'):
            for count in {'taken': (16000,), 'in parts': (1, 15999), 'partly': (7000,)}[how]:
                talk.engine.took(stream, count)
        if how == 'widened':
            talk.feed(window(stream, 1))
        if how == 'reset':
            talk.feed(reset(stream))
        elif how == 'abort':
            talk.engine.abort(stream)
        else:
            talk.engine.respond(stream, response_head(200, []), b'done')
        talk.settle()
        assert not talk.engine.closing
    # Told of in portions.
    assert 260000 < granted(talk, 0) <= 320000


def test_a_body_that_came_with_its_head_and_was_not_taken_is_not_granted_again(engine):
    talk = Talk(engine, limits(connection_window_bytes=65535), reply=no_reply, takes=False)
    for stream in (1, 3, 5, 7):
        talk.feed(talk.headers(stream, POST, end=False) + data(stream, b'a' * 16000, end=True))
    assert granted(talk, 0) == 0
    talk.feed(talk.headers(9, POST, end=False) + data(9, b'a' * 16000, end=True))
    assert talk.engine.closing


@pytest.mark.parametrize(
    'between', [b'', window(0, 1), window(3, 1), data(5, b'b')], ids=['nothing', 'window', 'window of one', 'body']
)
def test_heads_come_first_and_then_their_bodies(engine, between):
    talk = Talk(engine)
    heads = [talk.headers(stream, [*POST, (b'content-length', b'2')], end=False) for stream in (1, 3, 5, 7, 9)]
    bodies = [data(1, b'aa', end=True), data(3, b'a', end=True), data(5, b'bb', end=True), data(7, b'ccc', end=True)]
    talk.feed(b''.join([*heads, bodies[0], between, *bodies[1:]]))
    assert talk.requests[1].body == b'aa'
    assert talk.responses[1].whole
    # Two bodies are not as long as they say, and one may still come.
    assert [talk.responses[stream].code for stream in (3, 7)] == [1, 1]
    assert talk.responses[5].code == (1 if between[:4] == b'\0\0\1\0' else None)
    assert not talk.requests[9].whole
    assert talk.engine.phase == 'body'
    talk.feed(data(9, b'dd', end=True))
    assert talk.responses[9].whole
    assert talk.engine.streams_open == 0


def test_data_for_a_stream_that_was_reset_is_granted_to_others(engine):
    talk = Talk(engine, limits(connection_window_bytes=65535), reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    talk.engine.abort(1)
    for _ in range(20):
        talk.feed(data(1, b'a' * 16000))
    assert not talk.engine.closing
    assert granted(talk, 0) > 200000


def test_an_adaptive_window_grows_while_bodies_are_taken(engine):
    talk = Talk(engine, limits(adaptive_window=True, body_bytes_max=None), reply=no_reply)
    talk.feed(talk.headers(1, POST, end=False))
    for _ in range(400):
        talk.feed(data(1, b'a' * 16000))
    assert not talk.engine.closing
    # More than was sent, and more than the window it began with.
    assert granted(talk, 1) - 400 * 16000 > 500000
    assert granted(talk, 0) - 400 * 16000 > 500000
    assert granted(talk, 1) - 400 * 16000 <= 8 * 1024 * 1024


def test_an_adaptive_window_stays_where_bodies_are_not_taken_in_time(engine):
    talk = Talk(engine, limits(adaptive_window=True, body_bytes_max=None), reply=no_reply, takes=False)
    talk.feed(talk.headers(1, POST, end=False))
    sent = 0
    while sent < 1_000_000:
        if 65535 + granted(talk, 1) - sent >= 16000:
            talk.feed(data(1, b'a' * 16000))
            sent += 16000
        else:
            # All but one byte: the application is never done.
            seen = talk.requests[1]
            talk.engine.took(1, seen.untaken - 1)
            seen.untaken = 1
            talk.settle()
    assert not talk.engine.closing
    assert granted(talk, 1) <= sent
    assert granted(talk, 0) <= sent


@pytest.mark.parametrize('way', ['sent', 'aborted', 'reset by the client'])
def test_a_connection_is_full_where_many_bodies_wait(engine, way):
    """However they went before, it is the same number again, and neither few nor small ones count."""
    talk = Talk(engine, limits(send_buffer_bytes_max=1000, streams_max=100), reply=no_reply)
    talk.feed(settings((4, 0)), window(0, 1 << 20))
    streams = iter(range(1, 1000, 2))
    for _ in range(3):
        begun = []
        for size in [*[500] * HTTP2_WAITING_BODIES_MAX, 1 << 16, *[2000] * 4]:
            stream = next(streams)
            talk.feed(talk.headers(stream))
            talk.engine.respond(stream, response_head(200, []), bytes(size))
            begun.append(stream)
            assert talk.engine.full is (len(begun) > HTTP2_WAITING_BODIES_MAX)
        for left, stream in zip(range(len(begun) - 1, -1, -1), begun, strict=True):
            let_go(talk, stream, way)
            assert talk.engine.full is (left >= HTTP2_WAITING_BODIES_MAX)
        assert (talk.engine.full, talk.engine.stalled) == (False, False)


def let_go(talk, stream, way):
    if way == 'sent':
        talk.feed(window(stream, 1 << 17))
        assert talk.responses[stream].whole
    elif way == 'aborted':
        talk.engine.abort(stream)
    else:
        talk.feed(reset(stream))


def test_a_stream_of_a_full_connection_is_blocked_by_little(engine):
    count = HTTP2_WAITING_BODIES_MAX
    talk = Talk(engine, limits(send_buffer_bytes_max=1000, streams_max=count + 2), reply=no_reply)
    streams = range(1, 2 * count + 2, 2)
    talk.feed(settings((4, 0)), *[talk.headers(stream) for stream in streams])
    last = streams[-1]
    for stream in streams:
        talk.engine.start(stream, response_head(200, []))
        assert not talk.engine.is_blocked(stream)
        talk.engine.write(stream, b'x' if stream == last else b'x' * 1000)
    assert talk.engine.full
    assert talk.engine.waiting == count * 1000 + 1
    assert talk.engine.is_blocked(last)
    talk.feed(window(last, 1))
    assert talk.rooms == [last]
    assert not talk.engine.is_blocked(last)


def test_the_window_of_a_stream_that_is_over_overflows_nothing(engine):
    talk = Talk(engine)
    # Larger than it began, and over: RFC 9113 6.9.2 speaks of windows that are there.
    talk.feed(talk.headers(1, POST, end=False), window(1, 65535), talk.headers(1, [], end=True))
    assert talk.responses[1].whole
    talk.feed(settings((4, 0x7FFFFFFF)))
    assert talk.goaway is None
    talk.feed(talk.headers(3))
    assert talk.responses[3].whole
