"""WSGI's threads: how many requests at once, who waits, and what one that is stuck can do."""

from __future__ import annotations

import asyncio
import threading
from wsgiref.validate import validator

import pytest

from tests.helpers.serving import one_loop
from tests.helpers.wsgi import answer


class Gated:
    """An application that waits at /wait until `go` is set."""

    def __init__(self):
        self.go = threading.Event()
        self.waiting = 0

    def __call__(self, environ, start_response):
        if environ['PATH_INFO'] == '/wait':
            self.waiting += 1
            self.go.wait(10)
        return answer(start_response, environ['PATH_INFO'].encode())


async def test_requests_that_wait_do_not_keep_others_from_being_served(serve_wsgi):
    app = Gated()
    async with serve_wsgi(app, threads=3) as server:
        waiting = [await server.connect() for _ in range(2)]
        for client in waiting:
            await client.get('/wait')
        await server.until(lambda: app.waiting == 2)
        for _ in range(5):
            assert (await server.get('/other')).body == b'/other'
        app.go.set()
        assert [(await client.reply()).body for client in waiting] == [b'/wait'] * 2


async def test_requests_beyond_the_threads_wait_their_turn(serve_wsgi):
    app = Gated()
    async with serve_wsgi(app, threads=2) as server:
        clients = [await server.connect() for _ in range(6)]
        for client in clients:
            await client.get('/wait')
        await server.until(lambda: app.waiting == 2 and server.shared.gate.busy == 6)
        app.go.set()
        assert [(await client.reply()).body for client in clients] == [b'/wait'] * 6
    assert app.waiting == 6


async def test_a_request_whose_client_left_while_it_waited_is_not_begun(serve_wsgi):
    app = Gated()
    async with serve_wsgi(app, threads=1) as server:
        first, second = await server.connect(), await server.connect()
        await first.get('/wait')
        await server.until(lambda: app.waiting == 1)
        await second.get('/wait')
        await server.until(lambda: server.shared.gate.busy == 2)
        second.reset()
        await server.until(lambda: server.shared.gate.busy == 1)
        app.go.set()
        await first.reply()
    assert app.waiting == 1


@one_loop
async def test_a_stop_waits_for_a_response_in_progress(serve_wsgi):
    app = Gated()
    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.get('/wait')
        await server.until(lambda: app.waiting == 1)
        stopping = asyncio.ensure_future(server.stop())
        await server.until(lambda: server.serving._services[0].draining)
        app.go.set()
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (b'/wait', b'close')
        await stopping


@one_loop
async def test_a_stuck_thread_does_not_hold_up_a_stop(serve_wsgi, caplog):
    app = Gated()
    async with serve_wsgi(app, graceful_timeout_s=0.1) as server:
        client = await server.connect()
        await client.get('/wait')
        await server.until(lambda: app.waiting == 1)
        before = server.loop.time()
        await server.stop()
        assert server.loop.time() - before < 5
    assert 'does not come back' in caplog.text
    app.go.set()


@pytest.mark.filterwarnings('ignore:Unknown REQUEST_METHOD')
async def test_wsgiref_validate_under_concurrent_load(serve_wsgi, caplog):
    @validator
    def app(environ, start_response):
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [environ['wsgi.input'].read(100), environ['QUERY_STRING'].encode()]

    async def ask(server, n):
        client = await server.connect()
        for m in range(20):
            if (n + m) % 2:
                await client.post(f'/?{n}.{m}', b'%d ' % m)
                assert (await client.reply()).body == b'%d %d.%d' % (m, n, m)
            else:
                await client.get(f'/?{n}.{m}')
                assert (await client.reply()).body == b'%d.%d' % (n, m)

    async with serve_wsgi(app, threads=8) as server:
        await asyncio.gather(*[ask(server, n) for n in range(16)])
    assert not caplog.records
