from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.helpers.rsgi import by_path
from tests.helpers.serving import one_loop

# Longer than what is read at once, and not a multiple of anything.
CONTENT = bytes(range(256)) * 2000 + b'end'
SIZE = len(CONTENT)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'file.bin'
    path.write_bytes(CONTENT)
    return str(path)


async def reply_of(serve_rsgi, respond, **request):
    """The reply to one `respond(protocol)`, after which the connection serves another request."""

    async def answer(protocol):
        respond(protocol)

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer', **request)
        reply = await client.reply(to_head=request.get('method') == 'HEAD')
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        return reply


async def test_a_file_is_sent_with_its_length_and_what_the_application_says(serve_rsgi, file):
    reply = await reply_of(serve_rsgi, lambda p: p.response_file(201, [('content-type', 'x/y')], file))
    assert (reply.status, reply['content-type'], int(reply['content-length'])) == (201, b'x/y', SIZE)
    assert reply.body == CONTENT


@one_loop
async def test_a_file_has_no_type_unless_given(serve_rsgi, tmp_path):
    (tmp_path / 'page.html').write_text('<p>')
    reply = await reply_of(serve_rsgi, lambda p: p.response_file(200, [], str(tmp_path / 'page.html')))
    assert reply.body == b'<p>'
    assert 'content-type' not in reply


@one_loop
async def test_an_empty_file_is_sent(serve_rsgi, tmp_path):
    (tmp_path / 'empty').touch()
    reply = await reply_of(serve_rsgi, lambda p: p.response_file(200, [], str(tmp_path / 'empty')))
    assert (reply.status, reply['content-length'], reply.body) == (200, b'0', b'')


@one_loop
@pytest.mark.parametrize('kind', [Path, os.fsencode], ids=['Path', 'bytes'])
async def test_a_file_may_be_named_by_any_path(serve_rsgi, file, kind):
    reply = await reply_of(serve_rsgi, lambda p: p.response_file(status=200, headers=[], file=kind(file)))
    assert reply.body == CONTENT


async def test_head_gets_the_length_of_a_file(serve_rsgi, file):
    reply = await reply_of(serve_rsgi, lambda p: p.response_file(200, [], file), method='HEAD')
    assert int(reply['content-length']) == SIZE


@one_loop
async def test_a_file_closes_the_connection_where_the_application_asked_for_it(serve_rsgi, file):
    async def answer(protocol):
        protocol.response_file(200, [('connection', 'close')], file)

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer')
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (CONTENT, b'close')
        await client.closed()


@pytest.mark.parametrize('span', [None, (0, 10)])
@pytest.mark.parametrize('kind', ['missing', 'folder', 'fifo', 'below a file', 'nul\x00', 'surrogate\ud800', ''])
async def test_a_path_that_is_no_file_is_404(serve_rsgi, tmp_path, file, kind, span):
    path = str(tmp_path / kind) if kind else ''
    if kind == 'folder':
        os.mkdir(path)
    elif kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'below a file':
        path = f'{file}/x'

    def respond(protocol):
        if span is None:
            protocol.response_file(200, [('content-type', 'x/y')], path)
        else:
            protocol.response_file_range(206, [('content-type', 'x/y')], path, *span)

    reply = await reply_of(serve_rsgi, respond)
    assert (reply.status, reply.body) == (404, b'Not found')
    assert 'content-type' not in reply


# ── ranges ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ('start', 'end'),
    [
        (0, 1),
        (0, SIZE),
        (1000, 2000),
        (100, 400_000),
        (SIZE - 3, SIZE),
        (SIZE - 3, SIZE + 1000),
        (0, 2**63),
        (SIZE, SIZE + 1),
        (2**62, 2**63),
    ],
)
async def test_a_range_ends_before_its_end_or_with_the_file(serve_rsgi, file, start, end):
    headers = [('content-range', 'bytes of it')]
    reply = await reply_of(serve_rsgi, lambda p: p.response_file_range(206, headers, file, start, end))
    assert (reply.status, reply['content-range']) == (206, b'bytes of it')
    assert reply.body == CONTENT[start:end]
    assert int(reply['content-length']) == len(reply.body)


@one_loop
async def test_arguments_of_a_range_have_the_names_of_the_specification(serve_rsgi, file):
    reply = await reply_of(
        serve_rsgi, lambda p: p.response_file_range(status=206, headers=[], file=file, start=1, end=4)
    )
    assert reply.body == CONTENT[1:4]


async def test_head_gets_the_length_of_a_range(serve_rsgi, file):
    reply = await reply_of(serve_rsgi, lambda p: p.response_file_range(206, [], file, 5, 12), method='HEAD')
    assert reply['content-length'] == b'7'


# ── in time ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('span', [None, (0, SIZE)])
async def test_a_file_is_sent_while_the_application_goes_on(serve_rsgi, file, span):
    go_on = asyncio.Event()

    async def answer(protocol):
        if span is None:
            protocol.response_file(200, [], file)
        else:
            protocol.response_file_range(200, [], file, *span)
        await go_on.wait()

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer')
        assert (await client.reply()).body == CONTENT
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        go_on.set()


async def test_a_file_is_sent_whole_although_the_application_fails_afterwards(serve_rsgi, file, caplog):
    async def answer(protocol):
        protocol.response_file(200, [], file)
        raise ValueError

    async with serve_rsgi(by_path(answer=answer)) as server:
        assert (await server.get('/answer')).body == CONTENT
    assert caplog.messages == ['Application callable raised an exception']


@one_loop
async def test_a_response_after_a_file_is_nothing(serve_rsgi, file):
    def respond(protocol):
        protocol.response_file(200, [], file)
        protocol.response_str(500, [], 'second')
        protocol.response_file(500, [], 'missing')

    assert (await reply_of(serve_rsgi, respond)).body == CONTENT


@pytest.mark.parametrize('waits', [False, True])
async def test_a_client_that_leaves_ends_the_sending_of_a_file(serve_rsgi, tmp_path, caplog, waits):
    path = tmp_path / 'large'
    with open(path, 'wb') as large:
        large.truncate(1 << 30)
    over = asyncio.Event()

    async def answer(protocol):
        protocol.response_file(200, [], path)
        if waits:
            await protocol.client_disconnect()
            over.set()

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get('/answer')
        assert int((await client.head())['content-length']) == 1 << 30
        await client.exactly(100_000)
        client.reset()
        await server.until(lambda: not server.shared.tasks)
        assert over.is_set() is waits
    assert not [record for record in caplog.records if record.levelname == 'ERROR']


@one_loop
async def test_a_declared_length_beyond_the_file_cuts_the_response(serve_rsgi, file, caplog):
    async def answer(protocol):
        protocol.response_file(200, [('content-length', '1000000')], file)

    async with serve_rsgi(by_path(answer=answer)) as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await server.get('/answer')
    assert any('Application response refused: body shorter' in message for message in caplog.messages)
