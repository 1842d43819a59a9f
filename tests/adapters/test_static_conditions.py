"""RFC 9110 sections 13 and 14 as tables: in this process, and (tests/end_to_end) with curl."""

from __future__ import annotations

import re

import pytest

from granian.adapters.static.conditions import Validators, allows_range, judge, parse_date
from granian.adapters.static.ranges import RANGES_MAX, Range, parse_ranges
from tests.helpers.folders import EARLIER, LATER, MODIFIED, MODIFIED_S, etag_of, folder, put
from tests.helpers.serving import one_loop
from tests.helpers.static_tables import CONDITIONS, CONTENT, RANGES

TAG = b'"tag"'
NOW = Validators(TAG, MODIFIED.encode(), MODIFIED_S)
ONLY_FAST = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize(('fields', 'status'), CONDITIONS, ids=lambda each: str(each)[:60])
@one_loop
async def test_conditions(loop, engine, tmp_path, method, fields, status):
    etag = etag_of(put(tmp_path, 'a.txt', CONTENT))
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a.txt', *[field.replace('TAG', etag) for field in fields], method=method)
        reply = await client.reply(to_head=method == 'HEAD')
        assert reply.status == status
        if status == 200:
            assert reply.body == (CONTENT if method == 'GET' else b'')
        if status == 304:
            assert {name for name, _ in reply.fields} == {b'etag', b'cache-control', b'server', b'date'}
        await client.get('/a.txt')
        assert (await client.reply()).body == CONTENT


@pytest.mark.parametrize(('asked', 'wanted'), RANGES)
@one_loop
async def test_ranges(loop, engine, tmp_path, asked, wanted):
    put(tmp_path, 'a.txt', CONTENT)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a.txt', f'Range: {asked}')
        reply = await client.reply()
        if wanted is None:
            assert (reply.status, reply.body) == (200, CONTENT)
            assert 'content-range' not in reply
        elif not wanted:
            assert (reply.status, reply['content-range']) == (416, b'bytes */%d' % len(CONTENT))
        elif len(wanted) == 1:
            start, end = wanted[0]
            assert (reply.status, reply.body) == (206, CONTENT[start:end])
            assert reply['content-range'] == b'bytes %d-%d/%d' % (start, end - 1, len(CONTENT))
        else:
            assert reply.status == 206
            assert 'content-range' not in reply
            assert parts(reply) == [
                (b'text/plain; charset=utf-8', b'bytes %d-%d/%d' % (start, end - 1, len(CONTENT)), CONTENT[start:end])
                for start, end in wanted
            ]
        assert reply['accept-ranges'] == b'bytes'
        await client.get('/a.txt')
        assert (await client.reply()).body == CONTENT


def parts(reply):
    """(type, range, content) of each part, taken apart as RFC 2046 5.1.1 says."""
    kind, _, boundary = reply['content-type'].partition(b'; boundary=')
    assert kind == b'multipart/byteranges'
    before, *pieces, after = re.split(rb'(?:^|\r\n)--' + boundary, reply.body)
    assert (before, after) == (b'', b'--\r\n')
    found = []
    for piece in pieces:
        head, _, content = piece.removeprefix(b'\r\n').partition(b'\r\n\r\n')
        fields = dict(line.split(b': ', 1) for line in head.split(b'\r\n'))
        found.append((fields[b'content-type'], fields[b'content-range'], content))
    return found


@one_loop
async def test_head_knows_no_ranges(loop, engine, tmp_path):
    put(tmp_path, 'a.txt', CONTENT)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a.txt', 'Range: bytes=0-1', method='HEAD')
        reply = await client.reply(to_head=True)
        assert (reply.status, reply['content-length']) == (200, b'%d' % len(CONTENT))


@one_loop
@pytest.mark.parametrize(('asked', 'status'), [('bytes=0-', 416), ('bytes=0-0', 416), ('bytes=-1', 200)])
async def test_ranges_of_an_empty_file(loop, engine, tmp_path, asked, status):
    put(tmp_path, 'empty.txt')
    async with folder(loop, engine, tmp_path) as server:
        assert (await server.get('/empty.txt', f'Range: {asked}')).status == status


@one_loop
@ONLY_FAST
async def test_ranges_of_a_large_file_go_past_the_transport_and_through_it(loop, engine, tmp_path):
    content = bytes(range(251)) * 4000
    put(tmp_path, 'large', content)
    async with folder(loop, engine, tmp_path) as server:
        reply = await server.get('/large', 'Range: bytes=5-200004,300000-300009,400000-799999')
        found = re.split(rb'--\w{32}', reply.body)
        assert [piece.partition(b'\r\n\r\n')[2] for piece in found[1:-1]] == [
            content[5:200005] + b'\r\n', content[300000:300010] + b'\r\n', content[400000:800000] + b'\r\n',
        ]  # fmt: skip


