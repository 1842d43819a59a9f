"""What a client gets for what an application calls, over every engine."""

from __future__ import annotations

import hpack.hpack
import pytest

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import ResponseDefaults
from granian.protocol.responses import response_head, upgrade_head
from tests.helpers.engines import DATE
from tests.helpers.http2 import (
    CONTINUATION,
    DATA,
    GET,
    HEADERS,
    INTERNAL_ERROR,
    NO_ERROR,
    POST,
    RST_STREAM,
    Talk,
    data,
    limits,
    no_reply,
    settings,
    window,
)

HEAD = [(b':method', b'HEAD'), *GET[1:]]
TEXT = [(b'Content-Type', b'text/plain')]


def asked(engine, fields=GET, *, end=True, **options):
    talk = Talk(engine, reply=no_reply, **options)
    talk.feed(talk.headers(1, fields, end=end))
    return talk


def answered(talk, status=200, fields=(), body=b''):
    talk.engine.respond(1, response_head(status, list(fields)), body)
    talk.settle()
    return talk.responses[1]


def streamed(talk, *pieces, status=200, fields=(), trailers=()):
    talk.engine.start(1, response_head(status, list(fields)))
    for piece in pieces:
        talk.engine.write(1, piece)
    talk.engine.finish(1, trailers)
    talk.settle()
    return talk.responses[1]


def test_fields_of_a_response(engine):
    response = answered(
        asked(engine), fields=[*TEXT, (b'Connection', b'close'), (b'X', b'a'), (b'x', b'b')], body=b'hello'
    )
    assert sorted(response.fields) == sorted([
        (b':status', b'200'), (b'content-type', b'text/plain'), (b'x', b'a'), (b'x', b'b'), (b'server', b'granian'),
        (b'content-length', b'5'), (b'date', DATE),
    ])  # fmt: skip
    assert (response.body, response.whole, response.code) == (b'hello', True, None)


def test_the_applications_date_and_server_stand(engine):
    response = answered(asked(engine), fields=[(b'Date', b'today'), (b'Server', b'mine')])
    assert sorted(response.fields) == [
        (b':status', b'200'), (b'content-length', b'0'), (b'date', b'today'), (b'server', b'mine'),
    ]  # fmt: skip


def test_without_defaults(engine):
    response = answered(asked(engine, defaults=ResponseDefaults(b'', b'')))
    assert response.fields == [(b':status', b'200'), (b'content-length', b'0')]


def test_the_date_is_the_one_of_the_moment(engine):
    defaults = ResponseDefaults(b'granian', b'first')
    talk = asked(engine, defaults=defaults)
    answered(talk)
    defaults.tell(b'second')
    talk.feed(talk.headers(3))
    talk.engine.respond(3, response_head(200, []), b'')
    talk.settle()
    assert [talk.responses[stream].value(b'date') for stream in (1, 3)] == [b'first', b'second']


@pytest.mark.parametrize(
    ('status', 'fields', 'body', 'length', 'sent'),
    [
        (200, [], b'', b'0', b''),
        (200, [(b'content-length', b'3')], b'abc', b'3', b'abc'),
        (204, [], b'', None, b''),
        (204, [(b'content-length', b'0')], b'', None, b''),
        (205, [], b'', b'0', b''),
        (304, [], b'', None, b''),
        (304, [], b'abc', None, b''),
        (304, [(b'content-length', b'7')], b'', b'7', b''),
        (404, [], b'no', b'2', b'no'),
        (999, [], b'x', b'1', b'x'),
    ],
)
def test_length_by_status(engine, status, fields, body, length, sent):
    response = answered(asked(engine), status, fields, body)
    assert (response.status, response.value(b'content-length'), response.body) == (status, length, sent)
    assert response.whole


@pytest.mark.parametrize(
    ('fields', 'body', 'length'),
    [
        ([], b'abc', b'3'),
        ([], b'', None),
        ([(b'content-length', b'9')], b'', b'9'),
        ([(b'content-length', b'9')], b'ab', b'9'),
    ],
)
def test_head_has_no_body(engine, fields, body, length):
    response = answered(asked(engine, HEAD), 200, fields, body)
    assert (response.value(b'content-length'), response.body, response.whole) == (length, b'', True)


def test_a_streamed_response_to_head(engine):
    response = streamed(asked(engine, HEAD), b'abc', b'def', fields=[(b'content-length', b'6')])
    assert (response.value(b'content-length'), response.body, response.whole) == (b'6', b'', True)


def test_a_streamed_response(engine):
    response = streamed(asked(engine), b'abc', b'', b'def')
    assert (response.value(b'content-length'), response.body, response.whole) == (None, b'abcdef', True)


def test_a_streamed_response_of_nothing(engine):
    response = streamed(asked(engine))
    assert (response.body, response.whole) == (b'', True)


