"""How a connection of HTTP/2 ends when its worker stops."""

from __future__ import annotations

import asyncio

import pytest

from granian.server import deadlines, serving, wire
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, asyncio_timeout, body, one_loop, read_body, start

STREAM_MAX = 2**31 - 1


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(deadlines, 'TICK_S', 0.01)
    monkeypatch.setattr(serving, 'DRAIN_IDLE_S', 0.1)
    monkeypatch.setattr(serving, 'CANCEL_S', 0.1)
    monkeypatch.setattr(wire, 'LINGER_S', 0.3)


class Holding:
    """Answers once the test lets it."""

    def __init__(self):
        self.may_answer = asyncio.Event()
        self.paths = []

    async def __call__(self, scope, receive, send):
        self.paths.append(scope['path'])
        await self.may_answer.wait()
        await answer(send, scope['path'].encode())


def stopping(server):
    return asyncio.ensure_future(server.stop())


async def test_a_client_is_told_first_and_what_is_on_its_way_is_served(serve):
    app = Holding()
    async with serve(app) as server:
        peer = await Peer.of(server)
        begun = await peer.get('/begun')
        await peer.acked()
        stop = stopping(server)
        assert (await peer.goaway())[:2] == (STREAM_MAX, h2.NO_ERROR)
        late = await peer.get('/late')
        await peer.acked()
        assert (await peer.goaway())[:2] == (late, h2.NO_ERROR)
        refused = await peer.get('/refused')
        app.may_answer.set()
        assert (await peer.reply(begun)).body == b'/begun'
        assert (await peer.reply(late)).body == b'/late'
        await peer.cut()
        await stop
    assert refused
    assert app.paths == ['/begun', '/late']


async def test_an_idle_connection_is_closed(serve):
    async with serve(Holding()) as server:
        peer = await Peer.of(server)
        await peer.acked()
        stop = stopping(server)
        await peer.goaway()
        await peer.goaway()
        await peer.closed()
        await stop


@pytest.mark.parametrize('said', [b'', b'PRI', h2.PREFACE])
@one_loop
async def test_a_connection_that_never_asked_anything_is_closed(serve, said):
    async with serve(Holding()) as server:
        peer = Peer(await server.connect())
        if said:
            await peer.send(said)
        await server.until(lambda: server.shared.connections)
        async with asyncio_timeout(5):
            await server.stop()
        await peer.cut()


@one_loop
async def test_a_connection_that_begins_while_draining_is_told_at_once(serve):
    app = Holding()
    async with serve(app) as server:
        held = await Peer.of(server)
        stream = await held.get('/held')
        await held.acked()
        late = await server.connect()
        stop = stopping(server)
        await held.goaway()
        peer = Peer(late)
        await peer.send(h2.PREFACE + h2.settings())
        assert (await peer.goaway())[0] == STREAM_MAX
        app.may_answer.set()
        assert (await held.reply(stream)).body == b'/held'
        await stop


async def test_a_large_response_is_finished(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(3_000_000))

    async with serve(app, graceful_timeout_s=20) as server:
        peer = await Peer.of(server, receive_buffer_bytes=65536)
        stream = await peer.get()
        await peer.open(2**24, 0, stream)
        await peer.head(stream)
        stop = stopping(server)
        assert len((await peer.reply(stream)).body) == 3_000_000
        await peer.cut()
        await stop


@one_loop
async def test_requests_that_wait_for_their_turn_are_served(serve):
    app = Holding()
    async with serve(app, exchanges_max=1) as server:
        peer = await Peer.of(server)
        streams = [await peer.get(f'/{number}') for number in range(4)]
        await peer.acked()
        stop = stopping(server)
        await peer.goaway()
        await peer.goaway()
        app.may_answer.set()
        assert [(await peer.reply(stream)).body for stream in streams] == [b'/0', b'/1', b'/2', b'/3']
        await stop


@pytest.mark.parametrize('where', ['before the head', 'in the middle'])
async def test_what_takes_too_long_is_cut_and_cancelled(serve, where, caplog):
    cancelled = []

    async def app(scope, receive, send):
        await read_body(receive)
        if where == 'in the middle':
            await start(send)
            await body(send, b'x', more=True)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serve(app, graceful_timeout_s=0.2) as server:
        peer = await Peer.of(server)
        await peer.get()
        await server.until(lambda: server.shared.tasks)
        await server.stop()
        assert cancelled
        await peer.cut()


@one_loop
async def test_a_client_that_says_goodbye_gets_its_answers(serve):
    app = Holding()
    async with serve(app) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/last')
        await peer.send(h2.frame(h2.GOAWAY, 0, 0, bytes(8)))
        app.may_answer.set()
        assert (await peer.reply(stream)).body == b'/last'
        await peer.cut()
