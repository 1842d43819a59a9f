from __future__ import annotations

import asyncio
import random
import socket

import pytest

from tests.helpers.serving import answer, body, echo, one_loop, read_body, start


def get(path):
    return f'GET {path} HTTP/1.1\r\nHost: a\r\n\r\n'.encode()


async def slow_first(scope, receive, send):
    """The earlier a request, the longer it takes."""
    for _ in range(10 - int(scope['path'][1:])):
        await asyncio.sleep(0)
    await answer(send, scope['path'].encode())


@pytest.mark.parametrize('pipeline_flush', [False, True])
async def test_answers_come_in_the_order_of_the_requests(serve, pipeline_flush):
    async with serve(slow_first, pipeline_flush=pipeline_flush) as server:
        client = await server.connect()
        await client.send(b''.join(get(f'/{number}') for number in range(10)))
        assert [(await client.reply()).body for _ in range(10)] == [b'/%d' % number for number in range(10)]


async def test_requests_cut_anywhere_are_answered_in_order(serve):
    chance = random.Random(4)
    requests = [get(f'/{number % 10}') for number in range(40)]
    data = b''.join(requests)
    async with serve(slow_first) as server:
        client = await server.connect()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        at = 0
        while at < len(data):
            step = chance.randint(1, 100)
            await client.send(data[at : at + step])
            await asyncio.sleep(0)
            at += step
        assert [(await client.reply()).body for _ in range(40)] == [b'/%d' % (number % 10) for number in range(40)]


async def test_bodies_and_requests_mixed_in_one_piece(serve):
    async def app(scope, receive, send):
        if scope['path'] == '/slow':
            await asyncio.sleep(0.001)
        await answer(send, scope['path'].encode() + await read_body(receive))

    chunked = b'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nchun\r\n3\r\nked\r\n0\r\n\r\n'
    length = b'POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nlength'
    async with serve(app) as server:
        client = await server.connect()
        await client.send(chunked + get('/slow') + length + length + get('/') + chunked)
        bodies = [(await client.reply()).body for _ in range(6)]
    assert bodies == [b'/cchunked', b'/slow', b'/llength', b'/llength', b'/', b'/cchunked']


async def test_a_streamed_answer_is_whole_before_the_next_begins(serve):
    async def app(scope, receive, send):
        await start(send)
        for _ in range(3):
            await body(send, scope['path'].encode(), more=True)
            await asyncio.sleep(0)
        await body(send)

    async with serve(app) as server:
        client = await server.connect()
        await client.send(get('/1') + get('/2'))
        assert [(await client.reply()).body for _ in range(2)] == [b'/1/1/1', b'/2/2/2']


@one_loop
async def test_nothing_behind_a_refused_request_is_served(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope['path'])
        await answer(send)

    async with serve(app) as server:
        client = await server.connect()
        await client.send(get('/1') + b'GET  /bad HTTP/1.1\r\nHost: a\r\n\r\n' + get('/2'))
        assert [(await client.reply()).status for _ in range(2)] == [200, 400]
        await client.closed()
    assert seen == ['/1']


@one_loop
async def test_nothing_behind_connection_close_is_served(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope['path'])
        await answer(send)

    async with serve(app) as server:
        client = await server.connect()
        await client.send(b'GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' + get('/2'))
        assert (await client.reply()).status == 200
        await client.closed()
    assert seen == ['/1']


@one_loop
async def test_nothing_behind_a_cut_response_is_served(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope['path'])
        await start(send)
        await body(send, b'x', more=True)
        raise ValueError

    async with serve(app) as server:
        client = await server.connect()
        await client.send(get('/1') + get('/2'))
        with pytest.raises(asyncio.IncompleteReadError):
            await client.reply()
    assert seen == ['/1']


async def test_requests_sent_before_a_half_close_are_answered(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.send(get('/') * 3)
        client.half_close()
        for _ in range(3):
            assert (await client.reply()).status == 200
        await client.closed()


async def test_a_client_that_pipelines_and_never_reads_is_held_back(serve):
    """Neither answers nor requests pile up without bound."""
    served = []

    async def app(scope, receive, send):
        served.append(True)
        await answer(send, b'x' * 100_000)

    async with serve(app) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        sending = asyncio.ensure_future(client.send(get('/') * 5000))
        counts = []
        while len(counts) < 3 or counts[-1] != counts[-3]:
            counts.append(len(served))
            await asyncio.sleep(0.02)
        # Some MiB are in the buffers of the kernel.
        assert counts[-1] < 200
        (connection,) = server.shared.connections
        assert connection._transport.get_write_buffer_size() < 1_000_000
        assert sum(map(len, connection.engine.output)) < 1_000_000
        # As soon as it reads, it goes on.
        for _ in range(300):
            assert len((await client.reply()).body) == 100_000
        assert len(served) > counts[-1]
        sending.cancel()
        await asyncio.wait({sending})


@one_loop
async def test_held_back_with_pipeline_flush_too(serve):
    served = []

    async def app(scope, receive, send):
        served.append(True)
        await answer(send, b'x' * 100_000)

    async with serve(app, pipeline_flush=True) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(get('/') * 1000)
        for _ in range(1000):
            assert len((await client.reply()).body) == 100_000
            (connection,) = server.shared.connections
            assert connection._transport.get_write_buffer_size() < 10_000_000


async def test_a_client_that_leaves_while_it_is_held_back_is_forgotten(serve):
    async def app(scope, receive, send):
        await answer(send, b'x' * 100_000)

    async with serve(app) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(get('/') * 200)
        await server.until(lambda: any(connection.blocked for connection in server.connections))
        client.reset()
        await server.until(lambda: not server.shared.connections)