@pytest.mark.parametrize('pieces', [(), (b'abc',), (b'a' * 40000, b'b')])
def test_trailers(engine, pieces):
    response = streamed(asked(engine), *pieces, trailers=[(b'X-Sum', b'1'), (b'x-two', b'2')])
    assert (response.body, response.trailers, response.whole) == (
        b''.join(pieces),
        [(b'x-sum', b'1'), (b'x-two', b'2')],
        True,
    )


def test_trailers_that_wait_are_encoded_when_they_go(engine):
    talk = asked(engine, reads=False)
    talk.engine.start(1, response_head(200, TEXT))
    talk.engine.write(1, b'a' * 70000)
    talk.engine.finish(1, [(b'x-sum', b'1')])
    # Heads of others change the table in between.
    for stream in range(3, 13, 2):
        talk.feed(talk.headers(stream))
        talk.engine.respond(stream, response_head(200, [*TEXT, (b'x-sum', b'1'), (b'x-other', b'abc')]), b'')
    talk.feed(settings((1, 0)), settings((4, 1 << 20)))
    talk.reads = True
    talk.feed(window(0, 1 << 20))
    assert talk.responses[1].trailers == [(b'x-sum', b'1')]
    assert talk.responses[1].whole


def test_a_large_head_goes_in_several_frames(engine):
    talk = asked(engine)
    response = answered(
        talk, fields=[(b'x-%d' % number, b'\xff%d' % number * 3000) for number in range(10)], body=b'abc'
    )
    assert len(response.fields) == 14
    assert response.body == b'abc'
    assert talk.sent(CONTINUATION)
    assert all(len(sent.payload) <= 16384 for sent in talk.frames)


def test_frames_are_no_larger_than_the_client_takes(engine):
    talk = asked(engine, limits=limits(send_buffer_bytes_max=1 << 20))
    talk.feed(settings((5, 20000), (4, 1 << 20)), window(0, 1 << 20))
    response = answered(talk, body=b'a' * 300000)
    assert len(response.body) == 300000
    assert max(len(sent.payload) for sent in talk.sent(DATA)) <= 20000


def test_secret_fields_are_never_indexed(engine):
    # RFC 7541 7.1.3: a literal that starts 0001.
    talk = asked(engine)
    answered(talk, fields=[(b'set-cookie', b'a=b')])
    (head,) = talk.sent(HEADERS)
    assert b'\x1f\x28' in head.payload


@pytest.mark.parametrize('status', [100, 102, 103])
def test_interim_responses(engine, status):
    talk = asked(engine)
    talk.engine.inform(1, status, [(b'Link', b'<a>')])
    answered(talk, body=b'ok')
    assert talk.responses[1].interim == [[(b':status', b'%d' % status), (b'link', b'<a>')]]
    assert (talk.responses[1].status, talk.responses[1].body) == (200, b'ok')


@pytest.mark.parametrize('call', [
    lambda engine: engine.respond(1, response_head(200, [(b'content-length', b'3')]), b'ab'),
    lambda engine: engine.inform(1, 200),
    lambda engine: engine.inform(1, 101),
    lambda engine: engine.inform(1, 103, [(b'a b', b'')]),
])  # fmt: skip
def test_a_faulty_response_is_not_sent(engine, call):
    talk = asked(engine)
    with pytest.raises(InvalidResponse):
        call(talk.engine)
    talk.settle()
    assert not talk.frames
    assert answered(talk, body=b'ok').body == b'ok'


def test_a_body_longer_than_declared_is_cut(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, [(b'content-length', b'3')]))
    talk.engine.write(1, b'ab')
    with pytest.raises(InvalidResponse):
        talk.engine.write(1, b'cd')
    talk.settle()
    assert (talk.responses[1].code, talk.responses[1].whole) == (INTERNAL_ERROR, False)
    assert talk.engine.streams_open == 0
    with pytest.raises(FlowError):
        talk.engine.finish(1)


def test_a_body_shorter_than_declared_is_cut(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, [(b'content-length', b'3')]))
    talk.engine.write(1, b'ab')
    with pytest.raises(InvalidResponse):
        talk.engine.finish(1)
    talk.settle()
    assert (talk.responses[1].code, talk.responses[1].whole) == (INTERNAL_ERROR, False)


def test_faulty_trailers_are_not_sent(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, []))
    with pytest.raises(InvalidResponse):
        talk.engine.finish(1, [(b'content-length', b'1')])
    talk.engine.finish(1)
    talk.settle()
    assert talk.responses[1].whole


@pytest.mark.parametrize('started', [False, True])
def test_an_aborted_response_cannot_be_taken_for_a_whole_one(engine, started):
    talk = asked(engine)
    if started:
        talk.engine.start(1, response_head(200, []))
        talk.engine.write(1, b'ab')
    talk.engine.abort(1)
    talk.settle()
    assert (talk.responses[1].code, talk.responses[1].whole) == (INTERNAL_ERROR, False)
    assert not talk.engine.closing
    talk.engine.abort(1)
    talk.settle()
    assert len(talk.sent(RST_STREAM)) == 1


