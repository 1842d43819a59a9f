from __future__ import annotations

import asyncio

import pytest

from granian.server import connection, serving
from tests.helpers.doorman import Doorman
from tests.helpers.serving import answer, body, one_loop, read_body, start


async def clients_asking(server, count):
    clients = []
    for number in range(count):
        client = await server.connect()
        await client.get(f'/{number}')
        clients.append(client)
        # One at a time, so that their order is known.
        await server.until(lambda want=number + 1: len(server.shared.gate._waiting) + server.shared.gate.busy == want)
    return clients


async def test_requests_over_the_limit_wait_and_are_served_in_order(serve):
    app = Doorman()
    async with serve(app, exchanges_max=2) as server:
        clients = await clients_asking(server, 8)
        assert app.order == ['/0', '/1']
        app.let_end(8)
        for number, client in enumerate(clients):
            assert (await client.reply()).body == b'/%d' % number
    assert app.order == [f'/{number}' for number in range(8)]
    assert app.busy_max == 2


@pytest.mark.parametrize('more', [0, 2])
async def test_it_is_told_once_when_so_many_and_by_chance_some_more_are_over(serve, monkeypatch, more):
    monkeypatch.setattr(serving.random, 'randint', lambda least, most: more if (least, most) == (0, 2) else -1)
    told = []
    async with serve(answer, requests_max=3, requests_jitter=2) as server:
        gate = serving._gate(server.settings, server.loop, lambda: told.append(gate.served))
        gate.busy = 6
        for _ in range(3 + more - 1):
            gate.left()
        assert told == []
        gate.left()
        gate.left()
    assert told == [3 + more]


async def test_idle_connections_take_no_place(serve):
    app = Doorman()
    async with serve(app, exchanges_max=1) as server:
        for _ in range(5):
            await server.connect()
        kept = await server.connect()
        app.let_end(2)
        for _ in range(2):
            await kept.get('/kept')
            assert (await kept.reply()).status == 200


async def test_work_after_the_response_takes_no_place(serve):
    may_end = asyncio.Event()

    async def app(scope, receive, send):
        await answer(send)
        await may_end.wait()

    async with serve(app, exchanges_max=1) as server:
        for _ in range(3):
            assert (await server.get()).status == 200
        assert len(server.shared.tasks) == 3
        may_end.set()


async def test_pipelined_requests_and_bodies_wait_too(serve):
    async def app(scope, receive, send):
        data = await read_body(receive)
        for _ in range(5):
            await asyncio.sleep(0)
        await answer(send, data)

    async with serve(app, exchanges_max=1) as server:
        clients = [await server.connect() for _ in range(4)]
        for client in clients:
            for number in range(3):
                await client.post('/', b'x' * 100_000 * number)
        for client in clients:
            for number in range(3):
                assert (await client.reply()).body == b'x' * 100_000 * number


async def test_a_client_that_left_while_it_waited_holds_up_nobody(serve):
    app = Doorman()
    async with serve(app, exchanges_max=1) as server:
        first, second, third = await clients_asking(server, 3)
        second.reset()
        app.let_end(3)
        assert (await first.reply()).body == b'/0'
        assert (await third.reply()).body == b'/2'


@one_loop
async def test_a_client_that_leaves_in_the_middle_of_a_response_makes_room(serve):
    async def app(scope, receive, send):
        await read_body(receive)
        if scope['path'] == '/0':
            await start(send)
            await body(send, b'x', more=True)
            await asyncio.Event().wait()
        await answer(send, b'next')

    async with serve(app, exchanges_max=1) as server:
        first, second = await clients_asking(server, 2)
        await first.head()
        first.reset()
        assert (await second.reply()).body == b'next'
        for task in server.shared.tasks:
            task.cancel()


@one_loop
async def test_a_request_that_waits_for_its_turn_is_not_timed(serve):
    app = Doorman()
    async with serve(app, holds_time=True, exchanges_max=1, timeouts={'keep_alive_s': 30}) as server:
        first, second = await clients_asking(server, 2)
        await server.passes(300)
        app.let_end(2)
        assert (await first.reply()).body == b'/0'
        assert (await second.reply()).body == b'/1'
        await server.passes(31)
        await second.closed()


@one_loop
async def test_half_a_head_that_waited_for_its_turn_is_timed_after_it(serve):
    app = Doorman()
    async with serve(app, holds_time=True, exchanges_max=1, timeouts={'head_s': 30}) as server:
        slow = await server.connect()
        await slow.send(b'GET / HTTP/1.1\r\n')
        await server.until(lambda: any(c.engine.phase == 'head' for c in server.connections))
        (first,) = await clients_asking(server, 1)
        await slow.send(b'Host: a\r\n')
        await server.until(lambda: server.shared.gate._waiting)
        await server.passes(300)
        app.let_end()
        assert (await first.reply()).body == b'/0'
        await server.until(lambda: not server.shared.gate._waiting)
        await server.passes(31)
        assert (await slow.reply()).status == 408


@one_loop
async def test_who_has_closed_its_side_holds_no_place(serve):
    """It may still read, or be gone for good: nobody else waits for that."""
    may_answer = asyncio.Event()

    async def app(scope, receive, send):
        if scope['path'] == '/waits':
            await may_answer.wait()
        await answer(send, scope['path'].encode())

    async with serve(app, exchanges_max=1) as server:
        first = await server.connect()
        await first.get('/waits')
        await server.until(lambda: server.shared.gate.busy == 1)
        first.half_close()
        other = await server.connect()
        await other.get('/other')
        assert (await other.reply()).body == b'/other'
        may_answer.set()
        assert (await first.reply()).body == b'/waits'


@one_loop
async def test_a_reset_is_noticed_behind_what_is_not_read(serve):
    left = asyncio.Event()

    async def app(scope, receive, send):
        if scope['path'] == '/waits':
            while (await receive())['type'] != 'http.disconnect':
                pass
            left.set()
        else:
            await answer(send)

    async with serve(app, holds_time=True, exchanges_max=1) as server:
        first = await server.connect()
        await first.get('/waits')
        await first.send(b'GET /next HTTP/1.1\r\nHost: a\r\n\r\n' * 2000)
        await server.until(lambda: any(each._paused for each in server.connections))
        first.reset()
        await server.passes(connection.LOOK_S + 1)
        await asyncio.wait_for(left.wait(), 10)
        other = await server.connect()
        await other.get('/other')
        assert (await other.reply()).status == 200