@pytest.mark.parametrize(
    ('value', 'seconds'),
    [
        (MODIFIED, MODIFIED_S),
        ('Sunday, 06-Nov-94 08:49:37 GMT', MODIFIED_S),
        ('Sun Nov  6 08:49:37 1994', MODIFIED_S),
        ('Tue, 30 Jun 2015 23:59:60 GMT', 1435708800),
        ('Thu, 01 Jan 1970 00:00:00 GMT', 0),
        ('Saturday, 06-Nov-99 08:49:37 GMT', 941878177),
        ('Wednesday, 06-Nov-30 08:49:37 GMT', 1920185377),
    ],
)
def test_dates_in_all_three_formats(value, seconds):
    assert parse_date(value.encode()) == seconds


@pytest.mark.parametrize(
    'value',
    [
        '', '0', 'yesterday', '784111777', 'Sun, 06 Nov 1994 08:49:37', 'Sun, 06 Nov 1994 08:49:37 UTC', 'Sun, 6 Nov 1994 08:49:37 GMT',
        'Sun, 31 Feb 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 24:49:37 GMT', 'Sun, 06 Nov 1994 08:60:37 GMT', 'Sun, 06 Nov 1994 08:49:61 GMT',
        'Sun, 06 Nop 1994 08:49:37 GMT', 'Sun, 06 Nov 0000 08:49:37 GMT', MODIFIED + ', ' + MODIFIED, MODIFIED + ' ', '\xff' * 20,
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(value):
    assert parse_date(value.encode('latin-1')) is None


@pytest.mark.parametrize(
    ('condition', 'age_s', 'holds'),
    [
        (TAG.decode(), 0, True), ('W/"tag"', 0, False), ('"other"', 0, False), ('"tag", "tag"', 0, False), ('*', 0, False),
        (MODIFIED, 60, True), (MODIFIED, 1, False), (EARLIER, 60, False), (LATER, 60, False), ('nonsense', 60, False), ('', 60, False),
    ],
)  # fmt: skip
def test_if_range_needs_a_strong_match(condition, age_s, holds):
    assert allows_range(condition.encode(), NOW, MODIFIED_S + age_s) is holds


@one_loop
@pytest.mark.parametrize(
    ('condition', 'status'),
    [('TAG', 206), ('W/TAG', 200), ('"x"', 200), (MODIFIED, 206), (LATER, 200), (EARLIER, 200), ('bad', 200)],
)
async def test_if_range_chooses_between_the_part_and_the_whole(loop, engine, tmp_path, condition, status):
    etag = etag_of(put(tmp_path, 'a.txt', CONTENT))
    async with folder(loop, engine, tmp_path) as server:
        reply = await server.get('/a.txt', 'Range: bytes=0-1', 'If-Range: ' + condition.replace('TAG', etag))
        assert (reply.status, reply.body) == (status, CONTENT[:2] if status == 206 else CONTENT)


@one_loop
async def test_conditions_come_before_the_range(loop, engine, tmp_path):
    etag = etag_of(put(tmp_path, 'a.txt', CONTENT))
    async with folder(loop, engine, tmp_path) as server:
        assert (await server.get('/a.txt', 'Range: bytes=0-1', f'If-None-Match: {etag}')).status == 304
        assert (await server.get('/a.txt', 'Range: bytes=0-1', 'If-Match: "x"')).status == 412
        assert (await server.get('/a.txt', 'Range: bytes=900-', 'If-Match: "x"')).status == 412
        assert (await server.get('/a.txt', 'Range: bytes=0-1', f'If-Match: {etag}')).status == 206


def test_no_more_than_so_many_ranges():
    assert parse_ranges(b'bytes=' + b','.join(b'%d-%d' % (i, i) for i in range(RANGES_MAX)), 1000)
    assert parse_ranges(b'bytes=' + b','.join(b'%d-%d' % (i, i) for i in range(RANGES_MAX + 1)), 1000) is None
    assert parse_ranges(b'bytes=' + b',' * 100_000 + b'0-0', 1000) is None


def test_ranges_never_ask_for_more_than_the_whole():
    assert parse_ranges(b'bytes=0-599,400-999', 1000) is None
    assert parse_ranges(b'bytes=500-999,0-499', 1000) == [Range(500, 500), Range(0, 500)]


def test_numbers_without_end_are_understood():
    nines = b'9' * 100_000
    assert parse_ranges(b'bytes=0-' + nines, 10) == [Range(0, 10)]
    assert parse_ranges(b'bytes=-' + nines, 10) == [Range(0, 10)]
    assert parse_ranges(b'bytes=' + nines + b'-', 10) == []
    assert parse_ranges(b'bytes=' + b'0' * 100_000 + b'1-2', 10) == [Range(1, 2)]


def test_weak_tags_match_for_a_cache_only():
    assert judge({b'if-none-match': b'W/"tag"'}, NOW) == 304
    assert judge({b'if-match': b'W/"tag"'}, NOW) == 412
