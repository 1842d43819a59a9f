"""A server inside a loop that runs already."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from granian.constants import Interfaces
from granian.errors import FatalError
from granian.server.embed import Server

REQUEST = b'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'


class App:
    """Knows how often it was started and ended."""

    def __init__(self) -> None:
        self.told = []

    async def __call__(self, scope, receive, send):
        if scope['type'] == 'lifespan':
            for kind in ('startup', 'shutdown'):
                assert (await receive())['type'] == f'lifespan.{kind}'
                self.told.append(kind)
                await send({'type': f'lifespan.{kind}.complete'})
            return
        body = b'%d' % self.told.count('startup')
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'%d' % len(body))]})
        await send({'type': 'http.response.body', 'body': body})


@pytest.fixture(autouse=True)
def _logs_come_back():
    """Configuring a server's log changes loggers of this process."""
    before = {name: vars(logging.getLogger(name)).copy() for name in ('_granian', 'granian.access')}
    yield
    for name, state in before.items():
        vars(logging.getLogger(name)).update(state)


@contextlib.asynccontextmanager
async def served(tmp_path, app, **more):
    server = Server(app, uds=tmp_path / 'sock', **{'interface': 'asgi', **more})
    ready = asyncio.Event()
    serving = asyncio.ensure_future(server.serve())
    waiting = asyncio.ensure_future(_until_it_answers(tmp_path / 'sock', ready))
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        waiting.cancel()
        await serving
    try:
        yield server
    finally:
        server.stop()
        await serving
    assert not (tmp_path / 'sock').exists()


async def _until_it_answers(path, ready):
    while not ready.is_set():
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()
            await writer.wait_closed()
            ready.set()
        await asyncio.sleep(0.001)


async def ask(tmp_path):
    reader, writer = await asyncio.open_unix_connection(tmp_path / 'sock')
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.rpartition(b'\r\n')[2]


async def test_it_serves_and_stops(tmp_path):
    app, told = App(), []
    server_told = {'on_startup': 'bound', 'on_shutdown': 'gone', 'on_reload': 'again'}
    server = Server(app, uds=tmp_path / 'sock', interface=Interfaces.ASGI)
    for name, word in server_told.items():
        getattr(server, name)(lambda word=word: told.append(word))
    serving = asyncio.ensure_future(server.serve())
    await _until_it_answers(tmp_path / 'sock', asyncio.Event())
    assert await ask(tmp_path) == b'1'
    server.stop()
    await serving
    assert told == ['bound', 'gone']
    assert app.told == ['startup', 'shutdown']


async def test_it_serves_again_after_it_has_ended(tmp_path):
    app = App()
    server = Server(app, uds=tmp_path / 'sock', interface='asgi')
    for times in (b'1', b'2'):
        serving = asyncio.ensure_future(server.serve())
        await _until_it_answers(tmp_path / 'sock', asyncio.Event())
        assert await ask(tmp_path) == times
        server.stop()
        await serving


async def test_a_reload_starts_the_application_anew_and_ends_the_old(tmp_path):
    app, told = App(), []
    async with served(tmp_path, app) as server:
        server.on_reload(lambda: told.append('again'))
        assert await ask(tmp_path) == b'1'
        server.reload()
        while app.told != ['startup', 'startup', 'shutdown']:
            assert await ask(tmp_path) in {b'1', b'2'}
        assert await ask(tmp_path) == b'2'
        assert told == ['again']


async def test_a_reload_that_fails_keeps_what_serves(tmp_path, caplog):
    app, failed = App(), asyncio.Event()
    async with served(tmp_path, app) as server:

        @server.on_reload
        def fail():
            failed.set()
            raise RuntimeError('not today')

        server.reload()
        await failed.wait()
        assert await ask(tmp_path) == b'1'
    assert app.told == ['startup', 'shutdown']


async def test_an_application_that_refuses_to_start_is_a_fatal_error(tmp_path):
    async def app(scope, receive, send):
        await receive()
        await send({'type': 'lifespan.startup.failed', 'message': 'no'})

    with pytest.raises(FatalError):
        async with served(tmp_path, app):
            raise AssertionError('it serves')
    assert not (tmp_path / 'sock').exists()


async def test_a_cancelled_server_puts_everything_away(tmp_path):
    app = App()
    server = Server(app, uds=tmp_path / 'sock', interface='asgi')
    serving = asyncio.ensure_future(server.serve())
    await _until_it_answers(tmp_path / 'sock', asyncio.Event())
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert app.told == ['startup', 'shutdown']
    assert not (tmp_path / 'sock').exists()


async def test_it_serves_once_at_a_time(tmp_path):
    async with served(tmp_path, App()) as server:
        with pytest.raises(FatalError, match='serves already'):
            await server.serve()


async def test_a_factory_makes_the_application(tmp_path):
    async with served(tmp_path, App, factory=True):
        assert await ask(tmp_path) == b'1'


async def test_wsgi_is_served_in_threads(tmp_path):
    def app(environ, start_response):
        start_response('200 OK', [('Content-Length', '4')])
        return [b'wsgi']

    async with served(tmp_path, app, interface='wsgi'):
        assert await ask(tmp_path) == b'wsgi'


async def test_a_port_is_bound_too():
    server = Server(App(), port=0, interface='asgi')
    bound = asyncio.Event()
    server.on_startup(bound.set)
    serving = asyncio.ensure_future(server.serve())
    await bound.wait()
    server.stop()
    await serving
