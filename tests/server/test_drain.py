from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket

import pytest

from granian.server import deadlines, serving, wire
from granian.server.serving import DRAIN_IDLE_S
from tests.helpers.serving import answer, body, one_loop, read_body, start


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(deadlines, 'TICK_S', 0.01)
    monkeypatch.setattr(serving, 'DRAIN_IDLE_S', 0.05)
    monkeypatch.setattr(serving, 'CANCEL_S', 0.1)
    monkeypatch.setattr(wire, 'LINGER_S', 0.05)


class Holding:
    """Answers once the test lets it."""

    def __init__(self):
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.paths = []

    async def __call__(self, scope, receive, send):
        self.paths.append(scope['path'])
        self.begun.set()
        await self.may_answer.wait()
        await answer(send, b'held')


def stopping(server):
    return asyncio.ensure_future(server.stop())


async def begun(server):
    """Return once the server has begun to stop."""
    await server.until(lambda: server.serving._services[0].draining)


@one_loop
@pytest.mark.parametrize('beside', [False, True])
async def test_a_queue_that_a_successor_serves_is_left_to_it(serve, beside):
    async with serve(answer) as server:
        # The successor's.
        listener = server._socket.dup()
        with listener, socket.create_connection(server.address):
            await server.stop(leave=[0] if beside else [])
            if beside:
                listener.accept()[0].close()
            else:
                with pytest.raises(BlockingIOError):
                    listener.accept()


@one_loop
@pytest.mark.parametrize(
    ('leave', 'graceful_timeout_s', 'idle_s'), [([], 30, 1.0), ([0], 30, 5.0), ([], 2, 0.5), ([0], 2, 0.5)]
)
async def test_idle_connections_have_more_time_beside_a_successor(
    serve, monkeypatch, leave, graceful_timeout_s, idle_s
):
    monkeypatch.setattr(serving, 'DRAIN_IDLE_S', DRAIN_IDLE_S)
    async with serve(answer, graceful_timeout_s=graceful_timeout_s) as server:
        await server.stop(leave)
        assert server.serving._services[0].drain_idle_s == idle_s


async def test_what_has_begun_is_finished_and_told_to_close(serve):
    app = Holding()
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.begun.wait()
        stop = stopping(server)
        await begun(server)
        app.may_answer.set()
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (b'held', b'close')
        await client.closed()
        await stop


async def test_a_streamed_response_that_has_begun_is_finished(serve):
    may_end = asyncio.Event()

    async def app(scope, receive, send):
        await start(send)
        await body(send, b'one', more=True)
        await may_end.wait()
        await body(send, b'two')

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        assert await client.chunk() == b'one'
        stop = stopping(server)
        await begun(server)
        may_end.set()
        assert [await client.chunk(), await client.chunk()] == [b'two', b'']
        await stop


async def test_new_connections_are_refused(serve):
    app = Holding()
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.begun.wait()
        stop = stopping(server)
        await begun(server)
        with pytest.raises(ConnectionRefusedError):
            await server.connect()
        app.may_answer.set()
        await client.reply()
        await stop


