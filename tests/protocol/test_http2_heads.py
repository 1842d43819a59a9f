"""A head that is recognised is the head that parsing it would give; blocks of responses that are remembered decode to their fields."""

from __future__ import annotations

import random
from dataclasses import replace

import hpack
import pytest

from granian.protocol.contract import Refusal, RequestHead, ResponseDefaults
from granian.protocol.hpack import huffman
from granian.protocol.hpack.decoder import HpackError
from granian.protocol.hpack.encoder import HpackEncoder
from granian.protocol.http2 import rules
from granian.protocol.http2.frames import DATA, END_HEADERS, END_STREAM, HEADERS, STREAM_AT, pack_head
from granian.protocol.http2.heads import BLOCKS_MAX, MARKS_MAX, HeadReader
from granian.protocol.http2.writer import RESPONSES_MAX, HeadWriter
from granian.protocol.responses import response_head
from tests.helpers.http2 import GET, LIMITS, POST

FIELDS = [(b'accept', b'*/*'), (b'user-agent', b'x'), (b'x-request-id', b'1'), (b'accept-language', b'en')]
CHANGES = [
    (b'x-request-id', b'2'), (b'x-request-id', b'bad\x01'), (b'x-request-id', b' bad'), (b'X-Request-Id', b'3'), (b'accept', b'text/html'),
    (b'content-length', b'0'), (b'content-length', b'5'), (b'content-length', b'99999999'), (b'expect', b'100-continue'), (b'expect', b'no'),
    (b'host', b'a.example'), (b'host', b'b.example'), (b'te', b'trailers'), (b'te', b'gzip'), (b'connection', b'close'),
    (b'transfer-encoding', b'chunked'), (b'cookie', b'a=1'), (b'cookie', b'b=2'), (b':path', b'/late'), (b'', b''),
]  # fmt: skip
PATHS = [b'/', b'/a', b'/a?b=c', b'/%41', b'*', b'', b'http://b.example/', b'/' + b'a' * 2000, b'/a b', b'/\xff', b'/#']


def head_of(read, *arguments, **options):
    """All that a head says, or why there is none."""
    try:
        head = read(*arguments, **options)
    except Refusal as refusal:
        return refusal.status, refusal.reason
    names = [name for name in RequestHead.__slots__ if name not in ('kept', 'like')]
    if head.like is not None:
        model, field = head.like
        others = [own for own, of_model in zip(head.fields, model.fields, strict=True) if own != of_model]
        assert others in ([], [field])
        assert field in head.fields
    return {name: getattr(head, name) for name in names}


def varied(source):
    """A list like those before it, with something changed now and then."""
    fields = [*source.choice([GET, GET, GET, POST, GET[::-1]]), *FIELDS]
    at = [name for name, _ in fields].index(b':path')
    if source.random() < 0.7:
        fields[at] = (b':path', source.choice(PATHS[:4]) if source.random() < 0.8 else source.choice(PATHS))
    if source.random() < 0.4:
        fields[source.choice([4, 5, 6, 6, 6, 7])] = source.choice(CHANGES)
    if source.random() < 0.3:
        fields.insert(source.randrange(len(fields) + 1), source.choice(CHANGES))
    if source.random() < 0.1:
        del fields[source.randrange(len(fields))]
    return fields


@pytest.mark.parametrize('seed', range(40))
def test_a_recognised_head_is_the_parsed_one(seed):
    source = random.Random(seed)
    reader, encoder = HeadReader(LIMITS), hpack.Encoder()
    learns = source.random() < 0.5
    for _ in range(60):
        fields, ended = varied(source), source.random() < 0.7
        block = encoder.encode(fields) if learns else HpackEncoder().encode(fields)
        expected = head_of(rules.request_head, list(fields), LIMITS, ended=ended)
        assert head_of(reader.read, block, ended=ended) == expected


def test_the_memory_of_blocks_is_bounded_and_of_one_connection():
    reader = HeadReader(LIMITS)
    for number in range(5 * BLOCKS_MAX):
        reader.read(HpackEncoder().encode([*GET, (b'cookie', b'secret-%d' % number)]), ended=True)
    assert 0 < len(reader._memories[True].heads) <= BLOCKS_MAX
    assert not HeadReader(LIMITS)._memories[True].heads
    long = HpackEncoder().encode([*GET, (b'x', b'\xff' * 600)])
    reader.read(long, ended=True)
    assert long not in reader._memories[True].heads


def literal_path(path, before=b'', after=b'', *, size=None):
    """A block with a path that is not indexed, as browsers have it (RFC 7541 6.2.2)."""
    return before + b'\x04' + bytes((len(path) if size is None else size,)) + path + after


# Static indices: GET, http, and `accept-encoding: gzip, deflate`; an authority in between.
BEFORE, AFTER = b'\x82\x86', b'\x01\x01a\x90'


@pytest.mark.parametrize(('before', 'after'), [(BEFORE, AFTER), (b'', BEFORE + AFTER), (BEFORE, b'\x01\x01a')])
@pytest.mark.parametrize('ended', [True, False])
def test_a_block_that_differs_in_its_path_is_read_as_any_other(before, after, ended):
    reader = HeadReader(LIMITS)
    coded = [huffman.encode(b'/usual/%d?q=1' % number) for number in range(5)]
    paths = [
        b'/1',
        b'/2?a',
        b'/2?b',
        b'/%41',
        *PATHS,
        b'',
        b'/3?b',
        b'/3?b',
        b'/3?b',
        b'/' + b'a' * 100,
        b'/' + b'a' * 125,
        b'/' + b'a' * 126,
    ]
    blocks = [literal_path(path, before, after) for path in paths if len(path) < 127]
    blocks += [literal_path(text, before, after, size=128 | len(text)) for text in coded]
    for block in (*blocks, *blocks):
        expected = head_of(HeadReader(LIMITS).read, block, ended=ended)
        assert head_of(reader.read, block, ended=ended) == expected
        assert rules.request_line(reader.fields)
    assert list(reader._memories[ended].shapes) == [(before + b'\x04', after)]
    assert not reader._memories[not ended].shapes


