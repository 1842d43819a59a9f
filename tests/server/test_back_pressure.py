from __future__ import annotations

import asyncio
import hashlib
import tracemalloc

import pytest

from tests.helpers.serving import answer, asyncio_timeout, body, let_grace_pass, one_loop, read_body, start

MIB = 1024 * 1024


@pytest.mark.parametrize('kind', ['chunked', 'length'])
async def test_an_application_is_held_back_by_a_client_that_does_not_read(serve, kind):
    sent = []
    size = 200

    async def app(scope, receive, send):
        await start(send, headers=[(b'content-length', b'%d' % (size * MIB))] if kind == 'length' else [])
        piece = bytes(MIB)
        for _ in range(size):
            await body(send, piece, more=True)
            sent.append(len(piece))
        await body(send)

    async with serve(app) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get()
        tracemalloc.start()
        try:
            counts = []
            while len(counts) < 3 or counts[-1] != counts[-3]:
                counts.append(len(sent))
                await asyncio.sleep(0.02)
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
        # The rest is in the kernel's buffers.
        assert sum(sent) < 20 * MIB
        await client.head()
        assert len(await client.exactly(5 * MIB)) == 5 * MIB
        async with asyncio_timeout(5):
            while len(sent) == counts[-1]:
                await asyncio.sleep(0)
        client.reset()


@one_loop
async def test_a_large_streamed_response_arrives_whole(serve):
    async def app(scope, receive, send):
        await start(send)
        for number in range(64):
            await body(send, bytes([number]) * MIB, more=True)
        await body(send)

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        wanted, got = hashlib.sha256(), hashlib.sha256()
        for number in range(64):
            wanted.update(bytes([number]) * MIB)
            got.update(await client.chunk())
        assert await client.chunk() == b''
        assert got.digest() == wanted.digest()


@pytest.mark.parametrize('kind', ['chunked', 'length'])
async def test_a_client_is_held_back_by_an_application_that_does_not_read(serve, kind):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        digest = hashlib.sha256()
        while True:
            message = await receive()
            digest.update(message['body'])
            if not message['more_body']:
                break
        await answer(send, digest.digest())

    size = 32 * MIB
    content = bytes(range(256)) * (size // 256)
    async with serve(app) as server:
        client = await server.connect()
        field = f'Content-Length: {size}' if kind == 'length' else 'Transfer-Encoding: chunked'
        await client.get('/', field, method='POST')
        data = content if kind == 'length' else b'%x\r\n%b\r\n0\r\n\r\n' % (size, content)
        sending = asyncio.ensure_future(client.send(data))
        await server.until(lambda: any(each._paused for each in server.connections))
        assert not sending.done()
        (connection,) = server.shared.connections
        exchange = connection._exchange
        assert sum(map(len, exchange._chunks)) < MIB
        may_read.set()
        await sending
        assert (await client.reply()).body == hashlib.sha256(content).digest()


@one_loop
async def test_an_application_that_reads_a_little_lets_a_little_in(serve):
    taken = []
    more = asyncio.Queue()

    async def app(scope, receive, send):
        while True:
            await more.get()
            message = await receive()
            taken.append(len(message['body']))
            if not message['more_body']:
                break
        await answer(send)

    size = 8 * MIB
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', f'Content-Length: {size}', method='POST')
        sending = asyncio.ensure_future(client.send(bytes(size)))
        held = 0
        while sum(taken) < size:
            more.put_nowait(None)
            count = len(taken)
            async with asyncio_timeout(5):
                while len(taken) == count:
                    await asyncio.sleep(0)
            held = max(held, taken[-1])
        assert held < MIB
        await sending
        more.put_nowait(None)
        assert (await client.reply()).status == 200


@one_loop
async def test_a_client_that_uploads_while_it_is_answered_gets_both(serve):
    """Echo as a stream: both directions are held back by each other, and nothing locks up."""

    async def app(scope, receive, send):
        await start(send)
        while True:
            message = await receive()
            await body(send, message['body'], more=message['more_body'])
            if not message['more_body']:
                return

    content = bytes(range(256)) * 4 * 8192
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', f'Content-Length: {len(content)}', method='POST')
        sending = asyncio.ensure_future(client.send(content))
        reply = await client.reply()
        await sending
        assert reply.body == content


async def test_a_client_that_leaves_wakes_an_application_that_is_held_back(serve):
    raised = asyncio.Queue()

    async def app(scope, receive, send):
        await read_body(receive)
        await start(send)
        try:
            while True:
                await body(send, bytes(MIB), more=True)
        except OSError as error:
            raised.put_nowait(error)

    async with serve(app) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await server.until(lambda: any(connection.blocked for connection in server.connections))
        client.reset()
        error = await asyncio.wait_for(raised.get(), 5)
        assert str(error) == 'ASGI flow error: Transport closed'


@one_loop
async def test_bodies_that_nobody_takes_are_bounded_over_all_connections(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(100 if scope['path'] == '/small' else 8 * MIB))

    async with serve(app, unsent_bytes_max=20 * MIB) as server:
        hostile = [await server.connect(receive_buffer_bytes=4096) for _ in range(5)]
        for client in hostile:
            await client.get()
        await server.until(lambda: server.shared.unsent.tight)
        assert (await server.get('/small')).status == 200
        # Over TLS, bytes that the kernel has room for count as taken the first time.
        for _ in range(2):
            let_grace_pass(server.shared.unsent)
        assert not server.shared.unsent.tight
        await server.until(lambda: 0 < len(server.shared.connections) < 5)
        for client in hostile:
            client.reset()
    assert not server.shared.unsent._marks
