from __future__ import annotations

import asyncio
import time

import pytest

from granian.server import deadlines, wire
from tests.helpers.serving import answer, body, one_loop, read_body, start


@pytest.fixture(autouse=True)
def fine_ticks(monkeypatch):
    monkeypatch.setattr(deadlines, 'TICK_S', 0.01)


async def test_half_a_head_is_answered_408(serve):
    async with serve(answer, timeouts={'head_s': 0.05}) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n')
        reply = await client.reply()
        assert (reply.status, reply['connection']) == (408, b'close')
        await client.closed()


@one_loop
async def test_a_head_that_drips_is_answered_408(serve):
    async with serve(answer, timeouts={'head_s': 0.3}) as server:
        client = await server.connect()
        waiting = asyncio.ensure_future(client.reply())
        began = time.monotonic()
        while not waiting.done():
            await client.send(b'G')
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < 2
        assert (await waiting).status == 408


@one_loop
async def test_a_connection_that_says_nothing_is_closed_silently(serve):
    async with serve(answer, timeouts={'head_s': 0.05}) as server:
        client = await server.connect()
        await client.closed()


async def test_an_idle_connection_is_closed_silently(serve):
    async def app(scope, receive, send):
        await answer(send)

    async with serve(app, timeouts={'keep_alive_s': 0.05}) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get()
            await client.reply()
        await client.closed()


@one_loop
async def test_an_application_may_take_longer_than_any_deadline(serve):
    async def app(scope, receive, send):
        await asyncio.sleep(0.2)
        await answer(send, await read_body(receive))

    timeouts = dict.fromkeys(('head_s', 'body_read_s', 'keep_alive_s', 'write_s'), 0.05)
    async with serve(app, timeouts=timeouts) as server:
        client = await server.connect()
        await client.post('/', b'whole')
        assert (await client.reply()).body == b'whole'


@one_loop
async def test_pipelined_heads_that_are_always_cut_in_two_are_not_timed_as_one(serve):
    async def app(scope, receive, send):
        await answer(send)

    request = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    async with serve(app, timeouts={'head_s': 0.2}) as server:
        client = await server.connect()
        await client.send(request[:10])
        for _ in range(40):
            await client.send(request[10:] + request[:10])
            assert (await client.reply()).status == 200
            await asyncio.sleep(0.01)


async def test_a_body_that_stops_is_answered_408_and_is_a_disconnect(serve):
    raised = []

    async def app(scope, receive, send):
        try:
            await read_body(receive)
        except ConnectionError:
            raised.append(True)
            raise

    async with serve(app, timeouts={'body_read_s': 0.05}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        await client.send(b'some')
        assert (await client.reply()).status == 408
        await client.closed()
        assert raised


@one_loop
async def test_a_body_that_goes_on_is_waited_for(serve):
    async def app(scope, receive, send):
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.1}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        for _ in range(10):
            await asyncio.sleep(0.03)
            await client.send(b'x')
        assert (await client.reply()).body == b'x' * 10


async def drip_body(client):
    """Byte by byte, until there is an answer."""
    waiting = asyncio.ensure_future(client.reply())
    while not waiting.done():
        await client.send(b'x')
        await asyncio.sleep(0.02)
    return await waiting


async def test_a_body_that_drips_is_answered_408(serve):
    async def app(scope, receive, send):
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.2, 'body_byte_s': 0.001}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 100000', method='POST')
        assert (await drip_body(client)).status == 408
        await client.closed()


@one_loop
async def test_a_body_that_comes_slowly_but_fast_enough_is_waited_for(serve):
    async def app(scope, receive, send):
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.2, 'body_byte_s': 0.1}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        for _ in range(10):
            await client.send(b'x')
            await asyncio.sleep(0.05)
        assert (await client.reply()).body == b'x' * 10