OUT_OF_ORDER = {
    'write before start': (lambda engine: engine.write(1, b'a'), None),
    'finish before start': (lambda engine: engine.finish(1), None),
    'skip before start': (lambda engine: engine.skip(1, 1), None),
    'start twice': (lambda engine: engine.start(1, response_head(200, [])), 'start'),
    'respond after start': (lambda engine: engine.respond(1, response_head(200, []), b''), 'start'),
    'inform after start': (lambda engine: engine.inform(1, 103), 'start'),
    'upgrade after start': (lambda engine: engine.upgrade(1, upgrade_head(b'a', [])), 'start'),
    'upgrade of an ordinary request': (lambda engine: engine.upgrade(1, upgrade_head(b'a', [])), None),
    'respond twice': (lambda engine: engine.respond(1, response_head(200, []), b''), 'respond'),
    'write after the end': (lambda engine: engine.write(1, b'a'), 'respond'),
    'a stream that never was': (lambda engine: engine.respond(3, response_head(200, []), b''), None),
}  # fmt: skip


@pytest.mark.parametrize(('call', 'before'), OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_calls_out_of_order_send_nothing(engine, call, before):
    talk = asked(engine)
    if before == 'start':
        talk.engine.start(1, response_head(200, []))
    elif before == 'respond':
        answered(talk)
    talk.settle()
    sent = len(talk.frames)
    with pytest.raises(FlowError):
        call(talk.engine)
    talk.settle()
    assert len(talk.frames) == sent


def test_bytes_cannot_be_skipped(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, [(b'content-length', b'3')]))
    assert talk.engine.skip(1, 3) is False
    talk.engine.write(1, b'abc')
    talk.engine.finish(1)
    talk.settle()
    assert talk.responses[1].whole


def test_an_early_response_lets_a_small_rest_of_the_body_come(engine):
    talk = asked(engine, POST, end=False)
    answered(talk, body=b'early')
    assert talk.responses[1].whole
    talk.feed(data(1, b'a' * 10000), data(1, b'', end=True), talk.headers(3))
    assert not talk.sent(RST_STREAM)
    assert talk.requests[3].whole


def test_an_early_response_stops_a_large_rest_of_the_body(engine):
    # RFC 9113 8.1
    talk = asked(engine, POST, end=False, limits=limits(discard_bytes_max=20000))
    answered(talk, body=b'early')
    for _ in range(3):
        talk.feed(data(1, b'a' * 10000))
    assert talk.responses[1].code == NO_ERROR
    talk.feed(data(1, b'a' * 10000), talk.headers(3))
    assert talk.requests[3].whole


def test_an_early_response_stops_a_body_that_is_declared_large(engine):
    talk = asked(engine, [*POST, (b'content-length', b'100000')], end=False)
    answered(talk, body=b'early')
    assert (talk.responses[1].whole, talk.responses[1].code) == (True, NO_ERROR)


def test_the_same_response_many_times(engine):
    """Remembered blocks mean the same however the table changes."""
    talk = Talk(engine, reply=no_reply)
    heads = [response_head(200, [*TEXT, (b'x-kind', b'%d' % number)]) for number in range(5)]
    for number in range(60):
        stream = 2 * number + 1
        if number % 20 == 13:
            talk.feed(settings((1, 0 if number % 40 == 13 else 300)))
        talk.feed(talk.headers(stream))
        talk.engine.respond(stream, heads[number % 5], b'ok')
        talk.settle()
        assert talk.responses[stream].value(b'x-kind') == b'%d' % (number % 5)
        assert talk.responses[stream].value(b'content-type') == b'text/plain'


@pytest.mark.parametrize('together', [False, True])
@pytest.mark.parametrize(
    'sizes', [[100], [100, 100], [0, 100, 65535, 100], [100, 4096, 4096], [100, 100000], [0, 4096]]
)
def test_the_client_is_told_of_each_smaller_table(engine, sizes, together):
    # RFC 7541 4.2. Found by the fuzzer: of a size that was set twice, or was small enough as it was, h2 told nothing.
    talk = Talk(engine, reply=no_reply)
    fields = [(b'x-%d' % number, b'value %d' % number) for number in range(20)]
    for stream in (1, 3, 5):
        talk.feed(talk.headers(stream))
        if stream == 5:
            pairs = [(1, size) for size in sizes]
            talk.feed(*([settings(*pairs)] if together else [settings(pair) for pair in pairs]))
        talk.engine.respond(stream, response_head(200, fields), b'')
        talk.settle()
    # Of the smallest first.
    told, _ = hpack.hpack.decode_integer(talk.sent(HEADERS, 5)[0].payload, 5)
    assert (talk.sent(HEADERS, 5)[0].payload[0] >> 5, told) == (1, min(sizes))
    talk.feed(talk.headers(7))
    talk.engine.respond(7, response_head(200, fields), b'')
    talk.settle()
    assert [response.value(b'x-19') for response in talk.responses.values()] == [b'value 19'] * 4