@one_loop
async def test_connections_the_kernel_has_accepted_are_served(serve, monkeypatch):
    # Over TLS the request comes later.
    monkeypatch.setattr(serving, 'DRAIN_IDLE_S', 20.0)
    app = Holding()
    app.may_answer.set()
    async with serve(app, graceful_timeout_s=80.0) as server:
        # The loop does not come to run in between.
        clients = [server.client(socket.create_connection(server.address)) for _ in range(5)]
        for client in clients:
            client.begin(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
            client.sock.setblocking(False)
        stop = stopping(server)
        for client in clients:
            await client.go_on()
        replies = [await client.reply() for client in clients]
        assert [(reply.body, reply['connection']) for reply in replies] == [(b'held', b'close')] * 5
        await stop


async def test_idle_connections_are_closed_after_a_moment_for_requests_on_their_way(serve):
    app = Holding()
    app.may_answer.set()
    async with serve(app) as server:
        idle, late = await server.connect(), await server.connect()
        for client in (idle, late):
            await client.get()
            await client.reply()
        stop = stopping(server)
        await begun(server)
        await late.get('/late')
        reply = await late.reply()
        assert (reply.body, reply['connection']) == (b'held', b'close')
        await idle.closed()
        await stop
    assert app.paths == ['/', '/', '/late']


@one_loop
async def test_connections_that_never_asked_anything_are_closed(serve):
    async with serve(Holding()) as server:
        client = await server.connect()
        await server.until(lambda: server.shared.connections)
        await server.stop()
        await client.closed()


@one_loop
async def test_a_head_that_is_on_its_way_is_waited_for(serve):
    app = Holding()
    app.may_answer.set()
    async with serve(app, holds_time=True, timeouts={'head_s': 30}, graceful_timeout_s=60) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\n')
        await server.until(lambda: any(c.engine.phase == 'head' for c in server.connections))
        stop = stopping(server)
        await begun(server)
        await server.passes(29)
        await client.send(b'Host: a\r\n\r\n')
        assert (await client.reply()).body == b'held'
        client.close()
        await stop


@one_loop
async def test_requests_that_wait_for_their_turn_are_served(serve):
    app = Holding()
    async with serve(app, holds_time=True, exchanges_max=1, graceful_timeout_s=60) as server:
        clients = [await server.connect() for _ in range(4)]
        for client in clients:
            await client.get()
        await server.until(lambda: len(server.shared.gate._waiting) == 3)
        stop = stopping(server)
        await begun(server)
        await server.passes(300)
        app.may_answer.set()
        assert [(await client.reply()).body for client in clients] == [b'held'] * 4
        for client in clients:
            client.close()
        await stop


@one_loop
async def test_work_after_the_response_is_awaited(serve):
    may_end = asyncio.Event()
    ended = []

    async def app(scope, receive, send):
        await answer(send)
        await may_end.wait()
        ended.append(True)

    async with serve(app) as server:
        assert (await server.get()).status == 200
        stop = stopping(server)
        await begun(server)
        done, _ = await asyncio.wait({stop}, timeout=0.05)
        assert not done
        may_end.set()
        await stop
    assert ended


@pytest.mark.parametrize('where', ['before the head', 'in the middle', 'after the response'])
async def test_what_takes_too_long_is_cut_and_cancelled(serve, where, caplog):
    cancelled = []

    async def app(scope, receive, send):
        if where != 'before the head':
            await start(send)
            await body(send, b'x', more=where == 'in the middle')
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serve(app, graceful_timeout_s=0.1) as server:
        client = await server.connect()
        await client.get('/', 'Connection: close')
        await server.until(lambda: server.shared.tasks)
        await server.stop()
        assert cancelled
        if where == 'after the response':
            assert (await client.reply()).body == b'x'
        else:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await client.reply()
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []


@one_loop
async def test_an_application_that_ignores_its_cancellation_is_told_of(serve, caplog):
    may_end = asyncio.Event()

    async def app(scope, receive, send):
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    async with serve(app, graceful_timeout_s=0.1) as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: server.shared.tasks)
        await server.stop()
        assert any(m.startswith('An application does not stop when cancelled') for m in caplog.messages)
        may_end.set()
        await server.until(lambda: not server.shared.tasks)


@one_loop
async def test_an_upload_that_is_on_its_way_is_finished(serve):
    async def app(scope, receive, send):
        await answer(send, b'%d' % len(await read_body(receive)))

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Content-Length: 6', method='POST')
        await client.send(b'abc')
        await server.until(lambda: server.shared.tasks)
        stop = stopping(server)
        await begun(server)
        await client.send(b'def')
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (b'6', b'close')
        await stop


@one_loop
async def test_the_application_is_shut_down_last(serve):
    order = []
    may_answer = asyncio.Event()

    async def app(scope, receive, send):
        if scope['type'] == 'lifespan':
            for kind in ('startup', 'shutdown'):
                await receive()
                order.append(kind)
                await send({'type': f'lifespan.{kind}.complete'})
            return
        await may_answer.wait()
        order.append('answer')
        await answer(send)

    async with serve(app, lifespan='on') as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: server.shared.tasks)
        stop = stopping(server)
        await begun(server)
        may_answer.set()
        await client.reply()
        await stop
    assert order == ['startup', 'answer', 'shutdown']


async def test_a_slow_reader_gets_the_whole_of_its_answer(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(12_000_000))

    async with serve(app, holds_time=True, timeouts={'write_s': 30}, graceful_timeout_s=60) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await server.until(lambda: any(c.blocked for c in server.connections))
        stop = stopping(server)
        await begun(server)
        await server.passes(29)
        assert len((await client.reply()).body) == 12_000_000
        # It was promised nothing, and asks for nothing more: it is idle.
        await server.passes(1)
        await client.closed()
        client.close()
        await stop


@one_loop
async def test_a_stop_goes_on_where_no_descriptor_is_left(serve):
    async def app(scope, receive, send):
        if scope['path'] == '/held':
            await may_answer.wait()
        await answer(send, b'held')

    may_answer = asyncio.Event()
    async with serve(app) as server:
        client = await server.connect()
        await client.get('/held')
        await server.until(lambda: server.shared.tasks)
        waiting = socket.create_connection(server.address)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, limits[1]))
        taken = []
        try:
            with pytest.raises(OSError, match='Too many open files'):
                taken.extend(os.dup(0) for _ in range(waiting.fileno() + 2))
            assert serving._accept_all(server._socket) == []
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for descriptor in taken:
                os.close(descriptor)
        may_answer.set()
        assert (await client.reply()).body == b'held'
        waiting.close()
