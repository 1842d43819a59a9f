"""What a worker counts."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from granian.observe.metrics import OF_WORKER
from tests.helpers import http2_client, websocket
from tests.helpers.mounted import mounted, named
from tests.helpers.serving import answer, one_loop
from tests.helpers.tls import tls_settings

__all__ = ['mounted']

METRICS = '[metrics]\nenabled = true\n'
FOLDER = (
    METRICS
    + '[[static]]\npath = "/files"\ndirectory = "{folder}"\n[[apps]]\ntarget = "app"\ninterface = "asgi"\nlifespan = "off"\n'
)
WSGI = METRICS + '[[apps]]\ntarget = "app"\ninterface = "wsgi"\nblocking_threads = 2\n'


async def hello(scope, receive, send):
    await answer(send, b'hello')


def numbers(server):
    """By their names without `granian_`."""
    found = server.serving.numbers()
    assert all(isinstance(number, int) and number >= 0 for number in found)
    return {metric.name.removeprefix('granian_'): number for metric, number in zip(OF_WORKER, found, strict=True)}


async def test_connections_and_requests(serve):
    async with serve(hello, measured=True) as server:
        client = await server.connect()
        for _ in range(3):
            await client.get('/')
            assert (await client.reply()).status == 200
        other = await server.connect()
        await other.get('/')
        await other.reply()
        assert numbers(server)['connections_active'] == 2
        other.close()
        await server.until(lambda: numbers(server)['connections_active'] == 1)

        found = numbers(server)
        assert (found['connections_handled'], found['connections_err']) == (2, 0)
        assert (found['requests_handled'], found['requests_active']) == (4, 0)


async def test_a_request_in_progress_is_active(serve):
    may_answer = asyncio.Event()

    async def waits(scope, receive, send):
        await may_answer.wait()
        await answer(send, b'at last')

    async with serve(waits, measured=True) as server:
        client = await server.connect()
        await client.get('/')
        await server.until(lambda: numbers(server)['requests_active'] == 1)
        assert numbers(server)['requests_handled'] == 0
        may_answer.set()
        await client.reply()
        assert (numbers(server)['requests_active'], numbers(server)['requests_handled']) == (0, 1)


async def test_a_reset_is_an_error_and_a_refusal_is_none(serve):
    async with serve(hello, measured=True) as server:
        client = await server.connect()
        await client.send(b'nonsense\r\n\r\n')
        assert (await client.reply()).status == 400
        client.close()
        await server.until(lambda: numbers(server)['connections_active'] == 0)
        assert (numbers(server)['connections_err'], numbers(server)['requests_handled']) == (0, 0)

        client = await server.connect()
        await client.get('/')
        await client.reply()
        client.reset()
        await server.until(lambda: numbers(server)['connections_err'] == 1)


async def test_an_answer_that_is_cut_is_an_error(serve, caplog):
    async def breaks(scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': b'x', 'more_body': True})
        raise ValueError

    async with serve(breaks, measured=True) as server:
        client = await server.connect()
        # Where the end of the body is that of the connection.
        await client.get('/', version='1.0')
        await server.until(lambda: numbers(server)['connections_err'] == 1)
        await server.until(lambda: numbers(server)['connections_active'] == 0)
        assert (numbers(server)['connections_err'], numbers(server)['requests_handled']) == (1, 1)


@one_loop
async def test_a_handshake_that_fails_is_an_error(loop, serve, tmp_path):
    async with serve(hello, measured=True, tls=tls_settings(tmp_path)) as server:
        client = await server.connect(shake=False)
        await client.raw_send(b'GET / HTTP/1.1\r\n\r\n')
        await server.until(lambda: numbers(server)['tls_handshakes_err'] == 1)
        assert numbers(server)['connections_err'] == 1


@one_loop
async def test_a_connection_that_breaks_tls_is_an_error(loop, serve, tmp_path):
    async with serve(hello, measured=True, tls=tls_settings(tmp_path)) as server:
        client = await server.connect()
        await client.get('/')
        assert (await client.reply()).status == 200
        await client.raw_send(b'GET / HTTP/1.1\r\n\r\n')
        await server.until(lambda: numbers(server)['connections_active'] == 0)
        assert (numbers(server)['connections_err'], numbers(server)['tls_handshakes_err']) == (1, 0)


@one_loop
async def test_streams_of_http2_are_requests_on_one_connection(serve, loop):
    async with serve(hello, measured=True, tls=None) as server:
        peer = await http2_client.Peer.of(server)
        for _ in range(3):
            assert (await peer.ask('/')).status == 200

        found = numbers(server)
        assert (found['connections_handled'], found['connections_active']) == (1, 1)
        assert (found['requests_handled'], found['requests_active']) == (3, 0)


@one_loop
async def test_a_session_is_a_request_when_it_opens_and_active_until_it_ends(serve, loop):
    async with serve(websocket.echo, measured=True) as server:
        peer = await websocket.open_session(server)
        await server.until(lambda: numbers(server)['websockets_active'] == 1)
        assert (numbers(server)['requests_handled'], numbers(server)['requests_active']) == (1, 0)
        peer.client.close()
        await server.until(lambda: numbers(server)['websockets_active'] == 0)
        assert numbers(server)['requests_handled'] == 1


async def test_files_are_requests_too(mounted, tmp_path):
    (tmp_path / 'a.txt').write_text('a')
    async with mounted(FOLDER.format(folder=tmp_path), app=named('app')) as server:
        for path, status in (('/files/a.txt', 200), ('/files/none', 404), ('/', 200)):
            assert (await server.ask('x', path)).status == status

        found = numbers(server)
        assert (found['static_requests_handled'], found['static_requests_err'], found['requests_handled']) == (2, 1, 3)


@one_loop
async def test_threads_are_counted_and_timed(mounted, loop):
    def app(environ, start_response):
        time.sleep(0.02)
        start_response('200 OK', [])
        return [b'x']

    async with mounted(WSGI, app=app) as server:
        assert numbers(server)['blocking_threads'] == 0
        for _ in range(3):
            assert (await server.ask('x', '/')).status == 200
        found = numbers(server)
        assert 1 <= found['blocking_threads'] <= 2
        assert found['blocking_queue'] == 0
        assert found['blocking_busy_cumulative'] >= 60_000
        await server.until(lambda: numbers(server)['blocking_idle_cumulative'] > found['blocking_idle_cumulative'])
        # The thread has something to do yet when its answer is there already.
        await server.until(lambda: len({numbers(server)['blocking_busy_cumulative'] for _ in range(100)}) == 1)


@one_loop
async def test_a_loop_that_does_not_turn_is_late(serve, loop):
    async def blocks(scope, receive, send):
        time.sleep(0.3)
        await answer(send, b'x')

    async with serve(blocks, measured=True) as server:
        before = numbers(server)['py_wait_cumulative']
        await server.get('/')
        # The next tick was due within 0.1 s.
        await server.until(lambda: numbers(server)['py_wait_cumulative'] - before > 150_000)


async def test_who_comes_when_too_many_are_there_is_turned_away(serve):
    async with serve(hello, connections_max=2, tls=None) as server:
        there = [await server.connect() for _ in range(2)]
        await server.until(lambda: len(server.shared.connections) == 2)
        late = await server.connect()
        with contextlib.suppress(ConnectionResetError):
            assert await late.more() == b''
        there[0].close()
        await server.until(lambda: len(server.shared.connections) == 1)
        assert (await server.get('/')).status == 200


async def test_where_nobody_asks_nothing_is_counted_for_a_request(serve):
    async with serve(hello) as server:
        await server.get('/')

        assert type(server.shared.gate).__name__ == 'Gate'
        assert server.shared.gate.served == server.shared.tally.connections == 0


@pytest.mark.parametrize('requests_max', [2])
async def test_a_worker_that_tires_counts_on(serve, requests_max):
    async with serve(hello, measured=True, requests_max=requests_max) as server:
        for _ in range(4):
            await server.get('/')
        assert numbers(server)['requests_handled'] == 4
