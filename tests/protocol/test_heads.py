"""Heads are read all lines at once, or recognised; both must find exactly what looking at each line finds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from granian.protocol.contract import Refusal
from granian.protocol.http1.heads import HeadReader, read_fields
from granian.protocol.limits import Http1Limits
from granian.protocol.requests import plain_field

LIMITS = Http1Limits(
    head_bytes_max=4096, target_bytes_max=1024, fields_max=12, body_bytes_max=None, read_ahead_bytes_max=8192,
    discard_bytes_max=4096, keep_alive=True, require_host=True,
)  # fmt: skip
pieces = st.sampled_from(
    [
        b'a',
        b'B',
        b'Host',
        b'X-Y',
        b':',
        b': ',
        b' ',
        b'\t',
        b'\r',
        b'\n',
        b'\r\n',
        b'\r\n',
        b'\x00',
        b'\xe9',
        b'a: b',
        b'1',
    ]
)
blocks = st.lists(pieces, max_size=24).map(b''.join)


def outcome_of(function, *arguments):
    try:
        return function(*arguments)
    except Refusal as refusal:
        return refusal.status


@given(blocks)
@example(b'A\nb')
@example(b'A: b\rX\nY: c')
@example(b'A: b: c\r\nnocolon')
@example(b'A: \r\nB: c')
@example(b': b')
@example(b'A: b \r\nC: d')
@example(b'A:  b')
@example(b'A:b')
@example(b'A : b')
@example(b'@@ A: b')
@example(b'A: b\r\n C: d')
@example(b'a: b\r\n\r\nc: d')
@example(b'a: b\tc')
def test_lines_read_at_once_are_those_read_one_by_one(block):
    one_by_one = outcome_of(lambda: [plain_field(line) for line in block.split(b'\r\n')])
    lines = block + b'\r\n'
    assert outcome_of(read_fields, lines, lines.count(b'\n')) == one_by_one


def facts(head):
    if isinstance(head, int):
        return head
    return [getattr(head, name) for name in type(head).__slots__ if name not in ('kept', 'like')]


lines = st.sampled_from(
    [b'Host: a', b'Host: b', b'X-Id: 1', b'X-Id: 2', b'X-Id:3', b'X-Id : 4', b'Content-Length: 3', b'Connection: close',
     b'Content-Length: 4', b'Transfer-Encoding: chunked', b'Accept: */*', b'Expect: 100-continue', b'Expect: x', b' fold']
)  # fmt: skip
request_lines = st.sampled_from(
    [
        b'GET / HTTP/1.1',
        b'GET /a?b HTTP/1.1',
        b'POST / HTTP/1.1',
        b'GET / HTTP/1.0',
        b'GET http://c/ HTTP/1.1',
        b'GET /',
    ]
)
heads = st.tuples(request_lines, st.lists(lines, max_size=6))


@given(st.lists(lines, min_size=2, max_size=5), st.lists(heads, min_size=1, max_size=6))
@example([b'Host: a', b'Accept: */*'], [(b'GET / HTTP/1.1', [b'Host: a', b'Accept: */*', b'Content-Length: 3'])])
@example([b'Host: a', b'Accept: */*'], [(b'GET / HTTP/1.0', [b'Host: a', b'Accept: */*', b'X-Id: 7'])])
def test_a_reader_that_knows_its_client_reads_as_a_new_one_does(common, then):
    knowing = HeadReader(LIMITS)
    for number in range(3):
        block = b'\r\n'.join([b'GET / HTTP/1.1', *common, b'X-Id: %d' % number, b''])
        assert facts(outcome_of(knowing.read, block)) == facts(outcome_of(HeadReader(LIMITS).read, block))
    for request_line, changed in then:
        for fields in (changed, [*common, *changed[:1]], [*common[:-1], *changed[:1], common[-1]]):
            block = b'\r\n'.join([request_line, *fields, b''])
            assert facts(outcome_of(knowing.read, block)) == facts(outcome_of(HeadReader(LIMITS).read, block))


def test_a_head_that_differs_in_one_line_is_recognised():
    reader = HeadReader(LIMITS)
    common = [b'Host: a', b'Accept: */*', b'User-Agent: x']
    seen = [
        reader.read(b'\r\n'.join([b'GET /%d HTTP/1.1' % number, *common, b'X-Id: %d' % number, b'']))
        for number in range(4)
    ]
    # Shared fields are the same objects: the line was not parsed again.
    assert all(head.fields[0] is seen[1].fields[0] for head in seen[2:])
    assert [head.fields[3] for head in seen] == [(b'x-id', b'%d' % number) for number in range(4)]


def test_fields_are_not_shared_between_connections():
    block = b'GET / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nAccept: x\r\n'
    first, second = HeadReader(LIMITS).read(block), HeadReader(LIMITS).read(block)
    assert first.fields == second.fields
    assert first.fields[1] is not second.fields[1]


@pytest.mark.parametrize('warm', [0, 4])
def test_one_field_too_many_is_431_whatever_was_seen_before(warm):
    reader = HeadReader(LIMITS)
    full = [b'x-%d: 1' % number for number in range(LIMITS.fields_max - 1)]
    for number in range(warm):
        reader.read(b'\r\n'.join([b'GET / HTTP/1.1', b'Host: a', *full[:-1], b'x: %d' % number, b'']))
    assert len(reader.read(b'\r\n'.join([b'GET / HTTP/1.1', b'Host: a', *full, b''])).fields) == LIMITS.fields_max
    with pytest.raises(Refusal) as refused:
        reader.read(b'\r\n'.join([b'GET / HTTP/1.1', b'Host: a', *full, b'y: 1', b'']))
    assert refused.value.status == 431


def test_a_head_like_one_before_says_which_field_is_its_own():
    reader = HeadReader(LIMITS)
    block = b'GET /%b HTTP/1.1\r\nHost: a\r\nX-Id: %b\r\nAccept: b\r\n'
    heads = [reader.read(block % (b'%d' % n, b'%d' % n)) for n in range(4)]
    known, field = heads[3].like
    assert field == (b'x-id', b'3')
    assert known in heads[:3]
    assert [field if each[0] == b'x-id' else each for each in known.fields] == heads[3].fields


@pytest.mark.parametrize(
    'block',
    [
        b'GET / HTTP/1.1\r\nHost: a\r\nY-Id: 3\r\nAccept: b\r\n',
        b'GET http://x/ HTTP/1.1\r\nHost: a\r\nX-Id: 3\r\nAccept: b\r\n',
    ],
)
def test_a_head_that_differs_in_more_is_like_none(block):
    reader = HeadReader(LIMITS)
    for n in range(3):
        reader.read(b'GET / HTTP/1.1\r\nHost: a\r\nX-Id: %d\r\nAccept: b\r\n' % n)
    assert reader.read(block).like is None
