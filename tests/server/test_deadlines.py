"""How long a client of HTTP/1 may take for what. Of the bodies of requests: test_body_deadlines.py."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from granian.server import wire
from tests.helpers.serving import answer, body, one_loop, read_body, start


@pytest.fixture
def serve(serve):
    return partial(serve, holds_time=True)


async def hello(scope, receive, send):
    await answer(send, b'hello')


async def held_back(server):
    """Return once a client takes no more for now."""
    await server.until(lambda: any(each.blocked for each in server.connections))


async def cut_after(server):
    """How many seconds pass until no connection is left: more than `write_s` where the kernel still moved some."""
    return await server.passes_until(lambda: not server.shared.connections)


async def test_half_a_head_is_answered_408(serve):
    async with serve(hello, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n')
        await server.heard()
        await server.passes(31)
        reply = await client.reply()
        assert (reply.status, reply['connection']) == (408, b'close')
        await client.closed()


@one_loop
async def test_half_a_head_is_waited_for(serve):
    async with serve(hello, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n')
        await server.heard()
        await server.passes(29)
        await client.send(b'\r\n')
        assert (await client.reply()).body == b'hello'


@one_loop
async def test_a_head_that_drips_is_answered_408(serve):
    async with serve(hello, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        for _ in range(5):
            await client.send(b'G')
            await server.heard()
            await server.passes(7)
        assert (await client.reply()).status == 408


@one_loop
async def test_a_connection_that_says_nothing_is_closed_silently(serve):
    async with serve(hello, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        await server.heard()
        await server.passes(29)
        assert server.shared.connections
        await server.passes(2)
        await client.closed()


async def test_an_idle_connection_is_closed_silently(serve):
    async with serve(hello, timeouts={'keep_alive_s': 30}) as server:
        client = await server.connect()
        for _ in range(3):
            await client.get()
            await client.reply()
            await server.passes(29)
        await server.passes(2)
        await client.closed()


@one_loop
async def test_pipelined_heads_that_are_always_cut_in_two_are_not_timed_as_one(serve):
    request = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    async with serve(hello, timeouts={'head_s': 30}) as server:
        client = await server.connect()
        await client.send(request[:10])
        for _ in range(10):
            await client.send(request[10:] + request[:10])
            assert (await client.reply()).status == 200
            await server.passes(20)


@one_loop
async def test_time_in_which_the_application_leaves_a_body_unread_is_not_the_clients(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        await answer(send, b'%d' % len(await read_body(receive)))

    async with serve(
        app, timeouts={'body_read_s': 30, 'body_byte_s': 0.000_001}, limits={'read_ahead_bytes_max': 1000}
    ) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 5000', method='POST')
        await client.send(b'x' * 4000)
        await server.until(lambda: any(each._paused for each in server.connections))
        await server.passes(300)
        may_read.set()
        await client.send(b'x' * 1000)
        assert (await client.reply()).body == b'5000'


@one_loop
async def test_a_body_that_stops_after_the_answer_closes_the_connection(serve):
    async def app(scope, receive, send):
        await answer(send, b'early')

    async with serve(app, timeouts={'body_read_s': 30}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        assert (await client.reply()).body == b'early'
        await server.passes(31)
        await client.closed()


@one_loop
async def test_a_body_that_stops_in_the_middle_of_a_streamed_answer_cuts_it(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'early', more=True)
        await read_body(receive)

    async with serve(app, timeouts={'body_read_s': 30}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        await client.head()
        await server.passes(31)
        assert await client.chunk() == b'early'
        with pytest.raises(asyncio.IncompleteReadError):
            await client.chunk()


async def test_a_client_that_takes_nothing_is_cut(serve):
    raised = []

    async def app(scope, receive, send):
        await start(send)
        try:
            while True:
                await body(send, bytes(1_000_000), more=True)
        except OSError:
            raised.append(True)
            raise

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await held_back(server)
        assert 30 <= await server.passes_until(lambda: raised) < 300
        assert not server.shared.connections


async def test_a_body_that_ends_by_closing_does_not_look_whole_where_its_client_was_too_slow(serve):
    raised = []

    async def app(scope, receive, send):
        await start(send)
        try:
            while True:
                await body(send, bytes(1_000_000), more=True)
        except OSError:
            raised.append(True)
            raise

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(b'GET / HTTP/1.0\r\n\r\n')
        await held_back(server)
        assert 30 <= await server.passes_until(lambda: raised) < 300
        with pytest.raises(ConnectionResetError):
            await client.rest()


@one_loop
async def test_an_answer_not_taken_before_its_close_does_not_look_whole(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(b'GET / HTTP/1.0\r\n\r\n')
        await held_back(server)
        assert 30 <= await cut_after(server) < 300
        with pytest.raises(ConnectionResetError):
            await client.rest()


@one_loop
async def test_a_client_that_takes_a_little_now_and_then_is_waited_for(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get()
        head = await client.head()
        got = 0
        while got < 12_000_000:
            await client.exactly(1_000_000)
            got += 1_000_000
            await server.passes(20)
        assert head['content-length'] == b'12000000'


@one_loop
@pytest.mark.parametrize('close', ['', 'Connection: close'])
async def test_a_client_that_never_takes_its_answer_is_cut_after_the_close_too(serve, close):
    async def app(scope, receive, send):
        await answer(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get('/', *filter(None, [close]))
        await held_back(server)
        assert 30 <= await cut_after(server) < 300


# ── an answer while the client is still sending ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('kind', ['413', '400', 'ignored'])
async def test_an_answer_reaches_a_client_that_is_still_sending(serve, kind):
    async def app(scope, receive, send):
        if kind == 'ignored':
            await answer(send, b'enough', status=403)
        else:
            await read_body(receive)

    size = 20_000_000
    async with serve(app, limits={'body_bytes_max': None if kind == 'ignored' else 1000}) as server:
        client = await server.connect()
        if kind == '400':
            await client.get('/', 'Transfer-Encoding: chunked', method='POST')
            data = b'nonsense\r\n' + bytes(size)
        else:
            await client.get('/', f'Content-Length: {size}', method='POST')
            data = bytes(size)
        # Sent to the end, although nobody wants it, before the answer is read.
        await client.send(data)
        assert (await client.reply()).status == {'413': 413, '400': 400, 'ignored': 403}[kind]
        await client.closed()


async def drip(client):
    for _ in range(1000):
        await client.send(bytes(1000))


@one_loop
async def test_a_client_that_goes_on_sending_after_its_answer_is_cut(serve):
    async def app(scope, receive, send):
        await answer(send, b'enough', status=403)

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 1000000000', method='POST')
        assert (await client.reply()).status == 403
        for _ in range(3):
            await client.send(bytes(1000))
            await server.heard()
            await server.passes(wire.LINGER_S / 4)
        assert server.shared.connections
        await server.passes(wire.LINGER_S / 2)
        await server.until(lambda: not server.shared.connections)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await drip(client)


@one_loop
async def test_a_slow_reader_gets_the_whole_answer_to_a_body_nobody_read(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(10_000_000), status=403)

    async with serve(app, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get('/', 'Content-Length: 1000000000', method='POST')
        await held_back(server)
        await server.passes(29)
        assert len((await client.reply()).body) == 10_000_000
