from __future__ import annotations

import asyncio
import os

import pytest

from tests.helpers.serving import answer, body, one_loop, start

# Longer than what is read at once, and not a multiple of anything.
CONTENT = bytes(range(256)) * 2000 + b'end'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'file.bin'
    path.write_bytes(CONTENT)
    return path


def app_with(send_file):
    async def app(scope, receive, send):
        if scope['path'] == '/next':
            return await answer(send, b'next')
        return await send_file(send)

    return app


def path_app(path, headers=(), status=200, **more):
    async def send_path(send):
        await start(send, status, headers, **more)
        await send({'type': 'http.response.pathsend', 'path': str(path)})

    return app_with(send_path)


def open_app(path, *messages, headers=(), mode='rb', number=False):
    async def send_open_file(send):
        with open(path, mode, buffering=0) as opened:
            await start(send, headers=headers)
            for message in messages:
                file = opened.fileno() if number else opened
                await send({'type': 'http.response.zerocopysend', 'file': file, **message})

    return app_with(send_open_file)


async def exchange(serve, app, **request):
    """The reply, after which the connection serves another request."""
    async with serve(app) as server:
        client = await server.connect()
        await client.get(**request)
        reply = await client.reply(to_head=request.get('method') == 'HEAD')
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        return reply


# ── pathsend ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_path_is_sent_with_its_length(serve, file):
    reply = await exchange(serve, path_app(file, [(b'content-type', b'x/y')], 201))
    assert (reply.status, reply['content-type'], reply['content-length']) == (201, b'x/y', b'%d' % len(CONTENT))
    assert reply.body == CONTENT


@one_loop
async def test_an_empty_file_is_sent(serve, tmp_path):
    (tmp_path / 'empty').touch()
    reply = await exchange(serve, path_app(tmp_path / 'empty'))
    assert (reply.status, reply['content-length'], reply.body) == (200, b'0', b'')


@one_loop
async def test_head_gets_the_length_of_a_path(serve, file):
    reply = await exchange(serve, path_app(file), method='HEAD')
    assert (reply.status, reply['content-length']) == (200, b'%d' % len(CONTENT))


@one_loop
async def test_a_declared_length_bounds_what_is_sent_of_a_path(serve, file):
    reply = await exchange(serve, path_app(file, [(b'content-length', b'100')]))
    assert reply.body == CONTENT[:100]


@one_loop
async def test_a_declared_length_beyond_the_file_cuts_the_response(serve, file, caplog):
    async with serve(path_app(file, [(b'content-length', b'1000000')])) as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await server.get()
    assert any(message.startswith('Application response refused: body shorter') for message in caplog.messages)


@one_loop
@pytest.mark.parametrize('kind', ['missing', 'directory', 'fifo'])
async def test_a_path_that_is_no_file_is_404(serve, tmp_path, kind):
    path = tmp_path / kind
    if kind == 'directory':
        path.mkdir()
    elif kind == 'fifo':
        os.mkfifo(path)
    reply = await exchange(serve, path_app(path, [(b'content-type', b'x/y')]))
    assert (reply.status, reply.body) == (404, b'Not found')
    assert 'content-type' not in reply


@one_loop
async def test_a_path_closes_the_connection_where_the_application_asked_for_it(serve, file):
    async with serve(path_app(file, [(b'connection', b'close')])) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (CONTENT, b'close')
        await client.closed()


@one_loop
async def test_trailers_may_follow_a_path(serve, file):
    async def send_path(send):
        await start(send, trailers=True)
        await send({'type': 'http.response.pathsend', 'path': str(file)})
        await send({'type': 'http.response.trailers', 'headers': [(b'x', b'y')]})

    assert (await exchange(serve, app_with(send_path))).body == CONTENT


@one_loop
async def test_a_client_that_leaves_while_a_path_is_sent_is_told_to_the_application(serve, tmp_path):
    path = tmp_path / 'large'
    with path.open('wb') as large:
        large.truncate(100_000_000)
    raised = asyncio.Queue()

    async def send_path(send):
        await start(send)
        try:
            await send({'type': 'http.response.pathsend', 'path': str(path)})
        except OSError as error:
            raised.put_nowait(error)
            raise

    async with serve(app_with(send_path)) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        client.reset()
        assert str(await asyncio.wait_for(raised.get(), 5)) == 'ASGI flow error: Transport closed'


# ── zerocopysend ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('number', [False, True])
async def test_an_open_file_is_sent_whole(serve, file, number):
    reply = await exchange(serve, open_app(file, {}, number=number))
    assert (reply.body, reply['transfer-encoding']) == (CONTENT, b'chunked')


@one_loop
@pytest.mark.parametrize(
    ('offset', 'count'),
    [(0, 10), (5, 10), (5, None), (0, 100_000), (100, 300_000), (len(CONTENT) - 3, None), (len(CONTENT), None), (7, 0)],
)
async def test_part_of_an_open_file_is_sent(serve, file, offset, count):
    part = {'offset': offset} if count is None else {'offset': offset, 'count': count}
    wanted = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]
    reply = await exchange(serve, open_app(file, part, headers=[(b'content-length', b'%d' % len(wanted))]))
    assert reply.body == wanted


@one_loop
async def test_without_an_offset_an_open_file_is_sent_from_where_it_stands(serve, file):
    reply = await exchange(serve, open_app(file, {'count': 10, 'more_body': True}, {'count': 70_000}))
    assert reply.body == CONTENT[:70_010]


@one_loop
async def test_pieces_of_open_files_and_bytes_make_one_body(serve, file):
    async def send_pieces(send):
        with file.open('rb') as opened:
            await start(send)
            await body(send, b'<', more=True)
            await send(
                {'type': 'http.response.zerocopysend', 'file': opened, 'offset': 2, 'count': 3, 'more_body': True}
            )
            await body(send, b'>')

    assert (await exchange(serve, app_with(send_pieces))).body == b'<' + CONTENT[2:5] + b'>'


@one_loop
async def test_head_gets_nothing_of_an_open_file(serve, file):
    reply = await exchange(serve, open_app(file, {}), method='HEAD')
    assert reply.status == 200


@one_loop
async def test_one_open_file_serves_many_responses_at_once(serve, file):
    opened = os.open(file, os.O_RDONLY)
    together = asyncio.Event()
    waiting = []

    async def send_part(send):
        await start(send)
        waiting.append(True)
        if len(waiting) == 4:
            together.set()
        await together.wait()
        await send({'type': 'http.response.zerocopysend', 'file': opened, 'offset': 0})

    try:
        async with serve(app_with(send_part)) as server:
            replies = await asyncio.gather(*[server.get() for _ in range(4)])
        assert [reply.body == CONTENT for reply in replies] == [True] * 4
        assert os.lseek(opened, 0, os.SEEK_CUR) == 0
    finally:
        os.close(opened)


@one_loop
async def test_an_open_file_stays_open(serve, file):
    opened = os.open(file, os.O_RDONLY)

    async def send_part(send):
        await start(send)
        await send({'type': 'http.response.zerocopysend', 'file': opened, 'offset': 0, 'count': 5})

    try:
        assert (await exchange(serve, app_with(send_part))).body == CONTENT[:5]
        assert os.fstat(opened).st_size == len(CONTENT)
    finally:
        os.close(opened)
