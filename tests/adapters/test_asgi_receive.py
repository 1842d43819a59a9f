from __future__ import annotations

import asyncio

import pytest

from tests.helpers.serving import answer, asyncio_timeout, body, echo, one_loop, read_body, start


class Receiver:
    """Answers at once when told to; keeps every message it receives."""

    def __init__(self):
        self.messages = asyncio.Queue()
        self.answer = asyncio.Event()

    async def __call__(self, scope, receive, send):
        async def listen():
            while True:
                message = await receive()
                await self.messages.put(message)
                if message['type'] == 'http.disconnect':
                    return

        listening = asyncio.ensure_future(listen())
        await self.answer.wait()
        await answer(send, b'ok')
        await listening

    async def next(self):
        async with asyncio_timeout(5):
            return await self.messages.get()


def request(data=b'', *, more=False):
    return {'type': 'http.request', 'body': data, 'more_body': more}


DISCONNECT = {'type': 'http.disconnect'}


async def test_no_body_is_one_empty_message_and_then_the_end_of_the_response_is_a_disconnect(serve):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        assert await app.next() == request()
        assert app.messages.empty()
        app.answer.set()
        assert (await client.reply()).body == b'ok'
        assert await app.next() == DISCONNECT


async def test_a_body_that_came_with_its_head_is_one_message(serve):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.post('/', b'hello')
        assert await app.next() == request(b'hello')
        app.answer.set()
        await client.reply()


async def test_pieces_are_messages_as_they_come(serve):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 6', method='POST')
        await client.send(b'abc')
        assert await app.next() == request(b'abc', more=True)
        await client.send(b'def')
        last = await app.next()
        assert last['body'] == b'def'
        if last['more_body']:
            assert await app.next() == request()
        app.answer.set()
        await client.reply()


