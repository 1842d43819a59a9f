from __future__ import annotations

import asyncio
import gc
import ssl
from collections import Counter

import pytest

from granian.adapters.asgi.http import Call
from granian.adapters.asgi.websocket import AsgiWebSocket
from granian.exchange import Exchange
from granian.protocol.http1.fast import Http1Fast
from granian.protocol.http1.h11 import Http1H11
from granian.protocol.websocket.fast import WebSocketFast
from granian.server.connection import Connection
from granian.server.tls.pump import TlsPump
from granian.websocket import WebSocketSession
from tests.helpers.certificates import ec_key, rsa_key
from tests.helpers.serving import Client, answer, body, one_loop, read_body, start
from tests.helpers.tls import authority, tls_settings
from tests.helpers.websocket import echo, open_session

KINDS = (
    Connection,
    Exchange,
    Http1Fast,
    Http1H11,
    Call,
    WebSocketSession,
    WebSocketFast,
    AsgiWebSocket,
    asyncio.Task,
    asyncio.Future,
)


def alive():
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, KINDS))


async def app(scope, receive, send):
    """A bit of everything, by the path."""
    if scope['path'] == '/wait':
        await asyncio.sleep(0)
    elif scope['path'] == '/stream':
        await start(send)
        await body(send, b'x', more=True)
        await asyncio.sleep(0)
        return await body(send, b'x')
    elif scope['path'] == '/fail':
        raise ValueError
    return await answer(send, await read_body(receive))


PATHS = ('/', '/wait', '/stream', '/fail')


async def ask(client: Client, count: int) -> None:
    for number in range(count):
        await client.get(PATHS[number % len(PATHS)])
        await client.reply()


@pytest.mark.parametrize('per_connection', [1000, 5])
async def test_nothing_is_left_of_2000_requests(serve, per_connection, caplog):
    caplog.set_level('CRITICAL', logger='_granian')
    async with serve(app) as server:
        client = await server.connect()
        await ask(client, 8)
        client.close()
        await server.until(lambda: not server.shared.connections)
        before = alive()
        for _ in range(2000 // per_connection):
            client = await server.connect()
            await ask(client, per_connection)
            client.close()
            server._clients.clear()
        await server.until(lambda: not server.shared.connections)
        assert alive() == before


async def test_nothing_is_left_of_clients_that_leave_in_the_middle(serve):
    async def app(scope, receive, send):
        await start(send)
        while True:
            await body(send, b'x' * 1000, more=True)
            await asyncio.sleep(0)

    async with serve(app) as server:
        before = None
        for number in range(100):
            client = await server.connect()
            await client.get()
            await client.head()
            client.reset()
            server._clients.clear()
            if number % 50 == 9:
                await server.until(lambda: not server.shared.connections and not server.shared.tasks)
                before = before or alive()
        await server.until(lambda: not server.shared.connections and not server.shared.tasks)
        assert alive() == before


@pytest.mark.parametrize('end', ['close', 'reset'])
async def test_nothing_is_left_of_sessions(serve, end):
    async with serve(echo) as server:
        before = None
        for number in range(60):
            peer = await open_session(server)
            await peer.send('x')
            assert await peer.message() == 'x'
            if end == 'close':
                await peer.close(1000)
                await peer.closed()
                peer.client.close()
            else:
                peer.client.reset()
            server._clients.clear()
            if number % 50 == 9:
                await server.until(lambda: not server.shared.connections and not server.shared.tasks)
                peer = None
                before = before or alive()
        await server.until(lambda: not server.shared.connections and not server.shared.tasks)
        assert not server.serving.sessions.open
        peer = None
        assert alive() == before


def living():
    return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, (Exchange, Call)))


@one_loop
async def test_requests_leave_nothing_to_the_collector(serve):
    """On a connection that stays, everything is freed as soon as its response is sent."""
    async with serve(app) as server:
        client = await server.connect()
        paths = ['/', '/wait', '/stream'] * 100
        for path in paths[:6]:
            await client.get(path)
            await client.reply()
        gc.collect()
        # What earlier tests left in the hands of their reports is not ours to judge.
        before = living()
        gc.disable()
        try:
            for path in paths:
                await client.get(path)
                await client.reply()
            left = living() - before
        finally:
            gc.enable()
        assert sum(left.values()) <= 2, left


def short_lived():
    kinds = (Connection, Http1Fast, Http1H11, Exchange, TlsPump, ssl.SSLObject)
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


@one_loop
@pytest.mark.parametrize('make_key', [None, ec_key, rsa_key])
async def test_connections_leave_nothing_to_the_collector(serve, make_key, tmp_path):
    """Each is freed as it ends: what TLS keeps of one is tens of KiB, which the collector does not see."""
    tls = make_key and tls_settings(tmp_path, authority().issue(key=make_key()))
    async with serve(app, tls=tls) as server:

        async def ask_once(count):
            for _ in range(count):
                client = await server.connect()
                await client.get('/', 'Connection: close')
                await client.reply()
                client.close()
                server._clients.clear()
            del client
            await server.until(lambda: not server.shared.connections)

        await ask_once(3)
        gc.collect()
        before = short_lived()
        gc.disable()
        try:
            await ask_once(30)
            left = short_lived() - before
        finally:
            gc.enable()
        assert left <= 10
