from __future__ import annotations

import asyncio
import contextvars

import anyio

from tests.helpers.serving import answer, asyncio_timeout, read_body

variable: contextvars.ContextVar[str] = contextvars.ContextVar('variable', default='unset')


async def test_contexts_of_requests_are_apart_on_one_connection(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set(scope['path'])
        if scope['path'] == '/wait':
            await asyncio.sleep(0)
        seen.append(variable.get())
        await answer(send)

    async with serve(app) as server:
        client = await server.connect()
        for path in ('/a', '/wait', '/b'):
            await client.get(path)
            await client.reply()
    assert seen == ['unset', '/a', 'unset', '/wait', 'unset', '/b']


async def test_contexts_of_pipelined_requests_are_apart(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set(scope['path'])
        await answer(send)

    async with serve(app) as server:
        client = await server.connect()
        await client.send(b'GET /a HTTP/1.1\r\nHost: a\r\n\r\n' * 5)
        for _ in range(5):
            await client.reply()
    assert seen == ['unset'] * 5


async def test_the_context_of_a_request_does_not_reach_those_that_waited_for_it(serve):
    """Neither pipelined behind it, nor on other connections."""
    seen = []
    may_answer = asyncio.Event()

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set(scope['path'])
        await may_answer.wait()
        await answer(send)

    async with serve(app, exchanges_max=1) as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await client.send(b'GET /a HTTP/1.1\r\nHost: a\r\n\r\n' * 3)
        await server.until(lambda: server.shared.gate._waiting)
        may_answer.set()
        for client in clients:
            for _ in range(3):
                await client.reply()
    assert seen == ['unset'] * 9


async def test_the_context_of_an_application_that_resumed_reading_does_not_reach_the_next_request(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set(scope['path'])
        await asyncio.sleep(0)
        await answer(send, b'%d' % len(await read_body(receive)))

    async with serve(app) as server:
        client = await server.connect()
        await client.post('/a', bytes(3_000_000))
        assert (await client.reply()).body == b'3000000'
        await client.get('/b')
        await client.reply()
    assert seen == ['unset', 'unset']


async def test_the_context_of_an_application_that_filled_the_socket_does_not_reach_the_next_request(serve):
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set(scope['path'])
        await asyncio.sleep(0)
        await answer(send, bytes(10_000_000))

    async with serve(app) as server:
        client = await server.connect()
        await client.send(b'GET /a HTTP/1.1\r\nHost: a\r\n\r\n' * 3)
        for _ in range(3):
            await client.reply()
    assert seen == ['unset'] * 3


async def test_anyio_streams_a_response_while_it_listens_for_a_disconnect(serve):
    cancelled = []

    async def app(scope, receive, send):
        await read_body(receive)
        async with anyio.create_task_group() as group:

            async def listen():
                try:
                    while (await receive())['type'] != 'http.disconnect':
                        pass
                finally:
                    cancelled.append(True)

            group.start_soon(listen)
            await anyio.sleep(0)
            await answer(send, b'ok')
            group.cancel_scope.cancel()

    async with serve(app) as server:
        assert (await server.get()).body == b'ok'
        async with asyncio_timeout(5):
            while not cancelled:
                await asyncio.sleep(0)