@pytest.mark.parametrize(
    'block',
    [
        BEFORE + b'\x04',
        BEFORE + b'\x04\x05/abc',
        literal_path(b'\xff' * 3, BEFORE, AFTER, size=128 | 3),
        literal_path(b'\xff' * 12, BEFORE, AFTER, size=128 | 12),
    ],
)
def test_a_faulty_path_in_a_known_place_is_a_fault(block):
    reader = HeadReader(LIMITS)
    for after in (AFTER, b''):
        for path in (b'/1', b'/2', b'/3'):
            head_of(reader.read, literal_path(path, BEFORE + (b'' if after else b'\x01\x01a'), after), ended=True)
    with pytest.raises(HpackError):
        reader.read(block, ended=True)


def test_a_long_path_in_a_known_place_counts_for_the_list():
    limits = replace(LIMITS, head_bytes_max=300)
    reader = HeadReader(limits)
    for size in (1, 2, 3, 40, 60, 70, 80, 90, 100, 110, 120):
        block = literal_path(b'/' + b'a' * size, BEFORE, AFTER)
        assert head_of(reader.read, block, ended=True) == head_of(HeadReader(limits).read, block, ended=True)
    assert head_of(reader.read, block, ended=True) == (431, 'head too large')


def test_what_is_remembered_of_blocks_is_bounded():
    reader = HeadReader(LIMITS)
    for number in range(5 * MARKS_MAX):
        for path in (b'/1', b'/2', b'/3'):
            reader.read(literal_path(path, BEFORE, AFTER + b'\x00\x01x\x03%03d' % number), ended=True)
    assert 0 < len(reader._memories[True].shapes) <= BLOCKS_MAX
    assert len(reader._once) == MARKS_MAX
    reader.read(literal_path(b'/1', BEFORE, AFTER + b'\x40\x01a\x01b'), ended=True)
    reader.read(literal_path(b'/1', BEFORE, AFTER), ended=True)
    assert not reader._memories[True].shapes
    assert reader._memories[True].last is None


def test_a_block_is_forgotten_when_the_table_changes():
    reader, get = HeadReader(LIMITS), HpackEncoder().encode(GET)
    newest = get + b'\xbe'
    reader.read(get + b'\x40\x03x-a\x011', ended=True)
    for _ in range(2):
        assert reader.read(newest, ended=True).fields[-1] == (b'x-a', b'1')
    reader.read(get + b'\x40\x03x-b\x012', ended=True)
    # The same bytes name another entry now.
    assert reader.read(newest, ended=True).fields[-1] == (b'x-b', b'2')


def sent(writer, head, length):
    """The block of a response, put together from its frames where these are known."""
    known = writer.again(head, length)
    if known is None:
        return writer.final(head, length)
    before, block = known[0], known[1][:-STREAM_AT]
    assert before == pack_head(0, len(block), HEADERS, END_HEADERS, 0)[:STREAM_AT]
    assert known[1][-STREAM_AT:] == pack_head(0, length, DATA, END_STREAM, 0)[:STREAM_AT]
    return block


@pytest.mark.parametrize('seed', range(10))
def test_remembered_response_blocks_decode_to_their_fields(seed):
    source = random.Random(seed)
    defaults = ResponseDefaults(b'granian', b'first')
    writer, decoder = HeadWriter(defaults), hpack.Decoder()
    decoder.max_allowed_table_size = 65536
    heads = [response_head(200, [(b'x-kind', b'%d' % number), (b'X-Long', b'v' * 200)]) for number in range(30)]
    for number in range(300):
        if source.random() < 0.03:
            writer.resize(source.choice([0, 100, 1000, 4096, 65536]))
        if source.random() < 0.05:
            defaults.tell(b'date %d' % number)
        head, length = source.choice(heads), source.choice([None, 0, 5, number])
        if source.random() < 0.1:
            head = response_head(404, [(b'set-cookie', b'secret-%d' % number), (b'date', b'mine')])
        fields = [tuple(field) for field in decoder.decode(sent(writer, head, length), raw=True)]
        assert sorted(fields) == sorted(rules.response_fields(head, length, defaults))


def test_frames_are_forgotten_when_the_table_changes():
    writer, decoder = HeadWriter(ResponseDefaults(b'granian', b'first')), hpack.Decoder()
    first, second = (response_head(200, [(b'x-kind', b'%d' % number)]) for number in range(2))
    for head in (first, first, first, first, second, first, second, first, second, first):
        fields = [tuple(field) for field in decoder.decode(sent(writer, head, 5), raw=True)]
        assert fields[1] == head.fields[0]
    assert writer.again(first, 5) is not None


def test_the_memory_of_response_blocks_is_bounded_and_without_secrets():
    writer = HeadWriter(ResponseDefaults(b'granian', b'first'))
    for number in range(3 * RESPONSES_MAX):
        for _ in range(4):
            writer.final(response_head(200, [(b'x', b'%d' % number)]), 1)
            writer.final(response_head(200, [(b'set-cookie', b'secret')]), 1)
    assert 0 < len(writer._blocks) <= RESPONSES_MAX
    assert 0 < len(writer._frames) <= RESPONSES_MAX
    assert len(writer._once) <= RESPONSES_MAX
    assert not [
        head
        for head in (*writer._once, *writer._blocks, *[head for head, _ in writer._frames])
        if (b'set-cookie', b'secret') in head.fields
    ]
