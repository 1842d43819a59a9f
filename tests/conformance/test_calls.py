"""Any calls in any order: the engines allow, refuse and send the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from granian.errors import FlowError
from granian.protocol.responses import response_head, upgrade_head
from tests.conformance.differential import plain
from tests.conformance.tables.bodies import chunked, post
from tests.conformance.tables.heads import head
from tests.helpers.engines import HTTP1_ENGINES, Conversation, limits, no_reply

SMALL = limits(read_ahead_bytes_max=8, discard_bytes_max=8)
# Without HEAD of HTTP/1.0: docs/explanation/http1-decisions.md.
REQUESTS = [
    head(),
    head(b'HEAD / HTTP/1.1'),
    head(b'GET / HTTP/1.0'),
    head(b'GET / HTTP/1.0', b'Connection: keep-alive'),
    head(b'GET / HTTP/1.1', b'Connection: close'),
    head(b'GET / HTTP/1.1', b'Connection: upgrade', b'Upgrade: echo'),
    head(b'GET / HTTP/1.1', b'Connection: upgrade', b'Upgrade: echo') + b'behind',
    post(b'Content-Length: 5', b'Connection: upgrade', b'Upgrade: echo', body=b'hello'),
    post(b'Content-Length: 5', body=b'hello'),
    post(b'Content-Length: 20', body=b'x' * 20),
    post(b'Content-Length: 5', b'Expect: 100-continue'),
    b'hello',
    chunked(b'5\r\nhello\r\n'),
    b'0\r\n\r\n',
    b'0\r\nX: y\r\n\r\n',
    chunked(b'5\r\nhello\r\n0\r\nX: y\r\n\r\n'),
    b'GET / HT',
    b'\r\n',
    b'bad\r\n\r\n',
]
RESPONSES = [
    response_head(*arguments)
    for arguments in (
        (200, []),
        (200, [(b'content-length', b'2')]),
        (204, []),
        (304, [(b'content-length', b'2')]),
        (200, [(b'connection', b'close'), (b'date', b'x')]),
    )
]
UPGRADE = upgrade_head(b'echo', [(b'x', b'y')])
responses = st.sampled_from(RESPONSES)
bodies = st.sampled_from([b'', b'a', b'ab', b'abc'])
# 0: the stream at hand, -1: the one before it.
stream = st.sampled_from([0, 0, 0, 0, -1])
calls = st.one_of(
    st.tuples(st.just('receive'), st.sampled_from(REQUESTS)),
    st.tuples(st.just('receive'), st.sampled_from(REQUESTS)),
    st.tuples(st.just('receive'), st.just(b'')),
    st.tuples(st.just('respond'), stream, responses, bodies),
    st.tuples(st.just('start'), stream, responses),
    st.tuples(st.just('write'), stream, bodies),
    st.tuples(st.just('upgrade'), stream, st.just(UPGRADE)),
    st.tuples(st.just('finish'), stream),
    st.tuples(st.just('finish'), stream, st.just([(b'x', b'y')])),
    st.tuples(st.just('inform'), stream, st.sampled_from([100, 103, 200])),
    st.tuples(st.just('took'), stream, st.sampled_from([1, 5, 20])),
    st.tuples(st.just('abort'), stream),
    st.tuples(st.just('drain')),
    st.tuples(st.just('refuse'), st.just(408), st.just('slow')),
    st.tuples(st.just('receive_eof')),
)


def perform(talk, call):
    """What a call does to an engine."""
    name, *arguments = call
    engine = talk.engine
    if name not in ('receive', 'receive_eof', 'drain', 'refuse'):
        arguments[0] += len(talk.requests)
    try:
        if name == 'upgrade' and talk.requests and arguments[0] == len(talk.requests):
            talk.upgrade((b'x', b'y'))
        else:
            getattr(engine, name)(*arguments)
        error = None
    except FlowError as flow:
        error = type(flow)
    return name, error, engine.phase, engine.paused, engine.pending, engine.closing, engine.broken


@given(st.lists(calls, max_size=12))
@settings(max_examples=1500)
def test_any_calls_in_any_order(sequence):
    talks = [Conversation(engine, SMALL, reply=no_reply) for engine in HTTP1_ENGINES.values()]
    ended = False
    for call in sequence:
        if ended and call[0] == 'receive' and call[1]:
            continue
        ended = ended or call[0] == 'receive_eof'
        one, *others = [perform(talk, call) for talk in talks]
        assert others == [one] * len(others)
        if talks[0].engine.closing:
            break
    one, *others = [
        (
            [plain(response) for response in talk.responses],
            [(seen.summary(), seen.whole, seen.gone, seen.answered) for seen in talk.requests],
        )
        for talk in talks
    ]
    assert others == [one] * len(others)
