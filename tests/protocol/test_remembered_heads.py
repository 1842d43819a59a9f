"""What is remembered of other heads, of this connection or another, never changes how a head is read."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from granian.protocol import requests
from granian.protocol.contract import Refusal
from granian.protocol.http1.heads import HeadReader
from granian.protocol.requests import LINE_BYTES_MORE, SPECIAL_NAMES, plain_field, request_head, split_request_line
from tests.conformance.strategies import FIELDS, FRAMING, HOSTS, METHODS, PLAIN_FIELDS, TARGETS, VERSIONS
from tests.helpers.engines import LIMITS

COLONLESS = [field.partition(b':')[0] for field in (*FIELDS, *PLAIN_FIELDS, *HOSTS)]
LINES = [line for line in (*FIELDS, *HOSTS, *PLAIN_FIELDS, *FRAMING, *COLONLESS) if line and b'\r\n' not in line]
PROPERTIES = (
    'method',
    'raw_path',
    'path',
    'query',
    'version',
    'authority',
    'content_length',
    'expects_continue',
    'keep_alive',
    'absolute',
    'upgrade',
)

a_line = st.one_of(st.sampled_from(LINES), st.integers(0, 5).map(lambda n: b'X-Id: %d' % n))
a_request_line = st.one_of(
    st.just(b'GET / HTTP/1.1'),
    st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS)).map(b' '.join),
)
one_head = st.tuples(a_request_line, st.lists(a_line, max_size=8).map(lambda rest: [b'Host: a', *rest]))
# Heads of a connection: any, or the one before with a line of it replaced.
heads = st.lists(st.one_of(one_head, st.tuples(a_request_line, st.integers(0, 8), a_line)), min_size=1, max_size=10)


def blocks(steps):
    fields: list[bytes] = [b'Host: a', b'Accept: x', b'X-Id: 0']
    for step in steps:
        if len(step) == 2:
            line, fields = step
        else:
            line, at, replacement = step
            fields = list(fields)
            fields[at % len(fields)] = replacement
        yield b'\r\n'.join([line, *fields, b''])


def plainly(block):
    """The head of a block by the shared rules alone."""
    line, *rest = block[:-2].split(b'\r\n')
    if len(line) > LIMITS.target_bytes_max + LINE_BYTES_MORE:
        raise Refusal(414, 'target too long')
    fields = [plain_field(field) for field in rest]
    specials = [field for field in fields if field[0] in SPECIAL_NAMES]
    return request_head(split_request_line(line), fields, specials, LIMITS)


def outcome(read, block):
    try:
        head = read(block)
    except Refusal as refusal:
        return refusal.status
    return [getattr(head, name) for name in PROPERTIES], head.fields


@given(heads)
@settings(max_examples=500)
def test_heads_of_a_connection_are_read_as_if_each_was_the_first(steps):
    reader = HeadReader(LIMITS)
    for block in blocks(steps):
        expected = outcome(plainly, block)
        assert outcome(reader.read, block) == expected
        if isinstance(expected, int):
            break


@given(
    heads, st.binary(max_size=3), st.integers(0, 400), st.sampled_from([b'', b'\r\n', b'\n', b'\r', b' ', b'\0', b'#'])
)
@settings(max_examples=500)
def test_what_is_recognised_is_one_head_and_read_as_if_it_was_the_first(steps, behind, at, between):
    reader = HeadReader(LIMITS)
    for block in blocks(steps):
        data = block + b'\r\n'
        for variant in (data, data + behind, data[:at] + between + data[at:], data * 2):
            head = reader.recognise(variant)
            if head is not None:
                assert variant.find(b'\r\n\r\n') == len(variant) - 4
                assert outcome(lambda _, head=head: head, b'') == outcome(plainly, variant[:-2])
        if isinstance(outcome(reader.read, block), int):
            break


USUAL = b'%b HTTP/1.1\r\nHost: a\r\nAccept: x\r\nX-Id: %b\r\nCookie: y\r\n\r\n'


@pytest.mark.parametrize(
    ('request_line', 'value', 'is_recognised'),
    [
        (b'GET /a?b=1', b'7', True),
        (b'GET /a', b'7', True),
        (b'POST /other%20path?', b'  7\t', True),
        (b'GET /a?b=1 2', b'7', False),
        (b'GET /a?#', b'7', False),
        (b'GET  /a', b'7', False),
        (b'GET a', b'7', False),
        (b'GET /a#', b'7', False),
        (b'GET http://b/', b'7', False),
        (b'OPTIONS *', b'7', False),
        (b'CONNECT /a', b'7', False),
        (b'G@T /a', b'7', False),
        (b'GET /' + b'a' * LIMITS.target_bytes_max, b'7', False),
        (b'GET /a?' + b'a' * LIMITS.target_bytes_max, b'7', False),
        (b'GET /a', b'7\r\nX: y', False),
        (b'GET /a', b'7\nX', False),
        (b'GET /a', b'\0', False),
        (b'GET /a', b'7\r\n\r\nGET /b HTTP/1.1', False),
        (b'GET /a', b'7' * LIMITS.head_bytes_max, False),
        (b'GET /a HTTP/1.1\r\nX: y\r\n\r\nGET /a', b'7', False),
    ],
)
def test_usual_heads_are_recognised_and_no_others(request_line, value, is_recognised):
    reader = HeadReader(LIMITS)
    for known in (b'1', b'2'):
        assert reader.recognise(USUAL % (b'GET /', known)) is None
        reader.read((USUAL % (b'GET /', known))[:-2])
    data = USUAL % (request_line, value)
    # Twice: what is remembered of the first time changes nothing.
    for _ in range(2):
        head = reader.recognise(data)
        assert (head is not None) is is_recognised
        if head is not None:
            assert outcome(lambda _, head=head: head, b'') == outcome(plainly, data[:-2])


@given(heads, heads)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_memory_warm_or_cold_a_head_is_the_same(cold, before, steps):
    cold()
    first = [outcome(HeadReader(LIMITS).read, block) for block in blocks(steps)]
    for block in blocks(before):
        outcome(HeadReader(LIMITS).read, block)
    assert [outcome(HeadReader(LIMITS).read, block) for block in blocks(steps)] == first
    assert [outcome(HeadReader(LIMITS).read, block) for block in blocks(steps)] == first


@pytest.mark.parametrize('name', [b'Host', b'host', b'Accept', b'Content-Length', b'Cookie'])
def test_a_known_name_without_its_colon_is_refused(cold, name):
    reader = HeadReader(LIMITS)
    reader.read(b'GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nContent-Length: 0\r\nCookie: x\r\n')
    with pytest.raises(Refusal):
        reader.read(b'GET / HTTP/1.1\r\nHost: a\r\n%b\r\n' % name)


@pytest.mark.parametrize('name', [b'Cookie', b'Authorization', b'X-Anything'])
def test_nothing_but_hosts_is_remembered_beyond_a_connection(cold, remembered, name):
    for _ in range(5):
        reader = HeadReader(LIMITS)
        for _ in range(5):
            head = reader.read(b'GET /hush-hush HTTP/1.1\r\nHost: a\r\nX: y\r\n%b: hush-hush\r\n' % name)
            assert head.fields[-1] == (name.lower(), b'hush-hush')
    assert 'hush-hush' not in remembered()


def test_hosts_are_remembered_up_to_a_bound(cold):
    for n in range(2000):
        host = b'h%d' % n + b'x' * (n % 200)
        head = HeadReader(LIMITS).read(b'GET / HTTP/1.1\r\nHost: %b\r\n' % host)
        assert head.authority == host
    memory = requests._hosts
    assert 0 < len(memory) <= 2 * memory.entries_max
    assert max(map(len, memory.recent)) <= memory.key_bytes_max


@pytest.mark.parametrize('host', [b'a b', b'', b'a/b', b'u@a', b'a' * 200 + b' '])
def test_bad_hosts_stay_bad(cold, host):
    for _ in range(3):
        with pytest.raises(Refusal):
            HeadReader(LIMITS).read(b'GET / HTTP/1.1\r\nHost: %b\r\nX: %b\r\n' % (host[:-1] + b'\\', host))
    assert not requests._hosts.recent
