from __future__ import annotations

import asyncio
import contextvars
import gc
from collections import Counter

import pytest

from granian.adapters.rsgi.http import HTTPProtocol, HTTPStreamTransport
from granian.adapters.rsgi.scope import Scope
from granian.exchange import Exchange
from tests.helpers.rsgi import by_path
from tests.helpers.serving import one_loop

FAILED = 'Application callable raised an exception'


@pytest.mark.parametrize(
    'error', [ValueError('no'), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), OSError(5, 'disk')]
)
@pytest.mark.parametrize('when', ['at once', 'later'])
async def test_an_exception_is_answered_500_and_logged(serve_rsgi, error, when, caplog):
    async def fail(protocol):
        if when == 'later':
            await asyncio.sleep(0)
        raise error

    async with serve_rsgi(by_path(fail=fail)) as server:
        client = await server.connect()
        await client.get('/fail')
        reply = await client.reply()
        assert (reply.status, reply['content-length'], reply.body) == (500, b'0', b'')
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert caplog.messages == [FAILED]
    assert caplog.records[0].exc_info[1] is error


async def test_no_response_is_500_and_logged(serve_rsgi, caplog):
    async def nothing(protocol):
        pass

    async with serve_rsgi(by_path(nothing=nothing)) as server:
        client = await server.connect()
        await client.get('/nothing')
        reply = await client.reply()
        assert (reply.status, reply.body) == (500, b'')
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert caplog.messages == ['Application callable returned without a response']


@one_loop
async def test_an_exception_after_the_response_is_logged_only(serve_rsgi, caplog):
    async def fail(protocol):
        protocol.response_str(body='fine')
        raise ValueError

    async with serve_rsgi(by_path(fail=fail)) as server:
        client = await server.connect()
        await client.get('/fail')
        assert (await client.reply()).body == b'fine'
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert caplog.messages == [FAILED]


@one_loop
@pytest.mark.parametrize('application', [lambda: None, lambda scope, protocol: None, 3, None])
async def test_what_is_no_application_is_500_and_harms_nothing(serve_rsgi, application, caplog):
    async with serve_rsgi(application) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get()
            assert (await client.reply()).status == 500
    assert caplog.messages == [FAILED, FAILED]


@one_loop
async def test_an_application_that_stops_since_the_client_is_gone_is_no_error(serve_rsgi, caplog):
    waiting = asyncio.Event()

    async def wait(protocol):
        waiting.set()
        try:
            await protocol()
        except RuntimeError as exc:
            raise ValueError from exc

    async with serve_rsgi(by_path(wait=wait)) as server:
        client = await server.connect()
        await client.get('/wait', 'Content-Length: 3', method='POST')
        await asyncio.wait_for(waiting.wait(), 5)
        client.reset()
        await server.until(lambda: not server.shared.tasks)
    assert not [record for record in caplog.records if record.levelname == 'ERROR']


async def test_a_stop_cancels_what_does_not_end(serve_rsgi):
    cancelled = []
    waiting = asyncio.Event()

    async def wait(protocol):
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serve_rsgi(by_path(wait=wait), graceful_timeout_s=0.05) as server:
        client = await server.connect()
        await client.get('/wait')
        await asyncio.wait_for(waiting.wait(), 5)
        await server.stop()
        assert cancelled


@pytest.mark.parametrize('body', ['', 'x' * 1000])
async def test_pipelined_requests_are_answered_in_order(serve_rsgi, body):
    async def app(scope, protocol):
        if scope.path == '/slow':
            await asyncio.sleep(0.001)
        protocol.response_str(body=scope.path + body)

    async with serve_rsgi(app) as server:
        client = await server.connect()
        paths = ['/a', '/slow', '/b', '/slow', '/c']
        await client.send(b''.join(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode() for path in paths))
        for path in paths:
            assert (await client.reply()).body == (path + body).encode()


@one_loop
async def test_requests_do_not_share_context_variables(serve_rsgi):
    variable = contextvars.ContextVar('variable', default='new')

    async def app(scope, protocol):
        protocol.response_str(body=variable.get())
        variable.set('used')

    async with serve_rsgi(app) as server:
        client = await server.connect()
        for _ in range(3):
            await client.get()
            assert (await client.reply()).body == b'new'


async def test_nothing_is_left_of_2000_requests(serve_rsgi, tmp_path, caplog):
    caplog.set_level('CRITICAL', logger='_granian')
    (tmp_path / 'file').write_bytes(b'file')

    async def body(protocol):
        protocol.response_bytes(body=await protocol())

    async def stream(protocol):
        transport = protocol.response_stream()
        async for piece in protocol:
            await transport.send_bytes(piece + b'.')
            await asyncio.sleep(0)

    async def file(protocol):
        protocol.response_file(200, [], tmp_path / 'file')

    async def fail(protocol):
        raise ValueError

    def alive():
        gc.collect()
        kinds = (Exchange, HTTPProtocol, HTTPStreamTransport, Scope, asyncio.Task, asyncio.Future)
        return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds))

    async def ask(client, count):
        for number in range(count):
            await client.post(('/body', '/stream', '/file', '/fail')[number % 4], b'abc')
            await client.reply()

    async with serve_rsgi(by_path(body=body, stream=stream, file=file, fail=fail)) as server:
        client = await server.connect()
        await ask(client, 8)
        before = alive()
        await ask(client, 2000)
        assert alive() == before


@one_loop
async def test_an_application_that_fails_on_a_body_cut_off_is_answered_400(serve_rsgi):
    """It was the client's fault, and it may still read."""

    async def cut(protocol):
        await protocol()

    async with serve_rsgi(by_path(cut=cut)) as server:
        client = await server.connect()
        await client.get('/cut', 'Content-Length: 6', method='POST')
        await client.send(b'abc')
        client.half_close()
        assert (await client.reply()).status == 400
