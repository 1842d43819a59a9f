"""Response heads: what is remembered changes nothing, and holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from granian.errors import InvalidResponse
from granian.protocol import responses
from granian.protocol.responses import ResponseHead, response_head

NAMES = [
    b'x',
    b'X',
    b'Content-Length',
    b'content-type',
    b'Connection',
    b'transfer-encoding',
    b'set-cookie',
    b'Date',
    b'server',
    b'',
]
VALUES = [
    b'',
    b'1',
    b' 2 ',
    b'close',
    b'x, close',
    b'chunked',
    b'gzip',
    b'a\r\nb',
    b'a\x00',
    b'\xff',
    b'text/event-stream',
]
OTHERS = ['x', None, 1, bytearray(b'x'), memoryview(b'x'), memoryview(bytearray(b'x'))]


def one_of(values):
    """As `sampled_from`, which wants to hash them."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES))
odd = st.one_of(
    pairs,
    pairs.map(list),
    st.tuples(one_of([*NAMES, *OTHERS]), one_of([*VALUES, *OTHERS])),
    st.sampled_from([(b'x',), b'xy', 'xy', (), None, (b'x', b'y', b'z')]),
)
calls = st.tuples(st.sampled_from([100, 200, 204, 304, 404, 999, 1000]), st.lists(odd, max_size=4))


def outcome(status, fields):
    try:
        head = response_head(status, fields)
    except InvalidResponse:
        return None
    return [getattr(head, name) for name in ResponseHead.__slots__]


@given(st.lists(calls, max_size=6), calls)
@example([(200, [(b'x', b'x')])], (200, [(memoryview(b'x'), b'x')]))
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_memory_warm_or_cold_a_head_is_the_same(cold, before, call):
    cold()
    first = outcome(*call)
    for other in before:
        outcome(*other)
    assert outcome(*call) == first
    assert outcome(*call) == first


@given(calls)
def test_no_line_is_more_than_a_line(call):
    status, fields = call
    try:
        head = response_head(status, fields)
    except InvalidResponse:
        return
    lines = head.lines.split(b'\r\n')
    assert lines.pop() == b''
    assert len(lines) == 1 + len(head.fields)
    assert not b''.join(lines).translate(None, bytes(set(range(256)) - {0, 10, 13}))


@pytest.mark.parametrize('name', [b'Set-Cookie', b'authorization', b'WWW-Authenticate'])
def test_secrets_are_not_remembered(cold, remembered, name):
    for _ in range(3):
        response_head(200, [(b'x', b'y'), (name, b'hush-hush')])
    assert 'hush-hush' not in remembered()


def test_the_memory_is_bounded(cold):
    for n in range(3000):
        response_head(200, [(b'x', b'%d' % n), (b'y', b'y' * n)])
    memory = responses._remembered
    assert 0 < len(memory) <= 2 * memory.entries_max
    assert max(len(repr(key)) for key in memory.recent) < memory.key_bytes_max * 2


def test_the_key_that_is_kept_is_not_larger_than_what_it_stands_for(cold, remembered):
    response_head(200, [(b'x', b' ' * 100_000)])
    response_head(200, [(b'connection', b'x' * 100_000)])
    assert len(remembered()) < 10_000


@pytest.mark.parametrize(
    ('status', 'reason', 'line'),
    [
        (200, b'OK', b'HTTP/1.1 200 OK'),
        (200, b'', b'HTTP/1.1 200 OK'),
        (200, b'Fine \xe9', b'HTTP/1.1 200 Fine \xe9'),
        (299, b'Odd', b'HTTP/1.1 299 Odd'),
        (299, b'', b'HTTP/1.1 299 '),
    ],
)
def test_the_reason_given_is_the_reason_sent(cold, status, reason, line):
    for _ in range(2):
        head = response_head(status, [(b'x', b'y')], reason)
        assert head.lines.split(b'\r\n')[0] == line
        assert head.reason == line[13:]
    assert response_head(status, [(b'x', b'y')]).lines != head.lines or reason in (b'', b'OK')


def test_a_reason_is_no_place_for_a_line_break(cold):
    with pytest.raises(InvalidResponse, match='reason'):
        response_head(200, [], b'OK\r\nx: y')


def test_a_head_with_a_reason_is_not_found_by_faulty_fields(cold):
    response_head(200, [], b'Fine')
    with pytest.raises(InvalidResponse):
        response_head(200, [b'Fine'])
    with pytest.raises(InvalidResponse):
        response_head(200, [(200, b'Fine')])