@one_loop
async def test_time_in_which_the_application_leaves_a_body_unread_is_not_the_clients(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        await answer(send, b'%d' % len(await read_body(receive)))

    async with serve(
        app, timeouts={'body_read_s': 0.2, 'body_byte_s': 0.000_001}, limits={'read_ahead_bytes_max': 1000}
    ) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 5000', method='POST')
        await client.send(b'x' * 4000)
        await asyncio.sleep(0.5)
        may_read.set()
        await client.send(b'x' * 1000)
        assert (await client.reply()).body == b'5000'


@one_loop
async def test_a_body_that_stops_after_the_answer_closes_the_connection(serve):
    async def app(scope, receive, send):
        await answer(send, b'early')

    async with serve(app, timeouts={'body_read_s': 0.05}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        assert (await client.reply()).body == b'early'
        await client.closed()


@one_loop
async def test_a_body_that_stops_in_the_middle_of_a_streamed_answer_cuts_it(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'early', more=True)
        await read_body(receive)

    async with serve(app, timeouts={'body_read_s': 0.05}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10', method='POST')
        with pytest.raises(asyncio.IncompleteReadError):
            await client.reply()


@one_loop
async def test_a_client_that_waits_for_a_100_is_not_late(serve):
    async def app(scope, receive, send):
        await asyncio.sleep(0.2)
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.1}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 2', 'Expect: 100-continue', method='POST')
        assert await client.line() == b'HTTP/1.1 100 Continue'
        await client.line()
        await client.send(b'ok')
        assert (await client.reply()).body == b'ok'


@one_loop
async def test_a_client_that_was_told_to_go_on_and_does_not_is_answered_408(serve):
    async def app(scope, receive, send):
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.05}) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 2', 'Expect: 100-continue', method='POST')
        assert (await client.reply()).status == 408


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

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await server.until(lambda: raised)
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

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(b'GET / HTTP/1.0\r\n\r\n')
        await server.until(lambda: raised)
        with pytest.raises(ConnectionResetError):
            await client.rest()


@one_loop
async def test_an_answer_not_taken_before_its_close_does_not_look_whole(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.send(b'GET / HTTP/1.0\r\n\r\n')
        await server.until(lambda: server.shared.connections)
        await server.until(lambda: not server.shared.connections)
        with pytest.raises(ConnectionResetError):
            await client.rest()


@one_loop
async def test_a_client_that_takes_a_little_now_and_then_is_waited_for(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 0.3}) as server:
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get()
        head = await client.head()
        got = 0
        while got < 12_000_000:
            await client.exactly(1_000_000)
            got += 1_000_000
            await asyncio.sleep(0.1)
        assert head['content-length'] == b'12000000'


@one_loop
@pytest.mark.parametrize('close', ['', 'Connection: close'])
async def test_a_client_that_never_takes_its_answer_is_cut_after_the_close_too(serve, close):
    async def app(scope, receive, send):
        await answer(send, bytes(12_000_000))

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get('/', *filter(None, [close]))
        await server.until(lambda: server.shared.connections)
        await server.until(lambda: not server.shared.connections)


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
    while True:
        await client.send(bytes(1000))
        await asyncio.sleep(0.01)


@one_loop
async def test_a_client_that_goes_on_sending_after_its_answer_is_cut(serve, monkeypatch):
    monkeypatch.setattr(wire, 'LINGER_S', 0.05)

    async def app(scope, receive, send):
        await answer(send, b'enough', status=403)

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 1000000000', method='POST')
        assert (await client.reply()).status == 403
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await drip(client)


@one_loop
async def test_a_slow_reader_gets_the_whole_answer_to_a_body_nobody_read(serve, monkeypatch):
    monkeypatch.setattr(wire, 'LINGER_S', 0.05)

    async def app(scope, receive, send):
        await answer(send, bytes(10_000_000), status=403)

    async with serve(app) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get('/', 'Content-Length: 1000000000', method='POST')
        await asyncio.sleep(0.5)
        assert len((await client.reply()).body) == 10_000_000
