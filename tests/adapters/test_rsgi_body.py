from __future__ import annotations

import asyncio

import pytest

from granian.rsgi import ProtocolClosed, ProtocolError
from tests.helpers.rsgi import by_path
from tests.helpers.serving import one_loop

BIG = bytes(range(256)) * 4096


async def whole(protocol):
    protocol.response_bytes(body=await protocol())


async def in_pieces(protocol):
    protocol.response_bytes(body=b''.join([piece async for piece in protocol]))


echo = by_path(whole=whole, pieces=in_pieces)
both_styles = pytest.mark.parametrize('style', ['whole', 'pieces'])


@both_styles
@pytest.mark.parametrize('body', [b'', b'x', BIG], ids=len)
async def test_a_body_of_known_length_is_read(serve_rsgi, style, body):
    async with serve_rsgi(echo) as server:
        client = await server.connect()
        for _ in range(2):
            await client.post(f'/{style}', body)
            assert (await client.reply()).body == body


@both_styles
async def test_a_chunked_body_that_comes_slowly_is_read(serve_rsgi, style):
    async with serve_rsgi(echo) as server:
        client = await server.connect()
        await client.get(f'/{style}', 'Transfer-Encoding: chunked', method='POST')
        for piece in (b'3\r\nabc\r\n', b'2\r', b'\nde\r\n', b'0\r\n\r\n'):
            await client.send(piece)
            await asyncio.sleep(0.001)
        assert (await client.reply()).body == b'abcde'


@both_styles
async def test_a_body_that_is_held_back_is_asked_for(serve_rsgi, style):
    async with serve_rsgi(echo) as server:
        client = await server.connect()
        await client.get(f'/{style}', 'Expect: 100-continue', 'Content-Length: 3', method='POST')
        assert await client.line() == b'HTTP/1.1 100 Continue'
        assert await client.line() == b''
        await client.send(b'abc')
        assert (await client.reply()).body == b'abc'


async def test_pieces_come_as_they_arrive_and_an_empty_one_is_the_last(serve_rsgi):
    pieces = asyncio.Queue()

    async def collect(protocol):
        async for piece in protocol:
            pieces.put_nowait(piece)
        protocol.response_empty()

    async with serve_rsgi(by_path(collect=collect)) as server:
        client = await server.connect()
        await client.get('/collect', 'Content-Length: 6', method='POST')
        for piece in (b'ab', b'cdef'):
            await client.send(piece)
            assert await asyncio.wait_for(pieces.get(), 5) == piece
        assert (await client.reply()).status == 200
        assert pieces.get_nowait() == b''
        assert pieces.empty()


@one_loop
async def test_a_request_without_a_body_gives_one_empty_piece(serve_rsgi):
    async def count(protocol):
        protocol.response_str(body=str([piece async for piece in protocol]))

    async with serve_rsgi(by_path(count=count)) as server:
        assert (await server.get('/count')).body == b"[b'']"


@one_loop
@pytest.mark.parametrize('first', ['whole', 'pieces', 'a few pieces'])
@pytest.mark.parametrize('second', ['whole', 'pieces'])
async def test_a_body_is_given_out_once(serve_rsgi, first, second):
    async def ask(protocol, style):
        if style == 'whole':
            await protocol()
        else:
            async for _ in protocol:
                if style == 'a few pieces':
                    break

    async def twice(protocol):
        await ask(protocol, first)
        with pytest.raises(ProtocolError, match=r'^RSGI protocol error$') as caught:
            await ask(protocol, second)
        assert isinstance(caught.value, RuntimeError)
        protocol.response_str(body='refused')

    async with serve_rsgi(by_path(twice=twice)) as server:
        client = await server.connect()
        await client.post('/twice', b'abc')
        assert (await client.reply()).body == b'refused'
        await client.get('/next')
        assert (await client.reply()).body == b'next'


@both_styles
@pytest.mark.parametrize('how', ['close', 'reset', 'half_close'])
async def test_a_client_that_leaves_in_the_middle_of_its_body_closes_the_protocol(serve_rsgi, style, how, caplog):
    raised = asyncio.Queue()
    begun = asyncio.Event()

    async def keep(protocol, read):
        begun.set()
        try:
            await read(protocol)
        except ProtocolClosed as exc:
            raised.put_nowait(exc)
            raise

    app = by_path(whole=lambda protocol: keep(protocol, whole), pieces=lambda protocol: keep(protocol, in_pieces))
    async with serve_rsgi(app) as server:
        client = await server.connect()
        await client.get(f'/{style}', 'Content-Length: 10', method='POST')
        await client.send(b'abc')
        await asyncio.wait_for(begun.wait(), 5)
        getattr(client, how)()
        error = await asyncio.wait_for(raised.get(), 5)
        assert str(error) == 'RSGI transport is closed'
        assert isinstance(error, RuntimeError)
    assert not [record for record in caplog.records if record.levelname == 'ERROR']


async def test_a_body_that_is_not_read_does_not_hinder_the_next_request(serve_rsgi):
    async def ignore(protocol):
        protocol.response_str(body='ignored')

    async with serve_rsgi(by_path(ignore=ignore)) as server:
        client = await server.connect()
        await client.post('/ignore', b'x' * 10_000)
        assert (await client.reply()).body == b'ignored'
        await client.get('/next')
        assert (await client.reply()).body == b'next'


async def test_an_upload_is_held_back_by_an_application_that_does_not_read(serve_rsgi):
    go_on = asyncio.Event()

    async def wait(protocol):
        await go_on.wait()
        total = 0
        async for piece in protocol:
            total += len(piece)
        protocol.response_str(body=str(total))

    async with serve_rsgi(by_path(wait=wait)) as server:
        client = await server.connect()
        size = 64 * 1024 * 1024
        await client.get('/wait', f'Content-Length: {size}', method='POST')
        sending = asyncio.ensure_future(client.send(bytes(size)))
        await server.until(lambda: any(each._paused for each in server.connections))
        assert not sending.done()
        go_on.set()
        await sending
        assert (await client.reply()).body == str(size).encode()


# ── client_disconnect ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('how', ['close', 'reset', 'half_close'])
async def test_client_disconnect_returns_when_the_client_leaves(serve_rsgi, how):
    waiting, told = asyncio.Event(), asyncio.Event()

    async def wait(protocol):
        waiting.set()
        await protocol.client_disconnect()
        told.set()

    async with serve_rsgi(by_path(wait=wait)) as server:
        client = await server.connect()
        await client.get('/wait')
        await asyncio.wait_for(waiting.wait(), 5)
        assert not told.is_set()
        getattr(client, how)()
        await asyncio.wait_for(told.wait(), 5)


@one_loop
async def test_client_disconnect_returns_once_the_client_has_its_answer(serve_rsgi):
    order = []

    async def app(protocol):
        watcher = asyncio.ensure_future(protocol.client_disconnect())
        await asyncio.sleep(0)
        assert not watcher.done()
        protocol.response_str(body='answered')
        await watcher
        await protocol.client_disconnect()
        order.append('over')

    async with serve_rsgi(by_path(app=app)) as server:
        assert (await server.get('/app')).body == b'answered'
        await server.until(lambda: order)


@one_loop
async def test_waiting_for_a_disconnect_can_be_given_up(serve_rsgi):
    async def app(protocol):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(protocol.client_disconnect(), 0.001)
        protocol.response_str(body='still here')

    async with serve_rsgi(by_path(app=app)) as server:
        assert (await server.get('/app')).body == b'still here'