async def test_chunked_body_with_trailers_and_the_next_request_after_it(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.get('/', 'Transfer-Encoding: chunked', method='POST')
        await client.send(b'3\r\nabc\r\n2;x=y\r\nde\r\n')
        await client.send(b'0\r\nX-Sum: 1\r\n\r\n')
        assert (await client.reply()).body == b'abcde'
        await client.post('/', b'again')
        assert (await client.reply()).body == b'again'


async def test_chunked_body_with_trailers_in_one_piece(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.send(
            b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n'
            b'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n'
        )
        assert (await client.reply()).body == b'abc'
        assert (await client.reply()).body == b''


@one_loop
async def test_empty_chunked_body(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.get('/', 'Transfer-Encoding: chunked', method='POST')
        await client.send(b'0\r\n\r\n')
        assert (await client.reply()).body == b''


# ── the client leaves ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('leave', ['close', 'reset', 'half_close'])
async def test_a_client_that_leaves_is_a_disconnect(serve, leave):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        assert await app.next() == request()
        getattr(client, leave)()
        assert await app.next() == DISCONNECT
        app.answer.set()
        if leave == 'half_close':
            # It may still read.
            reply = await client.reply()
            assert (reply.body, reply['connection']) == (b'ok', b'close')
            await client.closed()


@pytest.mark.parametrize('leave', ['close', 'reset', 'half_close'])
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_a_disconnect(serve, leave):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 6', method='POST')
        await client.send(b'abc')
        assert await app.next() == request(b'abc', more=True)
        getattr(client, leave)()
        assert await app.next() == DISCONNECT
        app.answer.set()


@one_loop
async def test_disconnect_is_told_again_and_again(serve):
    told = []

    async def app(scope, receive, send):
        await read_body(receive)
        told.extend([await receive(), await receive()])

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        client.reset()
        await server.until(lambda: len(told) == 2)
    assert told == [DISCONNECT, DISCONNECT]


@one_loop
async def test_a_body_that_breaks_its_framing_is_a_disconnect_and_a_400(serve):
    app = Receiver()
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Transfer-Encoding: chunked', method='POST')
        await client.send(b'3\r\nabc\r\n')
        assert await app.next() == request(b'abc', more=True)
        await client.send(b'nonsense\r\n')
        assert await app.next() == DISCONNECT
        assert (await client.reply()).status == 400
        await client.closed()
        app.answer.set()
    assert app.messages.empty()


@one_loop
async def test_a_body_over_the_limit_is_a_disconnect_and_a_413(serve):
    app = Receiver()
    async with serve(app, limits={'body_bytes_max': 4}) as server:
        client = await server.connect()
        await client.get('/', 'Transfer-Encoding: chunked', method='POST')
        await client.send(b'3\r\nabc\r\n')
        assert await app.next() == request(b'abc', more=True)
        await client.send(b'3\r\nabc\r\n')
        assert await app.next() == DISCONNECT
        assert (await client.reply()).status == 413
        await client.closed()
        app.answer.set()


async def test_receive_that_is_cancelled_again_and_again_leaves_nothing_behind(serve):
    exchanges = []

    async def app(scope, receive, send):
        await read_body(receive)
        exchange = receive.__self__._exchange
        for _ in range(100):
            waiting = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        exchanges.append(len(exchange._waiters))
        await answer(send)

    async with serve(app) as server:
        assert (await server.get()).status == 200
    assert exchanges == [0]


async def test_two_receives_at_once_share_the_messages(serve):
    both = []

    async def app(scope, receive, send):
        both.extend([asyncio.ensure_future(receive()), asyncio.ensure_future(receive())])
        first, second = await asyncio.gather(*both)
        assert {first['type'], second['type']} == {'http.request'}
        await answer(send, first['body'] + second['body'])

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 4', method='POST')
        await client.send(b'ab')
        await server.until(lambda: any(each.done() for each in both))
        await client.send(b'cd')
        assert (await client.reply()).body == b'abcd'


# ── Expect: 100-continue ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_100_is_sent_when_the_application_first_reads_and_only_then(serve):
    begun, may_read = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await may_read.wait()
        await answer(send, await read_body(receive))

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 5', 'Expect: 100-continue', method='POST')
        await begun.wait()
        waiting = asyncio.ensure_future(client.more())
        await server.heard()
        assert not waiting.done()
        may_read.set()
        assert await waiting == b'HTTP/1.1 100 Continue\r\n\r\n'
        await client.send(b'hello')
        reply = await client.reply()
        assert (reply.body, reply.interim) == (b'hello', [])
        await client.get()
        assert (await client.reply()).status == 200


async def test_100_is_sent_once_however_often_the_application_reads(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 3', 'Expect: 100-continue', method='POST')
        assert await client.line() == b'HTTP/1.1 100 Continue'
        assert await client.line() == b''
        for letter in (b'a', b'b', b'c'):
            await client.send(letter)
            await server.heard()
        reply = await client.reply()
        assert (reply.body, reply.interim) == (b'abc', [])


@one_loop
async def test_100_is_left_out_where_the_body_came_unasked(serve):
    async with serve(echo) as server:
        client = await server.connect()
        await client.post('/', b'hello', 'Expect: 100-continue')
        reply = await client.reply()
        assert (reply.body, reply.interim) == (b'hello', [])


@one_loop
async def test_a_client_whose_body_was_never_asked_for_is_answered_and_closed(serve):
    async def app(scope, receive, send):
        await answer(send, b'no', status=417)

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 5', 'Expect: 100-continue', method='POST')
        reply = await client.reply()
        assert (reply.status, reply['connection'], reply.interim) == (417, b'close', [])
        await client.closed()


@one_loop
async def test_reading_after_the_response_began_sends_no_100(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'early', more=True)
        message = await receive()
        await body(send, message['body'])

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 2', 'Expect: 100-continue', method='POST')
        assert (await client.head()).status == 200
        assert await client.chunk() == b'early'
        await client.send(b'ok')
        assert await client.chunk() == b'ok'


# ── bodies nobody reads ──────────────────────────────────────────────────────────────────────────────────────────────


async def ignore(scope, receive, send):
    await answer(send, b'ignored')


async def test_a_small_body_nobody_read_is_thrown_away_and_the_connection_kept(serve):
    async with serve(ignore) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 1000', method='POST')
        assert (await client.reply()).body == b'ignored'
        await client.send(b'x' * 1000)
        await client.get()
        assert (await client.reply()).body == b'ignored'


async def test_a_large_body_nobody_reads_is_answered_and_the_connection_closed(serve):
    async with serve(ignore) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 10000000', method='POST')
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (b'ignored', b'close')
        await client.closed()


async def test_a_chunked_body_nobody_reads_closes_the_connection_once_it_is_large(serve):
    async with serve(ignore) as server:
        client = await server.connect()
        await client.get('/', 'Transfer-Encoding: chunked', method='POST')
        assert (await client.reply()).body == b'ignored'
        for _ in range(3):
            await client.send(b'8000\r\n' + b'x' * 0x8000 + b'\r\n')
        await client.closed()
